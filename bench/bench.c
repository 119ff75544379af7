/* What is measured, whatever the library:
 *
 *     PROGRAM SCENARIO [key=value ...]      prints one line of key=value
 *
 * The process is the measuring side; its peers are forked before the library is touched, except over inproc, where they
 * are threads. All runs are limited by time, not by a count, because the candidates differ a hundredfold. Whoever measures
 * takes what it needs within a window and then kills its peers, so nothing depends on how a library closes. */
#define _GNU_SOURCE
#include "bench.h"

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

enum { MAX_PEERS = 256, MAX_SAMPLES = 1 << 20, BURST = 16, TOPIC = 8, EXIT_UNSUPPORTED = 77 };

/* ---- Arguments ------------------------------------------------------------------------------------------------- */

static struct {
    const char *transport, *pin, *pattern, *wait;
    bool handover;
    size_t size;
    int n, busy;
    double time, rate;
} arg = {
    .transport = "tcp", .pin = "none", .pattern = "pair", .wait = "block", .size = 64, .n = 1, .time = 0.5,
};

static bool is(const char *value, const char *name)
{
    return strcmp(value, name) == 0;
}

static void parse_args(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            die("not key=value: %s", argv[i]);
        *value++ = 0;
        const char *key = argv[i];
        if (is(key, "transport")) arg.transport = value;
        else if (is(key, "pin")) arg.pin = value;
        else if (is(key, "pattern")) arg.pattern = value;
        else if (is(key, "form")) arg.handover = is(value, "msg");
        else if (is(key, "wait")) arg.wait = value;
        else if (is(key, "size")) arg.size = (size_t)atol(value);
        else if (is(key, "n")) arg.n = atoi(value);
        else if (is(key, "busy")) arg.busy = atoi(value);
        else if (is(key, "time")) arg.time = atof(value);
        else if (is(key, "rate")) arg.rate = atof(value);
        /* Whether each message is written by itself: libraries decide, rustls by itself is told. */
        else if (is(key, "each")) continue;
        else die("unknown key: %s", key);
    }
}

/* ---- Clocks, numbers ------------------------------------------------------------------------------------------- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* A window for measuring, after a fifth of its length to warm up. */
static uint64_t window_ns(void)
{
    return (uint64_t)(arg.time * 1e9);
}

static float samples[MAX_SAMPLES];
static int sample_count;

static void add_sample(double us)
{
    if (sample_count < MAX_SAMPLES)
        samples[sample_count++] = (float)us;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double quantile(double q)
{
    if (sample_count == 0)
        die("nothing was measured");
    qsort(samples, (size_t)sample_count, sizeof *samples, by_value);
    return samples[(int)(q * (sample_count - 1))];
}

static void print_latency(void)
{
    double sum = 0;
    for (int i = 0; i < sample_count; i++)
        sum += samples[i];
    printf("us=%.3f mean=%.3f p99=%.3f p999=%.3f worst=%.3f", quantile(0.5), sum / sample_count, quantile(0.99),
           quantile(0.999), quantile(1));
}

/* ---- Peers ----------------------------------------------------------------------------------------------------- */

/* Shared with forked peers. A slot has one writer and a cache line of its own. */
static struct shared {
    atomic_int ready, failed;
    struct slot {
        _Alignas(64) atomic_ulong received;
        atomic_ulong first, last;
    } slot[MAX_PEERS];
} *shared;

static pid_t children[MAX_PEERS];
static int child_count;
static int burner_count; /* the first of the children, which only keep the cores busy */
static char urls[MAX_PEERS][128];
static int url_count;

/* tcp, or TLS over it. */
static bool tcp(void)
{
    return is(arg.transport, "tcp") || is(arg.transport, "tls+tcp");
}

static bool inproc(void)
{
    return is(arg.transport, "inproc");
}

void touch(void *body, size_t len)
{
    for (size_t i = 0; i < len && !inproc(); i += 4096)
        ((volatile char *)body)[i] = 'm';
}

static void end_children(void)
{
    signal(SIGCHLD, SIG_DFL);
    for (int i = 0; i < child_count; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    for (int i = 0; i < url_count; i++)
        if (strncmp(urls[i], "ipc://", 6) == 0)
            unlink(urls[i] + 6);
}

/* Who comes second, such as a thread whose peer has just been killed, keeps still until the process is gone. */
static void leave_once(void)
{
    static atomic_int leaving;
    while (atomic_exchange(&leaving, 1))
        pause();
}

static _Noreturn void leave(int status)
{
    shared->failed = status;
    end_children();
    fflush(stdout);
    _exit(status);
}

void die(const char *format, ...)
{
    leave_once();
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    leave(1);
}

void unsupported(void)
{
    leave_once();
    leave(EXIT_UNSUPPORTED);
}

/* A peer never ends by itself, so its end is a failure of the measurement. */
static void on_peer_end(int signal_number)
{
    (void)signal_number;
    end_children();
    _exit(shared->failed ? shared->failed : 1);
}

static void pin(int core)
{
    if (is(arg.pin, "none"))
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(is(arg.pin, "one") ? 0 : core, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        die("cannot pin to a core");
}

struct job {
    void (*run)(int index);
    int index;
};

static void *run_thread(void *p)
{
    struct job *job = p;
    job->run(job->index);
    return NULL;
}

/* A thread of this process. */
static void start_thread(void (*run)(int), int index)
{
    struct job *job = malloc(sizeof *job);
    *job = (struct job){run, index};
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_thread, job))
        die("pthread_create");
}

static void start_process(void (*run)(int), int index)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid > 0) {
        children[child_count++] = pid;
        return;
    }
    child_count = url_count = 0;
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    run(index);
    _exit(1);
}

static void (*peer_main)(int);

static void run_peer(int index)
{
    pin(1);
    peer_main(index);
}

/* A process of its own; over inproc a thread. To be called before the library is used. */
static void start_peer(void (*run)(int), int index)
{
    peer_main = run;
    if (inproc())
        start_thread(run_peer, index);
    else
        start_process(run_peer, index);
}

static void burner(int index)
{
    for (volatile int i = index;; i++)
        ;
}

static void start_burners(void)
{
    for (int i = 0; i < arg.busy; i++)
        start_process(burner, i);
    burner_count = child_count;
}

/* Whoever binds says so; whoever connects waits for it. */
static void say_ready(void)
{
    shared->ready++;
}

static void await_ready(int count)
{
    while (shared->ready < count)
        usleep(200);
}

/* CPU time of this process and its peers. */
static uint64_t cpu_ns(void)
{
    uint64_t sum = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = burner_count; i < child_count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(children[i], &clock) == 0)
            sum += clock_ns(clock);
    }
    return sum;
}

/* Fresh addresses, all chosen before any is used so that no port comes twice. */
static void make_urls(int count)
{
    const char *dir = getenv("TMPDIR");
    int fds[MAX_PEERS];
    for (int i = 0; i < count; i++) {
        if (tcp()) {
            struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            socklen_t len = sizeof address;
            fds[i] = socket(AF_INET, SOCK_STREAM, 0);
            if (bind(fds[i], (struct sockaddr *)&address, len) < 0 || getsockname(fds[i], (struct sockaddr *)&address, &len) < 0)
                die("no free port");
            snprintf(urls[i], sizeof urls[i], "%s://127.0.0.1:%d", arg.transport, ntohs(address.sin_port));
        } else if (is(arg.transport, "ipc")) {
            snprintf(urls[i], sizeof urls[i], "ipc://%s/bench-%d-%d", dir ? dir : "/tmp", getpid(), i);
        } else {
            snprintf(urls[i], sizeof urls[i], "inproc://bench-%d", i);
        }
    }
    for (int i = 0; i < count && tcp(); i++)
        close(fds[i]);
    url_count = count;
}

static sock_t bound(enum kind kind, int url)
{
    sock_t s = lib_open(kind);
    lib_bind(s, urls[url]);
    return s;
}

static sock_t connected(enum kind kind, int url)
{
    sock_t s = lib_open(kind);
    lib_connect(s, urls[url]);
    return s;
}

static char *buffer(void)
{
    char *buf = malloc(arg.size > 64 ? arg.size : 64);
    memset(buf, 'm', arg.size > 64 ? arg.size : 64);
    return buf;
}

static void receive_exactly(sock_t s, char *buf)
{
    long n = lib_recv(s, buf, arg.size, true);
    if (n != (long)arg.size)
        die("received %ld bytes instead of %zu", n, arg.size);
}

/* ---- Round trips ----------------------------------------------------------------------------------------------- */

static enum kind client_kind(void)
{
    return is(arg.pattern, "req") ? REQ : PAIR;
}

static void echo_peer(int index)
{
    sock_t s = bound(client_kind() == REQ ? REP : PAIR, index);
    char *buf = buffer();
    say_ready();
    for (;;)
        lib_send(s, buf, (size_t)lib_recv(s, buf, arg.size, true));
}

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

static void await_everyone(void)
{
    for (int i = 0; i < arg.n; i++)
        while (shared->slot[i].received == 0)
            usleep(1000);
}

/* The sum of all slots per second, sampled from outside. */
static double observed_rate(void)
{
    await_everyone();
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

static bool everyone_has_one(void)
{
    for (int i = 0; i < arg.n; i++)
        if (shared->slot[i].received == 0)
            return false;
    return true;
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

/* ---- Main -------------------------------------------------------------------------------------------------------- */

const char *origin_of(void *function)
{
    Dl_info info;
    return dladdr(function, &info) && info.dli_fname ? info.dli_fname : "?";
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"roundtrip", roundtrip},   {"fairness", fairness},           {"requesters", requesters}, {"oneway", oneway},
    {"pubsub", pubsub},         {"subscriptions", subscriptions}, {"threads", threads},       {"idle", idle},
    {"polling", polling},       {"paced", paced},
};

int main(int argc, char **argv)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    signal(SIGCHLD, on_peer_end);
    if (argc > 1) {
        parse_args(argc, argv);
        for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
            if (is(argv[1], scenarios[i].name)) {
                printf("scenario=%s ", argv[1]);
                start_burners();
                scenarios[i].run();
                printf(" lib=%s\n", lib_origin());
                leave_once();
                leave(0);
            }
    }
    fprintf(stderr, "usage: %s SCENARIO [key=value ...]\nscenarios:", argv[0]);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        fprintf(stderr, " %s", scenarios[i].name);
    fprintf(stderr, "\nkeys: transport=tcp|tls+tcp|ipc|inproc size= n= time= rate= busy= each= pin=none|one|two pattern=pair|req|own|one\n"
                    "      form=copy|msg wait=block|epoll\n");
    return 2;
}
