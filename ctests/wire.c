/* The bytes on the wire, for every protocol, sent and received. */
#include "header.h"
#include "wire.h"

static const int types[] = {NN_PAIR, NN_PUB,  NN_SUB,      NN_REQ,        NN_REP,
                            NN_PUSH, NN_PULL, NN_SURVEYOR, NN_RESPONDENT, NN_BUS};
static const int peers[] = {NN_PAIR, NN_SUB,  NN_PUB,        NN_REP,      NN_REQ,
                            NN_PULL, NN_PUSH, NN_RESPONDENT, NN_SURVEYOR, NN_BUS};

/* The greeting comes at once, from either side, before anything is heard from the other. */
static void greetings(enum transport t, int domain) {
    for (size_t i = 0; i < COUNT(types); i++) {
        CONTEXT("%s, greeting of type %d, domain %d", transport_name[t], types[i], domain);
        int s = open_domain(domain, types[i]);
        address a = bind_fresh(s, t), b = fresh(t);
        int fd = peer_connect(a.text);
        PEER_EXPECT(fd, GREETING((uint8_t)types[i]));
        peer_greet(fd, peers[i]);
        WAIT(connections(s) == 1);
        close(fd);
        WAIT(connections(s) == 0);
        int listener = peer_listen(b.text);
        CONNECT(s, b.text);
        fd = peer_accept(listener);
        PEER_EXPECT(fd, GREETING((uint8_t)types[i]));
        peer_greet(fd, peers[i]);
        WAIT(connections(s) == 1);
        close(fd);
        close(listener);
        CLOSE(s);
    }
}

/* A connected socket and the raw peer of it. */
static int linked(enum transport t, int domain, int type, int peer_type, int *fd) {
    int s = open_domain(domain, type);
    address a = bind_fresh(s, t);
    *fd = peer_connect(a.text);
    peer_handshake(*fd, peer_type);
    WAIT(connections(s) == 1);
    return s;
}

static void plain(enum transport t) {
    static const int sending[] = {NN_PAIR, NN_PUB, NN_PUSH, NN_BUS}, hearing[] = {NN_PAIR, NN_SUB, NN_PULL, NN_BUS};
    for (size_t i = 0; i < COUNT(sending); i++) {
        CONTEXT("%s, messages of type %d", transport_name[t], sending[i]);
        int fd, s = linked(t, AF_SP, sending[i], hearing[i], &fd);
        SEND(s, "ABC");
        if (t == IPC)
            PEER_EXPECT(fd, 1);
        PEER_EXPECT(fd, 0, 0, 0, 0, 0, 0, 0, 3, 'A', 'B', 'C');
        SEND(s, "");
        if (t == IPC)
            PEER_EXPECT(fd, 1);
        PEER_EXPECT(fd, 0, 0, 0, 0, 0, 0, 0, 0);
        char *data = pattern(70000);
        SEND_BYTES(s, data, 70000);
        if (t == IPC)
            PEER_EXPECT(fd, 1);
        PEER_EXPECT(fd, 0, 0, 0, 0, 0, 1, 0x11, 0x70);
        char *copy = malloc(70000);
        CHECK_EQ(peer_read(fd, copy, 70000), 70000);
        CHECK_BYTES(copy, data, 70000);
        free(copy);
        free(data);
        close(fd);
        CLOSE(s);

        s = linked(t, AF_SP, hearing[i], sending[i], &fd);
        if (hearing[i] == NN_SUB)
            CHECK_OK(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
        peer_send(fd, t, "ABC", 3);
        peer_send(fd, t, "", 0);
        peer_send(fd, t, "last", 4);
        RECV(s, "ABC");
        RECV(s, "");
        RECV(s, "last");
        close(fd);
        CLOSE(s);
    }
}

/* A message in single bytes, and many in one segment right behind the greeting. */
static void segments(enum transport t) {
    CONTEXT("%s, segments", transport_name[t]);
    int s = open_socket(NN_PULL);
    address a = bind_fresh(s, t);
    uint8_t stream[512] = {GREETING(NN_PUSH)};
    size_t length = 8;
    for (int i = 0; i < 10; i++) {
        length += peer_head(stream + length, t, 5);
        memcpy(stream + length, "hello", 5);
        length += 5;
    }
    int fd = peer_connect(a.text);
    peer_write(fd, stream, length);
    for (int i = 0; i < 10; i++)
        RECV(s, "hello");
    close(fd);
    fd = peer_connect(a.text);
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &(int){1}, sizeof(int));
    for (size_t i = 0; i < length; i++)
        peer_write(fd, stream + i, 1);
    for (int i = 0; i < 10; i++)
        RECV(s, "hello");
    EMPTY(s);
    close(fd);
    CLOSE(s);
}

/* An originator's request is [1|id] body, and ids count upwards. */
static void asking(enum transport t, int type, int peer_type) {
    CONTEXT("%s, requests of type %d", transport_name[t], type);
    int fd, s = linked(t, AF_SP, type, peer_type, &fd);
    uint8_t data[256], reply[6];
    uint32_t last = 0;
    for (int i = 0; i < 4; i++) {
        SEND(s, "hi");
        CHECK_EQ(peer_recv(fd, t, data), 6);
        uint32_t id = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
        CHECK(id & 0x80000000);
        CHECK(i == 0 || id == ((last + 1) | 0x80000000));
        last = id;
        CHECK_BYTES(data + 4, "hi", 2);
        memcpy(reply, data, 4);
        memcpy(reply + 4, "no", 2);
        reply[3] ^= 1; /* another id */
        peer_send(fd, t, reply, 6);
        reply[3] ^= 1;
        reply[0] &= 0x7f; /* no top bit */
        peer_send(fd, t, reply, 6);
        reply[0] |= 0x80;
        peer_send(fd, t, reply, 3); /* not even an id */
        peer_send(fd, t, "", 0);
        memcpy(reply + 4, "yo", 2);
        peer_send(fd, t, reply, 6);
        RECV(s, "yo");
    }
    close(fd);
    CLOSE(s);
}

/* An answerer gives the stack back as it came. */
static void answering(enum transport t, int type, int peer_type) {
    CONTEXT("%s, answers of type %d", transport_name[t], type);
    int fd, s = linked(t, AF_SP, type, peer_type, &fd);
    uint8_t data[256];
    peer_send(fd, t, "\x80\0\0\2abc", 7);
    RECV(s, "abc");
    SEND(s, "yo");
    CHECK_EQ(peer_recv(fd, t, data), 6);
    CHECK_BYTES(data, "\x80\0\0\2yo", 6);
    peer_send(fd, t, "\0\0\0\7\xff\0\0\2", 8);
    RECV(s, "");
    SEND(s, "");
    CHECK_EQ(peer_recv(fd, t, data), 8);
    CHECK_BYTES(data, "\0\0\0\7\xff\0\0\2", 8);
    static const char words[8 * 4 + 1] = "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6\0\0\0\7\x80\0\0\1";
    peer_send(fd, t, words, 32); /* eight words are the default limit */
    RECV(s, "");
    SEND(s, "x");
    CHECK_EQ(peer_recv(fd, t, data), 33);
    CHECK_BYTES(data, words, 32);
    peer_send(fd, t, "\0\0\0\0", 4); /* malformed, all of them: the connection lives on */
    peer_send(fd, t, "\0\0\0\1abc", 7);
    peer_send(fd, t, "", 0);
    peer_send(fd, t, "\x80\0\0", 3);
    peer_send(fd, t, "\x80\0\0\3end", 7);
    RECV(s, "end");
    CHECK_EQ(statistic(s, NN_STAT_BROKEN_CONNECTIONS), 0);
    close(fd);
    CLOSE(s);
}

/* Raw sockets put the header they were given in front of the body. */
static void headers(enum transport t) {
    static const int sending[] = {NN_PAIR, NN_PUB, NN_PUSH}, hearing[] = {NN_PAIR, NN_SUB, NN_PULL};
    for (size_t i = 0; i < COUNT(sending); i++)
        for (int domain = AF_SP; domain <= AF_SP_RAW; domain++) {
            CONTEXT("%s, header of type %d, domain %d", transport_name[t], sending[i], domain);
            int fd, s = linked(t, domain, sending[i], hearing[i], &fd);
            uint8_t data[256];
            CHECK_EQ(send_header(s, "header", 6, "body", 4, 0), 4);
            CHECK_EQ(peer_recv(fd, t, data), 10);
            CHECK_BYTES(data, "headerbody", 10);
            close(fd);
            CLOSE(s);
        }
}

/* Nothing is sent without need: no keep-alives, no subscriptions. */
static void quiet(enum transport t) {
    CONTEXT("%s, quiet", transport_name[t]);
    int fd, s = linked(t, AF_SP, NN_SUB, NN_PUB, &fd);
    CHECK_OK(nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "topic", 5));
    NOTHING(s);
    char byte;
    CHECK_EQ(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    CLOSE(s);
    CHECK(peer_hung_up(fd)); /* and a close is just that */
    close(fd);
}

/* Orderly end of the peer: what it sent before is delivered first. The reference loses it on ipc. */
static void after_the_end(enum transport t) {
    CONTEXT("%s, data before the end", transport_name[t]);
    if (t == IPC && genuine())
        return;
    int fd, s = linked(t, AF_SP, NN_PULL, NN_PUSH, &fd);
    for (int i = 0; i < 10; i++)
        peer_send(fd, t, "data", 4);
    close(fd);
    for (int i = 0; i < 10; i++)
        RECV(s, "data");
    EMPTY(s);
    WAIT(connections(s) == 0);
    CLOSE(s);
}

int main(void) {
    start();
    for EACH_OS_TRANSPORT (t) {
        greetings(t, AF_SP);
        greetings(t, AF_SP_RAW);
        plain(t);
        segments(t);
        asking(t, NN_REQ, NN_REP);
        asking(t, NN_SURVEYOR, NN_RESPONDENT);
        answering(t, NN_REP, NN_REQ);
        answering(t, NN_RESPONDENT, NN_SURVEYOR);
        headers(t);
        quiet(t);
        after_the_end(t);
    }
    return finish();
}
