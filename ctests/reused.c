/* Handles that are closed, and are other sockets' soon, while threads send and receive on them: each call meets the socket of that
 * moment, or none; and what arrives is whole. */
#include "ctest.h"

enum { HANDLES = 8, LONGEST = 64 };

static int over;

/* The errors that a socket of another kind, or none, may answer with. */
static bool is_expected(int error) {
    return error == EAGAIN || error == EBADF || error == ENOTSUP || error == EFSM;
}

static void *caller(void *argument) {
    unsigned random = (unsigned)(uintptr_t)argument;
    char body[LONGEST];
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        int s = (int)(rand_r(&random) % HANDLES);
        if (rand_r(&random) % 2) {
            memset(body, 'a' + s, sizeof(body));
            if (nn_send(s, body, 1 + rand_r(&random) % LONGEST, NN_DONTWAIT) < 0)
                CHECK(is_expected(nn_errno()));
        } else {
            int n = nn_recv(s, body, sizeof(body), NN_DONTWAIT);
            CHECK(n > 0 || is_expected(nn_errno()));
            for (int i = 1; i < n; i++)
                CHECK(body[i] == body[0]);
        }
    }
    return NULL;
}

static void *opener(void *argument) {
    unsigned random = (unsigned)(uintptr_t)argument;
    static const int kinds[][2] = {{NN_PUSH, NN_PULL}, {NN_PAIR, NN_PAIR}, {NN_REQ, NN_REP}};
    for (int i = 0; i < heavy(300); i++) {
        const int *kind = kinds[rand_r(&random) % 3];
        int one = open_socket(kind[0]), other = open_socket(kind[1]);
        int none = 0;
        CHECK_OK(nn_setsockopt(one, NN_SOL_SOCKET, NN_LINGER, &none, sizeof(none)));
        CHECK_OK(nn_setsockopt(other, NN_SOL_SOCKET, NN_LINGER, &none, sizeof(none)));
        address a = bind_fresh(other, rand_r(&random) % 2 ? INPROC : IPC);
        CONNECT(one, a.text);
        for (unsigned n = rand_r(&random) % 4; n > 0; n--)
            sched_yield();
        CLOSE(one, other);
    }
    return NULL;
}

int main(void) {
    start();
    pthread_t callers[3], openers[2];
    for (uintptr_t i = 0; i < 3; i++)
        callers[i] = spawn(caller, (void *)(i + 1));
    for (uintptr_t i = 0; i < 2; i++)
        openers[i] = spawn(opener, (void *)(i + 100));
    for (int i = 0; i < 2; i++)
        await(openers[i]);
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++)
        await(callers[i]);
    return finish();
}
