/* Latency at a load that is given: how long messages take while so many a second are sent, and how long the slowest. */
#define _GNU_SOURCE
#include "harness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- Histograms ------------------------------------------------------------------------------------------------ */

/* A bucket for each nanosecond up to 64, then 64 for each power of two: 1.6 % exact, up to 68 s. */
enum { PER_POWER = 64, BUCKETS = 31 * PER_POWER };

/* Shared with forked peers, one for each of them. */
static uint32_t (*histograms)[BUCKETS];

static int bucket_of(uint64_t ns)
{
    if (ns < PER_POWER)
        return (int)ns;
    int power = 63 - __builtin_clzll(ns) - 6;
    int bucket = (power + 1) * PER_POWER + (int)(ns >> power) - PER_POWER;
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double us_of(int bucket)
{
    int power = bucket / PER_POWER - 1;
    uint64_t ns = power < 0 ? (uint64_t)bucket : (uint64_t)(bucket % PER_POWER + PER_POWER) << power;
    return (double)ns / 1e3;
}

static void note(int index, uint64_t since)
{
    uint64_t now = now_ns();
    if (shared->measuring)
        histograms[index][bucket_of(now > since ? now - since : 0)]++;
}

static void print_tails(int peers)
{
    static uint64_t sum[BUCKETS];
    uint64_t count = 0, seen = 0;
    for (int i = 0; i < peers; i++)
        for (int k = 0; k < BUCKETS; k++) {
            sum[k] += histograms[i][k];
            count += histograms[i][k];
        }
    if (count == 0)
        die("nothing was measured");
    const struct {
        const char *name;
        double share;
    } wanted[] = {{"us", 0.5}, {"p99", 0.99}, {"p999", 0.999}, {"worst", 1}};
    size_t next = 0;
    for (int k = 0; k < BUCKETS && next < 4; k++)
        for (seen += sum[k]; next < 4 && (double)seen >= wanted[next].share * (double)count; next++)
            printf("%s=%.3f ", wanted[next].name, us_of(k));
    printf("got=%.0f", (double)count / ((double)window_ns() / 1e9));
}

/* ---- Pace ------------------------------------------------------------------------------------------------------ */

/* When each message is due. Whoever sleeps wakes a little late, and that is nobody's fault: a message is on its way from then on.
 * But when a send has held up those behind it, they have been on their way since they were due. */
struct pace {
    double period, due;
    uint64_t woke;
};

static struct pace pace_of(double rate)
{
    prctl(PR_SET_TIMERSLACK, 1);
    uint64_t now = now_ns();
    return (struct pace){1e9 / rate, (double)now, now};
}

/* Waits until the next message is due and returns since when it is on its way. */
static uint64_t next_message(struct pace *pace)
{
    uint64_t due = (uint64_t)pace->due;
    if (due > pace->woke && due > now_ns()) {
        sleep_until(due);
        pace->woke = now_ns();
    }
    pace->due += pace->period;
    return due > pace->woke ? due : pace->woke;
}

static void send_stamped(sock_t s, char *buf, uint64_t since)
{
    memcpy(buf, &since, sizeof since);
    lib_send(s, buf, arg.size);
}

/* ---- One way --------------------------------------------------------------------------------------------------- */

static void receive_stamped(sock_t s, int index)
{
    char *buf = buffer();
    for (;;) {
        uint64_t since;
        receive_exactly(s, buf);
        memcpy(&since, buf, sizeof since);
        note(index, since);
        atomic_store_explicit(&shared->slot[index].received, 1, memory_order_relaxed);
    }
}

static void pulling_peer(int index)
{
    sock_t s = bound(PULL, index);
    say_ready();
    receive_stamped(s, index);
}

static void subscribed_peer(int index)
{
    await_ready(1);
    sock_t s = connected(SUB, 0);
    lib_subscribe(s, "", 0);
    receive_stamped(s, index);
}

/* Sends at the rate wanted: until everyone receives, then to warm up, then for the window. */
static void send_paced(sock_t s)
{
    char *buf = buffer();
    uint64_t patience = now_ns() + 10000000000u;
    for (struct pace pace = pace_of(1000); !everyone_has_one();) {
        send_stamped(s, buf, next_message(&pace));
        if (now_ns() > patience)
            die("not everyone got a message");
    }
    struct pace pace = pace_of(arg.rate);
    uint64_t start = pace.woke + window_ns() / 5, end = start + window_ns();
    for (uint64_t now = pace.woke; now < end; now = now_ns()) {
        if (now >= start && !shared->measuring)
            shared->measuring = 1;
        send_stamped(s, buf, next_message(&pace));
    }
    usleep(20000);
}

static void pushing(void)
{
    start_peer(pulling_peer, 0);
    await_ready(1);
    send_paced(connected(PUSH, 0));
}

static void publishing(void)
{
    for (int i = 0; i < arg.n; i++)
        start_peer(subscribed_peer, i);
    sock_t s = bound(PUB, 0);
    say_ready();
    send_paced(s);
}

/* ---- Requests -------------------------------------------------------------------------------------------------- */

/* A client that asks as often as it should, but not before it has its answer. */
static void paced_requester(int index)
{
    sock_t s = connected(REQ, 0);
    char *buf = buffer();
    for (struct pace pace = pace_of(arg.rate / arg.n);;) {
        uint64_t since = next_message(&pace);
        send_stamped(s, buf, since);
        receive_exactly(s, buf);
        note(index, since);
        shared->slot[index].received = 1;
    }
}

static void requesting(void)
{
    start_peer(echo_peer, 0);
    await_ready(1);
    lib_open(REQ);
    for (int i = 0; i < arg.n; i++)
        start_thread(paced_requester, i);
    while (!everyone_has_one())
        usleep(1000);
    usleep((useconds_t)(window_ns() / 5000));
    shared->measuring = 1;
    sleep_until(now_ns() + window_ns());
}

/* ---- The scenario ---------------------------------------------------------------------------------------------- */

/* `rate` messages (or requests) a second: PUSH to PULL, with pattern=pub to `n` subscribers, with pattern=req by `n` clients. With a rate
 * that nobody reaches, `got` is the most there is. */
static void load(void)
{
    if (arg.rate <= 0 || arg.n > MAX_PEERS)
        die("load needs rate=, and n= of at most %d", MAX_PEERS);
    histograms = mmap(NULL, MAX_PEERS * sizeof *histograms, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    make_urls(1);
    if (is(arg.pattern, "pub"))
        publishing();
    else if (is(arg.pattern, "req"))
        requesting();
    else
        pushing();
    shared->measuring = 0;
    print_tails(arg.n);
}

const struct scenario tail_scenarios[] = {{"load", load}, {NULL, NULL}};
