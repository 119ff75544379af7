/* Raw sockets: a server that takes three requests before it answers any, and then answers the last one first. An ordinary
 * REP socket must answer each request before it takes the next. A raw one leaves that to the program: a message comes with
 * a header that says where it came from, and goes where its header says.
 *
 * Build:  cc -o raw raw.c -lnanomsg
 * Run:    ./raw
 *         | client 3 got: an answer to question 3
 *         | client 2 got: an answer to question 2
 *         | client 1 got: an answer to question 1
 */
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 3 };

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

/* A request that waits for its answer: what was asked, and the way back. Both are messages of the library. */
struct request {
    void *body, *way_back;
    int length;
};

static struct request take(int s)
{
    struct request request;
    struct nn_iovec body = {.iov_base = &request.body, .iov_len = NN_MSG};
    struct nn_msghdr message = {
        .msg_iov = &body, .msg_iovlen = 1, .msg_control = &request.way_back, .msg_controllen = NN_MSG};
    request.length = check(nn_recvmsg(s, &message, 0), "nn_recvmsg");
    return request;
}

static void answer(int s, struct request *request)
{
    char text[64];
    int length = snprintf(text, sizeof text, "an answer to %.*s", request->length, (char *)request->body);
    struct nn_iovec body = {.iov_base = text, .iov_len = (size_t)length};
    struct nn_msghdr message = {
        .msg_iov = &body, .msg_iovlen = 1, .msg_control = &request->way_back, .msg_controllen = NN_MSG};
    /* Takes the header along; it is freed with the answer. */
    check(nn_sendmsg(s, &message, 0), "nn_sendmsg");
    nn_freemsg(request->body);
}

int main(void)
{
    int server = check(nn_socket(AF_SP_RAW, NN_REP), "nn_socket");
    check(nn_bind(server, "inproc://raw"), "nn_bind");

    int clients[CLIENTS];
    struct request requests[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        char question[32];
        int length = snprintf(question, sizeof question, "question %d", i + 1);
        clients[i] = check(nn_socket(AF_SP, NN_REQ), "nn_socket");
        check(nn_connect(clients[i], "inproc://raw"), "nn_connect");
        check(nn_send(clients[i], question, (size_t)length, 0), "nn_send");
        requests[i] = take(server);
    }
    for (int i = CLIENTS - 1; i >= 0; i--) {
        answer(server, &requests[i]);
        char text[64];
        int length = check(nn_recv(clients[i], text, sizeof text, 0), "nn_recv");
        printf("client %d got: %.*s\n", i + 1, length, text);
        nn_close(clients[i]);
    }
    nn_close(server);
    return 0;
}
