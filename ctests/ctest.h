/* Harness of the conformance programs. Include it first.
 *
 * A failed check prints file:line, what was expected and what came, and the program goes on: one run shows every
 * difference. A program is silent and exits with 0 when everything held, and cannot outlive its time limit.
 *
 * Environment: CTEST_GENUINE=1  the library under test is the reference; where it is meant to differ, programs
 *                               expect the reference's answer or leave the case out.
 *              CTEST_SLOW=1     the program runs many times slower than usual (valgrind). */
#ifndef CTEST_H
#define CTEST_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <nanomsg/bus.h>
#include <nanomsg/inproc.h>
#include <nanomsg/ipc.h>
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/survey.h>
#include <nanomsg/tcp.h>
#include <nanomsg/ws.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- checks ---------------------------------------------------------------------------------------------------- */

static int failures;
static const char *volatile last_file = "start";
static volatile int last_line;
static _Thread_local char context[160];

/* What the checks of this thread are about from now on, e.g. the row of a table. */
#define CONTEXT(...) ((void)snprintf(context, sizeof(context), __VA_ARGS__))

__attribute__((format(printf, 4, 5))) static inline bool check_at(const char *file, int line, bool ok,
                                                                  const char *format, ...) {
    last_file = file;
    last_line = line;
    if (ok)
        return true;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: %s%s%s\n", file, line, context, context[0] ? ": " : "", text);
    if (__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED) == 30) {
        fprintf(stderr, "too many failures\n");
        exit(1);
    }
    return false;
}

static inline bool check_equal_at(const char *file, int line, const char *what, long long actual, long long expected) {
    return check_at(file, line, actual == expected, "%s: expected %lld, got %lld", what, expected, actual);
}

static inline bool check_error_at(const char *file, int line, const char *what, long long result, int expected) {
    int code = errno;
    bool agrees = nn_errno() == code;
    check_at(file, line, agrees, "%s: nn_errno() and errno differ", what);
    if (result != -1)
        return check_at(file, line, false, "%s: expected error %d (%s), got result %lld", what, expected,
                        strerror(expected), result);
    return check_at(file, line, code == expected, "%s: expected error %d (%s), got error %d (%s)", what, expected,
                    nn_strerror(expected), code, nn_strerror(code));
}

#define CHECK(condition) check_at(__FILE__, __LINE__, (condition), "%s", #condition)
#define CHECK_EQ(actual, expected) \
    check_equal_at(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))
#define CHECK_OK(call) CHECK_EQ(call, 0)
/* The call returns -1 (or the statistic (uint64_t)-1) and sets this errno. */
#define CHECK_ERR(call, code) check_error_at(__FILE__, __LINE__, #call, (long long)(call), code)
#define CHECK_NULL(call, code) check_error_at(__FILE__, __LINE__, #call, (call) == NULL ? -1 : 0, code)
#define CHECK_BYTES(actual, expected, length) \
    check_at(__FILE__, __LINE__, memcmp(actual, expected, length) == 0, "%s differs from %s", #actual, #expected)

/* ---- environment and time -------------------------------------------------------------------------------------- */

static inline bool set_in_environment(const char *name) {
    const char *value = getenv(name);
    return value != NULL && strcmp(value, "1") == 0;
}
static inline bool genuine(void) { return set_in_environment("CTEST_GENUINE"); }
static inline bool slow(void) { return set_in_environment("CTEST_SLOW"); }

/* A repetition count, less of it when every repetition is slow. */
static inline int heavy(int count) { return slow() ? (count + 15) / 16 : count; }

static inline int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static inline void pause_ms(int milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* A time within which a few calls are certainly done. */
static inline int pace(int milliseconds) { return slow() ? milliseconds * 10 : milliseconds; }

/* How long something that must happen may take before it counts as not happening. */
static inline int patience(void) { return slow() ? 60000 : 5000; }

/* Polls the condition until it holds. */
#define WAIT(condition) \
    ({ \
        int64_t deadline_ = now_ms() + patience(); \
        bool held_; \
        while (!(held_ = (condition)) && now_ms() < deadline_) \
            pause_ms(1); \
        check_at(__FILE__, __LINE__, held_, "never happened: %s", #condition); \
    })

/* A time that was asked for is not cut short. How late it may be is up to the machine. What must not be waited for at all
 * is given more time than the program has (`start`), so that waiting for it fails. */
#define CHECK_NOT_BEFORE(since, at_least) \
    ({ \
        int64_t elapsed_ = now_ms() - (since); \
        check_at(__FILE__, __LINE__, elapsed_ >= (at_least), "expected %d ms at least, took %d ms", (int)(at_least), \
                 (int)elapsed_); \
    })

/* In milliseconds; longer than any program may take. */
#define FOREVER 600000

/* ---- start and end --------------------------------------------------------------------------------------------- */

static char directory[32];
static pid_t owner;

static inline int entries(const char *path) {
    int count = 0;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}
static inline int threads_alive(void) { return entries("/proc/self/task"); }
static inline int descriptors_open(void) { return entries("/proc/self/fd"); }
static int descriptors_at_start;

static inline void remove_directory(void) {
    DIR *dir = getpid() == owner ? opendir(directory) : NULL;
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(directory);
}

static inline void out_of_time(int signal) {
    (void)signal;
    fprintf(stderr, "%s:%d: %s: time limit; this was the last check passed\n", last_file, last_line, context);
    remove_directory();
    _exit(1);
}

static inline void start(void) {
    owner = getpid();
    signal(SIGALRM, out_of_time);
    alarm(slow() ? 240 : 20);
    strcpy(directory, "/tmp/sp.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        perror("mkdtemp");
        exit(1);
    }
    atexit(remove_directory);
    descriptors_at_start = descriptors_open();
}

/* Every program closes its sockets, so nothing of the library may be left running. Returns the exit status.
 * (Waiting, because a thread that resolves a name may outlive the socket that wanted it for a moment.) */
static inline int finish(void) {
    context[0] = 0;
    WAIT(threads_alive() == 1);
    WAIT(descriptors_open() == descriptors_at_start);
    return failures != 0;
}

/* ---- addresses ------------------------------------------------------------------------------------------------- */

enum transport { INPROC, IPC, TCP };
#define EACH_TRANSPORT(t) (int t = INPROC; t <= TCP; t++)
#define EACH_OS_TRANSPORT(t) (int t = IPC; t <= TCP; t++)
__attribute__((unused)) static const char *const transport_name[] = {"inproc", "ipc", "tcp"};

typedef struct {
    char text[NN_SOCKADDR_MAX];
} address;

/* A loopback port nobody listens on. Outside the ephemeral range, so that no outgoing connection takes it meanwhile. */
static inline int free_port(void) {
    static int next;
    for (;;) {
        int number = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
        int port = 10000 + (getpid() * 101 + number) % 22000;
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool is_free = bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
        close(fd);
        if (is_free)
            return port;
    }
}

/* An address nobody has used yet. */
static inline address fresh(enum transport transport) {
    static int next;
    int number = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
    address result;
    if (transport == INPROC)
        snprintf(result.text, sizeof(result.text), "inproc://a%d", number);
    else if (transport == IPC)
        snprintf(result.text, sizeof(result.text), "ipc://%s/s%d", directory, number);
    else
        snprintf(result.text, sizeof(result.text), "tcp://127.0.0.1:%d", free_port());
    return result;
}

/* ---- sockets --------------------------------------------------------------------------------------------------- */

static inline void set_option(int s, int level, int option, int value) {
    CHECK_OK(nn_setsockopt(s, level, option, &value, sizeof(value)));
}
static inline void set(int s, int option, int value) { set_option(s, NN_SOL_SOCKET, option, value); }

static inline int get_option(int s, int level, int option) {
    int value = -1;
    size_t length = sizeof(value);
    CHECK_OK(nn_getsockopt(s, level, option, &value, &length));
    CHECK_EQ(length, sizeof(value));
    return value;
}
static inline int get(int s, int option) { return get_option(s, NN_SOL_SOCKET, option); }

/* A socket whose blocking calls give up after a while: a lost message shows as an error instead of a hang. */
static inline int open_domain(int domain, int protocol) {
    int s = nn_socket(domain, protocol);
    if (!CHECK(s >= 0)) {
        perror("nn_socket");
        exit(1);
    }
    set(s, NN_SNDTIMEO, patience());
    set(s, NN_RCVTIMEO, patience());
    return s;
}
static inline int open_socket(int protocol) { return open_domain(AF_SP, protocol); }
static inline int open_raw(int protocol) { return open_domain(AF_SP_RAW, protocol); }

/* Closes several sockets: CLOSE(a, b, c). */
#define CLOSE(...) \
    do { \
        int sockets_[] = {__VA_ARGS__}; \
        for (size_t i_ = 0; i_ < COUNT(sockets_); i_++) \
            CHECK_OK(nn_close(sockets_[i_])); \
    } while (0)

static inline uint64_t statistic(int s, int which) { return nn_get_statistic(s, which); }
static inline int connections(int s) { return (int)nn_get_statistic(s, NN_STAT_CURRENT_CONNECTIONS); }

static inline int bind_at(const char *file, int line, int s, const char *to) {
    int id = nn_bind(s, to);
    check_at(file, line, id > 0, "nn_bind(%s): %s", to, nn_strerror(errno));
    return id;
}
static inline int connect_at(const char *file, int line, int s, const char *to) {
    int id = nn_connect(s, to);
    check_at(file, line, id > 0, "nn_connect(%s): %s", to, nn_strerror(errno));
    return id;
}
#define BIND(s, to) bind_at(__FILE__, __LINE__, s, to)
#define CONNECT(s, to) connect_at(__FILE__, __LINE__, s, to)

/* Binds to a fresh address of this transport. */
static inline address bind_fresh(int s, enum transport transport) {
    address a = fresh(transport);
    BIND(s, a.text);
    return a;
}

/* Connects and waits until both sides can use the connection; `binder` is the socket bound to the address. */
static inline int connect_and_wait(int s, int binder, const char *to) {
    int here = connections(s), there = connections(binder);
    int id = CONNECT(s, to);
    WAIT(connections(s) == here + 1 && connections(binder) == there + 1);
    return id;
}

/* Joins two sockets over a fresh address. */
static inline address join(int binder, int connector, enum transport transport) {
    address a = bind_fresh(binder, transport);
    connect_and_wait(connector, binder, a.text);
    return a;
}

/* Readable state of a descriptor, or of the socket's SNDFD or RCVFD. */
static inline bool readable(int fd) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN);
}
static inline bool can_send(int s) { return readable(get(s, NN_SNDFD)); }
static inline bool can_recv(int s) { return readable(get(s, NN_RCVFD)); }

/* ---- messages -------------------------------------------------------------------------------------------------- */

static inline void send_at(const char *file, int line, int s, const void *data, size_t length) {
    int sent = nn_send(s, data, length, 0);
    check_at(file, line, sent == (int)length, "nn_send: expected %d, got %d (%s)", (int)length, sent,
             sent < 0 ? nn_strerror(errno) : "no error");
}

static inline void recv_at(const char *file, int line, int s, const void *data, size_t length) {
    void *message = NULL;
    int received = nn_recv(s, &message, NN_MSG, 0);
    if (received < 0) {
        check_at(file, line, false, "nn_recv: expected %d bytes, got error %s", (int)length, nn_strerror(errno));
        return;
    }
    check_at(file, line, received == (int)length && memcmp(message, data, length) == 0,
             "expected message \"%.*s\" (%d bytes), got \"%.*s\" (%d bytes)", length > 40 ? 40 : (int)length,
             (const char *)data, (int)length, received > 40 ? 40 : received, (const char *)message, received);
    nn_freemsg(message);
}

static inline void nothing_at(const char *file, int line, int s, int milliseconds) {
    int before = get(s, NN_RCVTIMEO);
    set(s, NN_RCVTIMEO, milliseconds);
    char buffer[64] = "";
    int received = nn_recv(s, buffer, sizeof(buffer) - 1, 0);
    int code = errno;
    check_at(file, line, received == -1 && code == ETIMEDOUT, "expected no message, got %d (%s)", received,
             received < 0 ? nn_strerror(code) : buffer);
    set(s, NN_RCVTIMEO, before);
}

#define SEND_BYTES(s, data, length) send_at(__FILE__, __LINE__, s, data, length)
#define RECV_BYTES(s, data, length) recv_at(__FILE__, __LINE__, s, data, length)
#define SEND(s, text) SEND_BYTES(s, text, strlen(text))
#define RECV(s, text) RECV_BYTES(s, text, strlen(text))
/* No message comes within a short while. */
#define NOTHING(s) nothing_at(__FILE__, __LINE__, s, 100)
/* Nothing can be received at this instant. */
#define EMPTY(s) CHECK_ERR(nn_recv(s, (char[64]){0}, 64, NN_DONTWAIT), EAGAIN)

/* Sends 1-byte-filled messages until the socket would block, at most `limit`; returns how many were accepted. */
static inline int fill(int s, size_t length, int limit) {
    char *data = calloc(length + 1, 1);
    int count = 0;
    while (count < limit && nn_send(s, data, length, NN_DONTWAIT) == (int)length)
        count++;
    if (count < limit)
        CHECK_EQ(errno, EAGAIN);
    free(data);
    return count;
}

/* Sends until nothing has been accepted for a while: tcp goes on taking some when the last seems to have been too much. */
static inline void fill_up(int s) {
    char *data = calloc(100000, 1);
    set(s, NN_SNDTIMEO, 300);
    while (nn_send(s, data, 100000, 0) == 100000)
        ;
    CHECK_EQ(errno, ETIMEDOUT);
    set(s, NN_SNDTIMEO, -1);
    free(data);
}

/* A large body with recognisable content; free() it. */
static inline char *pattern(size_t length) {
    char *data = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        data[i] = (char)(i * 31 + i / 251);
    return data;
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

static inline pthread_t spawn(void *(*function)(void *), void *argument) {
    pthread_t thread;
    CHECK_OK(pthread_create(&thread, NULL, function, argument));
    return thread;
}
static inline void await(pthread_t thread) { CHECK_OK(pthread_join(thread, NULL)); }

/* The thread with this kernel id is asleep, i.e. has reached its blocking call. */
static inline bool asleep(volatile pid_t *thread) {
    pid_t id = __atomic_load_n(thread, __ATOMIC_ACQUIRE);
    char path[64], text[256] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
    FILE *file = id ? fopen(path, "r") : NULL;
    if (file == NULL)
        return false;
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    const char *end = length ? strrchr(text, ')') : NULL;
    return end != NULL && end[2] == 'S';
}

#endif
