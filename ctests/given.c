/* fd://N: sockets that the program was given, listening and connected. */
#include "wire.h"

#include <sys/wait.h>

static void fd_address(address *at, int fd) { snprintf(at->text, sizeof(at->text), "fd://%d", fd); }

/* As a service manager hands them over. */
static int listening(enum transport t, address *at) {
    int fd;
    if (t == TCP) {
        int port = free_port(), yes = 1;
        snprintf(at->text, sizeof(at->text), "tcp://127.0.0.1:%d", port);
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        CHECK_OK(bind(fd, (struct sockaddr *)&name, sizeof name));
    } else {
        *at = fresh(IPC);
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        snprintf(name.sun_path, sizeof name.sun_path, "%.100s", at->text + strlen("ipc://"));
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK_OK(bind(fd, (struct sockaddr *)&name, sizeof name));
    }
    CHECK_OK(listen(fd, 10));
    return fd;
}

static void a_listener(enum transport t) {
    CONTEXT("a listener, %s", transport_name[t]);
    address at, given;
    int fd = listening(t, &at), rep = open_socket(NN_REP), req = open_socket(NN_REQ);
    fd_address(&given, fd);
    int id = BIND(rep, given.text);
    for (int i = 0; i < 3; i++) {
        int endpoint = connect_and_wait(req, rep, at.text);
        SEND(req, "question");
        RECV(rep, "question");
        SEND(rep, "answer");
        RECV(req, "answer");
        CHECK_OK(nn_shutdown(req, endpoint));
        WAIT(connections(rep) == 0);
    }
    CHECK_OK(nn_shutdown(rep, id));
    /* It is still the program's, and listens; another socket may have it. */
    CHECK(fcntl(fd, F_GETFD) >= 0);
    int peer = peer_connect(at.text);
    close(peer);
    BIND(rep, given.text);
    close(fd);
    connect_and_wait(req, rep, at.text);
    SEND(req, "again");
    RECV(rep, "again");
    CLOSE(rep, req);
}

/* Both ends of a pair of sockets, as of a parent and its child. */
static void connections_that_are_there(void) {
    CONTEXT("connected");
    int ends[2], a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    address at[2];
    for (int i = 0; i < 2; i++)
        fd_address(&at[i], ends[i]);
    set(a, NN_RECONNECT_IVL, 5);
    CONNECT(a, at[0].text);
    CONNECT(b, at[1].text);
    close(ends[0]);
    close(ends[1]);
    char *large = pattern(300000);
    SEND_BYTES(a, large, 300000);
    RECV_BYTES(b, large, 300000);
    SEND(b, "back");
    RECV(a, "back");
    free(large);
    /* What is lost cannot be made anew. */
    CLOSE(b);
    WAIT(connections(a) == 0);
    WAIT(statistic(a, NN_STAT_CONNECT_ERRORS) >= 2);
    CLOSE(a);
}

static void what_is_none(void) {
    CONTEXT("bad descriptors");
    static const char *const bad[] = {"fd://", "fd://x", "fd://-1", "fd://3x", "fd://99999999999"};
    int s = open_socket(NN_PAIR);
    for (size_t i = 0; i < COUNT(bad); i++) {
        CHECK_ERR(nn_bind(s, bad[i]), EINVAL);
        CHECK_ERR(nn_connect(s, bad[i]), EINVAL);
    }
    address at;
    fd_address(&at, 900);
    CHECK_ERR(nn_bind(s, at.text), EBADF);
    int file = open("/dev/null", O_RDONLY), datagram = socket(AF_UNIX, SOCK_DGRAM, 0), lone = socket(AF_INET, SOCK_STREAM, 0);
    fd_address(&at, file);
    CHECK_ERR(nn_bind(s, at.text), ENOTSOCK);
    fd_address(&at, datagram);
    CHECK_ERR(nn_bind(s, at.text), EPROTONOSUPPORT);
    fd_address(&at, lone);
    CHECK_ERR(nn_bind(s, at.text), EINVAL);
    CHECK_ERR(nn_connect(s, at.text), ENOTCONN);
    close(file);
    close(datagram);
    close(lone);
    CLOSE(s);
}

/* What a service manager starts: the program anew, with descriptors from 3 on and their names. */
static pid_t activate(char *program, int first, int second, const char *names, bool is_for_us) {
    pid_t child = fork();
    if (child != 0)
        return child;
    char number[16];
    /* (Out of the way first: the second may be 3.) */
    first = fcntl(first, F_DUPFD, 10);
    second = fcntl(second, F_DUPFD, 10);
    dup2(first, 3);
    dup2(second, 4);
    snprintf(number, sizeof number, "%d", is_for_us ? getpid() : getppid());
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_FDNAMES", names, 1);
    execl(program, program, is_for_us ? "activated" : "not for us", (char *)NULL);
    _exit(127);
}

/* The started program: answers one request that comes by number, and one by name. */
static int activated(void) {
    int rep[2];
    for (int i = 0; i < 2; i++) {
        rep[i] = nn_socket(AF_SP, NN_REP);
        if (nn_bind(rep[i], i == 0 ? "fd://3" : "fd://requests") < 0)
            return 10 + i;
    }
    if (nn_bind(rep[0], "fd://unknown") >= 0 || errno != EINVAL || nn_bind(rep[0], "fd://request") >= 0)
        return 12;
    for (int i = 0; i < 2; i++) {
        char text[16];
        int size = nn_recv(rep[i], text, sizeof text, 0);
        if (size < 0 || nn_send(rep[i], text, (size_t)size, 0) < 0)
            return 20 + i;
    }
    return nn_close(rep[0]) || nn_close(rep[1]) ? 30 : 0;
}

/* LISTEN_PID is another process: the descriptors are not ours, whatever the environment says. */
static int not_for_us(void) {
    int s = nn_socket(AF_SP, NN_REP);
    return nn_bind(s, "fd://requests") < 0 && errno == EINVAL ? 0 : 1;
}

static void socket_activation(char *program) {
    CONTEXT("socket activation");
    address at[2];
    int status, fds[2] = {listening(TCP, &at[0]), listening(IPC, &at[1])};
    pid_t child = activate(program, fds[0], fds[1], "other:requests", true);
    int req[2] = {open_socket(NN_REQ), open_socket(NN_REQ)};
    for (int i = 0; i < 2; i++) {
        CONNECT(req[i], at[i].text);
        SEND(req[i], "echo");
        RECV(req[i], "echo");
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    child = activate(program, fds[0], fds[1], "other:requests", false);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    close(fds[0]);
    close(fds[1]);
    CLOSE(req[0], req[1]);
}

int main(int argc, char **argv) {
    if (argc > 1)
        return strcmp(argv[1], "activated") == 0 ? activated() : not_for_us();
    start();
    for EACH_OS_TRANSPORT (t)
        a_listener(t);
    connections_that_are_there();
    what_is_none();
    socket_activation(argv[0]);
    return finish();
}
