/* What every benchmark program shares. A program is bench.c (what is measured) linked with one of nn.c, zmq.c, nng.c or
 * raw.c (how one library does it). The scenarios call the functions `lib_*` directly, so nothing stands between the clock
 * and the library but one call. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind { PAIR, PUSH, PULL, PUB, SUB, REQ, REP };

/* An integer handle or a pointer, as the library likes. */
typedef intptr_t sock_t;

/* Each function either succeeds or ends the program, except where a result is described. */
sock_t lib_open(enum kind kind);
/* Over tls+tcp the environment names a certificate for 127.0.0.1, which has signed itself, and its key: BENCH_CERT, BENCH_KEY. */
void lib_bind(sock_t s, const char *url);
void lib_connect(sock_t s, const char *url);
void lib_subscribe(sock_t s, const void *prefix, size_t len);

void lib_send(sock_t s, const void *buf, size_t len);
/* The length, or -1 when nothing is there and `wait` is false. */
long lib_recv(sock_t s, void *buf, size_t len, bool wait);

/* The form that copies nothing: a new message made by the library and handed over; a message taken and released. */
void lib_send_msg(sock_t s, size_t len);
long lib_recv_msg(sock_t s);

/* Chooses the sockets that lib_poll() waits for; lib_poll() returns the index of one that can be read. */
void lib_poll_set(const sock_t *set, int n);
int lib_poll(void);

/* A descriptor for poll(2) or epoll that tells of messages to receive. */
int lib_recv_fd(sock_t s);

/* May several threads use one socket? */
bool lib_shares_sockets(void);

/* Where the library was loaded from, so that a result never speaks of the wrong one. */
const char *lib_origin(void);

/* For the libraries' files: gives a new message's body pages of its own. Memory that was never written is one page of zeros
 * to the kernel, always in the cache, which no message of a user is. Over inproc, where nobody reads the body, does nothing. */
void touch(void *body, size_t len);

/* For the libraries' files: the loaded file that `function` comes from. */
const char *origin_of(void *function);

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the program with the status by which the runner knows that there is nothing to measure. */
_Noreturn void unsupported(void);

uint64_t now_ns(void);

#endif
