/* The network as it is: names with several addresses, no IPv6, ports that the system chooses, peers that do not answer, peers that
 * are gone without a word. */
#include "tls.h"
#include "wire.h"

#include <millrace/monitor.h>
#include <millrace/options.h>
#include <millrace/tls.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- the system's resolver and sockets, as a test wants them ---------------------------------------------------- */

static const char *known[3]; /* the addresses of every name; none: no such name */
static bool without_ipv6;
static atomic_bool accepting_waits; /* whoever accepts is held up before he does */

static struct addrinfo *entry(const char *ip, struct addrinfo *next) {
    struct addrinfo *entry = calloc(1, sizeof(*entry) + sizeof(struct sockaddr_in6));
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(entry + 1);
    struct sockaddr_in *v4 = (struct sockaddr_in *)(entry + 1);
    entry->ai_next = next;
    entry->ai_socktype = SOCK_STREAM;
    entry->ai_addr = (struct sockaddr *)v6;
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        entry->ai_addrlen = sizeof(*v4);
    } else {
        v6->sin6_family = AF_INET6;
        inet_pton(AF_INET6, ip, &v6->sin6_addr);
        entry->ai_addrlen = sizeof(*v6);
    }
    entry->ai_family = entry->ai_addr->sa_family;
    return entry;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
    (void)node, (void)service, (void)hints;
    *list = NULL;
    for (int i = COUNT(known) - 1; i >= 0; i--)
        if (known[i] != NULL)
            *list = entry(known[i], *list);
    return *list == NULL ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *list) {
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

int socket(int domain, int type, int protocol) {
    if (without_ipv6 && domain == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, domain, type, protocol);
}

int accept4(int fd, struct sockaddr *peer, socklen_t *length, int flags) {
    while (accepting_waits)
        pause_ms(1);
    return (int)syscall(SYS_accept4, fd, peer, length, flags);
}

static struct nnx_event last;

/* The next event of this kind. */
static void next_event(int m, int kind) {
    do
        CHECK_OK(nnx_monitor_next(m, &last, sizeof(last), patience()));
    while (last.kind != kind && last.kind != 0);
    CHECK_EQ(last.kind, kind);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* The first address refuses, or cannot even be tried: the others have their turn in the same attempt. */
static void several_addresses(void) {
    static const char *const first[] = {"127.0.0.77", "::1", "127.255.255.255"};
    for (size_t i = 0; i < COUNT(first); i++)
        for (int ws = 0; ws < 2; ws++) {
            CONTEXT("%s before 127.0.0.1, %s", first[i], ws ? "ws" : "tcp");
            known[0] = first[i];
            known[1] = "127.0.0.1";
            int server = open_socket(NN_PAIR), client = open_socket(NN_PAIR), port = free_port();
            set(client, NN_IPV4ONLY, i != 1);
            set(client, NN_RECONNECT_IVL, 100000);
            set(client, NN_CONNECT_TIMEOUT, 1000);
            char url[64];
            snprintf(url, sizeof(url), "%s://127.0.0.1:%d", ws ? "ws" : "tcp", port);
            BIND(server, url);
            snprintf(url, sizeof(url), "%s://two_hosts.example:%d", ws ? "ws" : "tcp", port);
            connect_and_wait(client, server, url);
            CHECK_EQ(statistic(client, NN_STAT_CONNECT_ERRORS), 0);
            CHECK_EQ(statistic(client, NN_STAT_CURRENT_EP_ERRORS), 0);
            SEND(client, "found");
            RECV(server, "found");
            CLOSE(server, client);
        }
    memset(known, 0, sizeof(known));
}

/* All addresses refuse: that is one failed attempt, the first of many. */
static void no_address_answers(void) {
    CONTEXT("no address answers");
    known[0] = "127.0.0.77";
    known[1] = "127.0.0.78";
    int s = open_socket(NN_PAIR);
    char url[64];
    snprintf(url, sizeof(url), "tcp://two.example:%d", free_port());
    set(s, NN_RECONNECT_IVL, 100000);
    CONNECT(s, url);
    WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) == 2); /* at once, and once more at once */
    CHECK_EQ(statistic(s, NN_STAT_CURRENT_EP_ERRORS), 1);
    WAIT(statistic(s, NN_STAT_INPROGRESS_CONNECTIONS) == 0);
    CLOSE(s);
    memset(known, 0, sizeof(known));
}

/* Each address that fails is told by itself, in the order in which they were tried, also if they fail at once. */
static void failures_in_order(void) {
    CONTEXT("failures in order");
    static const char *const tried[] = {"127.255.255.255", "255.255.255.255", "127.0.0.77"};
    char url[64], peer[64];
    int s = open_socket(NN_PAIR), m = nnx_monitor(s), port = free_port();
    memcpy(known, tried, sizeof(known));
    set(s, NN_RECONNECT_IVL, 100000);
    snprintf(url, sizeof(url), "tcp://three.example:%d", port);
    CONNECT(s, url);
    for (size_t i = 0; i < COUNT(tried); i++) {
        next_event(m, NN_EVENT_CONNECT_FAILED);
        snprintf(peer, sizeof(peer), "%s:%d", tried[i], port);
        CHECK(strcmp(last.peer, peer) == 0);
        CHECK(last.error != 0);
        CHECK_EQ(last.retry, i == 2 ? 0 : -1);
    }
    CLOSE(s);
    CHECK_OK(nnx_monitor_close(m));
    memset(known, 0, sizeof(known));
}

/* A name that is not known counts once, however often it is asked for, and not when its endpoint is gone. */
static void unknown_name(void) {
    CONTEXT("unknown name");
    int s = open_socket(NN_PAIR), m = nnx_monitor(s);
    set(s, NN_RECONNECT_IVL, 1);
    CHECK_ERR(nn_bind(s, "tcp://unknown.example:5555"), ENODEV);
    int id = CONNECT(s, "tcp://unknown.example:5555");
    WAIT(statistic(s, NN_STAT_CURRENT_EP_ERRORS) == 1);
    next_event(m, NN_EVENT_CONNECT_FAILED);
    CHECK_EQ(last.error, EHOSTUNREACH);
    CHECK(strstr(last.reason, "name is not known") != NULL && last.peer[0] == 0);
    char description[8192];
    CHECK(nnx_describe(s, description, sizeof(description)) > 0);
    CHECK(strstr(description, "\"last_error\":\"the host's name is not known") != NULL);
    CHECK_OK(nnx_monitor_close(m));
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(statistic(s, NN_STAT_CURRENT_EP_ERRORS), 1);
        pause_ms(1);
    }
    int other = CONNECT(s, "ws://unknown.example:5555");
    WAIT(statistic(s, NN_STAT_CURRENT_EP_ERRORS) == 2);
    CHECK_OK(nn_shutdown(s, id));
    CHECK_EQ(statistic(s, NN_STAT_CURRENT_EP_ERRORS), 1);
    CHECK_OK(nn_shutdown(s, other));
    CHECK_EQ(statistic(s, NN_STAT_CURRENT_EP_ERRORS), 0);
    CLOSE(s);
}

static void no_ipv6(void) {
    CONTEXT("no IPv6");
    without_ipv6 = true;
    known[0] = "::1";
    known[1] = "127.0.0.1";
    int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR), port = free_port();
    set(s, NN_IPV4ONLY, 0);
    set(peer, NN_IPV4ONLY, 0);
    set(peer, NN_RECONNECT_IVL, 100000);
    char url[64];
    snprintf(url, sizeof(url), "tcp://*:%d", port);
    int id = BIND(s, url);
    CHECK_ERR(nn_bind(peer, url), EADDRINUSE);
    snprintf(url, sizeof(url), "tcp://both.example:%d", port);
    connect_and_wait(peer, s, url);
    CHECK_OK(nn_shutdown(s, id));
    BIND(s, url); /* a name of which one address is of no use */
    CHECK_ERR(nn_bind(s, "tcp://[::1]:5555"), EAFNOSUPPORT);
    CLOSE(s, peer);
    without_ipv6 = false;
    memset(known, 0, sizeof(known));
}

/* ---- ports ------------------------------------------------------------------------------------------------------ */

static void last_endpoint_is(int s, const char *expected) {
    char text[NN_SOCKADDR_MAX] = "x";
    size_t length = sizeof(text);
    CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, NN_LAST_ENDPOINT, text, &length));
    CHECK_EQ(length, strlen(expected));
    CHECK_BYTES(text, expected, strlen(expected));
}

/* Where port 0 was bound, and any other address, can be learned. */
static void last_endpoint(void) {
    known[0] = "127.0.0.1"; /* localhost, too */
    static const char *const urls[] = {"tcp://127.0.0.1:0", "tcp://*:0", "tcp://lo:0", "ws://localhost:0"};
    for (size_t i = 0; i < COUNT(urls); i++) {
        CONTEXT("last endpoint, %s", urls[i]);
        int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
        char text[NN_SOCKADDR_MAX] = "x", to[NN_SOCKADDR_MAX];
        size_t length = sizeof(text);
        last_endpoint_is(s, "");
        BIND(s, urls[i]);
        CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, NN_LAST_ENDPOINT, text, &length));
        CHECK_EQ(length, strlen(text));
        const char *port = strrchr(text, ':');
        CHECK_BYTES(text, urls[i], (size_t)(port + 1 - text));
        CHECK(atoi(port + 1) > 0);
        snprintf(to, sizeof(to), "%.*s127.0.0.1%s", (int)(strstr(text, "//") + 2 - text), text, port);
        connect_and_wait(peer, s, to);
        CHECK_ERR(nn_bind(peer, "tcp://127.0.0.1:65536"), EINVAL); /* changes nothing */
        address other = bind_fresh(s, INPROC);
        last_endpoint_is(s, other.text);
        CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_LAST_ENDPOINT, &(int){1}, sizeof(int)), ENOPROTOOPT);
        CLOSE(s, peer);
    }
    memset(known, 0, sizeof(known));
}

/* A port that an outgoing connection has, or has just had, can be bound. */
static void port_of_a_connection(int ws) {
    CONTEXT("port of a connection, %s", ws ? "ws" : "tcp");
    address a = fresh(TCP);
    int listener = peer_listen(a.text), s = open_socket(NN_PAIR), other = open_socket(NN_PAIR);
    char url[NN_SOCKADDR_MAX];
    snprintf(url, sizeof(url), "%s%s", ws ? "ws" : "tcp", strchr(a.text, ':'));
    CONNECT(s, url);
    int fd = peer_accept(listener);
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    CHECK_OK(getpeername(fd, (struct sockaddr *)&peer, &length));
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", ntohs(peer.sin_port));
    int id = BIND(other, url); /* it is connected */
    CHECK_OK(nn_shutdown(other, id));
    close(listener);
    CLOSE(s); /* who closes first is left with the port */
    CHECK(peer_hung_up(fd));
    close(fd);
    BIND(other, url);
    CLOSE(other);
}

/* ---- who has gone before he was accepted ------------------------------------------------------------------------ */

/* Connects, sends what would be a whole conversation, and resets the connection. */
static void hit_and_run(int port, const char *bytes, size_t length) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger at_once = {1, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(connect(fd, (struct sockaddr *)&to, sizeof(to)));
    CHECK_EQ(write(fd, bytes, length), length);
    CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
    CHECK_OK(close(fd));
}

static int port_of(int fd) {
    struct sockaddr_in name;
    socklen_t length = sizeof(name);
    CHECK_OK(getsockname(fd, (struct sockaddr *)&name, &length));
    return ntohs(name.sin_port);
}

/* The address of such a peer is known only from accept(2): it is judged by that, and named in what is told. */
static void hit_and_run_is_judged(const char *scheme, bool allowed) {
    CONTEXT("reset before it was accepted: %s, %s", scheme, allowed ? "allowed" : "not allowed");
    static const char http[] = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Protocol: pull.sp.nanomsg.org\r\n\r\n\x82\x84\0\0\0\0evil";
    static const char sp[] = "\0SP\0\0\x50\0\0\0\0\0\0\0\0\0\4evil";
    bool ws = strcmp(scheme, "ws") == 0, given = strcmp(scheme, "fd") == 0;
    bool secure = strcmp(scheme, "tls+tcp") == 0 || strcmp(scheme, "wss") == 0;
    char url[64], text[8];
    int s = open_socket(NN_PULL), m = nnx_monitor(s), listener = -1, port = free_port();
    const char *from = allowed ? "127.0.0.0/8" : "10.0.0.0/8";
    CHECK_OK(nn_setsockopt(s, NN_SOL_SOCKET, NN_ACCEPT_FROM, from, strlen(from)));
    if (secure) { /* it goes before there is a handshake */
        CHECK_OK(nn_setsockopt(s, NN_TLS, NN_TLS_CERT, certificate, strlen(certificate)));
        CHECK_OK(nn_setsockopt(s, NN_TLS, NN_TLS_KEY, private_key, strlen(private_key)));
    }
    snprintf(url, sizeof(url), "%s://127.0.0.1:%d", scheme, port);
    if (given) {
        listener = peer_listen("tcp://127.0.0.1:0");
        port = port_of(listener);
        snprintf(url, sizeof(url), "fd://%d", listener);
    }
    BIND(s, url);
    accepting_waits = true;
    hit_and_run(port, ws ? http : sp, ws ? sizeof(http) - 1 : sizeof(sp) - 1);
    accepting_waits = false;
    next_event(m, allowed ? NN_EVENT_ACCEPTED : NN_EVENT_REFUSED);
    CHECK(strncmp(last.peer, "127.0.0.1:", 10) == 0);
    if (!allowed) {
        CHECK_EQ(last.error, EACCES);
        CHECK(strstr(last.reason, "NN_ACCEPT_FROM") != NULL);
        CHECK_EQ(statistic(s, NN_STAT_ACCEPTED_CONNECTIONS), 0);
        CHECK_EQ(statistic(s, NN_STAT_DROPPED_CONNECTIONS), 1);
        CHECK_ERR(nn_recv(s, text, sizeof(text), NN_DONTWAIT), EAGAIN);
    }
    CLOSE(s);
    CHECK_OK(nnx_monitor_close(m));
    if (given)
        close(listener);
}

/* ---- silence ---------------------------------------------------------------------------------------------------- */

/* A listener whose queue is full drops what comes, as a firewall or a dead network does. */
static int deaf_listener(address *a, int fillers[3]) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(fd, (struct sockaddr *)&name, length));
    CHECK_OK(listen(fd, 0));
    CHECK_OK(getsockname(fd, (struct sockaddr *)&name, &length));
    for (int i = 0; i < 3; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&name, length);
    }
    struct tcp_info info = {0};
    length = sizeof(info);
    WAIT(getsockopt(fillers[0], IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_ESTABLISHED);
    snprintf(a->text, sizeof(a->text), "tcp://127.0.0.1:%d", ntohs(name.sin_port));
    return fd;
}

static void nobody_answers(void) {
    CONTEXT("nobody answers");
    address a;
    int fillers[3], listener = deaf_listener(&a, fillers), s = open_socket(NN_PAIR);
    CHECK_EQ(get(s, NN_CONNECT_TIMEOUT), 10000);
    set(s, NN_CONNECT_TIMEOUT, 20);
    set(s, NN_RECONNECT_IVL, 5);
    CONNECT(s, a.text);
    WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 3);
    CHECK_EQ(statistic(s, NN_STAT_CURRENT_EP_ERRORS), 1);
    CHECK_EQ(statistic(s, NN_STAT_ESTABLISHED_CONNECTIONS), 0);
    set(s, NN_CONNECT_TIMEOUT, -1); /* from the next attempt on */
    for (int i = 0; i < 3; i++)
        close(fillers[i]);
    peer_limited(listener);
    for (int i = 0; i < 100; i++) { /* whoever waits in the queue is taken out, until it is our socket's turn */
        uint8_t greeting[8];
        int fd = peer_accept(listener);
        if (fd < 0 || peer_read(fd, greeting, 8) == 8) {
            peer_greet(fd, NN_PAIR);
            WAIT(connections(s) == 1);
            i = 100;
        }
        close(fd);
    }
    close(listener);
    CLOSE(s);
}

/* ---- keep-alive ------------------------------------------------------------------------------------------------- */

static int option_of(int fd, int level, int option) {
    int value = -1;
    socklen_t length = sizeof(value);
    CHECK_OK(getsockopt(fd, level, option, &value, &length));
    return value;
}

/* Calls a function with each of this process's connections over tcp, and gives their number. */
static int each_connection(void (*look)(int fd, int time), int time) {
    int found = 0;
    for (int fd = 3; fd < 200; fd++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0 && peer.sin_family == AF_INET) {
            look(fd, time);
            found++;
        }
    }
    return found;
}

static void keeps_alive(int fd, int time) {
    CHECK_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), time != 0);
    if (time != 0) {
        CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), time);
        CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), time / 4 > 1 ? time / 4 : 1);
        CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
    }
}

static void keepalive_options(void) {
    static const int rows[][2] = {{60000, 60}, {0, 0}, {1, 1}, {2500, 3}, {20000, 20}, {0x7fffffff, 32767}};
    for (int ws = 0; ws < 2; ws++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            CONTEXT("keep-alive %d, %s", rows[i][0], ws ? "ws" : "tcp");
            int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
            CHECK_EQ(get(s, NN_KEEPALIVE), 60000);
            set(s, NN_KEEPALIVE, rows[i][0]);
            set(peer, NN_KEEPALIVE, rows[i][0]);
            char url[64];
            snprintf(url, sizeof(url), "%s://127.0.0.1:%d", ws ? "ws" : "tcp", free_port());
            BIND(s, url);
            connect_and_wait(peer, s, url);
            CHECK_EQ(each_connection(keeps_alive, rows[i][1]), 2);
            CLOSE(s, peer);
        }
    int s = open_socket(NN_PAIR), bad = -1;
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_KEEPALIVE, &bad, sizeof(bad)), EINVAL);
    for (bad = -2; bad < 1; bad += 2)
        CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_CONNECT_TIMEOUT, &bad, sizeof(bad)), EINVAL);
    CLOSE(s);
}

/* The other end goes without a word, as if its machine had lost power: who only receives learns of it, and comes back. */
static void silent_death(void) {
    CONTEXT("silent death");
    address a = fresh(TCP);
    int listener = peer_listen(a.text), s = open_socket(NN_SUB), on = 1;
    set(s, NN_KEEPALIVE, 1000);
    CHECK_OK(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
    CONNECT(s, a.text);
    int fd = peer_accept(listener);
    peer_write(fd, "\0SP\0\0\x20\0\0", 8);
    WAIT(connections(s) == 1);
    if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) != 0) {
        fprintf(stderr, "skipped: to let a connection vanish takes CAP_NET_ADMIN (%s)\n", strerror(errno));
        close(fd);
    } else {
        close(fd); /* so nothing is said */
        WAIT(statistic(s, NN_STAT_BROKEN_CONNECTIONS) == 1);
        fd = peer_accept(listener);
        peer_write(fd, "\0SP\0\0\x20\0\0", 8);
        WAIT(connections(s) == 1);
        close(fd);
    }
    close(listener);
    CLOSE(s);
}

/* ---- itself ----------------------------------------------------------------------------------------------------- */

static bool enter_network_of_few_ports(void) {
    struct ifreq loopback = {.ifr_name = "lo"};
    int fd;
    if (unshare(CLONE_NEWNET) != 0 || (fd = socket(AF_INET, SOCK_DGRAM, 0)) < 0)
        return false;
    loopback.ifr_flags = IFF_UP;
    bool done = ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
    close(fd);
    fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY);
    done = done && write(fd, "40000 40007", 11) == 11;
    close(fd);
    return done;
}

/* Where few ports are to be had, whoever connects to one of them at which nobody listens is soon connected to itself. */
static void itself(int ws) {
    CONTEXT("itself, %s", ws ? "ws" : "tcp");
    int s = open_socket(NN_BUS), server = open_socket(NN_BUS);
    const char *url = ws ? "ws://127.0.0.1:40002" : "tcp://127.0.0.1:40002";
    set(s, NN_RECONNECT_IVL, 1);
    CONNECT(s, url);
    WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 100);
    CHECK_EQ(statistic(s, NN_STAT_ESTABLISHED_CONNECTIONS), 0);
    BIND(server, url);
    WAIT(connections(s) == 1 && connections(server) == 1);
    CLOSE(s, server);
}

static void elsewhere(void) {
    CONTEXT("few ports");
    pid_t child = fork();
    if (child == 0) {
        if (!enter_network_of_few_ports()) {
            fprintf(stderr, "skipped: a network of one's own takes CAP_SYS_ADMIN (%s)\n", strerror(errno));
            _exit(0);
        }
        itself(0);
        itself(1);
        _exit(failures != 0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

int main(void) {
    start();
    elsewhere();
    several_addresses();
    no_address_answers();
    failures_in_order();
    unknown_name();
    for (int allowed = 0; allowed < 2; allowed++) {
        hit_and_run_is_judged("tcp", allowed);
        hit_and_run_is_judged("ws", allowed);
        hit_and_run_is_judged("fd", allowed);
        hit_and_run_is_judged("tls+tcp", allowed);
        hit_and_run_is_judged("wss", allowed);
    }
    no_ipv6();
    last_endpoint();
    port_of_a_connection(0);
    port_of_a_connection(1);
    nobody_answers();
    keepalive_options();
    silent_death();
    return finish();
}
