/* Throughput between two threads. */
#include "perf.h"

static size_t size;
static int count;

static void *worker(void *socket)
{
    send_all(*(int *)socket, size, count);
    return NULL;
}

int main(int argc, char **argv)
{
    /* The name that its users know. */
    expect_args(argc, 2, "thread_thr <message-size> <message-count>");
    size = (size_t)atoi(argv[1]);
    count = atoi(argv[2]);

    int s = pair(), peer = pair();
    CHECK(nn_bind(s, "inproc://inproc_thr") != -1);
    CHECK(nn_connect(peer, "inproc://inproc_thr") != -1);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, worker, &peer) == 0);

    print_throughput("mean ", size, count, receive_all(s, size, count));

    pthread_join(thread, NULL);
    CHECK(nn_close(s) == 0 && nn_close(peer) == 0);
    return 0;
}
