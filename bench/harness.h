/* What the scenarios share: arguments, clocks, samples, peers in processes or threads of their own, and the main program. */
#ifndef HARNESS_H
#define HARNESS_H

#include "bench.h"

#include <stdatomic.h>

enum { MAX_PEERS = 256 };

/* ---- Arguments ------------------------------------------------------------------------------------------------- */

extern struct arguments {
    const char *transport, *pin, *pattern, *wait;
    bool handover;
    size_t size;
    int n, busy;
    double time, rate;
} arg;

bool is(const char *value, const char *name);
bool tcp(void); /* tcp, or TLS over it */
bool inproc(void);

/* ---- Clocks, numbers ------------------------------------------------------------------------------------------- */

void sleep_until(uint64_t ns);
/* A window for measuring, after a fifth of its length to warm up. */
uint64_t window_ns(void);
extern int sample_count;
void add_sample(double us);
void print_latency(void);

/* ---- Peers ----------------------------------------------------------------------------------------------------- */

/* Shared with forked peers. A slot has one writer and a cache line of its own. */
extern struct shared {
    atomic_int ready, failed, measuring;
    struct slot {
        _Alignas(64) atomic_ulong received;
        atomic_ulong first, last;
    } slot[MAX_PEERS];
} *shared;

/* A thread of this process. */
void start_thread(void (*run)(int), int index);
/* A process of its own; over inproc a thread. To be called before the library is used. */
void start_peer(void (*run)(int), int index);
/* Whoever binds says so; whoever connects waits for it. */
void say_ready(void);
void await_ready(int count);
void pin(int core);
/* CPU time of this process and its peers. */
uint64_t cpu_ns(void);

/* Fresh addresses, all chosen before any is used so that no port comes twice. */
void make_urls(int count);
extern char urls[MAX_PEERS][128];
sock_t bound(enum kind kind, int url);
sock_t connected(enum kind kind, int url);
/* Room for a message, filled; never less than 64 bytes. */
char *buffer(void);
void receive_exactly(sock_t s, char *buf);
/* Has each of the `n` peers of this measurement noted a message in its slot? */
bool everyone_has_one(void);
/* REQ with pattern=req, else PAIR; and the peer, which sends everything back. */
enum kind client_kind(void);
void echo_peer(int index);

/* ---- Main -------------------------------------------------------------------------------------------------------- */

struct scenario {
    const char *name;
    void (*run)(void);
};
/* bench.c and tails.c; each list ends with a scenario without a name. */
extern const struct scenario scenarios[], tail_scenarios[];

#endif
