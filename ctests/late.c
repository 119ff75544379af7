/* Calls from where programs clean up: exit handlers, destructors of a file, of static C++ objects, of a thread's keys and of its
 * thread-local objects, and after main has ended its thread. All calls work there as anywhere, with sockets that are open and
 * with new ones, and say nothing on stderr. */
#include "ctest.h"
#include <sys/wait.h>

#if __has_include(<millrace/qi.h>)
#include "qi.h"
#define HAS_BUS 1
#else
#define HAS_BUS 0
#endif

extern int __cxa_atexit(void (*function)(void *), void *argument, void *object);
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *argument, void *object);
extern void *__dso_handle;

/* ---- what is called -------------------------------------------------------------------------------------------- */

static int one, other;

static void open_sockets(void) {
    one = open_socket(NN_PAIR), other = open_socket(NN_PAIR);
    join(one, other, TCP);
    SEND(one, "early");
    RECV(other, "early");
}

static void use_sockets(void) {
    SEND(one, "late");
    struct nn_pollfd entry = {.fd = other, .events = NN_POLLIN};
    CHECK_EQ(nn_poll(&entry, 1, patience()), 1);
    RECV(other, "late");
    NOTHING(other);
    set(one, NN_LINGER, 100);
    CHECK(nn_get_statistic(one, NN_STAT_MESSAGES_SENT) > 0);
    CHECK_ERR(nn_recv(other, (char[8]){0}, 8, NN_DONTWAIT), EAGAIN);
    void *message = nn_allocmsg(4, 0);
    memcpy(message, "back", 4);
    CHECK_EQ(nn_send(other, &message, NN_MSG, 0), 4);
    RECV(one, "back");
    CHECK_OK(nn_close(one));
    CHECK_OK(nn_close(other));
}

#if HAS_BUS
static struct bus bus;
static nnqi_proxy proxy;
static nnqi_object object;

static void open_bus_and_service(void) {
    open_bus(&bus, NULL);
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "add", "(ii)", "l", add, NULL) > 0);
    CHECK(nnqi_signal(builder, "news", "(i)") > 0);
    GOOD(object = nnqi_build(builder));
    proxy = add_service(&bus, "Adder", object);
    IS_INT(nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 40), nnqi_int('i', 2)), patience()), 42);
}

static int events;
static void on_event(nnqi_value arguments, uint64_t missed, void *user) {
    (void)missed, (void)user;
    nnqi_free(arguments);
    __atomic_add_fetch(&events, 1, __ATOMIC_SEQ_CST);
}

static void use_bus(void) {
    IS_INT(nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 2)), patience()), 3);
    nnqi_pending pending = nnqi_call_start(proxy, "add", TUPLE(nnqi_int('i', 2), nnqi_int('i', 2)), patience());
    GOOD(pending);
    IS_INT(nnqi_wait(pending, -1), 4);
    CHECK_OK(nnqi_pending_free(pending));
    NONE(nnqi_call(proxy, "absent", NO_ARGUMENTS, patience()), EINVAL);
    CHECK(strstr(nnqi_error(), "absent") != NULL);
    NONE(nnqi_call(0, "absent", NO_ARGUMENTS, patience()), EBADF);
    CHECK(strstr(nnqi_error(), "0 where a") != NULL);
    nnqi_subscription subscription = nnqi_subscribe(proxy, "news", 10);
    GOOD(subscription);
    WAIT(nnqi_emit(object, "news", TUPLE(nnqi_int('i', 7))) == 1);
    nnqi_value event = nnqi_next(subscription, patience(), NULL);
    GOOD(event);
    nnqi_free(event);
    nnqi_subscription watched = nnqi_watch(proxy, "news", 10, on_event, NULL);
    GOOD(watched);
    WAIT(nnqi_emit(object, "news", TUPLE(nnqi_int('i', 7))) >= 1 && GET(events) > 0);
    CHECK_OK(nnqi_unsubscribe(watched));
    CHECK_OK(nnqi_unsubscribe(subscription));
    nnqi_proxy_free(proxy);
    CHECK_OK(nnqi_object_free(object));
    CHECK_OK(nnqi_close(bus.session));
    CHECK_OK(nnqi_server_close(bus.server));
}
#endif

static bool on_bus, anew;

static void open_all(void) {
#if HAS_BUS
    if (on_bus) {
        open_bus_and_service();
        return;
    }
#endif
    open_sockets();
}

static void use_all(void) {
    if (anew)
        open_all();
#if HAS_BUS
    if (on_bus) {
        use_bus();
        return;
    }
#endif
    use_sockets();
}

/* ---- where it is called ---------------------------------------------------------------------------------------- */

static bool in_destructor;

static void last(void) {
    use_all();
    _exit(failures != 0);
}
static void last_of(void *argument) {
    (void)argument;
    last();
}
__attribute__((destructor)) static void destructor(void) {
    if (in_destructor)
        last();
}
static void last_of_thread(void *argument) {
    (void)argument;
    use_all();
}

static pthread_key_t key;
static bool of_key;

static void *thread(void *argument) {
    if (of_key)
        pthread_setspecific(key, argument);
    else
        __cxa_thread_atexit_impl(last_of_thread, NULL, &__dso_handle);
    if (!anew)
        open_all();
    return NULL;
}

static void in_thread(bool with_key) {
    of_key = with_key;
    CHECK_OK(pthread_key_create(&key, last_of_thread));
    await(spawn(thread, &key));
    _exit(failures != 0);
}

static void *exits(void *argument) {
    pthread_join(*(pthread_t *)argument, NULL);
    exit(0);
}

enum { EXIT_HANDLER, STATIC_OBJECT, DESTRUCTOR, KEY, THREAD_LOCAL, MAIN_GONE, WHERES };
static const char *const where_name[] = {"exit handler", "static object", "destructor", "key", "thread-local object", "main gone"};

static void run_case(int where) {
    if (where == KEY || where == THREAD_LOCAL)
        in_thread(where == KEY);
    if (where == DESTRUCTOR)
        in_destructor = true;
    else if (where == STATIC_OBJECT)
        __cxa_atexit(last_of, NULL, NULL);
    else
        atexit(last);
    if (!anew)
        open_all();
    if (where == MAIN_GONE) {
        static pthread_t self;
        self = pthread_self();
        spawn(exits, &self);
        pthread_exit(NULL);
    }
    exit(0);
}

/* In a process of its own; what that writes to stderr is shown, and is a failure. */
static void check_case(int where) {
    CONTEXT("%s, %s, %s", where_name[where], anew ? "new" : "open", on_bus ? "bus" : "sockets");
    int fds[2];
    CHECK_OK(pipe(fds));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        alarm(slow() ? 240 : 20);
        run_case(where);
        _exit(9);
    }
    close(fds[1]);
    char text[400] = "";
    size_t length = 0;
    for (ssize_t count; (count = read(fds[0], text + length, sizeof(text) - 1 - length)) > 0;)
        length += (size_t)count;
    close(fds[0]);
    int status = 0;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    check_at(__FILE__, __LINE__, length == 0, "on stderr: %s", text);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

int main(void) {
    start();
    for (int bus_too = 0; bus_too <= HAS_BUS; bus_too++)
        for (int fresh_ones = 0; fresh_ones <= 1; fresh_ones++)
            for (int where = 0; where < WHERES; where++) {
                on_bus = bus_too, anew = fresh_ones;
                check_case(where);
            }
    return finish();
}
