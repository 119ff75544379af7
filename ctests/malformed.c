/* Hostile peers: whatever they send, their connection goes and nothing else. */
#include "wire.h"

static int s, healthy;
static address at;

static void set_up(enum transport t) {
    s = open_socket(NN_PULL);
    healthy = open_socket(NN_PUSH);
    at = join(s, healthy, t);
}

/* Every connection but the healthy one is over. */
static bool alone(void) {
    return connections(s) == 1 && statistic(s, NN_STAT_ACCEPTED_CONNECTIONS) == statistic(s, NN_STAT_BROKEN_CONNECTIONS) + 1;
}

/* The others go on undisturbed. */
static void check_healthy(void) {
    SEND(healthy, "fine");
    RECV(s, "fine");
    WAIT(alone());
}

static void tear_down(void) { CLOSE(s, healthy); }

/* Every byte of the greeting in turn is wrong; the last two are not looked at. */
static void greeting(enum transport t) {
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 2; k++) {
            CONTEXT("%s, greeting, byte %d", transport_name[t], i);
            uint8_t bytes[8] = {GREETING(NN_PUSH)};
            bytes[i] ^= k ? 0x80 : 0x01;
            int fd = peer_connect(at.text);
            peer_write(fd, bytes, 8);
            if (i >= 6) {
                peer_send(fd, t, "ok", 2);
                RECV(s, "ok");
            } else {
                CHECK(peer_hung_up(fd));
            }
            close(fd);
            WAIT(alone());
        }
    CONTEXT("%s, something else entirely", transport_name[t]);
    static const char *const strangers[] = {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                            "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < COUNT(strangers); i++) {
        int fd = peer_connect(at.text);
        peer_write(fd, strangers[i], strlen(strangers[i]));
        CHECK(peer_hung_up(fd));
        close(fd);
    }
    check_healthy();
}

/* The peer goes after each single byte of greeting, head and body. */
static void truncated(enum transport t) {
    CONTEXT("%s, truncated", transport_name[t]);
    uint8_t stream[64] = {GREETING(NN_PUSH)};
    size_t length = 8;
    length += peer_head(stream + length, t, 4);
    memcpy(stream + length, "body", 4);
    length += 4;
    if (genuine())
        length = 8; /* beyond the greeting it sometimes misses the end of the connection, for ever */
    uint64_t accepted = statistic(s, NN_STAT_ACCEPTED_CONNECTIONS);
    for (size_t i = 0; i < length; i++) {
        int fd = peer_connect(at.text);
        peer_write(fd, stream, i);
        close(fd); /* with 0 bytes this is the probe of a second binder */
        WAIT(statistic(s, NN_STAT_ACCEPTED_CONNECTIONS) == accepted + i + 1 && alone());
    }
    EMPTY(s);
    check_healthy();
}

/* Sizes nobody can mean, with the limit and without; nothing is allocated for them in advance. */
static void absurd_sizes(enum transport t) {
    static const uint64_t sizes[] = {1048577, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
                                     0x8000000000000000, 0xfffffffffffffff0, 0xffffffffffffffff};
    for (int unlimited = 0; unlimited < (genuine() ? 1 : 2); unlimited++) { /* the reference aborts without a limit */
        set(s, NN_RCVMAXSIZE, unlimited ? -1 : 1048576);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            CONTEXT("%s, size %" PRIx64 ", %s", transport_name[t], sizes[i], unlimited ? "unlimited" : "limited");
            if (unlimited && sizes[i] < 0x7fffffffffffffff)
                continue; /* may be meant */
            uint8_t head[9];
            size_t length = peer_head(head, t, sizes[i]);
            int fd = peer_connect(at.text);
            peer_handshake(fd, NN_PUSH);
            peer_write(fd, head, length);
            peer_write(fd, "some of the body", 16);
            CHECK(peer_hung_up(fd));
            close(fd);
        }
    }
    set(s, NN_RCVMAXSIZE, 1048576);
    check_healthy();
}

/* The byte in front of an ipc message is 1 and nothing else. */
static void ipc_type(void) {
    if (genuine())
        return; /* aborts */
    static const uint8_t wrong[] = {0, 2, 3, 0x80, 0xff};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CONTEXT("ipc, message type %d", wrong[i]);
        int fd = peer_connect(at.text);
        peer_handshake(fd, NN_PUSH);
        peer_write(fd, (uint8_t[]){wrong[i], 0, 0, 0, 0, 0, 0, 0, 1, 'x'}, 10);
        CHECK(peer_hung_up(fd));
        close(fd);
    }
    check_healthy();
}

/* Who does not complete the greeting within a second is sent away, bound or connecting. */
static void silence(enum transport t) {
    CONTEXT("%s, silence", transport_name[t]);
    int64_t since = now_ms();
    int mute = peer_connect(at.text), slow_one = peer_connect(at.text);
    peer_write(slow_one, (uint8_t[]){GREETING(NN_PUSH)}, 7);
    int other = open_socket(NN_PULL);
    address b = fresh(t);
    int listener = peer_listen(b.text);
    set(other, NN_RECONNECT_IVL, 60000);
    CONNECT(other, b.text);
    int accepted = peer_accept(listener);
    check_healthy(); /* others are served meanwhile */
    CHECK(peer_hung_up(mute));
    CHECK_NOT_BEFORE(since, 900);
    CHECK(peer_hung_up(slow_one));
    CHECK(peer_hung_up(accepted));
    CHECK_NOT_BEFORE(since, 900);
    WAIT(statistic(other, NN_STAT_BROKEN_CONNECTIONS) == 1);
    close(mute);
    close(slow_one);
    close(accepted);
    close(listener);
    CLOSE(other);
    /* With the greeting done there is no deadline any more. */
    int fd = peer_connect(at.text);
    peer_handshake(fd, NN_PUSH);
    uint8_t head[9];
    size_t length = peer_head(head, t, 4);
    peer_write(fd, head, length - 1);
    mute = peer_connect(at.text);
    CHECK(peer_hung_up(mute)); /* the deadline has passed for who began at the same time */
    close(mute);
    peer_write(fd, head + length - 1, 1);
    peer_write(fd, "late", 4);
    RECV(s, "late");
    close(fd);
    check_healthy();
}

/* Many connections that say nothing, and go. */
static void probes(enum transport t) {
    CONTEXT("%s, connect and close", transport_name[t]);
    for (int i = 0; i < heavy(100); i++) {
        int fd = peer_connect(at.text);
        if (i % 2 && t == TCP) /* with a reset */
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        close(fd);
    }
    check_healthy();
}

/* Data for a socket that only sends: PUB drops the peer (the reference aborts), PUSH just never reads it. */
static void unwanted(enum transport t) {
    static const int types[][2] = {{NN_PUSH, NN_PULL}, {NN_PUB, NN_SUB}};
    for (size_t i = 0; i < (genuine() ? 1 : COUNT(types)); i++) {
        CONTEXT("%s, data for type %d", transport_name[t], types[i][0]);
        int sender = open_socket(types[i][0]), receiver = open_socket(types[i][1]);
        address a = bind_fresh(sender, t);
        int fd = peer_connect(a.text);
        peer_handshake(fd, types[i][1]);
        WAIT(connections(sender) == 1);
        for (int k = 0; k < 100; k++)
            peer_send(fd, t, "unwanted", 8);
        if (types[i][0] == NN_PUSH) {
            uint8_t data[256];
            SEND(sender, "work");
            CHECK_EQ(peer_recv(fd, t, data), 4);
        } else {
            CHECK(peer_hung_up(fd));
            WAIT(connections(sender) == 0);
            CHECK_OK(nn_setsockopt(receiver, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
            connect_and_wait(receiver, sender, a.text);
            SEND(sender, "good");
            RECV(receiver, "good");
        }
        close(fd);
        CLOSE(sender, receiver);
    }
}

int main(void) {
    start();
    for EACH_OS_TRANSPORT (t) {
        set_up(t);
        greeting(t);
        truncated(t);
        absurd_sizes(t);
        if (t == IPC)
            ipc_type();
        silence(t);
        probes(t);
        tear_down();
        unwanted(t);
    }
    return finish();
}
