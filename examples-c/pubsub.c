/* One publisher, two subscribers with different topics, all in one thread; each gets only what starts with its topic.
 *
 * Build:  cc -o pubsub pubsub.c -lnanomsg
 * Run:    ./pubsub
 *         | berlin: berlin rain
 *         | berlin: berlin sun
 *         | oslo: oslo snow
 */
#include <nanomsg/nn.h>
#include <nanomsg/pubsub.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const URL = "inproc://weather";

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

static int subscriber(const char *topic)
{
    int s = check(nn_socket(AF_SP, NN_SUB), "nn_socket");
    check(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, topic, strlen(topic)), "subscribe");
    check(nn_connect(s, URL), "nn_connect");
    return s;
}

static void print_next(const char *who, int s)
{
    char *msg;
    int len = check(nn_recv(s, &msg, NN_MSG, 0), "nn_recv");
    printf("%s: %.*s\n", who, len, msg);
    nn_freemsg(msg);
}

int main(void)
{
    static const char *const news[] = {"berlin rain", "oslo snow", "berlin sun"};

    int pub = check(nn_socket(AF_SP, NN_PUB), "nn_socket");
    check(nn_bind(pub, URL), "nn_bind");
    int berlin = subscriber("berlin"), oslo = subscriber("oslo");

    for (size_t i = 0; i < sizeof news / sizeof *news; i++)
        check(nn_send(pub, news[i], strlen(news[i]), 0), "nn_send");
    print_next("berlin", berlin);
    print_next("berlin", berlin);
    print_next("oslo", oslo);

    nn_close(berlin);
    nn_close(oslo);
    nn_close(pub);
    return 0;
}
