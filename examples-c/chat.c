/* Two terminals talk: what is typed in one appears in the other. Ctrl-D ends both.
 *
 * One loop waits for the keyboard and for the peer, because NN_RCVFD is a descriptor for poll(2): it polls readable while
 * a message can be received. It is never read itself.
 *
 * Build:  cc -o chat chat.c -lnanomsg
 * Run:    echo 'hello, who is there?' | ./chat bind tcp://127.0.0.1:5555
 *         | > it is me
 * Run:    echo 'it is me' | ./chat connect tcp://127.0.0.1:5555
 *         | > hello, who is there?
 */
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

/* Sends a line as a message; the end of the input is an empty one. False at the end. */
static int send_line(int s)
{
    char line[1000];
    ssize_t length = read(STDIN_FILENO, line, sizeof line);
    check(nn_send(s, line, length > 0 ? (size_t)length : 0, 0), "nn_send");
    return length > 0;
}

/* Shows all that has arrived. False when the peer has said goodbye. */
static int show(int s)
{
    for (;;) {
        char *text;
        int length = nn_recv(s, &text, NN_MSG, NN_DONTWAIT);
        if (length < 0 && nn_errno() == EAGAIN)
            return 1;
        check(length, "nn_recv");
        if (length > 0)
            printf("> %.*s", length, text);
        nn_freemsg(text);
        if (length == 0)
            return 0;
    }
}

int main(int argc, char **argv)
{
    int s = check(nn_socket(AF_SP, NN_PAIR), "nn_socket");
    if (argc == 3 && strcmp(argv[1], "bind") == 0)
        check(nn_bind(s, argv[2]), argv[2]);
    else if (argc == 3 && strcmp(argv[1], "connect") == 0)
        check(nn_connect(s, argv[2]), argv[2]);
    else
        return fprintf(stderr, "usage: chat bind ADDRESS\n       chat connect ADDRESS\n"), 2;

    int arrived;
    size_t size = sizeof arrived;
    check(nn_getsockopt(s, NN_SOL_SOCKET, NN_RCVFD, &arrived, &size), "NN_RCVFD");
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = arrived, .events = POLLIN}};
    for (int typing = 1, listening = 1; typing || listening;) {
        fds[0].fd = typing ? STDIN_FILENO : -1; /* poll ignores -1 */
        fds[1].fd = listening ? arrived : -1;
        if (poll(fds, 2, -1) < 0)
            return perror("poll"), 1;
        if (fds[0].revents)
            typing = send_line(s);
        if (fds[1].revents)
            listening = show(s);
    }
    nn_close(s);
    return 0;
}
