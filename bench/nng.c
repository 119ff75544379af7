/* The benchmarks over NNG. */
#include "bench.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>

static void check(int error, const char *what)
{
    if (error)
        die("%s: %s", what, nng_strerror(error));
}

/* An nng_socket is a struct around its number. */
static nng_socket sock(sock_t s)
{
    return (nng_socket){.id = (uint32_t)s};
}

sock_t lib_open(enum kind kind)
{
    static int (*const openers[])(nng_socket *) = {
        [PAIR] = nng_pair0_open, [PUSH] = nng_push0_open, [PULL] = nng_pull0_open, [PUB] = nng_pub0_open,
        [SUB] = nng_sub0_open,   [REQ] = nng_req0_open,   [REP] = nng_rep0_open,
    };
    nng_socket s;
    check(openers[kind](&s), "nng open");
    /* Queues as the others have them by default; not every kind has both. */
    nng_socket_set_int(s, NNG_OPT_SENDBUF, 128);
    nng_socket_set_int(s, NNG_OPT_RECVBUF, 128);
    return (sock_t)s.id;
}

static bool is_secure(const char *url)
{
    return strncmp(url, "tls", 3) == 0;
}

void lib_bind(sock_t s, const char *url)
{
    nng_listener listener;
    check(nng_listener_create(&listener, sock(s), url), "nng_listener_create");
    if (is_secure(url)) {
        nng_tls_config *tls;
        check(nng_tls_config_alloc(&tls, NNG_TLS_MODE_SERVER), "nng_tls_config_alloc");
        /* It wants both in one file. */
        check(nng_tls_config_cert_key_file(tls, getenv("BENCH_CERT_AND_KEY"), NULL), "nng_tls_config_cert_key_file");
        check(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls), "NNG_OPT_TLS_CONFIG");
    }
    check(nng_listener_start(listener, 0), "nng_listener_start");
}

void lib_connect(sock_t s, const char *url)
{
    nng_dialer dialer;
    check(nng_dialer_create(&dialer, sock(s), url), "nng_dialer_create");
    if (is_secure(url)) {
        nng_tls_config *tls;
        check(nng_tls_config_alloc(&tls, NNG_TLS_MODE_CLIENT), "nng_tls_config_alloc");
        check(nng_tls_config_ca_file(tls, getenv("BENCH_CERT")), "nng_tls_config_ca_file");
        check(nng_tls_config_server_name(tls, "localhost"), "nng_tls_config_server_name");
        check(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls), "NNG_OPT_TLS_CONFIG");
    }
    check(nng_dialer_start(dialer, NNG_FLAG_NONBLOCK), "nng_dialer_start");
}

void lib_subscribe(sock_t s, const void *prefix, size_t len)
{
    check(nng_socket_set(sock(s), NNG_OPT_SUB_SUBSCRIBE, prefix, len), "subscribe");
}

void lib_send(sock_t s, const void *buf, size_t len)
{
    check(nng_send(sock(s), (void *)buf, len, 0), "nng_send");
}

long lib_recv(sock_t s, void *buf, size_t len, bool wait)
{
    int error = nng_recv(sock(s), buf, &len, wait ? 0 : NNG_FLAG_NONBLOCK);
    if (error == NNG_EAGAIN && !wait)
        return -1;
    check(error, "nng_recv");
    return (long)len;
}

void lib_send_msg(sock_t s, size_t len)
{
    nng_msg *msg;
    check(nng_msg_alloc(&msg, len), "nng_msg_alloc");
    touch(nng_msg_body(msg), len);
    check(nng_sendmsg(sock(s), msg, 0), "nng_sendmsg");
}

long lib_recv_msg(sock_t s)
{
    nng_msg *msg;
    check(nng_recvmsg(sock(s), &msg, 0), "nng_recvmsg");
    long n = (long)nng_msg_len(msg);
    nng_msg_free(msg);
    return n;
}

/* NNG has no poll of its own; its users hand its descriptors to poll(2). */
static struct pollfd *polled;
static int polled_len;

void lib_poll_set(const sock_t *set, int n)
{
    polled = realloc(polled, (size_t)n * sizeof *polled);
    polled_len = n;
    for (int i = 0; i < n; i++)
        polled[i] = (struct pollfd){.fd = lib_recv_fd(set[i]), .events = POLLIN};
}

int lib_poll(void)
{
    if (poll(polled, (nfds_t)polled_len, -1) < 0)
        die("poll");
    for (int i = 0; i < polled_len; i++)
        if (polled[i].revents & POLLIN)
            return i;
    die("poll returned without an event");
}

int lib_recv_fd(sock_t s)
{
    int fd;
    check(nng_socket_get_int(sock(s), NNG_OPT_RECVFD, &fd), "NNG_OPT_RECVFD");
    return fd;
}

bool lib_shares_sockets(void)
{
    return true;
}

const char *lib_origin(void)
{
    return origin_of((void *)nng_close);
}
