/* A client whose server is restarted again and again. It needs no code for that: nn_connect connects in the background, and
 * anew whenever the connection is lost, and a REQ socket sends its request again. The statistics tell what happened.
 *
 * Build:  cc -o reconnect reconnect.c -lnanomsg
 * Run:    ./reconnect ask tcp://127.0.0.1:5555 3
 *         | answer 1
 *         | answer 2
 *         | answer 3
 *         | made ... connections, lost ..., ... attempts failed
 * Run:    for i in 1 2 3; do ./reconnect serve tcp://127.0.0.1:5555; done
 */
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

#include <inttypes.h>
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

static void set(int s, int level, int option, int value, const char *name)
{
    check(nn_setsockopt(s, level, option, &value, sizeof value), name);
}

/* Answers one request and ends, as a server does that crashes a lot. */
static void serve(const char *address)
{
    int s = check(nn_socket(AF_SP, NN_REP), "nn_socket");
    check(nn_bind(s, address), address);
    int question;
    check(nn_recv(s, &question, sizeof question, 0), "nn_recv");
    check(nn_send(s, &question, sizeof question, 0), "nn_send");
    nn_close(s);
}

static void ask(const char *address, int questions)
{
    int s = check(nn_socket(AF_SP, NN_REQ), "nn_socket");
    /* The pause between attempts: 20 ms at first, then longer and longer, up to a second. Set before nn_connect. */
    set(s, NN_SOL_SOCKET, NN_RECONNECT_IVL, 20, "NN_RECONNECT_IVL");
    set(s, NN_SOL_SOCKET, NN_RECONNECT_IVL_MAX, 1000, "NN_RECONNECT_IVL_MAX");
    /* A request that was lost without a trace is sent again after two seconds instead of a minute. */
    set(s, NN_REQ, NN_REQ_RESEND_IVL, 2000, "NN_REQ_RESEND_IVL");
    /* How long we are patient. After this, nn_recv says ETIMEDOUT. */
    set(s, NN_SOL_SOCKET, NN_RCVTIMEO, 30000, "NN_RCVTIMEO");
    check(nn_connect(s, address), address);

    for (int i = 1; i <= questions; i++) {
        int answer;
        check(nn_send(s, &i, sizeof i, 0), "nn_send");
        check(nn_recv(s, &answer, sizeof answer, 0), "nn_recv");
        printf("answer %d\n", answer);
    }
    printf("made %" PRIu64 " connections, lost %" PRIu64 ", %" PRIu64 " attempts failed\n",
           nn_get_statistic(s, NN_STAT_ESTABLISHED_CONNECTIONS), nn_get_statistic(s, NN_STAT_BROKEN_CONNECTIONS),
           nn_get_statistic(s, NN_STAT_CONNECT_ERRORS));
    nn_close(s);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2]);
    else if (argc == 4 && strcmp(argv[1], "ask") == 0)
        ask(argv[2], atoi(argv[3]));
    else
        return fprintf(stderr, "usage: reconnect serve ADDRESS\n       reconnect ask ADDRESS QUESTIONS\n"), 2;
    return 0;
}
