/* tcp addresses: what bind and connect accept. In the rows P stands for a free port. */
#include "ctest.h"

enum { ONLY_THERE = 1 << 20 };

struct row {
    const char *text;
    int code; /* 0: accepted; with ONLY_THERE: by us, while the reference refuses it so */
};

static const struct row binds[] = {
    {"127.0.0.1:P", 0},
    {"[127.0.0.1]:P", 0},
    {"*:P", 0},
    {"0.0.0.0:P", 0},
    {"127.0.0.1:0P", 0},
    {"127.0.0.1:00000P", 0},
    {"127.0.0.1", EINVAL},
    {"127.0.0.1:", EINVAL},
    {"127.0.0.1:0", ONLY_THERE | EINVAL}, /* any free port */
    {"*:00", ONLY_THERE | EINVAL},
    {"127.0.0.1:65536", EINVAL},
    {"127.0.0.1:1000000", EINVAL},
    {"127.0.0.1:99999999999999999999", EINVAL},
    {"127.0.0.1:+P", EINVAL},
    {"127.0.0.1:-P", EINVAL},
    {"127.0.0.1: P", EINVAL},
    {"127.0.0.1:P ", EINVAL},
    {"127.0.0.1:P/x", EINVAL},
    {"127.0.0.1:abc", EINVAL},
    {"127.0.0.1:0xP", EINVAL},
    {"", EINVAL},
    {"*", EINVAL},
    {"*:", EINVAL},
    {":", EINVAL},
    {"localhost:P", ONLY_THERE | ENODEV}, /* a name */
    {"lo:P", ONLY_THERE | ENODEV},        /* an interface */
    {"eth10000:P", ENODEV},
    {":P", ENODEV},
    {"[*]:P", ENODEV},
    {"127.1:P", ENODEV},
    {"256.1.1.1:P", ENODEV},
    {"127.0.0.1 :P", ENODEV},
    {"[127.0.0.1:P", ENODEV},
    {"127.0.0.1]:P", ENODEV},
    {"127.0.0.1;127.0.0.1:P", ENODEV},
    {"192.0.2.1:P", EADDRNOTAVAIL}, /* reserved for documentation: nobody's */
};
static const struct row binds_ipv4[] = {{"[::1]:P", ENODEV}, {"::1:P", ENODEV}, {"[::ffff:127.0.0.1]:P", ENODEV}};
static const struct row binds_ipv6[] = {{"[::1]:P", 0},           {"::1:P", 0},      {"[::ffff:127.0.0.1]:P", 0},
                                        {"127.0.0.1:P", 0},       {"*:P", 0},        {"[127.0.0.1]:P", 0},
                                        {"fe80::1:P", EINVAL},    {":::P", 0},       {"localhost:P", ONLY_THERE | ENODEV},
                                        {"lo:P", ONLY_THERE | ENODEV},
                                        {"[2001:db8::1]:P", EADDRNOTAVAIL}};

static const struct row connects[] = {
    {"127.0.0.1:P", 0},
    {"[127.0.0.1]:P", 0},
    {"127.0.0.1:0P", 0},
    {"localhost:P", 0},
    {"a-:P", 0},
    {"a.:P", 0},
    {"256.1.1.1:P", 0}, /* a name by its looks */
    {"127.1:P", 0},
    {"0:P", 0},
    {"*;127.0.0.1:P", 0},
    {"127.0.0.1;127.0.0.1:P", 0},
    {"[127.0.0.1];127.0.0.1:P", 0},
    {"127.0.0.1;localhost:P", 0},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:P", 0}, /* a label of 63 */
    {"*:P", EINVAL},
    {":P", EINVAL},
    {"-a:P", EINVAL},
    {"a_b:P", ONLY_THERE | EINVAL}, /* names of containers and directories have underscores */
    {"a b:P", EINVAL},
    {"a..b:P", EINVAL},
    {".a:P", EINVAL},
    {".:P", EINVAL},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:P", EINVAL}, /* of 64 */
    {"abc.123.---.#:P", EINVAL},
    {"[]:P", EINVAL},
    {"[127.0.0.1:P", EINVAL},
    {"127.0.0.1]:P", EINVAL},
    {"[localhost]:P", EINVAL},
    {"127.0.0.1", EINVAL},
    {"localhost", EINVAL},
    {"127.0.0.1:", EINVAL},
    {"127.0.0.1:0", EINVAL},
    {"127.0.0.1:65536", EINVAL},
    {"127.0.0.1:1000000", EINVAL},
    {"127.0.0.1:+P", EINVAL},
    {"127.0.0.1:-P", EINVAL},
    {"127.0.0.1: P", EINVAL},
    {"127.0.0.1:P/x", EINVAL},
    {"127.0.0.1:abc", EINVAL},
    {"", EINVAL},
    {"x;y;127.0.0.1:P", EINVAL},
    {"lo;127.0.0.1", EINVAL}, /* the port is looked at first, */
    {"lo;*:P", EINVAL},       /* then the host, */
    {"eth10000;127.0.0.1:P", ENODEV}, /* the local address last */
    {"lo;127.0.0.1:P", ONLY_THERE | ENODEV},
    {"localhost;127.0.0.1:P", ENODEV},
    {"eth10000;127.0.0.1:P", ENODEV},
    {";127.0.0.1:P", ENODEV},
};
static const struct row connects_ipv4[] = {{"[::1]:P", EINVAL}, {"::1:P", EINVAL}, {"::1;127.0.0.1:P", ENODEV}};
static const struct row connects_ipv6[] = {{"[::1]:P", 0}, {"::1:P", 0}, {"localhost:P", 0}, {"::1;[::1]:P", 0}};

/* "tcp://" and the row with a port for P. */
static address expand(const char *text) {
    address a;
    const char *p = strchr(text, 'P');
    if (p == NULL)
        snprintf(a.text, sizeof(a.text), "tcp://%s", text);
    else
        snprintf(a.text, sizeof(a.text), "tcp://%.*s%d%s", (int)(p - text), text, free_port(), p + 1);
    return a;
}

static bool have_ipv6(void) {
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool have = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
    if (fd >= 0)
        close(fd);
    return have;
}

static void check(int (*call)(int, const char *), const struct row *rows, size_t count, int ipv4only) {
    for (size_t i = 0; i < count; i++) {
        int s = open_socket(NN_PAIR);
        set(s, NN_IPV4ONLY, ipv4only);
        set(s, NN_RECONNECT_IVL, 60000);
        address a = expand(rows[i].text);
        CONTEXT("%s, IPV4ONLY %d, %s", call == nn_bind ? "bind" : "connect", ipv4only, a.text);
        int code = rows[i].code & ONLY_THERE ? (genuine() ? rows[i].code & ~ONLY_THERE : 0) : rows[i].code;
        if (code)
            CHECK_ERR(call(s, a.text), code);
        else
            CHECK_EQ(call(s, a.text), 1);
        CLOSE(s);
    }
}
#define CHECK_ROWS(call, rows, ipv4only) check(call, rows, COUNT(rows), ipv4only)

/* Sockets that should find each other do. */
static void reach(const char *bind_text, const char *connect_text, int ipv4only) {
    CONTEXT("%s from %s", bind_text, connect_text);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    set(a, NN_IPV4ONLY, ipv4only);
    set(b, NN_IPV4ONLY, ipv4only);
    int port = free_port();
    address to, from;
    snprintf(to.text, sizeof(to.text), "tcp://%s:%d", bind_text, port);
    snprintf(from.text, sizeof(from.text), "tcp://%s:%d", connect_text, port);
    BIND(a, to.text);
    connect_and_wait(b, a, from.text);
    SEND(b, "hello");
    RECV(a, "hello");
    CLOSE(a, b);
}

static void taken(void) {
    CONTEXT("taken port");
    int s = open_socket(NN_PAIR), other = open_socket(NN_PAIR);
    address a = bind_fresh(s, TCP), any;
    snprintf(any.text, sizeof(any.text), "tcp://*:%s", strrchr(a.text, ':') + 1);
    CHECK_ERR(nn_bind(s, a.text), EADDRINUSE);
    CHECK_ERR(nn_bind(s, any.text), EADDRINUSE);
    CHECK_ERR(nn_bind(other, any.text), EADDRINUSE);
    CLOSE(s);
    BIND(other, any.text);
    CHECK_ERR(nn_bind(other, a.text), EADDRINUSE);
    CLOSE(other);
}

int main(void) {
    start();
    CHECK_ROWS(nn_bind, binds, 1);
    CHECK_ROWS(nn_bind, binds_ipv4, 1);
    CHECK_ROWS(nn_connect, connects, 1);
    CHECK_ROWS(nn_connect, connects_ipv4, 1);
    taken();
    reach("127.0.0.1", "127.0.0.1", 1);
    reach("*", "127.0.0.1", 1);
    reach("127.0.0.1", "[127.0.0.1]", 1);
    reach("127.0.0.1", "*;127.0.0.1", 1);
    reach("127.0.0.1", "127.0.0.1;127.0.0.1", 1);
    if (!genuine()) {
        reach("lo", "lo;127.0.0.1", 1);
        reach("localhost", "localhost", 1);
    }
    if (have_ipv6()) {
        CHECK_ROWS(nn_bind, binds_ipv6, 0);
        CHECK_ROWS(nn_connect, connects_ipv6, 0);
        reach("[::1]", "[::1]", 0);
        reach("::1", "::1", 0);
        reach("*", "::1", 0);
        if (!genuine()) { /* the reference aborts */
            reach("*", "127.0.0.1", 0);
            reach("127.0.0.1", "127.0.0.1", 0);
        }
    }
    return finish();
}
