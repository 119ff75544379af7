/* nn_allocmsg, nn_reallocmsg, nn_freemsg. No socket is needed. */
#include "ctest.h"

/* The size of a message shows when it is sent. */
static void check_size(void *message, int size) {
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(a, b, INPROC);
    CHECK_EQ(nn_send(a, &message, NN_MSG, 0), size);
    CHECK_EQ(nn_recv(b, NULL, 0, 0), size);
    CLOSE(a, b);
}

int main(void) {
    start();
    static const size_t sizes[] = {0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 100, 1000, 4096, 100000, 5000000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        CONTEXT("size %zu", sizes[i]);
        char *message = nn_allocmsg(sizes[i], 0);
        CHECK(message != NULL && (uintptr_t)message % 16 == 0);
        memset(message, 7, sizes[i]);
        CHECK_OK(nn_freemsg(message));
    }
    CONTEXT("shrink, grow");
    char *message = nn_allocmsg(100, 0);
    memcpy(message, "0123456789", 10);
    CHECK(nn_reallocmsg(message, 100) == message);
    CHECK(nn_reallocmsg(message, 50) == message);
    CHECK(nn_reallocmsg(message, 10) == message);
    char *grown = nn_reallocmsg(message, 20); /* room for it was there once, still it moves */
    CHECK(grown != message && grown != NULL);
    CHECK_BYTES(grown, "0123456789", 10);
    CHECK(nn_reallocmsg(grown, 5) == grown);
    check_size(grown, 5);
    message = nn_allocmsg(3, 0);
    CHECK(nn_reallocmsg(message, 0) == message);
    check_size(message, 0);
    check_size(nn_reallocmsg(nn_allocmsg(0, 0), 77), 77);

    CONTEXT("errors");
    CHECK_NULL(nn_allocmsg(10, 1), EINVAL);
    CHECK_NULL(nn_allocmsg(10, -1), EINVAL);
    CHECK_NULL(nn_allocmsg(SIZE_MAX, 0), ENOMEM);
    CHECK_NULL(nn_allocmsg(SIZE_MAX - 8, 0), ENOMEM);
    CHECK_NULL(nn_allocmsg(SIZE_MAX / 2, 0), ENOMEM);
    CHECK_NULL(nn_allocmsg(SIZE_MAX, 1), ENOMEM); /* overflow is noticed before the type */
    message = nn_allocmsg(3, 0);
    memcpy(message, "abc", 3);
    CHECK_NULL(nn_reallocmsg(message, SIZE_MAX), ENOMEM);
    CHECK_NULL(nn_reallocmsg(message, SIZE_MAX / 2), ENOMEM);
    CHECK_BYTES(message, "abc", 3); /* still valid */
    CHECK_OK(nn_freemsg(message));
    if (!genuine()) { /* the reference crashes */
        CHECK_ERR(nn_freemsg(NULL), EFAULT);
        CHECK(nn_reallocmsg(NULL, 5) == NULL);
    }
    return finish();
}
