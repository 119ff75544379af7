/* EINTR means that a signal handler ran, be it for SIGCONT. A process that is stopped and continued, or traced, or gets a signal that
 * it ignores, goes on waiting, and keeps its time limits. */
#include "blocked.h"
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static void handler(int signal) { (void)signal; }

static int timeout;
static int limited_poll(int s) {
    struct nn_pollfd entry = {.fd = s, .events = NN_POLLIN};
    return nn_poll(&entry, 1, timeout);
}
static int idle_poll(int s) {
    (void)s;
    return nn_poll(NULL, 0, timeout);
}

static const struct {
    const char *name;
    int (*call)(int s);
    int domain;
    int timed_out;
} calls[] = {
    {"receive", blocking_recv, AF_SP, -1},
    {"send", blocking_send, AF_SP, -1},
    {"poll", limited_poll, AF_SP, 0},
    {"poll of nothing", idle_poll, AF_SP, 0},
    {"device", blocking_loopback, AF_SP_RAW, -1},
};

enum { STOPPED, TRACED, IGNORED, EVENTS };
static const char *const event_name[] = {"stopped", "traced", "ignored"};

/* In a process of its own: waits while the parent does things to it. Exit status 0: it went on. */
static void child(int which, int to_parent, int from_parent) {
    failures = 0;
    signal(SIGUSR1, SIG_IGN);
    alarm(slow() ? 240 : 20);
    int s = nn_socket(calls[which].domain, NN_PAIR);
    set(s, NN_SNDTIMEO, timeout);
    set(s, NN_RCVTIMEO, timeout);
    BIND(s, fresh(IPC).text);
    struct blocked blocked;
    int64_t since = now_ms();
    block(&blocked, calls[which].call, s);
    CHECK_EQ(write(to_parent, (pid_t *)&blocked.thread, sizeof(pid_t)), sizeof(pid_t));
    char c;
    CHECK_EQ(read(from_parent, &c, 1), 1); /* it has been done */
    if (timeout < 0) {
        pause_ms(20);
        CHECK(!is_done(&blocked));
    } else {
        CHECK_BLOCKED(&blocked, calls[which].timed_out, ETIMEDOUT);
        CHECK(now_ms() - since >= timeout);
    }
    _exit(failures != 0);
}

static void do_to(pid_t pid, pid_t thread, int event) {
    int status;
    for (int i = 0; i < 3; i++) {
        if (event == IGNORED) {
            CHECK_OK(kill(pid, SIGUSR1));
        } else if (event == STOPPED) {
            CHECK_OK(kill(pid, SIGSTOP));
            CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
            CHECK_OK(kill(pid, SIGCONT));
        } else if (ptrace(PTRACE_ATTACH, thread, 0, 0) == 0) { /* where it is allowed */
            CHECK_EQ(waitpid(thread, &status, __WALL), thread);
            CHECK_OK(ptrace(PTRACE_DETACH, thread, 0, 0));
        }
        pause_ms(5);
    }
}

static void goes_on(int which, int event) {
    CONTEXT("%s, %s, time limit %d", calls[which].name, event_name[event], timeout);
    int up[2], down[2];
    CHECK_OK(pipe(up) || pipe(down));
    pid_t pid = fork(), thread = 0;
    if (pid == 0)
        child(which, up[1], down[0]);
    CHECK_EQ(read(up[0], &thread, sizeof(thread)), sizeof(thread));
    do_to(pid, thread, event);
    CHECK_EQ(write(down[1], "d", 1), 1);
    int status = 0;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 2; i++)
        close(up[i]), close(down[i]);
}

/* A handler for SIGCONT is a handler. */
static void handler_of_continuing(int which) {
    CONTEXT("%s, handler of SIGCONT", calls[which].name);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK_OK(sigaction(SIGCONT, &action, NULL));
    int s = nn_socket(calls[which].domain, NN_PAIR);
    set(s, NN_SNDTIMEO, timeout);
    set(s, NN_RCVTIMEO, timeout);
    BIND(s, fresh(IPC).text);
    struct blocked blocked;
    block(&blocked, calls[which].call, s);
    WAIT(pthread_kill(blocked.id, SIGCONT) == 0 && (pause_ms(2), is_done(&blocked)));
    CHECK_BLOCKED(&blocked, -1, EINTR);
    CLOSE(s);
    signal(SIGCONT, SIG_DFL);
}

int main(void) {
    start();
    for (int limited = 0; limited <= 1; limited++)
        for (int which = 0; which < (int)COUNT(calls); which++) {
            timeout = limited ? 300 : -1;
            for (int event = 0; event < EVENTS; event++)
                goes_on(which, event);
            timeout = -1;
            handler_of_continuing(which);
        }
    return finish();
}
