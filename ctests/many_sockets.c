/* Handles until there are no more: 65,536 here, 512 in the reference; then EMFILE, and every one closes. */
#include "ctest.h"
#include <sys/resource.h>

int main(void) {
    start();
    struct rlimit limit;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max; /* the reference needs two descriptors for each */
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    int expected = genuine() ? 512 : 65536, count = 0;
    for (;; count++) {
        int s = nn_socket(AF_SP, NN_PAIR);
        if (s < 0)
            break;
        if (!CHECK(s == count))
            break;
    }
    CHECK_EQ(errno, EMFILE);
    CHECK_EQ(count, expected);
    CHECK_ERR(nn_socket(AF_SP, 9999), EMFILE); /* comes before the question what the type is */
    CHECK_ERR(nn_socket(77, NN_PAIR), EAFNOSUPPORT);
    CHECK_ERR(nn_close(count), EBADF);
    int half = count / 2;
    CLOSE(half);
    CHECK_EQ(nn_socket(AF_SP, NN_BUS), half);
    /* The last ones work like the first. */
    CHECK_OK(nn_close(count - 1));
    CHECK_OK(nn_close(count - 2));
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    CHECK_EQ(a, count - 2);
    CHECK_EQ(b, count - 1);
    join(a, b, INPROC);
    SEND(a, "hello");
    RECV(b, "hello");
    for (int i = 0; i < count; i++)
        if (!CHECK(nn_close(i) == 0))
            break;
    return finish();
}
