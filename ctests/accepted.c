/* What nn_send has accepted is as safe as it is with the reference: the end of its process, however it comes, or a close that does not
 * linger, costs nothing that the system has room for. Bursts are with the system when nn_send returns, also for a process
 * that is killed; what ours puts together in a stream that has lasted is written when the process ends in an orderly way. */
#include "ctest.h"
#include "wire.h"
#if __has_include(<millrace/options.h>)
#include <millrace/options.h>
#else
#define NN_COALESCE -1 /* compiled with the reference's headers, where it is not used */
#endif
#include <sched.h>
#include <sys/wait.h>

enum end { EXIT, UNDERSCORE_EXIT, KILL, ABORT, QUICK_EXIT };
static const char *const end_name[] = {"exit", "_exit", "SIGKILL", "abort", "quick_exit"};

struct sender {
    int pattern, receiver; /* protocols */
    int sockets;           /* of one thread, served in turn */
    int count;             /* messages in all */
    size_t size;
    enum end end;
    void (*before)(int s); /* with each socket, once it is connected */
    int copies;            /* connections of each socket: what is sent to all arrives so often */
};

static void end_by(enum end end) {
    switch (end) {
    case EXIT:
        exit(0);
    case QUICK_EXIT:
        quick_exit(0);
    case KILL:
        raise(SIGKILL);
        break;
    case ABORT:
        abort();
    default:
        _exit(0);
    }
}

/* Message number i: the number, then padding. */
static void send_all(const struct sender *what, const char *to) {
    int s[200];
    char *body = calloc(what->size + sizeof(int), 1);
    for (int i = 0; i < what->sockets; i++) {
        s[i] = nn_socket(AF_SP, what->pattern);
        if (s[i] < 0)
            _exit(9);
        set(s[i], NN_RECONNECT_IVL, 10); /* the receiver may bind a little later */
        for (int copy = 0; copy < what->copies; copy++)
            if (nn_connect(s[i], to) < 0)
                _exit(9);
    }
    for (int i = 0; i < what->sockets; i++) {
        for (int round = 0; connections(s[i]) < what->copies && round < 10000; round++)
            pause_ms(1);
        if (what->before)
            what->before(s[i]);
    }
    pause_ms(20); /* what connecting has sent is no part of the burst */
    for (int i = 0; i < what->count; i++) {
        memcpy(body, &i, sizeof(i));
        if (nn_send(s[i % what->sockets], body, what->size, 0) != (int)what->size)
            _exit(9);
    }
    end_by(what->end);
}

/* A process sends and ends; gives how much of it arrives, in order from each socket. */
static int arrived(enum transport t, const char *scheme, struct sender what) {
    CONTEXT("%s, %d messages of %zu bytes from %d sockets of protocol %d, %d times, %s", scheme ? scheme : transport_name[t],
            what.count, what.size, what.sockets, what.pattern, what.copies, end_name[what.end]);
    address at = fresh(t);
    if (scheme)
        snprintf(at.text, sizeof(at.text), "%s://127.0.0.1:%d", scheme, free_port());
    int status = 0, last[200], got = 0;
    memset(last, -1, sizeof(last));
    pid_t pid = fork(); /* no socket is open: with the reference none would survive it */
    if (pid == 0)
        send_all(&what, at.text);
    int s = open_socket(what.receiver);
    if (what.receiver == NN_SUB)
        CHECK_OK(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
    set(s, NN_RCVTIMEO, 100);
    BIND(s, at.text);
    char *body = calloc(what.size + sizeof(int), 1);
    /* Whether the sender has ended is looked at before: then one more receive without a message is the end. */
    for (bool ended = false, over = false; got < what.count * what.copies && !over;) {
        int length = nn_recv(s, body, what.size, 0), number;
        if (length == (int)what.size) {
            memcpy(&number, body, sizeof(number));
            CHECK(what.copies > 1 || number > last[number % what.sockets]);
            last[number % what.sockets] = number;
            got++;
        } else {
            over = ended;
            ended = ended || waitpid(pid, &status, WNOHANG) == pid;
            if (ended && pid > 0)
                pid = -pid;
        }
    }
    if (pid > 0)
        CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(!WIFEXITED(status) || WEXITSTATUS(status) == 0);
    free(body);
    CLOSE(s);
    return got;
}

static void all_arrive(enum transport t, const char *scheme, struct sender what) {
    int got = arrived(t, scheme, what);
    CHECK_EQ(got, what.count * what.copies);
}

/* A receiver that is kept from reading leaves room for some 260 messages only. So this is tried until it was not. */
static void all_arrive_if_read(struct sender what) {
    int got = 0;
    for (int round = 0; got < what.count && round < 50; round++)
        got = arrived(TCP, NULL, what);
    CHECK_EQ(got, what.count);
}

static const struct sender burst = {NN_PUSH, NN_PULL, 1, 100, sizeof(int), UNDERSCORE_EXIT, NULL, 1};

/* The marks: 256 messages, and 16 KiB. */
static void bursts(void) {
    static const int sizes[][2] = {{1, 4}, {10, 4}, {256, 64}, {100, 1000}, {40, 400}}; /* messages, bytes each */
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct sender what = burst;
        what.count = sizes[i][0];
        what.size = (size_t)sizes[i][1];
        all_arrive(TCP, NULL, what);
        if (!genuine()) { /* on ipc the reference drops what it has not read when the sender goes */
            all_arrive(IPC, NULL, what);
            all_arrive(TCP, "ws", what);
        }
    }
    struct sender what = burst;
    for (what.end = EXIT; what.end <= QUICK_EXIT; what.end++)
        all_arrive(TCP, NULL, what);
}

static void patterns(void) {
    static const int pairs[][2] = {{NN_PUB, NN_SUB}, {NN_PAIR, NN_PAIR}, {NN_BUS, NN_BUS}};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct sender what = burst;
        what.pattern = pairs[i][0];
        what.receiver = pairs[i][1];
        what.count = 200;
        all_arrive(TCP, NULL, what);
    }
    struct sender to_many = burst;
    to_many.pattern = NN_PUB;
    to_many.receiver = NN_SUB;
    to_many.copies = 32;
    to_many.count = 16; /* 256 for 8, over the square of 4 */
    all_arrive(TCP, NULL, to_many);
    struct sender many = burst;
    many.sockets = 50;
    many.count = 250;
    all_arrive(TCP, NULL, many);
}

/* A stream that has lasted is put together; whoever leaves by the door has it written. */
static void streams(void) {
    struct sender what = burst;
    what.size = 64;
    what.count = 100000;
    for (int k = 0; k < 3; k++) {
        what.end = k == 2 ? QUICK_EXIT : EXIT;
        all_arrive(k == 1 && !genuine() ? IPC : TCP, NULL, what);
    }
    what.sockets = 20;
    all_arrive(TCP, NULL, what);
}

static void coalesce_nothing(int s) { set(s, NN_COALESCE, 0); }

static void in_environment(int s) {
    (void)s;
    setenv("MILLRACE_COALESCE", "0", 1);
}

static bool is_root(void) { return geteuid() == 0; }

static void real_time(int s) {
    (void)s;
    struct sched_param priority = {1};
    if (sched_setscheduler(0, SCHED_FIFO, &priority))
        _exit(9);
}

static bool may_be_real_time(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1}) ? 1 : 0);
    int status;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

/* Without any coalescing, what the system has room for is safe in the midst of a stream too. */
static void nothing_is_put_together(void) {
    struct sender what = burst;
    what.count = 400; /* past the marks */
    what.size = 64;
    what.before = coalesce_nothing;
    all_arrive_if_read(what);
    what.before = in_environment;
    all_arrive_if_read(what);
    if (is_root() && may_be_real_time()) {
        what.before = real_time;
        all_arrive_if_read(what);
    }
}

static void option(void) {
    CONTEXT("NN_COALESCE");
    int s = open_socket(NN_PAIR), bad = 2;
    CHECK_EQ(get(s, NN_COALESCE), 1);
    set(s, NN_COALESCE, 0);
    CHECK_EQ(get(s, NN_COALESCE), 0);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_COALESCE, &bad, sizeof(bad)), EINVAL);
    CHECK_EQ(get(s, NN_COALESCE), 0);
    CLOSE(s);
}

/* A socket that does not linger hands over what the system takes. */
static void without_linger(enum transport t, int count, size_t size, bool by_endpoint) {
    CONTEXT("%s, %d messages of %zu bytes, no linger, %s", transport_name[t], count, size, by_endpoint ? "nn_shutdown" : "nn_close");
    if (genuine() && t != TCP)
        return; /* lost there */
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    set(push, NN_LINGER, 0);
    address at = bind_fresh(pull, t);
    int endpoint = CONNECT(push, at.text);
    WAIT(connections(push) == 1 && connections(pull) == 1);
    char *body = calloc(size, 1);
    for (int i = 0; i < count; i++) {
        memcpy(body, &i, sizeof(i));
        SEND_BYTES(push, body, size);
    }
    if (by_endpoint)
        CHECK_OK(nn_shutdown(push, endpoint));
    else
        CLOSE(push);
    for (int i = 0; i < count; i++) {
        memcpy(body, &i, sizeof(i));
        RECV_BYTES(pull, body, size);
    }
    EMPTY(pull);
    if (by_endpoint)
        CLOSE(push);
    CLOSE(pull);
    free(body);
}

/* What an atexit handler of the program sends is written as well, whichever was registered first. */
static int farewell_socket;
static int farewells;

static void farewell(void) {
    for (int i = 0; i < 500; i++, farewells++)
        if (nn_send(farewell_socket, &farewells, sizeof(farewells), 0) != sizeof(farewells))
            _exit(9);
}

static void handlers_of_exit(void) {
    CONTEXT("atexit");
    address at = fresh(TCP);
    pid_t pid = fork();
    if (pid == 0) {
        atexit(farewell);
        farewell_socket = nn_socket(AF_SP, NN_PUSH);
        atexit(farewell);
        nn_connect(farewell_socket, at.text);
        while (connections(farewell_socket) == 0)
            pause_ms(1);
        farewell();
        exit(0);
    }
    int s = open_socket(NN_PULL), status = -1;
    BIND(s, at.text);
    for (int i = 0; i < 1500; i++)
        RECV_BYTES(s, &i, sizeof(i));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CLOSE(s);
}

/* A child that knows nothing of its parent's sockets ends; the parent's messages are its own business. */
static void in_forked_children(void) {
    CONTEXT("fork in the midst of a stream");
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL), status = -1;
    join(pull, push, TCP);
    for (int i = 0; i < 1500; i++) {
        SEND_BYTES(push, &i, sizeof(i));
        if (i == 1400) {
            pid_t pid = fork();
            if (pid == 0)
                exit(0);
            CHECK_EQ(waitpid(pid, &status, 0), pid);
            CHECK_EQ(status, 0);
        }
    }
    for (int i = 0; i < 1500; i++)
        RECV_BYTES(pull, &i, sizeof(i));
    EMPTY(pull);
    CLOSE(push, pull);
}

/* Nobody reads: the end of the process waits a moment, and not for ever. */
static void nobody_reads(void) {
    CONTEXT("exit, nobody reads");
    address at = fresh(TCP);
    int ready[2];
    CHECK_OK(pipe(ready));
    pid_t pid = fork();
    if (pid == 0) {
        int s = nn_socket(AF_SP, NN_PUSH);
        char *body = calloc(50000, 1);
        nn_connect(s, at.text);
        set(s, NN_SNDTIMEO, 200);
        while (nn_send(s, body, 50000, 0) == 50000)
            ;
        (void)!write(ready[1], "", 1);
        exit(0);
    }
    int s = open_socket(NN_PULL), status = -1;
    char byte;
    BIND(s, at.text);
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    alarm((unsigned)(patience() / 1000) + 1); /* an end that waits for ever ends this program */
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    alarm(0);
    CHECK_EQ(status, 0);
    CLOSE(s);
    close(ready[0]);
    close(ready[1]);
}

/* A peer that pauses, as a collector of garbage makes one, still gets what was accepted, by exit as by nn_close. */
static void reads_late(enum transport t) {
    CONTEXT("exit, the peer reads after a while, %s", transport_name[t]);
    address at = fresh(t);
    int ready[2];
    CHECK_OK(pipe(ready));
    pid_t pid = fork();
    if (pid == 0) {
        int s = nn_socket(AF_SP, NN_PUSH), count = 0;
        char *body = calloc(1000, 1);
        nn_connect(s, at.text);
        while (connections(s) == 0)
            pause_ms(1);
        while (nn_send(s, body, 1000, NN_DONTWAIT) == 1000)
            count++;
        (void)!write(ready[1], &count, sizeof(count));
        exit(0);
    }
    int s = open_socket(NN_PULL), status = -1, count = 0;
    BIND(s, at.text);
    CHECK_EQ(read(ready[0], &count, sizeof(count)), (int)sizeof(count));
    pause_ms(300);
    for (int i = 0; i < count; i++)
        CHECK_EQ(nn_recv(s, (char[1000]){0}, 1000, 0), 1000);
    EMPTY(s);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CLOSE(s);
    close(ready[0]);
    close(ready[1]);
}

/* Whoever sends until the system has no room left, to a peer that does not read, may lose the message that it has no room for. What
 * is accepted beyond that is none: neither by _exit nor by nn_shutdown, which waits for nobody. */
static void no_room(enum transport t, size_t size, bool by_endpoint) {
    CONTEXT("%s, %zu bytes, nobody reads, %s", transport_name[t], size, by_endpoint ? "nn_shutdown, _exit" : "_exit");
    address at = fresh(t);
    int told[2], listener = peer_listen(at.text), status = -1, count = 0;
    CHECK_OK(pipe(told));
    pid_t pid = fork();
    if (pid == 0) {
        int s = nn_socket(AF_SP, NN_PUSH), endpoint = nn_connect(s, at.text);
        char *body = calloc(size, 1);
        while (connections(s) == 0)
            pause_ms(1);
        set(s, NN_SNDTIMEO, 200);
        while (nn_send(s, body, size, 0) == (int)size)
            count++;
        (void)!write(told[1], &count, sizeof(count));
        if (by_endpoint && nn_shutdown(s, endpoint))
            _exit(9);
        _exit(0);
    }
    int fd = peer_accept(listener);
    peer_handshake(fd, 0x51);
    CHECK_EQ(read(told[0], &count, sizeof(count)), (int)sizeof(count));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    size_t bytes = 0, got;
    char *block = malloc(1 << 16);
    while ((got = peer_read(fd, block, 1 << 16)) > 0)
        bytes += got;
    free(block);
    int arrived = (int)(bytes / (size + (t == IPC ? 9 : 8)));
    CHECK(count > 0 && arrived >= count - 1);
    close(fd);
    close(listener);
    close(told[0]);
    close(told[1]);
}

int main(void) {
    start();
    if (!genuine())
        nothing_is_put_together(); /* first: the environment is asked once, when a process first streams */
    bursts();
    patterns();
    streams();
    handlers_of_exit();
    nobody_reads();
    for (int by_endpoint = 0; by_endpoint < 2; by_endpoint++)
        for (size_t size = 64; size <= 20000; size *= 17) { /* 64, 1088, 18496 */
            no_room(TCP, size, by_endpoint);
            no_room(IPC, size, by_endpoint);
        }
    if (!genuine()) { /* over ipc the reference loses what it has not read when its peer is gone */
        reads_late(TCP);
        reads_late(IPC);
    }
    for EACH_TRANSPORT (t)
        for (int by_endpoint = 0; by_endpoint < 2; by_endpoint++) {
            without_linger(t, 10, 4, by_endpoint);
            without_linger(t, 200, 64, by_endpoint);
        }
    if (!genuine()) {
        in_forked_children();
        option();
    }
    return finish();
}
