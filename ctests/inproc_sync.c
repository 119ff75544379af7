/* inproc: connecting, disconnecting and sending are complete on both sides when the call returns. Also its names. */
#include "ctest.h"

static void lossy_protocols(void) {
    for (int order = 0; order < 2; order++) {
        CONTEXT("first message after connecting, %s first", order ? "connect" : "bind");
        int pub = open_socket(NN_PUB), sub = open_socket(NN_SUB), a = open_socket(NN_BUS), b = open_socket(NN_BUS);
        CHECK_OK(nn_setsockopt(sub, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
        address x = fresh(INPROC), y = fresh(INPROC);
        if (order) {
            CONNECT(sub, x.text);
            CONNECT(b, y.text);
        }
        BIND(pub, x.text);
        BIND(a, y.text);
        if (!order) {
            CONNECT(sub, x.text);
            CONNECT(b, y.text);
        }
        CHECK_EQ(connections(pub), 1);
        CHECK_EQ(connections(sub), 1);
        SEND(pub, "news");
        CHECK_EQ(nn_recv(sub, NULL, 0, NN_DONTWAIT), 4);
        SEND(a, "hi");
        CHECK_EQ(nn_recv(b, NULL, 0, NN_DONTWAIT), 2);
        SEND(b, "ho");
        CHECK_EQ(nn_recv(a, NULL, 0, NN_DONTWAIT), 2);
        CLOSE(pub, sub, a, b);
    }
}

static void disconnect(void) {
    for (int how = 0; how < 3; how++) {
        CONTEXT("disconnect %d", how);
        int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
        address at = fresh(INPROC);
        int bound = BIND(a, at.text), connected = CONNECT(b, at.text);
        CHECK_EQ(nn_send(a, "x", 1, NN_DONTWAIT), 1);
        CHECK_EQ(nn_recv(b, NULL, 0, NN_DONTWAIT), 1);
        if (how == 0)
            CLOSE(b);
        else
            CHECK_OK(how == 1 ? nn_shutdown(a, bound) : nn_shutdown(b, connected));
        CHECK_EQ(connections(a), 0);
        CHECK_ERR(nn_send(a, "x", 1, NN_DONTWAIT), EAGAIN);
        EMPTY(a);
        if (how != 0)
            CLOSE(b);
        CLOSE(a);
    }
}

static void names(void) {
    CONTEXT("names");
    static const char *const all[] = {"inproc://", "inproc://a", "inproc://A", "inproc://a/", "inproc://a//b;:*?", "inproc:// "};
    int binders[COUNT(all)], connectors[COUNT(all)];
    for (size_t i = 0; i < COUNT(all); i++) {
        binders[i] = open_socket(NN_PAIR);
        connectors[i] = open_socket(NN_PAIR);
        BIND(binders[i], all[i]);
        CONNECT(connectors[i], all[i]);
    }
    for (size_t i = 0; i < COUNT(all); i++) {
        SEND(connectors[i], all[i]);
        CHECK_EQ(nn_recv(binders[i], NULL, 0, NN_DONTWAIT), strlen(all[i]));
        CLOSE(binders[i], connectors[i]);
    }
}

/* A socket may connect to itself. */
static void itself(void) {
    CONTEXT("a BUS connected to itself");
    int s = open_socket(NN_BUS);
    address a = bind_fresh(s, INPROC);
    CONNECT(s, a.text);
    CHECK_EQ(connections(s), 2);
    SEND(s, "echo");
    RECV(s, "echo");
    RECV(s, "echo"); /* once by each pipe */
    EMPTY(s);
    CLOSE(s);
}

int main(void) {
    start();
    lossy_protocols();
    disconnect();
    names();
    itself();
    return finish();
}
