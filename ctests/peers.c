/* millrace/peer.h: who sent a message, and sending to one peer. */
#include "header.h"

#include <millrace/monitor.h>
#include <millrace/peer.h>
#include <millrace/tls.h>

#include "tls.h"

/* What control data said of the peer. */
struct sender {
    uint64_t pipe;
    char address[64], subject[64];
    struct nnx_process process;
    bool has_process;
};

/* Receives "x" and who sent it. */
static struct sender hear_at(const char *file, int line, int s) {
    struct sender of = {0};
    char body[8];
    void *control = NULL;
    struct nn_iovec vector = {body, sizeof body};
    struct nn_msghdr header = {&vector, 1, &control, NN_MSG};
    if (!check_at(file, line, nn_recvmsg(s, &header, 0) == 1, "nn_recvmsg: %s", nn_strerror(errno)))
        return of;
    struct nn_cmsghdr *first = NN_CMSG_FIRSTHDR(&header);
    check_at(file, line, first && first->cmsg_level == PROTO_SP && first->cmsg_type == SP_HDR, "the header comes first");
    for (struct nn_cmsghdr *at = first; at != NULL; at = NN_CMSG_NXTHDR(&header, at)) {
        if (at->cmsg_level != NN_PEER)
            continue;
        const char *data = (const char *)NN_CMSG_DATA(at);
        if (at->cmsg_type == NN_PEER_PIPE)
            memcpy(&of.pipe, data, sizeof of.pipe);
        if (at->cmsg_type == NN_PEER_ADDRESS)
            snprintf(of.address, sizeof of.address, "%s", data);
        if (at->cmsg_type == NN_PEER_SUBJECT)
            snprintf(of.subject, sizeof of.subject, "%s", data);
        if (at->cmsg_type == NN_PEER_PROCESS) {
            memcpy(&of.process, data, sizeof of.process);
            of.has_process = true;
        }
    }
    CHECK_OK(nn_freemsg(control));
    return of;
}
#define HEAR(s) hear_at(__FILE__, __LINE__, s)

/* To one peer, with a protocol header if there is one. */
static int send_to(int s, uint64_t pipe, const struct sp_control *header, const char *body, int flags) {
    _Alignas(8) char control[256] = {0};
    size_t size = header ? header->head.cmsg_len : 0;
    struct nn_cmsghdr head = {NN_CMSG_LEN(sizeof pipe), NN_PEER, NN_PEER_SEND_TO};
    memcpy(control, header, size);
    memcpy(control + size, &head, sizeof head);
    memcpy(control + size + sizeof head, &pipe, sizeof pipe);
    struct nn_iovec vector = {(void *)(uintptr_t)body, strlen(body)};
    struct nn_msghdr message = {&vector, 1, control, size + NN_CMSG_SPACE(sizeof pipe)};
    return nn_sendmsg(s, &message, flags);
}

static void who(enum transport t) {
    CONTEXT("who, %s", transport_name[t]);
    int pull = open_socket(NN_PULL), pushes[2] = {open_socket(NN_PUSH), open_socket(NN_PUSH)};
    CHECK_EQ(get(pull, NN_RECV_PEER), 0);
    address at = join(pull, pushes[0], t);
    connect_and_wait(pushes[1], pull, at.text);
    SEND(pushes[0], "x");
    CHECK_EQ(HEAR(pull).pipe, 0); /* nobody asked */
    set(pull, NN_RECV_PEER, 1);
    int monitor = nnx_monitor(pull);
    struct sender of[2];
    for (int i = 0; i < 2; i++) {
        SEND(pushes[i], "x");
        of[i] = HEAR(pull);
        CHECK(of[i].pipe != 0 && of[i].subject[0] == 0);
        CHECK_EQ(of[i].has_process, t == IPC);
        if (t == IPC) {
            CHECK_EQ(of[i].process.pid, getpid());
            CHECK_EQ(of[i].process.uid, geteuid());
            CHECK_EQ(of[i].process.gid, getegid());
        }
        CHECK(t == INPROC ? of[i].address[0] == 0 : strstr(of[i].address, t == TCP ? "127.0.0.1:" : "pid ") != NULL);
    }
    CHECK(of[0].pipe != of[1].pipe);
    /* What waits of a peer that is gone is still known to be its. */
    SEND(pushes[0], "x");
    CLOSE(pushes[0]);
    if (t != INPROC) {
        struct nnx_event event;
        do
            CHECK_OK(nnx_monitor_next(monitor, &event, sizeof event, patience()));
        while (event.kind != NN_EVENT_LOST);
        CHECK_EQ(event.pipe, of[0].pipe);
        CHECK(strcmp(event.peer, of[0].address) == 0);
    }
    struct sender gone = HEAR(pull);
    CHECK_EQ(gone.pipe, of[0].pipe);
    CHECK(strcmp(gone.address, of[0].address) == 0);
    set(pull, NN_RECV_PEER, 0);
    SEND(pushes[1], "x");
    CHECK_EQ(HEAR(pull).pipe, 0);
    int two = 2;
    CHECK_ERR(nn_setsockopt(pull, NN_SOL_SOCKET, NN_RECV_PEER, &two, sizeof two), EINVAL);
    CHECK_OK(nnx_monitor_close(monitor));
    CLOSE(pushes[1], pull);
}

/* A buffer gets the header and whole properties; what it got can be sent back as it is. */
static void buffers(void) {
    CONTEXT("buffers");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, TCP);
    set(a, NN_RECV_PEER, 1);
    for (size_t room = 0; room <= 128; room += 8) {
        SEND(b, "x");
        _Alignas(8) char control[128] = {0};
        char body[8];
        struct nn_iovec vector = {body, sizeof body};
        struct nn_msghdr header = {&vector, 1, control, room};
        CHECK_EQ(nn_recvmsg(a, &header, 0), 1);
        int properties = 0;
        for (struct nn_cmsghdr *at = NN_CMSG_FIRSTHDR(&header); at != NULL; at = NN_CMSG_NXTHDR(&header, at))
            properties += at->cmsg_len > 0;
        CHECK_EQ(properties, (room >= 24) + (room >= 48) + (room >= 80));
        vector.iov_len = 1;
        CHECK_EQ(nn_sendmsg(a, &header, 0), 1);
        RECV(b, "x");
    }
    CLOSE(a, b);
}

static void one_of(int protocol, int other, enum transport t) {
    CONTEXT("one of two, %d, %s", protocol, transport_name[t]);
    int hub = open_socket(protocol), peers[2] = {open_socket(other), open_socket(other)};
    int monitor = nnx_monitor(hub);
    address at = bind_fresh(hub, t);
    uint64_t pipes[2];
    for (int i = 0; i < 2; i++) {
        if (other == NN_SUB)
            CHECK_OK(nn_setsockopt(peers[i], NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
        connect_and_wait(peers[i], hub, at.text);
        struct nnx_event event;
        do
            CHECK_OK(nnx_monitor_next(monitor, &event, sizeof event, patience()));
        while (event.kind != NN_EVENT_GREETED);
        pipes[i] = event.pipe;
    }
    for (int i = 1; i >= 0; i--) {
        CHECK_EQ(send_to(hub, pipes[i], NULL, "for one", 0), 7);
        CHECK_EQ(send_to(hub, pipes[i], NULL, "only", 0), 4);
        RECV(peers[i], "for one");
        RECV(peers[i], "only");
    }
    char byte;
    for (int i = 0; i < 2; i++)
        CHECK_ERR(nn_recv(peers[i], &byte, 1, NN_DONTWAIT), EAGAIN);
    CHECK_EQ(statistic(hub, NN_STAT_MESSAGES_SENT), 4);
    CHECK_ERR(send_to(hub, 0, NULL, "nobody", 0), EHOSTUNREACH);
    CHECK_ERR(send_to(hub, pipes[0] + (1ULL << 40), NULL, "nobody", 0), EHOSTUNREACH);
    CLOSE(peers[0]);
    WAIT(connections(hub) == 1);
    CHECK_ERR(send_to(hub, pipes[0], NULL, "gone", 0), EHOSTUNREACH);
    /* Somebody else may have its place, but not its number. */
    int next = open_socket(other);
    connect_and_wait(next, hub, at.text);
    CHECK_ERR(send_to(hub, pipes[0], NULL, "gone", 0), EHOSTUNREACH);
    CHECK_OK(nnx_monitor_close(monitor));
    CLOSE(peers[1], next, hub);
}

/* It waits for that peer, whoever else has room; and fails when that peer goes. */
static void *closes(void *argument) {
    pause_ms(20);
    CHECK_OK(nn_close(*(int *)argument));
    return NULL;
}

static void waiting(void) {
    CONTEXT("waiting");
    int bus = open_socket(NN_BUS), silent = open_socket(NN_BUS), other = open_socket(NN_BUS);
    address at = join(bus, silent, TCP);
    set(bus, NN_RECV_PEER, 1);
    SEND(silent, "x");
    uint64_t pipe = HEAR(bus).pipe;
    connect_and_wait(other, bus, at.text);
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    while (send_to(bus, pipe, NULL, large, NN_DONTWAIT) > 0)
        ;
    CHECK_EQ(nn_errno(), EAGAIN);
    set(bus, NN_SNDTIMEO, 30);
    while (send_to(bus, pipe, NULL, large, 0) > 0) /* the kernel may have found room meanwhile */
        ;
    CHECK_EQ(nn_errno(), ETIMEDOUT);
    CHECK_EQ(nn_send(bus, "to all", 6, 0), 6); /* the silent one misses it */
    RECV(other, "to all");
    set(bus, NN_SNDTIMEO, FOREVER);
    pthread_t thread;
    pthread_create(&thread, NULL, closes, &silent);
    int sent;
    do
        sent = send_to(bus, pipe, NULL, large, 0);
    while (sent > 0);
    CHECK_ERR(sent, EHOSTUNREACH);
    pthread_join(thread, NULL);
    CLOSE(bus, other);
}

/* The state of these decides who is sent to. */
static void full_ones(void) {
    CONTEXT("full ones");
    static const int protocols[] = {NN_REQ, NN_REP, NN_SURVEYOR, NN_RESPONDENT, NN_SUB, NN_PULL};
    for (size_t i = 0; i < COUNT(protocols); i++) {
        int s = open_socket(protocols[i]);
        CHECK_ERR(send_to(s, 1, NULL, "x", NN_DONTWAIT), ENOTSUP);
        CLOSE(s);
    }
    int s = open_socket(NN_PAIR);
    struct nn_iovec vector = {"x", 1};
    struct nn_cmsghdr control = {sizeof control, NN_PEER, NN_PEER_SEND_TO};
    struct nn_msghdr message = {&vector, 1, &control, sizeof control};
    CHECK_ERR(nn_sendmsg(s, &message, NN_DONTWAIT), EINVAL); /* no number */
    CLOSE(s);
}

/* A raw answerer may answer over another connection than the question came on. */
static void raw_answers(void) {
    CONTEXT("raw answers");
    int rep = open_raw(NN_REP), reqs[2] = {open_raw(NN_REQ), open_raw(NN_REQ)};
    address at = join(rep, reqs[0], TCP);
    connect_and_wait(reqs[1], rep, at.text);
    set(rep, NN_RECV_PEER, 1);
    uint64_t pipes[2];
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(send_header(reqs[i], "\x80\0\0\1", 4, "x", 1, 0), 1);
        pipes[i] = HEAR(rep).pipe;
    }
    set(rep, NN_RECV_PEER, 0);
    CHECK_EQ(send_header(reqs[0], "\x80\0\0\1", 4, "q", 1, 0), 1);
    struct sp_control way;
    char body[64];
    CHECK_EQ(recv_header(rep, &way, body, 0), 1);
    CHECK_EQ(send_to(rep, pipes[1], &way, "answer", 0), 6);
    CHECK_EQ(recv_header(reqs[1], &way, body, 0), 6);
    CHECK_ERR(send_to(rep, pipes[0], NULL, "answer", 0), EINVAL);
    CLOSE(rep, reqs[0], reqs[1]);
}

static void contexts_and_devices(void) {
    CONTEXT("passing on");
    int front = open_raw(NN_PAIR), back = open_raw(NN_PAIR), a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(front, a, INPROC);
    join(back, b, INPROC);
    set(front, NN_RECV_PEER, 1);
    SEND(a, "x");
    char body[8];
    void *control = NULL;
    struct nn_iovec vector = {body, sizeof body};
    struct nn_msghdr header = {&vector, 1, &control, NN_MSG};
    CHECK_EQ(nn_recvmsg(front, &header, 0), 1);
    vector.iov_len = 1;
    CHECK_EQ(nn_sendmsg(back, &header, 0), 1);
    CHECK_EQ(HEAR(b).pipe, 0); /* who sent it to us is not who sends it on */
    CLOSE(front, back, a, b);
}

/* A buffer that is used again, with as much room as you like, tells nothing of whoever sent the message before. */
static void buffer_used_again(void) {
    CONTEXT("a buffer that is used again");
    int pull = open_socket(NN_PULL), with_address = open_socket(NN_PUSH), without = open_socket(NN_PUSH);
    set(pull, NN_RECV_PEER, 1);
    join(pull, with_address, IPC);
    address quiet = bind_fresh(pull, INPROC);
    CONNECT(without, quiet.text);
    for (size_t room = 0; room <= 256; room += 4) {
        _Alignas(8) char control[256] = {0};
        char body[8];
        struct nn_iovec vector = {body, sizeof body};
        struct nn_msghdr header = {&vector, 1, control, sizeof control};
        SEND(with_address, "1");
        CHECK_EQ(nn_recvmsg(pull, &header, 0), 1);
        header.msg_controllen = room;
        SEND(without, "2");
        CHECK_EQ(nn_recvmsg(pull, &header, 0), 1);
        int found = 0;
        for (struct nn_cmsghdr *at = NN_CMSG_FIRSTHDR(&header); at != NULL; at = NN_CMSG_NXTHDR(&header, at)) {
            found++;
            check_at(__FILE__, __LINE__, at->cmsg_level != NN_PEER || at->cmsg_type == NN_PEER_PIPE, "room %zu: property %d",
                     room, at->cmsg_type);
        }
        CHECK(found <= 2);
        CHECK(room < 48 || found == 2);
    }
    CLOSE(pull, with_address, without);
}

static void certificates(const char *scheme) {
    CONTEXT("certificates, %s", scheme);
    char url[64];
    snprintf(url, sizeof url, "%s://127.0.0.1:%d", scheme, free_port());
    int ends[2] = {open_socket(NN_PAIR), open_socket(NN_PAIR)};
    for (int i = 0; i < 2; i++) {
        CHECK_OK(nn_setsockopt(ends[i], NN_TLS, NN_TLS_CERT, certificate, strlen(certificate)));
        CHECK_OK(nn_setsockopt(ends[i], NN_TLS, NN_TLS_KEY, private_key, strlen(private_key)));
        CHECK_OK(nn_setsockopt(ends[i], NN_TLS, NN_TLS_CA, certificate, strlen(certificate)));
        CHECK_OK(nn_setsockopt(ends[i], NN_TLS, NN_TLS_SERVER_NAME, "bus.example", 11));
        set_option(ends[i], NN_TLS, NN_TLS_AUTH, NN_TLS_AUTH_REQUIRED);
        set(ends[i], NN_RECV_PEER, 1);
    }
    BIND(ends[0], url);
    connect_and_wait(ends[1], ends[0], url);
    for (int i = 0; i < 2; i++) {
        SEND(ends[1 - i], "x");
        struct sender of = HEAR(ends[i]);
        CHECK(strcmp(of.subject, "CN=bus.example") == 0);
        CHECK(strstr(of.address, "127.0.0.1:") == of.address && !of.has_process);
    }
    CLOSE(ends[0], ends[1]);
}

int main(void) {
    start();
    for EACH_TRANSPORT(t) {
        who(t);
        one_of(NN_BUS, NN_BUS, t);
        one_of(NN_PUB, NN_SUB, t);
        one_of(NN_PUSH, NN_PULL, t);
    }
    buffers();
    buffer_used_again();
    waiting();
    full_ones();
    raw_answers();
    contexts_and_devices();
    certificates("tls+tcp");
    certificates("wss");
    return finish();
}
