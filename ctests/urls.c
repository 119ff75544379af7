/* Addresses: errors common to all transports, endpoint ids, nn_shutdown. */
#include "ctest.h"

static void errors(void) {
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {NULL, EINVAL},
        {"", EINVAL},
        {"abc", EINVAL},
        {"inproc", EINVAL},
        {"inproc:", EINVAL},
        {"inproc:/", EINVAL},
        {"inproc:/a", EINVAL},
        {"inproc/://a", EPROTONOSUPPORT},
        {"inproc:a//", EINVAL},
        {":", EINVAL},
        {"://", EPROTONOSUPPORT},
        {"://a", EPROTONOSUPPORT},
        {"INPROC://a", EPROTONOSUPPORT},
        {"Tcp://127.0.0.1:80", EPROTONOSUPPORT},
        {"tcp5://127.0.0.1:80", EPROTONOSUPPORT},
        {"inpro://a", EPROTONOSUPPORT},
        {"inprocs://a", EPROTONOSUPPORT},
        {" inproc://a", EPROTONOSUPPORT},
        {"invalid://a", EPROTONOSUPPORT},
    };
    int s = open_socket(NN_PAIR);
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("\"%s\"", rows[i].text ? rows[i].text : "(null)");
        CHECK_ERR(nn_bind(s, rows[i].text), rows[i].code);
        CHECK_ERR(nn_connect(s, rows[i].text), rows[i].code);
    }
    context[0] = 0;
    CHECK_EQ(BIND(s, "inproc://first"), 1); /* failures used up no id */
    CLOSE(s);
}

static void length(void) {
    static const char *const schemes[] = {"inproc://", "unknown://", "", "tcp://"};
    int s = open_socket(NN_BUS);
    for (size_t i = 0; i < COUNT(schemes); i++) {
        char text[2001];
        memset(text, 'a', sizeof(text));
        memcpy(text, schemes[i], strlen(schemes[i]));
        CONTEXT("long address \"%s\"", schemes[i]);
        static const int too_long[] = {2000, 129, 128};
        for (size_t k = 0; k < COUNT(too_long); k++) {
            text[too_long[k]] = 0;
            CHECK_ERR(nn_bind(s, text), ENAMETOOLONG);
            CHECK_ERR(nn_connect(s, text), ENAMETOOLONG);
        }
        text[127] = 0;
        if (i == 0) {
            BIND(s, text);
            CONNECT(s, text);
        } else {
            CHECK_ERR(nn_bind(s, text), i == 1 ? EPROTONOSUPPORT : EINVAL);
        }
    }
    context[0] = 0;
    CLOSE(s);
}

static void ids(void) {
    int s = open_socket(NN_BUS), other = open_socket(NN_BUS);
    address a = fresh(INPROC), b = fresh(IPC);
    CHECK_EQ(BIND(s, a.text), 1);
    CHECK_EQ(CONNECT(s, a.text), 2);
    CHECK_EQ(CONNECT(s, a.text), 3); /* the same address again is another endpoint */
    CHECK_EQ(BIND(s, b.text), 4);
    CHECK_EQ(BIND(other, fresh(TCP).text), 1); /* ids count per socket */
    CHECK_ERR(nn_bind(s, a.text), EADDRINUSE);
    CHECK_OK(nn_shutdown(s, 2));
    CHECK_ERR(nn_shutdown(s, 2), EINVAL);
    CHECK_EQ(CONNECT(s, a.text), 5); /* never reused */

    CHECK_ERR(nn_shutdown(s, 0), EINVAL);
    CHECK_ERR(nn_shutdown(s, -1), EINVAL);
    CHECK_ERR(nn_shutdown(s, 6), EINVAL);
    CHECK_ERR(nn_shutdown(other, 4), EINVAL);
    CHECK_OK(nn_shutdown(s, 1));
    BIND(other, a.text); /* inproc is free at once */
    CLOSE(s, other);
}

static void rebind(void) {
    for EACH_TRANSPORT (t) {
        CONTEXT("bind again after close, %s", transport_name[t]);
        address a = fresh(t);
        for (int i = 0; i < heavy(20); i++) {
            int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
            BIND(s, a.text);
            connect_and_wait(peer, s, a.text);
            CLOSE(s, peer);
        }
    }
    context[0] = 0;
}

int main(void) {
    start();
    errors();
    length();
    ids();
    rebind();
    return finish();
}
