/* Sends and receives in bursts in one thread: callgrind counts the instructions of each call (tests/instructions.rs). */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The messages that make a stream of what follows are sent and received by other functions, which are not counted. */
enum { BEFORE = 1200, BURST = 300, SIZE = 64 };

static char body[SIZE];

static void check(int ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
}

/* ADDRESS BURSTS stream|burst */
int main(int argc, char **argv) {
    check(argc == 4, "usage");
    struct nn_iovec piece = {body, SIZE};
    struct nn_msghdr whole = {.msg_iov = &piece, .msg_iovlen = 1};
    int before = strcmp(argv[3], "stream") == 0 ? BEFORE : 0;
    int pull = nn_socket(AF_SP, NN_PULL), push = nn_socket(AF_SP, NN_PUSH);
    check(nn_bind(pull, argv[1]) > 0, "nn_bind");
    check(nn_connect(push, argv[1]) > 0, "nn_connect");
    while (nn_get_statistic(push, NN_STAT_CURRENT_CONNECTIONS) == 0)
        usleep(1000);
    for (int burst = atoi(argv[2]); burst > 0; burst--) {
        for (int i = 0; i < before; i++)
            check(nn_sendmsg(push, &whole, 0) == SIZE, "nn_sendmsg");
        for (int i = 0; i < BURST; i++)
            check(nn_send(push, body, SIZE, 0) == SIZE, "nn_send");
        /* All of it is to be with the receiver before the first of it is received. */
        usleep(20000);
        for (int i = 0; i < before; i++)
            check(nn_recvmsg(pull, &whole, 0) == SIZE, "nn_recvmsg");
        for (int i = 0; i < BURST; i++)
            check(nn_recv(pull, body, SIZE, 0) == SIZE, "nn_recv");
    }
    check(nn_close(push) == 0 && nn_close(pull) == 0, "nn_close");
    return 0;
}
