/* nn_close: blocked calls return EBADF, descriptors wake up, addresses are free, nothing delays it. */
#include "blocked.h"
#include "wire.h"

static void blocked_calls(void) {
    static int (*const calls[])(int) = {blocking_send, blocking_recv, blocking_loopback};
    for (size_t i = 0; i < COUNT(calls); i++) {
        CONTEXT("blocked call %zu", i);
        int s = nn_socket(AF_SP_RAW, NN_PAIR);
        struct blocked blocked[4];
        for (size_t k = 0; k < COUNT(blocked); k++)
            block(&blocked[k], calls[i], s);
        CHECK_OK(nn_close(s));
        for (size_t k = 0; k < COUNT(blocked); k++)
            CHECK_BLOCKED(&blocked[k], -1, EBADF);
        CHECK_ERR(nn_send(s, "x", 1, 0), EBADF);
        CHECK_ERR(nn_recv(s, NULL, 0, 0), EBADF);
        CHECK_ERR(nn_close(s), EBADF);
    }
}

/* A polled socket that is closed ends the poll: it is as ready as can be, so that whoever goes on with it is told. (Of the genuine library a poll ends, too,
 * sometimes with that and sometimes with 0.) */
static void polled(void) {
    CONTEXT("poll");
    static int (*const polls[])(int) = {blocking_poll_in, blocking_poll_out};
    for (size_t i = 0; i < COUNT(polls); i++) {
        int s = nn_socket(AF_SP, NN_PAIR);
        struct blocked blocked;
        block(&blocked, polls[i], s);
        CHECK_OK(nn_close(s));
        WAIT(is_done(&blocked));
        await(blocked.id);
        if (!genuine())
            CHECK_EQ(blocked.result, 1);
        CHECK_ERR(polls[i](s), EBADF);
    }
}

/* A device over two sockets runs until both directions have failed. */
static int other;
static int blocking_device(int s) { return nn_device(s, other); }

static void device(void) {
    CONTEXT("device");
    int front = nn_socket(AF_SP_RAW, NN_REP);
    other = nn_socket(AF_SP_RAW, NN_REQ);
    struct blocked blocked;
    block(&blocked, blocking_device, front);
    CHECK_OK(nn_close(front));
    CHECK_OK(nn_close(other));
    CHECK_BLOCKED(&blocked, -1, EBADF);
}

static void second_close(void) {
    CONTEXT("one of two closes wins");
    for (int i = 0; i < heavy(50); i++) {
        int s = open_socket(NN_PAIR);
        struct blocked blocked = {.call = nn_close, .s = s};
        blocked.id = spawn(blocked_thread, &blocked);
        int result = nn_close(s), code = errno;
        await(blocked.id);
        CHECK_EQ(result + blocked.result, -1);
        CHECK_EQ(result < 0 ? code : blocked.code, EBADF);
    }
}

/* Retries, half-finished handshakes and silent peers do not delay a close. */
static void prompt(void) {
    for EACH_TRANSPORT (t) {
        CONTEXT("prompt close, %s", transport_name[t]);
        int s = open_socket(NN_BUS);
        set(s, NN_LINGER, FOREVER);
        CONNECT(s, fresh(t).text); /* nobody there */
        address a = bind_fresh(s, t);
        address silent = fresh(t == INPROC ? TCP : (enum transport)t);
        int listener = peer_listen(silent.text), fd = -1;
        CONNECT(s, silent.text); /* never answers */
        int accepted = peer_accept(listener);
        if (t != INPROC) {
            fd = peer_connect(a.text); /* never says a word */
            WAIT(statistic(s, NN_STAT_ACCEPTED_CONNECTIONS) == 1);
        }
        CONNECT(s, "tcp://no-such-host.invalid:5555");
        CLOSE(s);
        close(listener);
        close(accepted);
        if (fd >= 0)
            close(fd);
    }
}

/* A loop around a receive with a short timeout sees timeouts, and at the end EBADF; nothing else. */
static void *receive_loop(void *argument) {
    int s = *(int *)argument, timeouts = 0;
    char buffer[8];
    for (;;) {
        if (nn_recv(s, buffer, sizeof(buffer), 0) >= 0)
            continue;
        if (errno != ETIMEDOUT)
            break;
        __atomic_add_fetch(&((int *)argument)[1], 1, __ATOMIC_RELAXED);
        timeouts++;
    }
    CHECK_EQ(errno, EBADF);
    CHECK(timeouts > 0);
    return NULL;
}

static void loop(void) {
    CONTEXT("receive loop");
    int state[2] = {nn_socket(AF_SP, NN_PULL), 0};
    int push = open_socket(NN_PUSH);
    set(state[0], NN_RCVTIMEO, 5);
    join(state[0], push, INPROC);
    pthread_t thread = spawn(receive_loop, state);
    for (int i = 0; i < 100; i++)
        SEND(push, "x");
    WAIT(__atomic_load_n(&state[1], __ATOMIC_RELAXED) > 3);
    CLOSE(state[0]);
    await(thread);
    CLOSE(push);
}

int main(void) {
    start();
    blocked_calls();
    polled();
    device();
    second_close();
    prompt();
    loop();
    return finish();
}
