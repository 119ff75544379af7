/* A wall that browsers write on: open wall.html in a few of them. A page's WebSocket is an ordinary peer here: it names the
 * socket type that it wants to find on our side, and then talks to PULL and PUB sockets without any library.
 *
 * Build:  cc -o wall wall.c -lnanomsg
 * Leave:  ./wall ws://127.0.0.1:5555 ws://127.0.0.1:5556
 */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/ws.h>

#include <stdio.h>
#include <stdlib.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "usage: wall ws://WRITERS ws://READERS\n"), 2;

    /* What pages write comes in here... */
    int in = check(nn_socket(AF_SP, NN_PULL), "nn_socket");
    check(nn_bind(in, argv[1]), argv[1]);

    /* ...and goes out to all pages here, as text frames, which JavaScript sees as strings. */
    int out = check(nn_socket(AF_SP, NN_PUB), "nn_socket");
    int text = NN_WS_MSG_TYPE_TEXT;
    check(nn_setsockopt(out, NN_WS, NN_WS_MSG_TYPE, &text, sizeof text), "NN_WS_MSG_TYPE");
    check(nn_bind(out, argv[2]), argv[2]);

    for (;;) {
        char *line;
        int length = check(nn_recv(in, &line, NN_MSG, 0), "nn_recv");
        printf("%.*s\n", length, line);
        check(nn_send(out, &line, NN_MSG, 0), "nn_send");
    }
}
