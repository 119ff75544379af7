/* Who is there? A survey goes to everybody who is connected; whoever wants to answers, until the deadline has passed.
 *
 * Build:  cc -o survey survey.c -lnanomsg
 * Leave:  ./survey serve tcp://127.0.0.1:5555 printer
 * Leave:  ./survey serve tcp://127.0.0.1:5555 scanner
 * Run:    ./survey find tcp://127.0.0.1:5555 2
 *         | found ...er
 *         | found ...er
 *         | 2 answers
 */
#include <nanomsg/nn.h>
#include <nanomsg/survey.h>

#include <poll.h>
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

static void serve(const char *address, const char *name)
{
    int s = check(nn_socket(AF_SP, NN_RESPONDENT), "nn_socket");
    check(nn_connect(s, address), address);
    for (;;) {
        char question[16];
        int length = check(nn_recv(s, question, sizeof question, 0), "nn_recv");
        /* Who has nothing to say simply receives the next survey. */
        if (length == 3 && memcmp(question, "who", 3) == 0)
            check(nn_send(s, name, strlen(name), 0), "nn_send");
    }
}

static void find(const char *address, unsigned expected)
{
    int s = check(nn_socket(AF_SP, NN_SURVEYOR), "nn_socket");
    int deadline = 2000;
    check(nn_setsockopt(s, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, &deadline, sizeof deadline), "deadline");
    check(nn_bind(s, address), address);
    /* A survey reaches those who are connected now. Who comes later hears the next one. */
    while (nn_get_statistic(s, NN_STAT_CURRENT_CONNECTIONS) < expected)
        poll(NULL, 0, 10);

    check(nn_send(s, "who", 3, 0), "nn_send");
    unsigned answers = 0;
    while (answers < expected) {
        char *name;
        int length = nn_recv(s, &name, NN_MSG, 0);
        if (length < 0 && nn_errno() == ETIMEDOUT)
            break; /* the deadline: nobody else will answer */
        check(length, "nn_recv");
        printf("found %.*s\n", length, name);
        nn_freemsg(name);
        answers++;
    }
    printf("%u answers\n", answers);
    nn_close(s);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], argv[3]);
    else if (argc == 4 && strcmp(argv[1], "find") == 0)
        find(argv[2], (unsigned)atoi(argv[3]));
    else
        return fprintf(stderr, "usage: survey serve ADDRESS NAME\n       survey find ADDRESS EXPECTED\n"), 2;
    return 0;
}
