/* Sends and receives in bursts in one thread: callgrind counts the instructions of each call (tests/instructions.rs). */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BURST = 300, SIZE = 64 };

static void check(int ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
}

/* ADDRESS BURSTS */
int main(int argc, char **argv) {
    check(argc == 3, "usage");
    int pull = nn_socket(AF_SP, NN_PULL), push = nn_socket(AF_SP, NN_PUSH);
    check(nn_bind(pull, argv[1]) > 0, "nn_bind");
    check(nn_connect(push, argv[1]) > 0, "nn_connect");
    while (nn_get_statistic(push, NN_STAT_CURRENT_CONNECTIONS) == 0)
        usleep(1000);
    char body[SIZE] = {0};
    for (int burst = atoi(argv[2]); burst > 0; burst--) {
        for (int i = 0; i < BURST; i++)
            check(nn_send(push, body, SIZE, 0) == SIZE, "nn_send");
        /* All of it is to be with the receiver before the first of it is received. */
        usleep(20000);
        for (int i = 0; i < BURST; i++)
            check(nn_recv(pull, body, SIZE, 0) == SIZE, "nn_recv");
    }
    check(nn_close(push) == 0 && nn_close(pull) == 0, "nn_close");
    return 0;
}
