/* Short-lived peers come and go while others keep working. */
#include "ctest.h"

static int in_order;

/* Receives until told to stop; every connection's messages come in order. */
static void *collect(void *argument) {
    int s = *(int *)argument, last[64];
    memset(last, -1, sizeof(last));
    int message[2];
    while (nn_recv(s, message, sizeof(message), 0) == sizeof(message) && message[0] >= 0) {
        CHECK(message[1] == last[message[0]] + 1);
        last[message[0]] = message[1];
        in_order++;
    }
    return NULL;
}

/* Orderly senders: connect, send, wait until read, close. Nothing of theirs is lost. */
static void short_lived_pushers(enum transport t) {
    CONTEXT("%s, short-lived PUSHers", transport_name[t]);
    enum { EACH = 10 };
    int pushers = slow() ? 10 : 60, pull = open_socket(NN_PULL);
    address a = bind_fresh(pull, t);
    in_order = 0;
    pthread_t thread = spawn(collect, &pull);
    for (int i = 0; i < pushers; i++) {
        int push = open_socket(NN_PUSH);
        CONNECT(push, a.text);
        for (int k = 0; k < EACH; k++)
            SEND_BYTES(push, ((int[]){i, k}), 2 * sizeof(int));
        WAIT(statistic(pull, NN_STAT_MESSAGES_RECEIVED) == (uint64_t)(i + 1) * EACH);
        CLOSE(push);
    }
    int push = open_socket(NN_PUSH);
    CONNECT(push, a.text);
    SEND_BYTES(push, ((int[]){-1, 0}), 2 * sizeof(int));
    await(thread);
    CHECK_EQ(in_order, pushers * EACH);
    CLOSE(push, pull);
}

/* A PUSH and a PUB work on while receivers that ask once, or never, come and go. */
static void short_lived_receivers(enum transport t) {
    CONTEXT("%s, short-lived receivers", transport_name[t]);
    int push = open_socket(NN_PUSH), pub = open_socket(NN_PUB), faithful = open_socket(NN_SUB);
    address a = bind_fresh(push, t), b = bind_fresh(pub, t);
    CHECK_OK(nn_setsockopt(faithful, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
    connect_and_wait(faithful, pub, b.text);
    for (int i = 0; i < heavy(60); i++) {
        int pull = open_socket(NN_PULL), sub = open_socket(NN_SUB);
        CHECK_OK(nn_setsockopt(sub, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
        CONNECT(pull, a.text);
        CONNECT(sub, b.text);
        SEND_BYTES(push, &i, sizeof(i));
        SEND_BYTES(pub, &i, sizeof(i));
        RECV_BYTES(faithful, &i, sizeof(i));
        if (i % 2)
            RECV_BYTES(pull, &i, sizeof(i));
        CLOSE(pull, sub);
        WAIT(connections(push) == 0);
    }
    CLOSE(push, pub, faithful);
}

/* One socket connects many times to one address: many connections, all of them used. */
static void same_address(enum transport t) {
    CONTEXT("%s, many connects to one address", transport_name[t]);
    int count = slow() ? 8 : 50, push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    address a = bind_fresh(pull, t);
    set(push, NN_RECONNECT_IVL, 10); /* the ipc backlog is short */
    for (int i = 0; i < count; i++)
        CONNECT(push, a.text);
    WAIT(connections(push) == count && connections(pull) == count);
    int sum = 0, number;
    for (int i = 0; i < 3 * count; i++)
        SEND_BYTES(push, &i, sizeof(i));
    for (int i = 0; i < 3 * count; i++) {
        CHECK_EQ(nn_recv(pull, &number, sizeof(number), 0), sizeof(number));
        sum += number;
    }
    CHECK_EQ(sum, 3 * count * (3 * count - 1) / 2);
    CLOSE(push);
    WAIT(connections(pull) == 0);
    CLOSE(pull);
}

/* Many clients at once, more than an ipc backlog holds: all get through. */
static void crowd(enum transport t) {
    CONTEXT("%s, crowd", transport_name[t]);
    enum { MOST = 60 };
    int count = slow() ? 12 : MOST, rep = open_socket(NN_REP), reqs[MOST];
    address a = fresh(t);
    for (int i = 0; i < count; i++) {
        reqs[i] = open_socket(NN_REQ);
        set(reqs[i], NN_RECONNECT_IVL, 20);
        CONNECT(reqs[i], a.text);
        SEND_BYTES(reqs[i], &i, sizeof(i));
    }
    BIND(rep, a.text);
    for (int i = 0; i < count; i++) {
        int number;
        CHECK_EQ(nn_recv(rep, &number, sizeof(number), 0), sizeof(number));
        SEND_BYTES(rep, &number, sizeof(number));
    }
    for (int i = 0; i < count; i++) {
        RECV_BYTES(reqs[i], &i, sizeof(i));
        CLOSE(reqs[i]);
    }
    CLOSE(rep);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        short_lived_pushers(t);
        short_lived_receivers(t);
        same_address(t);
        crowd(t);
    }
    return finish();
}
