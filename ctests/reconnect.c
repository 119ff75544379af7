/* Connecting endpoints try again for ever; the waits of the back-off are never shorter than promised. */
#include "wire.h"

/* The connector comes long before the listener; nothing sent afterwards is lost or out of order. */
static void listener_later(enum transport t) {
    CONTEXT("%s, listener comes later", transport_name[t]);
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    address a = fresh(t);
    CONNECT(push, a.text);
    WAIT(statistic(push, NN_STAT_CONNECT_ERRORS) >= 3);
    BIND(pull, a.text);
    for (int i = 0; i < 100; i++)
        SEND_BYTES(push, &i, sizeof(i)); /* the first waits for the connection */
    for (int i = 0; i < 100; i++)
        RECV_BYTES(pull, &i, sizeof(i));
    CLOSE(push, pull);
}

static void listener_restarts(enum transport t) {
    CONTEXT("%s, listener restarts", transport_name[t]);
    int push = open_socket(NN_PUSH);
    address a = fresh(t);
    set(push, NN_RECONNECT_IVL, 10);
    CONNECT(push, a.text);
    for (int round = 1; round <= 4; round++) {
        int pull = open_socket(NN_PULL);
        BIND(pull, a.text);
        SEND_BYTES(push, &round, sizeof(round));
        RECV_BYTES(pull, &round, sizeof(round));
        CHECK_EQ(statistic(push, NN_STAT_ESTABLISHED_CONNECTIONS), round);
        CLOSE(pull);
        WAIT(connections(push) == 0);
    }
    CLOSE(push);
}

/* Attempt n starts at `earliest[n]` ms or later; an attempt counts once it has failed. */
static void back_off(int interval, int maximum, const int *earliest, int count) {
    for EACH_OS_TRANSPORT (t) {
        CONTEXT("%s, back-off %d/%d", transport_name[t], interval, maximum);
        int s = open_socket(NN_PAIR);
        set(s, NN_RECONNECT_IVL, interval);
        set(s, NN_RECONNECT_IVL_MAX, maximum);
        address a = fresh(t);
        int64_t since = now_ms();
        CONNECT(s, a.text);
        set(s, NN_RECONNECT_IVL, 1); /* too late for this endpoint */
        for (int i = 0; i < count; i++) {
            WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= (uint64_t)i + 1);
            int64_t elapsed = now_ms() - since;
            check_at(__FILE__, __LINE__, elapsed >= earliest[i] - 1 - i, "attempt %d after %d ms already", i,
                     (int)elapsed);
        }
        CLOSE(s);
    }
}

/* Refusal during the handshake is followed by another try as well. */
static void after_bad_handshake(enum transport t) {
    CONTEXT("%s, bad handshakes", transport_name[t]);
    int s = open_socket(NN_PAIR);
    set(s, NN_RECONNECT_IVL, 10);
    address a = fresh(t);
    int listener = peer_listen(a.text);
    CONNECT(s, a.text);
    for (int i = 0; i < 3; i++) {
        int fd = peer_accept(listener);
        PEER_EXPECT(fd, GREETING(NN_PAIR));
        if (i == 0)
            peer_greet(fd, NN_PUB);
        close(fd);
    }
    int fd = peer_accept(listener);
    peer_handshake(fd, NN_PAIR);
    SEND(s, "at last");
    uint8_t body[256];
    CHECK_EQ(peer_recv(fd, t, body), 7);
    CHECK_EQ(statistic(s, NN_STAT_BROKEN_CONNECTIONS), 3);
    close(fd);
    close(listener);
    CLOSE(s);
}

int main(void) {
    start();
    for EACH_OS_TRANSPORT (t) {
        listener_later(t);
        listener_restarts(t);
        after_bad_handshake(t);
    }
    back_off(100, 0, (const int[]){0, 0, 100, 200, 300}, 5);
    back_off(50, 1000, (const int[]){0, 0, 50, 200, 550, 1300}, 6);
    back_off(50, 10, (const int[]){0, 0, 10, 20, 30}, 5);
    return finish();
}
