/* Sends and receives in bursts in one thread: callgrind counts the instructions of each call (tests/instructions.rs). */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many messages go before, which are not counted: they make what follows a stream. */
enum { BEFORE = 1200, BURST = 300, SIZE = 64, SUBSCRIBERS = 8 };

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

/* ADDRESS BURSTS stream|burst|publish */
int main(int argc, char **argv) {
    check(argc == 4, "usage");
    int before = strcmp(argv[3], "burst") == 0 ? 0 : BEFORE, publish = strcmp(argv[3], "publish") == 0;
    int receivers = publish ? SUBSCRIBERS : 1, from[SUBSCRIBERS];
    int to = nn_socket(AF_SP, publish ? NN_PUB : NN_PUSH);
    /* Nobody receives while a burst is sent: the kernel is to have room for all of it. */
    int room = 1 << 20;
    check(nn_setsockopt(to, NN_SOL_SOCKET, NN_SNDBUF, &room, sizeof(room)) == 0, "NN_SNDBUF");
    check(nn_bind(to, argv[1]) > 0, "nn_bind");
    for (int i = 0; i < receivers; i++) {
        from[i] = nn_socket(AF_SP, publish ? NN_SUB : NN_PULL);
        check(!publish || nn_setsockopt(from[i], NN_SUB, NN_SUB_SUBSCRIBE, "", 0) == 0, "NN_SUB_SUBSCRIBE");
        check(nn_connect(from[i], argv[1]) > 0, "nn_connect");
    }
    while (nn_get_statistic(to, NN_STAT_CURRENT_CONNECTIONS) < (uint64_t)receivers)
        usleep(1000);
    for (int burst = atoi(argv[2]); burst > 0; burst--) {
        for (int i = 0; i < before; i++)
            check(nn_send(to, body, SIZE, 0) == SIZE, "nn_send");
        for (int i = 0; i < BURST; i++)
            counted_send(to);
        /* All of it is to be with the receivers before the first of it is received. */
        usleep(20000);
        for (int receiver = 0; receiver < receivers; receiver++) {
            for (int i = 0; i < before; i++)
                check(nn_recv(from[receiver], body, SIZE, 0) == SIZE, "nn_recv");
            for (int i = 0; i < BURST; i++)
                counted_recv(from[receiver]);
        }
    }
    check(nn_close(to) == 0, "nn_close");
    for (int i = 0; i < receivers; i++)
        check(nn_close(from[i]) == 0, "nn_close");
    return 0;
}
