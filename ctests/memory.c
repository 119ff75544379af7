/* Memory that is not there: the call that wants it fails with ENOMEM, nothing else changes, and the next message goes. A peer for
 * whose message there is no memory loses its connection, and nobody else notices. */
#include "websocket.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LARGE ((size_t)300 << 20)
#define MEDIUM ((size_t)60 << 20)

/* Nothing but address space, readable as zeroes. */
static char *large;

static void limit(rlim_t bytes) {
    struct rlimit wanted = {bytes, RLIM_INFINITY};
    CHECK_OK(setrlimit(RLIMIT_AS, &wanted));
}

/* From here on there is this much more memory, and no more. */
static void leave_mb(long more) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%ld", &pages) == 1);
    fclose(file);
    limit((rlim_t)pages * 4096 + ((rlim_t)more << 20));
}

static const char *const transports[] = {"inproc", "ipc", "tcp", "ws"};

static address at(int transport) {
    return transport == 3 ? fresh_ws() : fresh((enum transport)transport);
}

/* Two sockets that have talked with each other already, which have made what they need. */
static void pair_up(int transport, int one, int two) {
    address a = at(transport);
    set(one, NN_RCVMAXSIZE, -1);
    set(two, NN_RCVMAXSIZE, -1);
    BIND(one, a.text);
    connect_and_wait(two, one, a.text);
}

/* The two ends are as they were: nobody has lost a connection. */
static void check_whole(int one, int two) {
    CHECK_EQ(statistic(one, NN_STAT_BROKEN_CONNECTIONS) + statistic(two, NN_STAT_BROKEN_CONNECTIONS), 0);
    CHECK_EQ(connections(one), 1);
    CHECK_EQ(connections(two), 1);
}

/* Every way to send what there is no memory for. */
static void cannot_send(int s, bool raw) {
    CHECK_ERR(nn_send(s, large, LARGE, 0), ENOMEM);
    struct nn_iovec whole = {large, LARGE}, halves[] = {{large, LARGE / 2}, {large, LARGE / 2}}, small = {"x", 1};
    struct nn_msghdr message = {.msg_iov = &whole, .msg_iovlen = 1};
    CHECK_ERR(nn_sendmsg(s, &message, 0), ENOMEM);
    message = (struct nn_msghdr){.msg_iov = halves, .msg_iovlen = 2};
    CHECK_ERR(nn_sendmsg(s, &message, 0), ENOMEM);
    if (raw) {
        struct nn_cmsghdr *property = (struct nn_cmsghdr *)large;
        size_t count = LARGE - 64;
        *property = (struct nn_cmsghdr){NN_CMSG_LEN(sizeof(size_t) + count), PROTO_SP, SP_HDR};
        memcpy(NN_CMSG_DATA(property), &count, sizeof(count));
        message = (struct nn_msghdr){.msg_iov = &small, .msg_iovlen = 1, .msg_control = large, .msg_controllen = LARGE};
        CHECK_ERR(nn_sendmsg(s, &message, 0), ENOMEM);
    }
}

static void one_way(int transport, int domain, int receiver, int sender) {
    int in = open_domain(domain, receiver), out = open_domain(domain, sender);
    if (receiver == NN_SUB)
        CHECK_OK(nn_setsockopt(in, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
    pair_up(transport, in, out);
    SEND(out, "before");
    RECV(in, "before");
    leave_mb(20);
    for (int i = 0; i < 3; i++) {
        cannot_send(out, domain == AF_SP_RAW);
        SEND(out, "after");
        RECV(in, "after");
    }
    check_whole(in, out);
    CLOSE(in, out);
}

/* A request, survey or answer that does not go is none: REP can still answer, REQ and SURVEYOR ask anew. */
static void ask(int transport, int answers, int asks) {
    int in = open_socket(answers), out = open_socket(asks);
    pair_up(transport, in, out);
    SEND(out, "before");
    RECV(in, "before");
    SEND(in, "answer");
    RECV(out, "answer");
    leave_mb(20);
    for (int i = 0; i < 3; i++) {
        cannot_send(out, false);
        CHECK_ERR(nn_recv(out, (char[8]){0}, 8, 0), EFSM);
        SEND(out, "after");
        RECV(in, "after");
        cannot_send(in, false);
        SEND(in, "answer");
        RECV(out, "answer");
    }
    check_whole(in, out);
    CLOSE(in, out);
}

static void publish(int transport, int size) {
    int subs[4], pub = open_socket(NN_PUB);
    for (size_t i = 0; i < COUNT(subs); i++) {
        subs[i] = open_socket(NN_SUB);
        CHECK_OK(nn_setsockopt(subs[i], NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
        address a = at(transport);
        BIND(subs[i], a.text);
        CONNECT(pub, a.text);
    }
    WAIT(connections(pub) == (int)COUNT(subs));
    leave_mb(20);
    for (int i = 0; i < 3; i++) {
        cannot_send(pub, false);
        SEND_BYTES(pub, large + 4096, size);
        for (size_t k = 0; k < COUNT(subs); k++)
            RECV_BYTES(subs[k], large + 4096, size);
    }
    CHECK_EQ(connections(pub), COUNT(subs));
    CHECK_ERR(nn_setsockopt(subs[0], NN_SUB, NN_SUB_SUBSCRIBE, large, LARGE), ENOMEM);
    for (size_t k = 0; k < COUNT(subs); k++)
        CLOSE(subs[k]);
    CLOSE(pub);
}

static void messages(void) {
    leave_mb(20);
    char *message = nn_allocmsg(100, 0);
    CHECK(message != NULL);
    strcpy(message, "content");
    CHECK_NULL(nn_allocmsg(LARGE, 0), ENOMEM);
    CHECK_NULL(nn_reallocmsg(message, LARGE), ENOMEM);
    CHECK_BYTES(message, "content", 8);
    CHECK_OK(nn_freemsg(message));
}

/* What was received is the user's, also if it cannot be handed over just now. */
static void handing_over(int transport, bool with_header) {
    int rep = open_socket(NN_REP), req = open_socket(NN_REQ);
    pair_up(transport, rep, req);
    void *message = nn_allocmsg(MEDIUM, 0);
    memset(message, 7, MEDIUM);
    CHECK_EQ(nn_send(req, &message, NN_MSG, 0), MEDIUM);
    struct pollfd ready = {.fd = get(rep, NN_RCVFD), .events = POLLIN};
    CHECK_EQ(poll(&ready, 1, patience()), 1);
    leave_mb(20);
    void *received = NULL;
    struct nn_iovec part = {&received, NN_MSG};
    struct nn_msghdr description = {.msg_iov = &part, .msg_iovlen = 1};
    for (int i = 0; i < 3; i++) {
        if (with_header)
            CHECK_ERR(nn_recvmsg(rep, &description, 0), ENOMEM);
        else
            CHECK_ERR(nn_recv(rep, &received, NN_MSG, 0), ENOMEM);
        CHECK(can_recv(rep));
        CHECK_EQ(statistic(rep, NN_STAT_MESSAGES_RECEIVED), 0);
    }
    limit(RLIM_INFINITY);
    CHECK_EQ(nn_recv(rep, &received, NN_MSG, 0), MEDIUM);
    CHECK(received != NULL && ((char *)received)[0] == 7 && ((char *)received)[MEDIUM - 1] == 7);
    CHECK_EQ(statistic(rep, NN_STAT_MESSAGES_RECEIVED), 1);
    CHECK(!can_recv(rep));
    CHECK_OK(nn_freemsg(received));
    SEND(rep, "answer");
    RECV(req, "answer");
    CLOSE(rep, req);
}

/* A message of NN_MSG comes back whole. Over inproc it would be handed over as it is. */
static void a_message_comes_back(void) {
    int rep = open_socket(NN_REP), req = open_socket(NN_REQ);
    pair_up(INPROC, rep, req);
    leave_mb(20);
    CHECK_ERR(nn_send(req, large, LARGE, 0), ENOMEM);
    SEND(req, "after");
    RECV(rep, "after");
    CLOSE(rep, req);
}

static void write_all(int fd, const char *data, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = send(fd, data + done, length - done, MSG_NOSIGNAL);
        if (count < 0)
            return;
        done += (size_t)count;
    }
}

/* A peer sends, and not only announces, more than there is memory for. */
static void flooded(int transport) {
    int s = open_socket(NN_PAIR), other = open_socket(NN_PAIR);
    set(s, NN_RCVMAXSIZE, -1);
    address a = at(transport);
    BIND(s, a.text);
    leave_mb(20);
    int fd = peer_connect(a.text);
    if (transport == 3) {
        const char *request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n";
        peer_write(fd, request, strlen(request));
        WAIT(connections(s) == 1);
        /* In one frame without an end of the message, so that it must be gathered. */
        const uint8_t head[14] = {0x02, 0xff, 0, 0, 0, 0, 0x12, 0xc0, 0, 0, 0, 0, 0, 0};
        peer_write(fd, head, sizeof(head));
    } else {
        const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0}, length[9] = {1, 0, 0, 0, 0, 0x12, 0xc0, 0, 0};
        peer_write(fd, greeting, sizeof(greeting));
        WAIT(connections(s) == 1);
        peer_write(fd, length + (transport == TCP), sizeof(length) - (transport == TCP));
    }
    write_all(fd, large, LARGE);
    WAIT(connections(s) == 0);
    if (transport != 3)
        CHECK_EQ(statistic(s, NN_STAT_BROKEN_CONNECTIONS), 1);
    close(fd);
    connect_and_wait(other, s, a.text);
    SEND(other, "after");
    RECV(s, "after");
    CLOSE(s, other);
}

/* Runs one test in a process of its own, whose memory can be limited. */
#define APART(call, ...) \
    do { \
        CONTEXT(__VA_ARGS__); \
        pid_t child_ = fork(); \
        if (child_ == 0) { \
            alarm(20); \
            failures = 0; \
            call; \
            _exit(failures != 0); \
        } \
        int status_ = 0; \
        CHECK_EQ(waitpid(child_, &status_, 0), child_); \
        CHECK_EQ(status_, 0); \
    } while (0)

int main(void) {
    start();
    large = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(large != MAP_FAILED);
    APART(messages(), "messages");
    APART(a_message_comes_back(), "a message comes back");
    for (int with_header = 0; with_header < 2; with_header++)
        APART(handing_over(INPROC, with_header), "handing over, %d", with_header);
    for (int t = 0; t < 4; t++) {
        const char *name = transports[t];
        for (int raw = 0; raw < 2; raw++) {
            int domain = raw ? AF_SP_RAW : AF_SP;
            APART(one_way(t, domain, NN_PAIR, NN_PAIR), "%s pair, raw %d", name, raw);
            APART(one_way(t, domain, NN_PULL, NN_PUSH), "%s pipeline, raw %d", name, raw);
            APART(one_way(t, domain, NN_SUB, NN_PUB), "%s pubsub, raw %d", name, raw);
            APART(one_way(t, domain, NN_BUS, NN_BUS), "%s bus, raw %d", name, raw);
        }
        APART(ask(t, NN_REP, NN_REQ), "%s reqrep", name);
        APART(ask(t, NN_RESPONDENT, NN_SURVEYOR), "%s survey", name);
        APART(publish(t, 100), "%s publish", name);
        APART(publish(t, 100000), "%s publish large", name);
        if (t != INPROC)
            APART(flooded(t), "%s flooded", name);
    }
    munmap(large, LARGE);
    return finish();
}
