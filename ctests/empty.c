/* Empty messages are messages, with every protocol and transport. */
#include "ctest.h"

static void one_way(int sender, int receiver) {
    SEND(sender, "");
    SEND(sender, "x");
    SEND(sender, "");
    RECV(receiver, "");
    RECV(receiver, "x");
    RECV(receiver, "");
}

static void ask(int asker, int answerer) {
    SEND(asker, "");
    RECV(answerer, "");
    SEND(answerer, "");
    RECV(asker, "");
}

int main(void) {
    start();
    static const int types[][2] = {{NN_PAIR, NN_PAIR}, {NN_PUB, NN_SUB}, {NN_PUSH, NN_PULL},
                                   {NN_BUS, NN_BUS},   {NN_REQ, NN_REP}, {NN_SURVEYOR, NN_RESPONDENT}};
    for EACH_TRANSPORT (t)
        for (size_t i = 0; i < COUNT(types); i++) {
            CONTEXT("%s, types %d and %d", transport_name[t], types[i][0], types[i][1]);
            int a = open_socket(types[i][0]), b = open_socket(types[i][1]);
            if (types[i][1] == NN_SUB)
                CHECK_OK(nn_setsockopt(b, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
            if (types[i][0] == NN_SURVEYOR)
                set_option(a, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, patience());
            join(a, b, t);
            if (types[i][0] == NN_REQ || types[i][0] == NN_SURVEYOR) {
                ask(a, b);
            } else if (types[i][0] == NN_BUS || types[i][0] == NN_PUB) {
                SEND(a, ""); /* these drop what does not fit at this instant, so one by one */
                RECV(b, "");
            } else {
                one_way(a, b);
            }
            struct nn_msghdr none = {.msg_iovlen = 0}; /* no iovec at all is an empty message as well */
            if (types[i][0] == NN_PAIR) {
                CHECK_EQ(nn_sendmsg(a, &none, 0), 0);
                void *message = NULL;
                CHECK_EQ(nn_recv(b, &message, NN_MSG, 0), 0);
                CHECK(message != NULL);
                CHECK_OK(nn_freemsg(message));
                CHECK_EQ(nn_send(a, NULL, 0, 0), 0);
                CHECK_EQ(nn_recv(b, NULL, 0, 0), 0);
            }
            CLOSE(a, b);
        }
    return finish();
}
