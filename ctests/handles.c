/* Socket handles: small dense integers, the last freed is the next given out; bad handles are EBADF everywhere. */
#include "ctest.h"

static void order(void) {
    int s[5];
    for (int i = 0; i < 5; i++)
        CHECK_EQ(s[i] = nn_socket(AF_SP, NN_PAIR), i);
    CHECK_OK(nn_close(s[1]));
    CHECK_OK(nn_close(s[3]));
    CHECK_ERR(nn_close(s[3]), EBADF);
    CHECK_EQ(nn_socket(AF_SP_RAW, NN_BUS), 3);
    CHECK_EQ(nn_socket(AF_SP, NN_PUB), 1);
    CHECK_EQ(nn_socket(AF_SP, NN_PUB), 5);
    for (int i = 0; i <= 5; i++)
        CHECK_OK(nn_close(i));
    CHECK_EQ(nn_socket(AF_SP, NN_PAIR), 0); /* all were closed: the order starts again */
    CHECK_OK(nn_close(0));
}

static void every_type(void) {
    static const int types[] = {NN_PAIR, NN_PUB,  NN_SUB,      NN_REQ,        NN_REP,
                                NN_PUSH, NN_PULL, NN_SURVEYOR, NN_RESPONDENT, NN_BUS};
    for (size_t i = 0; i < COUNT(types); i++)
        for (int domain = AF_SP; domain <= AF_SP_RAW; domain++) {
            CONTEXT("type %d, domain %d", types[i], domain);
            int s = nn_socket(domain, types[i]);
            CHECK_EQ(s, 0);
            CHECK_EQ(get(s, NN_DOMAIN), domain);
            CHECK_EQ(get(s, NN_PROTOCOL), types[i]);
            CLOSE(s);
        }
    CONTEXT("unknown types");
    static const int unknown[] = {-1, 0, 1, 15, 17, 34, 50, 82, 96, 97, 100, 113, 272, 65536 + 16};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        CHECK_ERR(nn_socket(AF_SP, unknown[i]), EINVAL);
        CHECK_ERR(nn_socket(AF_SP_RAW, unknown[i]), EINVAL);
    }
    CHECK_ERR(nn_socket(0, NN_PAIR), EAFNOSUPPORT);
    CHECK_ERR(nn_socket(3, NN_PAIR), EAFNOSUPPORT);
    CHECK_ERR(nn_socket(-1, 9999), EAFNOSUPPORT); /* the domain is looked at first */
    CHECK_EQ(nn_socket(AF_SP, NN_PAIR), 0);       /* failed calls left no trace */
    CLOSE(0);
    context[0] = 0;
}

/* EBADF comes before any look at the other arguments. */
static void bad(int s) {
    CONTEXT("handle %d", s);
    CHECK_ERR(nn_close(s), EBADF);
    CHECK_ERR(nn_bind(s, NULL), EBADF);
    CHECK_ERR(nn_connect(s, "nonsense"), EBADF);
    CHECK_ERR(nn_shutdown(s, -1), EBADF);
    CHECK_ERR(nn_send(s, NULL, 1, 0), EBADF);
    CHECK_ERR(nn_recv(s, NULL, 1, 0), EBADF);
    CHECK_ERR(nn_sendmsg(s, NULL, 0), EBADF);
    CHECK_ERR(nn_recvmsg(s, NULL, 0), EBADF);
    CHECK_ERR(nn_setsockopt(s, 99, 99, NULL, 1), EBADF);
    CHECK_ERR(nn_getsockopt(s, 99, 99, NULL, &(size_t){4}), EBADF);
    CHECK_ERR(nn_get_statistic(s, -5), EBADF);
    CHECK_ERR(nn_poll(&(struct nn_pollfd){.fd = s, .events = NN_POLLIN}, 1, 0), EBADF);
    CHECK_ERR(nn_device(s, -1), EBADF);
    CHECK_ERR(nn_device(-1, s), EBADF);
}

int main(void) {
    start();
    bad(0); /* no socket was ever opened */
    order();
    every_type();
    int open = nn_socket(AF_SP, NN_PAIR);
    static const int handles[] = {-1, -2147483647 - 1, 1, 100, 511, 512, 65535, 65536, 2147483647};
    for (size_t i = 0; i < COUNT(handles); i++)
        bad(handles[i]);
    CLOSE(open);
    bad(open);
    return finish();
}
