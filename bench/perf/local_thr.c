/* Measures the throughput from a remote_thr. */
#include "perf.h"

int main(int argc, char **argv)
{
    expect_args(argc, 3, "local_thr <bind-to> <msg-size> <msg-count>");
    size_t size = (size_t)atoi(argv[2]);
    int count = atoi(argv[3]);

    int s = pair();
    CHECK(nn_bind(s, argv[1]) != -1);
    set_option(s, NN_SOL_SOCKET, NN_RCVMAXSIZE, -1);
    set_option(s, NN_SOL_SOCKET, NN_LINGER, 1000);

    print_throughput("", size, count, receive_all(s, size, count));

    CHECK(nn_close(s) == 0);
    return 0;
}
