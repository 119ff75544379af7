/* The option table: defaults, accepted ranges, what is read back, which socket has which option. */
#include "ctest.h"

static const int types[] = {NN_PAIR, NN_PUB,  NN_SUB,      NN_REQ,        NN_REP,
                            NN_PUSH, NN_PULL, NN_SURVEYOR, NN_RESPONDENT, NN_BUS};

#define MAX 2147483647
#define MIN (-2147483647 - 1)

static void integers(int s, int type) {
    const struct {
        int level, option, initial;
        int good[4], bad[4];
        int goods, bads;
    } rows[] = {
        {0, NN_SNDBUF, 131072, {1, 4096, MAX}, {0, -1, MIN}, 3, 3},
        {0, NN_RCVBUF, 131072, {1, 4096, MAX}, {0, -1, MIN}, 3, 3},
        {0, NN_RCVMAXSIZE, 1048576, {-1, 0, 1, MAX}, {-2, MIN}, 4, 2},
        {0, NN_SNDTIMEO, -1, {0, 1, MAX, -5}, {0}, 4, 0},
        {0, NN_RCVTIMEO, -1, {0, 1, MAX, -5}, {0}, 4, 0},
        {0, NN_RECONNECT_IVL, 100, {0, 1, MAX}, {-1, MIN}, 3, 2},
        {0, NN_RECONNECT_IVL_MAX, 0, {0, 1, MAX}, {-1, MIN}, 3, 2},
        {0, NN_SNDPRIO, 8, {1, 16}, {0, 17, -1, MAX}, 2, 4},
        {0, NN_RCVPRIO, 8, {1, 16}, {0, 17, -1, MAX}, 2, 4},
        {0, NN_IPV4ONLY, 1, {0, 1}, {2, -1}, 2, 2},
        {0, NN_MAXTTL, 8, {1, 255}, {0, -1, 256, MAX}, 2, 4},
        {NN_TCP, NN_TCP_NODELAY, 0, {1, 0}, {2, -1}, 2, 2},
        {NN_WS, NN_WS_MSG_TYPE, NN_WS_MSG_TYPE_BINARY, {NN_WS_MSG_TYPE_TEXT, NN_WS_MSG_TYPE_BINARY}, {0, 3, -1}, 2, 3},
        {NN_IPC, NN_IPC_OUTBUFSZ, 4096, {1, 0, -1, MAX}, {0}, 4, 0},
        {NN_IPC, NN_IPC_INBUFSZ, 4096, {1, 0, -1, MAX}, {0}, 4, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int level = rows[i].level, option = rows[i].option;
        CONTEXT("type %d, level %d, option %d", type, level, option);
        CHECK_EQ(get_option(s, level, option), rows[i].initial);
        for (int k = 0; k < rows[i].goods; k++) {
            set_option(s, level, option, rows[i].good[k]);
            CHECK_EQ(get_option(s, level, option), rows[i].good[k]);
        }
        int kept = get_option(s, level, option);
        for (int k = 0; k < rows[i].bads; k++) {
            int value = rows[i].bad[k];
            CHECK_ERR(nn_setsockopt(s, level, option, &value, sizeof(value)), EINVAL);
            CHECK_EQ(get_option(s, level, option), kept);
        }
        set_option(s, level, option, rows[i].initial);
    }
}

static void linger(int s) {
    CONTEXT("linger");
    CHECK_EQ(get(s, NN_LINGER), genuine() ? 0 : 1000);
    static const int values[] = {0, 1, 5000, -1};
    for (size_t i = 0; i < COUNT(values); i++) {
        set(s, NN_LINGER, values[i]);
        CHECK_EQ(get(s, NN_LINGER), genuine() ? 0 : values[i]);
    }
}

static void read_only(int s) {
    static const int options[] = {NN_DOMAIN, NN_PROTOCOL, NN_SNDFD, NN_RCVFD, 0, 18, 99, -1};
    for (size_t i = 0; i < COUNT(options); i++) {
        CONTEXT("read-only or unknown option %d", options[i]);
        CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, options[i], &(int){1}, 4), ENOPROTOOPT);
        CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, options[i], &(int){1}, 3), EINVAL); /* length first */
    }
    CHECK_ERR(nn_getsockopt(s, NN_SOL_SOCKET, 99, &(int){0}, &(size_t){4}), ENOPROTOOPT);
    CHECK_ERR(nn_getsockopt(s, NN_SOL_SOCKET, 0, &(int){0}, &(size_t){4}), ENOPROTOOPT);
}

/* Which (level, option) pairs beyond the generic ones a socket knows. */
static bool has(int domain, int type, int level, int option) {
    if (level == NN_SUB)
        return type == NN_SUB && (option == NN_SUB_SUBSCRIBE || option == NN_SUB_UNSUBSCRIBE);
    if (level == NN_REQ)
        return type == NN_REQ && domain == AF_SP && option == NN_REQ_RESEND_IVL;
    if (level == NN_SURVEYOR)
        return type == NN_SURVEYOR && domain == AF_SP && option == NN_SURVEYOR_DEADLINE;
    if (level == NN_TCP)
        return option == NN_TCP_NODELAY;
    if (level == NN_WS)
        return option == NN_WS_MSG_TYPE;
    return false;
}

static void levels(int s, int domain, int type) {
    static const int all[] = {NN_PAIR, NN_PUB,        NN_SUB, NN_REQ,    NN_REP, NN_PUSH, NN_PULL, NN_SURVEYOR,
                              NN_RESPONDENT, NN_BUS, NN_TCP, NN_WS, NN_INPROC, -5,     -100,    1,       1000};
    for (size_t i = 0; i < COUNT(all); i++)
        for (int option = 1; option <= 3; option++) {
            CONTEXT("type %d, domain %d, level %d, option %d", type, domain, all[i], option);
            if (!has(domain, type, all[i], option)) {
                CHECK_ERR(nn_setsockopt(s, all[i], option, &(int){1}, 4), ENOPROTOOPT);
                CHECK_ERR(nn_getsockopt(s, all[i], option, &(int){0}, &(size_t){4}), ENOPROTOOPT);
            } else {
                CHECK_OK(nn_setsockopt(s, all[i], option, &(int){1}, 4));
                if (all[i] == NN_SUB) /* subscriptions are write-only */
                    CHECK_ERR(nn_getsockopt(s, all[i], option, &(int){0}, &(size_t){4}), ENOPROTOOPT);
                else
                    CHECK_EQ(get_option(s, all[i], option), 1);
            }
        }
    CHECK_ERR(nn_setsockopt(s, NN_TCP, 9, &(int){1}, 4), ENOPROTOOPT);
    CHECK_ERR(nn_setsockopt(s, NN_TCP, 9, &(int){1}, 3), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_IPC, 9, &(int){1}, 4), ENOPROTOOPT);
    CHECK_ERR(nn_getsockopt(s, NN_IPC, 9, &(int){0}, &(size_t){4}), ENOPROTOOPT);
}

static void protocol_timers(void) {
    static const struct {
        int type, option, initial;
    } rows[] = {{NN_REQ, NN_REQ_RESEND_IVL, 60000}, {NN_SURVEYOR, NN_SURVEYOR_DEADLINE, 1000}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("timer of type %d", rows[i].type);
        int s = nn_socket(AF_SP, rows[i].type);
        CHECK_EQ(get_option(s, rows[i].type, rows[i].option), rows[i].initial);
        set_option(s, rows[i].type, rows[i].option, 0);
        CHECK_EQ(get_option(s, rows[i].type, rows[i].option), 0);
        set_option(s, rows[i].type, rows[i].option, MAX);
        if (!genuine()) { /* the reference takes it and aborts at the next send */
            CHECK_ERR(nn_setsockopt(s, rows[i].type, rows[i].option, &(int){-1}, 4), EINVAL);
            CHECK_ERR(nn_setsockopt(s, rows[i].type, rows[i].option, &(int){MIN}, 4), EINVAL);
        }
        CHECK_EQ(get_option(s, rows[i].type, rows[i].option), MAX);
        CLOSE(s);
    }
}

static void name(void) {
    int s = nn_socket(AF_SP, NN_PAIR), t = nn_socket(AF_SP, NN_PAIR);
    char text[80];
    size_t length;
    CONTEXT("socket name");
    length = sizeof(text);
    CHECK_OK(nn_getsockopt(t, NN_SOL_SOCKET, NN_SOCKET_NAME, text, &length));
    CHECK_EQ(length, 1);
    CHECK_BYTES(text, "1", 2); /* the handle in decimal */
    CHECK_OK(nn_setsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, "hello", 5));
    memset(text, '#', sizeof(text));
    length = sizeof(text);
    CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, text, &length));
    CHECK_EQ(length, 5);
    CHECK_BYTES(text, "hello", 6);
    memset(text, '#', sizeof(text)); /* too short: cut, no terminator, and the full length */
    length = 3;
    CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, text, &length));
    CHECK_BYTES(text, "hel##", 5);
    CHECK_EQ(length, 5);

    char longest[64];
    memset(longest, 'n', sizeof(longest));
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, longest, 64), EINVAL);
    CHECK_OK(nn_setsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, longest, 63));
    length = sizeof(text);
    CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, text, &length));
    CHECK_EQ(length, 63);
    CHECK_OK(nn_setsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, "ab\0cd", 5));
    length = sizeof(text);
    CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, text, &length));
    CHECK_EQ(length, 2);
    CHECK_OK(nn_setsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, NULL, 0));
    length = sizeof(text);
    CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, text, &length));
    CHECK_EQ(length, 0);
    CLOSE(s, t);
}

int main(void) {
    start();
    for (size_t i = 0; i < COUNT(types); i++)
        for (int domain = AF_SP; domain <= AF_SP_RAW; domain++) {
            int s = nn_socket(domain, types[i]);
            integers(s, types[i]);
            linger(s);
            read_only(s);
            levels(s, domain, types[i]);
            CLOSE(s);
        }
    protocol_timers();
    name();
    return finish();
}
