/* Connectors outlive their binder and move over to whoever binds the name next. */
#include "ctest.h"

enum { CONNECTORS = 3 };

static void move_over(bool by_shutdown) {
    CONTEXT("binder goes by %s", by_shutdown ? "nn_shutdown" : "nn_close");
    address a = fresh(INPROC);
    int connectors[CONNECTORS];
    for (int i = 0; i < CONNECTORS; i++) {
        connectors[i] = open_socket(NN_PUSH);
        CONNECT(connectors[i], a.text);
        CHECK_ERR(nn_send(connectors[i], "x", 1, NN_DONTWAIT), EAGAIN);
    }
    for (int round = 1; round <= 5; round++) {
        int binder = open_socket(NN_PULL), id = BIND(binder, a.text);
        CHECK_EQ(connections(binder), CONNECTORS);
        CHECK_EQ(statistic(binder, NN_STAT_ACCEPTED_CONNECTIONS), CONNECTORS);
        for (int i = 0; i < CONNECTORS; i++) {
            CHECK_EQ(statistic(connectors[i], NN_STAT_ESTABLISHED_CONNECTIONS), round);
            CHECK_EQ(nn_send(connectors[i], (char[]){(char)('a' + i)}, 1, NN_DONTWAIT), 1);
        }
        for (int i = 0; i < CONNECTORS; i++) /* paired in the order of their connects, so served in that order */
            RECV_BYTES(binder, ((char[]){(char)('a' + i)}), 1);
        if (by_shutdown)
            CHECK_OK(nn_shutdown(binder, id));
        else
            CLOSE(binder);
        for (int i = 0; i < CONNECTORS; i++) {
            CHECK_EQ(connections(connectors[i]), 0);
            CHECK_EQ(statistic(connectors[i], NN_STAT_INPROGRESS_CONNECTIONS), 1);
            CHECK_ERR(nn_send(connectors[i], "x", 1, NN_DONTWAIT), EAGAIN);
        }
        if (by_shutdown)
            CLOSE(binder);
    }
    for (int i = 0; i < CONNECTORS; i++)
        CLOSE(connectors[i]);
}

/* A connector that was passed over because of its type gets its chance at the next bind. */
static void other_type(void) {
    CONTEXT("binder of another type");
    address a = fresh(INPROC);
    int push = open_socket(NN_PUSH), bus = open_socket(NN_BUS), pull = open_socket(NN_PULL);
    CONNECT(push, a.text);
    BIND(bus, a.text);
    CHECK_EQ(connections(push), 0);
    CLOSE(bus);
    CHECK_EQ(connections(push), 0);
    BIND(pull, a.text);
    CHECK_EQ(connections(push), 1);
    SEND(push, "x");
    RECV(pull, "x");
    CLOSE(push, pull);
}

/* Unread messages are lost with the binder in the reference; ours may not lose what it can still deliver, but a new
 * binder never sees old ones. */
static void no_ghosts(void) {
    CONTEXT("a new binder starts empty");
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    address a = join(pull, push, INPROC);
    SEND(push, "old");
    CLOSE(pull);
    pull = open_socket(NN_PULL);
    BIND(pull, a.text);
    EMPTY(pull);
    SEND(push, "new");
    RECV(pull, "new");
    CLOSE(push, pull);
}

int main(void) {
    start();
    move_over(false);
    move_over(true);
    other_type();
    no_ghosts();
    return finish();
}
