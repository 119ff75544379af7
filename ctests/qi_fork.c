/* A child that is forked while threads of the parent are in the midst of calls has a bus of its own: no lock is taken for ever, and what
 * the parent had is EBADF at once, whatever it was doing. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"
#include <sys/wait.h>

static int stopping;
static long told;

/* What the parent has. */
static struct {
    nnqi_server server;
    nnqi_object object;
    nnqi_session session;
    nnqi_proxy proxy;
    nnqi_subscription watch;
    nnqi_pending pending;
    nnqi_value value;
} had;

static void hear(nnqi_value arguments, uint64_t missed, void *context) {
    (void)missed;
    (void)context;
    if (arguments)
        __atomic_add_fetch(&told, 1, __ATOMIC_SEQ_CST);
}

static nnqi_value sum(nnqi_request request, void *context) {
    (void)context;
    return nnqi_int('i', nnqi_arg_int(request, 0) + nnqi_arg_int(request, 1));
}

/* Makes and frees handles all the time. */
static void *busy(void *unused) {
    while (!__atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
        nnqi_free(nnqi_int('i', 1));
    return unused;
}

static void *emitting(void *unused) {
    while (!__atomic_load_n(&stopping, __ATOMIC_SEQ_CST)) {
        CHECK(nnqi_emit(had.object, "event", nnqi_pack("(i)", 1)) >= 0);
        sched_yield();
    }
    return unused;
}

static void *calling(void *proxy) {
    while (!__atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
        CHECK_OK(nnqi_free(nnqi_callf(*(nnqi_proxy *)proxy, "add", "(ii)", 1, 2)));
    return NULL;
}

static nnqi_server serve(char *url, size_t size, nnqi_object *object) {
    const char *at = "tcp://127.0.0.1:0";
    nnqi_server server = nnqi_server_open(&at, 1, NULL);
    GOOD(server);
    struct nnqi_member members[] = {NNQI_FUNCTION("add", "(ii)", "i", sum), NNQI_SIGNAL("event", "(i)"), NNQI_MEMBERS_END};
    *object = nnqi_object_new(members, NULL);
    CHECK(nnqi_add_service(server, "Adder", *object) > 1);
    CHECK(nnqi_server_address(server, 0, url, size) > 0);
    return server;
}

/* The directory is asked, and the service. */
static nnqi_session connect_to(const char *url, nnqi_proxy *proxy) {
    nnqi_session session = nnqi_connect(url, NULL);
    GOOD(session);
    *proxy = nnqi_service(session, "Adder", patience());
    GOOD(*proxy);
    CHECK_EQ(nnqi_take_int(nnqi_callf(*proxy, "add", "(ii)", 1, 2), -1), 3);
    return session;
}

static void in_child(const char *url, int round) {
    alarm(30); /* a child that hangs is ended, and its status tells */
    CHECK_EQ(nnqi_handles(), 0);
    NONE(nnqi_callf(had.proxy, "add", "(ii)", 1, 2), EBADF);
    CHECK(strstr(nnqi_error(), "forked child") != NULL);
    NONE(nnqi_wait(had.pending, -1), EBADF);
    CHECK_ERR(nnqi_post(had.proxy, "add", nnqi_pack("(ii)", 1, 2)), EBADF);
    NONE(nnqi_subscribe(had.proxy, "event", 1), EBADF);
    NONE(nnqi_service(had.session, "Adder", -1), EBADF);
    CHECK_ERR(nnqi_emit(had.object, "event", nnqi_pack("(i)", 1)), EBADF);
    CHECK_ERR(nnqi_unsubscribe(had.watch), EBADF);
    CHECK_ERR(nnqi_free(had.value), EBADF);
    CHECK_ERR(nnqi_pending_free(had.pending), EBADF);
    CHECK_ERR(nnqi_proxy_free(had.proxy), EBADF);
    CHECK_ERR(nnqi_close(had.session), EBADF);
    CHECK_ERR(nnqi_server_close(had.server), EBADF);
    CHECK_EQ(nnqi_handles(), 0);
    CHECK_OK(nnqi_free(nnqi_int('i', 7)));
    nnqi_proxy proxy;
    if (round % 4 == 0) { /* the parent as peer */
        nnqi_session session = connect_to(url, &proxy);
        CHECK_OK(nnqi_proxy_free(proxy));
        CHECK_OK(nnqi_close(session));
    } else if (round % 4 == 1) {
        char own[128];
        nnqi_object object;
        nnqi_server server = serve(own, sizeof(own), &object);
        nnqi_session session = connect_to(own, &proxy);
        CHECK_OK(nnqi_proxy_free(proxy));
        CHECK_OK(nnqi_close(session));
        CHECK_OK(nnqi_object_free(object));
        CHECK_OK(nnqi_server_close(server));
    }
    CHECK_EQ(nnqi_handles(), 0);
    _exit(failures != 0);
}

int main(void) {
    start();
    char url[128];
    had.server = serve(url, sizeof(url), &had.object);
    had.session = connect_to(url, &had.proxy);
    had.watch = nnqi_watch(had.proxy, "event", 10, hear, NULL);
    GOOD(had.watch);
    had.pending = nnqi_call_start(had.proxy, "add", nnqi_pack("(ii)", 1, 2), patience());
    GOOD(had.pending);
    had.value = nnqi_int('i', 1);
    pthread_t threads[5];
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, i < 3 ? busy : i == 3 ? calling : emitting, &had.proxy), 0);
    for (int round = 0; round < 200 && failures == 0; round++) {
        pid_t pid = fork();
        if (pid == 0)
            in_child(url, round);
        int status = -1;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    __atomic_store_n(&stopping, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(__atomic_load_n(&told, __ATOMIC_SEQ_CST) > 0);
    CHECK_EQ(nnqi_take_int(nnqi_callf(had.proxy, "add", "(ii)", 1, 2), -1), 3);
    CHECK_EQ(nnqi_take_int(nnqi_wait(had.pending, patience()), -1), 3);
    CHECK_OK(nnqi_pending_free(had.pending));
    CHECK_OK(nnqi_free(had.value));
    CHECK_OK(nnqi_unsubscribe(had.watch));
    CHECK_OK(nnqi_proxy_free(had.proxy));
    CHECK_OK(nnqi_close(had.session));
    CHECK_OK(nnqi_object_free(had.object));
    CHECK_OK(nnqi_server_close(had.server));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
