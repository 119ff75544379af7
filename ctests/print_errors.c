/* NN_PRINT_ERRORS: one line on stderr whenever the error of an endpoint changes to a new one. */
#include "ctest.h"
#include <sys/wait.h>

/* The child: its stderr is the library's (and that of failed checks, which then show as a difference). */
static int child(const char *to) {
    start();
    for (int round = 0; round < 2; round++) {
        int s = open_socket(NN_PAIR);
        if (round == 1)
            CHECK_OK(nn_setsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, "mine", 4));
        set(s, NN_RECONNECT_IVL, 5);
        CONNECT(s, to);
        WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 4); /* the same error over and over prints one line */
        if (round == 1) {
            int peer = open_socket(NN_PAIR);
            BIND(peer, to);
            WAIT(connections(s) == 1);
            CLOSE(peer);
            WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 8); /* after a success it is news again */
        }
        CLOSE(s);
        setenv("NN_PRINT_ERRORS", "", 1); /* read when the first socket opens: again now */
        s = open_socket(NN_PAIR);
        CONNECT(s, to);
        WAIT(statistic(s, NN_STAT_CONNECT_ERRORS) >= 3);
        CLOSE(s);
        setenv("NN_PRINT_ERRORS", "1", 1);
    }
    return finish();
}

/* /proc/self/exe would be valgrind under valgrind. */
static const char *program;

static void run_child(const char *value, const char *to, char *output, size_t size) {
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        if (value)
            setenv("NN_PRINT_ERRORS", value, 1);
        else
            unsetenv("NN_PRINT_ERRORS");
        execl(program, "print_errors", "child", to, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], output + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    output[length] = 0;
    close(ends[0]);
    int status = -1;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void check_output(const char *output, const char *expected) {
    check_at(__FILE__, __LINE__, strcmp(output, expected) == 0, "expected stderr \"%s\", got \"%s\"", expected, output);
}

int main(int argc, char **argv) {
    if (argc == 3)
        return child(argv[2]);
    program = argv[0];
    start();
    for EACH_OS_TRANSPORT (t) {
        address a = fresh(t);
        const char *where = strstr(a.text, "://") + 3, *what = strerror(t == IPC ? ENOENT : ECONNREFUSED);
        char output[4096], one[1024], two[1024];
        snprintf(one, sizeof(one), "nanomsg: socket.0[%s]: Error: %s\n", where, what);
        snprintf(two, sizeof(two), "nanomsg: socket.mine[%s]: Error: %s\n", where, what);
        char all[4096];
        static const char *const on[] = {"1", "0"}; /* any value that is not empty */
        for (size_t i = 0; i < COUNT(on); i++) {
            CONTEXT("%s, NN_PRINT_ERRORS=%s", transport_name[t], on[i]);
            run_child(on[i], a.text, output, sizeof(output));
            snprintf(all, sizeof(all), "%s%s%s", one, two, two);
            check_output(output, all);
        }
    }
    return finish();
}
