/* REQ and REP: order of calls, delayed requests, replacement, fail-over, resending. */
#include "ctest.h"

static void ask(int req, int rep, const char *text) {
    SEND(req, text);
    RECV(rep, text);
    SEND(rep, "answer");
    RECV(req, "answer");
}

static void order(enum transport t) {
    CONTEXT("%s, order of calls", transport_name[t]);
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP);
    char buffer[8];
    CHECK_ERR(nn_recv(req, buffer, 8, 0), EFSM);
    CHECK_ERR(nn_recv(req, buffer, 8, NN_DONTWAIT), EFSM);
    CHECK_ERR(nn_send(rep, "x", 1, 0), EFSM);
    CHECK_ERR(nn_send(rep, "x", 1, NN_DONTWAIT), EFSM);
    join(rep, req, t);
    CHECK_ERR(nn_recv(req, buffer, 8, 0), EFSM);
    EMPTY(rep);
    SEND(req, "question");
    EMPTY(req);
    RECV(rep, "question");
    SEND(rep, "answer");
    CHECK_ERR(nn_send(rep, "x", 1, 0), EFSM);
    RECV(req, "answer");
    CHECK_ERR(nn_recv(req, buffer, 8, 0), EFSM);
    for (int i = 0; i < 20; i++)
        ask(req, rep, "again");
    char *data = pattern(1000);
    static const size_t sizes[] = {1, 27, 28, 29, 32, 33, 1000}; /* the reference's newer versions trip at 29 */
    for (size_t i = 0; i < COUNT(sizes); i++) {
        SEND_BYTES(req, data, sizes[i]);
        RECV_BYTES(rep, data, sizes[i]);
        SEND_BYTES(rep, data, sizes[i]);
        RECV_BYTES(req, data, sizes[i]);
    }
    free(data);
    CLOSE(req, rep);
}

/* An expired or non-blocking receive leaves the request outstanding; it abandons REP's pending one. */
static void patience_of_both(void) {
    CONTEXT("timeouts");
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP);
    join(rep, req, INPROC);
    SEND(req, "question");
    NOTHING(req);
    RECV(rep, "question");
    EMPTY(req);
    SEND(rep, "answer");
    RECV(req, "answer");

    SEND(req, "question");
    RECV(rep, "question");
    EMPTY(rep);
    CHECK_ERR(nn_send(rep, "late", 4, 0), EFSM);
    SEND(req, "another");
    RECV(rep, "another");
    NOTHING(rep);
    CHECK_ERR(nn_send(rep, "late", 4, 0), EFSM);
    CLOSE(req, rep);
}

/* Without a peer the newest request waits, and goes out when one comes. */
static void delayed(enum transport t) {
    CONTEXT("%s, request before the peer comes", transport_name[t]);
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP);
    address a = fresh(t);
    set(req, NN_RECONNECT_IVL, 10);
    CONNECT(req, a.text);
    SEND(req, "first");
    SEND(req, "second");
    CHECK_EQ(nn_send(req, "third", 5, NN_DONTWAIT), 5);
    BIND(rep, a.text);
    RECV(rep, "third");
    SEND(rep, "answer");
    RECV(req, "answer");
    NOTHING(rep);
    CLOSE(req, rep);
}

/* A new request replaces the one outstanding; the old one's answer never arrives. */
static void replaced(enum transport t) {
    CONTEXT("%s, replaced request", transport_name[t]);
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP), rep2 = open_socket(NN_REP);
    address a = bind_fresh(req, t);
    connect_and_wait(rep, req, a.text);
    SEND(req, "old");
    RECV(rep, "old");
    connect_and_wait(rep2, req, a.text);
    SEND(req, "new");
    SEND(rep, "stale answer");
    set(rep, NN_RCVTIMEO, 100);
    set(rep2, NN_RCVTIMEO, 100);
    char buffer[8];
    int answerer = nn_recv(rep2, buffer, sizeof(buffer), 0) == 3 ? rep2 : rep;
    if (answerer == rep)
        CHECK_EQ(nn_recv(rep, buffer, sizeof(buffer), 0), 3);
    CHECK_BYTES(buffer, "new", 3);
    SEND(answerer, "fresh answer");
    RECV(req, "fresh answer");
    CLOSE(req, rep, rep2);
}

/* Done with a reply not taken: a new request drops it. */
static void unread_reply(void) {
    CONTEXT("reply not taken");
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP);
    join(rep, req, INPROC);
    SEND(req, "one");
    RECV(rep, "one");
    SEND(rep, "answer one");
    WAIT(can_recv(req));
    SEND(req, "two");
    CHECK(!can_recv(req));
    RECV(rep, "two");
    SEND(rep, "answer two");
    RECV(req, "answer two");
    CLOSE(req, rep);
}

/* Successive requests rotate over the peers. */
static void rotate(void) {
    CONTEXT("rotation");
    int req = open_socket(NN_REQ), reps[3];
    for (int i = 0; i < 3; i++) {
        reps[i] = open_socket(NN_REP);
        CONNECT(req, bind_fresh(reps[i], INPROC).text);
    }
    for (int i = 0; i < 9; i++)
        ask(req, reps[i % 3], "question");
    CLOSE(req, reps[0], reps[1], reps[2]);
}

/* The peer that had the request goes: another gets it at once, or the next to come. */
static void fail_over(enum transport t) {
    CONTEXT("%s, fail-over", transport_name[t]);
    int req = open_socket(NN_REQ), first = open_socket(NN_REP), second = open_socket(NN_REP), third = open_socket(NN_REP);
    address a = bind_fresh(req, t);
    connect_and_wait(first, req, a.text);
    SEND(req, "question");
    RECV(first, "question");
    connect_and_wait(second, req, a.text);
    CLOSE(first);
    RECV(second, "question"); /* not resent, which is a minute away */
    CLOSE(second); /* nobody left: it waits for a new peer */
    WAIT(connections(req) == 0);
    connect_and_wait(third, req, a.text);
    RECV(third, "question");
    SEND(third, "answer");
    RECV(req, "answer");
    CLOSE(req, third);
}

static void resend(enum transport t) {
    CONTEXT("%s, resending", transport_name[t]);
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP);
    set_option(req, NN_REQ, NN_REQ_RESEND_IVL, 100);
    join(rep, req, t);
    SEND(req, "question");
    int64_t since = now_ms();
    RECV(rep, "question");
    RECV(rep, "question");
    CHECK_NOT_BEFORE(since, 90);
    RECV(rep, "question");
    CHECK_NOT_BEFORE(since, 190);
    SEND(rep, "answer");
    RECV(req, "answer");
    set(rep, NN_RCVTIMEO, 100);
    while (nn_recv(rep, NULL, 0, 0) >= 0)
        ; /* one more may have been under way */
    nothing_at(__FILE__, __LINE__, rep, 250);
    CHECK_EQ(statistic(req, NN_STAT_MESSAGES_SENT), 1); /* repetitions do not count */
    CLOSE(req, rep);
}

/* A reply to somebody who is gone is dropped, and the call succeeds. */
static void gone(enum transport t) {
    CONTEXT("%s, requester gone", transport_name[t]);
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP);
    address a = join(rep, req, t);
    SEND(req, "question");
    RECV(rep, "question");
    CLOSE(req);
    WAIT(connections(rep) == 0);
    SEND(rep, "to nobody");
    CHECK_ERR(nn_send(rep, "x", 1, 0), EFSM);
    req = open_socket(NN_REQ);
    connect_and_wait(req, rep, a.text);
    ask(req, rep, "from somebody else");
    CLOSE(req, rep);
}

static void many_requesters(enum transport t) {
    CONTEXT("%s, many requesters", transport_name[t]);
    int rep = open_socket(NN_REP), reqs[10];
    address a = bind_fresh(rep, t);
    for (int i = 0; i < 10; i++) {
        reqs[i] = open_socket(NN_REQ);
        connect_and_wait(reqs[i], rep, a.text);
        SEND_BYTES(reqs[i], &i, sizeof(i));
    }
    for (int i = 0; i < 10; i++) {
        int number = -1;
        CHECK_EQ(nn_recv(rep, &number, sizeof(number), 0), sizeof(number));
        number += 100;
        SEND_BYTES(rep, &number, sizeof(number));
    }
    for (int i = 0; i < 10; i++) {
        int expected = i + 100;
        RECV_BYTES(reqs[i], &expected, sizeof(expected)); /* everybody gets his own answer */
        CLOSE(reqs[i]);
    }
    CLOSE(rep);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        order(t);
        delayed(t);
        replaced(t);
        fail_over(t);
        resend(t);
        gone(t);
        many_requesters(t);
    }
    patience_of_both();
    unread_reply();
    rotate();
    return finish();
}
