/* Request and reply with several servers. The client connects its one socket to all of them; the library hands each request
 * to the next server that is free, and to another one if a server dies before it has answered.
 *
 * Build:  cc -o workers workers.c -lnanomsg
 * Leave:  ./workers work tcp://127.0.0.1:5555 anna
 * Leave:  ./workers work tcp://127.0.0.1:5556 bert
 * Run:    ./workers ask tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
 *         | 1 squared is 1, says ...
 *         | 2 squared is 4, says ...
 *         | 3 squared is 9, says ...
 *         | 4 squared is 16, says ...
 */
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

static void work(const char *address, const char *name)
{
    int s = check(nn_socket(AF_SP, NN_REP), "nn_socket");
    check(nn_bind(s, address), address);
    for (;;) {
        /* One byte is left for the terminator, which a message does not have. */
        char question[32], answer[64];
        int length = check(nn_recv(s, question, sizeof question - 1, 0), "nn_recv");
        question[length < (int)sizeof question ? length : (int)sizeof question - 1] = '\0';
        long n = strtol(question, NULL, 10);
        snprintf(answer, sizeof answer, "%ld, says %s", n * n, name);
        check(nn_send(s, answer, strlen(answer), 0), "nn_send");
    }
}

static void ask(char **addresses, int count)
{
    int s = check(nn_socket(AF_SP, NN_REQ), "nn_socket");
    for (int i = 0; i < count; i++)
        check(nn_connect(s, addresses[i]), addresses[i]);

    /* A server that never answers should not stop us for ever: after 5 s nn_recv fails with ETIMEDOUT. */
    int limit = 5000;
    check(nn_setsockopt(s, NN_SOL_SOCKET, NN_RCVTIMEO, &limit, sizeof limit), "NN_RCVTIMEO");

    for (int n = 1; n <= 4; n++) {
        char question[32], *answer;
        int length = snprintf(question, sizeof question, "%d", n);
        check(nn_send(s, question, (size_t)length, 0), "nn_send");
        length = check(nn_recv(s, &answer, NN_MSG, 0), "nn_recv");
        printf("%d squared is %.*s\n", n, length, answer);
        nn_freemsg(answer);
    }
    nn_close(s);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "work") == 0)
        work(argv[2], argv[3]);
    else if (argc >= 3 && strcmp(argv[1], "ask") == 0)
        ask(argv + 2, argc - 2);
    else
        return fprintf(stderr, "usage: workers work ADDRESS NAME\n       workers ask ADDRESS...\n"), 2;
    return 0;
}
