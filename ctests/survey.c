/* SURVEYOR and RESPONDENT: order of calls, deadline, stale answers. */
#include "header.h"

enum { RESPONDENTS = 3 };
static int surveyor, respondent[RESPONDENTS];

static void set_up(enum transport t, int deadline) {
    surveyor = open_socket(NN_SURVEYOR);
    set_option(surveyor, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, deadline);
    address a = bind_fresh(surveyor, t);
    for (int i = 0; i < RESPONDENTS; i++) {
        respondent[i] = open_socket(NN_RESPONDENT);
        connect_and_wait(respondent[i], surveyor, a.text);
    }
}

static void tear_down(void) {
    CLOSE(surveyor);
    for (int i = 0; i < RESPONDENTS; i++)
        CLOSE(respondent[i]);
}

static void no_survey(void) {
    CONTEXT("no survey");
    char buffer[8];
    int s = open_socket(NN_SURVEYOR), r = open_socket(NN_RESPONDENT);
    for (int flags = 0; flags <= NN_DONTWAIT; flags++) {
        CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), flags), EFSM);
        CHECK_ERR(nn_send(r, "x", 1, flags), EFSM);
    }
    EMPTY(r);
    CHECK(can_recv(s) && can_send(s) && !can_send(r));
    /* With nobody there it runs into its deadline; that is told once. */
    set_option(s, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, 100);
    int64_t since = now_ms();
    SEND(s, "anybody?");
    CHECK(!can_recv(s));
    EMPTY(s);
    CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), 0), ETIMEDOUT);
    CHECK_NOT_BEFORE(since, 90);
    CHECK(can_recv(s));
    CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), 0), EFSM);
    SEND(s, "anybody?");
    WAIT(can_recv(s)); /* expiry wakes a poller */
    CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), NN_DONTWAIT), ETIMEDOUT);
    CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), NN_DONTWAIT), EFSM);
    set_option(s, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, 0); /* expires at once */
    SEND(s, "anybody?");
    CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), 0), ETIMEDOUT);
    CLOSE(s, r);
}

static void answers(enum transport t) {
    CONTEXT("%s, answers", transport_name[t]);
    set_up(t, pace(500));
    SEND(surveyor, "question");
    for (int i = 0; i < RESPONDENTS; i++) {
        RECV(respondent[i], "question");
        if (i == RESPONDENTS - 1)
            break; /* fewer answers than respondents */
        SEND(respondent[i], "answer");
        CHECK_ERR(nn_send(respondent[i], "x", 1, 0), EFSM); /* one answer per survey */
    }
    for (int i = 0; i < RESPONDENTS - 1; i++)
        RECV(surveyor, "answer");
    EMPTY(surveyor);
    CHECK_ERR(nn_recv(surveyor, NULL, 0, 0), ETIMEDOUT);
    CHECK_ERR(nn_recv(surveyor, NULL, 0, 0), EFSM);

    /* The answer after the deadline is not delivered, not even to the next survey. */
    SEND(respondent[RESPONDENTS - 1], "late");
    SEND(surveyor, "second");
    RECV(respondent[0], "second");
    SEND(respondent[0], "fresh");
    RECV(surveyor, "fresh");
    CHECK_ERR(nn_recv(surveyor, NULL, 0, 0), ETIMEDOUT);
    tear_down();
}

/* Answers queued but unread when the next survey starts, or when the deadline passes, are gone. */
static void stale(enum transport t) {
    CONTEXT("%s, stale answers", transport_name[t]);
    set_up(t, patience());
    SEND(surveyor, "one");
    for (int i = 0; i < RESPONDENTS; i++) {
        RECV(respondent[i], "one");
        SEND(respondent[i], "to one");
    }
    WAIT(can_recv(surveyor));
    set_option(surveyor, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, pace(300));
    SEND(surveyor, "two");
    RECV(respondent[1], "two");
    SEND(respondent[1], "to two");
    RECV(surveyor, "to two");
    CHECK_ERR(nn_recv(surveyor, NULL, 0, 0), ETIMEDOUT);

    SEND(surveyor, "three");
    int64_t deadline = now_ms() + pace(350);
    RECV(respondent[0], "two");
    RECV(respondent[0], "three");
    SEND(respondent[0], "to three");
    WAIT(now_ms() > deadline);
    CHECK_ERR(nn_recv(surveyor, NULL, 0, 0), ETIMEDOUT);
    CHECK_ERR(nn_recv(surveyor, NULL, 0, 0), EFSM);
    tear_down();
}

/* NN_RCVTIMEO may be shorter than the deadline: then the survey goes on. */
static void receive_timeout(void) {
    CONTEXT("receive timeout within the survey");
    set_up(INPROC, patience());
    SEND(surveyor, "question");
    NOTHING(surveyor);
    NOTHING(surveyor);
    RECV(respondent[0], "question");
    SEND(respondent[0], "answer");
    RECV(surveyor, "answer");
    EMPTY(surveyor);
    tear_down();
}

/* A receive abandons the survey not answered yet; several surveyors are served. */
static void respondents(void) {
    CONTEXT("respondent");
    int r = open_socket(NN_RESPONDENT), s[2];
    address a = bind_fresh(r, INPROC);
    for (int i = 0; i < 2; i++) {
        s[i] = open_socket(NN_SURVEYOR);
        set_option(s[i], NN_SURVEYOR, NN_SURVEYOR_DEADLINE, patience());
        CONNECT(s[i], a.text);
        SEND(s[i], "question");
    }
    RECV(r, "question");
    RECV(r, "question"); /* the first is abandoned */
    SEND(r, "answer");
    RECV(s[1], "answer");
    EMPTY(s[0]);
    SEND(s[0], "question");
    RECV(r, "question");
    EMPTY(r);
    CHECK_ERR(nn_send(r, "x", 1, 0), EFSM);
    CLOSE(r, s[0], s[1]);
}

static void raw(enum transport t) {
    CONTEXT("%s, raw", transport_name[t]);
    int s = open_raw(NN_SURVEYOR), r = open_raw(NN_RESPONDENT);
    struct sp_control control;
    char body[64];
    EMPTY(s); /* no state, no deadline */
    SEND(s, "to nobody");
    join(s, r, t);
    CHECK_EQ(send_header(s, "\x80\0\0\5", 4, "question", 8, 0), 8);
    CHECK_EQ(recv_header(r, &control, body, 0), 8);
    CHECK_EQ(control.length, 8);
    CHECK(!(control.bytes[0] & 0x80));
    CHECK_BYTES(control.bytes + 4, "\x80\0\0\5", 4);
    for (int i = 0; i < 2; i++) { /* nobody counts */
        CHECK_EQ(send_header(r, control.bytes, 8, "answer", 6, 0), 6);
        struct sp_control reply;
        CHECK_EQ(recv_header(s, &reply, body, 0), 6);
        CHECK_EQ(reply.length, 4);
        CHECK_BYTES(reply.bytes, "\x80\0\0\5", 4);
    }
    SEND(s, "bad"); /* no header: malformed at the other side */
    SEND(r, "no header: dropped");
    CHECK_EQ(send_header(r, "\x7f\x7f\x7f\x7f", 4, "unknown key", 11, 0), 11);
    NOTHING(r);
    EMPTY(s);
    CLOSE(s, r);
}

int main(void) {
    start();
    no_survey();
    for EACH_TRANSPORT (t) {
        answers(t);
        stale(t);
        raw(t);
    }
    receive_timeout();
    respondents();
    return finish();
}
