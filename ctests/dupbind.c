/* An address can be bound once, by whatever socket; the first listener is unharmed by the attempt. */
#include "ctest.h"

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        CONTEXT("%s", transport_name[t]);
        int first = open_socket(NN_PAIR), second = open_socket(NN_BUS), peer = open_socket(NN_PAIR);
        address a = bind_fresh(first, t);
        CHECK_ERR(nn_bind(first, a.text), EADDRINUSE);
        CHECK_ERR(nn_bind(second, a.text), EADDRINUSE);
        connect_and_wait(peer, first, a.text);
        CHECK_ERR(nn_bind(second, a.text), EADDRINUSE);
        SEND(peer, "alive");
        RECV(first, "alive");
        SEND(first, "and well");
        RECV(peer, "and well");
        CHECK_EQ(BIND(second, fresh(t).text), 1); /* the failures used up no id */
        CHECK_OK(nn_close(first));
        BIND(second, a.text); /* free as soon as the close is done */
        CLOSE(second, peer);
    }
    return finish();
}
