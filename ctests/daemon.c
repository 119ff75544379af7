/* A program that has closed its standard descriptors, as daemons do, before it opens a socket. Messages arrive over every transport,
 * descriptors can be watched, and nothing is printed into what has the numbers. Of ours nothing has them: what the program still prints
 * would go to a peer. */
#include "ctest.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

/* No descriptor has a number that was closed. The genuine library's own do. */
static void check_unused(int closed) {
    for (int fd = 0; fd < 3 && !genuine(); fd++)
        if (closed & 1 << fd)
            CHECK_EQ(fcntl(fd, F_GETFD), -1);
}

static void exchange(int transport, int closed) {
    CONTEXT("%s", transport_name[transport]);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, transport);
    struct pollfd readable = {.fd = get(b, NN_RCVFD), .events = POLLIN};
    SEND(a, "there");
    CHECK_EQ(poll(&readable, 1, 5000), 1);
    RECV(b, "there");
    SEND(b, "back");
    RECV(a, "back");
    check_unused(closed);
    CLOSE(a, b);
}

/* An address that nobody can be at and a peer that does not fit: what a library is tempted to complain about. */
static void mishaps(int transport) {
    CONTEXT("mishaps, %s", transport_name[transport]);
    int push = open_socket(NN_PUSH), sub = open_socket(NN_SUB), pair = open_socket(NN_PAIR);
    CHECK(nn_connect(sub, bind_fresh(push, transport).text) > 0);
    CHECK(nn_connect(pair, "tcp://127.0.0.1:1") > 0);
    pause_ms(100);
    CLOSE(push, sub, pair);
}

/* With all three closed, or only some; `taken`: a file has got their numbers meanwhile, and must stay empty. */
static void child(int closed, int taken) {
    for (int fd = 0; fd < 3; fd++)
        if (closed & 1 << fd)
            close(fd);
    char name[] = "daemon-XXXXXX";
    int file = taken ? mkstemp(name) : -1;
    if (taken) {
        CHECK(file >= 0);
        unlink(name);
        for (int fd = 0; fd < 3; fd++)
            if (fd != file && closed & 1 << fd)
                CHECK_EQ(dup2(file, fd), fd);
    }
    for EACH_TRANSPORT(transport) {
        exchange(transport, taken ? 0 : closed);
        if (transport != INPROC)
            mishaps(transport);
    }
    if (taken)
        CHECK_EQ(lseek(file, 0, SEEK_END), 0);
    for (int fd = 0; fd < 3 && !taken; fd++)
        if (closed & 1 << fd)
            CHECK_EQ(fcntl(fd, F_GETFD), -1); /* the last socket is closed: nothing of the library is left there */
    _exit(failures != 0);
}

int main(void) {
    start();
    unsetenv("NN_PRINT_ERRORS");
    static const int closed[] = {7, 4, 1, 6};
    for (size_t i = 0; i < COUNT(closed); i++) {
        for (int taken = 0; taken < 2; taken++) {
            pid_t pid = fork();
            if (pid == 0)
                child(closed[i], taken);
            int status = -1;
            CHECK_EQ(waitpid(pid, &status, 0), pid);
            CONTEXT("closed %d, taken %d", closed[i], taken);
            CHECK_EQ(status, 0);
        }
    }
    return finish();
}
