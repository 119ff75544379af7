/* A plain socket playing the other side of a connection, byte by byte. Include after ctest.h. */
#ifndef WIRE_H
#define WIRE_H

#include "ctest.h"

static inline socklen_t peer_name(const char *to, struct sockaddr_storage *name) {
    memset(name, 0, sizeof(*name));
    if (strncmp(to, "ipc://", 6) == 0) {
        struct sockaddr_un *local = (struct sockaddr_un *)name;
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, to + 6, strnlen(to + 6, sizeof(local->sun_path) - 1));
        return sizeof(*local);
    }
    struct sockaddr_in *internet = (struct sockaddr_in *)name;
    internet->sin_family = AF_INET;
    internet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    internet->sin_port = htons((uint16_t)atoi(strrchr(to, ':') + 1));
    return sizeof(*internet);
}

/* Reads give up like those of nn sockets do. */
static inline int peer_limited(int fd) {
    struct timeval limit = {patience() / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static inline int peer_connect(const char *to) {
    struct sockaddr_storage name;
    socklen_t length = peer_name(to, &name);
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!CHECK_OK(connect(fd, (struct sockaddr *)&name, length)))
        perror(to);
    return peer_limited(fd);
}

static inline int peer_listen(const char *to) {
    struct sockaddr_storage name;
    socklen_t length = peer_name(to, &name);
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    CHECK_OK(bind(fd, (struct sockaddr *)&name, length));
    CHECK_OK(listen(fd, 100));
    return peer_limited(fd); /* accept observes the limit too */
}

static inline int peer_accept(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(fd >= 0);
    return peer_limited(fd);
}

/* The other side may have hung up already: not an error, and no SIGPIPE. */
static inline void peer_write(int fd, const void *data, size_t length) {
    (void)!send(fd, data, length, MSG_NOSIGNAL);
}

/* Reads exactly `length` bytes unless the stream ends or dries up; returns how many came. */
static inline size_t peer_read(int fd, void *data, size_t length) {
    size_t count = 0;
    while (count < length) {
        ssize_t got = read(fd, (char *)data + count, length - count);
        if (got <= 0)
            break;
        count += (size_t)got;
    }
    return count;
}

/* The next bytes of the stream are these. */
#define PEER_EXPECT(fd, ...) \
    do { \
        const uint8_t expected_[] = {__VA_ARGS__}; \
        uint8_t actual_[sizeof(expected_)] = {0}; \
        CHECK_EQ(peer_read(fd, actual_, sizeof(actual_)), sizeof(actual_)); \
        for (size_t i_ = 0; i_ < sizeof(actual_); i_++) \
            check_at(__FILE__, __LINE__, actual_[i_] == expected_[i_], "byte %zu: expected %02x, got %02x", i_, \
                     expected_[i_], actual_[i_]); \
    } while (0)

#define GREETING(type) 0x00, 0x53, 0x50, 0x00, 0x00, (type), 0x00, 0x00

static inline void peer_greet(int fd, int type) {
    peer_write(fd, (uint8_t[]){GREETING((uint8_t)type)}, 8);
}

/* Both greetings are exchanged. */
static inline void peer_handshake(int fd, int type) {
    uint8_t theirs[8];
    peer_greet(fd, type);
    CHECK_EQ(peer_read(fd, theirs, 8), 8);
}

/* Head of a message of this size; returns the head's length. */
static inline size_t peer_head(uint8_t head[9], enum transport transport, uint64_t size) {
    size_t n = 0;
    if (transport == IPC)
        head[n++] = 1;
    for (int shift = 56; shift >= 0; shift -= 8)
        head[n++] = (uint8_t)(size >> shift);
    return n;
}

static inline void peer_send(int fd, enum transport transport, const void *data, size_t length) {
    uint8_t head[9];
    peer_write(fd, head, peer_head(head, transport, length));
    peer_write(fd, data, length);
}

/* Receives one message of at most 256 bytes; returns its length or -1 at the end of the stream. */
static inline int peer_recv(int fd, enum transport transport, uint8_t data[256]) {
    uint8_t head[9];
    size_t n = transport == IPC ? 9 : 8;
    if (peer_read(fd, head, n) != n)
        return -1;
    CHECK(transport != IPC || head[0] == 1);
    size_t length = (size_t)head[n - 2] << 8 | head[n - 1];
    if (!CHECK(length <= 256))
        return -1;
    return peer_read(fd, data, length) == length ? (int)length : -1;
}

/* The other side hangs up; what it sent before is skipped. */
static inline bool peer_hung_up(int fd) {
    char skipped[256];
    ssize_t got;
    while ((got = read(fd, skipped, sizeof(skipped))) > 0)
        ;
    return got == 0 || errno == ECONNRESET || errno == EPIPE;
}

#endif
