/* Contexts: several requests under way at once on one socket, answered in another order. One thread, one connection.
 *
 * Build:  cc -o contexts contexts.c -lnanomsg
 * Run:    ./contexts
 *         | the server has "first", "second" and "third"
 *         | third: the answer to third
 *         | second: the answer to second
 *         | first: the answer to first
 */
#include <millrace/context.h>
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 3 };
static const char *const questions[COUNT] = {"first", "second", "third"};

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

int main(void)
{
    int server = check(nn_socket(AF_SP, NN_REP), "server"), client = check(nn_socket(AF_SP, NN_REQ), "client");
    check(nn_bind(server, "tcp://127.0.0.1:5558"), "nn_bind");
    check(nn_connect(client, "tcp://127.0.0.1:5558"), "nn_connect");

    /* Each context asks for itself: none has to wait for the reply to another one. */
    int asking[COUNT], answering[COUNT];
    for (int i = 0; i < COUNT; i++) {
        asking[i] = check(nnx_context(client), "nnx_context");
        check(nn_send(asking[i], questions[i], strlen(questions[i]), 0), "nn_send");
    }

    /* Each context of the server has a request to answer, when it likes. */
    char request[COUNT][16];
    for (int i = 0; i < COUNT; i++) {
        answering[i] = check(nnx_context(server), "nnx_context");
        int length = check(nn_recv(answering[i], request[i], sizeof request[i] - 1, 0), "nn_recv");
        request[i][length] = 0;
    }
    printf("the server has \"%s\", \"%s\" and \"%s\"\n", request[0], request[1], request[2]);
    for (int i = COUNT - 1; i >= 0; i--) {
        char answer[64];
        int length = snprintf(answer, sizeof answer, "the answer to %s", request[i]);
        check(nn_send(answering[i], answer, length, 0), "nn_send");
        check(nn_close(answering[i]), "nn_close");

        length = check(nn_recv(asking[i], answer, sizeof answer - 1, 0), "nn_recv");
        answer[length] = 0;
        printf("%s: %s\n", questions[i], answer);
        check(nn_close(asking[i]), "nn_close");
    }
    return nn_close(client) | nn_close(server);
}
