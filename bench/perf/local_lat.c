/* The side of a latency measurement that sends back what it gets; see remote_lat. */
#include "perf.h"

int main(int argc, char **argv)
{
    expect_args(argc, 3, "local_lat <bind-to> <msg-size> <roundtrips>");

    int s = pair();
    set_option(s, NN_TCP, NN_TCP_NODELAY, 1);
    set_option(s, NN_SOL_SOCKET, NN_RCVMAXSIZE, -1);
    set_option(s, NN_SOL_SOCKET, NN_LINGER, 1000);
    CHECK(nn_bind(s, argv[1]) != -1);

    echo(s, (size_t)atoi(argv[2]), atoi(argv[3]));

    /* The last answer has to get out. */
    sleep_ms(1000);
    CHECK(nn_close(s) == 0);
    return 0;
}
