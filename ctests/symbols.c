/* nn_symbol and nn_symbol_info: all rows, in order. They need no socket and outlive nn_term. */
#include "ctest.h"

static const struct {
    const char *name;
    int value, ns, type, unit;
} rows[] = {
    /* name, value, name space, type, unit */
    {"NN_NS_NAMESPACE", 0, 0, 0, 0},
    {"NN_NS_VERSION", 1, 0, 0, 0},
    {"NN_NS_DOMAIN", 2, 0, 0, 0},
    {"NN_NS_TRANSPORT", 3, 0, 0, 0},
    {"NN_NS_PROTOCOL", 4, 0, 0, 0},
    {"NN_NS_OPTION_LEVEL", 5, 0, 0, 0},
    {"NN_NS_SOCKET_OPTION", 6, 0, 0, 0},
    {"NN_NS_TRANSPORT_OPTION", 7, 0, 0, 0},
    {"NN_NS_OPTION_TYPE", 8, 0, 0, 0},
    {"NN_NS_OPTION_UNIT", 9, 0, 0, 0},
    {"NN_NS_FLAG", 10, 0, 0, 0},
    {"NN_NS_ERROR", 11, 0, 0, 0},
    {"NN_NS_LIMIT", 12, 0, 0, 0},
    {"NN_NS_EVENT", 13, 0, 0, 0},
    {"NN_NS_STATISTIC", 14, 0, 0, 0},
    {"NN_TYPE_NONE", 0, 8, 0, 0},
    {"NN_TYPE_INT", 1, 8, 0, 0},
    {"NN_TYPE_STR", 2, 8, 0, 0},
    {"NN_UNIT_NONE", 0, 9, 0, 0},
    {"NN_UNIT_BYTES", 1, 9, 0, 0},
    {"NN_UNIT_MILLISECONDS", 2, 9, 0, 0},
    {"NN_UNIT_PRIORITY", 3, 9, 0, 0},
    {"NN_UNIT_BOOLEAN", 4, 9, 0, 0},
    {"NN_UNIT_COUNTER", 6, 9, 0, 0},
    {"NN_UNIT_MESSAGES", 5, 9, 0, 0},
    {"NN_VERSION_CURRENT", 6, 1, 0, 0},
    {"NN_VERSION_REVISION", 0, 1, 0, 0},
    {"NN_VERSION_AGE", 1, 1, 0, 0},
    {"AF_SP", 1, 2, 0, 0},
    {"AF_SP_RAW", 2, 2, 0, 0},
    {"NN_INPROC", -1, 3, 0, 0},
    {"NN_IPC", -2, 3, 0, 0},
    {"NN_TCP", -3, 3, 0, 0},
    {"NN_WS", -4, 3, 0, 0},
    {"NN_PAIR", 16, 4, 0, 0},
    {"NN_PUB", 32, 4, 0, 0},
    {"NN_SUB", 33, 4, 0, 0},
    {"NN_REP", 49, 4, 0, 0},
    {"NN_REQ", 48, 4, 0, 0},
    {"NN_PUSH", 80, 4, 0, 0},
    {"NN_PULL", 81, 4, 0, 0},
    {"NN_SURVEYOR", 98, 4, 0, 0},
    {"NN_RESPONDENT", 99, 4, 0, 0},
    {"NN_BUS", 112, 4, 0, 0},
    {"NN_SOCKADDR_MAX", 128, 12, 0, 0},
    {"NN_SOL_SOCKET", 0, 5, 0, 0},
    {"NN_LINGER", 1, 6, 1, 2},
    {"NN_SNDBUF", 2, 6, 1, 1},
    {"NN_RCVBUF", 3, 6, 1, 1},
    {"NN_RCVMAXSIZE", 16, 6, 1, 1},
    {"NN_SNDTIMEO", 4, 6, 1, 2},
    {"NN_RCVTIMEO", 5, 6, 1, 2},
    {"NN_RECONNECT_IVL", 6, 6, 1, 2},
    {"NN_RECONNECT_IVL_MAX", 7, 6, 1, 2},
    {"NN_SNDPRIO", 8, 6, 1, 3},
    {"NN_RCVPRIO", 9, 6, 1, 3},
    {"NN_SNDFD", 10, 6, 1, 0},
    {"NN_RCVFD", 11, 6, 1, 0},
    {"NN_DOMAIN", 12, 6, 1, 0},
    {"NN_PROTOCOL", 13, 6, 1, 0},
    {"NN_IPV4ONLY", 14, 6, 1, 4},
    {"NN_SOCKET_NAME", 15, 6, 2, 0},
    {"NN_MAXTTL", 17, 6, 1, 0},
    {"NN_SUB_SUBSCRIBE", 1, 7, 2, 0},
    {"NN_SUB_UNSUBSCRIBE", 2, 7, 2, 0},
    {"NN_REQ_RESEND_IVL", 1, 7, 1, 2},
    {"NN_SURVEYOR_DEADLINE", 1, 7, 1, 2},
    {"NN_TCP_NODELAY", 1, 7, 1, 4},
    {"NN_WS_MSG_TYPE", 1, 7, 1, 0},
    {"NN_DONTWAIT", 1, 10, 0, 0},
    {"NN_WS_MSG_TYPE_TEXT", 1, 10, 0, 0},
    {"NN_WS_MSG_TYPE_BINARY", 2, 10, 0, 0},
    {"NN_POLLIN", 1, 13, 0, 0},
    {"NN_POLLOUT", 2, 13, 0, 0},
    {"EADDRINUSE", 98, 11, 0, 0},
    {"EADDRNOTAVAIL", 99, 11, 0, 0},
    {"EAFNOSUPPORT", 97, 11, 0, 0},
    {"EAGAIN", 11, 11, 0, 0},
    {"EBADF", 9, 11, 0, 0},
    {"ECONNREFUSED", 111, 11, 0, 0},
    {"EFAULT", 14, 11, 0, 0},
    {"EFSM", 156384766, 11, 0, 0},
    {"EINPROGRESS", 115, 11, 0, 0},
    {"EINTR", 4, 11, 0, 0},
    {"EINVAL", 22, 11, 0, 0},
    {"EMFILE", 24, 11, 0, 0},
    {"ENAMETOOLONG", 36, 11, 0, 0},
    {"ENETDOWN", 100, 11, 0, 0},
    {"ENOBUFS", 105, 11, 0, 0},
    {"ENODEV", 19, 11, 0, 0},
    {"ENOMEM", 12, 11, 0, 0},
    {"ENOPROTOOPT", 92, 11, 0, 0},
    {"ENOTSOCK", 88, 11, 0, 0},
    {"ENOTSUP", 95, 11, 0, 0},
    {"EPROTO", 71, 11, 0, 0},
    {"EPROTONOSUPPORT", 93, 11, 0, 0},
    {"ETERM", 156384765, 11, 0, 0},
    {"ETIMEDOUT", 110, 11, 0, 0},
    {"EACCES", 13, 11, 0, 0},
    {"ECONNABORTED", 103, 11, 0, 0},
    {"ECONNRESET", 104, 11, 0, 0},
    {"EHOSTUNREACH", 113, 11, 0, 0},
    {"EMSGSIZE", 90, 11, 0, 0},
    {"ENETRESET", 102, 11, 0, 0},
    {"ENETUNREACH", 101, 11, 0, 0},
    {"ENOTCONN", 107, 11, 0, 0},
    {"NN_STAT_ESTABLISHED_CONNECTIONS", 101, 14, 1, 6},
    {"NN_STAT_ACCEPTED_CONNECTIONS", 102, 14, 1, 6},
    {"NN_STAT_DROPPED_CONNECTIONS", 103, 14, 1, 6},
    {"NN_STAT_BROKEN_CONNECTIONS", 104, 14, 1, 6},
    {"NN_STAT_CONNECT_ERRORS", 105, 14, 1, 6},
    {"NN_STAT_BIND_ERRORS", 106, 14, 1, 6},
    {"NN_STAT_ACCEPT_ERRORS", 107, 14, 1, 6},
    {"NN_STAT_MESSAGES_SENT", 301, 14, 1, 5},
    {"NN_STAT_MESSAGES_RECEIVED", 302, 14, 1, 5},
    {"NN_STAT_BYTES_SENT", 303, 14, 1, 1},
    {"NN_STAT_BYTES_RECEIVED", 304, 14, 1, 1},
    {"NN_STAT_CURRENT_CONNECTIONS", 201, 14, 1, 0},
    {"NN_STAT_INPROGRESS_CONNECTIONS", 202, 14, 1, 0},
    {"NN_STAT_CURRENT_SND_PRIORITY", 401, 14, 1, 3},
    {"NN_STAT_CURRENT_EP_ERRORS", 203, 14, 1, 0},
};

static void table(void) {
    CHECK_EQ(COUNT(rows), 121);
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("row %zu, %s", i, rows[i].name);
        int expected = rows[i].value;
        if (rows[i].ns == NN_NS_VERSION && genuine()) /* three rows differ from version to version */
            expected = i == 25 ? NN_VERSION_CURRENT : i == 26 ? NN_VERSION_REVISION : NN_VERSION_AGE;
        int value = -99;
        const char *name = nn_symbol((int)i, &value);
        CHECK(name != NULL && strcmp(name, rows[i].name) == 0);
        CHECK_EQ(value, expected);
        CHECK(nn_symbol((int)i, NULL) == name);
        struct nn_symbol_properties info;
        CHECK_EQ(nn_symbol_info((int)i, &info, sizeof(info)), sizeof(info));
        CHECK(strcmp(info.name, rows[i].name) == 0);
        CHECK_EQ(info.value, expected);
        CHECK_EQ(info.ns, rows[i].ns);
        CHECK_EQ(info.type, rows[i].type);
        CHECK_EQ(info.unit, rows[i].unit);
    }
}

static void limits(void) {
    CONTEXT("out of range");
    int value;
    static const int outside[] = {-1, 121, 1000, -2147483647 - 1, 2147483647};
    for (size_t i = 0; i < COUNT(outside); i++) {
        CHECK_NULL(nn_symbol(outside[i], &value), EINVAL);
        errno = 7;
        CHECK_EQ(nn_symbol_info(outside[i], NULL, 0), 0);
        CHECK_EQ(errno, 7);
    }
    CONTEXT("short and long buffers");
    struct nn_symbol_properties whole;
    CHECK_EQ(nn_symbol_info(3, &whole, 1000), sizeof(whole));
    for (int length = 0; length <= 32; length++) {
        _Alignas(8) uint8_t buffer[40];
        memset(buffer, 0xa5, sizeof(buffer));
        CHECK_EQ(nn_symbol_info(3, (struct nn_symbol_properties *)buffer, length), length);
        CHECK_BYTES(buffer, &whole, (size_t)length);
        CHECK_EQ(buffer[length], 0xa5);
    }
}

static void errors(void) {
    CONTEXT("nn_strerror");
    CHECK(strcmp(nn_strerror(ETERM), "Nanomsg library was terminated") == 0);
    CHECK(strcmp(nn_strerror(EFSM), "Operation cannot be performed in this state") == 0);
    static const int codes[] = {0, EBADF, EINVAL, EAGAIN, ETIMEDOUT, EMFILE, 9999, -1};
    for (size_t i = 0; i < COUNT(codes); i++) {
        char expected[64];
        strcpy(expected, strerror(codes[i]));
        CHECK(strcmp(nn_strerror(codes[i]), expected) == 0);
    }
    errno = 42;
    CHECK_EQ(nn_errno(), 42);
    CHECK_EQ(nn_errno(), 42); /* asking does not clear it */
}

int main(void) {
    start();
    table();
    limits();
    errors();
    CLOSE(open_socket(NN_PAIR));
    nn_term();
    table();
    return finish();
}
