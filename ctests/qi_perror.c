/* nnqi_perror prints as perror(3) does: to what is the standard error output at that moment, and waits for room there. Nothing that it
 * needs for that is left locked in a child that is forked meanwhile, and a thread that is cancelled meanwhile leaves nothing locked. */
#include "ctest.h"

#include <millrace/qi.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static pid_t thread_id;

static void *print(void *argument) {
    (void)argument;
    __atomic_store_n(&thread_id, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    nnqi_perror("waits");
    return NULL;
}

/* Does the thread wait in a call of the system? */
static bool is_asleep(void) {
    char path[64], state = 0;
    pid_t id = __atomic_load_n(&thread_id, __ATOMIC_ACQUIRE);
    if (id == 0)
        return false;
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
    FILE *stat = fopen(path, "r");
    if (!stat)
        return false;
    bool is_read = fscanf(stat, "%*d (%*[^)]) %c", &state) == 1;
    fclose(stat);
    return is_read && state == 'S';
}

/* What was printed into a file, which must be just that. */
static void check_file(int file, const char *expected) {
    char text[256] = "";
    CHECK(pread(file, text, sizeof(text) - 1, 0) >= 0);
    check_at(__FILE__, __LINE__, strcmp(text, expected) == 0, "expected \"%s\", got \"%s\"", expected, text);
}

static int scratch_file(void) {
    char name[] = "perror-XXXXXX";
    int file = mkstemp(name);
    CHECK(file >= 0);
    unlink(name);
    return file;
}

/* The failures of a child go where its parent's do. */
static void in_a_child(int error_output, int (*run)(int)) {
    pid_t child = fork();
    if (child == 0) {
        failures = 0;
        alarm(20);
        _exit(run(error_output));
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static int print_elsewhere(int error_output) {
    int file = scratch_file();
    dup2(file, STDERR_FILENO);
    nnqi_perror("child");
    dup2(error_output, STDERR_FILENO);
    check_file(file, "child: \n");
    return failures != 0;
}

/* As the first thing that this process prints, so that it has no standard error output yet that it knows. */
static int print_where_it_was_put(int error_output) {
    int file = scratch_file();
    CHECK_OK(close(STDERR_FILENO));
    CHECK_EQ(nnqi_perror("nowhere"), 1);
    CHECK_EQ(dup2(file, STDERR_FILENO), STDERR_FILENO);
    CHECK_EQ(nnqi_connect("no address", NULL), 0);
    CHECK_EQ(nnqi_perror("here"), 1);
    char expected[256];
    snprintf(expected, sizeof(expected), "here: %s\n", nnqi_error());
    dup2(error_output, STDERR_FILENO);
    check_file(file, expected);
    return failures != 0;
}

static ssize_t max(ssize_t one, ssize_t other) { return one > other ? one : other; }

static void while_another_thread_waits(int error_output, bool cancel) {
    CONTEXT("cancel %d", cancel);
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    char block[4096] = "";
    ssize_t expected = 0;
    for (ssize_t more; (more = write(ends[1], block, sizeof(block))) > 0;)
        expected += more;
    CHECK_OK(fcntl(ends[1], F_SETFL, 0)); /* it is full, and whoever writes waits */
    CHECK_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    thread_id = 0;
    pthread_t thread = spawn(print, NULL);
    WAIT(is_asleep());
    if (cancel)
        CHECK_OK(pthread_cancel(thread));
    in_a_child(error_output, print_elsewhere);
    dup2(error_output, STDERR_FILENO);
    expected += (ssize_t)strlen("waits: \n");
    WAIT((expected -= max(read(ends[0], block, sizeof(block)), 0)) == 0);
    await(thread);
    in_a_child(error_output, print_elsewhere);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    start();
    int error_output = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    in_a_child(error_output, print_where_it_was_put);
    while_another_thread_waits(error_output, false);
    while_another_thread_waits(error_output, true);
    close(error_output);
    return finish();
}
