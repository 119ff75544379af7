/* Publish and subscribe. Every subscriber gets every message that begins with one of its topics.
 *
 * A publisher does not wait for anybody: what is sent while nobody is connected is gone. This one therefore waits until as
 * many subscribers are there as it was told.
 *
 * Build:  cc -o feed feed.c -lnanomsg
 * Run:    ./feed subscribe tcp://127.0.0.1:5555 oslo
 *         | oslo 3 degrees
 *         | oslo 4 degrees
 * Run:    ./feed subscribe tcp://127.0.0.1:5555 berlin rome
 *         | berlin 11 degrees
 *         | rome 19 degrees
 * Run:    ./feed publish tcp://127.0.0.1:5555 2
 */
#include <nanomsg/nn.h>
#include <nanomsg/pubsub.h>

#include <poll.h>
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

static void publish(const char *address, unsigned subscribers)
{
    static const char *const news[] = {"oslo 3 degrees", "berlin 11 degrees", "rome 19 degrees", "oslo 4 degrees", "end"};

    int s = check(nn_socket(AF_SP, NN_PUB), "nn_socket");
    check(nn_bind(s, address), address);
    while (nn_get_statistic(s, NN_STAT_CURRENT_CONNECTIONS) < subscribers)
        poll(NULL, 0, 10);
    for (size_t i = 0; i < sizeof news / sizeof *news; i++)
        check(nn_send(s, news[i], strlen(news[i]), 0), "nn_send");
    nn_close(s);
}

static void subscribe(const char *address, char **topics, int count)
{
    int s = check(nn_socket(AF_SP, NN_SUB), "nn_socket");
    /* Without any subscription nothing is received. "" would match everything. */
    for (int i = 0; i < count; i++)
        check(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, topics[i], strlen(topics[i])), "subscribe");
    check(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "end", 3), "subscribe");
    check(nn_connect(s, address), address);

    for (int more = 1; more;) {
        char *message;
        int length = check(nn_recv(s, &message, NN_MSG, 0), "nn_recv");
        more = length != 3 || memcmp(message, "end", 3) != 0;
        if (more)
            printf("%.*s\n", length, message);
        nn_freemsg(message);
    }
    nn_close(s);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "publish") == 0)
        publish(argv[2], (unsigned)atoi(argv[3]));
    else if (argc >= 4 && strcmp(argv[1], "subscribe") == 0)
        subscribe(argv[2], argv + 3, argc - 3);
    else
        return fprintf(stderr, "usage: feed publish ADDRESS SUBSCRIBERS\n       feed subscribe ADDRESS TOPIC...\n"), 2;
    return 0;
}
