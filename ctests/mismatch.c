/* Sockets whose types do not match are never connected, over any transport and in either order. */
#include "ctest.h"

static const int types[] = {NN_PAIR, NN_PUB,  NN_SUB,      NN_REQ,        NN_REP,
                            NN_PUSH, NN_PULL, NN_SURVEYOR, NN_RESPONDENT, NN_BUS};

static bool match(int a, int b) {
    static const int pairs[][2] = {{NN_PAIR, NN_PAIR}, {NN_PUB, NN_SUB},   {NN_REQ, NN_REP},
                                   {NN_PUSH, NN_PULL}, {NN_BUS, NN_BUS},   {NN_SURVEYOR, NN_RESPONDENT}};
    for (size_t i = 0; i < COUNT(pairs); i++)
        if ((pairs[i][0] == a && pairs[i][1] == b) || (pairs[i][0] == b && pairs[i][1] == a))
            return true;
    return false;
}

/* inproc decides during the calls; raw sockets count like full ones. */
static void inproc(int a, int b) {
    for (int order = 0; order < 2; order++)
        for (int domain = AF_SP; domain <= AF_SP_RAW; domain++) {
            CONTEXT("inproc, types %d and %d, %s first, domain %d", a, b, order ? "connect" : "bind", domain);
            int binder = open_socket(a), connector = open_domain(domain, b);
            address at = fresh(INPROC);
            if (order)
                CONNECT(connector, at.text);
            BIND(binder, at.text);
            if (!order)
                CONNECT(connector, at.text);
            CHECK_EQ(connections(binder), match(a, b));
            CHECK_EQ(connections(connector), match(a, b));
            CHECK_EQ(statistic(connector, NN_STAT_INPROGRESS_CONNECTIONS), !match(a, b));
            CLOSE(binder, connector);
        }
}

/* One binder, connectors of all types: the good ones get in, the others are sent away and come back. */
static void over(enum transport t, int a) {
    CONTEXT("%s, binder of type %d", transport_name[t], a);
    int binder = open_socket(a), connector[COUNT(types)], good = 0;
    address at = bind_fresh(binder, t);
    for (size_t i = 0; i < COUNT(types); i++) {
        connector[i] = open_socket(types[i]);
        set(connector[i], NN_RECONNECT_IVL, 10);
        CONNECT(connector[i], at.text);
        good += match(a, types[i]);
    }
    WAIT(connections(binder) == good);
    for (size_t i = 0; i < COUNT(types); i++) {
        if (match(a, types[i]))
            WAIT(connections(connector[i]) == 1);
        else
            WAIT(statistic(connector[i], NN_STAT_BROKEN_CONNECTIONS) >= 2); /* tries, is refused, tries again */
    }
    CHECK_EQ(connections(binder), good);
    for (size_t i = 0; i < COUNT(types); i++) {
        CHECK_EQ(connections(connector[i]), match(a, types[i]));
        CLOSE(connector[i]);
    }
    CLOSE(binder);
}

/* The application only notices that nobody takes its messages. */
static void silent(void) {
    for EACH_TRANSPORT (t) {
        CONTEXT("nobody notices, %s", transport_name[t]);
        int pair = open_socket(NN_PAIR), push = open_socket(NN_PUSH);
        address at = bind_fresh(pair, t);
        CONNECT(push, at.text);
        set(push, NN_SNDTIMEO, 100);
        CHECK_ERR(nn_send(push, "x", 1, 0), ETIMEDOUT);
        NOTHING(pair);
        int good = open_socket(NN_PAIR); /* the binder still serves its own kind */
        connect_and_wait(good, pair, at.text);
        SEND(good, "hello");
        RECV(pair, "hello");
        CLOSE(pair, push, good);
    }
}

int main(void) {
    start();
    for (size_t i = 0; i < COUNT(types); i++)
        for (size_t k = 0; k < COUNT(types); k++)
            inproc(types[i], types[k]);
    for EACH_OS_TRANSPORT (t)
        for (size_t i = 0; i < COUNT(types); i++)
            over(t, types[i]);
    silent();
    return finish();
}
