/* Calls of the object bus that somebody else waits for: a handle to wait with, or a callback. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"

/* The requests that the service has not answered: the first, and all. */
static nnqi_request keeps[8];
static int keeping;
#define kept keeps[0]

static void fail(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply_error(request, "on purpose"));
}

static void later(nnqi_request request, void *user) {
    (void)user;
    /* One at a time: it is one object. */
    keeps[keeping] = request;
    __atomic_add_fetch(&keeping, 1, __ATOMIC_SEQ_CST);
}

static nnqi_object make_object(void) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "add", "(ii)", "l", add, NULL) > 0);
    CHECK(nnqi_method(builder, "fail", "()", "v", fail, NULL) > 0);
    CHECK(nnqi_method(builder, "later", "()", "i", later, NULL) > 0);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    return object;
}

static nnqi_value sum_of(int a, int b) { return TUPLE(nnqi_int('i', a), nnqi_int('i', b)); }

/* A call that has reached the service, which does not answer. */
static nnqi_pending ask(nnqi_proxy proxy, int milliseconds) {
    PUT(keeping, 0);
    nnqi_pending pending = nnqi_call_start(proxy, "later", NO_ARGUMENTS, milliseconds);
    GOOD(pending);
    WAIT(GET(keeping) == 1);
    return pending;
}

static uint64_t wait_for_ever(uint64_t pending) { return nnqi_wait(pending, -1); }

static void waiting(nnqi_proxy proxy) {
    nnqi_pending sum = nnqi_call_start(proxy, "add", sum_of(40, 2), -1), other = nnqi_call_start(proxy, "add", sum_of(1, 2), -1);
    IS_INT(nnqi_wait(other, patience()), 3);
    IS_INT(nnqi_wait(sum, -1), 42);
    CHECK_OK(nnqi_pending_free(sum));
    CHECK_OK(nnqi_pending_free(other));

    nnqi_pending pending = ask(proxy, -1);
    CHECK_EQ(nnqi_is_done(pending), 0);
    NONE(nnqi_wait(pending, 0), EAGAIN);
    NONE(nnqi_wait(pending, 10), EAGAIN);
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 7)));
    WAIT(nnqi_is_done(pending) == 1);
    IS_INT(nnqi_wait(pending, 0), 7);
    NONE(nnqi_wait(pending, -1), EINTR);
    CHECK_EQ(nnqi_is_done(pending), 1);
    CHECK_OK(nnqi_cancel(pending));
    CHECK_OK(nnqi_pending_free(pending));

    pending = nnqi_call_start(proxy, "fail", NO_ARGUMENTS, -1);
    NONE(nnqi_wait(pending, -1), EPROTO);
    CHECK(strcmp(nnqi_error(), "on purpose") == 0);
    CHECK_OK(nnqi_pending_free(pending));
    CHECK_ERR(nnqi_pending_free(pending), EBADF);
    CHECK_ERR(nnqi_cancel(pending), EBADF);
    CHECK_ERR(nnqi_is_done(pending), EBADF);
    NONE(nnqi_wait(pending, 0), EBADF);
    NONE(nnqi_wait(proxy, 0), EBADF);
    NONE(nnqi_call_start(proxy, "nothing", NO_ARGUMENTS, -1), EINVAL);
    NONE(nnqi_call_start(proxy, NULL, NO_ARGUMENTS, -1), EFAULT);
    NONE(nnqi_call_start(proxy, "later", 0, -1), EBADF);
    NONE(nnqi_call_start(pending, "later", NO_ARGUMENTS, -1), EBADF);
}

/* The time of the call, not of the wait. */
static void time_limits(nnqi_proxy proxy) {
    nnqi_pending pending = ask(proxy, 50);
    NONE(nnqi_wait(pending, -1), ETIMEDOUT);
    WAIT(nnqi_is_canceled(kept) == 1);
    CHECK_OK(nnqi_reply_canceled(kept));
    CHECK_ERR(nnqi_reply_canceled(kept), EBADF);
    NONE(nnqi_wait(pending, 0), EINTR);
    CHECK_OK(nnqi_pending_free(pending));
}

/* Another thread waits meanwhile. */
static void interrupted(nnqi_proxy proxy) {
    struct waiting one, two;
    nnqi_pending pending = ask(proxy, -1);
    begin_waiting(&one, wait_for_ever, pending);
    CHECK_OK(nnqi_cancel(pending));
    WAIT(nnqi_is_canceled(kept) == 1);
    CHECK(!GET(one.done));
    CHECK_OK(nnqi_reply_canceled(kept));
    ENDED(&one, EINTR);
    CHECK_OK(nnqi_pending_free(pending));

    /* One of two gets the answer, and both hear of it. */
    pending = ask(proxy, -1);
    begin_waiting(&one, wait_for_ever, pending);
    begin_waiting(&two, wait_for_ever, pending);
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 7)));
    struct waiting *both[] = {&one, &two};
    int answers = 0;
    for (size_t i = 0; i < COUNT(both); i++) {
        WAIT(GET(both[i]->done));
        await(both[i]->id);
        if (both[i]->result != 0) {
            answers++;
            IS_INT(both[i]->result, 7);
        } else {
            CHECK_EQ(both[i]->code, EINTR);
        }
    }
    CHECK_EQ(answers, 1);
    CHECK_OK(nnqi_pending_free(pending));

    /* The handle goes; the call goes on. */
    pending = ask(proxy, -1);
    begin_waiting(&one, wait_for_ever, pending);
    CHECK_OK(nnqi_pending_free(pending));
    ENDED(&one, EBADF);
    CHECK_EQ(nnqi_is_canceled(kept), 0);
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 7)));
}

/* What a completion was told. */
struct told {
    nnqi_proxy proxy;
    int64_t result;
    int error, times;
    char text[64];
};

static void told(nnqi_value result, int error, const char *text, void *user) {
    struct told *told = user;
    if (result != 0)
        CHECK_OK(nnqi_get_int(result, &told->result));
    CHECK_EQ(result == 0, error != 0);
    told->error = error;
    snprintf(told->text, sizeof(told->text), "%s", text);
    __atomic_add_fetch(&told->times, 1, __ATOMIC_SEQ_CST);
}

/* Asks again from within. */
static void told_first(nnqi_value result, int error, const char *text, void *user) {
    struct told *to = user;
    (void)text;
    CHECK_EQ(error, 0);
    CHECK_OK(nnqi_free(result));
    NONE(nnqi_call(to->proxy, "add", sum_of(1, 1), -1), EDEADLK);
    CHECK_OK(nnqi_call_then(to->proxy, "add", sum_of(2, 3), -1, told, to, NULL));
}

static void completions(nnqi_proxy proxy) {
    struct told chained = {.proxy = proxy}, failed = {.proxy = proxy}, late = {.proxy = proxy};
    CHECK_OK(nnqi_call_then(proxy, "add", sum_of(1, 2), -1, told_first, &chained, NULL));
    WAIT(GET(chained.times) == 1);
    CHECK_EQ(chained.result, 5);
    CHECK_OK(nnqi_call_then(proxy, "fail", NO_ARGUMENTS, -1, told, &failed, NULL));
    WAIT(GET(failed.times) == 1);
    CHECK_EQ(failed.error, EPROTO);
    CHECK(strcmp(failed.text, "on purpose") == 0);
    PUT(keeping, 0);
    CHECK_OK(nnqi_call_then(proxy, "later", NO_ARGUMENTS, 50, told, &late, NULL));
    WAIT(GET(late.times) == 1);
    CHECK_EQ(late.error, ETIMEDOUT);
    WAIT(GET(keeping) == 1);
    CHECK_OK(nnqi_reply_canceled(kept));
    CHECK_ERR(nnqi_call_then(proxy, "add", sum_of(1, 2), -1, NULL, NULL, NULL), EFAULT);
    CHECK_ERR(nnqi_call_then(proxy, "nothing", NO_ARGUMENTS, -1, told, &late, NULL), EINVAL);
    CHECK_ERR(nnqi_call_then(0, "add", sum_of(1, 2), -1, told, &late, NULL), EBADF);
    CHECK_EQ(GET(late.times), 1);
}

/* The end of the session is the end of all that waits. */
static void the_end(struct bus *bus, nnqi_proxy proxy) {
    struct waiting one, another;
    struct told late = {0};
    nnqi_pending pending = ask(proxy, -1), unwatched = nnqi_call_start(proxy, "later", NO_ARGUMENTS, -1);
    CHECK_OK(nnqi_call_then(proxy, "later", NO_ARGUMENTS, -1, told, &late, NULL));
    begin_waiting(&one, wait_for_ever, pending);
    begin_waiting(&another, wait_for_ever, pending);
    WAIT(GET(keeping) == 3);
    CHECK_OK(nnqi_close(bus->session));
    for (struct waiting *each = &one; each != NULL; each = each == &one ? &another : NULL) {
        WAIT(GET(each->done));
        await(each->id);
        CHECK_EQ(each->result, 0);
    }
    CHECK(one.code == ENOTCONN || another.code == ENOTCONN);
    WAIT(GET(late.times) == 1);
    CHECK_EQ(late.error, ENOTCONN);
    NONE(nnqi_wait(unwatched, -1), ENOTCONN);
    CHECK_OK(nnqi_pending_free(pending));
    CHECK_OK(nnqi_pending_free(unwatched));
    for (int i = 0; i < keeping; i++)
        CHECK_OK(nnqi_reply_canceled(keeps[i]));
}

int main(void) {
    start();
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_object object = make_object();
    nnqi_proxy proxy = add_service(&bus, "Calls", object);
    waiting(proxy);
    time_limits(proxy);
    interrupted(proxy);
    completions(proxy);
    the_end(&bus, proxy);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_server_close(bus.server));
    CHECK_OK(nnqi_object_free(object));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
