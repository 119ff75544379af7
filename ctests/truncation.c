/* A message longer than the buffer: full length returned, prefix stored, the rest gone. */
#include "ctest.h"

int main(void) {
    start();
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
        SEND(a, "gone");
        CHECK_EQ(nn_recv(b, NULL, 0, 0), 4);
        struct nn_msghdr none = {.msg_iovlen = 0};
        SEND(a, "gone too");
        CHECK_EQ(nn_recvmsg(b, &none, 0), 8);
        CHECK_EQ(statistic(b, NN_STAT_BYTES_RECEIVED), 7 * 8 + 4 + 8); /* the full bodies count */
        CHECK_ERR(nn_recv(b, NULL, 10, NN_DONTWAIT), EAGAIN); /* the buffer is not looked at without a message */
        CLOSE(a, b);
    }
    return finish();
}
