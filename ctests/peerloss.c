/* The last peer goes: nothing can be sent any more, and all is well again with the next one. */
#include "ctest.h"

int main(void) {
    start();
    static const int types[][2] = {{NN_PAIR, NN_PAIR}, {NN_PUSH, NN_PULL}};
    for EACH_TRANSPORT (t)
        for (size_t i = 0; i < COUNT(types); i++)
            for (int sender_binds = 0; sender_binds < 2; sender_binds++) {
                CONTEXT("%s, type %d, sender %s", transport_name[t], types[i][0], sender_binds ? "binds" : "connects");
                int sender = open_socket(types[i][0]);
                address a = fresh(t);
                set(sender, NN_RECONNECT_IVL, 10);
                if (sender_binds)
                    BIND(sender, a.text);
                else
                    CONNECT(sender, a.text);
                for (int round = 0; round < 3; round++) {
                    int receiver = open_socket(types[i][1]);
                    if (sender_binds)
                        CONNECT(receiver, a.text);
                    else
                        BIND(receiver, a.text);
                    SEND(sender, "hello");
                    RECV(receiver, "hello");
                    CLOSE(receiver);
                    if (t != INPROC) /* there it is over when the close returns */
                        WAIT(connections(sender) == 0);
                    CHECK_ERR(nn_send(sender, "x", 1, NN_DONTWAIT), EAGAIN);
                    CHECK(!can_send(sender));
                    CHECK_EQ(connections(sender), 0);
                }
                CLOSE(sender);
            }

    /* With two peers the other one takes over. */
    for EACH_TRANSPORT (t) {
        CONTEXT("%s, one of two peers goes", transport_name[t]);
        int push = open_socket(NN_PUSH), a = open_socket(NN_PULL), b = open_socket(NN_PULL);
        address at = bind_fresh(push, t);
        connect_and_wait(a, push, at.text);
        connect_and_wait(b, push, at.text);
        CLOSE(a);
        WAIT(connections(push) == 1);
        for (int i = 0; i < 3; i++) {
            SEND(push, "to b");
            RECV(b, "to b");
        }
        CLOSE(push, b);
    }
    return finish();
}
