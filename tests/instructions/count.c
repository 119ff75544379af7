/* Sends and receives in bursts in one thread: callgrind counts the instructions of each call (tests/instructions.rs). */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many messages go before, which are not counted: they make what follows a stream. Without them no stream begins before the 256th. */
enum { BEFORE = 1200, BURST = 300, LONE = 250, SIZE = 64 };

static char body[SIZE];

static void check(int ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
}

/* What is counted are the calls made from here. */
__attribute__((noinline)) void counted_send(int s) { check(nn_send(s, body, SIZE, 0) == SIZE, "nn_send"); }

__attribute__((noinline)) void counted_recv(int s) { check(nn_recv(s, body, SIZE, 0) == SIZE, "nn_recv"); }

/* ADDRESS BURSTS stream|burst */
int main(int argc, char **argv) {
    check(argc == 4, "usage");
    int before = strcmp(argv[3], "stream") == 0 ? BEFORE : 0, each = before > 0 ? BURST : LONE;
    int pull = nn_socket(AF_SP, NN_PULL), push = nn_socket(AF_SP, NN_PUSH);
    /* Nobody receives while a burst is sent: the kernel is to have room for all of it. */
    int room = 1 << 20;
    check(nn_setsockopt(push, NN_SOL_SOCKET, NN_SNDBUF, &room, sizeof(room)) == 0, "NN_SNDBUF");
    check(nn_bind(pull, argv[1]) > 0, "nn_bind");
    check(nn_connect(push, argv[1]) > 0, "nn_connect");
    while (nn_get_statistic(push, NN_STAT_CURRENT_CONNECTIONS) == 0)
        usleep(1000);
    for (int burst = atoi(argv[2]); burst > 0; burst--) {
        for (int i = 0; i < before; i++)
            check(nn_send(push, body, SIZE, 0) == SIZE, "nn_send");
        for (int i = 0; i < each; i++)
            counted_send(push);
        /* All of it is to be with the receiver before the first of it is received. */
        usleep(20000);
        for (int i = 0; i < before; i++)
            check(nn_recv(pull, body, SIZE, 0) == SIZE, "nn_recv");
        for (int i = 0; i < each; i++)
            counted_recv(pull);
    }
    check(nn_close(push) == 0 && nn_close(pull) == 0, "nn_close");
    return 0;
}
