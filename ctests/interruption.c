/* A signal handler that runs on a blocked thread ends the call with EINTR, with SA_RESTART too. */
#include "blocked.h"

static void handler(int signal) { (void)signal; }

/* The signal is repeated: the first may come while the thread is on its way into the wait. */
static void interrupt(int (*call)(int), int s, const char *what) {
    CONTEXT("%s", what);
    struct blocked blocked;
    block(&blocked, call, s);
    WAIT(pthread_kill(blocked.id, SIGUSR1) == 0 && (pause_ms(2), is_done(&blocked)));
    CHECK_BLOCKED(&blocked, -1, EINTR);
}

static int idle_poll(int s) {
    (void)s;
    return nn_poll(NULL, 0, -1);
}

int main(void) {
    start();
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
        CHECK_OK(sigaction(SIGUSR1, &action, NULL));
        for (int timeout = -1; timeout <= 60000; timeout += 60001) {
            int s = nn_socket(AF_SP, NN_PAIR), rep = nn_socket(AF_SP, NN_REP);
            set(s, NN_SNDTIMEO, timeout);
            set(s, NN_RCVTIMEO, timeout);
            interrupt(blocking_send, s, "send");
            interrupt(blocking_recv, s, "receive");
            interrupt(blocking_recv, rep, "receive on REP");
            interrupt(blocking_poll_in, s, "poll for receive");
            interrupt(blocking_poll_out, s, "poll for send");
            interrupt(idle_poll, s, "poll of nothing");
            int peer = open_socket(NN_PAIR);
            join(s, peer, INPROC); /* the socket is none the worse */
            SEND(s, "x");
            RECV(peer, "x");
            CLOSE(s, rep, peer);
        }
    }

    /* The library's own threads leave signals to the application: with this thread blocking it, nobody takes it. */
    CONTEXT("signals stay with the application");
    int s = open_socket(NN_PAIR);
    BIND(s, fresh(TCP).text);
    sigset_t one, pending;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    CHECK_OK(pthread_sigmask(SIG_BLOCK, &one, NULL));
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1));
    CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &one, NULL));
    CLOSE(s);
    return finish();
}
