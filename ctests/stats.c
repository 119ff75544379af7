/* Statistics: the sequences of connecting, exchanging and disconnecting. */
#include "wire.h"

enum { ESTABLISHED, ACCEPTED, DROPPED, BROKEN, CONNECT_ERRORS, EP_ERRORS, INPROGRESS, CURRENT, COUNTERS };
static const int counter_id[COUNTERS] = {
    NN_STAT_ESTABLISHED_CONNECTIONS, NN_STAT_ACCEPTED_CONNECTIONS, NN_STAT_DROPPED_CONNECTIONS,
    NN_STAT_BROKEN_CONNECTIONS,      NN_STAT_CONNECT_ERRORS,       NN_STAT_CURRENT_EP_ERRORS,
    NN_STAT_INPROGRESS_CONNECTIONS,  NN_STAT_CURRENT_CONNECTIONS};
static const char *const counter_name[COUNTERS] = {"established",    "accepted",  "dropped",    "broken",
                                                   "connect errors", "ep errors", "in progress", "current"};

typedef int counters[COUNTERS];

static bool equal(int s, const counters expected) {
    for (int i = 0; i < COUNTERS; i++)
        if ((int)statistic(s, counter_id[i]) != expected[i])
            return false;
    return true;
}

static void check_counters(const char *file, int line, int s, const counters expected) {
    int64_t deadline = now_ms() + patience();
    while (!equal(s, expected) && now_ms() < deadline)
        pause_ms(1);
    for (int i = 0; i < COUNTERS; i++)
        check_at(file, line, (int)statistic(s, counter_id[i]) == expected[i], "%s: expected %d, got %d",
                 counter_name[i], expected[i], (int)statistic(s, counter_id[i]));
}

/* Soon, exactly these counters are not zero: COUNTERS_ARE(s, [CURRENT] = 1). */
#define COUNTERS_ARE(s, ...) check_counters(__FILE__, __LINE__, s, (const counters){__VA_ARGS__})

static void inproc(void) {
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR), c = open_socket(NN_PAIR), bus = open_socket(NN_BUS);
    CONTEXT("inproc, bind then connect");
    address at = bind_fresh(a, INPROC);
    CONNECT(b, at.text);
    COUNTERS_ARE(a, [CURRENT] = 1);
    COUNTERS_ARE(b, [ESTABLISHED] = 1, [CURRENT] = 1);
    CONTEXT("inproc, connect then bind");
    CLOSE(a, b);
    a = open_socket(NN_PAIR);
    b = open_socket(NN_PAIR);
    CONNECT(b, at.text);
    COUNTERS_ARE(b, [INPROGRESS] = 1);
    BIND(a, at.text);
    COUNTERS_ARE(a, [ACCEPTED] = 1, [CURRENT] = 1);
    COUNTERS_ARE(b, [ESTABLISHED] = 1, [CURRENT] = 1);
    CLOSE(a);
    COUNTERS_ARE(b, [ESTABLISHED] = 1, [INPROGRESS] = 1);
    BIND(c, at.text);
    COUNTERS_ARE(c, [CURRENT] = 1, [ACCEPTED] = 1);
    COUNTERS_ARE(b, [ESTABLISHED] = 2, [CURRENT] = 1);
    CONTEXT("inproc, types do not match");
    CONNECT(bus, at.text);
    COUNTERS_ARE(bus, [INPROGRESS] = 1);
    COUNTERS_ARE(c, [CURRENT] = 1, [ACCEPTED] = 1);
    CLOSE(b, c, bus);
}

static void endpoints(enum transport t) {
    CONTEXT("%s, connect, disconnect", transport_name[t]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    address at = fresh(t);
    int bound = BIND(a, at.text), connected = connect_and_wait(b, a, at.text);
    COUNTERS_ARE(a, [ACCEPTED] = 1, [CURRENT] = 1);
    COUNTERS_ARE(b, [ESTABLISHED] = 1, [CURRENT] = 1);
    CHECK_OK(nn_shutdown(b, connected));
    COUNTERS_ARE(a, [ACCEPTED] = 1, [BROKEN] = 1);
    COUNTERS_ARE(b, [ESTABLISHED] = 1, [DROPPED] = 1);
    set(b, NN_RECONNECT_IVL, 10000); /* the first retry is immediate, no other follows soon */
    connect_and_wait(b, a, at.text);
    COUNTERS_ARE(a, [ACCEPTED] = 2, [BROKEN] = 1, [CURRENT] = 1);
    CHECK_OK(nn_shutdown(a, bound));
    COUNTERS_ARE(a, [ACCEPTED] = 2, [BROKEN] = 1, [DROPPED] = 1);
    WAIT(statistic(b, NN_STAT_BROKEN_CONNECTIONS) == 1 && connections(b) == 0);
    CLOSE(a, b);
}

static void nobody_listens(enum transport t) {
    CONTEXT("%s, nobody listens", transport_name[t]);
    int s = open_socket(NN_PAIR);
    set(s, NN_RECONNECT_IVL, 10000);
    address at = fresh(t);
    CONNECT(s, at.text);
    COUNTERS_ARE(s, [CONNECT_ERRORS] = 2, [EP_ERRORS] = 1); /* at once, and once more at once */
    CLOSE(s);

    s = open_socket(NN_PAIR);
    int peer = open_socket(NN_PAIR);
    set(s, NN_RECONNECT_IVL, 20);
    CONNECT(s, at.text);
    WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 3);
    BIND(peer, at.text);
    WAIT(connections(s) == 1);
    CHECK_EQ(statistic(s, NN_STAT_CURRENT_EP_ERRORS), 0); /* cleared by success */
    CHECK_EQ(statistic(s, NN_STAT_ESTABLISHED_CONNECTIONS), 1);
    CLOSE(s, peer);
}

static void raw_peers(enum transport t) {
    CONTEXT("%s, only the OS connection so far", transport_name[t]);
    int a = open_socket(NN_PAIR);
    address at = bind_fresh(a, t);
    int fd = peer_connect(at.text);
    COUNTERS_ARE(a, [ACCEPTED] = 1);
    peer_handshake(fd, NN_PAIR);
    COUNTERS_ARE(a, [ACCEPTED] = 1, [CURRENT] = 1);
    CONTEXT("%s, bad handshake", transport_name[t]);
    int bad = peer_connect(at.text);
    peer_greet(bad, NN_PUB);
    COUNTERS_ARE(a, [ACCEPTED] = 2, [CURRENT] = 1, [BROKEN] = 1);
    CONTEXT("%s, place taken", transport_name[t]);
    int second = peer_connect(at.text);
    peer_greet(second, NN_PAIR);
    COUNTERS_ARE(a, [ACCEPTED] = 3, [CURRENT] = 1, [BROKEN] = 2);
    CHECK(peer_hung_up(second));
    close(fd);
    COUNTERS_ARE(a, [ACCEPTED] = 3, [BROKEN] = 3);
    close(bad);
    close(second);
    CLOSE(a);

    CONTEXT("%s, connecting to a silent listener", transport_name[t]);
    int b = open_socket(NN_PAIR);
    at = fresh(t);
    int listener = peer_listen(at.text);
    set(b, NN_RECONNECT_IVL, 10000);
    CONNECT(b, at.text);
    COUNTERS_ARE(b, [ESTABLISHED] = 1);
    CLOSE(b);
    close(listener);
}

static void pair_taken(enum transport t) {
    CONTEXT("%s, refused again and again", transport_name[t]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR), c = open_socket(NN_PAIR);
    address at = join(a, b, t);
    set(c, NN_RECONNECT_IVL, 20);
    CONNECT(c, at.text);
    WAIT(statistic(c, NN_STAT_BROKEN_CONNECTIONS) >= 4);
    CHECK_EQ(connections(a), 1);
    CHECK_EQ(connections(b), 1);
    WAIT(connections(c) == 0); /* for a moment, until it is sent away, it may believe it is connected */
    CLOSE(c);
    WAIT(statistic(a, NN_STAT_ACCEPTED_CONNECTIONS) == statistic(a, NN_STAT_BROKEN_CONNECTIONS) + 1);
    CHECK_EQ(statistic(b, NN_STAT_BROKEN_CONNECTIONS), 0);
    CLOSE(a, b);
}

static void traffic(enum transport t) {
    CONTEXT("%s, traffic", transport_name[t]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    CHECK_ERR(nn_send(a, "x", 1, NN_DONTWAIT), EAGAIN); /* failures do not count */
    EMPTY(a);
    join(a, b, t);
    SEND(a, "abc");
    SEND(a, "");
    SEND(a, "defgh");
    CHECK_EQ(statistic(a, NN_STAT_MESSAGES_SENT), 3);
    CHECK_EQ(statistic(a, NN_STAT_BYTES_SENT), 8);
    RECV(b, "abc");
    RECV(b, "");
    CHECK_EQ(statistic(b, NN_STAT_MESSAGES_RECEIVED), 2);
    CHECK_EQ(nn_recv(b, NULL, 0, 0), 5); /* all of a message counts, even if the buffer was smaller */
    CHECK_EQ(statistic(b, NN_STAT_BYTES_RECEIVED), 8);
    CHECK_EQ(statistic(b, NN_STAT_MESSAGES_SENT), 0);
    CHECK_EQ(statistic(a, NN_STAT_MESSAGES_RECEIVED), 0);
    CLOSE(a, b);
}

static void arguments(void) {
    CONTEXT("arguments");
    int s = open_socket(NN_PUB);
    static const int unknown[] = {0, -1, 100, 108, 200, 204, 300, 305, 400, 402, 100000};
    for (size_t i = 0; i < COUNT(unknown); i++)
        CHECK_ERR(nn_get_statistic(s, unknown[i]), EINVAL);
    static const int known[] = {101, 102, 103, 104, 105, 106, 107, 201, 202, 203, 301, 302, 303, 304, 401};
    for (size_t i = 0; i < COUNT(known); i++)
        CHECK_EQ(statistic(s, known[i]), 0);
    SEND(s, "abc"); /* nobody there: sent all the same */
    SEND(s, "");
    CHECK_EQ(statistic(s, NN_STAT_MESSAGES_SENT), 2);
    CHECK_EQ(statistic(s, NN_STAT_BYTES_SENT), 3);
    CLOSE(s);
}

static void priority(enum transport t, int domain, int type, int peer_type) {
    CONTEXT("%s, priority, type %d, domain %d", transport_name[t], type, domain);
    int s = open_domain(domain, type), one = open_socket(peer_type), two = open_socket(peer_type);
    CHECK_EQ(statistic(s, NN_STAT_CURRENT_SND_PRIORITY), 0);
    address a = bind_fresh(one, t), b = bind_fresh(two, t);
    set(s, NN_SNDPRIO, 1);
    connect_and_wait(s, one, a.text);
    set(s, NN_SNDPRIO, 2);
    connect_and_wait(s, two, b.text);
    WAIT(statistic(s, NN_STAT_CURRENT_SND_PRIORITY) == 1);
    CLOSE(one);
    WAIT(statistic(s, NN_STAT_CURRENT_SND_PRIORITY) == 2);
    CLOSE(two);
    WAIT(statistic(s, NN_STAT_CURRENT_SND_PRIORITY) == (uint64_t)-1);
    errno = 0;
    CHECK(statistic(s, NN_STAT_CURRENT_SND_PRIORITY) == (uint64_t)-1 && errno == 0);
    CLOSE(s);
}

int main(void) {
    start();
    inproc();
    arguments();
    for EACH_TRANSPORT (t) {
        traffic(t);
        for (int domain = AF_SP; domain <= AF_SP_RAW; domain++) {
            priority(t, domain, NN_PUSH, NN_PULL);
            priority(t, domain, NN_REQ, NN_REP);
        }
    }
    for EACH_OS_TRANSPORT (t) {
        endpoints(t);
        nobody_listens(t);
        raw_peers(t);
        pair_taken(t);
    }
    return finish();
}
