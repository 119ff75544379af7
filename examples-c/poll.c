/* Several sockets in one thread: nn_poll waits until one of them has a message, or for a time.
 *
 * Build:  cc -o poll poll.c -lnanomsg
 * Run:    ./poll
 *         | order: slow down
 *         | task: 1
 *         | task: 2
 *         | task: 3
 *         | nothing for 100 ms
 */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

static int receiver(const char *address)
{
    int s = check(nn_socket(AF_SP, NN_PULL), "nn_socket");
    check(nn_bind(s, address), address);
    return s;
}

static int sender(const char *address)
{
    int s = check(nn_socket(AF_SP, NN_PUSH), "nn_socket");
    check(nn_connect(s, address), address);
    return s;
}

static void show(const char *what, int s)
{
    char *message;
    int length = check(nn_recv(s, &message, NN_MSG, 0), "nn_recv");
    printf("%s: %.*s\n", what, length, message);
    nn_freemsg(message);
}

int main(void)
{
    /* The receiving sides; what is sent below would normally come from elsewhere. */
    int orders = receiver("inproc://orders"), tasks = receiver("inproc://tasks");
    int boss = sender("inproc://orders"), planner = sender("inproc://tasks");
    for (int task = '1'; task <= '3'; task++) {
        char text = (char)task;
        check(nn_send(planner, &text, 1, 0), "nn_send");
    }
    check(nn_send(boss, "slow down", 9, 0), "nn_send");

    struct nn_pollfd fds[] = {{.fd = orders, .events = NN_POLLIN}, {.fd = tasks, .events = NN_POLLIN}};
    /* revents are only set when nn_poll returns more than 0. */
    while (check(nn_poll(fds, 2, 100), "nn_poll") > 0) {
        if (fds[0].revents & NN_POLLIN)
            show("order", orders); /* first, and one of them before each task */
        else if (fds[1].revents & NN_POLLIN)
            show("task", tasks);
    }
    printf("nothing for 100 ms\n");

    nn_close(boss);
    nn_close(planner);
    nn_close(orders);
    nn_close(tasks);
    return 0;
}
