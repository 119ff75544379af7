/* NN_SNDTIMEO, NN_RCVTIMEO, NN_DONTWAIT. */
#include "ctest.h"

int main(void) {
    start();
    int s = nn_socket(AF_SP, NN_PAIR), peer = open_socket(NN_PAIR);
    char buffer[8];
    set(s, NN_SNDTIMEO, 100);
    set(s, NN_RCVTIMEO, 100);
    int64_t since = now_ms();
    CHECK_ERR(nn_send(s, "x", 1, 0), ETIMEDOUT);
    CHECK_NOT_BEFORE(since, 90);
    since = now_ms();
    CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), 0), ETIMEDOUT);
    CHECK_NOT_BEFORE(since, 90);

    /* NN_DONTWAIT does not wait and has its own error. */
    set(s, NN_SNDTIMEO, FOREVER);
    set(s, NN_RCVTIMEO, FOREVER);
    CHECK_ERR(nn_send(s, "x", 1, NN_DONTWAIT), EAGAIN);
    CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), NN_DONTWAIT), EAGAIN);

    /* 0 does not wait either, and is a timeout. */
    set(s, NN_SNDTIMEO, 0);
    set(s, NN_RCVTIMEO, 0);
    CHECK_ERR(nn_send(s, "x", 1, 0), ETIMEDOUT);
    CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), 0), ETIMEDOUT);

    /* What is there already is taken whatever the timeout. */
    join(s, peer, INPROC);
    SEND(peer, "y");
    CHECK_EQ(nn_recv(s, buffer, sizeof(buffer), 0), 1);
    CHECK_EQ(nn_send(s, "x", 1, 0), 1);
    RECV(peer, "x");

    /* A blocking send that finds no room. */
    set(s, NN_SNDTIMEO, 100);
    fill(s, 100000, 1000);
    since = now_ms();
    CHECK_ERR(nn_send(s, buffer, sizeof(buffer), 0), ETIMEDOUT);
    CHECK_NOT_BEFORE(since, 90);
    CLOSE(s, peer);
    return finish();
}
