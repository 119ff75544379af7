/* BUS: to all neighbours, one hop, never back; the raw one names the connection in its header. */
#include "header.h"

static void full(enum transport t) {
    CONTEXT("%s, full", transport_name[t]);
    int s[4];
    address a[4];
    for (int i = 0; i < 4; i++)
        s[i] = open_socket(NN_BUS);
    SEND(s[0], "to nobody");
    EMPTY(s[0]);
    for (int i = 0; i < 3; i++) { /* 0, 1 and 2 are a full mesh; 3 knows 2 alone */
        a[i] = bind_fresh(s[i], t);
        for (int k = 0; k < i; k++)
            connect_and_wait(s[i], s[k], a[k].text);
    }
    connect_and_wait(s[3], s[2], a[2].text);
    SEND(s[0], "from 0");
    RECV(s[1], "from 0");
    RECV(s[2], "from 0");
    SEND(s[3], "from 3");
    RECV(s[2], "from 3");
    for (int i = 0; i < 4; i++)
        NOTHING(s[i]);
    SEND(s[2], "from 2");
    RECV(s[0], "from 2");
    RECV(s[1], "from 2");
    RECV(s[3], "from 2");
    CHECK_ERR(send_header(s[0], "12345678", 8, "x", 1, 0), EINVAL);
    CHECK_ERR(send_header(s[0], "1", 1, "x", 1, 0), EINVAL);
    CHECK_EQ(send_header(s[0], "", 0, "empty header", 12, 0), 12);
    RECV(s[1], "empty header");
    CLOSE(s[0], s[1], s[2], s[3]);
}

static void raw(enum transport t) {
    CONTEXT("%s, raw", transport_name[t]);
    int hub = open_raw(NN_BUS), leaf[3];
    address a = bind_fresh(hub, t);
    struct sp_control control;
    char body[64];
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        leaf[i] = open_socket(NN_BUS);
        connect_and_wait(leaf[i], hub, a.text);
    }
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3; i++) {
            SEND(leaf[i], "hello");
            CHECK_EQ(recv_header(hub, &control, body, 0), 5);
            CHECK_EQ(control.length, 8);
            uint64_t id;
            memcpy(&id, control.bytes, 8);
            CHECK(round == 0 || ids[i] == id); /* stable, */
            ids[i] = id;
            for (int k = 0; k < i; k++)
                CHECK(ids[k] != id); /* and another for everybody */
        }
    CHECK_EQ(send_header(hub, &ids[1], 8, "but 1", 5, 0), 5);
    RECV(leaf[0], "but 1");
    RECV(leaf[2], "but 1");
    SEND(hub, "all");
    for (int i = 0; i < 3; i++)
        RECV(leaf[i], "all");
    uint64_t unknown = ids[0] ^ ids[1] ^ ids[2] ^ 0x5555;
    CHECK_EQ(send_header(hub, &unknown, 8, "unknown", 7, 0), 7);
    for (int i = 0; i < 3; i++)
        RECV(leaf[i], "unknown");
    static const size_t bad[] = {1, 4, 7, 9, 16};
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK_ERR(send_header(hub, "0123456789abcdef", bad[i], "x", 1, 0), EINVAL);
    for (int i = 0; i < 3; i++)
        EMPTY(leaf[i]);
    CLOSE(hub, leaf[0], leaf[1], leaf[2]);
}

/* Sending never blocks; a neighbour that does not read misses messages. */
static void never_blocks(void) {
    CONTEXT("no reader");
    int a = open_socket(NN_BUS), b = open_socket(NN_BUS);
    join(a, b, INPROC);
    CHECK_EQ(fill(a, 1000, 500), 500);
    CHECK(can_send(a));
    int count = 0;
    while (nn_recv(b, NULL, 0, NN_DONTWAIT) == 1000)
        count++;
    CHECK_EQ(count, 132);
    CLOSE(a, b);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        full(t);
        raw(t);
    }
    never_blocks();
    return finish();
}
