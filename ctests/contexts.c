/* millrace/context.h: many requests, answers and subscriptions at a time on one socket. */
#include "blocked.h"
#include "wire.h"

#include <millrace/context.h>
#include <millrace/monitor.h>

static int context_of(int s) {
    int c = nnx_context(s);
    if (!CHECK(c >= 0 && c != s))
        exit(1);
    return c;
}

static void recv_number(int s, int expected) {
    int number = -1;
    CHECK_EQ(nn_recv(s, &number, sizeof number, 0), sizeof number);
    CHECK_EQ(number, expected);
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

/* All over one connection; the answers come in the reverse order. */
static void many_requests(enum transport t, int count) {
    CONTEXT("%d requests over %s", count, transport_name[t]);
    int rep = open_socket(NN_REP), req = open_socket(NN_REQ);
    int *asking = malloc(count * sizeof(int)), *answering = malloc(count * sizeof(int));
    join(rep, req, t);
    for (int i = 0; i < count; i++) {
        asking[i] = context_of(req);
        answering[i] = context_of(rep);
        SEND_BYTES(asking[i], &i, sizeof i);
        int number = -1;
        CHECK_EQ(nn_recv(answering[i], &number, sizeof number, 0), sizeof number);
        CHECK_EQ(number, i);
    }
    CHECK_EQ(connections(req), 1);
    for (int i = count - 1; i >= 0; i--) {
        int answer = -i;
        SEND_BYTES(answering[i], &answer, sizeof answer);
    }
    for (int i = 0; i < count; i++)
        recv_number(asking[i], -i);
    CHECK_EQ(statistic(req, NN_STAT_MESSAGES_SENT), count);
    CHECK_EQ(statistic(req, NN_STAT_MESSAGES_RECEIVED), count);
    for (int i = 0; i < count; i++)
        CLOSE(asking[i], answering[i]);
    CLOSE(req, rep);
    free(asking);
    free(answering);
}

static void of_its_own(void) {
    CONTEXT("of its own");
    int rep = open_socket(NN_REP), req = open_socket(NN_REQ);
    set_option(req, NN_REQ, NN_REQ_RESEND_IVL, 50000);
    int a = context_of(req), b = context_of(req), s = context_of(rep);
    join(rep, req, INPROC);
    CHECK_EQ(get_option(a, NN_REQ, NN_REQ_RESEND_IVL), 50000);
    set_option(a, NN_REQ, NN_REQ_RESEND_IVL, 40000);
    CHECK_EQ(get_option(req, NN_REQ, NN_REQ_RESEND_IVL), 50000);
    set(a, NN_RCVTIMEO, 10);
    CHECK_EQ(get(b, NN_RCVTIMEO), patience());
    CHECK_EQ(get(a, NN_PROTOCOL), NN_REQ);
    CHECK_EQ(get(a, NN_RCVMAXSIZE), get(req, NN_RCVMAXSIZE));
    CHECK_ERR(nn_setsockopt(a, NN_SOL_SOCKET, NN_SNDBUF, &s, sizeof s), ENOPROTOOPT);
    CHECK_ERR(nn_setsockopt(a, NN_SOL_SOCKET, NN_RCVTIMEO, &s, 1), EINVAL);
    CHECK_ERR(nn_bind(a, "inproc://nobody"), ENOTSUP);
    CHECK_ERR(nnx_context(a), ENOTSUP);
    CHECK_ERR((int)nn_get_statistic(a, NN_STAT_MESSAGES_SENT), ENOTSUP);
    CHECK_ERR(nn_recv(a, &s, 1, 0), EFSM);
    SEND(a, "a");
    SEND(b, "b");
    SEND(req, "socket");
    /* The time limit, the descriptors and the poll are each context's. */
    int64_t since = now_ms();
    CHECK_ERR(nn_recv(a, &s, 1, 0), ETIMEDOUT);
    CHECK_NOT_BEFORE(since, 9);
    CHECK(can_recv(rep) && can_recv(s) && !can_send(s));
    RECV(s, "a");
    CHECK(can_send(s) && !can_send(rep) && !can_recv(a) && !can_recv(b) && can_send(a));
    SEND(s, "to a");
    WAIT(can_recv(a));
    CHECK(!can_recv(b) && !can_recv(req) && !can_send(s));
    struct nn_pollfd polled[] = {{a, NN_POLLIN, 0}, {b, NN_POLLIN, 0}, {req, NN_POLLIN, 0}, {rep, NN_POLLIN, 0}};
    CHECK_EQ(nn_poll(polled, 4, FOREVER), 2);
    CHECK(polled[0].revents == NN_POLLIN && !polled[1].revents && !polled[2].revents && polled[3].revents == NN_POLLIN);
    RECV(a, "to a");
    CHECK(!can_recv(a));
    CHECK_ERR(nn_recv(a, &s, 1, 0), EFSM);
    RECV(rep, "b");
    SEND(rep, "to b");
    RECV(s, "socket");
    SEND(s, "to the socket");
    RECV(b, "to b");
    RECV(req, "to the socket");
    CHECK(!can_recv(rep) && !can_recv(s));
    CLOSE(a, b, s, rep, req);
}

static void giving_up(void) {
    CONTEXT("giving up");
    int rep = open_socket(NN_REP), req = open_socket(NN_REQ), pair = open_socket(NN_PAIR), raw = open_raw(NN_REQ);
    char text[8];
    join(rep, req, TCP);
    for (int own = 0; own < 2; own++) {
        int c = own ? context_of(req) : req;
        SEND(c, "one");
        RECV(rep, "one");
        CHECK_OK(nnx_cancel(c));
        CHECK_ERR(nn_recv(c, text, sizeof text, 0), EFSM);
        SEND(rep, "late");
        SEND(c, "two");
        RECV(rep, "two");
        CHECK_OK(nnx_cancel(rep));
        CHECK_ERR(nn_send(rep, "two", 3, 0), EFSM);
        CHECK_ERR(nn_recv(c, text, sizeof text, NN_DONTWAIT), EAGAIN);
        if (own)
            CLOSE(c);
        else
            CHECK_OK(nnx_cancel(c));
    }
    CHECK_ERR(nnx_cancel(pair), ENOTSUP);
    CHECK_ERR(nnx_cancel(raw), ENOTSUP);
    CHECK_ERR(nnx_context(pair), ENOTSUP);
    CHECK_ERR(nnx_context(raw), ENOTSUP);
    CHECK_ERR(nnx_context(-1), EBADF);
    CHECK_ERR(nnx_context(60000), EBADF);
    CHECK_ERR(nnx_cancel(60000), EBADF);
    CLOSE(rep, req, pair, raw);
}

/* ---- ends --------------------------------------------------------------------------------------------------------- */

struct waiting {
    int s, code;
    volatile pid_t thread;
};

static void *wait_in(void *argument) {
    struct waiting *waiting = argument;
    char text[8];
    __atomic_store_n(&waiting->thread, gettid(), __ATOMIC_RELEASE);
    CHECK_EQ(nn_recv(waiting->s, text, sizeof text, 0), -1);
    waiting->code = errno;
    return NULL;
}

enum end { CLOSED, SOCKET_CLOSED, CANCELLED };

/* Its own end, the socket's, or giving up end a call that waits in a context. */
static void who_waits_is_told(int protocol, enum end how) {
    CONTEXT("protocol %d, end %d", protocol, how);
    int s = open_socket(protocol), peer = open_socket(protocol == NN_REQ ? NN_REP : NN_REQ), c = context_of(s);
    join(s, peer, TCP);
    set(c, NN_RCVTIMEO, FOREVER);
    if (protocol == NN_REQ)
        SEND(c, "?");
    struct waiting waiting = {c, 0, 0};
    pthread_t thread = spawn(wait_in, &waiting);
    WAIT(asleep(&waiting.thread));
    if (how == CANCELLED)
        CHECK_OK(nnx_cancel(c));
    else
        CLOSE(how == CLOSED ? c : s);
    await(thread);
    CHECK_EQ(waiting.code, how == CANCELLED ? EFSM : EBADF);
    if (how == SOCKET_CLOSED) {
        CHECK_ERR(nn_send(c, "x", 1, 0), EBADF);
        CHECK_ERR(nn_recv(c, &(char){0}, 1, 0), EBADF);
    }
    if (how != CLOSED)
        CLOSE(c);
    if (how != SOCKET_CLOSED)
        CLOSE(s);
    CHECK_ERR(nn_close(c), EBADF);
    CLOSE(peer);
}

static char large[1000000];

static int blocking_answer(int c) { return nn_send(c, large, sizeof large, 0); }

/* A peer that asks and does not read leaves no room for answers. Whoever gives up the request need not answer it any more. */
static void an_answer_that_waits_is_given_up(int protocol, int asking) {
    CONTEXT("an answer waits, protocol %d", protocol);
    int s = open_socket(protocol), c = context_of(s), later = context_of(s), requests = 0;
    address at = bind_fresh(s, TCP);
    int peer = peer_connect(at.text);
    peer_handshake(peer, asking);
    do {
        uint8_t request[4] = {0x80, 0, 0, (uint8_t)++requests};
        peer_send(peer, TCP, request, sizeof request);
        RECV(c, "");
    } while (nn_send(c, large, sizeof large, NN_DONTWAIT) > 0 && requests < 100);
    CHECK_EQ(errno, EAGAIN);
    uint8_t request[4] = {0x80, 0, 1, 0};
    peer_send(peer, TCP, request, sizeof request);
    RECV(later, "");
    set(later, NN_SNDTIMEO, FOREVER);
    struct blocked blocked;
    block(&blocked, blocking_answer, later);
    CHECK_OK(nnx_cancel(later));
    CHECK_BLOCKED(&blocked, -1, EFSM);
    close(peer);
    CLOSE(c, later, s);
}

/* ---- surveys and subscriptions ---------------------------------------------------------------------------------- */

static void surveys(void) {
    CONTEXT("surveys");
    int surveyor = open_socket(NN_SURVEYOR), respondents[] = {open_socket(NN_RESPONDENT), open_socket(NN_RESPONDENT)};
    address a = bind_fresh(surveyor, TCP);
    for (int i = 0; i < 2; i++)
        connect_and_wait(respondents[i], surveyor, a.text);
    int asking[] = {context_of(surveyor), surveyor, context_of(surveyor)};
    for (int i = 0; i < 3; i++) {
        set_option(asking[i], NN_SURVEYOR, NN_SURVEYOR_DEADLINE, patience());
        SEND_BYTES(asking[i], &i, sizeof i);
    }
    for (int r = 0; r < 2; r++) {
        int answering[3];
        for (int i = 0; i < 3; i++) {
            answering[i] = context_of(respondents[r]);
            recv_number(answering[i], i);
        }
        for (int i = 2; i >= 0; i--) {
            SEND_BYTES(answering[i], &i, sizeof i);
            CLOSE(answering[i]);
        }
    }
    for (int i = 2; i >= 0; i--) {
        recv_number(asking[i], i);
        recv_number(asking[i], i);
        EMPTY(asking[i]);
    }
    set_option(asking[0], NN_SURVEYOR, NN_SURVEYOR_DEADLINE, 10);
    SEND(asking[0], "?");
    CHECK_ERR(nn_recv(asking[0], &(char){0}, 1, 0), ETIMEDOUT);
    EMPTY(asking[2]);
    CLOSE(asking[0], asking[2], surveyor, respondents[0], respondents[1]);
}

static void subscriptions(enum transport t) {
    CONTEXT("subscriptions over %s", transport_name[t]);
    int pub = open_socket(NN_PUB), sub = open_socket(NN_SUB);
    join(pub, sub, t);
    int news = context_of(sub), all = context_of(sub);
    CHECK_OK(nn_setsockopt(news, NN_SUB, NN_SUB_SUBSCRIBE, "news", 4));
    CHECK_OK(nn_setsockopt(all, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
    CHECK(!can_recv(news));
    SEND(pub, "weather");
    SEND(pub, "news of the day");
    RECV(all, "weather");
    RECV(all, "news of the day");
    char text[8192];
    CHECK(nnx_describe(sub, text, sizeof text) > 0);
    CHECK(strstr(text, "\"unread_messages\":0") && strstr(text, "\"unread_messages\":1")); /* of the one and of the other */
    RECV(news, "news of the day");
    CHECK(!can_recv(news) && !can_recv(sub));
    EMPTY(sub);
    CHECK_OK(nn_setsockopt(news, NN_SUB, NN_SUB_UNSUBSCRIBE, "news", 4));
    CHECK_ERR(nn_setsockopt(news, NN_SUB, NN_SUB_UNSUBSCRIBE, "news", 4), EINVAL);
    SEND(pub, "news");
    RECV(all, "news");
    EMPTY(news);
    CHECK_ERR(nn_send(all, "x", 1, 0), ENOTSUP);
    CHECK_ERR(nnx_cancel(all), ENOTSUP);
    CLOSE(news, all, sub, pub);
}

/* ---- threads ------------------------------------------------------------------------------------------------------ */

static int rep_of_threads, req_of_threads;
#define LAST "no more"

static void *answer_all(void *argument) {
    (void)argument;
    int c = context_of(rep_of_threads);
    char text[32];
    for (;;) {
        int length = nn_recv(c, text, sizeof text, 0);
        if (!CHECK(length > 0) || memcmp(text, LAST, length) == 0)
            break;
        CHECK_EQ(nn_send(c, text, length, 0), length);
    }
    CHECK_EQ(nn_send(c, LAST, strlen(LAST), 0), strlen(LAST));
    CLOSE(c);
    return NULL;
}

static void *ask_all(void *argument) {
    int c = context_of(req_of_threads), own = *(int *)argument;
    for (int i = 0; i < heavy(500); i++) {
        char text[32];
        snprintf(text, sizeof text, "%d of %d", i, own);
        SEND(c, text);
        RECV(c, text);
    }
    CLOSE(c);
    return NULL;
}

static void threads(void) {
    CONTEXT("threads");
    enum { ANSWERING = 8, ASKING = 5 };
    rep_of_threads = open_socket(NN_REP);
    req_of_threads = open_socket(NN_REQ);
    join(rep_of_threads, req_of_threads, TCP);
    pthread_t answering[ANSWERING], asking[ASKING];
    int numbers[ASKING];
    for (int i = 0; i < ANSWERING; i++)
        answering[i] = spawn(answer_all, NULL);
    for (int i = 0; i < ASKING; i++) {
        numbers[i] = i;
        asking[i] = spawn(ask_all, &numbers[i]);
    }
    for (int i = 0; i < ASKING; i++)
        await(asking[i]);
    for (int i = 0; i < ANSWERING; i++) {
        SEND(req_of_threads, LAST);
        RECV(req_of_threads, LAST);
    }
    for (int i = 0; i < ANSWERING; i++)
        await(answering[i]);
    CLOSE(req_of_threads, rep_of_threads);
}

/* nn_term closes them, too. */
static void termination(void) {
    CONTEXT("termination");
    int s = open_socket(NN_REQ), c = context_of(s);
    nn_term();
    CHECK_ERR(nn_close(c), EBADF);
    CHECK_ERR(nn_close(s), EBADF);
    CHECK_ERR(nnx_context(s), EBADF);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t)
        many_requests(t, 64);
    many_requests(TCP, heavy(10000));
    of_its_own();
    giving_up();
    who_waits_is_told(NN_REQ, CLOSED);
    who_waits_is_told(NN_REQ, SOCKET_CLOSED);
    who_waits_is_told(NN_REQ, CANCELLED);
    who_waits_is_told(NN_REP, CLOSED);
    who_waits_is_told(NN_REP, SOCKET_CLOSED);
    an_answer_that_waits_is_given_up(NN_REP, NN_REQ);
    an_answer_that_waits_is_given_up(NN_RESPONDENT, NN_SURVEYOR);
    surveys();
    for EACH_TRANSPORT (t)
        subscriptions(t);
    threads();
    termination();
    return finish();
}
