/* A plain socket playing a WebSocket client or server, frame by frame. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include "wire.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
/* The reference reads this many bytes before it looks at a request. */
#define SHORTEST_REQUEST 151

static inline address fresh_ws(void) {
    address a;
    snprintf(a.text, sizeof(a.text), "ws://127.0.0.1:%d", free_port());
    return a;
}

static inline uint32_t rotate(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

/* SHA-1 of up to 111 bytes of text. */
static inline void sha1(const char *text, uint8_t digest[20]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t blocks[128] = {0};
    size_t length = strlen(text), total = length < 56 ? 64 : 128;
    memcpy(blocks, text, length);
    blocks[length] = 0x80;
    blocks[total - 2] = (uint8_t)(length * 8 >> 8);
    blocks[total - 1] = (uint8_t)(length * 8);
    for (const uint8_t *block = blocks; block < blocks + total; block += 64) {
        uint32_t w[80], v[5];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
        for (int i = 16; i < 80; i++)
            w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        memcpy(v, h, sizeof(v));
        for (int i = 0; i < 80; i++) {
            static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
            uint32_t choice = (v[1] & v[2]) | (~v[1] & v[3]), parity = v[1] ^ v[2] ^ v[3];
            uint32_t majority = (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]);
            uint32_t f = i < 20 ? choice : i >= 40 && i < 60 ? majority : parity;
            uint32_t next = rotate(v[0], 5) + f + v[4] + k[i / 20] + w[i];
            v[4] = v[3], v[3] = v[2], v[2] = rotate(v[1], 30), v[1] = v[0], v[0] = next;
        }
        for (int i = 0; i < 5; i++)
            h[i] += v[i];
    }
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)(h[i / 4] >> (24 - i % 4 * 8));
}

/* Sec-WebSocket-Accept for a key. */
static inline void accept_text(const char *key, char text[29]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char joined[112];
    uint8_t digest[24] = {0};
    snprintf(joined, sizeof(joined), "%.60s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1(joined, digest);
    for (int i = 0; i < 28; i++) {
        uint32_t three = (uint32_t)digest[i / 4 * 3] << 16 | digest[i / 4 * 3 + 1] << 8 | digest[i / 4 * 3 + 2];
        text[i] = digits[three >> (18 - i % 4 * 6) & 63];
    }
    strcpy(text + 27, "=");
}

/* Reads the head of a request or reply, with its blank line if it has one before the stream dries up. */
static inline void read_http(int fd, char *text, size_t room) {
    size_t length = 0;
    while (length + 1 < room && (length < 4 || memcmp(text + length - 4, "\r\n\r\n", 4) != 0) &&
           read(fd, text + length, 1) == 1)
        length++;
    text[length] = 0;
}

/* The value of a header field, up to the end of its line. */
static inline void field(const char *head, const char *name, char value[64]) {
    const char *at = strstr(head, name);
    value[0] = 0;
    if (CHECK(at != NULL))
        snprintf(value, 64, "%.*s", (int)strcspn(at + strlen(name) + 2, "\r"), at + strlen(name) + 2);
}

static inline void send_request(int fd, const char *protocol) {
    char request[512];
    snprintf(request, sizeof(request),
             "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Protocol: %s.sp.nanomsg.org\r\n\r\n",
             protocol);
    peer_write(fd, request, strlen(request));
}

/* Answers the request that `request` holds. */
static inline void send_welcome(int fd, const char *request) {
    char key[64], proof[29], reply[256];
    field(request, "Sec-WebSocket-Key", key);
    accept_text(key, proof);
    snprintf(reply, sizeof(reply),
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             proof);
    peer_write(fd, reply, strlen(reply));
}

enum role { CLIENT, SERVER };
__attribute__((unused)) static const char *const role_name[] = {"client", "server"};
#define EACH_ROLE(role) (int role = CLIENT; role <= SERVER; role++)

struct peer {
    int fd;
    enum role role;
};

/* Joins a socket with a plain peer in this role; `protocol` is what a client asks for. */
static inline struct peer meet(int s, enum role role, const char *protocol) {
    address a = fresh_ws();
    char text[1024];
    struct peer peer = {-1, role};
    int before = connections(s);
    if (role == CLIENT) {
        BIND(s, a.text);
        peer.fd = peer_connect(a.text);
        send_request(peer.fd, protocol);
        read_http(peer.fd, text, sizeof(text));
        CHECK(strncmp(text, "HTTP/1.1 101 ", 13) == 0);
    } else {
        int listener = peer_listen(a.text);
        CONNECT(s, a.text);
        peer.fd = peer_accept(listener);
        close(listener);
        read_http(peer.fd, text, sizeof(text));
        send_welcome(peer.fd, text);
    }
    WAIT(connections(s) == before + 1);
    return peer;
}

/* ---- frames ---------------------------------------------------------------------------------------------------- */

/* Sends the head of a frame: `first` and `second` byte, as long a length as `second` says, the mask if it says so. */
static inline void frame_head(int fd, int first, int second, uint64_t length) {
    uint8_t head[14] = {(uint8_t)first, (uint8_t)second};
    size_t n = 2;
    int form = second & 0x7f;
    for (int shift = form == 127 ? 56 : form == 126 ? 8 : -8; shift >= 0; shift -= 8)
        head[n++] = (uint8_t)(length >> shift);
    if (second & 0x80) {
        memcpy(head + n, "\x11\x22\x33\x44", 4);
        n += 4;
    }
    peer_write(fd, head, n);
}

/* Sends a frame as this peer must. */
static inline void frame_send(struct peer peer, int first, const void *data, size_t length) {
    uint8_t *copy = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        copy[i] = ((const uint8_t *)data)[i] ^ (peer.role == CLIENT ? "\x11\x22\x33\x44"[i % 4] : 0);
    int form = length <= 125 ? (int)length : length <= 65535 ? 126 : 127;
    frame_head(peer.fd, first, form | (peer.role == CLIENT ? 0x80 : 0), length);
    peer_write(peer.fd, copy, length);
    free(copy);
}

struct frame {
    int first, second; /* -1: the stream ended */
    uint8_t mask[4];
    size_t length;
    uint8_t *data; /* unmasked, with a NUL behind */
};

/* Receives a frame that is unmasked if it comes from a server, and as short as its length allows. */
static inline struct frame frame_recv(struct peer peer) {
    struct frame frame = {.first = -1, .second = -1};
    uint8_t head[10];
    if (peer_read(peer.fd, head, 2) != 2)
        return frame;
    frame.first = head[0];
    frame.second = head[1];
    frame.length = head[1] & 0x7f;
    size_t more = frame.length == 127 ? 8 : frame.length == 126 ? 2 : 0;
    if (more) {
        CHECK_EQ(peer_read(peer.fd, head + 2, more), more);
        frame.length = 0;
        for (size_t i = 0; i < more; i++)
            frame.length = frame.length << 8 | head[2 + i];
        CHECK(frame.length > (more == 8 ? 65535 : 125));
    }
    CHECK_EQ((head[1] & 0x80) != 0, peer.role == SERVER);
    if (head[1] & 0x80)
        CHECK_EQ(peer_read(peer.fd, frame.mask, 4), 4);
    frame.data = calloc(frame.length + 1, 1);
    CHECK_EQ(peer_read(peer.fd, frame.data, frame.length), frame.length);
    for (size_t i = 0; i < frame.length; i++)
        frame.data[i] ^= frame.mask[i % 4];
    return frame;
}

/* The next frame is this one. */
static inline void frame_at(const char *file, int line, struct peer peer, int first, const void *data, size_t length) {
    struct frame frame = frame_recv(peer);
    check_at(file, line,
             frame.first == first && frame.length == length && (length == 0 || memcmp(frame.data, data, length) == 0),
             "expected frame %02x of %d bytes, got %02x of %d bytes: %.60s", first, (int)length, frame.first & 0xff,
             (int)frame.length, frame.data ? (char *)frame.data : "end of stream");
    free(frame.data);
}
#define FRAME(peer, first, data, length) frame_at(__FILE__, __LINE__, peer, first, data, length)

/* The peer is told this code and reason, and the connection ends. */
static inline void closed_at(const char *file, int line, struct peer peer, int code, const char *reason) {
    char payload[128] = {(char)(code >> 8), (char)code};
    strcpy(payload + 2, reason);
    frame_at(file, line, peer, 0x88, payload, 2 + strlen(reason));
    check_at(file, line, peer_hung_up(peer.fd), "the connection stays open");
}
#define CLOSED(peer, code, reason) closed_at(__FILE__, __LINE__, peer, code, reason)

#endif
