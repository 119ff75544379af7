/* Threads and descriptors exist while sockets do; a child of fork may use the library afresh. */
#include "ctest.h"
#include <sys/wait.h>

static void footprint(void) {
    CONTEXT("footprint");
    bool inherited[100];
    for (int fd = 0; fd < 100; fd++)
        inherited[fd] = fcntl(fd, F_GETFD) >= 0;
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(threads_alive(), 1);
        int s[4] = {open_socket(NN_PAIR), open_socket(NN_PUB), open_socket(NN_REP), open_socket(NN_BUS)};
        for EACH_TRANSPORT (t)
            bind_fresh(s[0], t);
        CONNECT(s[1], fresh(TCP).text);
        CHECK(can_send(s[1]));
        CHECK_EQ(get(s[1], NN_SNDFD), get(s[1], NN_SNDFD));
        for (int fd = 0; fd < 100; fd++) /* nothing leaks into programs that are executed */
            CHECK(inherited[fd] || fcntl(fd, F_GETFD) != 0);
        CLOSE(s[0], s[1], s[2], s[3]);
        WAIT(threads_alive() == 1); /* a joined thread is listed until the kernel has reaped it */
        CHECK_EQ(descriptors_open(), descriptors_at_start);
    }
}

/* In the child: inherited sockets are EBADF, new ones work, and end as they should. */
static void in_child(const int inherited[4]) {
    alarm(slow() ? 120 : 10);
    for (int i = 0; i < 4; i++) {
        CHECK_ERR(nn_send(inherited[i], "x", 1, NN_DONTWAIT), EBADF);
        CHECK_ERR(nn_recv(inherited[i], NULL, 0, NN_DONTWAIT), EBADF);
        CHECK_ERR(nn_close(inherited[i]), EBADF);
    }
    for EACH_TRANSPORT (t) {
        CONTEXT("child, %s", transport_name[t]);
        int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
        join(a, b, t);
        SEND(a, "in the child");
        RECV(b, "in the child");
        CLOSE(a, b);
    }
    _exit(failures != 0);
}

/* The parent's sockets know nothing of all this. */
static void with_sockets(void) {
    CONTEXT("fork with open sockets");
    int s[4];
    address listening[2];
    for (int i = 0; i < 2; i++) {
        s[2 * i] = open_socket(NN_PAIR);
        s[2 * i + 1] = open_socket(NN_PAIR);
        listening[i] = join(s[2 * i], s[2 * i + 1], i ? TCP : IPC);
    }
    pid_t pid = fork();
    if (pid == 0)
        in_child(s);
    int status = -1;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CONTEXT("parent after the fork");
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(connections(s[i]), 1);
        SEND(s[i], "undisturbed");
        RECV(s[i ^ 1], "undisturbed");
    }
    CHECK_OK(access(listening[0].text + strlen("ipc://"), F_OK));
    CLOSE(s[0], s[1], s[2], s[3]);
}

/* The child holds no copies that keep the parent's connections or addresses alive. */
static void child_outlives(void) {
    CONTEXT("the child does not keep connections open");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    address at = join(a, b, TCP);
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(ends[1]);
        int fresh_socket = nn_socket(AF_SP, NN_PAIR); /* the first use of the library drops what was inherited */
        nn_close(fresh_socket);
        (void)!read(ends[0], &byte, 1); /* until the parent is done */
        _exit(0);
    }
    close(ends[0]);
    CLOSE(b);
    WAIT(connections(a) == 0);
    CLOSE(a);
    close(ends[1]);
    int status = -1;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    a = open_socket(NN_PAIR);
    BIND(a, at.text);
    CLOSE(a);
}

static void without_sockets(void) {
    CONTEXT("fork without open sockets");
    pid_t pid = fork();
    if (pid == 0)
        in_child((int[4]){0, 1, 2, 3});
    int status = -1;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

/* Leaving with open sockets, with everything under way, is legal. */
static void exit_with_sockets(void) {
    CONTEXT("exit with open sockets");
    pid_t pid = fork();
    if (pid == 0) {
        int a = open_socket(NN_PUSH), b = open_socket(NN_PULL);
        join(b, a, TCP);
        CONNECT(a, fresh(IPC).text);
        fill(a, 1000, 100);
        exit(failures != 0);
    }
    int status = -1;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

int main(void) {
    start();
    without_sockets();
    footprint();
    exit_with_sockets();
    if (!genuine()) { /* the reference hangs in the child */
        with_sockets();
        child_outlives();
    }
    return finish();
}
