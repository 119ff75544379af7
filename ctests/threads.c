/* Many threads: opening, connecting, closing at once; and several on one socket. */
#include "ctest.h"

enum { MOST = 100 };
static int thread_count, rounds;
static address at;

/* nn_socket may fail for want of handles, and for nothing else. */
static void *visitor(void *argument) {
    enum transport t = *(enum transport *)argument;
    for (int i = 0; i < rounds; i++) {
        int s = nn_socket(AF_SP, NN_SUB);
        if (s < 0) {
            CHECK_EQ(errno, EMFILE);
            continue;
        }
        CONNECT(s, at.text);
        if (i % 3 == 0)
            BIND(s, fresh(t == TCP ? INPROC : t).text);
        CHECK_OK(nn_close(s));
    }
    return NULL;
}

static void open_connect_close(enum transport t) {
    CONTEXT("%s, open, connect, close", transport_name[t]);
    pthread_t threads[MOST];
    int pub = open_socket(NN_PUB);
    at = bind_fresh(pub, t);
    for (int i = 0; i < thread_count; i++)
        threads[i] = spawn(visitor, &t);
    for (int i = 0; i < heavy(200); i++)
        SEND(pub, "news");
    for (int i = 0; i < thread_count; i++)
        await(threads[i]);
    WAIT(connections(pub) == 0);
    CLOSE(pub);
    CHECK_EQ(nn_socket(AF_SP, NN_SUB), 0); /* no handle leaked */
    CLOSE(0);
}

enum { SENDERS = 6, RECEIVERS = 6 };
static int push_socket, pull_socket, per_sender, received;
static uint8_t seen[SENDERS][4000];

static void *sender(void *argument) {
    int me = (int)(intptr_t)argument;
    for (int i = 0; i < per_sender; i++)
        SEND_BYTES(push_socket, ((int[]){me, i}), 2 * sizeof(int));
    return NULL;
}

static void *receiver(void *argument) {
    (void)argument;
    int message[2], last[SENDERS];
    memset(last, -1, sizeof(last));
    while (nn_recv(pull_socket, message, sizeof(message), 0) == sizeof(message)) {
        CHECK(message[1] > last[message[0]]); /* order holds within one connection */
        last[message[0]] = message[1];
        __atomic_add_fetch(&seen[message[0]][message[1]], 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&received, 1, __ATOMIC_RELAXED);
    }
    CHECK_EQ(errno, EBADF);
    return NULL;
}

static void one_socket(enum transport t) {
    CONTEXT("%s, many threads on one socket", transport_name[t]);
    pthread_t senders[SENDERS], receivers[RECEIVERS];
    push_socket = open_socket(NN_PUSH);
    pull_socket = open_socket(NN_PULL);
    per_sender = heavy(2000);
    memset(seen, 0, sizeof(seen));
    received = 0;
    join(pull_socket, push_socket, t);
    for (intptr_t i = 0; i < RECEIVERS; i++)
        receivers[i] = spawn(receiver, NULL);
    for (intptr_t i = 0; i < SENDERS; i++)
        senders[i] = spawn(sender, (void *)i);
    for (int i = 0; i < SENDERS; i++)
        await(senders[i]);
    WAIT(__atomic_load_n(&received, __ATOMIC_RELAXED) == SENDERS * per_sender);
    if (!genuine()) { /* whose counters lose some when threads count at the same time */
        CHECK_EQ(statistic(pull_socket, NN_STAT_MESSAGES_RECEIVED), SENDERS * per_sender);
        CHECK_EQ(statistic(push_socket, NN_STAT_MESSAGES_SENT), SENDERS * per_sender);
    }
    CLOSE(pull_socket);
    for (int i = 0; i < RECEIVERS; i++)
        await(receivers[i]);
    for (int i = 0; i < SENDERS; i++)
        for (int k = 0; k < per_sender; k++)
            if (!CHECK(seen[i][k] == 1)) /* every message to exactly one receiver */
                break;
    CLOSE(push_socket);
}

static void *asker(void *argument) {
    int s = open_socket(NN_REQ), me = (int)(intptr_t)argument;
    CONNECT(s, at.text);
    for (int i = 0; i < heavy(100); i++) {
        int question[2] = {me, i};
        SEND_BYTES(s, question, sizeof(question));
        RECV_BYTES(s, question, sizeof(question));
    }
    CLOSE(s);
    return NULL;
}

static void *echo(void *argument) {
    int s = *(int *)argument;
    void *message;
    for (int size; (size = nn_recv(s, &message, NN_MSG, 0)) >= 0;)
        CHECK_EQ(nn_send(s, &message, NN_MSG, 0), size);
    CHECK_EQ(errno, EBADF);
    return NULL;
}

static void requesters(enum transport t) {
    CONTEXT("%s, many requesters", transport_name[t]);
    pthread_t threads[10];
    int rep = open_socket(NN_REP);
    at = bind_fresh(rep, t);
    pthread_t server = spawn(echo, &rep);
    for (intptr_t i = 0; i < 10; i++)
        threads[i] = spawn(asker, (void *)i);
    for (int i = 0; i < 10; i++)
        await(threads[i]);
    CLOSE(rep);
    await(server);
}

int main(void) {
    start();
    thread_count = slow() ? 20 : MOST;
    rounds = slow() ? 3 : 10;
    for EACH_TRANSPORT (t) {
        if (t != INPROC || !genuine()) /* the reference aborts when many connect and close at once */
            open_connect_close(t);
        one_socket(t);
        requesters(t);
    }
    return finish();
}
