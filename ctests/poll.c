/* nn_poll, and plain poll or select on both descriptors. */
#include "blocked.h"
#include <sys/select.h>

static int look(int s, short events) {
    struct nn_pollfd entry = {.fd = s, .events = events};
    int result = nn_poll(&entry, 1, 0);
    CHECK(result >= 0);
    return result > 0 ? entry.revents : 0;
}

static void states(enum transport t) {
    CONTEXT("%s, states of a PAIR", transport_name[t]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    CHECK_EQ(look(a, NN_POLLIN | NN_POLLOUT), 0);
    join(a, b, t);
    WAIT(look(a, NN_POLLIN | NN_POLLOUT) == NN_POLLOUT);
    CHECK_EQ(look(a, NN_POLLIN), 0);
    SEND(b, "x");
    WAIT(look(a, NN_POLLIN | NN_POLLOUT) == (NN_POLLIN | NN_POLLOUT));
    CHECK_EQ(look(a, NN_POLLIN), NN_POLLIN);
    CHECK_EQ(look(a, NN_POLLOUT), NN_POLLOUT);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(get(a, NN_RCVFD), &set);
    FD_SET(get(a, NN_SNDFD), &set);
    CHECK_EQ(select(FD_SETSIZE, &set, NULL, NULL, &(struct timeval){0, 0}), 2);
    RECV(a, "x");
    CHECK_EQ(look(a, NN_POLLIN | NN_POLLOUT), NN_POLLOUT);
    CLOSE(a, b);
}

static void results(void) {
    CONTEXT("results");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR), c = open_socket(NN_PAIR);
    join(a, b, INPROC);
    SEND(b, "x");
    struct nn_pollfd entries[] = {{c, NN_POLLIN | NN_POLLOUT, 77},
                                  {a, NN_POLLIN, 77},
                                  {9999, 0, 77}, /* nothing asked for: not even looked at */
                                  {b, NN_POLLIN | NN_POLLOUT | 64, 77}};
    CHECK_EQ(nn_poll(entries, 4, 0), 2);
    CHECK_EQ(entries[0].revents, 0);
    CHECK_EQ(entries[1].revents, NN_POLLIN);
    CHECK_EQ(entries[2].revents, 0);
    CHECK_EQ(entries[3].revents, NN_POLLOUT);
    entries[0].revents = 77;
    CHECK_EQ(nn_poll(entries, 1, 0), 0);
    CHECK_EQ(entries[0].revents, 77); /* without a result nothing is written */
    CLOSE(a, b, c);
}

static void errors(void) {
    CONTEXT("errors");
    int pub = open_socket(NN_PUB), sub = open_socket(NN_SUB);
    struct nn_pollfd entries[] = {{pub, NN_POLLOUT, 77}, {pub, NN_POLLIN, 77}, {-1, NN_POLLIN, 77}};
    CHECK_ERR(nn_poll(entries, 3, 0), ENOPROTOOPT); /* in order: the second entry is the first wrong one */
    CHECK_EQ(entries[0].revents, 77);
    entries[1] = (struct nn_pollfd){9999, NN_POLLOUT, 77};
    CHECK_ERR(nn_poll(entries, 3, 0), EBADF);
    entries[1] = (struct nn_pollfd){sub, NN_POLLOUT, 77};
    CHECK_ERR(nn_poll(entries, 2, 0), ENOPROTOOPT);
    CHECK_EQ(nn_poll(entries, 1, 0), 1);
    CLOSE(pub, sub);
}

static void times(void) {
    CONTEXT("times");
    int s = open_socket(NN_PAIR);
    struct nn_pollfd entry = {s, NN_POLLIN, 0};
    int64_t since = now_ms();
    CHECK_EQ(nn_poll(NULL, 0, 100), 0);
    CHECK_NOT_BEFORE(since, 90);
    since = now_ms();
    CHECK_EQ(nn_poll(&entry, 1, 100), 0);
    CHECK_NOT_BEFORE(since, 90);
    CHECK_EQ(nn_poll(NULL, 0, 0), 0);
    CLOSE(s);
}

static void wakes(enum transport t) {
    CONTEXT("%s, wakes up", transport_name[t]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    struct blocked blocked;
    block(&blocked, blocking_poll_out, a);
    join(a, b, t);
    CHECK_BLOCKED(&blocked, 1, 0);
    block(&blocked, blocking_poll_in, a);
    SEND(b, "x");
    CHECK_BLOCKED(&blocked, 1, 0);
    RECV(a, "x");
    CLOSE(a, b);
}

static void many(void) {
    CONTEXT("many sockets");
    enum { MANY = 60 };
    int sockets[MANY], peers[MANY];
    struct nn_pollfd entries[MANY];
    for (int i = 0; i < MANY; i++) {
        sockets[i] = open_socket(NN_PAIR);
        peers[i] = open_socket(NN_PAIR);
        join(sockets[i], peers[i], INPROC);
        entries[i] = (struct nn_pollfd){sockets[i], NN_POLLIN, 0};
    }
    for (int i = 0; i < MANY; i++) {
        SEND(peers[i], "x");
        CHECK_EQ(nn_poll(entries, MANY, -1), 1);
        for (int k = 0; k < MANY; k++)
            CHECK_EQ(entries[k].revents, k == i ? NN_POLLIN : 0);
        RECV(sockets[i], "x");
    }
    for (int i = 0; i < MANY; i++)
        CLOSE(sockets[i], peers[i]);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        states(t);
        wakes(t);
    }
    results();
    errors();
    times();
    many();
    return finish();
}
