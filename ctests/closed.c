/* A program that closes descriptors which are not its own, as daemons do that close all they find: calls fail, nothing hangs, no core is
 * busy, and what has got the numbers since stays open. */
#include "wire.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum { MOST = 200 };

static void close_all_from(int first) {
    for (int fd = first; fd < MOST; fd++)
        close(fd);
}

static double processor_time(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Takes the numbers from 3 on, for sockets of the program's own. */
static void take_numbers(int fds[][2], size_t count) {
    for (size_t i = 0; i < count; i++)
        CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]));
}

static void still_works(int fds[2]) {
    char byte = 0;
    CHECK_EQ(send(fds[0], "x", 1, MSG_NOSIGNAL), 1);
    CHECK_EQ(recv(fds[1], &byte, 1, MSG_DONTWAIT), 1);
    CHECK_EQ(byte, 'x');
}

static void idle_sockets(int transport) {
    CONTEXT("idle sockets, %s", transport_name[transport]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR), c = open_socket(NN_PUB);
    join(a, b, transport);
    bind_fresh(c, INPROC);
    (void)get(a, NN_RCVFD);
    (void)get(c, NN_SNDFD);
    SEND(b, "before");
    RECV(a, "before");
    set(b, NN_SNDTIMEO, 100);
    set(a, NN_RCVTIMEO, 100);
    close_all_from(3);
    char buffer[8];
    (void)nn_send(b, "lost", 4, 0); /* may be accepted: nobody has told */
    int fds[8][2];
    take_numbers(fds, COUNT(fds));
    CHECK_EQ(nn_recv(a, buffer, sizeof(buffer), 0), -1);
    CHECK(errno == ETIMEDOUT || errno == EBADF);
    struct nn_pollfd entry = {.fd = a, .events = NN_POLLIN};
    CHECK(nn_poll(&entry, 1, 100) <= 0);
    double before = processor_time();
    pause_ms(400);
    CHECK(processor_time() - before < 0.2);
    CLOSE(a, b, c);
    for (size_t i = 0; i < COUNT(fds); i++)
        still_works(fds[i]);
}

static void *receive(void *argument) {
    char buffer[8];
    int s = *(int *)argument;
    CHECK_EQ(nn_recv(s, buffer, sizeof(buffer), 0), -1);
    CHECK(errno == EBADF);
    return NULL;
}

/* Whoever waits without a limit is not left waiting: at the latest after some seconds a look at the poll fails. */
static void blocked_call(int close_socket) {
    CONTEXT("blocked call %d", close_socket);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, TCP);
    set(a, NN_RCVTIMEO, -1);
    pthread_t thread = spawn(receive, &a);
    pause_ms(50);
    close_all_from(3);
    if (close_socket)
        CHECK_OK(nn_close(a));
    await(thread);
    if (!close_socket)
        CHECK_OK(nn_close(a));
    CHECK_OK(nn_close(b));
}

/* When all sockets are closed, the next one begins anew. */
static void afterwards(void) {
    CONTEXT("afterwards");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, TCP);
    SEND(a, "anew");
    RECV(b, "anew");
    CLOSE(a, b);
}

/* A file which has got the number of one of ours is not closed in a child. */
static void file_in_a_child(void) {
    CONTEXT("file in a child");
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, TCP);
    close_all_from(3);
    for (int i = 0; i < 8; i++)
        CHECK(open("/dev/null", O_RDWR) == 3 + i);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 8; i++)
            CHECK(fcntl(3 + i, F_GETFD) >= 0);
        _exit(failures != 0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CLOSE(a, b);
}

int main(void) {
    start();
    for (int what = 0; what < 5; what++) {
        alarm(slow() ? 240 : 20); /* each has its time: who is blocked may need some seconds to notice */
        pid_t child = fork();
        if (child == 0) {
            alarm(slow() ? 200 : 18);
            close_all_from(3); /* what the test has been started with */
            if (what < 2)
                idle_sockets(what ? TCP : IPC);
            else if (what < 4)
                blocked_call(what - 2);
            else
                file_in_a_child();
            afterwards();
            _exit(failures != 0);
        }
        int status = -1;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CONTEXT("%d", what);
        CHECK_EQ(status, 0);
    }
    return finish();
}
