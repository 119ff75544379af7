/* PUSH and PULL: fan-out, fan-in, back-pressure, order. */
#include "ctest.h"

static void fan_out_in(enum transport t) {
    CONTEXT("%s, PUSH to workers to PULL", transport_name[t]);
    int source = open_socket(NN_PUSH), sink = open_socket(NN_PULL), in[3], out[3];
    address a = bind_fresh(source, t), b = bind_fresh(sink, t);
    for (int i = 0; i < 3; i++) {
        in[i] = open_socket(NN_PULL);
        out[i] = open_socket(NN_PUSH);
        connect_and_wait(in[i], source, a.text);
        connect_and_wait(out[i], sink, b.text);
    }
    int total = 30, seen = 0, sum = 0;
    for (int i = 0; i < total; i++)
        SEND_BYTES(source, &i, sizeof(i));
    for (int i = 0; i < 3; i++) {
        int number, count = 0;
        set(in[i], NN_RCVTIMEO, 100);
        while (nn_recv(in[i], &number, sizeof(number), 0) == sizeof(number)) {
            SEND_BYTES(out[i], &number, sizeof(number));
            count++;
        }
        CHECK(count > 0);
    }
    for (int number; seen < total && nn_recv(sink, &number, sizeof(number), 0) == sizeof(number); seen++)
        sum += number;
    CHECK_EQ(seen, total);
    CHECK_EQ(sum, total * (total - 1) / 2); /* each exactly once */
    NOTHING(sink);
    CLOSE(source, sink, in[0], in[1], in[2], out[0], out[1], out[2]);
}

static void back_pressure(enum transport t) {
    CONTEXT("%s, back-pressure", transport_name[t]);
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    CHECK_ERR(nn_send(push, "x", 1, NN_DONTWAIT), EAGAIN);
    join(pull, push, t);
    char *data = pattern(10000);
    int sent = 0, received = 0, number;
    for (;;) {
        memcpy(data, &sent, sizeof(sent));
        /* The kernel takes its time: it is full when nothing goes for a while. */
        set(push, NN_SNDTIMEO, 100);
        if (nn_send(push, data, 10000, 0) < 0)
            break;
        sent++;
    }
    CHECK_EQ(errno, ETIMEDOUT);
    CHECK(sent >= 10 && sent < 2000);
    while (received < sent && nn_recv(pull, &number, sizeof(number), 0) == 10000)
        CHECK_EQ(number, received++);
    CHECK_EQ(received, sent);
    EMPTY(pull);
    SEND(push, "again");
    RECV(pull, "again");
    free(data);
    CLOSE(push, pull);
}

/* 1 MiB - 1 and 1 MiB pass with the default limit. */
static void large(enum transport t) {
    CONTEXT("%s, large messages", transport_name[t]);
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    join(pull, push, t);
    static const size_t sizes[] = {65535, 65536, 1048575, 1048576};
    char *data = pattern(1048576);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        SEND_BYTES(push, data, sizes[i]);
        RECV_BYTES(pull, data, sizes[i]);
    }
    free(data);
    CLOSE(push, pull);
}

int main(void) {
    start();
    for EACH_TRANSPORT (t) {
        fan_out_in(t);
        back_pressure(t);
        large(t);
    }
    return finish();
}
