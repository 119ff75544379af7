/* The benchmarks over libzmq. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static long check(long result, const char *what)
{
    if (result < 0)
        die("%s: %s", what, zmq_strerror(zmq_errno()));
    return result;
}

sock_t lib_open(enum kind kind)
{
    static const int types[] = {
        [PAIR] = ZMQ_PAIR, [PUSH] = ZMQ_PUSH, [PULL] = ZMQ_PULL, [PUB] = ZMQ_PUB,
        [SUB] = ZMQ_SUB,   [REQ] = ZMQ_REQ,   [REP] = ZMQ_REP,
    };
    /* One context a process; every scenario opens its first socket on its main thread. */
    static void *context;
    if (!context)
        context = zmq_ctx_new();
    void *s = zmq_socket(context, types[kind]);
    if (!s)
        die("zmq_socket: %s", zmq_strerror(zmq_errno()));
    return (sock_t)s;
}

static void check_transport(const char *url)
{
    if (strncmp(url, "tls", 3) == 0)
        unsupported();
}

void lib_bind(sock_t s, const char *url)
{
    check_transport(url);
    check(zmq_bind((void *)s, url), "zmq_bind");
}

void lib_connect(sock_t s, const char *url)
{
    check_transport(url);
    check(zmq_connect((void *)s, url), "zmq_connect");
}

void lib_subscribe(sock_t s, const void *prefix, size_t len)
{
    check(zmq_setsockopt((void *)s, ZMQ_SUBSCRIBE, prefix, len), "subscribe");
}

void lib_send(sock_t s, const void *buf, size_t len)
{
    check(zmq_send((void *)s, buf, len, 0), "zmq_send");
}

long lib_recv(sock_t s, void *buf, size_t len, bool wait)
{
    int n = zmq_recv((void *)s, buf, len, wait ? 0 : ZMQ_DONTWAIT);
    if (n < 0 && !wait && zmq_errno() == EAGAIN)
        return -1;
    return check(n, "zmq_recv");
}

void lib_send_msg(sock_t s, size_t len)
{
    zmq_msg_t msg;
    check(zmq_msg_init_size(&msg, len), "zmq_msg_init_size");
    touch(zmq_msg_data(&msg), len);
    check(zmq_msg_send(&msg, (void *)s, 0), "zmq_msg_send");
}

long lib_recv_msg(sock_t s)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    long n = check(zmq_msg_recv(&msg, (void *)s, 0), "zmq_msg_recv");
    zmq_msg_close(&msg);
    return n;
}

static zmq_pollitem_t *polled;
static int polled_len;

void lib_poll_set(const sock_t *set, int n)
{
    polled = realloc(polled, (size_t)n * sizeof *polled);
    polled_len = n;
    for (int i = 0; i < n; i++)
        polled[i] = (zmq_pollitem_t){.socket = (void *)set[i], .events = ZMQ_POLLIN};
}

int lib_poll(void)
{
    check(zmq_poll(polled, polled_len, -1), "zmq_poll");
    for (int i = 0; i < polled_len; i++)
        if (polled[i].revents & ZMQ_POLLIN)
            return i;
    die("zmq_poll returned without an event");
}

int lib_recv_fd(sock_t s)
{
    int fd;
    size_t len = sizeof fd;
    check(zmq_getsockopt((void *)s, ZMQ_FD, &fd, &len), "ZMQ_FD");
    return fd;
}

bool lib_shares_sockets(void)
{
    return false;
}

const char *lib_origin(void)
{
    return origin_of((void *)zmq_socket);
}
