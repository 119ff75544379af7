/* Messages with an SP header on raw sockets. Include after ctest.h. */
#ifndef HEADER_H
#define HEADER_H

#include "ctest.h"

/* One SP_HDR property with up to 64 header bytes. */
struct sp_control {
    struct nn_cmsghdr head;
    size_t length;
    uint8_t bytes[64];
};

static inline int send_header(int s, const void *bytes, size_t length, const void *body, size_t size, int flags) {
    struct sp_control control = {{NN_CMSG_SPACE(8 + length), PROTO_SP, SP_HDR}, length, {0}};
    memcpy(control.bytes, bytes, length);
    struct nn_iovec vector = {(void *)(uintptr_t)body, size};
    struct nn_msghdr header = {&vector, 1, &control, NN_CMSG_SPACE(8 + length)};
    return nn_sendmsg(s, &header, flags);
}

/* Receives a body of at most 64 bytes; the header is left in `control`. */
static inline int recv_header(int s, struct sp_control *control, void *body, int flags) {
    memset(control, 0, sizeof(*control));
    struct nn_iovec vector = {body, 64};
    struct nn_msghdr header = {&vector, 1, control, sizeof(*control)};
    int size = nn_recvmsg(s, &header, flags);
    if (size >= 0) {
        CHECK_EQ(control->head.cmsg_len, NN_CMSG_SPACE(8 + control->length));
        CHECK_EQ(control->head.cmsg_level, PROTO_SP);
        CHECK_EQ(control->head.cmsg_type, SP_HDR);
    }
    return size;
}

#endif
