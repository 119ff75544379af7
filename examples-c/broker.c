/* A broker, in two lines: nn_device passes every request on to one of the workers, and every answer back to who asked.
 * Clients and workers need to know the broker's addresses only; workers come and go as they like.
 *
 *     ask (REQ) ──▶ 5555 (raw REP) broker (raw REQ) 5556 ◀── (REP) work
 *
 * Build:  cc -o broker broker.c -lnanomsg
 * Leave:  ./broker run tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
 * Leave:  ./broker work tcp://127.0.0.1:5556
 * Leave:  ./broker work tcp://127.0.0.1:5556
 * Run:    ./broker ask tcp://127.0.0.1:5555 'make me loud'
 *         | MAKE ME LOUD
 */
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

#include <ctype.h>
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

static void run(const char *clients, const char *workers)
{
    /* Raw sockets (AF_SP_RAW) pass messages on with the way back in their headers. */
    int front = check(nn_socket(AF_SP_RAW, NN_REP), "nn_socket");
    int back = check(nn_socket(AF_SP_RAW, NN_REQ), "nn_socket");
    check(nn_bind(front, clients), clients);
    check(nn_bind(back, workers), workers);
    /* Returns only when something fails, or when another thread closes the sockets (EBADF). */
    check(nn_device(front, back), "nn_device");
}

static void work(const char *address)
{
    int s = check(nn_socket(AF_SP, NN_REP), "nn_socket");
    check(nn_connect(s, address), address);
    for (;;) {
        char *text;
        int length = check(nn_recv(s, &text, NN_MSG, 0), "nn_recv");
        for (int i = 0; i < length; i++)
            text[i] = (char)toupper((unsigned char)text[i]);
        /* The message that came is the one that goes: it is not copied, and not freed. */
        check(nn_send(s, &text, NN_MSG, 0), "nn_send");
    }
}

static void ask(const char *address, const char *question)
{
    int s = check(nn_socket(AF_SP, NN_REQ), "nn_socket");
    check(nn_connect(s, address), address);
    check(nn_send(s, question, strlen(question), 0), "nn_send");
    char *answer;
    int length = check(nn_recv(s, &answer, NN_MSG, 0), "nn_recv");
    printf("%.*s\n", length, answer);
    nn_freemsg(answer);
    nn_close(s);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "run") == 0)
        run(argv[2], argv[3]);
    else if (argc == 3 && strcmp(argv[1], "work") == 0)
        work(argv[2]);
    else if (argc == 4 && strcmp(argv[1], "ask") == 0)
        ask(argv[2], argv[3]);
    else
        return fprintf(stderr, "usage: broker run CLIENTS WORKERS\n       broker work ADDRESS\n       broker ask ADDRESS TEXT\n"), 2;
    return 0;
}
