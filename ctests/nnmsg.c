/* NN_MSG: library messages in every combination of send and receive calls; who owns them after a failure. */
#include "ctest.h"

static void send_by(int how, int s, const char *text) {
    size_t length = strlen(text);
    void *message = nn_allocmsg(length, 0);
    memcpy(message, text, length);
    struct nn_iovec vector = {&message, NN_MSG};
    struct nn_msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    if (how == 0) {
        CHECK_OK(nn_freemsg(message));
        SEND(s, text);
    } else if (how == 1) {
        CHECK_EQ(nn_send(s, &message, NN_MSG, 0), length);
    } else {
        CHECK_EQ(nn_sendmsg(s, &header, 0), length);
    }
}

static void recv_by(int how, int s, const char *text) {
    size_t length = strlen(text);
    char buffer[64];
    void *message = NULL;
    struct nn_iovec vector = {&message, NN_MSG};
    struct nn_msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    if (how == 0) {
        CHECK_EQ(nn_recv(s, buffer, sizeof(buffer), 0), length);
        CHECK_BYTES(buffer, text, length);
        return;
    }
    CHECK_EQ(how == 1 ? nn_recv(s, &message, NN_MSG, 0) : nn_recvmsg(s, &header, 0), length);
    CHECK(message != NULL && (uintptr_t)message % 16 == 0);
    CHECK_BYTES(message, text, length);
    CHECK_OK(nn_freemsg(message));
}

static void failures_keep_ownership(void) {
    CONTEXT("failed sends");
    int s = open_socket(NN_PAIR);
    void *message = nn_allocmsg(5, 0), *none = NULL;
    memcpy(message, "12345", 5);
    CHECK_ERR(nn_send(s, &message, NN_MSG, NN_DONTWAIT), EAGAIN);
    set(s, NN_SNDTIMEO, 0);
    CHECK_ERR(nn_send(s, &message, NN_MSG, 0), ETIMEDOUT);
    CHECK_ERR(nn_send(s + 1, &message, NN_MSG, 0), EBADF);
    CHECK_ERR(nn_send(s, &none, NN_MSG, NN_DONTWAIT), EFAULT);
    CHECK_BYTES(message, "12345", 5);
    CHECK_OK(nn_freemsg(message));
    CLOSE(s);
}

/* NN_MSG beside other entries is refused; see iovec.c for the receiving side. */
static void mixed(void) {
    CONTEXT("NN_MSG in a longer array");
    int s = open_socket(NN_PAIR);
    void *message = nn_allocmsg(5, 0);
    struct nn_iovec vectors[2] = {{"ab", 2}, {&message, NN_MSG}};
    struct nn_msghdr header = {.msg_iov = vectors, .msg_iovlen = 2};
    CHECK_ERR(nn_sendmsg(s, &header, NN_DONTWAIT), EINVAL);
    vectors[0] = vectors[1];
    CHECK_ERR(nn_sendmsg(s, &header, NN_DONTWAIT), EINVAL);
    CHECK_OK(nn_freemsg(message));
    CLOSE(s);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
        join(a, b, t);
        for (int out = 0; out < 3; out++)
            for (int in = 0; in < 3; in++) {
                CONTEXT("%s, send %d, receive %d", transport_name[t], out, in);
                send_by(out, a, "hello");
                recv_by(in, b, "hello");
                send_by(out, b, "");
                recv_by(in, a, "");
            }
        CLOSE(a, b);
    }
    failures_keep_ownership();
    mixed();
    return finish();
}
