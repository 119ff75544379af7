/* Scatter and gather: concatenation, argument errors in order, filling one buffer after the other. */
#include "ctest.h"

static int a, b;

static int send_parts(struct nn_iovec *parts, int count, int flags) {
    struct nn_msghdr header = {.msg_iov = parts, .msg_iovlen = count};
    return nn_sendmsg(a, &header, flags);
}

static int recv_parts(struct nn_iovec *parts, int count) {
    struct nn_msghdr header = {.msg_iov = parts, .msg_iovlen = count};
    return nn_recvmsg(b, &header, 0);
}

static void gather(void) {
    struct nn_iovec parts[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}, {"", 0}, {"f", 1}};
    CHECK_EQ(send_parts(parts, 5, 0), 6);
    RECV(b, "abcdef");
    CHECK_EQ(send_parts(parts, 2, 0), 2);
    RECV(b, "ab");
    CHECK_EQ(send_parts(NULL, 0, 0), 0);
    RECV(b, "");
}

static void errors(void) {
    CHECK_ERR(nn_sendmsg(a, NULL, 0), EINVAL);
    CHECK_ERR(nn_recvmsg(a, NULL, 0), EINVAL);
    struct nn_iovec parts[3] = {{"ab", 2}, {NULL, 1}, {"c", NN_MSG}};
    CHECK_ERR(send_parts(parts, -1, 0), EMSGSIZE);
    CHECK_ERR(recv_parts(parts, -1), EMSGSIZE);
    CHECK_ERR(send_parts(parts, 3, 0), EFAULT); /* in order: the second entry is the first wrong one */
    parts[1] = parts[2];
    CHECK_ERR(send_parts(parts, 3, 0), EINVAL);
    parts[1] = (struct nn_iovec){"x", SIZE_MAX - 1};
    CHECK_ERR(send_parts(parts, 2, 0), EINVAL); /* the sum overflows */
    CHECK_ERR(nn_send(a, NULL, 1, 0), EFAULT);
    CHECK_EQ(nn_send(a, "flags", 5, ~1), 5); /* only NN_DONTWAIT has a meaning */
    RECV(b, "flags");
}

static void scatter(void) {
    char first[4], second[4];
    for (int size = 0; size <= 10; size++) {
        CONTEXT("scatter %d bytes", size);
        memset(first, '#', 4);
        memset(second, '#', 4);
        struct nn_iovec parts[] = {{first, 3}, {NULL, 0}, {second, 4}};
        SEND_BYTES(a, "0123456789", (size_t)size);
        CHECK_EQ(recv_parts(parts, 3), size);
        char expected[9] = "########";
        for (int i = 0; i < size && i < 7; i++)
            expected[i < 3 ? i : i + 1] = (char)('0' + i);
        CHECK_BYTES(first, expected, 4);
        CHECK_BYTES(second, expected + 4, 4);
    }
}

/* NN_MSG after other buffers: an error only if the body reaches it; then the message is lost. */
static void message_after_buffer(void) {
    CONTEXT("NN_MSG after a buffer");
    char buffer[4];
    void *message = NULL;
    struct nn_iovec parts[] = {{buffer, 4}, {&message, NN_MSG}};
    SEND(a, "abc");
    CHECK_EQ(recv_parts(parts, 2), 3);
    SEND(a, "abcdef");
    SEND(a, "next");
    CHECK_ERR(recv_parts(parts, 2), EINVAL);
    RECV(b, "next");
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        CONTEXT("%s", transport_name[t]);
        a = open_socket(NN_PAIR);
        b = open_socket(NN_PAIR);
        join(a, b, t);
        gather();
        errors();
        scatter();
        message_after_buffer();
        CLOSE(a, b);
    }
    return finish();
}
