/* Latency between two threads. */
#include "perf.h"

static size_t size;
static int count;

static void *worker(void *socket)
{
    echo(*(int *)socket, size, count);
    return NULL;
}

int main(int argc, char **argv)
{
    expect_args(argc, 2, "inproc_lat <message-size> <roundtrip-count>");
    size = (size_t)atoi(argv[1]);
    count = atoi(argv[2]);

    int s = pair(), peer = pair();
    CHECK(nn_bind(s, "inproc://inproc_lat") != -1);
    CHECK(nn_connect(peer, "inproc://inproc_lat") != -1);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, worker, &peer) == 0);
    /* The peer is to wait already when the first message comes. */
    sleep_ms(100);

    uint64_t begin = now_us();
    ping(s, size, count);
    uint64_t elapsed = now_us() - begin;
    print_latency(size, count, elapsed);

    pthread_join(thread, NULL);
    CHECK(nn_close(s) == 0 && nn_close(peer) == 0);
    return 0;
}
