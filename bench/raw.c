/* The limit: the same work by hand. A message is 8 bytes of length and its body, on a blocking stream socket, or a slot of a
 * queue behind a mutex between two threads. One-way kinds collect messages and write 64 KiB at once; the others write each
 * message as it comes. With BENCH_SPIN set, a reader that must wait first retries for a while (see `struct spin`). */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { BATCH = 64 * 1024, HEADER = 8, MAX_CONNS = 128, QUEUE = 1024, SMALL = 112 };

/* ---- Spinning before sleeping ---------------------------------------------------------------------------------- */

/* Retrying pays when the answer comes from another core, and is ruinous when the peer needs this one: so whoever retried
 * in vain skips it for the next 64 waits, twice as many after each further failure up to 1024, until one succeeds. */
struct spin {
    unsigned skip, penalty;
};

enum { SPIN_NS = 30000 };

static bool may_spin(struct spin *spin)
{
    static int enabled = -1;
    if (enabled < 0)
        enabled = getenv("BENCH_SPIN") != NULL;
    if (!enabled || spin->skip == 0)
        return enabled;
    spin->skip--;
    return false;
}

static void spun(struct spin *spin, bool success)
{
    if (success) {
        spin->penalty = 0;
    } else {
        spin->penalty = spin->penalty == 0 ? 64 : spin->penalty < 1024 ? spin->penalty * 2 : 1024;
        spin->skip = spin->penalty;
    }
}

/* ---- inproc: a queue behind a mutex, with futexes to sleep on -------------------------------------------------- */

struct slot {
    size_t len;
    void *big; /* owned by the slot; NULL when the body is in `small` */
    char small[SMALL];
};

struct sleepers {
    _Atomic uint32_t turn;
    bool any;
};

struct queue {
    pthread_mutex_t lock;
    size_t head;
    _Atomic size_t tail;
    struct sleepers readers, writers;
    struct spin spin;
    struct slot slots[QUEUE];
};

/* The queue is locked before and after. */
static void sleep_on(struct queue *q, struct sleepers *who)
{
    who->any = true;
    uint32_t turn = who->turn;
    pthread_mutex_unlock(&q->lock);
    syscall(SYS_futex, &who->turn, FUTEX_WAIT_PRIVATE, turn, NULL, NULL, 0);
    pthread_mutex_lock(&q->lock);
}

static void unlock_and_wake(struct queue *q, struct sleepers *who, bool wake)
{
    wake = wake && who->any;
    if (wake) {
        who->any = false;
        who->turn++;
    }
    pthread_mutex_unlock(&q->lock);
    if (wake)
        syscall(SYS_futex, &who->turn, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Either `big`, which the slot then owns, or `small` bytes of `body` are handed on. */
static void push(struct queue *q, const void *body, size_t small, void *big, size_t len)
{
    pthread_mutex_lock(&q->lock);
    while (q->tail - q->head == QUEUE)
        sleep_on(q, &q->writers);
    struct slot *slot = &q->slots[q->tail % QUEUE];
    slot->len = len;
    slot->big = big;
    if (!big)
        memcpy(slot->small, body, small);
    q->tail++;
    unlock_and_wake(q, &q->readers, true);
}

static void spin_for_message(struct queue *q, size_t seen)
{
    if (!may_spin(&q->spin))
        return;
    uint64_t deadline = now_ns() + SPIN_NS;
    bool found;
    do {
        for (int i = 0; i < 32 && q->tail == seen; i++)
            __builtin_ia32_pause();
        found = q->tail != seen;
    } while (!found && now_ns() < deadline);
    spun(&q->spin, found);
}

/* Gives the body in `buf`, or with `buf` NULL only takes the slot. */
static long pop(struct queue *q, void *buf, bool wait)
{
    pthread_mutex_lock(&q->lock);
    if (q->tail == q->head && wait) {
        size_t seen = q->tail;
        pthread_mutex_unlock(&q->lock);
        spin_for_message(q, seen);
        pthread_mutex_lock(&q->lock);
    }
    while (q->tail == q->head) {
        if (!wait) {
            pthread_mutex_unlock(&q->lock);
            return -1;
        }
        sleep_on(q, &q->readers);
    }
    struct slot *slot = &q->slots[q->head % QUEUE];
    size_t len = slot->len;
    void *big = slot->big;
    if (buf && !big)
        memcpy(buf, slot->small, len);
    q->head++;
    /* A writer is woken to half a queue of room, not to one slot. */
    unlock_and_wake(q, &q->writers, q->tail - q->head <= QUEUE / 2);
    if (big) {
        if (buf)
            memcpy(buf, big, len);
        free(big);
    }
    return (long)len;
}

/* ---- Sockets --------------------------------------------------------------------------------------------------- */

struct conn {
    int fd;
    char *in;
    size_t pos, end;
    size_t ahead; /* how much to read beyond the message wanted */
    struct spin spin;
};

struct sock {
    enum kind kind;
    int listener;
    _Atomic int conns;
    struct conn *conn[MAX_CONNS];
    int current; /* the connection that the last message came from */
    char *out;
    size_t out_len;
    struct queue *rx, *tx;
};

static struct sock *sock(sock_t s)
{
    return (struct sock *)s;
}

static void check(long result, const char *what)
{
    if (result < 0)
        die("%s: %s", what, strerror(errno));
}

static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        die("out of memory");
    return p;
}

sock_t lib_open(enum kind kind)
{
    struct sock *s = allocate(sizeof *s);
    s->kind = kind;
    return (sock_t)s;
}

/* Fills `address` and returns its length, or 0 for inproc. */
static socklen_t parse(const char *url, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof *address);
    if (strncmp(url, "ipc://", 6) == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)address;
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof un->sun_path, "%s", url + 6);
        return sizeof *un;
    }
    if (strncmp(url, "tcp://", 6) == 0) {
        struct sockaddr_in *in = (struct sockaddr_in *)address;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof *in;
    }
    return 0;
}

static void add_conn(struct sock *s, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *c = allocate(sizeof *c);
    c->fd = fd;
    c->in = allocate(BATCH);
    c->ahead = BATCH;
    s->conn[s->conns] = c;
    s->conns++;
}

static void *accept_all(void *arg)
{
    struct sock *s = arg;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0)
        add_conn(s, fd);
    return NULL;
}

static int connections(struct sock *s)
{
    while (s->conns == 0)
        usleep(200);
    return s->conns;
}

static struct {
    char url[64];
    struct queue *to_binder, *to_connecter;
} bound[256];
static int bound_len;

static struct queue *new_queue(void)
{
    struct queue *q = allocate(sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

void lib_bind(sock_t h, const char *url)
{
    struct sock *s = sock(h);
    struct sockaddr_storage address;
    socklen_t len = parse(url, &address);
    if (len == 0) {
        snprintf(bound[bound_len].url, sizeof bound[0].url, "%s", url);
        s->rx = bound[bound_len].to_binder = new_queue();
        s->tx = bound[bound_len].to_connecter = new_queue();
        bound_len++;
        return;
    }
    s->listener = socket(address.ss_family, SOCK_STREAM, 0);
    check(bind(s->listener, (struct sockaddr *)&address, len), "bind");
    check(listen(s->listener, MAX_CONNS), "listen");
    pthread_t thread;
    if (pthread_create(&thread, NULL, accept_all, s))
        die("pthread_create");
}

void lib_connect(sock_t h, const char *url)
{
    struct sock *s = sock(h);
    struct sockaddr_storage address;
    socklen_t len = parse(url, &address);
    if (len == 0) {
        int i = 0;
        while (strcmp(bound[i].url, url) != 0)
            i++;
        s->rx = bound[i].to_connecter;
        s->tx = bound[i].to_binder;
        return;
    }
    int fd = socket(address.ss_family, SOCK_STREAM, 0);
    check(connect(fd, (struct sockaddr *)&address, len), "connect");
    add_conn(s, fd);
}

void lib_subscribe(sock_t s, const void *prefix, size_t len)
{
    (void)s, (void)prefix;
    if (len > 0)
        unsupported();
}

/* ---- Sending --------------------------------------------------------------------------------------------------- */

static void write_all(int fd, struct iovec *iov, int n)
{
    while (n > 0) {
        ssize_t done = writev(fd, iov, n);
        check(done, "writev");
        for (; n > 0 && (size_t)done >= iov->iov_len; iov++, n--)
            done -= (ssize_t)iov->iov_len;
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + done;
            iov->iov_len -= (size_t)done;
        }
    }
}

static void flush(struct sock *s)
{
    int n = connections(s);
    for (int i = 0; i < n && s->out_len > 0; i++)
        write_all(s->conn[i]->fd, &(struct iovec){s->out, s->out_len}, 1);
    s->out_len = 0;
}

static void append(struct sock *s, const void *buf, uint64_t len)
{
    if (!s->out)
        s->out = allocate(BATCH);
    if (s->out_len + HEADER + len > BATCH)
        flush(s);
    memcpy(s->out + s->out_len, &len, HEADER);
    memcpy(s->out + s->out_len + HEADER, buf, len);
    s->out_len += HEADER + len;
}

void lib_send(sock_t h, const void *buf, size_t len)
{
    struct sock *s = sock(h);
    if (s->tx && len <= SMALL) {
        push(s->tx, buf, len, NULL, len);
    } else if (s->tx) {
        push(s->tx, NULL, 0, memcpy(malloc(len), buf, len), len);
    } else if ((s->kind == PUSH || s->kind == PUB) && len < BATCH / 2) {
        append(s, buf, len);
    } else {
        flush(s);
        uint64_t header = len;
        struct iovec iov[] = {{&header, HEADER}, {(void *)buf, len}};
        write_all(s->conn[s->current]->fd, iov, 2);
    }
}

/* By hand there is no message to allocate: one buffer serves for all, and a queue carries the pointer to it. */
static char *scratch(size_t len)
{
    static _Thread_local char *buf;
    static _Thread_local size_t size;
    if (size < len) {
        free(buf);
        buf = allocate(size = len);
    }
    return buf;
}

void lib_send_msg(sock_t h, size_t len)
{
    struct sock *s = sock(h);
    char *body = scratch(len);
    touch(body, len);
    if (s->tx)
        push(s->tx, &body, sizeof body, NULL, len);
    else
        lib_send(h, body, len);
}

/* ---- Receiving ------------------------------------------------------------------------------------------------- */

/* Reads once; false when there is nothing and the caller does not wait. */
static bool fill(struct conn *c, bool wait)
{
    memmove(c->in, c->in + c->pos, c->end - c->pos);
    c->end -= c->pos;
    c->pos = 0;
    size_t room = (c->ahead > c->end ? c->ahead : BATCH) - c->end;
    ssize_t n = -1;
    errno = EAGAIN;
    if (!wait || may_spin(&c->spin)) {
        uint64_t deadline = now_ns() + SPIN_NS;
        do
            n = recv(c->fd, c->in + c->end, room, MSG_DONTWAIT);
        while (wait && n < 0 && errno == EAGAIN && now_ns() < deadline);
        if (wait)
            spun(&c->spin, n >= 0);
    }
    if (n < 0 && wait)
        n = recv(c->fd, c->in + c->end, room, 0);
    if (n < 0 && !wait && errno == EAGAIN)
        return false;
    if (n <= 0)
        die("recv: %s", n == 0 ? "peer is gone" : strerror(errno));
    c->end += (size_t)n;
    return true;
}

/* Reads what a large message still lacks straight into its place, and with it the next header, but no more: what lies
 * beyond would have to be copied. */
static void read_rest(struct conn *c, char *rest, size_t len)
{
    c->pos = c->end = 0;
    while (len > 0) {
        struct iovec iov[] = {{rest, len}, {c->in, HEADER}};
        ssize_t n = readv(c->fd, iov, 2);
        if (n <= 0)
            die("readv: %s", n == 0 ? "peer is gone" : strerror(errno));
        size_t part = (size_t)n < len ? (size_t)n : len;
        rest += part;
        len -= part;
        c->end = (size_t)n - part;
    }
}

/* The length of the message taken, or -1 when the buffer holds no whole one. */
static long take(struct conn *c, char *buf, size_t room)
{
    uint64_t len;
    size_t have = c->end - c->pos;
    if (have < HEADER)
        return -1;
    memcpy(&len, c->in + c->pos, HEADER);
    if (len > room)
        die("message of %llu bytes", (unsigned long long)len);
    have -= HEADER;
    if (have >= len) {
        memcpy(buf, c->in + c->pos + HEADER, len);
        c->pos += HEADER + len;
        return (long)len;
    }
    if (len < BATCH / 2)
        return -1;
    memcpy(buf, c->in + c->pos + HEADER, have);
    read_rest(c, buf + have, len - have);
    c->ahead = HEADER;
    return (long)len;
}

/* Several connections: the next readable one after the current. */
static bool choose(struct sock *s, int n, bool wait)
{
    static _Thread_local struct pollfd fds[MAX_CONNS];
    static _Thread_local int ready; /* how many of the last poll's are still to be served */
    for (;;) {
        for (int tried = 0; ready > 0 && tried < n; tried++) {
            int i = (s->current + 1 + tried) % n;
            if (fds[i].fd == s->conn[i]->fd && fds[i].revents) {
                fds[i].revents = 0;
                ready--;
                s->current = i;
                return true;
            }
        }
        for (int i = 0; i < n; i++)
            fds[i] = (struct pollfd){.fd = s->conn[i]->fd, .events = POLLIN};
        /* A connection that comes meanwhile is seen at the latest after this time. */
        ready = poll(fds, (nfds_t)n, wait ? 10 : 0);
        check(ready, "poll");
        if (ready == 0 && !wait)
            return false;
        if (ready == 0)
            n = s->conns;
    }
}

long lib_recv(sock_t h, void *buf, size_t len, bool wait)
{
    struct sock *s = sock(h);
    if (s->rx)
        return pop(s->rx, buf, wait);
    for (;;) {
        int n = connections(s);
        long got = take(s->conn[s->current], buf, len);
        if (got >= 0)
            return got;
        if (n > 1 && !choose(s, n, wait))
            return -1;
        if (!fill(s->conn[s->current], wait))
            return -1;
    }
}

long lib_recv_msg(sock_t h)
{
    struct sock *s = sock(h);
    return s->rx ? pop(s->rx, NULL, true) : lib_recv(h, scratch(1 << 20), 1 << 20, true);
}

/* ---- Polling --------------------------------------------------------------------------------------------------- */

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
    check(poll(polled, (nfds_t)polled_len, -1), "poll");
    for (int i = 0; i < polled_len; i++)
        if (polled[i].revents)
            return i;
    die("poll returned without an event");
}

int lib_recv_fd(sock_t h)
{
    struct sock *s = sock(h);
    if (s->rx)
        unsupported();
    connections(s);
    return s->conn[0]->fd;
}

bool lib_shares_sockets(void)
{
    return true;
}

const char *lib_origin(void)
{
    return "-";
}
