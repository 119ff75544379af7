/* Peers without a centre: each says something that all others hear. A message goes one hop only, so each peer must be
 * connected with each other; it does not matter which of two connects.
 *
 * Build:  cc -o bus bus.c -lnanomsg
 * Run:    ./bus anna tcp://127.0.0.1:5555
 *         | anna heard ...
 *         | anna heard ...
 * Run:    ./bus bert tcp://127.0.0.1:5556 tcp://127.0.0.1:5555
 *         | bert heard ...
 *         | bert heard ...
 * Run:    ./bus carl tcp://127.0.0.1:5557 tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
 *         | carl heard ...
 *         | carl heard ...
 */
#include <nanomsg/bus.h>
#include <nanomsg/nn.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OTHERS = 2 };

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return fprintf(stderr, "usage: bus NAME OWN-ADDRESS PEER-ADDRESS...\n"), 2;
    const char *name = argv[1];

    int s = check(nn_socket(AF_SP, NN_BUS), "nn_socket");
    check(nn_bind(s, argv[2]), argv[2]);
    for (int i = 3; i < argc; i++)
        check(nn_connect(s, argv[i]), argv[i]);
    /* Sending never waits, so without this the first words would reach nobody. */
    while (nn_get_statistic(s, NN_STAT_CURRENT_CONNECTIONS) < OTHERS)
        poll(NULL, 0, 10);

    check(nn_send(s, name, strlen(name), 0), "nn_send");
    for (int i = 0; i < OTHERS; i++) {
        char *other;
        int length = check(nn_recv(s, &other, NN_MSG, 0), "nn_recv");
        printf("%s heard %.*s\n", name, length, other);
        nn_freemsg(other);
    }
    nn_close(s);
    return 0;
}
