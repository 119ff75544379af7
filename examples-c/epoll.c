/* A nanomsg socket in an epoll loop, beside a timer. NN_RCVFD gives a descriptor that polls readable while a message can be
 * received. Never read, write or close it: it belongs to the library.
 *
 * Build:  cc -o epoll epoll.c -lnanomsg
 * Run:    ./epoll receive tcp://127.0.0.1:5555
 *         | got 1
 *         | got 2
 *         | got 3
 *         | the timer ticked
 * Run:    ./epoll send tcp://127.0.0.1:5555
 */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

static void watch(int loop, int descriptor)
{
    /* Level-triggered, which is the default: EPOLLET would miss messages unless each event is drained to EAGAIN. */
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    check(epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

/* Takes what is there without waiting; returns how many messages that were. */
static int drain(int s)
{
    for (int count = 0;; count++) {
        char *message;
        int length = nn_recv(s, &message, NN_MSG, NN_DONTWAIT);
        if (length < 0 && nn_errno() == EAGAIN)
            return count; /* also after a wake-up for nothing, which may happen */
        check(length, "nn_recv");
        printf("got %.*s\n", length, message);
        nn_freemsg(message);
    }
}

static void receive(const char *address)
{
    int s = check(nn_socket(AF_SP, NN_PULL), "nn_socket");
    check(nn_bind(s, address), address);
    int arrived;
    size_t size = sizeof arrived;
    check(nn_getsockopt(s, NN_SOL_SOCKET, NN_RCVFD, &arrived, &size), "NN_RCVFD");

    int timer = check(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
    int loop = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    watch(loop, arrived);
    watch(loop, timer);

    for (int messages = 0;;) {
        struct epoll_event events[8];
        int count = check(epoll_wait(loop, events, 8, -1), "epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == arrived) {
                messages += drain(s);
            } else {
                puts("the timer ticked");
                close(loop);
                close(timer);
                nn_close(s);
                return;
            }
        }
        if (messages == 3) /* that was all: let the timer tick once, and end */
            check(timerfd_settime(timer, 0, &(struct itimerspec){.it_value.tv_nsec = 1000000}, NULL), "timerfd_settime");
    }
}

static void send_three(const char *address)
{
    int s = check(nn_socket(AF_SP, NN_PUSH), "nn_socket");
    check(nn_connect(s, address), address);
    for (const char *digit = "123"; *digit; digit++)
        check(nn_send(s, digit, 1, 0), "nn_send");
    nn_close(s);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "receive") == 0)
        receive(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "send") == 0)
        send_three(argv[2]);
    else
        return fprintf(stderr, "usage: epoll receive ADDRESS\n       epoll send ADDRESS\n"), 2;
    return 0;
}
