/* A nanomsg socket in a libuv loop: a server that answers in upper case, and a client beside it. The descriptor of NN_RCVFD
 * goes into a uv_poll_t; the same works with libevent, GLib or any other loop that can watch a descriptor.
 *
 * Build:  cc -o uv uv.c -lnanomsg -luv
 * Run:    ./uv
 *         | HELLO
 */
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

struct watched {
    uv_poll_t poll;
    int socket;
};

/* Calls `ready` whenever `socket` has something to receive. */
static void watch(uv_loop_t *loop, struct watched *watched, int socket, uv_poll_cb ready)
{
    int descriptor;
    size_t size = sizeof descriptor;
    check(nn_getsockopt(socket, NN_SOL_SOCKET, NN_RCVFD, &descriptor, &size), "NN_RCVFD");
    watched->socket = socket;
    watched->poll.data = watched;
    uv_poll_init(loop, &watched->poll, descriptor);
    uv_poll_start(&watched->poll, UV_READABLE, ready);
}

static void serve(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    int s = ((struct watched *)handle->data)->socket;
    char *text;
    int length = nn_recv(s, &text, NN_MSG, NN_DONTWAIT); /* a loop must never wait */
    if (length < 0 && nn_errno() == EAGAIN)
        return;
    check(length, "nn_recv");
    for (int i = 0; i < length; i++)
        text[i] = (char)toupper((unsigned char)text[i]);
    check(nn_send(s, &text, NN_MSG, NN_DONTWAIT), "nn_send");
}

static void answered(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    char *text;
    int length = nn_recv(((struct watched *)handle->data)->socket, &text, NN_MSG, NN_DONTWAIT);
    if (length < 0 && nn_errno() == EAGAIN)
        return;
    check(length, "nn_recv");
    printf("%.*s\n", length, text);
    nn_freemsg(text);
    uv_stop(handle->loop);
}

int main(void)
{
    int server = check(nn_socket(AF_SP, NN_REP), "nn_socket"), client = check(nn_socket(AF_SP, NN_REQ), "nn_socket");
    check(nn_bind(server, "tcp://127.0.0.1:5555"), "nn_bind");
    check(nn_connect(client, "tcp://127.0.0.1:5555"), "nn_connect");

    uv_loop_t *loop = uv_default_loop();
    struct watched watched_server, watched_client;
    watch(loop, &watched_server, server, serve);
    watch(loop, &watched_client, client, answered);
    check(nn_send(client, "hello", 5, NN_DONTWAIT), "nn_send");
    uv_run(loop, UV_RUN_DEFAULT);

    /* The loop lets go of the descriptors first, then the sockets close them. */
    uv_close((uv_handle_t *)&watched_server.poll, NULL);
    uv_close((uv_handle_t *)&watched_client.poll, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    nn_close(client);
    nn_close(server);
    return 0;
}
