/* What crashes, hangs or corrupts the reference must not do so here. Elsewhere: bodies over 28 bytes (reqrep.c, survey.c),
 * ipc paths and obstacles (ipc_files.c), hostile peers (malformed.c), unsubscribing (pubsub.c), messages (realloc.c). */
#include "header.h"
#include "wire.h"

/* inproc: a second PAIR waits until the place is free, and is none the worse for it. */
static void second_pair(void) {
    CONTEXT("second PAIR");
    int binder = open_socket(NN_PAIR), first = open_socket(NN_PAIR), second = open_socket(NN_PAIR);
    address a = join(binder, first, INPROC);
    int id = CONNECT(second, a.text);
    CHECK_EQ(connections(second), 0);
    CHECK(!can_send(second));
    CHECK_ERR(nn_send(second, "x", 1, NN_DONTWAIT), EAGAIN);
    EMPTY(second);
    SEND(first, "hello");
    RECV(binder, "hello");
    CLOSE(first);
    CHECK_EQ(connections(second), 1); /* paired as the slot gets free */
    CHECK_EQ(connections(binder), 1);
    SEND(second, "heir");
    RECV(binder, "heir");
    CHECK_OK(nn_shutdown(second, id));
    CHECK_EQ(connections(binder), 0);

    CONNECT(second, a.text);
    first = open_socket(NN_PAIR);
    CONNECT(first, a.text); /* waits, and is closed while waiting */
    CLOSE(first);
    first = open_socket(NN_PAIR);
    CONNECT(first, a.text); /* waits, and gets a new binder */
    CLOSE(binder);
    binder = open_socket(NN_PAIR);
    BIND(binder, a.text);
    CHECK_EQ(connections(binder), 1);
    CHECK_EQ(connections(first) + connections(second), 1);
    CLOSE(second);
    WAIT(connections(first) == 1);
    SEND(first, "at last");
    RECV(binder, "at last");
    CLOSE(binder, first);
}

/* One PAIR, two binders: one connection, the other waits. */
static void two_binders(void) {
    CONTEXT("one PAIR, two binders");
    int pair = open_socket(NN_PAIR), a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    address x = bind_fresh(a, INPROC), y = bind_fresh(b, INPROC);
    CONNECT(pair, x.text);
    CONNECT(pair, y.text);
    CHECK_EQ(connections(pair), 1);
    CHECK_EQ(connections(a), 1);
    CHECK_EQ(connections(b), 0);
    SEND(pair, "to a");
    RECV(a, "to a");
    CLOSE(a);
    CHECK_EQ(connections(pair), 1);
    SEND(pair, "to b");
    RECV(b, "to b");
    CLOSE(pair, b);
}

/* A PAIR connected to itself, or to two places of one socket. */
static void itself(void) {
    CONTEXT("PAIR connected to itself");
    for EACH_TRANSPORT (t) {
        int s = open_socket(NN_PAIR);
        address a = bind_fresh(s, t);
        CONNECT(s, a.text);
        CONNECT(s, a.text);
        nn_send(s, "x", 1, NN_DONTWAIT);
        nn_recv(s, (char[4]){0}, 4, NN_DONTWAIT);
        CLOSE(s);
    }
}

/* A header given to a full socket that makes its own. */
static void header_on_full_socket(void) {
    CONTEXT("header on a full socket");
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP), s = open_socket(NN_SURVEYOR), r = open_socket(NN_RESPONDENT);
    set_option(s, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, patience());
    join(rep, req, INPROC);
    join(s, r, INPROC);
    CHECK_ERR(send_header(req, "head", 4, "x", 1, 0), EINVAL);
    CHECK_ERR(send_header(s, "head", 4, "x", 1, 0), EINVAL);
    CHECK_EQ(send_header(req, "", 0, "question", 8, 0), 8);
    CHECK_EQ(send_header(s, "", 0, "question", 8, 0), 8);
    RECV(rep, "question");
    RECV(r, "question");
    CHECK_ERR(send_header(rep, "head", 4, "x", 1, 0), EINVAL);
    CHECK_ERR(send_header(r, "head", 4, "x", 1, 0), EINVAL);
    SEND(rep, "answer"); /* still possible */
    SEND(r, "answer");
    RECV(req, "answer");
    RECV(s, "answer");
    CLOSE(req, rep, s, r);
}

/* Unsubscribing without any subscription; timers below zero. */
static void options(void) {
    CONTEXT("options");
    int sub = open_socket(NN_SUB), req = open_socket(NN_REQ), s = open_socket(NN_SURVEYOR);
    CHECK_ERR(nn_setsockopt(sub, NN_SUB, NN_SUB_UNSUBSCRIBE, "topic", 5), EINVAL);
    CHECK_ERR(nn_setsockopt(req, NN_REQ, NN_REQ_RESEND_IVL, &(int){-1}, 4), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, &(int){-1}, 4), EINVAL);
    SEND(req, "x");
    SEND(s, "x");
    CLOSE(sub, req, s);
}

/* A local address this machine does not have is a failed attempt, again and again. */
static void foreign_local_address(void) {
    CONTEXT("foreign local address");
    int s = open_socket(NN_PAIR);
    set(s, NN_RECONNECT_IVL, 10);
    CONNECT(s, "tcp://192.0.2.1;127.0.0.1:5555");
    WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 3);
    CLOSE(s);
}

/* A control message with an endless list of empty properties. */
static void endless_control(void) {
    CONTEXT("property of length 0");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, INPROC);
    struct nn_cmsghdr control[4] = {{0, 9, 9}};
    struct nn_iovec vector = {"body", 4};
    struct nn_msghdr header = {&vector, 1, control, sizeof(control)};
    CHECK_EQ(nn_sendmsg(a, &header, 0), 4);
    RECV(b, "body");
    CLOSE(a, b);
}

/* The messages of a failed send, body and control, stay with the caller. */
static void failed_send(void) {
    CONTEXT("failed send");
    int s = open_socket(NN_PAIR);
    void *body = nn_allocmsg(100, 0), *control = nn_allocmsg(100, 0);
    memset(body, 1, 100);
    memset(control, 0, 100);
    struct nn_iovec vector = {&body, NN_MSG};
    struct nn_msghdr header = {&vector, 1, &control, NN_MSG};
    CHECK_ERR(nn_sendmsg(s, &header, NN_DONTWAIT), EAGAIN);
    memset(body, 2, 100);
    memset(control, 2, 100);
    CHECK_OK(nn_freemsg(body));
    CHECK_OK(nn_freemsg(control));
    CLOSE(s);
}

/* After a success the back-off starts again: no long wait although there was one before. */
static void back_off_restarts(enum transport t) {
    CONTEXT("%s, back-off restarts", transport_name[t]);
    int s = open_socket(NN_PAIR);
    set(s, NN_RECONNECT_IVL, 10);
    set(s, NN_RECONNECT_IVL_MAX, 60000);
    address a = fresh(t);
    CONNECT(s, a.text);
    WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 5); /* the next waits are 150, 310, ... ms */
    for (int round = 0; round < 8; round++) { /* without a restart the last would be half a minute */
        int listener = peer_listen(a.text), fd = peer_accept(listener);
        peer_handshake(fd, NN_PAIR);
        WAIT(connections(s) == 1);
        close(fd);
        close(listener);
        if (t == IPC)
            unlink(a.text + strlen("ipc://"));
        WAIT(connections(s) == 0);
    }
    CLOSE(s);
}

/* Many threads connect to one inproc name and close again. (The reference aborts.) */
static address crowded;
static void *visitor(void *argument) {
    (void)argument;
    for (int i = 0; i < heavy(200); i++) {
        int s = nn_socket(AF_SP, NN_PUSH);
        CHECK(s >= 0);
        CONNECT(s, crowded.text);
        nn_send(s, "x", 1, NN_DONTWAIT);
        CHECK_OK(nn_close(s));
    }
    return NULL;
}

static void crowd(void) {
    CONTEXT("crowd");
    pthread_t threads[8];
    int pull = open_socket(NN_PULL);
    crowded = bind_fresh(pull, INPROC);
    for (int i = 0; i < 8; i++)
        threads[i] = spawn(visitor, NULL);
    for (int i = 0; i < 8; i++)
        await(threads[i]);
    while (nn_recv(pull, NULL, 0, NN_DONTWAIT) >= 0)
        ; /* what was accepted from a visitor keeps its connection until it is taken */
    WAIT((nn_recv(pull, NULL, 0, NN_DONTWAIT), connections(pull) == 0)); /* what they sent may outlive them */
    CLOSE(pull);
}

int main(void) {
    start();
    if (!genuine()) {
        second_pair();
        two_binders();
        itself();
        header_on_full_socket();
        options();
        foreign_local_address();
        endless_control();
        failed_send();
        for EACH_OS_TRANSPORT (t)
            back_off_restarts(t);
        crowd();
    }
    return finish();
}
