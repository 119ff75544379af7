/* NN_SPIN, an option of ours: what it takes, and that a conversation goes on in either way of waiting. */
#include "ctest.h"
#if __has_include(<millrace/options.h>)
#include <millrace/options.h>
#else
#define NN_SPIN -1 /* compiled with the reference's headers, where nothing is tested */
#endif

enum { ROUNDS = 300 };

static void values(void) {
    int s = open_socket(NN_PAIR), bad = 2;
    CHECK_EQ(get(s, NN_SPIN), 1);
    set(s, NN_SPIN, 0);
    CHECK_EQ(get(s, NN_SPIN), 0);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_SPIN, &bad, sizeof(bad)), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_SPIN, &bad, 1), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_PAIR, NN_SPIN, &bad, sizeof(bad)), ENOPROTOOPT);
    CHECK_EQ(get(s, NN_SPIN), 0);
    CLOSE(s);
}

static void *echo(void *argument) {
    int s = *(int *)argument;
    for (int i = 0; i < ROUNDS; i++) {
        RECV(s, "ping");
        SEND(s, "pong");
    }
    return NULL;
}

static void conversation(enum transport t, int spins) {
    CONTEXT("%s, spins %d", transport_name[t], spins);
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    set(a, NN_SPIN, spins & 1);
    set(b, NN_SPIN, spins >> 1);
    join(a, b, t);
    pthread_t thread = spawn(echo, &b);
    for (int i = 0; i < ROUNDS; i++) {
        SEND(a, "ping");
        if (i % 2) {
            struct nn_pollfd fd = {.fd = a, .events = NN_POLLIN};
            CHECK_EQ(nn_poll(&fd, 1, patience()), 1);
        }
        RECV(a, "pong");
    }
    await(thread);
    CLOSE(a, b);
}

int main(void) {
    start();
    if (!genuine()) {
        values();
        for EACH_TRANSPORT (t)
            for (int spins = 0; spins < 4; spins++)
                conversation(t, spins);
    }
    return finish();
}
