/* What survives nn_close. The reference promises nothing but what the system already holds (tcp); ours delivers what
 * was accepted within the linger time, and a linger time of 0 drops at once. Close itself does not wait for peers. */
#include "wire.h"

/* Some messages, then the sender closes at once; the receiver asks later. */
static void small(enum transport t) {
    CONTEXT("%s, small messages", transport_name[t]);
    if (genuine() && t != TCP)
        return; /* lost there */
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    join(pull, push, t);
    for (int i = 0; i < 10; i++)
        SEND_BYTES(push, &i, sizeof(i));
    CLOSE(push);
    for (int i = 0; i < 10; i++)
        RECV_BYTES(pull, &i, sizeof(i));
    EMPTY(pull);
    CLOSE(pull);
}

static void *slow_reader(void *argument) {
    int s = *(int *)argument, size;
    char *data = pattern(500000), *copy = malloc(500000);
    for (int i = 0; i < 5; i++) {
        size = nn_recv(s, copy, 500000, 0);
        CHECK_EQ(size, 500000);
        CHECK_BYTES(copy, data, 500000);
        pause_ms(5);
    }
    free(data);
    free(copy);
    return NULL;
}

/* Messages the kernel has no room for are flushed while the peer reads. */
static void large(enum transport t) {
    CONTEXT("%s, large messages", transport_name[t]);
    if (genuine())
        return;
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    set(push, NN_LINGER, patience());
    join(pull, push, t);
    pthread_t thread = spawn(slow_reader, &pull);
    char *data = pattern(500000);
    for (int i = 0; i < 5; i++)
        SEND_BYTES(push, data, 500000);
    free(data);
    CLOSE(push);
    await(thread);
    CLOSE(pull);
}

/* A peer that never reads does not hold up the close beyond the linger time, and is given all of it. */
static void bounded(enum transport t) {
    CONTEXT("%s, nobody reads", transport_name[t]);
    static const int lingers[] = {0, 200};
    if (t == INPROC) /* there is nobody but sockets, which read at the end */
        return;
    for (size_t i = 0; i < COUNT(lingers); i++) {
        int push = open_socket(NN_PUSH);
        set(push, NN_LINGER, lingers[i]);
        int peer = peer_connect(bind_fresh(push, t).text);
        peer_handshake(peer, NN_PULL);
        WAIT(connections(push) == 1);
        fill_up(push);
        int64_t since = now_ms();
        CLOSE(push);
        if (!genuine())
            CHECK_NOT_BEFORE(since, lingers[i] * 9 / 10);
        close(peer);
    }
}

/* Unsent messages without any peer: nothing to wait for. */
static void unconnected(void) {
    CONTEXT("nobody there");
    int req = open_socket(NN_REQ);
    set(req, NN_LINGER, FOREVER);
    CONNECT(req, fresh(TCP).text);
    SEND(req, "question");
    CLOSE(req);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        small(t);
        large(t);
        bounded(t);
    }
    unconnected();
    return finish();
}
