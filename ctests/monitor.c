/* millrace/monitor.h: events, waiting for peers, addresses, descriptions and metrics. */
#include "blocked.h"
#include "wire.h"

#include <millrace/context.h>
#include <millrace/monitor.h>
#include <millrace/options.h>

static struct nnx_event last;

/* The next event that is not merely on the way to another one, which the system may leave out or tell in another order. */
static void expect_at(const char *file, int line, int m, int kind, int error, const char *reason) {
    CHECK_OK(nnx_monitor_next(m, &last, sizeof last, patience()));
    check_at(file, line, last.kind == kind, "expected event %d, got %d (%s)", kind, last.kind, last.reason);
    check_at(file, line, last.error == error, "expected error %d, got %d (%s)", error, last.error, last.reason);
    check_at(file, line, strstr(last.reason, reason) != NULL, "expected \"%s\", got \"%s\"", reason, last.reason);
}
#define EXPECT(m, kind, error, reason) expect_at(__FILE__, __LINE__, m, kind, error, reason)

static bool has_more(int m) { return readable(nnx_monitor_fd(m)); }

/* What the only endpoint of a socket has as its last error, as JSON. */
static bool last_error_is(int s, const char *expected) {
    char text[8192], member[256];
    snprintf(member, sizeof(member), "\"last_error\":%s,", expected);
    return nnx_describe(s, text, sizeof(text)) > 0 && strstr(text, member);
}

static void a_life(enum transport t) {
    CONTEXT("%s", transport_name[t]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR), ma = nnx_monitor(a), mb = nnx_monitor(b);
    CHECK(ma > 0 && mb > 0 && ma != mb);
    CHECK(!has_more(ma));
    CHECK_ERR(nnx_monitor_next(ma, &last, sizeof last, 0), EAGAIN);
    address at = bind_fresh(a, t);
    EXPECT(ma, NN_EVENT_LISTENING, 0, "");
    CHECK(strcmp(last.address, at.text) == 0 && last.endpoint == 1 && last.pipe == 0 && last.time > 1000000000000);
    int connected = CONNECT(b, at.text);
    if (t != INPROC) {
        EXPECT(ma, NN_EVENT_ACCEPTED, 0, "");
        EXPECT(mb, NN_EVENT_CONNECTED, 0, "");
    }
    EXPECT(ma, NN_EVENT_GREETED, 0, "");
    EXPECT(mb, NN_EVENT_GREETED, 0, "");
    CHECK(last.endpoint == connected && last.pipe != 0);
    CHECK((last.peer[0] == 0) == (t == INPROC));
    if (t == TCP)
        CHECK(strcmp(last.peer, at.text + strlen("tcp://")) == 0);
    if (t == IPC)
        CHECK(strstr(last.peer, "pid ") == last.peer);
    uint64_t pipe = last.pipe;
    CHECK_OK(nnx_wait_peers(a, 1, 0));
    CHECK_OK(nnx_wait_peers(b, 1, FOREVER));
    CHECK_OK(nn_shutdown(b, connected));
    EXPECT(mb, NN_EVENT_LOST, 0, "this side");
    CHECK(last.pipe == pipe && last.retry == -1 && (last.peer[0] != 0) == (t != INPROC));
    EXPECT(mb, NN_EVENT_STOPPED, 0, "");
    EXPECT(ma, NN_EVENT_LOST, ECONNRESET, "peer closed");
    CHECK_ERR(nnx_wait_peers(a, 1, 0), ETIMEDOUT);
    CHECK(!has_more(ma) && !has_more(mb));
    CLOSE(a);
    CHECK(has_more(ma));
    EXPECT(ma, NN_EVENT_STOPPED, 0, "");
    CHECK_ERR(nnx_monitor_next(ma, &last, sizeof last, FOREVER), EBADF);
    CHECK_OK(nnx_monitor_close(ma));
    CHECK_ERR(nnx_monitor_close(ma), EBADF);
    CLOSE(b);
    CHECK_OK(nnx_monitor_close(mb));
}

/* Who is not let in never was a connection, and so has no number. */
static void who_is_not_let_in(void) {
    CONTEXT("not let in");
    int a = open_socket(NN_PAIR), m = nnx_monitor(a);
    CHECK_OK(nn_setsockopt(a, NN_SOL_SOCKET, NN_ACCEPT_FROM, "10.0.0.0/8", 10));
    address strict = bind_fresh(a, TCP);
    CHECK_OK(nn_setsockopt(a, NN_SOL_SOCKET, NN_ACCEPT_FROM, "", 0));
    set(a, NN_ACCEPT_MAX, 1);
    address small = bind_fresh(a, TCP);
    EXPECT(m, NN_EVENT_LISTENING, 0, "");
    EXPECT(m, NN_EVENT_LISTENING, 0, "");
    int stranger = peer_connect(strict.text);
    EXPECT(m, NN_EVENT_REFUSED, EACCES, "NN_ACCEPT_FROM");
    CHECK(last.pipe == 0 && strncmp(last.peer, "127.0.0.1:", 10) == 0 && strcmp(last.address, strict.text) == 0);
    int first = peer_connect(small.text);
    EXPECT(m, NN_EVENT_ACCEPTED, 0, "");
    int second = peer_connect(small.text);
    EXPECT(m, NN_EVENT_REFUSED, EACCES, "NN_ACCEPT_MAX");
    close(stranger);
    close(first);
    close(second);
    CLOSE(a);
    CHECK_OK(nnx_monitor_close(m));
}

static void who_is_refused(void) {
    CONTEXT("refused");
    int a = open_socket(NN_PAIR);
    address at = bind_fresh(a, TCP);
    int m = nnx_monitor(a);
    int peer = peer_connect(at.text);
    EXPECT(m, NN_EVENT_ACCEPTED, 0, "");
    char address[64];
    strcpy(address, last.peer);
    peer_write(peer, "GET / HTTP/1.1\r\n\r\n", 18);
    EXPECT(m, NN_EVENT_REFUSED, EPROTO, "does not speak SP");
    CHECK(strcmp(last.peer, address) == 0);
    close(peer);
    peer = peer_connect(at.text);
    EXPECT(m, NN_EVENT_ACCEPTED, 0, "");
    peer_greet(peer, NN_PUB);
    EXPECT(m, NN_EVENT_REFUSED, EPROTO, "NN_PUB");
    CHECK(last_error_is(a, "\"the peer's socket is NN_PUB, which does not fit\""));
    close(peer);
    peer = peer_connect(at.text);
    EXPECT(m, NN_EVENT_ACCEPTED, 0, "");
    close(peer);
    EXPECT(m, NN_EVENT_REFUSED, ECONNRESET, "before it greeted");
    CHECK(last_error_is(a, "\"the peer closed the connection before it greeted\""));
    CONTEXT("PAIR is taken");
    int first = peer_connect(at.text);
    peer_handshake(first, NN_PAIR);
    EXPECT(m, NN_EVENT_ACCEPTED, 0, "");
    EXPECT(m, NN_EVENT_GREETED, 0, "");
    CHECK(last_error_is(a, "null"));
    int second = peer_connect(at.text);
    peer_greet(second, NN_PAIR);
    EXPECT(m, NN_EVENT_ACCEPTED, 0, "");
    EXPECT(m, NN_EVENT_REFUSED, EPROTO, "a peer already");
    close(second);
    CONTEXT("too long");
    set(a, NN_RCVMAXSIZE, 4);
    peer_send(first, TCP, "12345", 5);
    EXPECT(m, NN_EVENT_LOST, EMSGSIZE, "NN_RCVMAXSIZE");
    CHECK(last_error_is(a, "\"a message is longer than NN_RCVMAXSIZE allows\""));
    close(first);
    CHECK_OK(nnx_monitor_close(m));
    CONTEXT("nobody listens to events");
    peer = peer_connect(at.text);
    peer_greet(peer, NN_PUB);
    WAIT(last_error_is(a, "\"the peer's socket is NN_PUB, which does not fit\""));
    close(peer);
    peer = peer_connect(at.text);
    peer_handshake(peer, NN_PAIR);
    WAIT(last_error_is(a, "null"));
    close(peer);
    WAIT(connections(a) == 0);
    CHECK(last_error_is(a, "null")); /* to go is no error */
    CLOSE(a);
}

/* As over every other transport; who is refused is told once, and offered the place that becomes free. */
static void refused_over_inproc(void) {
    CONTEXT("refused over inproc");
    int a = open_socket(NN_PAIR), first = open_socket(NN_PAIR), second = open_socket(NN_PAIR), push = open_socket(NN_PUSH);
    address at = bind_fresh(a, INPROC);
    connect_and_wait(first, a, at.text);
    int m = nnx_monitor(a), of_second = nnx_monitor(second), of_push = nnx_monitor(push);
    CONNECT(second, at.text);
    EXPECT(m, NN_EVENT_REFUSED, EPROTO, "there is a peer already");
    EXPECT(of_second, NN_EVENT_REFUSED, EPROTO, "there is a peer already");
    CHECK(last_error_is(second, "\"there is a peer already\""));
    CONNECT(push, at.text);
    EXPECT(m, NN_EVENT_REFUSED, EPROTO, "NN_PUSH");
    EXPECT(of_push, NN_EVENT_REFUSED, EPROTO, "NN_PAIR");
    CHECK(!has_more(of_second));
    CLOSE(first);
    EXPECT(of_second, NN_EVENT_GREETED, 0, "");
    CHECK(last_error_is(second, "null"));
    CHECK(!has_more(of_push));
    CLOSE(a, second, push);
    CHECK_OK(nnx_monitor_close(m) | nnx_monitor_close(of_second) | nnx_monitor_close(of_push));
}

/* The number is the same over every transport, whatever words a peer is told. */
static void too_long(const char *scheme) {
    CONTEXT("too long, %s", scheme);
    char url[64];
    snprintf(url, sizeof url, "%s://127.0.0.1:%d", scheme, free_port());
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    set(a, NN_RCVMAXSIZE, 4);
    BIND(a, url);
    connect_and_wait(b, a, url);
    int m = nnx_monitor(a);
    SEND(b, "12345");
    EXPECT(m, NN_EVENT_LOST, EMSGSIZE, "");
    CLOSE(a, b);
    CHECK_OK(nnx_monitor_close(m));
}

static void failing(void) {
    CONTEXT("nobody listens");
    int a = open_socket(NN_PAIR), m = nnx_monitor(a);
    set(a, NN_RECONNECT_IVL, 50);
    address at = fresh(TCP);
    CONNECT(a, at.text);
    EXPECT(m, NN_EVENT_CONNECT_FAILED, ECONNREFUSED, "");
    CHECK_EQ(last.retry, 0);
    EXPECT(m, NN_EVENT_CONNECT_FAILED, ECONNREFUSED, "");
    CHECK_EQ(last.retry, 50);
    CHECK(last_error_is(a, "\"Connection refused\""));
    CLOSE(a);
    CHECK_OK(nnx_monitor_close(m));
}

static void dropped(void) {
    CONTEXT("nobody reads");
    int a = open_socket(NN_PAIR), m = nnx_monitor(a);
    address at = fresh(INPROC);
    for (int i = 0; i < 600; i++)
        CHECK_OK(nn_shutdown(a, BIND(a, at.text)));
    CHECK_OK(nnx_monitor_next(m, &last, sizeof last, 0));
    CHECK_EQ(last.dropped, 1200 - 1024);
    CHECK_OK(nnx_monitor_next(m, &last, sizeof last, 0));
    CHECK_EQ(last.dropped, 0);
    CLOSE(a);
    CHECK_OK(nnx_monitor_close(m));
}

static void *publish(void *argument) {
    int s = *(int *)argument;
    CHECK_OK(nnx_wait_peers(s, 2, FOREVER));
    return NULL;
}

static void *closed_meanwhile(void *argument) {
    CHECK_ERR(nnx_wait_peers(*(int *)argument, 3, FOREVER), EBADF);
    return NULL;
}

static void waiting(enum transport t) {
    CONTEXT("%s: waiting for peers", transport_name[t]);
    int a = open_socket(NN_PUB), b = open_socket(NN_SUB), c = open_socket(NN_SUB);
    pthread_t two = spawn(publish, &a), three = spawn(closed_meanwhile, &a);
    address at = bind_fresh(a, t);
    CONNECT(b, at.text);
    CHECK_OK(nnx_wait_peers(b, 1, FOREVER));
    CHECK_ERR(nnx_wait_peers(a, 2, 1), ETIMEDOUT);
    CONNECT(c, at.text);
    await(two);
    CLOSE(a);
    await(three);
    CLOSE(b, c);
    CHECK_OK(nnx_wait_peers(a = open_socket(NN_PAIR), 0, FOREVER));
    CLOSE(a);
}

static char whole[16384];

/* What the description says under this name of the first connection. */
static long long told(int s, const char *name) {
    char quoted[64];
    CHECK(nnx_describe(s, whole, sizeof whole) < (int)sizeof whole);
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    char *connections = strstr(whole, "\"pipes\":[{");
    char *value = connections ? strstr(connections, quoted) : NULL;
    return value ? atoll(value + strlen(quoted)) : -1;
}

/* The value of a sample of nnx_metrics, by the end of its labels. */
static long long dropped_for(int s, const char *reason) {
    char sample[128];
    CHECK(nnx_metrics(whole, sizeof whole) < (int)sizeof whole);
    snprintf(sample, sizeof sample, "\nmillrace_dropped_messages_total{socket=\"%d\"", s);
    for (char *at = whole; (at = strstr(at, sample)) != NULL; at++) {
        char *label = strstr(at, "reason=");
        if (label && strncmp(label + 8, reason, strlen(reason)) == 0 && label[8 + strlen(reason)] == '"')
            return atoll(strchr(label, '}') + 1);
    }
    return -1;
}

static void what_a_connection_carried(enum transport t) {
    CONTEXT("%s: carried", transport_name[t]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, t);
    char *large = pattern(100000);
    for (int i = 0; i < 3; i++)
        SEND(a, "four");
    SEND_BYTES(a, large, 100000);
    SEND(b, "back");
    RECV(a, "back");
    for (int i = 0; i < 3; i++)
        RECV(b, "four");
    RECV_BYTES(b, large, 100000);
    CHECK_EQ(told(a, "messages_sent"), 4);
    CHECK_EQ(told(a, "messages_received"), 1);
    CHECK_EQ(told(b, "messages_sent"), 1);
    CHECK_EQ(told(b, "messages_received"), 4);
    /* With the greeting, and the length before each message; ipc has one byte more there. */
    int head = t == INPROC ? 0 : t == IPC ? 9 : 8, greeting = t == INPROC ? 0 : 8;
    CHECK_EQ(told(a, "bytes_sent"), greeting + 3 * 4 + 100000 + 4 * head);
    CHECK_EQ(told(b, "bytes_received"), greeting + 3 * 4 + 100000 + 4 * head);
    CHECK_EQ(told(a, "bytes_received"), greeting + 4 + head);
    CHECK_EQ(told(b, "unread_bytes"), 0);
    SEND(a, "1");
    SEND(a, "22");
    SEND(a, "333");
    RECV(b, "1");
    RECV(b, "22");
    if (t == INPROC)
        CHECK_EQ(told(b, "unread_bytes"), 3);
    RECV(b, "333");
    free(large);
    CLOSE(a, b);
}

static void why_messages_were_dropped(void) {
    CONTEXT("dropped: nobody, not subscribed");
    int pub = open_socket(NN_PUB), sub = open_socket(NN_SUB);
    CHECK_EQ(dropped_for(pub, "no_peer"), 0);
    SEND(pub, "to nobody");
    CHECK_EQ(dropped_for(pub, "no_peer"), 1);
    CHECK_OK(nn_setsockopt(sub, NN_SUB, NN_SUB_SUBSCRIBE, "a", 1));
    join(pub, sub, TCP);
    SEND(pub, "b");
    SEND(pub, "b");
    SEND(pub, "a");
    RECV(sub, "a");
    CHECK_EQ(told(sub, "not_subscribed"), 2);
    CHECK_EQ(dropped_for(sub, "not_subscribed"), 2);
    CHECK_EQ(told(sub, "messages_received"), 3);
    CLOSE(sub);
    WAIT(connections(pub) == 0);
    CONTEXT("dropped: a slow subscriber");
    set(pub, NN_SNDBUF, 4096);
    address at = bind_fresh(pub, TCP);
    int peer = peer_connect(at.text);
    peer_handshake(peer, NN_SUB);
    WAIT(connections(pub) == 1);
    char *large = pattern(100000);
    int sent = 0;
    while (sent < 10000 && dropped_for(pub, "peer_full") < 10) {
        SEND_BYTES(pub, large, 100000);
        sent++;
    }
    CHECK_EQ(told(pub, "peer_full"), dropped_for(pub, "peer_full"));
    CHECK_EQ(told(pub, "messages_sent") + told(pub, "peer_full"), sent);
    CHECK(told(pub, "unsent_bytes") >= 0);
    free(large);
    close(peer);
    WAIT(connections(pub) == 0);
    CHECK(dropped_for(pub, "peer_full") >= 10);
    CLOSE(pub);
    CONTEXT("dropped: requests and answers");
    int rep = open_socket(NN_REP);
    set(rep, NN_MAXTTL, 2);
    at = bind_fresh(rep, TCP);
    peer = peer_connect(at.text);
    peer_handshake(peer, NN_REQ);
    peer_send(peer, TCP, "\0\0\0\1\0\0\0\2\x80\0\0\3x", 13);
    peer_send(peer, TCP, "abc", 3);
    peer_send(peer, TCP, "\x80\0\0\1good", 8);
    RECV(rep, "good");
    CHECK_EQ(told(rep, "too_many_hops"), 1);
    CHECK_EQ(told(rep, "malformed"), 1);
    close(peer);
    WAIT(connections(rep) == 0);
    SEND(rep, "too late");
    CHECK_EQ(dropped_for(rep, "peer_gone"), 1);
    CHECK_EQ(dropped_for(rep, "too_many_hops"), 1);
    CLOSE(rep);
    int req = open_socket(NN_REQ);
    at = bind_fresh(req, TCP);
    peer = peer_connect(at.text);
    peer_handshake(peer, NN_REP);
    SEND(req, "q");
    uint8_t asked[256], answer[5] = {0x80, 0, 0, 0, 'x'};
    CHECK_EQ(peer_recv(peer, TCP, asked), 5);
    memcpy(answer, asked, 4);
    answer[3] ^= 1;
    peer_send(peer, TCP, answer, 5);
    answer[3] ^= 1;
    peer_send(peer, TCP, answer, 5);
    RECV(req, "x");
    CHECK_EQ(told(req, "stale"), 1);
    CHECK_EQ(dropped_for(req, "stale"), 1);
    close(peer);
    CLOSE(req);
}

static void addresses_and_texts(void) {
    CONTEXT("texts");
    char text[64], room[4] = "xyz";
    int a = open_socket(NN_REP);
    int id = BIND(a, "tcp://127.0.0.1:0");
    int length = nnx_endpoint_address(a, id, text, sizeof text);
    CHECK_EQ(length, strlen(text));
    CHECK(strncmp(text, "tcp://127.0.0.1:", 16) == 0 && strcmp(text, "tcp://127.0.0.1:0") != 0);
    CHECK_EQ(nnx_endpoint_address(a, id, room, sizeof room), length);
    CHECK(strcmp(room, "tcp") == 0);
    CHECK_EQ(nnx_endpoint_address(a, id, NULL, 0), length);
    CHECK_ERR(nnx_endpoint_address(a, id, NULL, 1), EFAULT);
    CHECK_ERR(nnx_endpoint_address(a, id + 1, text, sizeof text), EINVAL);
    CHECK_ERR(nnx_endpoint_address(77, id, text, sizeof text), EBADF);
    int b = open_socket(NN_REQ);
    CONNECT(b, text);
    SEND(b, "question");
    RECV(a, "question");
    CHECK(nnx_describe(a, whole, sizeof whole) > 0);
    CHECK(strstr(whole, "\"accept_max\":-1") && strstr(whole, "\"tcp_nodelay\":0"));
    CHECK(strstr(whole, "\"messages_received\":1") && strstr(whole, "\"state\":\"attached\"") && strstr(whole, text));
    CHECK_ERR(nnx_describe(77, whole, sizeof whole), EBADF);
    CHECK_EQ(nn_setsockopt(a, NN_SOL_SOCKET, NN_SOCKET_NAME, "the \"rep\"", 9), 0);
    CHECK(nnx_metrics(whole, sizeof whole) > 0);
    CHECK(strstr(whole, "name=\"the \\\"rep\\\"\",protocol=\"REP\"} 1\n") != NULL);
    CHECK(strstr(whole, "# TYPE millrace_received_bytes_total counter\n") != NULL);
    CLOSE(a, b);
    CHECK(nnx_metrics(whole, sizeof whole) > 0);
    CHECK(strchr(whole, '{') == NULL);
    CHECK_ERR(nnx_monitor(a), EBADF);
    CHECK_ERR(nnx_monitor_fd(77), EBADF);
    CHECK_ERR(nnx_monitor_next(77, &last, sizeof last, 0), EBADF);
    CHECK_ERR(nnx_monitor_next(1, NULL, sizeof last, 0), EFAULT);
    CHECK_ERR(nnx_monitor_next(1, &last, 4, 0), EINVAL);
    CHECK_ERR(nnx_wait_peers(a, -1, 0), EINVAL);
}

static int next_of(int monitor) {
    struct nnx_event event;
    return nnx_monitor_next(monitor, &event, sizeof event, FOREVER);
}

static void closing_wakes(void) {
    CONTEXT("nnx_monitor_close wakes");
    int s = open_socket(NN_PAIR), monitor = nnx_monitor(s);
    struct blocked waiting;
    block(&waiting, next_of, monitor);
    CHECK_OK(nnx_monitor_close(monitor));
    CHECK_BLOCKED(&waiting, -1, EBADF);
    CHECK_ERR(nnx_monitor_close(monitor), EBADF);
    CLOSE(s);
}

static void of_a_context(void) {
    CONTEXT("a context");
    int s = open_socket(NN_REQ), context = nnx_context(s);
    CHECK_ERR(nnx_monitor(context), ENOTSUP);
    CHECK_ERR(nnx_wait_peers(context, 0, 0), ENOTSUP);
    CHECK_ERR(nnx_endpoint_address(context, 1, NULL, 0), ENOTSUP);
    CHECK_ERR(nnx_describe(context, NULL, 0), ENOTSUP);
    CLOSE(context, s);
}

int main(void) {
    start();
    for EACH_TRANSPORT(t) {
        a_life(t);
        waiting(t);
        what_a_connection_carried(t);
    }
    who_is_refused();
    who_is_not_let_in();
    refused_over_inproc();
    too_long("tcp");
    too_long("ws");
    failing();
    dropped();
    closing_wakes();
    of_a_context();
    why_messages_were_dropped();
    addresses_and_texts();
    return finish();
}
