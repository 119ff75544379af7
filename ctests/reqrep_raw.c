/* Raw REQ and REP: the header stack, routing by key, malformed headers. */
#include "header.h"

static struct sp_control control;
static char body[64];

static void direct(enum transport t) {
    CONTEXT("%s, raw REP", transport_name[t]);
    int req = open_socket(NN_REQ), rep = open_raw(NN_REP);
    join(rep, req, t);
    for (int i = 0; i < 3; i++) {
        SEND(req, "question");
        CHECK_EQ(recv_header(rep, &control, body, 0), 8);
        CHECK_EQ(control.length, 8); /* key of the connection, id of the request */
        CHECK(!(control.bytes[0] & 0x80) && (control.bytes[4] & 0x80));
        CHECK_EQ(send_header(rep, control.bytes, 8, "answer", 6, 0), 6);
        RECV(req, "answer");
    }
    /* Whatever cannot be delivered is dropped, and the call succeeds. */
    SEND(req, "question");
    CHECK_EQ(recv_header(rep, &control, body, 0), 8);
    uint8_t wrong[8];
    memcpy(wrong, control.bytes, 8);
    wrong[3] ^= 1;
    CHECK_EQ(send_header(rep, wrong, 8, "wrong key", 9, 0), 9);
    CHECK_EQ(send_header(rep, wrong, 3, "short", 5, 0), 5);
    CHECK_EQ(send_header(rep, wrong, 0, "empty", 5, 0), 5);
    SEND(rep, "no header");
    memcpy(wrong, control.bytes, 8);
    wrong[7] ^= 1;
    CHECK_EQ(send_header(rep, wrong, 8, "wrong id", 8, 0), 8);
    wrong[4] &= 0x7f;
    CHECK_EQ(send_header(rep, wrong, 8, "no top bit", 10, 0), 10);
    CHECK_EQ(send_header(rep, control.bytes, 4, "", 0, 0), 0); /* less than an id arrives */
    NOTHING(req);
    CHECK_EQ(send_header(rep, control.bytes, 8, "right", 5, 0), 5);
    RECV(req, "right");
    CLOSE(req, rep);
}

static void raw_request(enum transport t) {
    CONTEXT("%s, raw REQ", transport_name[t]);
    int req = open_raw(NN_REQ), rep = open_socket(NN_REP);
    CHECK_ERR(nn_send(req, "x", 1, NN_DONTWAIT), EAGAIN); /* unlike the full one it needs a peer */
    EMPTY(req);
    join(rep, req, t);
    static const uint8_t id[] = {0x80, 0, 0, 2}, stack[] = {0, 0, 0, 7, 0x80, 0, 0, 2};
    CHECK_EQ(send_header(req, id, 4, "abc", 3, 0), 3);
    RECV(rep, "abc");
    SEND(rep, "yo");
    CHECK_EQ(recv_header(req, &control, body, 0), 2);
    CHECK_EQ(control.length, 4);
    CHECK_BYTES(control.bytes, id, 4);
    CHECK_BYTES(body, "yo", 2);

    /* The rest of a longer stack comes back in the body: the first word alone is the header of a reply. */
    CHECK_EQ(send_header(req, stack, 8, "abc", 3, 0), 3);
    RECV(rep, "abc");
    SEND(rep, "yo");
    CHECK_EQ(recv_header(req, &control, body, 0), 6);
    CHECK_EQ(control.length, 4);
    CHECK_BYTES(control.bytes, stack, 4);
    CHECK_BYTES(body, "\x80\0\0\2yo", 6);

    /* A header in the body is as good: the bytes on the way are the same. */
    SEND_BYTES(req, "\x80\0\0\3abc", 7);
    RECV(rep, "abc");
    SEND(rep, "");
    CHECK_EQ(recv_header(req, &control, body, 0), 0);

    /* Without an end of the stack it is malformed and dropped. */
    SEND(req, "");
    SEND(req, "abc");
    SEND(req, "abcd");
    SEND(req, "abcdefgh");
    CHECK_EQ(send_header(req, stack, 4, "abc", 3, 0), 3);
    NOTHING(rep);
    CHECK_EQ(send_header(req, id, 4, "good", 4, 0), 4);
    RECV(rep, "good");
    CLOSE(req, rep);
}

/* Two raw sockets, two requesters: answers in any order find their way by the key. */
static void out_of_order(void) {
    CONTEXT("answers out of order");
    int a = open_socket(NN_REQ), b = open_socket(NN_REQ), rep = open_raw(NN_REP);
    address at = bind_fresh(rep, TCP);
    connect_and_wait(a, rep, at.text);
    connect_and_wait(b, rep, at.text);
    struct sp_control first, second;
    SEND(a, "a");
    CHECK_EQ(recv_header(rep, &first, body, 0), 1);
    SEND(b, "b");
    CHECK_EQ(recv_header(rep, &second, body, 0), 1);
    CHECK(memcmp(first.bytes, second.bytes, 4) != 0);
    CHECK_EQ(send_header(rep, second.bytes, 8, "for b", 5, 0), 5);
    CHECK_EQ(send_header(rep, first.bytes, 8, "for a", 5, 0), 5);
    RECV(b, "for b");
    RECV(a, "for a");
    CLOSE(a, b, rep);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        direct(t);
        raw_request(t);
    }
    out_of_order();
    return finish();
}
