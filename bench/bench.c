/* What is measured, whatever the library:
 *
 *     PROGRAM SCENARIO [key=value ...]      prints one line of key=value
 *
 * The process is the measuring side; its peers are forked before the library is touched, except over inproc, where they
 * are threads. All runs are limited by time, not by a count, because the candidates differ a hundredfold. Whoever measures
 * takes what it needs within a window and then kills its peers, so nothing depends on how a library closes. */
#define _GNU_SOURCE
#include "harness.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 16, TOPIC = 8 };

/* ---- Round trips ----------------------------------------------------------------------------------------------- */

static int epoll_of(sock_t s)
{
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, lib_recv_fd(s), &event) < 0)
        die("epoll_ctl");
    return epoll;
}

/* As an event loop does it: the descriptor says that there may be something, and one receives until there is nothing. */
static void receive_by_epoll(sock_t s, int epoll, char *buf)
{
    struct epoll_event event;
    while (lib_recv(s, buf, arg.size, false) < 0)
        epoll_wait(epoll, &event, 1, -1);
}

/* Ping-pong until `until`; a sample is the mean of `batch` round trips. */
static void ping(sock_t s, int epoll, char *buf, int batch, uint64_t until)
{
    uint64_t begin = now_ns();
    do {
        for (int i = 0; i < batch; i++) {
            lib_send(s, buf, arg.size);
            if (epoll >= 0)
                receive_by_epoll(s, epoll, buf);
            else
                receive_exactly(s, buf);
        }
        uint64_t end = now_ns();
        add_sample((double)(end - begin) / 1e3 / batch);
        begin = end;
    } while (begin < until);
}

static void roundtrip(void)
{
    make_urls(1);
    start_peer(echo_peer, 0);
    pin(0);
    await_ready(1);
    sock_t s = connected(client_kind(), 0);
    char *buf = buffer();
    int epoll = is(arg.wait, "epoll") ? epoll_of(s) : -1;
    /* Within a process a round trip may be so short that reading the clock would count. */
    int batch = inproc() ? 16 : 1;
    ping(s, epoll, buf, batch, now_ns() + window_ns() / 5);
    sample_count = 0;
    uint64_t cpu = cpu_ns();
    ping(s, epoll, buf, batch, now_ns() + window_ns());
    cpu = cpu_ns() - cpu;
    double trips = (double)sample_count * batch;
    print_latency();
    printf(" cpu_us=%.3f", (double)cpu / 1e3 / trips);
}

/* One thread of a process streams at full speed while another one plays ping-pong. */
static void sink_peer(int index)
{
    sock_t s = bound(PULL, index);
    char *buf = buffer();
    say_ready();
    for (;;) {
        receive_exactly(s, buf);
        atomic_fetch_add_explicit(&shared->slot[0].received, 1, memory_order_relaxed);
    }
}

static void streamer(int index)
{
    sock_t s = connected(PUSH, index);
    char *buf = buffer();
    for (;;)
        lib_send(s, buf, arg.size);
}

static void fairness(void)
{
    make_urls(2);
    start_peer(echo_peer, 0);
    start_peer(sink_peer, 1);
    await_ready(2);
    sock_t s = connected(client_kind(), 0);
    char *buf = buffer();
    lib_send(s, buf, arg.size);
    receive_exactly(s, buf);
    start_thread(streamer, 1);
    ping(s, -1, buf, 1, now_ns() + window_ns() / 5);
    sample_count = 0;
    uint64_t received = shared->slot[0].received, begin = now_ns();
    ping(s, -1, buf, 1, begin + window_ns());
    double seconds = (double)(now_ns() - begin) / 1e9, streamed = (double)(shared->slot[0].received - received);
    print_latency();
    printf(" rate=%.0f", streamed / seconds);
}

/* Every requester is a thread with a socket of its own. */
static void requester(int index)
{
    sock_t s = connected(REQ, 0);
    char *buf = buffer();
    for (;;) {
        lib_send(s, buf, arg.size);
        receive_exactly(s, buf);
        atomic_fetch_add_explicit(&shared->slot[index].received, 1, memory_order_relaxed);
    }
}

static unsigned long total_received(void)
{
    unsigned long sum = 0;
    for (int i = 0; i < arg.n; i++)
        sum += shared->slot[i].received;
    return sum;
}

/* The sum of all slots per second, sampled from outside. */
static double observed_rate(void)
{
    while (!everyone_has_one())
        usleep(1000);
    usleep((useconds_t)(window_ns() / 5000));
    unsigned long before = total_received();
    uint64_t begin = now_ns();
    sleep_until(begin + window_ns());
    return (double)(total_received() - before) / ((double)(now_ns() - begin) / 1e9);
}

static void requesters(void)
{
    arg.pattern = "req";
    make_urls(1);
    start_peer(echo_peer, 0);
    await_ready(1);
    /* What a library sets up with its first socket is set up by one thread. */
    lib_open(REQ);
    for (int i = 0; i < arg.n; i++)
        start_thread(requester, i);
    printf("rate=%.0f", observed_rate());
}

/* ---- One way --------------------------------------------------------------------------------------------------- */

static void stream_on(const sock_t *s, int n)
{
    char *buf = buffer();
    for (int i = 0;; i = i + 1 < n ? i + 1 : 0) {
        if (arg.handover)
            lib_send_msg(s[i], arg.size);
        else
            lib_send(s[i], buf, arg.size);
    }
}

static void push_peer(int index)
{
    await_ready(1);
    sock_t s[MAX_PEERS];
    for (int i = 0; i < arg.n; i++)
        s[i] = connected(PUSH, index);
    stream_on(s, arg.n);
}

/* Receives until `until` and returns how many. The clock is read ever more rarely, as long as a millisecond allows. */
static uint64_t drain(sock_t s, char *buf, uint64_t until)
{
    uint64_t count = 0, step = 1, last = now_ns();
    for (;;) {
        for (uint64_t i = 0; i < step; i++) {
            if (arg.handover) {
                if (lib_recv_msg(s) != (long)arg.size)
                    die("wrong size");
            } else {
                receive_exactly(s, buf);
            }
        }
        count += step;
        uint64_t now = now_ns();
        if (now >= until)
            return count;
        if (now - last < 1000000)
            step *= 2;
        else if (step > 1)
            step /= 2;
        last = now;
    }
}

/* One PULL fed by `n` PUSH sockets of one other process (or thread). */
static void oneway(void)
{
    make_urls(1);
    start_peer(push_peer, 0);
    pin(0);
    sock_t s = bound(PULL, 0);
    say_ready();
    char *buf = buffer();
    drain(s, buf, now_ns() + window_ns() / 5);
    uint64_t cpu = cpu_ns(), begin = now_ns();
    uint64_t count = drain(s, buf, begin + window_ns());
    double seconds = (double)(now_ns() - begin) / 1e9;
    cpu = cpu_ns() - cpu;
    double rate = (double)count / seconds;
    printf("rate=%.0f mb_s=%.1f cpu_s_per_m=%.4f", rate, rate * (double)arg.size / 1e6, (double)cpu / 1e3 / (double)count);
}

/* ---- Publishing ------------------------------------------------------------------------------------------------ */

static void note_sequence(int index, uint64_t sequence)
{
    struct slot *slot = &shared->slot[index];
    if (slot->received == 0)
        slot->first = sequence;
    atomic_store_explicit(&slot->last, sequence, memory_order_relaxed);
    atomic_store_explicit(&slot->received, slot->received + 1, memory_order_relaxed);
}

static void sub_peer(int index)
{
    await_ready(1);
    sock_t s = connected(SUB, 0);
    lib_subscribe(s, "", 0);
    char *buf = buffer();
    for (;;) {
        uint64_t sequence;
        receive_exactly(s, buf);
        memcpy(&sequence, buf, sizeof sequence);
        note_sequence(index, sequence);
    }
}

/* The share of what was published between a subscriber's first and last message that it has not got. */
static double loss(void)
{
    double received = 0, published = 0;
    for (int i = 0; i < arg.n; i++) {
        received += (double)shared->slot[i].received;
        published += (double)(shared->slot[i].last - shared->slot[i].first + 1);
    }
    return published > 0 ? 1 - received / published : 0;
}

static uint64_t sequence;

/* Publishes until `until`, with `rate` at that many a second in bursts of a millisecond, otherwise as fast as it goes. */
static void publish(sock_t s, char *buf, uint64_t until)
{
    uint64_t begin = now_ns(), now = begin, burst = arg.rate > 0 ? (uint64_t)(arg.rate / 1000) : 64;
    for (uint64_t tick = 1; now < until; tick++) {
        for (uint64_t i = 0; i < burst; i++) {
            memcpy(buf, &sequence, sizeof sequence);
            sequence++;
            lib_send(s, buf, arg.size);
        }
        if (arg.rate > 0)
            sleep_until(begin + tick * 1000000);
        now = now_ns();
    }
}

static void pubsub(void)
{
    make_urls(1);
    for (int i = 0; i < arg.n; i++)
        start_peer(sub_peer, i);
    sock_t s = bound(PUB, 0);
    say_ready();
    char *buf = buffer();
    uint64_t patience = now_ns() + 10000000000u;
    while (!everyone_has_one()) {
        publish(s, buf, now_ns() + 1000000);
        usleep(2000);
        if (now_ns() > patience)
            die("not every subscriber got a message");
    }
    /* From here on the loss counts: what was published before everyone was there does not. */
    usleep(50000);
    for (int i = 0; i < arg.n; i++)
        shared->slot[i].received = 0;
    publish(s, buf, now_ns() + window_ns() / 5);
    uint64_t before = total_received(), cpu = cpu_ns(), begin = now_ns();
    publish(s, buf, begin + window_ns());
    double seconds = (double)(now_ns() - begin) / 1e9, count = (double)(total_received() - before);
    cpu = cpu_ns() - cpu;
    printf("rate=%.0f loss=%.4f cpu_s_per_m=%.4f", count / seconds, loss(), (double)cpu / 1e3 / (count > 0 ? count : 1));
}

/* Topics of eight digits, spread so that neighbours share few characters. */
static void write_topic(char *to, int i)
{
    char text[TOPIC + 1];
    snprintf(text, sizeof text, "%08u", (unsigned)i * 2654435761u % 100000000u);
    memcpy(to, text, TOPIC);
}

static void topic_peer(int index)
{
    await_ready(1);
    sock_t s = connected(PUB, index);
    char *buf = buffer();
    for (int i = 0;; i = i + 1 < arg.n ? i + 1 : 0) {
        write_topic(buf, i);
        lib_send(s, buf, arg.size);
    }
}

/* One SUB with `n` subscriptions, one of which each message matches. */
static void subscriptions(void)
{
    make_urls(1);
    start_peer(topic_peer, 0);
    sock_t s = bound(SUB, 0);
    char topic[TOPIC];
    for (int i = 0; i < arg.n; i++) {
        write_topic(topic, i);
        lib_subscribe(s, topic, TOPIC);
    }
    say_ready();
    char *buf = buffer();
    drain(s, buf, now_ns() + window_ns() / 5);
    uint64_t begin = now_ns();
    uint64_t count = drain(s, buf, begin + window_ns());
    printf("rate=%.0f", (double)count / ((double)(now_ns() - begin) / 1e9));
}

/* ---- Threads --------------------------------------------------------------------------------------------------- */

static sock_t ends[MAX_PEERS][2];

/* Sends a burst and receives as many, so the threads of one socket can never wait for more than is under way. */
static void burst_thread(int index)
{
    sock_t *end = is(arg.pattern, "one") ? ends[0] : ends[index];
    char *buf = buffer();
    for (;;) {
        for (int i = 0; i < BURST; i++)
            lib_send(end[0], buf, arg.size);
        for (int i = 0; i < BURST; i++)
            receive_exactly(end[1], buf);
        atomic_fetch_add_explicit(&shared->slot[index].received, BURST, memory_order_relaxed);
    }
}

/* `n` threads of one process, each on its own pair of sockets (pattern=own) or all on the same (pattern=one). */
static void threads(void)
{
    bool one = is(arg.pattern, "one");
    if (one && !lib_shares_sockets())
        unsupported();
    int pairs = one ? 1 : arg.n;
    make_urls(pairs);
    for (int i = 0; i < pairs; i++) {
        ends[i][1] = bound(PAIR, i);
        ends[i][0] = connected(PAIR, i);
    }
    for (int i = 0; i < arg.n; i++)
        start_thread(burst_thread, i);
    printf("rate=%.0f", observed_rate());
}

/* ---- Many connections ------------------------------------------------------------------------------------------ */

static void connecting_peer(int index)
{
    await_ready(1);
    sock_t s = lib_open(PUSH);
    for (int i = 0; i < arg.n; i++)
        lib_connect(s, urls[index]);
    say_ready();
    for (;;)
        pause();
}

static double resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*s %ld", &pages) != 1)
        die("/proc/self/statm");
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void idle(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < (rlim_t)arg.n + 64)
        unsupported();
    make_urls(1);
    start_peer(connecting_peer, 0);
    bound(PULL, 0);
    usleep(100000);
    double before = resident_bytes();
    /* The lowest free descriptor is always given out first, so the n-th connection is there when this one is open. */
    int last = dup(0);
    close(last);
    last += arg.n - 1;
    uint64_t begin = now_ns();
    say_ready();
    while (fcntl(last, F_GETFD) < 0)
        usleep(500);
    double ms = (double)(now_ns() - begin) / 1e6;
    await_ready(2);
    usleep(500000);
    printf("bytes=%.0f establish_ms=%.1f", (resident_bytes() - before) / arg.n, ms);
}

/* ---- Waiting --------------------------------------------------------------------------------------------------- */

/* Send on one of `n` connections, wait for any, receive, all in one thread. */
static void polling(void)
{
    sock_t in[MAX_PEERS], out[MAX_PEERS];
    arg.n = arg.n < MAX_PEERS ? arg.n : MAX_PEERS;
    make_urls(arg.n);
    char *buf = buffer();
    for (int i = 0; i < arg.n; i++) {
        in[i] = bound(PAIR, i);
        out[i] = connected(PAIR, i);
        lib_send(out[i], buf, arg.size);
        receive_exactly(in[i], buf);
    }
    lib_poll_set(in, arg.n);
    uint64_t begin = now_ns(), start = begin + window_ns() / 5, until = start + window_ns();
    for (int i = 0; begin < until; i = i + 7 < arg.n ? i + 7 : (i + 7) % arg.n) {
        lib_send(out[i], buf, arg.size);
        int ready = lib_poll();
        receive_exactly(in[ready], buf);
        uint64_t end = now_ns();
        if (begin >= start)
            add_sample((double)(end - begin) / 1e3);
        begin = end;
    }
    print_latency();
}

static void pacing_peer(int index)
{
    await_ready(1);
    sock_t s = connected(PAIR, index);
    char *buf = buffer();
    uint64_t period = (uint64_t)(1e9 / arg.rate);
    for (uint64_t due = now_ns();; due += period) {
        sleep_until(due);
        uint64_t now = now_ns();
        memcpy(buf, &now, sizeof now);
        lib_send(s, buf, arg.size);
    }
}

/* From before the send to after the receive, when messages come too rarely for any spinning. */
static void paced(void)
{
    if (arg.rate <= 0)
        arg.rate = 1000;
    make_urls(1);
    start_peer(pacing_peer, 0);
    pin(0);
    sock_t s = bound(PAIR, 0);
    say_ready();
    char *buf = buffer();
    receive_exactly(s, buf);
    uint64_t begin = now_ns(), cpu = 0, now = begin;
    while (now < begin + window_ns() * 6 / 5) {
        uint64_t sent;
        receive_exactly(s, buf);
        now = now_ns();
        memcpy(&sent, buf, sizeof sent);
        if (now < begin + window_ns() / 5)
            continue;
        if (cpu == 0)
            cpu = cpu_ns();
        add_sample((double)(now - sent) / 1e3);
    }
    print_latency();
    printf(" cpu_s_per_s=%.4f", (double)(cpu_ns() - cpu) / (double)window_ns());
}

const struct scenario scenarios[] = {
    {"roundtrip", roundtrip},   {"fairness", fairness},           {"requesters", requesters}, {"oneway", oneway},
    {"pubsub", pubsub},         {"subscriptions", subscriptions}, {"threads", threads},       {"idle", idle},
    {"polling", polling},       {"paced", paced},                 {NULL, NULL},
};
