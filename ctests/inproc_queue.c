/* The queue of an inproc pipe: the receiver's NN_RCVBUF, strictly less, plus one parked message. */
#include "ctest.h"

static void row(int rcvbuf, int size, int accepted) {
    for (int connector_sends = 0; connector_sends < 2; connector_sends++) {
        CONTEXT("RCVBUF %d, size %d, %s sends", rcvbuf, size, connector_sends ? "connector" : "binder");
        int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
        set(a, NN_RCVBUF, rcvbuf);
        set(b, NN_RCVBUF, rcvbuf);
        set(a, NN_SNDBUF, 1); /* means nothing to inproc, nor does the size limit */
        set(a, NN_RCVMAXSIZE, 0);
        set(b, NN_RCVMAXSIZE, 0);
        join(a, b, INPROC);
        int from = connector_sends ? b : a, to = connector_sends ? a : b;
        CHECK_EQ(fill(from, (size_t)size, 1000), accepted);
        if (accepted < 1000)
            for (int i = 0; i < 3; i++) {
                CHECK_EQ(nn_recv(to, NULL, 0, NN_DONTWAIT), size);
                CHECK_EQ(fill(from, (size_t)size, 1000), 1);
            }
        int left = 0;
        while (nn_recv(to, NULL, 0, NN_DONTWAIT) == size)
            left++;
        CHECK_EQ(left, accepted);
        CHECK_EQ(fill(from, (size_t)size, 1000), accepted);
        CLOSE(a, b);
    }
}

/* A parked message bigger than the room left is sent when it fits, or when the queue is empty. */
static void mixed_sizes(void) {
    CONTEXT("mixed sizes");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    set(b, NN_RCVBUF, 100);
    join(a, b, INPROC);
    char data[300] = {0};
    CHECK_EQ(nn_send(a, data, 40, NN_DONTWAIT), 40); /* queue 40 */
    CHECK_EQ(nn_send(a, data, 50, NN_DONTWAIT), 50); /* queue 90 */
    CHECK_EQ(nn_send(a, data, 200, NN_DONTWAIT), 200); /* parked */
    CHECK_ERR(nn_send(a, data, 1, NN_DONTWAIT), EAGAIN);
    CHECK_EQ(nn_recv(b, NULL, 0, NN_DONTWAIT), 40);
    CHECK_ERR(nn_send(a, data, 1, NN_DONTWAIT), EAGAIN); /* 50 + 200 does not fit */
    CHECK_EQ(nn_recv(b, NULL, 0, NN_DONTWAIT), 50);
    CHECK_EQ(nn_send(a, data, 1, NN_DONTWAIT), 1); /* empty: 200 went in, 1 is parked */
    CHECK_ERR(nn_send(a, data, 1, NN_DONTWAIT), EAGAIN);
    CHECK_EQ(nn_recv(b, NULL, 0, NN_DONTWAIT), 200);
    CHECK_EQ(nn_recv(b, NULL, 0, NN_DONTWAIT), 1);
    EMPTY(b);
    CLOSE(a, b);
}

/* The limit is the one at the time of pairing. */
static void captured(void) {
    CONTEXT("limit is taken when paired");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    set(b, NN_RCVBUF, 200);
    join(a, b, INPROC);
    set(b, NN_RCVBUF, 100000);
    CHECK_EQ(fill(a, 10, 1000), 20);
    CLOSE(a, b);
}

/* The header counts: a request of 6 bytes takes 10. */
static void header_counts(void) {
    CONTEXT("header bytes count");
    int req = open_raw(NN_REQ), rep = open_raw(NN_REP);
    set(rep, NN_RCVBUF, 200);
    join(rep, req, INPROC);
    struct {
        struct nn_cmsghdr head;
        size_t length;
        uint8_t words[8];
    } control = {{sizeof(control), PROTO_SP, SP_HDR}, 4, {0x80, 0, 0, 1}};
    struct nn_iovec vector = {"123456", 6};
    struct nn_msghdr header = {&vector, 1, &control, sizeof(control)};
    int count = 0;
    while (count < 1000 && nn_sendmsg(req, &header, NN_DONTWAIT) == 6)
        count++;
    CHECK_EQ(count, 20);
    CLOSE(req, rep);
}

int main(void) {
    start();
    static const int rows[][3] = {{200, 10, 20}, {200, 100, 2}, {200, 200, 2}, {200, 300, 2},    {100, 33, 4},
                                  {100, 34, 3},  {1, 1, 2},     {1, 100, 2},   {131072, 1000, 132}, {100, 0, 1000},
                                  {1, 0, 1000},  {11, 10, 2},   {20, 10, 2},   {21, 10, 3}};
    for (size_t i = 0; i < COUNT(rows); i++)
        row(rows[i][0], rows[i][1], rows[i][2]);
    mixed_sizes();
    captured();
    header_counts();
    return finish();
}
