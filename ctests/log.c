/* millrace/log.h: what is logged, to whom, and that a callback may use the library. */
#include "wire.h"

#include <millrace/log.h>
#include <sys/wait.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char heard[4096];
static int in_callback = -1;

static void hear(int level, const char *text, void *user) {
    CHECK(user == heard);
    if (in_callback >= 0)
        CHECK_EQ(get(in_callback, NN_PROTOCOL), NN_PAIR);
    pthread_mutex_lock(&lock);
    size_t length = strlen(heard);
    snprintf(heard + length, sizeof(heard) - length, "%d %s\n", level, text);
    pthread_mutex_unlock(&lock);
}

static bool has_heard(const char *text) {
    pthread_mutex_lock(&lock);
    bool has = strstr(heard, text) != NULL;
    pthread_mutex_unlock(&lock);
    return has;
}

static void levels(void) {
    CONTEXT("levels");
    CHECK_ERR(nnx_log(-1, hear, NULL), EINVAL);
    CHECK_ERR(nnx_log(6, hear, NULL), EINVAL);
    CHECK_OK(nnx_log(NN_LOG_INFO, hear, heard));
    int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
    in_callback = a;
    CHECK_OK(nn_setsockopt(a, NN_SOL_SOCKET, NN_SOCKET_NAME, "server", 6));
    address at = join(a, b, TCP);
    char line[256];
    snprintf(line, sizeof(line), "%d socket server, %s: listens\n", NN_LOG_INFO, at.text);
    CHECK(has_heard(line));
    snprintf(line, sizeof(line), "%d socket server, %s: is joined by 127.0.0.1:", NN_LOG_INFO, at.text);
    WAIT(has_heard(line));
    CHECK(!has_heard("accepted")); /* which is for NN_LOG_DEBUG */
    int stranger = peer_connect(at.text);
    peer_write(stranger, "GET / HTTP/1.1\r\n\r\n", 18);
    snprintf(line, sizeof(line), "%d socket server, %s: refused 127.0.0.1:", NN_LOG_WARN, at.text);
    WAIT(has_heard(line));
    CHECK(has_heard("does not speak SP"));
    close(stranger);
    in_callback = -1;
    CHECK_OK(nnx_log(NN_LOG_OFF, NULL, NULL));
    size_t length = strlen(heard);
    CLOSE(b);
    WAIT(connections(a) == 0);
    CLOSE(a);
    CHECK_EQ(strlen(heard), length);
}

/* Runs in a process of its own, whose standard error output is read. */
static void by_environment(const char *level, const char *expected) {
    CONTEXT("MILLRACE_LOG=%s", level);
    int ends[2];
    CHECK_OK(pipe(ends));
    fflush(stderr);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        setenv("MILLRACE_LOG", level, 1);
        int s = nn_socket(AF_SP, NN_PAIR);
        nn_bind(s, "inproc://logged");
        nn_close(s);
        _exit(0);
    }
    close(ends[1]);
    char text[1024] = "";
    size_t length = 0;
    for (ssize_t count; (count = read(ends[0], text + length, sizeof(text) - 1 - length)) > 0;)
        length += count;
    close(ends[0]);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    check_at(__FILE__, __LINE__, expected[0] ? strstr(text, expected) != NULL : length == 0, "\"%s\" in \"%s\"", expected, text);
}

int main(void) {
    start();
    /* Before this process has a session: what the environment says is read once. */
    by_environment("info", "millrace: info: socket 0, inproc://logged: listens\n");
    by_environment("INFO", "millrace: info: socket 0, inproc://logged: stopped\n");
    by_environment("error", "");
    by_environment("", "");
    by_environment("loud", "millrace: warn: MILLRACE_LOG is none of");
    levels();
    return finish();
}
