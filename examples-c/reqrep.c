/* Questions and answers between two threads: REQ asks for the square of a number, REP works it out.
 *
 * Build:  cc -o reqrep reqrep.c -lnanomsg -pthread
 * Run:    ./reqrep
 *         | 1 squared is 1
 *         | 2 squared is 4
 *         | 3 squared is 9
 *         | 4 squared is 16
 *         | 5 squared is 25
 */
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const URL = "inproc://squares";
enum { QUESTIONS = 5 };

static void check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
}

static void *serve(void *socket)
{
    int s = *(int *)socket;
    for (int i = 0; i < QUESTIONS; i++) {
        long n;
        check(nn_recv(s, &n, sizeof n, 0), "nn_recv");
        n *= n;
        check(nn_send(s, &n, sizeof n, 0), "nn_send");
    }
    return NULL;
}

int main(void)
{
    int rep = nn_socket(AF_SP, NN_REP);
    check(rep, "nn_socket");
    check(nn_bind(rep, URL), "nn_bind");
    pthread_t server;
    if (pthread_create(&server, NULL, serve, &rep))
        return 1;

    int req = nn_socket(AF_SP, NN_REQ);
    check(req, "nn_socket");
    check(nn_connect(req, URL), "nn_connect");
    for (long n = 1; n <= QUESTIONS; n++) {
        long answer;
        check(nn_send(req, &n, sizeof n, 0), "nn_send");
        check(nn_recv(req, &answer, sizeof answer, 0), "nn_recv");
        printf("%ld squared is %ld\n", n, answer);
    }

    pthread_join(server, NULL);
    nn_close(req);
    nn_close(rep);
    return 0;
}
