/* Watches a socket: who comes, who goes, who does not fit. A publisher that waits for its subscriber instead of sleeping.
 *
 * Build:  cc -o watch watch.c -lnanomsg
 * Run:    ./watch
 *         | news
 *         | listening tcp://127.0.0.1:...
 *         | accepted 127.0.0.1:...
 *         | greeted 127.0.0.1:...
 *         | lost 127.0.0.1:... the peer closed the connection
 *         | accepted 127.0.0.1:...
 *         | refused 127.0.0.1:... the peer's socket is NN_PUSH, which does not fit
 */
#include <millrace/monitor.h>
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>

#include <stdio.h>
#include <stdlib.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

/* Prints events until one of this kind. */
static void print_until(int monitor, int kind)
{
    static const char *const name[] = {
        [NN_EVENT_LISTENING] = "listening", [NN_EVENT_ACCEPTED] = "accepted", [NN_EVENT_GREETED] = "greeted",
        [NN_EVENT_REFUSED] = "refused",     [NN_EVENT_LOST] = "lost"};
    struct nnx_event event;
    do {
        check(nnx_monitor_next(monitor, &event, sizeof event, 5000), "nnx_monitor_next");
        printf("%s %s %s\n", name[event.kind], event.pipe ? event.peer : event.address, event.reason);
    } while (event.kind != kind);
}

int main(void)
{
    int pub = check(nn_socket(AF_SP, NN_PUB), "nn_socket");
    int monitor = check(nnx_monitor(pub), "nnx_monitor");

    /* A free port, and which it is. */
    char address[NN_SOCKADDR_MAX];
    int endpoint = check(nn_bind(pub, "tcp://127.0.0.1:0"), "nn_bind");
    check(nnx_endpoint_address(pub, endpoint, address, sizeof address), "nnx_endpoint_address");

    int sub = check(nn_socket(AF_SP, NN_SUB), "nn_socket");
    check(nn_setsockopt(sub, NN_SUB, NN_SUB_SUBSCRIBE, "", 0), "NN_SUB_SUBSCRIBE");
    check(nn_connect(sub, address), address);

    /* Who publishes before anybody is there, publishes to nobody. */
    check(nnx_wait_peers(pub, 1, 5000), "nnx_wait_peers");
    check(nn_send(pub, "news", 4, 0), "nn_send");
    char news[16];
    int length = check(nn_recv(sub, news, sizeof news, 0), "nn_recv");
    printf("%.*s\n", length, news);
    nn_close(sub);
    print_until(monitor, NN_EVENT_LOST);

    /* Not every socket fits. */
    int push = check(nn_socket(AF_SP, NN_PUSH), "nn_socket");
    check(nn_connect(push, address), address);
    print_until(monitor, NN_EVENT_REFUSED);

    nn_close(push);
    nn_close(pub);
    return nnx_monitor_close(monitor);
}
