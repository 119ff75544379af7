/* Sockets that only send or only receive: ENOTSUP, and what is looked at before and after that. */
#include "ctest.h"

static void cannot_receive(int domain, int type) {
    CONTEXT("type %d, domain %d", type, domain);
    int s = open_domain(domain, type);
    char buffer[8];
    struct nn_iovec vector = {buffer, sizeof(buffer)};
    struct nn_msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    for (int flags = 0; flags <= NN_DONTWAIT; flags++) {
        CHECK_ERR(nn_recv(s, buffer, sizeof(buffer), flags), ENOTSUP);
        CHECK_ERR(nn_recvmsg(s, &header, flags), ENOTSUP);
        CHECK_ERR(nn_recvmsg(s, NULL, flags), EINVAL);
        header.msg_iovlen = -1;
        CHECK_ERR(nn_recvmsg(s, &header, flags), EMSGSIZE);
        header.msg_iovlen = 1;
    }
    CLOSE(s);
}

static void cannot_send(int domain, int type) {
    CONTEXT("type %d, domain %d", type, domain);
    int s = open_domain(domain, type);
    struct nn_iovec vector = {"abc", 3};
    struct nn_msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    for (int flags = 0; flags <= NN_DONTWAIT; flags++) {
        CHECK_ERR(nn_send(s, "abc", 3, flags), ENOTSUP);
        CHECK_ERR(nn_sendmsg(s, &header, flags), ENOTSUP);
        CHECK_ERR(nn_send(s, NULL, 3, flags), EFAULT); /* the arguments are judged first */
        CHECK_ERR(nn_sendmsg(s, NULL, flags), EINVAL);
        header.msg_iovlen = -1;
        CHECK_ERR(nn_sendmsg(s, &header, flags), EMSGSIZE);
        header.msg_iovlen = 1;
    }
    /* A failed send leaves the message with the caller. */
    void *message = nn_allocmsg(3, 0);
    CHECK_ERR(nn_send(s, &message, NN_MSG, 0), ENOTSUP);
    CHECK_OK(nn_freemsg(message));
    CLOSE(s);
}

int main(void) {
    start();
    for (int domain = AF_SP; domain <= AF_SP_RAW; domain++) {
        cannot_receive(domain, NN_PUB);
        cannot_receive(domain, NN_PUSH);
        cannot_send(domain, NN_SUB);
        cannot_send(domain, NN_PULL);
    }
    return finish();
}
