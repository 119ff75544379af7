/* pthread_cancel of threads that are in the library: it neither ends the process nor leaves a lock or the duty to poll behind. The thread
 * ends at its next point of cancellation; a call that waits is none, and ends as ever, at the latest when its socket is closed. */
#include "blocked.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"
#endif

static void *cancelled_call(void *argument) {
    struct blocked *blocked = argument;
    __atomic_store_n(&blocked->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    blocked->call(blocked->s);
    pthread_testcancel();
    return NULL;
}

static int blocking_recvmsg(int s) {
    struct nn_iovec part = {(char[8]){0}, 8};
    struct nn_msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    return nn_recvmsg(s, &header, 0);
}
static int blocking_sendmsg(int s) {
    struct nn_iovec part = {"x", 1};
    struct nn_msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    return nn_sendmsg(s, &header, 0);
}
static int idle_poll(int s) {
    (void)s;
    return nn_poll(NULL, 0, 300);
}

static const struct {
    const char *name;
    int (*call)(int s);
    int domain;
    bool connected;
} calls[] = {
    {"receive", blocking_recv, AF_SP, true},        {"receive a structure", blocking_recvmsg, AF_SP, true},
    {"send", blocking_send, AF_SP, false},          {"send a structure", blocking_sendmsg, AF_SP, false},
    {"poll to receive", blocking_poll_in, AF_SP, true}, {"poll to send", blocking_poll_out, AF_SP, false},
    {"poll of nothing", idle_poll, AF_SP, false},   {"device", blocking_loopback, AF_SP_RAW, false},
};

static void others_work(void) {
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, TCP);
    SEND(a, "x");
    RECV(b, "x");
    CLOSE(a, b);
}

static void ends(pthread_t thread) {
    void *result = NULL;
    CHECK_OK(pthread_join(thread, &result));
    CHECK(result == PTHREAD_CANCELED);
}

static void while_it_waits(int which, enum transport transport) {
    CONTEXT("%s, %s", calls[which].name, transport_name[transport]);
    int s = nn_socket(calls[which].domain, NN_PAIR), peer = open_socket(NN_PAIR);
    if (calls[which].connected)
        join(s, peer, transport);
    else
        BIND(s, fresh(transport).text);
    struct blocked blocked = {.call = calls[which].call, .s = s};
    pthread_t thread = spawn(cancelled_call, &blocked);
    WAIT(asleep(&blocked.thread));
    CHECK_OK(pthread_cancel(thread));
    others_work();
    CLOSE(s, peer);
    ends(thread);
    others_work();
}

struct work {
    int sockets[2];
    address tcp, ipc;
};

/* At any moment of calls that do something. There is no point of cancellation beside the one at the end. */
static void *busy(void *argument) {
    struct work *work = argument;
    for (;;) {
        nn_send(work->sockets[0], "x", 1, 0);
        nn_recv(work->sockets[1], (char[8]){0}, 8, 0);
        int s = nn_socket(AF_SP, NN_PAIR);
        nn_connect(s, work->tcp.text);
        nn_bind(s, work->ipc.text);
        nn_close(s);
        pthread_testcancel();
    }
    return NULL;
}

static void while_it_works(enum transport transport) {
    CONTEXT("at work, %s", transport_name[transport]);
    for (int i = 0; i < heavy(60); i++) {
        struct work work = {{open_socket(NN_PAIR), open_socket(NN_PAIR)}, fresh(TCP), fresh(IPC)};
        join(work.sockets[0], work.sockets[1], transport);
        pthread_t thread = spawn(busy, &work);
        struct timespec moment = {0, i * 50000L};
        nanosleep(&moment, NULL);
        CHECK_OK(pthread_cancel(thread));
        ends(thread);
        CLOSE(work.sockets[0], work.sockets[1]);
    }
    others_work();
}

#ifdef MILLRACE_QI_H
static nnqi_request kept;
static void later(nnqi_request request, void *user) {
    (void)user;
    PUT(kept, request);
}

static void *call_later(void *proxy) {
    nnqi_call(*(nnqi_proxy *)proxy, "later", NO_ARGUMENTS, -1);
    pthread_testcancel();
    return NULL;
}

static void on_the_bus(void) {
    CONTEXT("on the bus");
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "later", "()", "i", later, NULL) > 0);
    CHECK(nnqi_method(builder, "add", "(ii)", "l", add, NULL) > 0);
    nnqi_object object = nnqi_build(builder);
    nnqi_proxy proxy = add_service(&bus, "Later", object);
    pthread_t thread = spawn(call_later, &proxy);
    WAIT(GET(kept) != 0);
    CHECK_OK(pthread_cancel(thread));
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 7)));
    ends(thread);
    IS_INT(nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 2)), patience()), 3);
    nnqi_proxy_free(proxy);
    nnqi_object_free(object);
    CHECK_OK(nnqi_close(bus.session));
    CHECK_OK(nnqi_server_close(bus.server));
}
#endif

int main(void) {
    start();
    for EACH_TRANSPORT(transport) {
        for (int which = 0; which < (int)COUNT(calls); which++)
            while_it_waits(which, transport);
        while_it_works(transport);
    }
    int status = finish();
#ifdef MILLRACE_QI_H
    on_the_bus(); /* which leaves a thread and descriptors for the next session */
#endif
    return status || failures != 0;
}
