/* Messages without copying. NN_MSG in place of a length means: this is the address of a pointer to a message. Who sends such a
 * message gives it away; who receives one must free it, or send it on.
 *
 * Build:  cc -o zerocopy zerocopy.c -lnanomsg
 * Run:    ./zerocopy
 *         | received 1000000 bytes, the last one is 'z'
 *         | and after cutting it down, 5 bytes: aaaaa
 */
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 1000000 };

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

int main(void)
{
    int a = check(nn_socket(AF_SP, NN_PAIR), "nn_socket"), b = check(nn_socket(AF_SP, NN_PAIR), "nn_socket");
    check(nn_bind(a, "inproc://large"), "nn_bind");
    check(nn_connect(b, "inproc://large"), "nn_connect");

    /* The bytes are written where they will be sent from. */
    char *message = nn_allocmsg(SIZE, 0);
    if (!message)
        return perror("nn_allocmsg"), 1;
    memset(message, 'a', SIZE);
    message[SIZE - 1] = 'z';

    if (nn_send(a, &message, NN_MSG, 0) < 0) {
        nn_freemsg(message); /* after a failure it is still ours */
        return 1;
    }
    /* From here on `message` must not be touched any more. */

    char *received;
    int length = check(nn_recv(b, &received, NN_MSG, 0), "nn_recv");
    printf("received %d bytes, the last one is '%c'\n", length, received[length - 1]);

    /* Smaller is always possible and keeps the pointer; larger may move the message. */
    received = nn_reallocmsg(received, 5);
    check(nn_send(b, &received, NN_MSG, 0), "nn_send");
    length = check(nn_recv(a, &received, NN_MSG, 0), "nn_recv");
    printf("and after cutting it down, %d bytes: %.*s\n", length, length, received);
    nn_freemsg(received);

    nn_close(a);
    nn_close(b);
    return 0;
}
