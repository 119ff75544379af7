/* What harness.h promises, and the main program. */
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

enum { MAX_SAMPLES = 1 << 20, EXIT_UNSUPPORTED = 77 };

/* ---- Arguments ------------------------------------------------------------------------------------------------- */

struct arguments arg = {
    .transport = "tcp", .pin = "none", .pattern = "pair", .wait = "block", .size = 64, .n = 1, .time = 0.5,
};

bool is(const char *value, const char *name)
{
    return strcmp(value, name) == 0;
}

void parse_args(int argc, char **argv)
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

void sleep_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* A window for measuring, after a fifth of its length to warm up. */
uint64_t window_ns(void)
{
    return (uint64_t)(arg.time * 1e9);
}

static float samples[MAX_SAMPLES];
int sample_count;

void add_sample(double us)
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

void print_latency(void)
{
    double sum = 0;
    for (int i = 0; i < sample_count; i++)
        sum += samples[i];
    printf("us=%.3f mean=%.3f p99=%.3f p999=%.3f worst=%.3f", quantile(0.5), sum / sample_count, quantile(0.99),
           quantile(0.999), quantile(1));
}

/* ---- Peers ----------------------------------------------------------------------------------------------------- */

struct shared *shared;

static pid_t children[MAX_PEERS];
static int child_count;
static int burner_count; /* the first of the children, which only keep the cores busy */
char urls[MAX_PEERS][128];
static int url_count;

/* tcp, or TLS over it. */
bool tcp(void)
{
    return is(arg.transport, "tcp") || is(arg.transport, "tls+tcp");
}

bool inproc(void)
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
void leave_once(void)
{
    static atomic_int leaving;
    while (atomic_exchange(&leaving, 1))
        pause();
}

_Noreturn void leave(int status)
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

void pin(int core)
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
void start_thread(void (*run)(int), int index)
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
void start_peer(void (*run)(int), int index)
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

void start_burners(void)
{
    for (int i = 0; i < arg.busy; i++)
        start_process(burner, i);
    burner_count = child_count;
}

/* Whoever binds says so; whoever connects waits for it. */
void say_ready(void)
{
    shared->ready++;
}

void await_ready(int count)
{
    while (shared->ready < count)
        usleep(200);
}

/* CPU time of this process and its peers. */
uint64_t cpu_ns(void)
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
void make_urls(int count)
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

sock_t bound(enum kind kind, int url)
{
    sock_t s = lib_open(kind);
    lib_bind(s, urls[url]);
    return s;
}

sock_t connected(enum kind kind, int url)
{
    sock_t s = lib_open(kind);
    lib_connect(s, urls[url]);
    return s;
}

char *buffer(void)
{
    char *buf = malloc(arg.size > 64 ? arg.size : 64);
    memset(buf, 'm', arg.size > 64 ? arg.size : 64);
    return buf;
}

void receive_exactly(sock_t s, char *buf)
{
    long n = lib_recv(s, buf, arg.size, true);
    if (n != (long)arg.size)
        die("received %ld bytes instead of %zu", n, arg.size);
}

enum kind client_kind(void)
{
    return is(arg.pattern, "req") ? REQ : PAIR;
}

void echo_peer(int index)
{
    sock_t s = bound(client_kind() == REQ ? REP : PAIR, index);
    char *buf = buffer();
    say_ready();
    for (;;)
        lib_send(s, buf, (size_t)lib_recv(s, buf, arg.size, true));
}

bool everyone_has_one(void)
{
    for (int i = 0; i < arg.n; i++)
        if (shared->slot[i].received == 0)
            return false;
    return true;
}

/* ---- Main -------------------------------------------------------------------------------------------------------- */

const char *origin_of(void *function)
{
    Dl_info info;
    return dladdr(function, &info) && info.dli_fname ? info.dli_fname : "?";
}

static void run_if_there(const char *name, const struct scenario *of)
{
    for (; of->name; of++)
        if (is(name, of->name)) {
            printf("scenario=%s ", name);
            start_burners();
            of->run();
            printf(" lib=%s\n", lib_origin());
            leave_once();
            leave(0);
        }
}

int main(int argc, char **argv)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    signal(SIGCHLD, on_peer_end);
    if (argc > 1) {
        parse_args(argc, argv);
        run_if_there(argv[1], scenarios);
        run_if_there(argv[1], tail_scenarios);
    }
    fprintf(stderr, "usage: %s SCENARIO [key=value ...]\nscenarios:", argv[0]);
    for (size_t i = 0; scenarios[i].name; i++)
        fprintf(stderr, " %s", scenarios[i].name);
    for (size_t i = 0; tail_scenarios[i].name; i++)
        fprintf(stderr, " %s", tail_scenarios[i].name);
    fprintf(stderr, "\nkeys: transport=tcp|tls+tcp|ipc|inproc size= n= time= rate= busy= each= pin=none|one|two pattern=pair|req|own|one|pub\n"
                    "      form=copy|msg wait=block|epoll\n");
    return 2;
}
