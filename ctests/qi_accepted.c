/* What the object bus has accepted, when the process of the sender ends: posts and events, in bursts and in long streams. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"
#include <sys/wait.h>

static int counted;

static void count(nnqi_request request, void *user) {
    (void)request;
    (void)user;
    __atomic_fetch_add(&counted, 1, __ATOMIC_SEQ_CST);
}

static void event(nnqi_value arguments, uint64_t missed, void *user) {
    (void)user;
    CHECK_EQ(missed, 0);
    if (arguments != 0)
        __atomic_fetch_add(&counted, 1, __ATOMIC_SEQ_CST);
}

static void end_by(bool in_order) {
    if (in_order)
        exit(0);
    _exit(0);
}

static void await_all(pid_t pid, int messages) {
    int status = -1;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    WAIT(GET(counted) == messages);
    PUT(counted, 0);
}

/* A client posts, and its process ends. */
static void posts(struct bus *bus, int messages, bool in_order) {
    CONTEXT("%d posts, then %s", messages, in_order ? "exit" : "_exit");
    pid_t pid = fork();
    if (pid == 0) {
        nnqi_session session = nnqi_connect(bus->url, NULL);
        nnqi_proxy proxy = nnqi_service(session, "Counter", patience());
        for (int i = 0; i < messages; i++)
            if (nnqi_post(proxy, "count", TUPLE(nnqi_int('i', i))) != 0)
                _exit(9);
        end_by(in_order);
    }
    await_all(pid, messages);
}

/* A service emits to a client that has subscribed, and its process ends. */
static void events(int messages, bool in_order) {
    CONTEXT("%d events, then %s", messages, in_order ? "exit" : "_exit");
    int told[2];
    char url[128] = "";
    CHECK_OK(pipe(told));
    pid_t pid = fork();
    if (pid == 0) {
        struct bus bus;
        open_bus(&bus, NULL);
        nnqi_builder builder = nnqi_builder_new();
        nnqi_signal(builder, "fired", "(i)");
        nnqi_object object = nnqi_build(builder);
        nnqi_add_service(bus.server, "Source", object);
        if (write(told[1], bus.url, sizeof(bus.url)) != sizeof(bus.url))
            _exit(9);
        while (nnqi_emit(object, "fired", TUPLE(nnqi_int('i', 0))) == 0) /* until somebody has subscribed */
            pause_ms(1);
        pause_ms(20);
        for (int i = 1; i < messages; i++)
            if (nnqi_emit(object, "fired", TUPLE(nnqi_int('i', i))) != 1)
                _exit(9);
        end_by(in_order);
    }
    CHECK_EQ(read(told[0], url, sizeof(url)), sizeof(url));
    nnqi_session session = nnqi_connect(url, NULL);
    nnqi_proxy proxy = nnqi_service(session, "Source", patience());
    nnqi_subscription subscription = nnqi_watch(proxy, "fired", 10000, event, NULL);
    GOOD(subscription);
    await_all(pid, messages);
    nnqi_unsubscribe(subscription);
    nnqi_proxy_free(proxy);
    nnqi_close(session);
    close(told[0]);
    close(told[1]);
}

int main(void) {
    start();
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "count", "(i)", "v", count, NULL) > 0);
    CHECK_EQ(nnqi_limits(builder, 100000, 0), 0); /* what a mailbox has no room for is dropped, and another matter */
    nnqi_proxy proxy = add_service(&bus, "Counter", nnqi_build(builder));
    GOOD(proxy);
    for (int in_order = 0; in_order < 2; in_order++) {
        posts(&bus, 10, in_order);
        posts(&bus, 100, in_order);
        events(10, in_order);
        events(100, in_order);
    }
    posts(&bus, heavy(20000), true);
    close_bus(&bus);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
