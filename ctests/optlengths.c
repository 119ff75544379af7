/* Option lengths and NULL pointers in nn_setsockopt and nn_getsockopt. */
#include "ctest.h"

static const struct {
    int type, level, option, initial;
    bool exact; /* get refuses a short buffer instead of cutting */
} rows[] = {
    {NN_PAIR, 0, NN_SNDBUF, 131072, false},
    {NN_PAIR, 0, NN_RCVBUF, 131072, false},
    {NN_PAIR, 0, NN_RCVMAXSIZE, 1048576, false},
    {NN_PAIR, 0, NN_SNDTIMEO, -1, false},
    {NN_PAIR, 0, NN_RCVTIMEO, -1, false},
    {NN_PAIR, 0, NN_RECONNECT_IVL, 100, false},
    {NN_PAIR, 0, NN_RECONNECT_IVL_MAX, 0, false},
    {NN_PAIR, 0, NN_SNDPRIO, 8, false},
    {NN_PAIR, 0, NN_RCVPRIO, 8, false},
    {NN_PAIR, 0, NN_IPV4ONLY, 1, false},
    {NN_PAIR, 0, NN_MAXTTL, 8, false},
    {NN_PAIR, NN_TCP, NN_TCP_NODELAY, 0, false},
    {NN_PAIR, NN_WS, NN_WS_MSG_TYPE, 2, false},
    {NN_REQ, NN_REQ, NN_REQ_RESEND_IVL, 60000, true},
    {NN_SURVEYOR, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, 1000, true},
};

static void lengths(void) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        int s = nn_socket(AF_SP, rows[i].type), level = rows[i].level, option = rows[i].option;
        CONTEXT("level %d, option %d", level, option);
        int64_t value = 1;
        for (size_t length = 0; length <= 8; length++) {
            if (length == 4)
                continue;
            CHECK_ERR(nn_setsockopt(s, level, option, &value, length), EINVAL);
        }
        CHECK_EQ(get_option(s, level, option), rows[i].initial);
        CHECK_ERR(nn_setsockopt(s, level, option, NULL, 4), EFAULT);
        CHECK_ERR(nn_setsockopt(s, level, option, NULL, 0), EINVAL);
        CHECK_ERR(nn_getsockopt(s, level, option, NULL, &(size_t){4}), EFAULT);

        for (size_t length = 0; length <= 8; length++) {
            uint8_t buffer[8], whole[4];
            memset(buffer, 0xa5, sizeof(buffer));
            memcpy(whole, &rows[i].initial, sizeof(whole));
            size_t n = length;
            if (rows[i].exact && length < 4) {
                CHECK_ERR(nn_getsockopt(s, level, option, buffer, &n), EINVAL);
                continue;
            }
            CHECK_OK(nn_getsockopt(s, level, option, buffer, &n));
            CHECK_EQ(n, 4);
            for (size_t k = 0; k < sizeof(buffer); k++)
                CHECK_EQ(buffer[k], k < length && k < 4 ? whole[k] : 0xa5);
        }
        CLOSE(s);
    }
}

static void linger(void) {
    int s = nn_socket(AF_SP, NN_PAIR);
    CONTEXT("linger");
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_LINGER, &(int){1}, 3), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_LINGER, &(int64_t){1}, 8), EINVAL);
    CLOSE(s);
}

static void ipc(void) {
    int s = nn_socket(AF_SP, NN_PAIR);
    CONTEXT("ipc");
    int64_t value = 1;
    for (int option = NN_IPC_SEC_ATTR; option <= NN_IPC_INBUFSZ; option++) {
        CHECK_ERR(nn_setsockopt(s, NN_IPC, option, &value, 3), EINVAL);
        CHECK_ERR(nn_setsockopt(s, NN_IPC, option, &value, 0), EINVAL);
    }
    CHECK_OK(nn_setsockopt(s, NN_IPC, NN_IPC_INBUFSZ, &value, 8));
    CHECK_EQ(get_option(s, NN_IPC, NN_IPC_INBUFSZ), 1);
    CHECK_OK(nn_setsockopt(s, NN_IPC, NN_IPC_SEC_ATTR, &value, sizeof(void *)));
    void *pointer = NULL;
    size_t length = sizeof(pointer);
    CHECK_OK(nn_getsockopt(s, NN_IPC, NN_IPC_SEC_ATTR, &pointer, &length));
    CHECK(pointer == &value); /* the pointer itself is kept */
    CHECK_EQ(length, sizeof(void *));
    CLOSE(s);
}

static void subscriptions(void) {
    int s = nn_socket(AF_SP, NN_SUB);
    CONTEXT("subscriptions");
    CHECK_OK(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, NULL, 0));
    CHECK_OK(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
    CHECK_ERR(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, NULL, 1), EFAULT);
    char topic[3000];
    memset(topic, 't', sizeof(topic));
    CHECK_OK(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, topic, sizeof(topic)));
    CHECK_OK(nn_setsockopt(s, NN_SUB, NN_SUB_UNSUBSCRIBE, topic, sizeof(topic)));
    CLOSE(s);
}

int main(void) {
    start();
    lengths();
    linger();
    ipc();
    subscriptions();
    return finish();
}
