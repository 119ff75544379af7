/* Addresses that nanomsg does not have: names without a file, other names of ipc and tcp. */
#include "wire.h"

#include <millrace/options.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>

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

/* ---- who may come, and how ---------------------------------------------------------------------------------------- */

static void set_text(int s, int option, const char *text) {
    CHECK_OK(nn_setsockopt(s, NN_SOL_SOCKET, option, text, strlen(text)));
}

static void set_ipc(int s, int option, int value) {
    CHECK_OK(nn_setsockopt(s, NN_IPC, option, &value, sizeof(value)));
}

static void permissions(void) {
    static const int modes[] = {0600, 0660, 0666, 0777, 0, -1};
    mode_t before = umask(027);
    for (size_t i = 0; i < COUNT(modes); i++) {
        CONTEXT("mode %o", (unsigned)modes[i]);
        int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
        address a = fresh(IPC);
        struct stat status;
        set_ipc(s, NN_IPC_MODE, modes[i]);
        set_ipc(s, NN_IPC_OWNER, (int)geteuid());
        set_ipc(s, NN_IPC_GROUP, (int)getegid());
        BIND(s, a.text);
        CHECK_OK(stat(a.text + strlen("ipc://"), &status));
        CHECK_EQ(status.st_mode & 0777, modes[i] < 0 ? 0750 : modes[i]);
        if (modes[i] != 0)
            connect_and_wait(peer, s, a.text);
        CLOSE(s, peer);
    }
    umask(before);
    CONTEXT("owner");
    int s = open_socket(NN_PAIR);
    address a = fresh(IPC);
    set_ipc(s, NN_IPC_OWNER, 12345);
    set_ipc(s, NN_IPC_GROUP, 12346);
    if (geteuid() == 0) {
        struct stat status;
        BIND(s, a.text);
        CHECK_OK(stat(a.text + strlen("ipc://"), &status));
        CHECK_EQ(status.st_uid, 12345);
        CHECK_EQ(status.st_gid, 12346);
    } else {
        CHECK_ERR(nn_bind(s, a.text), EPERM);
        CHECK_ERR(access(a.text + strlen("ipc://"), F_OK), ENOENT);
    }
    static const int bad[][2] = {{NN_IPC_MODE, -2}, {NN_IPC_MODE, 01000}, {NN_IPC_OWNER, -2}, {NN_IPC_GROUP, -2}};
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK_ERR(nn_setsockopt(s, NN_IPC, bad[i][0], &bad[i][1], sizeof(int)), EINVAL);
    CLOSE(s);
}

static bool nobody_may_give_away;
static int locks_refused;

int lchown(const char *path, uid_t owner, gid_t group) {
    if (nobody_may_give_away) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_lchown, path, owner, group);
}

int flock(int fd, int operation) {
    int outcome = (int)syscall(SYS_flock, fd, operation);
    locks_refused += outcome != 0;
    return outcome;
}

/* What cannot be given away is gone again at once: whoever removes the file does not wait for a lock of his own. */
static void not_given_away(void) {
    CONTEXT("not given away");
    int s = open_socket(NN_PAIR);
    address a = fresh(IPC);
    nobody_may_give_away = true;
    locks_refused = 0;
    set_ipc(s, NN_IPC_OWNER, 12345);
    CHECK_ERR(nn_bind(s, a.text), EPERM);
    CHECK_EQ(locks_refused, 0);
    CHECK_ERR(access(a.text + strlen("ipc://"), F_OK), ENOENT);
    nobody_may_give_away = false;
    set_ipc(s, NN_IPC_OWNER, -1);
    BIND(s, a.text);
    CLOSE(s);
}

static void allowed_networks(void) {
    for (int ws = 0; ws < 2; ws++) {
        CONTEXT("allowed networks, %s", ws ? "ws" : "tcp");
        int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR), other = open_socket(NN_PAIR), port = free_port();
        char url[64], from[64], text[8];
        size_t length = sizeof(text);
        snprintf(url, sizeof(url), "%s://*:%d", ws ? "ws" : "tcp", port);
        set_text(s, NN_ACCEPT_FROM, "10.0.0.0/8, 127.0.1.0/24");
        BIND(s, url);
        set_text(s, NN_ACCEPT_FROM, ""); /* it was taken over */
        CHECK_OK(nn_getsockopt(s, NN_SOL_SOCKET, NN_ACCEPT_FROM, text, &length));
        CHECK_EQ(length, 0);
        snprintf(from, sizeof(from), "%s://127.0.0.1;127.0.0.1:%d", ws ? "ws" : "tcp", port);
        set(other, NN_RECONNECT_IVL, 5);
        CONNECT(other, from);
        WAIT(statistic(s, NN_STAT_DROPPED_CONNECTIONS) >= 3);
        CHECK_EQ(statistic(s, NN_STAT_ACCEPTED_CONNECTIONS), 0);
        CHECK_EQ(connections(other), 0);
        snprintf(from, sizeof(from), "%s://127.0.1.9;127.0.0.1:%d", ws ? "ws" : "tcp", port);
        connect_and_wait(peer, s, from);
        SEND(peer, "let in");
        RECV(s, "let in");
        CLOSE(s, peer, other);
    }
    int s = open_socket(NN_PAIR);
    static const char *const bad[] = {"localhost", ",", " ", ", ,", "10.0.0.0/+32", "10.0.0.0/08"};
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_ACCEPT_FROM, bad[i], strlen(bad[i])), EINVAL);
    CONTEXT("allowed networks, IPv4 within IPv6");
    int peer = open_socket(NN_PAIR);
    set_text(s, NN_ACCEPT_FROM, "::ffff:127.0.0.1");
    address a = bind_fresh(s, TCP);
    connect_and_wait(peer, s, a.text);
    CLOSE(peer);
    CLOSE(s);
}

static void limit_of_connections(void) {
    for EACH_OS_TRANSPORT (t) {
        CONTEXT("limit of connections, transport %d", t);
        int s = open_socket(NN_PULL), two[2], third = open_socket(NN_PUSH);
        set(s, NN_ACCEPT_MAX, 2);
        address a = bind_fresh(s, t);
        for (int i = 0; i < 2; i++) {
            two[i] = open_socket(NN_PUSH);
            CONNECT(two[i], a.text);
            WAIT(connections(s) == i + 1);
        }
        set(third, NN_RECONNECT_IVL, 5);
        CONNECT(third, a.text);
        WAIT(statistic(s, NN_STAT_DROPPED_CONNECTIONS) >= 2);
        CHECK_EQ(connections(s), 2);
        CLOSE(two[0]); /* there is room */
        SEND(third, "at last");
        RECV(s, "at last");
        CHECK_EQ(connections(s), 2);
        CLOSE(s, two[1], third);
    }
    int s = open_socket(NN_PULL), bad = 0;
    CHECK_EQ(get(s, NN_ACCEPT_MAX), -1);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_ACCEPT_MAX, &bad, sizeof(bad)), EINVAL);
    CLOSE(s);
}

/* What the system has been told of each of this process's connections over tcp. */
static int count_connections_with(int level, int option, int wanted) {
    int found = 0;
    for (int fd = 3; fd < 200; fd++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof(peer), size = sizeof(int);
        int value = -1;
        if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0 && peer.sin_family == AF_INET &&
            getsockopt(fd, level, option, &value, &size) == 0 && value == wanted)
            found++;
    }
    return found;
}

/* The class is that of the first packet, too: of the one that asks for the connection, and of the answer, which a listener gives. */
static void first_packets(void) {
    for (int ws = 0; ws < 2; ws++) {
        CONTEXT("class of the first packets, %s", ws ? "ws" : "tcp");
        address a = fresh(TCP);
        int s = open_socket(NN_PAIR), listener = peer_listen(a.text), on = 1, found = 0;
        uint8_t syn[256] = {0};
        socklen_t length = sizeof(syn);
        char url[64];
        CHECK_OK(setsockopt(listener, IPPROTO_TCP, TCP_SAVE_SYN, &on, sizeof(on)));
        set(s, NN_DSCP, 46);
        snprintf(url, sizeof(url), "%s%s", ws ? "ws" : "tcp", strchr(a.text, ':'));
        CONNECT(s, url);
        int fd = peer_accept(listener);
        CHECK_OK(getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, syn, &length));
        CHECK_EQ(syn[0] >> 4, 4);
        CHECK_EQ(syn[1], 46 << 2);
        close(fd);
        close(listener);
        BIND(s, ws ? "ws://127.0.0.1:0" : "tcp://*:0");
        for (fd = 3; fd < 200; fd++) {
            int listens = 0, class = -1;
            socklen_t one = sizeof(listens), other = sizeof(class);
            found += getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &one) == 0 && listens &&
                     getsockopt(fd, IPPROTO_IP, IP_TOS, &class, &other) == 0 && class == 46 << 2;
        }
        CHECK_EQ(found, 1);
        CLOSE(s);
    }
}

static void kernel_options(void) {
    for (int ws = 0; ws < 2; ws++) {
        CONTEXT("kernel options, %s", ws ? "ws" : "tcp");
        int s = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
        char url[64];
        snprintf(url, sizeof(url), "%s://127.0.0.1:%d", ws ? "ws" : "tcp", free_port());
        for (int i = 0; i < 2; i++) {
            int each = i == 0 ? s : peer;
            CHECK_EQ(get(each, NN_DSCP), -1);
            CHECK_EQ(get(each, NN_TCP_USER_TIMEOUT), 0);
            set(each, NN_DSCP, 46);
            set(each, NN_TCP_USER_TIMEOUT, 12345);
            set_text(each, NN_BIND_DEVICE, "lo");
        }
        BIND(s, url);
        connect_and_wait(peer, s, url);
        CHECK_EQ(count_connections_with(IPPROTO_IP, IP_TOS, 46 << 2), 2);
        CHECK_EQ(count_connections_with(IPPROTO_TCP, TCP_USER_TIMEOUT, 12345), 2);
        int id = BIND(s, "tcp://127.0.0.1:0");
        CHECK_OK(nn_shutdown(s, id));
        set_text(s, NN_BIND_DEVICE, "no-such-one");
        CHECK_ERR(nn_bind(s, "tcp://127.0.0.1:0"), ENODEV);
        CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_BIND_DEVICE, "a/b", 3), EINVAL);
        CLOSE(s, peer);
    }
}

int main(void) {
    start();
    permissions();
    not_given_away();
    allowed_networks();
    limit_of_connections();
    kernel_options();
    first_packets();
    unix_paths();
    abstract_names();
    families();
    return finish();
}
