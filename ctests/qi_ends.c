/* How what waits on the object bus is ended from elsewhere, and functions that choose messages. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"

/* The requests that the service has not answered. */
static nnqi_request keeps[8];
static int keeping;

static void later(nnqi_request request, void *user) {
    (void)user;
    keeps[keeping] = request;
    __atomic_add_fetch(&keeping, 1, __ATOMIC_SEQ_CST);
}

static void answer_all(void) {
    for (int i = 0; i < keeping; i++)
        CHECK_OK(nnqi_reply_canceled(keeps[i]));
    PUT(keeping, 0);
}

static void quick(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply(request, nnqi_int('i', 7)));
}

static nnqi_object make_object(void) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK_EQ(nnqi_method(builder, "quick", "()", "i", quick, NULL), 100);
    CHECK_EQ(nnqi_method(builder, "later", "()", "i", later, NULL), 101);
    CHECK(nnqi_signal(builder, "tick", "(i)") > 0);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    return object;
}

static uint64_t next_event(uint64_t subscription) { return nnqi_next(subscription, -1, NULL); }
static uint64_t next_message(uint64_t handler) { return nnqi_next_message(handler, -1, NULL); }
static uint64_t call_later(uint64_t proxy) { return nnqi_call(proxy, "later", NO_ARGUMENTS, -1); }
static uint64_t find_nobody(uint64_t session) { return nnqi_service(session, "Nobody", -1); }

/* The connection has carried this many messages more, so the call has begun. */
static void asked(nnqi_endpoint endpoint, uint64_t before, uint64_t more) {
    struct nnqi_statistics now;
    WAIT(nnqi_endpoint_statistics(endpoint, &now) == 0 && now.sent >= before + more);
}

static void ended(int reason, int error, void *user) {
    CHECK_EQ(error, 0);
    PUT(*(int *)user, reason);
}

/* Freeing a handle ends what waits for it. */
static void freed(nnqi_proxy proxy) {
    struct waiting one, two;
    nnqi_subscription ticks = nnqi_subscribe(proxy, "tick", 1);
    begin_waiting(&one, next_event, ticks);
    begin_waiting(&two, next_event, ticks);
    CHECK_OK(nnqi_unsubscribe(ticks));
    ENDED(&one, EBADF);
    ENDED(&two, EBADF);

    int reason = 0;
    nnqi_endpoint endpoint = nnqi_endpoint_of(proxy);
    nnqi_handler handler = nnqi_make_handler(endpoint, &(struct nnqi_filter){.types = 1 << 8}, 1, ended, &reason);
    begin_waiting(&one, next_message, handler);
    begin_waiting(&two, next_message, handler);
    CHECK_OK(nnqi_remove_handler(handler));
    CHECK_EQ(reason, NNQI_REMOVED);
    ENDED(&one, EBADF);
    ENDED(&two, EBADF);
    CHECK_OK(nnqi_endpoint_free(endpoint));
}

static void watched(nnqi_value arguments, uint64_t missed, void *user) {
    CHECK_EQ(missed, 0);
    if (arguments == 0)
        __atomic_add_fetch((int *)user, 1, __ATOMIC_SEQ_CST);
}

/* Closing a session ends all that waits for anything of it. */
static void closed(struct bus *bus, const struct nnqi_options *options) {
    nnqi_session session = nnqi_connect(bus->url, options);
    nnqi_proxy proxy = nnqi_service(session, "Ends", patience());
    GOOD(proxy);
    int reason = 0, ends = 0;
    nnqi_endpoint endpoint = nnqi_endpoint_of(proxy);
    nnqi_handler handler = nnqi_make_handler(endpoint, &(struct nnqi_filter){.types = 1 << 8}, 1, ended, &reason);
    nnqi_subscription ticks = nnqi_subscribe(proxy, "tick", 1), watch = nnqi_watch(proxy, "tick", 1, watched, &ends);
    struct waiting waiting[4];
    begin_waiting(&waiting[0], next_event, ticks);
    begin_waiting(&waiting[1], next_message, handler);
    begin_waiting(&waiting[2], call_later, proxy);
    WAIT(GET(keeping) == 1);
    struct nnqi_statistics before;
    CHECK_OK(nnqi_endpoint_statistics(endpoint, &before));
    begin_waiting(&waiting[3], find_nobody, session);
    asked(endpoint, before.sent, 1);
    CHECK_OK(nnqi_close(session));
    for (size_t i = 0; i < COUNT(waiting); i++) {
        CONTEXT("%zu", i);
        ENDED(&waiting[i], ENOTCONN);
    }
    context[0] = 0;
    WAIT(GET(ends) == 1);
    CHECK_EQ(GET(reason), NNQI_CLOSED);
    CHECK_OK(nnqi_unsubscribe(ticks));
    CHECK_OK(nnqi_unsubscribe(watch));
    CHECK_OK(nnqi_remove_handler(handler));
    CHECK_OK(nnqi_endpoint_free(endpoint));
    CHECK_OK(nnqi_proxy_free(proxy));
    answer_all();
}

/* What a chooser sees and says, and what it tries to do. */
struct choice {
    uint32_t action;
    int says, seen, misuses, reason;
    nnqi_proxy proxy;
    nnqi_session session;
    nnqi_endpoint endpoint;
    nnqi_handler handler;
};

/* It is asked while its handler is being looked for: whatever changes or waits is refused, and nothing is lost by trying. */
static void misuse(struct choice *choice) {
    struct nnqi_filter all = {0};
    struct nnqi_header header = {1, 4, 0, 1, 1, 100};
    NONE(nnqi_make_handler(choice->endpoint, &all, 1, NULL, NULL), EDEADLK);
    NONE(nnqi_call(choice->proxy, "quick", NO_ARGUMENTS, -1), EDEADLK);
    CHECK_ERR(nnqi_remove_handler(choice->handler), EDEADLK);
    CHECK_ERR(nnqi_send(choice->endpoint, &header, NULL, 0, -1), EDEADLK);
    CHECK_ERR(nnqi_endpoint_close(choice->endpoint), EDEADLK);
    CHECK_ERR(nnqi_close(choice->session), EDEADLK);
    __atomic_add_fetch(&choice->misuses, 1, __ATOMIC_SEQ_CST);
}

static int choose(const struct nnqi_header *header, void *user) {
    struct choice *choice = user;
    if (header->type != 2 || header->action != choice->action)
        return 0;
    __atomic_add_fetch(&choice->seen, 1, __ATOMIC_SEQ_CST);
    if (GET(choice->handler) != 0)
        misuse(choice);
    return choice->says;
}

static void chose_last(int reason, int error, void *user) {
    CHECK_EQ(error, 0);
    PUT(((struct choice *)user)->reason, reason);
}

static nnqi_handler make_chooser(struct choice *choice, nnqi_endpoint endpoint, int says) {
    *choice = (struct choice){.action = 100, .says = says};
    nnqi_handler handler = nnqi_make_chooser(endpoint, choose, 4, chose_last, choice);
    GOOD(handler);
    return handler;
}

static void call_quick(nnqi_proxy proxy) { IS_INT(nnqi_call(proxy, "quick", NO_ARGUMENTS, patience()), 7); }

static void chosen(nnqi_session session, nnqi_proxy proxy) {
    struct choice first, second, third;
    nnqi_endpoint endpoint = nnqi_endpoint_of(proxy);
    nnqi_handler silent = make_chooser(&first, endpoint, 0), taking = make_chooser(&second, endpoint, NNQI_TAKE | NNQI_EXCLUSIVE);
    nnqi_handler late = make_chooser(&third, endpoint, NNQI_TAKE | NNQI_LAST);
    call_quick(proxy);
    struct nnqi_header found;
    nnqi_value payload = nnqi_next_message(taking, patience(), &found);
    GOOD(payload);
    CHECK_EQ(found.action, 100);
    CHECK_OK(nnqi_free(payload));
    NONE(nnqi_next_message(silent, 0, NULL), ETIMEDOUT);
    CHECK(GET(first.seen) == 1 && GET(second.seen) == 1 && GET(third.seen) == 0);
    /* It may just be asked of something. */
    CHECK_OK(nnqi_remove_handler(taking));
    WAIT(GET(second.reason) == NNQI_REMOVED);

    call_quick(proxy);
    payload = nnqi_next_message(late, patience(), NULL);
    GOOD(payload);
    CHECK_OK(nnqi_free(payload));
    WAIT(GET(third.reason) == NNQI_FILTERED);
    NONE(nnqi_next_message(late, -1, NULL), ENOTCONN);
    call_quick(proxy);
    CHECK_EQ(GET(third.seen), 1);
    CHECK_OK(nnqi_remove_handler(late));

    first.proxy = proxy;
    first.session = session;
    first.endpoint = endpoint;
    PUT(first.handler, silent);
    call_quick(proxy);
    WAIT(GET(first.misuses) > 0);
    CHECK_OK(nnqi_remove_handler(silent));
    WAIT(GET(first.reason) == NNQI_REMOVED);
    call_quick(proxy);
    NONE(nnqi_make_chooser(endpoint, NULL, 1, NULL, NULL), EFAULT);
    NONE(nnqi_make_chooser(proxy, choose, 1, NULL, NULL), EBADF);
    CHECK_OK(nnqi_endpoint_free(endpoint));
}

/* On the thread that reads, a server cannot be waited for. */
static void close_server(nnqi_value result, int error, const char *text, void *user) {
    (void)text;
    CHECK(result != 0 && error == 0);
    CHECK_ERR(nnqi_server_close(*(nnqi_server *)user), EDEADLK);
    PUT(*(nnqi_server *)user, 0);
}

int main(void) {
    start();
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_object object = make_object();
    nnqi_proxy proxy = add_service(&bus, "Ends", object);
    freed(proxy);
    chosen(bus.session, proxy);
    nnqi_server server = bus.server;
    CHECK_OK(nnqi_call_then(proxy, "quick", NO_ARGUMENTS, -1, close_server, &server, NULL));
    WAIT(GET(server) == 0);
    closed(&bus, NULL);
    closed(&bus, &(struct nnqi_options){.reconnect = 1});
    CHECK_OK(nnqi_proxy_free(proxy));
    close_bus(&bus);
    CHECK_OK(nnqi_object_free(object));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
