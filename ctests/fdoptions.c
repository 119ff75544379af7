/* NN_SNDFD and NN_RCVFD: initial states, and that they follow every call at once. */
#include "ctest.h"

enum { NO = 0, YES = 1, NONE = -1 };

static void descriptor(int s, int option, int state) {
    int fd = -1;
    size_t length = sizeof(fd);
    if (state == NONE) {
        CHECK_ERR(nn_getsockopt(s, NN_SOL_SOCKET, option, &fd, &length), ENOPROTOOPT);
        return;
    }
    CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, option, &fd, &length));
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK_EQ(readable(fd), state);
    CHECK_EQ(get(s, option), fd); /* the same number every time */
}

static void fresh_sockets(void) {
    static const struct {
        int type, receive, send, raw_receive, raw_send;
    } rows[] = {
        {NN_PAIR, NO, NO, NO, NO},        {NN_PUB, NONE, YES, NONE, YES}, {NN_SUB, NO, NONE, NO, NONE},
        {NN_REQ, NO, YES, NO, NO},        {NN_REP, NO, NO, NO, YES},      {NN_PUSH, NONE, NO, NONE, NO},
        {NN_PULL, NO, NONE, NO, NONE},    {NN_SURVEYOR, YES, YES, NO, YES}, {NN_RESPONDENT, NO, NO, NO, YES},
        {NN_BUS, NO, YES, NO, YES},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("fresh socket of type %d", rows[i].type);
        int s = open_socket(rows[i].type), raw = open_raw(rows[i].type);
        descriptor(s, NN_RCVFD, rows[i].receive);
        descriptor(s, NN_SNDFD, rows[i].send);
        descriptor(raw, NN_RCVFD, rows[i].raw_receive);
        descriptor(raw, NN_SNDFD, rows[i].raw_send);
        CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_SNDFD, &(int){1}, sizeof(int)), ENOPROTOOPT);
        CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_RCVFD, &(int){1}, sizeof(int)), ENOPROTOOPT);
        CLOSE(s, raw);
    }
}

/* In one thread and in one process both sides change before the call returns. */
static void synchronous(void) {
    CONTEXT("inproc");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    address at = bind_fresh(a, INPROC);
    CHECK(!can_send(a) && !can_recv(a));
    CONNECT(b, at.text);
    CHECK(can_send(a) && !can_recv(a) && can_send(b) && !can_recv(b));
    SEND(a, "one");
    SEND(a, "two");
    CHECK(can_recv(b) && !can_recv(a));
    RECV(b, "one");
    CHECK(can_recv(b));
    RECV(b, "two");
    CHECK(!can_recv(b));
    CLOSE(b);
    CHECK(!can_send(a) && !can_recv(a));
    CLOSE(a);
}

static void follows_traffic(void) {
    for EACH_TRANSPORT (t) {
        CONTEXT("%s", transport_name[t]);
        int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
        join(a, b, t);
        WAIT(can_send(a) && can_send(b));
        CHECK(!can_recv(a) && !can_recv(b));
        SEND(a, "x");
        WAIT(can_recv(b));
        RECV(b, "x");
        CHECK(!can_recv(b)); /* taking the last message takes readiness with it, at once */
        WAIT((fill(a, 100000, 1000), !can_send(a))); /* the kernel goes on taking some for a while */
        set(b, NN_RCVTIMEO, 100);
        while (nn_recv(b, NULL, 0, 0) >= 0)
            ;
        WAIT(can_send(a));
        CLOSE(a, b);
    }
}

/* REP may send only between a request and its reply; REQ may receive only what was asked for. */
static void request_reply(void) {
    CONTEXT("request, reply");
    int req = open_socket(NN_REQ), rep = open_socket(NN_REP);
    join(rep, req, INPROC);
    CHECK(can_send(req) && !can_recv(req) && !can_send(rep) && !can_recv(rep));
    SEND(req, "ask");
    CHECK(can_recv(rep) && !can_send(rep));
    RECV(rep, "ask");
    CHECK(!can_recv(rep) && can_send(rep));
    SEND(rep, "answer");
    CHECK(!can_send(rep));
    WAIT(can_recv(req));
    RECV(req, "answer");
    CHECK(!can_recv(req) && can_send(req));
    CLOSE(req, rep);
}

int main(void) {
    start();
    fresh_sockets();
    synchronous();
    follows_traffic();
    request_reply();
    return finish();
}
