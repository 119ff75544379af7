/* Control data: layout, fixed and library buffers, the iterator, and sending back what was received. */
#include "header.h"

static void macros(void) {
    CHECK_EQ(NN_CMSG_SPACE(0), 16);
    CHECK_EQ(NN_CMSG_SPACE(1), 24);
    CHECK_EQ(NN_CMSG_SPACE(8), 24);
    CHECK_EQ(NN_CMSG_SPACE(9), 32);
    CHECK_EQ(NN_CMSG_LEN(0), 16);
    CHECK_EQ(NN_CMSG_LEN(5), 21);
    struct nn_cmsghdr head;
    CHECK_EQ((char *)NN_CMSG_DATA(&head) - (char *)&head, 16);
}

static void iterator(void) {
    CONTEXT("iterator");
    _Alignas(8) char buffer[128] = {0};
    struct nn_msghdr header = {.msg_control = buffer, .msg_controllen = sizeof(buffer)};
    struct nn_cmsghdr *first = (struct nn_cmsghdr *)buffer, *second = (struct nn_cmsghdr *)(buffer + 24),
                      *third = (struct nn_cmsghdr *)(buffer + 24 + 16);
    first->cmsg_len = 17; /* rounded up to 24 */
    second->cmsg_len = 16;
    third->cmsg_len = 88;
    CHECK(nn_cmsg_nxthdr_(NULL, NULL) == NULL);
    CHECK(NN_CMSG_FIRSTHDR(&header) == first);
    CHECK(NN_CMSG_NXTHDR(&header, first) == second);
    CHECK(NN_CMSG_NXTHDR(&header, second) == third);
    CHECK(NN_CMSG_NXTHDR(&header, third) == NULL);
    third->cmsg_len = 89; /* beyond the end */
    CHECK(NN_CMSG_NXTHDR(&header, second) == NULL);
    header.msg_controllen = 24;
    CHECK(NN_CMSG_FIRSTHDR(&header) == first);
    CHECK(NN_CMSG_NXTHDR(&header, first) == NULL);
    header.msg_controllen = 23;
    CHECK(NN_CMSG_FIRSTHDR(&header) == NULL);
    header.msg_controllen = 15;
    CHECK(NN_CMSG_FIRSTHDR(&header) == NULL);
    header.msg_controllen = 0;
    CHECK(NN_CMSG_FIRSTHDR(&header) == NULL);

    void *message = nn_allocmsg(40, 0); /* a library message as the buffer */
    memcpy(message, buffer, 40);
    header.msg_control = &message;
    header.msg_controllen = NN_MSG;
    struct nn_cmsghdr *head = NN_CMSG_FIRSTHDR(&header);
    CHECK(head == message);
    head = NN_CMSG_NXTHDR(&header, head);
    CHECK((char *)head == (char *)message + 24);
    CHECK(NN_CMSG_NXTHDR(&header, head) == NULL);
    CHECK_OK(nn_freemsg(message));
}

/* PAIR has no header: still there is one property, of 24 bytes, with length 0. */
static void empty_header(enum transport t) {
    CONTEXT("%s, empty header", transport_name[t]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, t);
    SEND(a, "abc");
    char body[64];
    struct sp_control control;
    CHECK_EQ(recv_header(b, &control, body, 0), 3);
    CHECK_EQ(control.length, 0);
    CHECK_EQ(control.head.cmsg_len, 24);

    void *message = NULL;
    struct nn_iovec vector = {body, sizeof(body)};
    struct nn_msghdr header = {&vector, 1, &message, NN_MSG};
    SEND(a, "abc");
    CHECK_EQ(nn_recvmsg(b, &header, 0), 3);
    CHECK_EQ(header.msg_controllen, NN_MSG); /* the caller's fields are left alone */
    CHECK_EQ(header.msg_iovlen, 1);
    struct nn_cmsghdr *head = NN_CMSG_FIRSTHDR(&header);
    CHECK(head != NULL && head->cmsg_len == 24 && head->cmsg_level == PROTO_SP && head->cmsg_type == SP_HDR);
    CHECK(NN_CMSG_NXTHDR(&header, head) == NULL); /* nothing else follows */
    CHECK_OK(nn_freemsg(message));
    CLOSE(a, b);
}

/* A buffer too small for the property gets nothing at all. */
static void small_buffers(enum transport t) {
    CONTEXT("%s, small buffers", transport_name[t]);
    int req = open_socket(NN_REQ), rep = open_raw(NN_REP);
    join(rep, req, t);
    for (size_t length = 0; length <= 40; length++) {
        char body[8];
        _Alignas(8) uint8_t buffer[48];
        memset(buffer, 0xa5, sizeof(buffer));
        struct nn_iovec vector = {body, sizeof(body)};
        struct nn_msghdr header = {&vector, 1, buffer, length};
        SEND(req, "ask");
        CHECK_EQ(nn_recvmsg(rep, &header, 0), 3);
        CHECK_EQ(header.msg_controllen, length);
        struct nn_cmsghdr head;
        memcpy(&head, buffer, sizeof(head));
        if (length >= 32) {
            CHECK_EQ(head.cmsg_len, 32);
            CHECK_EQ(buffer[16], 8);
            for (size_t i = 17; i < 24; i++)
                CHECK_EQ(buffer[i], 0);
        }
        for (size_t i = length >= 32 ? 32 : 0; i < sizeof(buffer); i++)
            CHECK_EQ(buffer[i], 0xa5);
    }
    struct nn_iovec none = {NULL, 0};
    struct nn_msghdr header = {&none, 1, NULL, NN_MSG}; /* no control wanted, whatever the length says */
    SEND(req, "ask");
    CHECK_EQ(nn_recvmsg(rep, &header, 0), 3);
    CLOSE(req, rep);
}

/* The header just received is sent back unchanged, in both forms of both buffers. */
static void echo(enum transport t) {
    for (int form = 0; form < 4; form++) {
        CONTEXT("%s, echo, form %d", transport_name[t], form);
        int req = open_socket(NN_REQ), rep = open_raw(NN_REP);
        join(rep, req, t);
        for (int i = 0; i < 5; i++) {
            SEND(req, "echo");
            char body[4];
            _Alignas(8) uint8_t buffer[256];
            memset(buffer, 0xa5, sizeof(buffer)); /* rubbish after the property is tolerated */
            void *body_message = NULL, *control_message = NULL;
            struct nn_iovec vector = {form & 1 ? (void *)&body_message : body, form & 1 ? NN_MSG : sizeof(body)};
            struct nn_msghdr header = {&vector, 1, form & 2 ? (void *)&control_message : buffer,
                                       form & 2 ? NN_MSG : sizeof(buffer)};
            CHECK_EQ(nn_recvmsg(rep, &header, 0), 4);
            CHECK_EQ(nn_sendmsg(rep, &header, 0), 4);
            RECV(req, "echo");
        }
        CLOSE(req, rep);
    }
}

/* What is no well-formed header counts as none: PAIR shows which bytes got in front of the body. */
static void outgoing(void) {
    static const struct {
        size_t cmsg_len, length, controllen;
        int level, type;
        bool used;
    } rows[] = {
        {32, 4, 32, PROTO_SP, SP_HDR, true},   {28, 4, 32, PROTO_SP, SP_HDR, true},
        {32, 8, 32, PROTO_SP, SP_HDR, true},   {32, 0, 32, PROTO_SP, SP_HDR, false},
        {24, 4, 32, PROTO_SP, SP_HDR, false},  {27, 4, 32, PROTO_SP, SP_HDR, false},
        {32, 9, 32, PROTO_SP, SP_HDR, false},  {32, SIZE_MAX, 32, PROTO_SP, SP_HDR, false},
        {32, 4, 31, PROTO_SP, SP_HDR, false},  {32, 4, 15, PROTO_SP, SP_HDR, false},
        {32, 4, 0, PROTO_SP, SP_HDR, false},   {32, 4, 32, 2, SP_HDR, false},
        {32, 4, 32, PROTO_SP, 2, false},       {48, 4, 32, PROTO_SP, SP_HDR, false},
    };
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, INPROC);
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("outgoing header %zu", i);
        struct sp_control control = {{rows[i].cmsg_len, rows[i].level, rows[i].type}, rows[i].length, "HEADERXX"};
        struct nn_iovec vector = {"body", 4};
        struct nn_msghdr header = {&vector, 1, &control, rows[i].controllen};
        CHECK_EQ(nn_sendmsg(a, &header, 0), 4); /* the result never counts the header */
        size_t n = rows[i].used ? rows[i].length : 0;
        char expected[16];
        memcpy(expected, "HEADERXX", n);
        memcpy(expected + n, "body", 4);
        RECV_BYTES(b, expected, n + 4);
    }
    /* The first such property counts; others may come before it. */
    CONTEXT("several properties");
    struct {
        struct nn_cmsghdr other;
        uint64_t data;
        struct sp_control control;
    } several = {{24, 9, 9}, 1, {{32, PROTO_SP, SP_HDR}, 3, "HDR"}};
    struct nn_iovec vector = {"body", 4};
    struct nn_msghdr header = {&vector, 1, &several, 24 + 32};
    CHECK_EQ(nn_sendmsg(a, &header, 0), 4);
    RECV(b, "HDRbody");
    CLOSE(a, b);
}

/* A control message is consumed by a successful send and, with us, by no other. */
static void ownership(void) {
    CONTEXT("control message");
    int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
    struct sp_control control = {{32, PROTO_SP, SP_HDR}, 4, "head"};
    void *message = nn_allocmsg(32, 0);
    memcpy(message, &control, 32);
    struct nn_iovec vector = {"body", 4};
    struct nn_msghdr header = {&vector, 1, &message, NN_MSG};
    if (!genuine()) {
        CHECK_ERR(nn_sendmsg(s, &header, NN_DONTWAIT), EAGAIN);
        CHECK_BYTES(message, &control, 32);
    }
    join(s, peer, INPROC);
    CHECK_EQ(nn_sendmsg(s, &header, 0), 4);
    RECV(peer, "headbody");
    CLOSE(s, peer);
}

int main(void) {
    start();
    macros();
    iterator();
    for EACH_TRANSPORT (t) {
        empty_header(t);
        small_buffers(t);
        echo(t);
    }
    outgoing();
    ownership();
    return finish();
}
