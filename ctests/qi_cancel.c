/* Calls of the object bus that are cancelled: how their service hears of it, and completions that still come once. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"

/* The requests that the service has not answered: the first, and all. */
static nnqi_request keeps[8];
static int keeping;
#define kept keeps[0]

static void later(nnqi_request request, void *user) {
    (void)user;
    keeps[keeping] = request;
    __atomic_add_fetch(&keeping, 1, __ATOMIC_SEQ_CST);
}

/* Keeps its worker until it may go on. */
static int gates;
static void gate(nnqi_request request, void *user) {
    (void)user;
    __atomic_add_fetch(&keeping, 1, __ATOMIC_SEQ_CST);
    WAIT(GET(gates) == 0);
    CHECK_OK(nnqi_reply(request, nnqi_int('i', 1)));
}

static void quick(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply(request, nnqi_int('i', 7)));
}

/* Is answered when it is cancelled, and not before. */
static void when_canceled(int canceled, void *user) {
    nnqi_request *request = user;
    CHECK_EQ(canceled, 1);
    CHECK_OK(nnqi_reply_canceled(*request));
    free(request);
}

static void until_canceled(nnqi_request request, void *user) {
    (void)user;
    nnqi_request *copy = malloc(sizeof(*copy));
    *copy = request;
    CHECK_OK(nnqi_on_cancel(request, when_canceled, copy));
}

static nnqi_object make_object(void) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "later", "()", "i", later, NULL) > 0);
    CHECK(nnqi_method(builder, "gate", "()", "i", gate, NULL) > 0);
    CHECK(nnqi_method(builder, "quick", "()", "i", quick, NULL) > 0);
    CHECK(nnqi_method(builder, "take", "(r)", "i", until_canceled, NULL) > 0);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    return object;
}

/* A call that has reached the service, which does not answer. */
static nnqi_pending ask(nnqi_proxy proxy) {
    PUT(keeping, 0);
    nnqi_pending pending = nnqi_call_start(proxy, "later", NO_ARGUMENTS, -1);
    GOOD(pending);
    WAIT(GET(keeping) == 1);
    return pending;
}

static void ends(nnqi_pending pending, int code) {
    NONE(nnqi_wait(pending, -1), code);
    CHECK_OK(nnqi_pending_free(pending));
}

/* ---- the service ------------------------------------------------------------------------------------------------- */

/* What a notice was told. */
struct notice {
    int times, canceled;
    /* To be looked at from within. */
    nnqi_request request;
};

static void notice(int canceled, void *user) {
    struct notice *told = user;
    told->canceled = canceled;
    if (told->request != 0)
        CHECK_EQ(nnqi_is_canceled(told->request), canceled);
    __atomic_add_fetch(&told->times, 1, __ATOMIC_SEQ_CST);
}

#define TOLD(what, how) (CHECK_EQ(GET((what).times), 1), CHECK_EQ((what).canceled, how))

static void running(struct bus *bus, nnqi_proxy proxy) {
    struct notice canceled = {0}, answered = {0}, late = {0}, gone = {0}, first = {0}, second = {0};
    nnqi_pending pending = ask(proxy);
    late.request = canceled.request = kept;
    CHECK_OK(nnqi_on_cancel(kept, notice, &canceled));
    CHECK_EQ(GET(canceled.times), 0);
    CHECK_OK(nnqi_cancel(pending));
    CHECK_OK(nnqi_cancel(pending));
    WAIT(GET(canceled.times) == 1);
    CHECK_EQ(nnqi_is_canceled(kept), 1);
    /* It has happened. */
    CHECK_OK(nnqi_on_cancel(kept, notice, &late));
    TOLD(late, 1);
    CHECK_OK(nnqi_reply_canceled(kept));
    ends(pending, EINTR);
    TOLD(canceled, 1);

    pending = ask(proxy);
    CHECK_OK(nnqi_on_cancel(kept, notice, &answered));
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 7)));
    TOLD(answered, 0);
    CHECK_ERR(nnqi_on_cancel(kept, notice, &answered), EBADF);
    CHECK_OK(nnqi_cancel(pending));
    IS_INT(nnqi_wait(pending, -1), 7);
    CHECK_OK(nnqi_pending_free(pending));
    TOLD(answered, 0);

    pending = ask(proxy);
    first.request = kept;
    CHECK_OK(nnqi_on_cancel(kept, notice, &first));
    CHECK_OK(nnqi_on_cancel(kept, notice, &second));
    TOLD(first, 0);
    CHECK_ERR(nnqi_on_cancel(kept, NULL, &second), EFAULT);
    CHECK_EQ(GET(second.times), 0);
    CHECK_OK(nnqi_cancel(pending));
    WAIT(GET(second.times) == 1);
    CHECK_EQ(second.canceled, 1);
    CHECK_OK(nnqi_reply_canceled(kept));
    ends(pending, EINTR);
    TOLD(first, 0);

    /* Its caller goes without a word. */
    nnqi_session session = nnqi_connect(bus->url, NULL);
    nnqi_proxy other = nnqi_service(session, "Cancel", patience());
    pending = ask(other);
    CHECK_OK(nnqi_on_cancel(kept, notice, &gone));
    CHECK_OK(nnqi_close(session));
    WAIT(GET(gone.times) == 1);
    CHECK_EQ(gone.canceled, 1);
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 7)));
    ends(pending, ENOTCONN);
    CHECK_OK(nnqi_proxy_free(other));
    TOLD(gone, 1);
}

/* What waits for its object never becomes a request. */
static void queued(nnqi_proxy proxy) {
    PUT(gates, 1);
    PUT(keeping, 0);
    nnqi_pending first = nnqi_call_start(proxy, "gate", NO_ARGUMENTS, -1);
    WAIT(GET(keeping) == 1);
    nnqi_pending second = nnqi_call_start(proxy, "later", NO_ARGUMENTS, -1);
    CHECK_OK(nnqi_cancel(second));
    ends(second, EINTR);
    PUT(gates, 0);
    IS_INT(nnqi_wait(first, -1), 1);
    CHECK_OK(nnqi_pending_free(first));
    CHECK_EQ(GET(keeping), 1);
}

/* A notice that answers by itself, and one that is held up meanwhile. */
struct busy {
    nnqi_proxy proxy;
    nnqi_request request;
    int begun, go, times;
};

static void answering(int canceled, void *user) {
    struct busy *busy = user;
    CHECK_EQ(canceled, 1);
    NONE(nnqi_call(busy->proxy, "quick", NO_ARGUMENTS, -1), EDEADLK);
    CHECK_OK(nnqi_reply_canceled(busy->request));
    CHECK_ERR(nnqi_on_cancel(busy->request, answering, busy), EBADF);
    __atomic_add_fetch(&busy->times, 1, __ATOMIC_SEQ_CST);
}

static void held_up(int canceled, void *user) {
    struct busy *busy = user;
    CHECK_EQ(canceled, 1);
    PUT(busy->begun, 1);
    WAIT(GET(busy->go) == 1);
    CHECK_ERR(nnqi_is_canceled(busy->request), EBADF);
    __atomic_add_fetch(&busy->times, 1, __ATOMIC_SEQ_CST);
}

static void answered_meanwhile(nnqi_proxy proxy) {
    nnqi_pending pending = ask(proxy);
    struct busy within = {.proxy = proxy, .request = kept}, beside = {0};
    CHECK_OK(nnqi_on_cancel(kept, answering, &within));
    CHECK_OK(nnqi_cancel(pending));
    ends(pending, EINTR);
    WAIT(GET(within.times) == 1);
    CHECK_ERR(nnqi_reply_canceled(kept), EBADF);

    pending = ask(proxy);
    beside.request = kept;
    CHECK_OK(nnqi_on_cancel(kept, held_up, &beside));
    CHECK_OK(nnqi_cancel(pending));
    WAIT(GET(beside.begun) == 1);
    CHECK_OK(nnqi_reply_canceled(kept));
    CHECK_ERR(nnqi_on_cancel(kept, held_up, &beside), EBADF);
    PUT(beside.go, 1);
    ends(pending, EINTR);
    WAIT(GET(beside.times) == 1);
}

/* Memory that the method and its notice share: the later of both frees it. */
struct shared {
    int users, canceled;
};

static int freed;

static void release(struct shared *shared) {
    if (__atomic_sub_fetch(&shared->users, 1, __ATOMIC_SEQ_CST) != 0)
        return;
    free(shared);
    __atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST);
}

static void last_use(int canceled, void *user) {
    struct shared *shared = user;
    shared->canceled = canceled;
    release(shared);
}

static void *canceling(void *pending) {
    CHECK_OK(nnqi_cancel(*(nnqi_pending *)pending));
    return NULL;
}

static void races(nnqi_proxy proxy) {
    int rounds = heavy(200);
    for (int i = 0; i < rounds; i++) {
        nnqi_pending pending = ask(proxy);
        struct shared *shared = malloc(sizeof(*shared));
        *shared = (struct shared){.users = 2};
        pthread_t canceler = spawn(canceling, &pending);
        CHECK_OK(nnqi_on_cancel(kept, last_use, shared));
        CHECK_OK(nnqi_reply(kept, nnqi_int('i', i)));
        release(shared);
        await(canceler);
        /* An answer after a Cancel is still one. */
        IS_INT(nnqi_wait(pending, -1), i);
        CHECK_OK(nnqi_pending_free(pending));
        WAIT(GET(freed) == i + 1);
    }
}

/* ---- completions -------------------------------------------------------------------------------------------------- */

/* What a completion was told, and what it does: frees its handle, if there is one. */
struct told {
    nnqi_pending own;
    int64_t result;
    int error, times;
};

static void told(nnqi_value result, int error, const char *text, void *user) {
    struct told *told = user;
    CHECK(text != NULL);
    CHECK_EQ(result == 0, error != 0);
    if (result != 0)
        CHECK_OK(nnqi_get_int(result, &told->result));
    told->error = error;
    if (told->own != 0) {
        CHECK_EQ(nnqi_is_done(told->own), 1);
        CHECK_OK(nnqi_cancel(told->own));
        NONE(nnqi_wait(told->own, 0), EINVAL);
        CHECK_OK(nnqi_pending_free(told->own));
        CHECK_ERR(nnqi_pending_free(told->own), EBADF);
    }
    __atomic_add_fetch(&told->times, 1, __ATOMIC_SEQ_CST);
}

static nnqi_pending ask_then(nnqi_proxy proxy, int milliseconds, struct told *to) {
    nnqi_pending pending = 0;
    PUT(keeping, 0);
    CHECK_OK(nnqi_call_then(proxy, "later", NO_ARGUMENTS, milliseconds, told, to, &pending));
    GOOD(pending);
    WAIT(GET(keeping) == 1);
    return pending;
}

static void completions(nnqi_proxy proxy) {
    struct told canceled = {0}, late = {0}, freed = {0}, own = {0}, over = {0};
    nnqi_pending pending = ask_then(proxy, -1, &canceled);
    CHECK_EQ(nnqi_is_done(pending), 0);
    NONE(nnqi_wait(pending, 0), EINVAL);
    CHECK_EQ(nnqi_is_canceled(kept), 0);
    CHECK_OK(nnqi_cancel(pending));
    WAIT(nnqi_is_canceled(kept) == 1);
    CHECK_EQ(GET(canceled.times), 0);
    CHECK_OK(nnqi_cancel(pending));
    CHECK_OK(nnqi_reply_canceled(kept));
    WAIT(GET(canceled.times) == 1);
    CHECK_EQ(canceled.error, EINTR);
    CHECK_EQ(nnqi_is_done(pending), 1);
    CHECK_OK(nnqi_cancel(pending));
    CHECK_OK(nnqi_pending_free(pending));
    CHECK_ERR(nnqi_cancel(pending), EBADF);
    CHECK_ERR(nnqi_is_done(pending), EBADF);

    /* It is the service that decides. */
    pending = ask_then(proxy, -1, &late);
    CHECK_OK(nnqi_cancel(pending));
    WAIT(nnqi_is_canceled(kept) == 1);
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 7)));
    WAIT(GET(late.times) == 1);
    CHECK(late.error == 0 && late.result == 7);
    CHECK_OK(nnqi_pending_free(pending));

    pending = ask_then(proxy, -1, &freed);
    CHECK_OK(nnqi_pending_free(pending));
    CHECK_EQ(nnqi_is_canceled(kept), 0);
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 8)));
    WAIT(GET(freed.times) == 1);
    CHECK(freed.error == 0 && freed.result == 8);

    PUT(keeping, 0);
    CHECK_OK(nnqi_call_then(proxy, "quick", NO_ARGUMENTS, -1, told, &own, &own.own));
    WAIT(GET(own.times) == 1);
    CHECK(own.error == 0 && own.result == 7);

    pending = ask_then(proxy, 50, &over);
    WAIT(GET(over.times) == 1);
    CHECK_EQ(over.error, ETIMEDOUT);
    CHECK_EQ(nnqi_is_done(pending), 1);
    CHECK_OK(nnqi_cancel(pending));
    CHECK_OK(nnqi_pending_free(pending));
    CHECK_OK(nnqi_reply_canceled(kept));

    struct told *all[] = {&canceled, &late, &freed, &own, &over};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_EQ(GET(all[i]->times), 1);
}

/* What fails tells nobody, and leaves no handle. */
static void refused(nnqi_proxy proxy) {
    struct told never = {0};
    uint64_t handles = nnqi_handles();
    nnqi_pending pending = 99;
    CHECK_ERR(nnqi_call_then(proxy, "nothing", NO_ARGUMENTS, -1, told, &never, &pending), EINVAL);
    CHECK_EQ(pending, 0);
    pending = 99;
    CHECK_ERR(nnqi_call_then(proxy, "quick", NO_ARGUMENTS, -1, NULL, &never, &pending), EFAULT);
    CHECK_EQ(pending, 0);
    pending = 99;
    CHECK_ERR(nnqi_call_then(0, "quick", NO_ARGUMENTS, -1, told, &never, &pending), EBADF);
    CHECK_EQ(pending, 0);
    CHECK_EQ(nnqi_handles(), handles);
    CHECK_EQ(never.times, 0);
}

static void completion_races(nnqi_proxy proxy) {
    int rounds = heavy(200);
    for (int i = 0; i < rounds; i++) {
        struct told one = {0};
        nnqi_pending pending = ask_then(proxy, -1, &one);
        pthread_t canceler = spawn(canceling, &pending);
        CHECK_OK(nnqi_reply(kept, nnqi_int('i', i)));
        await(canceler);
        CHECK_OK(nnqi_pending_free(pending));
        WAIT(GET(one.times) == 1);
        CHECK(one.error == 0 && one.result == i);
    }
}

/* A method that calls the object it is given and keeps nothing of it. */
static void call_back(nnqi_request request, void *user) {
    nnqi_value arguments = nnqi_arguments(request), object = nnqi_item(arguments, 0);
    nnqi_proxy caller = nnqi_proxy_of(object);
    GOOD(caller);
    CHECK_OK(nnqi_call_then(caller, "later", NO_ARGUMENTS, -1, told, user, NULL));
    CHECK_OK(nnqi_proxy_free(caller));
    CHECK_OK(nnqi_free(object));
    CHECK_OK(nnqi_free(arguments));
    CHECK_OK(nnqi_reply(request, nnqi_void()));
}

/* The call alone keeps what it needs. */
static void without_proxies(struct bus *bus, nnqi_object object) {
    struct told back = {0};
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "visit", "(o)", "v", call_back, &back) > 0);
    nnqi_object host = nnqi_build(builder);
    nnqi_proxy proxy = add_service(bus, "Host", host);
    PUT(keeping, 0);
    nnqi_value nothing = nnqi_call(proxy, "visit", TUPLE(nnqi_object_value(object)), patience());
    GOOD(nothing);
    CHECK_OK(nnqi_free(nothing));
    WAIT(GET(keeping) == 1);
    CHECK_OK(nnqi_reply(kept, nnqi_int('i', 9)));
    WAIT(GET(back.times) == 1);
    CHECK(back.error == 0 && back.result == 9);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_object_free(host));
}

/* Calls that are more than a connection takes. */
enum { MANY = 48, SIZE = 512 * 1024 };
static struct many {
    nnqi_proxy proxy;
    pid_t thread;
    int at;
    nnqi_pending pending[MANY];
    struct told told[MANY];
} many;

static void *send_many(void *bytes) {
    PUT(many.thread, (pid_t)syscall(SYS_gettid));
    for (int i = 0; i < MANY; i++) {
        PUT(many.at, i);
        nnqi_value arguments = TUPLE(nnqi_raw(bytes, SIZE));
        CHECK_OK(nnqi_call_then(many.proxy, "take", arguments, -1, told, &many.told[i], &many.pending[i]));
    }
    return NULL;
}

/* A call that waits for room is cancelled before it is sent. */
static void unsent(nnqi_proxy proxy) {
    struct busy beside = {0};
    nnqi_pending pending = ask(proxy);
    beside.request = kept;
    CHECK_OK(nnqi_on_cancel(kept, held_up, &beside));
    CHECK_OK(nnqi_cancel(pending));
    WAIT(GET(beside.begun) == 1);
    CHECK_OK(nnqi_reply_canceled(kept));
    /* Nobody reads at the other end now. */
    void *bytes = calloc(1, SIZE);
    many.proxy = proxy;
    pthread_t sender = spawn(send_many, bytes);
    WAIT(GET(many.thread) != 0 && asleep(&many.thread) && GET(many.pending[GET(many.at)]) != 0);
    int waiting = GET(many.at);
    CHECK(waiting < MANY - 1);
    CHECK_OK(nnqi_cancel(many.pending[waiting]));
    CHECK_EQ(nnqi_is_done(many.pending[waiting]), 0);
    PUT(beside.go, 1);
    await(sender);
    WAIT(GET(many.told[waiting].times) == 1);
    CHECK_EQ(many.told[waiting].error, EINTR);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(nnqi_cancel(many.pending[i]));
        WAIT(GET(many.told[i].times) == 1);
        CHECK_EQ(many.told[i].error, EINTR);
        CHECK_OK(nnqi_pending_free(many.pending[i]));
    }
    ends(pending, EINTR);
    WAIT(GET(beside.times) == 1);
    free(bytes);
}

int main(void) {
    start();
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_object object = make_object();
    nnqi_proxy proxy = add_service(&bus, "Cancel", object);
    running(&bus, proxy);
    queued(proxy);
    answered_meanwhile(proxy);
    races(proxy);
    completions(proxy);
    refused(proxy);
    completion_races(proxy);
    without_proxies(&bus, object);
    unsent(proxy);
    CHECK_OK(nnqi_proxy_free(proxy));
    close_bus(&bus);
    CHECK_OK(nnqi_object_free(object));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
