/* Addresses that nanomsg does not have: names without a file, other names of ipc and tcp. */
#include "wire.h"

#include <millrace/options.h>

static bool has_ipv6(void) {
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
    close(fd);
    return has;
}

/* Binds one address and connects to another. */
static void meet(const char *bound, const char *connected) {
    CONTEXT("%s, %s", bound, connected);
    int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
    BIND(s, bound);
    connect_and_wait(peer, s, connected);
    SEND(peer, "hello");
    RECV(s, "hello");
    SEND(s, "hello yourself");
    RECV(peer, "hello yourself");
    CLOSE(s, peer);
}

static address other_name(const char *scheme, const char *text) {
    address a;
    snprintf(a.text, sizeof(a.text), "%s%s", scheme, strstr(text, "://"));
    return a;
}

/* unix:// is ipc:// by another name: the same file, the same bytes. */
static void unix_paths(void) {
    address a = fresh(IPC), b = other_name("unix", a.text);
    meet(a.text, b.text);
    meet(b.text, a.text);
    meet(b.text, b.text);
    int s = open_socket(NN_PAIR);
    BIND(s, b.text);
    CHECK_OK(access(a.text + strlen("ipc://"), F_OK));
    CHECK_ERR(nn_bind(s, a.text), EADDRINUSE);
    CLOSE(s);
    CHECK_ERR(access(a.text + strlen("ipc://"), F_OK), ENOENT);
}

/* ---- names without a file ----------------------------------------------------------------------------------------- */

static int raw_abstract(const char *name, size_t length, bool listens) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path + 1, name, length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listens) {
        CHECK_OK(bind(fd, (struct sockaddr *)&to, size));
        CHECK_OK(listen(fd, 10));
    } else
        CHECK_OK(connect(fd, (struct sockaddr *)&to, size));
    return peer_limited(fd);
}

static void abstract_names(void) {
    char url[NN_SOCKADDR_MAX], name[64];
    int s = open_socket(NN_PAIR);
    CONTEXT("abstract: who listens finds the name by its bytes");
    int length = snprintf(name, sizeof(name), "millrace%c%d%%", 0, (int)getpid());
    snprintf(url, sizeof(url), "abstract://millrace%%00%d%%25", (int)getpid());
    int id = BIND(s, url), fd = raw_abstract(name, (size_t)length, false);
    peer_greet(fd, NN_PAIR);
    WAIT(connections(s) == 1);
    peer_write(fd, "\1\0\0\0\0\0\0\0\2hi", 11);
    RECV(s, "hi");
    close(fd);
    CHECK_ERR(nn_bind(s, url), EADDRINUSE);
    CHECK_OK(nn_shutdown(s, id));
    CONTEXT("abstract: the name is free again, and connectors find who has it");
    fd = raw_abstract(name, (size_t)length, true);
    CONNECT(s, url);
    int accepted = peer_accept(fd);
    peer_greet(accepted, NN_PAIR);
    WAIT(connections(s) == 1);
    close(accepted);
    close(fd);
    CLOSE(s);

    static const char *const bad[] = {"abstract://", "abstract://%", "abstract://a%4", "abstract://%zz", "abstract://100%"};
    s = open_socket(NN_PAIR);
    for (size_t i = 0; i < COUNT(bad); i++) {
        CONTEXT("%s", bad[i]);
        CHECK_ERR(nn_bind(s, bad[i]), EINVAL);
        CHECK_ERR(nn_connect(s, bad[i]), EINVAL);
    }
    snprintf(url, sizeof(url), "abstract://%0*d", 108, (int)getpid());
    CHECK_ERR(nn_bind(s, url), ENAMETOOLONG);
    CHECK_ERR(nn_connect(s, url), ENAMETOOLONG);
    CLOSE(s);
    snprintf(url, sizeof(url), "abstract://%0*d", 107, (int)getpid());
    meet(url, url);
}

/* ---- one family only ---------------------------------------------------------------------------------------------- */

static void families(void) {
    char any4[64], any6[64], to4[64], to6[64];
    int port = free_port();
    snprintf(any4, sizeof(any4), "tcp4://*:%d", port);
    snprintf(any6, sizeof(any6), "tcp6://*:%d", port);
    snprintf(to4, sizeof(to4), "tcp://127.0.0.1:%d", port);
    snprintf(to6, sizeof(to6), "tcp6://[::1]:%d", port);
    meet(any4, to4);
    snprintf(to4, sizeof(to4), "tcp4://localhost:%d", port);
    meet(any4, to4);

    static const char *const bad_to_bind[] = {"tcp4://[::1]:1", "tcp6://127.0.0.1:1", "tcp6://[127.0.0.1]:1"};
    static const char *const bad_to_connect[] = {"tcp4://[::1]:1", "tcp6://127.0.0.1:1", "tcp6://[127.0.0.1]:1",
                                                 "tcp4://[fe80::1%lo]:1", "tcp4://*:1", "tcp6://*:1"};
    int s = open_socket(NN_PAIR), both = open_socket(NN_PAIR);
    set(both, NN_IPV4ONLY, 0); /* the scheme decides, not the option */
    for (size_t i = 0; i < COUNT(bad_to_bind); i++) {
        CONTEXT("%s", bad_to_bind[i]);
        CHECK_ERR(nn_bind(both, bad_to_bind[i]), ENODEV);
    }
    for (size_t i = 0; i < COUNT(bad_to_connect); i++) {
        CONTEXT("%s", bad_to_connect[i]);
        CHECK_ERR(nn_connect(both, bad_to_connect[i]), EINVAL);
    }
    CHECK_EQ(get(s, NN_IPV4ONLY), 1);
    if (has_ipv6()) {
        meet(any6, to6);
        CONTEXT("each family has its own listener");
        int id = BIND(s, any4);
        CHECK(id > 0);
        BIND(both, any6);
        CLOSE(s);
        s = open_socket(NN_PAIR);
        connect_and_wait(s, both, to6);
        /* Brackets and scopes, in the form of files and in that of URLs (RFC 6874). */
        static const char *const scoped[] = {"tcp6://[::1%%lo]:%d", "tcp6://[::1%%25lo]:%d", "tcp6://::1:%d"};
        for (size_t i = 0; i < COUNT(scoped); i++) {
            char url[64];
            snprintf(url, sizeof(url), scoped[i], free_port());
            meet(url, url);
        }
    } else {
        fprintf(stderr, "skipped: this machine has no IPv6\n");
        CHECK_ERR(nn_bind(both, any6), EAFNOSUPPORT);
    }
    CLOSE(s, both);
}

int main(void) {
    start();
    unix_paths();
    abstract_names();
    families();
    return finish();
}
