/* millrace/log.h: what is logged, to whom, and that a callback may use the library. */
#include "wire.h"

#include <millrace/log.h>
#include <sched.h>
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

static void ignore(int level, const char *text, void *user) {
    (void)level, (void)text, (void)user;
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

/* In a process of its own: one that hangs or is killed is a failed check of this one. */
static void apart(const char *what, void (*body)(void)) {
    CONTEXT("%s", what);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(slow() ? 120 : 10);
        failures = 0;
        body();
        _exit(failures != 0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

/* Makes two lines. */
static void come_and_go(int s) {
    char name[32];
    snprintf(name, sizeof name, "inproc://comes-and-goes-%d", s);
    int endpoint = nn_bind(s, name);
    CHECK(endpoint >= 0);
    CHECK_OK(nn_shutdown(s, endpoint));
}

static volatile bool is_over;

static void *log_on(void *socket) {
    while (!is_over)
        come_and_go(*(int *)socket);
    return NULL;
}

static void log_in_child(void) {
    int s = nn_socket(AF_SP, NN_PAIR);
    come_and_go(s);
    CHECK_OK(nnx_log(NN_LOG_DEBUG, NULL, NULL));
    come_and_go(s);
    CHECK_OK(nnx_log(NN_LOG_DEBUG, hear, heard));
    CHECK_OK(nn_close(s));
}

/* While other threads log. */
static void forks(void) {
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDERR_FILENO);
    CHECK_OK(nnx_log(NN_LOG_DEBUG, NULL, NULL));
    int s[2] = {open_socket(NN_PAIR), open_socket(NN_PAIR)};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, log_on, &s[i]);
    for (int i = 0; i < 200 && failures == 0; i++) {
        if (i % 2) /* which must not be in the way of a child either */
            CHECK_OK(nnx_log(NN_LOG_DEBUG, NULL, NULL));
        apart("a child while others log", log_in_child);
    }
    is_over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CLOSE(s[0], s[1]);
}

/* What a peer gets is the greeting, and no line of the log, if its connection would be the next descriptor 2. */
static void closed(void) {
    int s = open_socket(NN_PAIR);
    address at = bind_fresh(s, TCP);
    CHECK_OK(nnx_log(NN_LOG_DEBUG, NULL, NULL));
    /* Made before, so that the accepted one gets the number. */
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage name;
    socklen_t length = peer_name(at.text, &name);
    close(STDERR_FILENO);
    CHECK_OK(connect(peer_limited(peer), (struct sockaddr *)&name, length));
    peer_handshake(peer, NN_PAIR);
    WAIT(connections(s) == 1);
    CHECK(fcntl(STDERR_FILENO, F_GETFD) < 0); /* the connection has had that number, and been given another */
    come_and_go(s);
    CHECK_OK(nnx_log(NN_LOG_DEBUG, NULL, NULL));
    come_and_go(s);
    CLOSE(s);
    char more;
    CHECK_EQ(peer_read(peer, &more, 1), 0);
    close(peer);
}

static int lines_out;

static size_t read_lines(char *text, size_t room) {
    size_t length = 0;
    for (ssize_t count; length < room - 1 && (count = read(lines_out, text + length, room - 1 - length)) > 0;)
        length += count;
    text[length] = 0;
    return length;
}

/* Nobody reads: nothing waits for it, and later it is told how many lines were lost. */
static void full(void) {
    static char text[1 << 20];
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    lines_out = ends[0];
    fcntl(lines_out, F_SETFL, O_NONBLOCK);
    dup2(ends[1], STDERR_FILENO);
    CHECK_OK(nnx_log(NN_LOG_INFO, NULL, NULL));
    int s = open_socket(NN_PAIR);
    for (int i = 0; i < 2000; i++)
        come_and_go(s);
    size_t length = read_lines(text, sizeof text);
    CHECK(length > 4096 && text[length - 1] == '\n');
    int written = 0;
    for (char *line = text; (line = strstr(line, "millrace: info: ")) != NULL; line++)
        written++;
    char lost[80];
    snprintf(lost, sizeof lost, "millrace: warn: %d lines were lost here\nmillrace: info: socket ", 4000 - written);
    come_and_go(s);
    read_lines(text, sizeof text);
    CHECK(written < 4000 && strncmp(text, lost, strlen(lost)) == 0);
    CLOSE(s);
}

/* Nobody can read any more: no SIGPIPE, also none that is still to come. */
static void broken(void) {
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    dup2(ends[1], STDERR_FILENO);
    CHECK_OK(nnx_log(NN_LOG_INFO, NULL, NULL));
    close(ends[0]);
    int s = open_socket(NN_PAIR);
    come_and_go(s);
    CLOSE(s);
}

/* Lines that are under way when the log is turned off go nowhere, and not to where nobody has asked for them. */
static void turned_off(void) {
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    int s[2] = {open_socket(NN_PAIR), open_socket(NN_PAIR)};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, log_on, &s[i]);
    for (int i = 0; i < heavy(2000); i++) {
        CHECK_OK(nnx_log(NN_LOG_DEBUG, ignore, NULL));
        sched_yield();
        CHECK_OK(nnx_log(NN_LOG_OFF, NULL, NULL));
    }
    is_over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CLOSE(s[0], s[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    CHECK_EQ(read(ends[0], heard, sizeof heard), -1);
}

/* Names and addresses cannot make lines of their own, or colour a terminal. */
static void control_characters(void) {
    CONTEXT("control characters");
    CHECK_OK(nnx_log(NN_LOG_INFO, hear, heard));
    int s = open_socket(NN_PAIR);
    CHECK_OK(nn_setsockopt(s, NN_SOL_SOCKET, NN_SOCKET_NAME, "a\n\x1b[2Jb", 7));
    CHECK(nn_bind(s, "inproc://c\r\nmillrace: error: d\xc2\x9b") > 0);
    CHECK(has_heard("socket a\\n\\u{1b}[2Jb, inproc://c\\r\\nmillrace: error: d\\u{9b}: listens\n"));
    CHECK_OK(nnx_log(NN_LOG_OFF, NULL, NULL));
    CLOSE(s);
}

int main(void) {
    start();
    /* Before this process has a session: what the environment says is read once. */
    by_environment("info", "millrace: info: socket 0, inproc://logged: listens\n");
    by_environment("INFO", "millrace: info: socket 0, inproc://logged: stopped\n");
    by_environment("error", "");
    by_environment("", "");
    by_environment("loud", "millrace: warn: MILLRACE_LOG is none of");
    if (!slow()) /* valgrind takes what other threads held at the fork for leaks of the child */
        apart("forks", forks);
    apart("stderr is closed", closed);
    apart("stderr is full", full);
    apart("stderr is broken", broken);
    apart("off", turned_off);
    levels();
    control_characters();
    return finish();
}
