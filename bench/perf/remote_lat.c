/* Measures the latency to a local_lat. */
#include "perf.h"

int main(int argc, char **argv)
{
    expect_args(argc, 3, "remote_lat <connect-to> <msg-size> <roundtrips>");
    size_t size = (size_t)atoi(argv[2]);
    int count = atoi(argv[3]);

    int s = pair();
    set_option(s, NN_TCP, NN_TCP_NODELAY, 1);
    set_option(s, NN_SOL_SOCKET, NN_RCVMAXSIZE, -1);
    CHECK(nn_connect(s, argv[1]) != -1);

    uint64_t begin = now_us();
    ping(s, size, count);
    print_latency(size, count, now_us() - begin);

    CHECK(nn_close(s) == 0);
    return 0;
}
