/* PAIR: one peer at a time; others wait for the place and inherit it. */
#include "ctest.h"

static void exchange(int a, int b) {
    SEND(a, "ping");
    RECV(b, "ping");
    SEND(b, "pong");
    RECV(a, "pong");
}

static void basics(enum transport t) {
    for (int raw = 0; raw < 4; raw++) { /* full and raw are the same */
        CONTEXT("%s, raw %d", transport_name[t], raw);
        int a = open_domain(raw & 1 ? AF_SP_RAW : AF_SP, NN_PAIR), b = open_domain(raw & 2 ? AF_SP_RAW : AF_SP, NN_PAIR);
        CHECK_ERR(nn_send(a, "x", 1, NN_DONTWAIT), EAGAIN);
        EMPTY(a);
        join(a, b, t);
        exchange(a, b);
        char number[16];
        for (int i = 0; i < 100; i++) {
            snprintf(number, sizeof(number), "%d", i);
            SEND(a, number);
        }
        for (int i = 0; i < 100; i++) {
            snprintf(number, sizeof(number), "%d", i);
            RECV(b, number);
        }
        CLOSE(a, b);
    }
}

/* Which of the waiting sockets has taken over. A message tells; the number of connections does not, because a connector
 * may believe for a moment, until it is sent away, that it is connected. */
static size_t heir(int binder, const int *waiting, size_t count) {
    size_t i = 0;
    WAIT((nn_send(binder, "heir?", 5, NN_DONTWAIT),
          i = (i + 1) % count,
          nn_recv(waiting[i], NULL, 0, NN_DONTWAIT) == 5));
    SEND(waiting[i], "I am");
    RECV(binder, "I am");
    return i;
}

/* Further connectors do not disturb the pair; when the peer goes one of them takes over. */
static void exclusive(enum transport t) {
    CONTEXT("%s, one peer at a time", transport_name[t]);
    if (t == INPROC && genuine())
        return; /* the reference corrupts the refused connector */
    int binder = open_socket(NN_PAIR), first = open_socket(NN_PAIR), others[3];
    address a = join(binder, first, t);
    for (size_t i = 0; i < COUNT(others); i++) {
        others[i] = open_socket(NN_PAIR);
        set(others[i], NN_RECONNECT_IVL, 20);
        CONNECT(others[i], a.text);
        if (t != INPROC)
            WAIT(statistic(others[i], NN_STAT_BROKEN_CONNECTIONS) >= 2);
        else
            CHECK_ERR(nn_send(others[i], "x", 1, NN_DONTWAIT), EAGAIN);
    }
    exchange(binder, first);
    CHECK_EQ(connections(binder), 1);
    CLOSE(first);
    for (size_t left = COUNT(others); left > 0; left--) {
        size_t next = heir(binder, others, left);
        CLOSE(others[next]);
        others[next] = others[left - 1];
    }
    CLOSE(binder);
}

/* The rule holds for the socket, over all its endpoints. */
static void several_binds(void) {
    CONTEXT("several binds");
    int binder = open_socket(NN_PAIR), a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    address tcp = bind_fresh(binder, TCP), ipc = bind_fresh(binder, IPC);
    connect_and_wait(a, binder, tcp.text);
    set(b, NN_RECONNECT_IVL, 20);
    CONNECT(b, ipc.text);
    WAIT(statistic(b, NN_STAT_BROKEN_CONNECTIONS) >= 2);
    exchange(a, binder);
    CLOSE(a);
    heir(binder, &b, 1);
    CLOSE(binder, b);
}

/* A send that waits for a peer completes when one appears. */
static void *late_peer(void *argument) {
    int s = open_socket(NN_PAIR);
    CONNECT(s, argument);
    RECV(s, "early");
    CLOSE(s);
    return NULL;
}

static void early_send(enum transport t) {
    CONTEXT("%s, send before the peer comes", transport_name[t]);
    int s = open_socket(NN_PAIR);
    address a = bind_fresh(s, t);
    pthread_t thread = spawn(late_peer, a.text);
    SEND(s, "early");
    await(thread);
    CLOSE(s);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        basics(t);
        exclusive(t);
        early_send(t);
    }
    several_binds();
    return finish();
}
