/* Host names are resolved in the background, before every attempt. */
#include "ctest.h"

int main(void) {
    start();
    CONTEXT("localhost");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    int port = free_port();
    address to, from;
    snprintf(to.text, sizeof(to.text), "tcp://127.0.0.1:%d", port);
    snprintf(from.text, sizeof(from.text), "tcp://localhost:%d", port);
    CONNECT(b, from.text); /* before the listener is there */
    WAIT(statistic(b, NN_STAT_CONNECT_ERRORS) >= 2);
    BIND(a, to.text);
    WAIT(connections(a) == 1 && connections(b) == 1);
    SEND(b, "hello");
    RECV(a, "hello");
    CLOSE(b);
    WAIT(connections(a) == 0);
    b = open_socket(NN_PAIR);
    snprintf(from.text, sizeof(from.text), "tcp://127.0.0.1;localhost:%d", port);
    connect_and_wait(b, a, from.text);
    CLOSE(a, b);

    CONTEXT("no such host");
    a = open_socket(NN_PAIR);
    CHECK_EQ(nn_connect(a, "tcp://no-such-host.invalid:5555"), 1);
    set(a, NN_SNDTIMEO, 100);
    CHECK_ERR(nn_send(a, "x", 1, 0), ETIMEDOUT);
    CHECK_EQ(connections(a), 0);
    CHECK_EQ(statistic(a, NN_STAT_CONNECT_ERRORS), 0); /* a failure to resolve is no failure to connect */
    b = open_socket(NN_PAIR);
    join(a, b, INPROC); /* other endpoints of the socket work meanwhile */
    SEND(a, "hello");
    RECV(b, "hello");
    CLOSE(a, b);
    return finish();
}
