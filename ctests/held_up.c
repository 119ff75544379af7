/* One thread of the program is held up while it waits: by a signal handler that takes long, by a tracer, for ever. Other sockets are
 * served meanwhile; a time limit does not win over a message that is there; the thread itself gets its messages afterwards. */
#include "blocked.h"
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static int in_handler, may_leave;
static void handler(int signal) {
    (void)signal;
    __atomic_store_n(&in_handler, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&may_leave, __ATOMIC_SEQ_CST))
        pause_ms(1);
}

/* Messages that come over the wire, from this process, to a socket without anybody in it so far. */
static void are_served(int sender, int receiver, int count) {
    for (int i = 0; i < count; i++) {
        SEND(sender, "x");
        RECV(receiver, "x");
    }
}

/* A thread of this process sleeps in nn_recv and so polls for all. */
static void by_handler(enum transport transport) {
    CONTEXT("a handler, %s", transport_name[transport]);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    int s = nn_socket(AF_SP, NN_PAIR), peer = open_socket(NN_PAIR), a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(s, peer, transport);
    join(a, b, transport);
    are_served(a, b, 1);
    in_handler = may_leave = 0;
    struct blocked first, second;
    block(&first, blocking_recv, s);
    /* It may get the lead only when the leases of others are over. */
    pause_ms(30);
    CHECK_OK(pthread_kill(first.id, SIGUSR1));
    WAIT(__atomic_load_n(&in_handler, __ATOMIC_SEQ_CST));
    are_served(a, b, 20);
    block(&second, blocking_recv, b); /* one that waits already */
    SEND(a, "y");
    CHECK_BLOCKED(&second, 1, 0);
    int late = open_socket(NN_PAIR), dialer = open_socket(NN_PAIR); /* accepting and greeting go on, too */
    join(late, dialer, transport);
    are_served(late, dialer, 3);
    set(a, NN_RCVTIMEO, 20);
    SEND(b, "z");
    WAIT(nn_recv(a, (char[8]){0}, 8, 0) == 1);
    NOTHING(a);
    __atomic_store_n(&may_leave, 1, __ATOMIC_SEQ_CST);
    CHECK_BLOCKED(&first, -1, EINTR);
    SEND(peer, "for the first");
    set(s, NN_RCVTIMEO, patience());
    RECV(s, "for the first");
    are_served(a, b, 3);
    CLOSE(s, peer, a, b, late, dialer);
}

/* A tracer stops one thread; afterwards it goes on as if nothing had been. */
static void by_tracer(enum transport transport) {
    CONTEXT("a tracer, %s", transport_name[transport]);
    int s = nn_socket(AF_SP, NN_PAIR), peer = open_socket(NN_PAIR), a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    join(s, peer, transport);
    join(a, b, transport);
    struct blocked blocked;
    block(&blocked, blocking_recv, s);
    pause_ms(30);
    int to[2], from[2];
    CHECK_OK(pipe(to) || pipe(from));
    pid_t tracer = fork();
    if (tracer == 0) {
        char c = 'n';
        int status;
        read(to[0], &c, 1);
        if (ptrace(PTRACE_ATTACH, blocked.thread, 0, 0) == 0 && waitpid(blocked.thread, &status, __WALL) > 0)
            c = 'y';
        (void)!write(from[1], &c, 1);
        if (read(to[0], &c, 1) == 1)
            ptrace(PTRACE_DETACH, blocked.thread, 0, 0);
        _exit(0);
    }
    char c = 'n';
    prctl(PR_SET_PTRACER, tracer);
    CHECK_EQ(write(to[1], "g", 1), 1);
    CHECK_EQ(read(from[0], &c, 1), 1);
    if (c == 'y') { /* where it is allowed */
        are_served(a, b, 20);
        SEND(peer, "z");
    }
    CHECK_EQ(write(to[1], "d", 1), 1);
    CHECK_EQ(waitpid(tracer, NULL, 0), tracer);
    if (c != 'y')
        SEND(peer, "z");
    CHECK_BLOCKED(&blocked, 1, 0);
    are_served(a, b, 3);
    for (int i = 0; i < 2; i++)
        close(to[i]), close(from[i]);
    CLOSE(s, peer, a, b);
}

int main(void) {
    start();
    for EACH_OS_TRANSPORT(transport) {
        by_handler(transport);
        by_tracer(transport);
    }
    return finish();
}
