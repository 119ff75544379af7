/* The benchmarks over the nanomsg API, for any libnanomsg.so. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/tcp.h>

static long check(long result, const char *what)
{
    if (result < 0)
        die("%s: %s", what, nn_strerror(nn_errno()));
    return result;
}

static void set_int(int s, int level, int option, int value)
{
    check(nn_setsockopt(s, level, option, &value, sizeof value), "nn_setsockopt");
}

sock_t lib_open(enum kind kind)
{
    static const int protocols[] = {
        [PAIR] = NN_PAIR, [PUSH] = NN_PUSH, [PULL] = NN_PULL, [PUB] = NN_PUB,
        [SUB] = NN_SUB,   [REQ] = NN_REQ,   [REP] = NN_REP,
    };
    int s = (int)check(nn_socket(AF_SP, protocols[kind]), "nn_socket");
    set_int(s, NN_TCP, NN_TCP_NODELAY, 1);
    set_int(s, NN_SOL_SOCKET, NN_RCVMAXSIZE, -1);
    return s;
}

#if __has_include(<millrace/tls.h>)
#include <millrace/tls.h>

static void secure(sock_t s, const char *url)
{
    const struct {
        int option;
        const char *file;
    } files[] = {{NN_TLS_CERT_FILE, "BENCH_CERT"}, {NN_TLS_KEY_FILE, "BENCH_KEY"}, {NN_TLS_CA_FILE, "BENCH_CERT"}};
    for (size_t i = 0; i < 3 && strncmp(url, "tls", 3) == 0; i++) {
        const char *name = getenv(files[i].file);
        check(nn_setsockopt((int)s, NN_TLS, files[i].option, name, strlen(name)), name);
    }
}
#else
static void secure(sock_t s, const char *url)
{
    (void)s;
    if (strncmp(url, "tls", 3) == 0)
        unsupported();
}
#endif

void lib_bind(sock_t s, const char *url)
{
    secure(s, url);
    check(nn_bind((int)s, url), "nn_bind");
}

void lib_connect(sock_t s, const char *url)
{
    secure(s, url);
    check(nn_connect((int)s, url), "nn_connect");
}

void lib_subscribe(sock_t s, const void *prefix, size_t len)
{
    check(nn_setsockopt((int)s, NN_SUB, NN_SUB_SUBSCRIBE, prefix, len), "subscribe");
}

void lib_send(sock_t s, const void *buf, size_t len)
{
    check(nn_send((int)s, buf, len, 0), "nn_send");
}

long lib_recv(sock_t s, void *buf, size_t len, bool wait)
{
    int n = nn_recv((int)s, buf, len, wait ? 0 : NN_DONTWAIT);
    if (n < 0 && !wait && nn_errno() == EAGAIN)
        return -1;
    return check(n, "nn_recv");
}

void lib_send_msg(sock_t s, size_t len)
{
    void *msg = nn_allocmsg(len, 0);
    if (!msg)
        die("nn_allocmsg");
    touch(msg, len);
    check(nn_send((int)s, &msg, NN_MSG, 0), "nn_send");
}

long lib_recv_msg(sock_t s)
{
    void *msg;
    long n = check(nn_recv((int)s, &msg, NN_MSG, 0), "nn_recv");
    nn_freemsg(msg);
    return n;
}

static struct nn_pollfd *polled;
static int polled_len;

void lib_poll_set(const sock_t *set, int n)
{
    polled = realloc(polled, (size_t)n * sizeof *polled);
    polled_len = n;
    for (int i = 0; i < n; i++)
        polled[i] = (struct nn_pollfd){.fd = (int)set[i], .events = NN_POLLIN};
}

int lib_poll(void)
{
    check(nn_poll(polled, polled_len, -1), "nn_poll");
    for (int i = 0; i < polled_len; i++)
        if (polled[i].revents & NN_POLLIN)
            return i;
    die("nn_poll returned without an event");
}

int lib_recv_fd(sock_t s)
{
    int fd;
    size_t len = sizeof fd;
    check(nn_getsockopt((int)s, NN_SOL_SOCKET, NN_RCVFD, &fd, &len), "NN_RCVFD");
    return fd;
}

bool lib_shares_sockets(void)
{
    return true;
}

const char *lib_origin(void)
{
    return origin_of((void *)nn_socket);
}
