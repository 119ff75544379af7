/* A call that blocks in a thread of its own. Include after ctest.h. */
#ifndef BLOCKED_H
#define BLOCKED_H

#include "ctest.h"
#include <sys/syscall.h>

struct blocked {
    int (*call)(int s);
    int s;
    int result, code;
    pid_t thread;
    bool done;
    pthread_t id;
};

static inline void *blocked_thread(void *argument) {
    struct blocked *blocked = argument;
    __atomic_store_n(&blocked->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    blocked->result = blocked->call(blocked->s);
    blocked->code = nn_errno(); /* the thread's own, on a thread the library knows nothing of */
    __atomic_store_n(&blocked->done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* Starts the call and waits until it sleeps. */
static inline void block(struct blocked *blocked, int (*call)(int s), int s) {
    *blocked = (struct blocked){.call = call, .s = s};
    blocked->id = spawn(blocked_thread, blocked);
    WAIT(asleep(&blocked->thread));
}

static inline bool is_done(struct blocked *blocked) { return __atomic_load_n(&blocked->done, __ATOMIC_ACQUIRE); }

#define CHECK_BLOCKED(blocked, expected_result, expected_code) \
    do { \
        WAIT(is_done(blocked)); \
        await((blocked)->id); \
        CHECK_EQ((blocked)->result, expected_result); \
        if ((expected_result) < 0) \
            CHECK_EQ((blocked)->code, expected_code); \
    } while (0)

static inline int blocking_send(int s) { return nn_send(s, "x", 1, 0); }
static inline int blocking_recv(int s) { return nn_recv(s, (char[8]){0}, 8, 0); }
static inline int blocking_poll_in(int s) {
    struct nn_pollfd entry = {.fd = s, .events = NN_POLLIN};
    return nn_poll(&entry, 1, -1);
}
static inline int blocking_poll_out(int s) {
    struct nn_pollfd entry = {.fd = s, .events = NN_POLLOUT};
    return nn_poll(&entry, 1, -1);
}
static inline int blocking_loopback(int s) { return nn_device(s, -1); }

#endif
