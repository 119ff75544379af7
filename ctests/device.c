/* nn_device: argument checks, every legal pair, chains, loopback. */
#include "blocked.h"

static void arguments(void) {
    static const int types[] = {NN_PAIR, NN_PUB,  NN_SUB,      NN_REQ,        NN_REP,
                                NN_PUSH, NN_PULL, NN_SURVEYOR, NN_RESPONDENT, NN_BUS};
    CHECK_ERR(nn_device(-1, -1), EBADF);
    CHECK_ERR(nn_device(-5, 99), EBADF);
    int full = open_socket(NN_PAIR), raw[COUNT(types)];
    CHECK_ERR(nn_device(full, -1), EINVAL);
    CHECK_ERR(nn_device(-1, full), EINVAL);
    for (size_t i = 0; i < COUNT(types); i++) {
        raw[i] = open_raw(types[i]);
        set(raw[i], NN_SNDTIMEO, 0); /* a legal device ends with a timeout at once */
        set(raw[i], NN_RCVTIMEO, 0);
    }
    CHECK_ERR(nn_device(full, raw[0]), EINVAL);
    CHECK_ERR(nn_device(raw[0], full), EINVAL);
    CHECK_ERR(nn_device(raw[0], 99), EBADF);
    CHECK_ERR(nn_device(99, raw[0]), EBADF);
    for (size_t i = 0; i < COUNT(types); i++)
        for (size_t k = 0; k < COUNT(types); k++) {
            CONTEXT("device of types %d and %d", types[i], types[k]);
            bool one_way = types[i] == NN_PUB || types[i] == NN_SUB || types[i] == NN_PUSH || types[i] == NN_PULL;
            bool legal = types[i] / 16 == types[k] / 16 && (i != k || !one_way);
            CHECK_ERR(nn_device(raw[i], raw[k]), legal ? ETIMEDOUT : EINVAL);
        }
    CONTEXT("loopback");
    CHECK_ERR(nn_device(raw[0], -1), ETIMEDOUT);
    CHECK_ERR(nn_device(-1, raw[9]), ETIMEDOUT);
    CHECK_ERR(nn_device(raw[1], -1), ENOTSUP); /* PUB cannot receive */
    for (size_t i = 0; i < COUNT(types); i++)
        CLOSE(raw[i]);
    CLOSE(full);
}

struct device {
    int front, back;
    address front_at, back_at;
    pthread_t thread;
};

static void *device_thread(void *argument) {
    struct device *device = argument;
    CHECK_ERR(nn_device(device->front, device->back), EBADF);
    return NULL;
}

static void device_open(struct device *device, int front_type, int back_type, enum transport t, enum transport u) {
    device->front = nn_socket(AF_SP_RAW, front_type);
    device->back = nn_socket(AF_SP_RAW, back_type);
    if (front_type == NN_SUB) /* a device subscribes to nothing by itself */
        CHECK_OK(nn_setsockopt(device->front, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
    device->front_at = bind_fresh(device->front, t);
    device->back_at = bind_fresh(device->back, u);
}

static void device_run(struct device *device) { device->thread = spawn(device_thread, device); }

static void device_stop(struct device *device) {
    CLOSE(device->front, device->back);
    await(device->thread);
}

static void pairs(enum transport t, enum transport u) {
    static const struct {
        int left, front, back, right;
        bool answers;
    } rows[] = {
        {NN_PAIR, NN_PAIR, NN_PAIR, NN_PAIR, true}, {NN_REQ, NN_REP, NN_REQ, NN_REP, true},
        {NN_PUB, NN_SUB, NN_PUB, NN_SUB, false},    {NN_SURVEYOR, NN_RESPONDENT, NN_SURVEYOR, NN_RESPONDENT, true},
        {NN_PUSH, NN_PULL, NN_PUSH, NN_PULL, false}, {NN_BUS, NN_BUS, NN_BUS, NN_BUS, true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("device %s/%s, type %d", transport_name[t], transport_name[u], rows[i].left);
        struct device device;
        device_open(&device, rows[i].front, rows[i].back, t, u);
        int left = open_socket(rows[i].left), right = open_socket(rows[i].right);
        if (rows[i].right == NN_SUB)
            CHECK_OK(nn_setsockopt(right, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
        if (rows[i].left == NN_SURVEYOR)
            set_option(left, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, patience());
        connect_and_wait(left, device.front, device.front_at.text);
        connect_and_wait(right, device.back, device.back_at.text);
        device_run(&device);
        char *data = pattern(2000);
        for (int k = 0; k < 3; k++) {
            SEND_BYTES(left, data, 2000);
            RECV_BYTES(right, data, 2000);
            if (rows[i].answers) {
                SEND_BYTES(right, data, 1999);
                RECV_BYTES(left, data, 1999);
            }
        }
        free(data);
        device_stop(&device);
        CLOSE(left, right);
    }
}

/* n devices in a row; the far end accepts n + 1 words. Connectors come before their binders. */
static void chain(void) {
    enum { LONGEST = 3 };
    for (int n = 1; n <= LONGEST; n++) {
        CONTEXT("chain of %d", n);
        int req = open_socket(NN_REQ), rep = open_socket(NN_REP);
        address at[LONGEST + 1];
        struct device devices[LONGEST];
        for (int i = 0; i <= n; i++)
            at[i] = fresh(i % 2 ? TCP : INPROC);
        CONNECT(req, at[0].text);
        for (int i = 0; i < n; i++) {
            devices[i].front = nn_socket(AF_SP_RAW, NN_REP);
            devices[i].back = nn_socket(AF_SP_RAW, NN_REQ);
            set(devices[i].back, NN_RECONNECT_IVL, 10);
            CONNECT(devices[i].back, at[i + 1].text);
            BIND(devices[i].front, at[i].text);
            device_run(&devices[i]);
        }
        set(rep, NN_MAXTTL, n + 1);
        BIND(rep, at[n].text);
        SEND(req, "through");
        RECV(rep, "through");
        SEND(rep, "and back");
        RECV(req, "and back");
        set(rep, NN_MAXTTL, n); /* one too few: silently dropped */
        SEND(req, "dropped");
        NOTHING(rep);
        for (int i = 0; i < n; i++)
            device_stop(&devices[i]);
        CLOSE(req, rep);
    }
}

/* A loopback gives everything back to the same socket: on BUS to everybody but the sender. */
static void loopback(void) {
    CONTEXT("loopback");
    int hub = nn_socket(AF_SP_RAW, NN_BUS), leaf[3];
    address a = bind_fresh(hub, INPROC);
    for (int i = 0; i < 3; i++) {
        leaf[i] = open_socket(NN_BUS);
        CONNECT(leaf[i], a.text);
    }
    struct blocked blocked;
    block(&blocked, blocking_loopback, hub);
    SEND(leaf[0], "hello");
    RECV(leaf[1], "hello");
    RECV(leaf[2], "hello");
    NOTHING(leaf[0]);
    CLOSE(hub);
    CHECK_BLOCKED(&blocked, -1, EBADF);
    CLOSE(leaf[0], leaf[1], leaf[2]);

    int mirror = nn_socket(AF_SP_RAW, NN_PAIR), pair = open_socket(NN_PAIR);
    join(mirror, pair, TCP);
    block(&blocked, blocking_loopback, mirror);
    SEND(pair, "mirror");
    RECV(pair, "mirror");
    CLOSE(mirror);
    CHECK_BLOCKED(&blocked, -1, EBADF);
    CLOSE(pair);
}

int main(void) {
    start();
    arguments();
    for EACH_TRANSPORT (t)
        for EACH_TRANSPORT (u)
            pairs(t, u);
    chain();
    loopback();
    return finish();
}
