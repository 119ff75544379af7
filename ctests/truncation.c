/* A message longer than the buffer: full length returned, prefix stored, the rest gone. */
#include "ctest.h"

/* What a SUB has not subscribed leaves no trace in the caller's buffer, however long it is. */
static void unwanted(enum transport t) {
    CONTEXT("%s, unwanted", transport_name[t]);
    int pub = open_socket(NN_PUB), sub = open_socket(NN_SUB);
    CHECK_OK(nn_setsockopt(sub, NN_SUB, NN_SUB_SUBSCRIBE, "b", 1));
    join(pub, sub, t);
    for (int i = 0; i < 3; i++) {
        SEND(pub, "a long one");
        SEND(pub, "b");
        char buffer[12];
        memset(buffer, '#', sizeof(buffer));
        CHECK_EQ(nn_recv(sub, buffer, sizeof(buffer), 0), 1);
        CHECK_BYTES(buffer, "b###########", sizeof(buffer));
    }
    CLOSE(pub, sub);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t)
        unwanted(t);
    for EACH_TRANSPORT (t) {
        CONTEXT("%s", transport_name[t]);
        int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
        join(a, b, t);
        char buffer[8];
        for (int size = 0; size <= 6; size++) {
            memset(buffer, '#', sizeof(buffer));
            SEND(a, "abcd");
            SEND(a, "next");
            CHECK_EQ(nn_recv(b, buffer, (size_t)size, 0), 4);
            char expected[9] = "########";
            memcpy(expected, "abcd", size < 4 ? (size_t)size : 4);
            CHECK_BYTES(buffer, expected, sizeof(buffer)); /* nothing beyond the message or the buffer is touched */
            RECV(b, "next");
        }
        /* Whoever says that there is always room gets what comes; of two messages, the first one with nothing made for it. */
        for (int i = 0; i < 3; i++) {
            SEND(a, "abcd");
            SEND(a, "efgh");
            CHECK_EQ(nn_recv(b, buffer, SIZE_MAX - 1, 0), 4);
            CHECK_BYTES(buffer, "abcd", 4);
            CHECK_EQ(nn_recv(b, buffer, SIZE_MAX / 2 + 2, 0), 4);
            CHECK_BYTES(buffer, "efgh", 4);
        }
        SEND(a, "gone");
        CHECK_EQ(nn_recv(b, NULL, 0, 0), 4);
        struct nn_msghdr none = {.msg_iovlen = 0};
        SEND(a, "gone too");
        CHECK_EQ(nn_recvmsg(b, &none, 0), 8);
        CHECK_EQ(statistic(b, NN_STAT_BYTES_RECEIVED), 7 * 8 + 3 * 8 + 4 + 8); /* the full bodies count */
        CHECK_ERR(nn_recv(b, NULL, 10, NN_DONTWAIT), EAGAIN); /* the buffer is not looked at without a message */
        CLOSE(a, b);
    }
    return finish();
}
