/* The sending side of a throughput measurement; see local_thr. */
#include "perf.h"

int main(int argc, char **argv)
{
    expect_args(argc, 3, "remote_thr <connect-to> <msg-size> <msg-count>");

    int s = pair();
    CHECK(nn_connect(s, argv[1]) != -1);
    set_option(s, NN_SOL_SOCKET, NN_RCVMAXSIZE, -1);
    set_option(s, NN_SOL_SOCKET, NN_LINGER, 1000);

    send_all(s, (size_t)atoi(argv[2]), atoi(argv[3]));

    /* Everything has to get out. */
    sleep_ms(1000);
    CHECK(nn_close(s) == 0);
    return 0;
}
