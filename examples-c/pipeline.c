/* Fan-out and fan-in: one process splits a job into tasks, any number of workers each take what they can, one process
 * collects the results. Start more workers and it is done sooner; they may come and go.
 *
 *     split (PUSH) ──▶ (PULL) work (PUSH) ──▶ (PULL) join
 *
 * Build:  cc -o pipeline pipeline.c -lnanomsg
 * Leave:  ./pipeline work tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
 * Leave:  ./pipeline work tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
 * Run:    ./pipeline join tcp://127.0.0.1:5556
 *         | 1000 results, their sum is 333833500
 * Run:    ./pipeline split tcp://127.0.0.1:5555
 */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 1000 };

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

static void split(const char *address)
{
    int s = check(nn_socket(AF_SP, NN_PUSH), "nn_socket");
    check(nn_bind(s, address), address);
    /* nn_send waits while no worker is there, and while all of them have their buffers full. */
    for (uint64_t task = 1; task <= TASKS; task++)
        check(nn_send(s, &task, sizeof task, 0), "nn_send");
    /* nn_close waits, up to NN_LINGER (1 s), until everything is handed to the kernel. */
    nn_close(s);
}

static void work(const char *from, const char *to)
{
    int in = check(nn_socket(AF_SP, NN_PULL), "nn_socket");
    int out = check(nn_socket(AF_SP, NN_PUSH), "nn_socket");
    check(nn_connect(in, from), from);
    check(nn_connect(out, to), to);
    for (;;) {
        uint64_t task;
        check(nn_recv(in, &task, sizeof task, 0), "nn_recv");
        task *= task;
        check(nn_send(out, &task, sizeof task, 0), "nn_send");
    }
}

static void join(const char *address)
{
    int s = check(nn_socket(AF_SP, NN_PULL), "nn_socket");
    check(nn_bind(s, address), address);
    uint64_t sum = 0;
    for (int i = 0; i < TASKS; i++) {
        uint64_t result;
        check(nn_recv(s, &result, sizeof result, 0), "nn_recv");
        sum += result;
    }
    printf("%d results, their sum is %" PRIu64 "\n", TASKS, sum);
    nn_close(s);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "split") == 0)
        split(argv[2]);
    else if (argc == 4 && strcmp(argv[1], "work") == 0)
        work(argv[2], argv[3]);
    else if (argc == 3 && strcmp(argv[1], "join") == 0)
        join(argv[2]);
    else
        return fprintf(stderr, "usage: pipeline split ADDRESS\n       pipeline work FROM TO\n       pipeline join ADDRESS\n"), 2;
    return 0;
}
