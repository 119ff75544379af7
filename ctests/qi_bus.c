/* A service and its clients in one program, in C: calls, answers given later, signals, properties, objects, misuse.
 *
 * All sessions and servers of a process share one I/O thread, which stays: so it is not finish() that ends this. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"

static nnqi_object counter;
static nnqi_request kept;
static uint64_t seen;

/* add(ii): answers at once, with a sum of both and what user points to. */
static void add_more(nnqi_request request, void *user) {
    nnqi_value arguments = nnqi_arguments(request), a = nnqi_item(arguments, 0), b = nnqi_item(arguments, 1);
    int64_t x = 0, y = 0;
    char caller[128];
    CHECK_OK(nnqi_get_int(a, &x));
    CHECK_OK(nnqi_get_int(b, &y));
    CHECK(nnqi_caller(request, caller, sizeof(caller)) > 0);
    CHECK_EQ(nnqi_is_canceled(request), 0);
    nnqi_free(a);
    nnqi_free(b);
    nnqi_free(arguments);
    /* An answer that is none leaves the request open. */
    CHECK_ERR(nnqi_reply(request, 0), EBADF);
    CHECK_OK(nnqi_reply(request, nnqi_int('l', x + y + *(int *)user)));
    CHECK_ERR(nnqi_reply(request, nnqi_void()), EBADF);
    CHECK_ERR(nnqi_reply_error(request, "again"), EBADF);
    CHECK_EQ(nnqi_arguments(request), 0);
}

static void fail(nnqi_request request, void *user) {
    (void)user;
    CHECK_ERR(nnqi_reply_error(request, NULL), EFAULT);
    CHECK_ERR(nnqi_reply_error(request, "\xff"), EINVAL);
    CHECK_OK(nnqi_reply_error(request, "on purpose"));
}

/* Leaves the answer to another thread. */
static void later(nnqi_request request, void *user) {
    (void)user;
    __atomic_store_n(&kept, request, __ATOMIC_SEQ_CST);
}

static void *answer(void *user) {
    (void)user;
    WAIT(__atomic_load_n(&kept, __ATOMIC_SEQ_CST) != 0);
    CHECK_OK(nnqi_reply(kept, nnqi_text("at last")));
    return NULL;
}

static void fetch(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply_object(request, counter));
}

static void watched(nnqi_value arguments, uint64_t missed, void *user) {
    CHECK_EQ(missed, 0);
    if (arguments == 0)
        return;
    nnqi_value first = nnqi_item(arguments, 0);
    int64_t number = 0;
    CHECK_OK(nnqi_get_int(first, &number));
    nnqi_free(first);
    __atomic_fetch_add((uint64_t *)user, (uint64_t)number, __ATOMIC_SEQ_CST);
}

/* Only even levels, and says why; of odd ones above 100 it says nothing, or nonsense. */
static int check_level(nnqi_value value, nnqi_value *told, void *user) {
    int64_t level = 0;
    __atomic_add_fetch((int *)user, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(*told, 0);
    CHECK_EQ(nnqi_kind(value), 'i');
    CHECK_OK(nnqi_get_int(value, &level));
    if (level == 101)
        return NNQI_REJECT;
    if (level == 103)
        *told = UINT64_MAX;
    else if (level == 105)
        CHECK_OK(nnqi_free(value));
    else
        *told = nnqi_text("an even level, please");
    return level == 107 ? 99 : level % 2 == 0 ? NNQI_ACCEPT : NNQI_REJECT;
}

/* It is asked what peers may set, and what we set ourselves it is not. */
static void checked(struct bus *bus) {
    int asked = 0;
    nnqi_builder builder = nnqi_builder_new();
    CHECK_EQ(nnqi_property_checked(builder, "level", "i", nnqi_int('C', 5), check_level, &asked), 100);
    CHECK_ERR(nnqi_property_checked(builder, "none", "i", nnqi_int('i', 5), NULL, NULL), EFAULT);
    CHECK_ERR(nnqi_property_checked(builder, NULL, "i", nnqi_int('i', 5), check_level, &asked), EFAULT);
    CHECK_ERR(nnqi_property_checked(builder, "none", "(", nnqi_int('i', 5), check_level, &asked), EINVAL);
    CHECK_ERR(nnqi_property_checked(builder, "none", "i", 0, check_level, &asked), EBADF);
    nnqi_object object = nnqi_build(builder);
    nnqi_proxy proxy = add_service(bus, "Checked", object);
    CHECK_EQ(nnqi_object_set(object, "level", nnqi_int('i', 7)), 0);
    IS_INT(nnqi_property_get(proxy, "level"), 7);
    CHECK_EQ(GET(asked), 0);
    CHECK_OK(nnqi_property_set(proxy, "level", nnqi_int('l', 8)));
    IS_INT(nnqi_object_get(object, "level"), 8);
    CHECK_ERR(nnqi_property_set(proxy, "level", nnqi_int('i', 9)), EPROTO);
    CHECK(strcmp(nnqi_error(), "an even level, please") == 0);
    CHECK_ERR(nnqi_property_set(proxy, "level", nnqi_int('i', 101)), EPROTO);
    CHECK(strstr(nnqi_error(), "refused") != NULL);
    CHECK_ERR(nnqi_property_set(proxy, "level", nnqi_int('i', 103)), EPROTO);
    CHECK(strstr(nnqi_error(), "check failed") != NULL);
    CHECK_ERR(nnqi_property_set(proxy, "level", nnqi_int('i', 105)), EPROTO);
    CHECK_ERR(nnqi_property_set(proxy, "level", nnqi_int('i', 107)), EPROTO);
    CHECK_EQ(GET(asked), 6);
    /* Of another type it is not asked. */
    CHECK_ERR(nnqi_property_set(proxy, "level", nnqi_text("x")), EPROTO);
    CHECK_EQ(GET(asked), 6);
    IS_INT(nnqi_object_get(object, "level"), 8);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_object_free(object));
}

static nnqi_object make_object(int *bonus) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK_EQ(nnqi_method(builder, "add", "(ii)", "l", add_more, bonus), 100);
    CHECK(nnqi_method(builder, "fail", "()", "v", fail, NULL) > 100);
    CHECK(nnqi_method(builder, "later", "()", "s", later, NULL) > 100);
    CHECK(nnqi_method(builder, "fetch", "()", "o", fetch, NULL) > 100);
    CHECK(nnqi_signal(builder, "tick", "(i)") > 100);
    CHECK(nnqi_property(builder, "level", "i", nnqi_int('i', 5)) > 100);
    CHECK_ERR(nnqi_method(builder, "bad", "(i", "v", add_more, NULL), EINVAL);
    CHECK_ERR(nnqi_method(builder, "bad", "()", "v", NULL, NULL), EFAULT);
    CHECK_ERR(nnqi_method(builder, NULL, "()", "v", add_more, NULL), EFAULT);
    CHECK_ERR(nnqi_method(nnqi_handles(), "bad", "()", "v", add_more, NULL), EBADF);
    CHECK_ERR(nnqi_property(builder, "none", "i", 0), EBADF);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    NONE(nnqi_build(builder), EBADF);
    CHECK_ERR(nnqi_builder_free(builder), EBADF);
    return object;
}

static void calls(nnqi_proxy proxy) {
    int64_t sum = 0;
    char text[32];
    nnqi_value result = nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 40), nnqi_int('C', 1)), patience());
    GOOD(result);
    CHECK_OK(nnqi_get_int(result, &sum));
    CHECK_EQ(sum, 42);
    CHECK_OK(nnqi_free(result));
    NONE(nnqi_call(proxy, "fail", nnqi_tuple(NULL, 0), patience()), EPROTO);
    CHECK(strcmp(nnqi_error(), "on purpose") == 0);
    NONE(nnqi_call(proxy, "nothing", nnqi_tuple(NULL, 0), patience()), EINVAL);
    NONE(nnqi_call(proxy, "add", TUPLE(nnqi_text("x"), nnqi_void(), nnqi_void()), patience()), EINVAL);
    NONE(nnqi_call(proxy, "add", nnqi_int('i', 1), patience()), EINVAL);
    NONE(nnqi_call(proxy, "add", 0, patience()), EBADF);
    NONE(nnqi_call(proxy, NULL, nnqi_tuple(NULL, 0), patience()), EFAULT);
    NONE(nnqi_call(0, "add", TUPLE(nnqi_void()), patience()), EBADF);

    pthread_t thread;
    pthread_create(&thread, NULL, answer, NULL);
    result = nnqi_call(proxy, "later", nnqi_tuple(NULL, 0), patience());
    GOOD(result);
    CHECK_EQ(nnqi_copy_string(result, text, sizeof(text)), 7);
    CHECK(strcmp(text, "at last") == 0);
    CHECK_OK(nnqi_free(result));
    pthread_join(thread, NULL);
    __atomic_store_n(&kept, 0, __ATOMIC_SEQ_CST);
    NONE(nnqi_call(proxy, "later", nnqi_tuple(NULL, 0), 50), ETIMEDOUT);
    WAIT(nnqi_is_canceled(__atomic_load_n(&kept, __ATOMIC_SEQ_CST)) == 1);
    CHECK_OK(nnqi_reply(kept, nnqi_void()));
    __atomic_store_n(&kept, 0, __ATOMIC_SEQ_CST);
}

static void properties(nnqi_proxy proxy) {
    int64_t level = 0;
    nnqi_value value = nnqi_property_get(proxy, "level");
    GOOD(value);
    CHECK_OK(nnqi_get_int(value, &level));
    CHECK_EQ(level, 5);
    CHECK_OK(nnqi_free(value));
    CHECK_OK(nnqi_property_set(proxy, "level", nnqi_int('i', 6)));
    value = nnqi_object_get(counter, "level");
    CHECK_OK(nnqi_get_int(value, &level));
    CHECK_EQ(level, 6);
    CHECK_OK(nnqi_free(value));
    NONE(nnqi_property_get(proxy, "none"), EINVAL);
    NONE(nnqi_object_get(counter, "none"), EINVAL);
    CHECK_ERR(nnqi_object_set(counter, "level", nnqi_text("x")), EINVAL);
    CHECK_ERR(nnqi_property_set(proxy, "level", 0), EBADF);
}

static void signals(nnqi_proxy proxy) {
    uint64_t missed = 7;
    nnqi_subscription queue = nnqi_subscribe(proxy, "tick", 4);
    GOOD(queue);
    nnqi_subscription watch = nnqi_watch(proxy, "tick", 10, watched, &seen);
    GOOD(watch);
    NONE(nnqi_next(queue, 0, NULL), ETIMEDOUT);
    NONE(nnqi_next(watch, 0, NULL), EINVAL);
    NONE(nnqi_watch(proxy, "tick", 1, NULL, NULL), EFAULT);
    NONE(nnqi_subscribe(proxy, "tack", 1), EINVAL);
    NONE(nnqi_subscribe(proxy, "tick", 0), EINVAL);
    NONE(nnqi_watch(proxy, "tick", 0, watched, &seen), EINVAL);
    struct pollfd wait = {nnqi_descriptor(queue), POLLIN, 0};
    CHECK(wait.fd >= 0);
    for (int i = 1; i <= 3; i++)
        CHECK(nnqi_emit(counter, "tick", TUPLE(nnqi_int('i', i))) >= 1);
    CHECK_EQ(poll(&wait, 1, patience()), 1);
    for (int i = 1; i <= 3; i++) {
        nnqi_value event = nnqi_next(queue, patience(), &missed), number = nnqi_item(event, 0);
        int64_t found = 0;
        CHECK_OK(nnqi_get_int(number, &found));
        CHECK_EQ(found, i);
        CHECK_EQ(missed, 0);
        nnqi_free(number);
        nnqi_free(event);
    }
    WAIT(__atomic_load_n(&seen, __ATOMIC_SEQ_CST) == 6);
    CHECK_ERR(nnqi_emit(counter, "tack", nnqi_tuple(NULL, 0)), EINVAL);
    CHECK_ERR(nnqi_emit(counter, "tick", nnqi_tuple(NULL, 0)), EINVAL);
    CHECK_ERR(nnqi_emit(counter, "tick", 0), EBADF);
    CHECK_OK(nnqi_unsubscribe(queue));
    CHECK_ERR(nnqi_unsubscribe(queue), EBADF);
    CHECK_ERR(nnqi_descriptor(queue), EBADF);
    CHECK_OK(nnqi_unsubscribe(watch));
}

static void objects(nnqi_proxy proxy) {
    nnqi_value found = nnqi_call(proxy, "fetch", nnqi_tuple(NULL, 0), patience());
    GOOD(found);
    struct nnqi_reference reference;
    CHECK_OK(nnqi_get_object(found, &reference));
    CHECK(reference.object > 1);
    nnqi_proxy inner = nnqi_proxy_of(found);
    GOOD(inner);
    NONE(nnqi_proxy_of(nnqi_handles()), EBADF);
    CHECK_OK(nnqi_free(found));
    calls(inner);
    CHECK_OK(nnqi_proxy_free(inner));
    CHECK_ERR(nnqi_proxy_free(inner), EBADF);
}

static void closed(int reason, int error, void *user) {
    CHECK_EQ(error, 0);
    __atomic_store_n((int *)user, reason, __ATOMIC_SEQ_CST);
}

/* Parties of their own on the proxy's connection: one asks, one overhears. */
static void parties(nnqi_proxy proxy) {
    int end = 0, other_end = 0;
    nnqi_endpoint endpoint = nnqi_endpoint_of(proxy);
    GOOD(endpoint);
    struct nnqi_filter replies = {.types = 1 << 2 | 1 << 3, .once = 1, .fields = NNQI_ID};
    struct nnqi_filter all = {.types = 1 << 2}, wrong = {.types = 1 << 9};
    int64_t id = nnqi_begin_call(endpoint);
    CHECK(id > 0);
    replies.id = (uint32_t)id;
    nnqi_handler answer = nnqi_make_handler(endpoint, &replies, 1, closed, &end);
    nnqi_handler ear = nnqi_make_handler(endpoint, &all, 1, closed, &other_end);
    GOOD(answer);
    GOOD(ear);
    NONE(nnqi_make_handler(endpoint, &wrong, 1, NULL, NULL), EINVAL);
    NONE(nnqi_make_handler(endpoint, NULL, 1, NULL, NULL), EFAULT);
    NONE(nnqi_make_handler(proxy, &all, 1, NULL, NULL), EBADF);

    /* service(s) of the directory */
    char bytes[32];
    nnqi_value arguments = TUPLE(nnqi_text("Counter"));
    int64_t len = nnqi_encode(arguments, "(s)", bytes, sizeof(bytes));
    CHECK_OK(nnqi_free(arguments));
    struct nnqi_header header = {(uint32_t)id, 1, 0, 1, 1, 100}, found, none = {0};
    CHECK_ERR(nnqi_send(endpoint, &none, NULL, 0, 0), EINVAL);
    CHECK_ERR(nnqi_send(endpoint, NULL, NULL, 0, 0), EFAULT);
    CHECK_ERR(nnqi_send(endpoint, &header, NULL, 1, 0), EFAULT);
    CHECK_OK(nnqi_send(endpoint, &header, bytes, (size_t)len, patience()));
    nnqi_value payload = nnqi_next_message(answer, patience(), &found);
    GOOD(payload);
    CHECK(found.type == 2 && found.id == header.id && found.service == 1 && found.action == 100);
    size_t size = 0;
    const void *raw = nnqi_get_raw(payload, &size);
    nnqi_value info = nnqi_decode("(sIsI[s]ss)<ServiceInfo,name,serviceId,machineId,processId,endpoints,sessionId,objectUid>",
                                  raw, size);
    GOOD(info);
    CHECK_OK(nnqi_free(info));
    CHECK_OK(nnqi_free(payload));
    WAIT(__atomic_load_n(&end, __ATOMIC_SEQ_CST) == NNQI_FILTERED);
    NONE(nnqi_next_message(answer, -1, NULL), ENOTCONN);
    payload = nnqi_next_message(ear, patience(), NULL);
    GOOD(payload);
    CHECK_OK(nnqi_free(payload));
    NONE(nnqi_next_message(ear, 0, NULL), ETIMEDOUT);
    CHECK(nnqi_handler_descriptor(ear) >= 0);
    CHECK_EQ(nnqi_dropped(ear), 0);
    CHECK_OK(nnqi_end_call(endpoint, (uint32_t)id));
    CHECK_ERR(nnqi_end_call(endpoint, (uint32_t)id), EINVAL);

    struct nnqi_statistics counts;
    CHECK_OK(nnqi_endpoint_statistics(endpoint, &counts));
    CHECK(counts.sent > 1 && counts.received > 1);
    CHECK_ERR(nnqi_endpoint_statistics(endpoint, NULL), EFAULT);
    CHECK_OK(nnqi_remove_handler(answer));
    CHECK_OK(nnqi_remove_handler(ear));
    CHECK_EQ(other_end, NNQI_REMOVED);
    CHECK_ERR(nnqi_remove_handler(ear), EBADF);
    NONE(nnqi_next_message(ear, 0, NULL), EBADF);
    CHECK_OK(nnqi_endpoint_free(endpoint));
    CHECK_ERR(nnqi_endpoint_close(endpoint), EBADF);
}

/* A connection of its own, which has not authenticated: all but that is refused with an Error, and the end is told. */
static void stranger_alone(const char *url) {
    int end = 0;
    nnqi_endpoint endpoint = nnqi_endpoint_connect(url, NULL);
    GOOD(endpoint);
    NONE(nnqi_endpoint_connect("tcp://127.0.0.1:1", NULL), ECONNREFUSED);
    NONE(nnqi_endpoint_connect(NULL, NULL), EFAULT);
    NONE(nnqi_endpoint_connect("nowhere", NULL), EINVAL);
    struct nnqi_filter all = {0};
    nnqi_handler handler = nnqi_make_handler(endpoint, &all, 4, closed, &end);
    struct nnqi_header header = {7, 1, 0, 1, 1, 100}, found;
    CHECK_OK(nnqi_send(endpoint, &header, "", 0, patience()));
    nnqi_value payload = 0;
    do {
        nnqi_free(payload);
        payload = nnqi_next_message(handler, patience(), &found);
    } while (payload != 0 && found.type == 6);
    GOOD(payload);
    CHECK_EQ(found.type, 3);
    CHECK_OK(nnqi_free(payload));
    CHECK_OK(nnqi_endpoint_close(endpoint));
    WAIT(__atomic_load_n(&end, __ATOMIC_SEQ_CST) == NNQI_CLOSED || __atomic_load_n(&end, __ATOMIC_SEQ_CST) == NNQI_PEER_CLOSED);
    CHECK_OK(nnqi_remove_handler(handler));
}

/* The object once more, under another name, through a connection to the directory. */
static void provided(const char *url, nnqi_session session, const struct nnqi_options *options) {
    const char *addresses[] = {"tcp://127.0.0.1:0"};
    nnqi_provider provider = nnqi_provider_open(url, addresses, 1, options, NULL);
    GOOD(provider);
    NONE(nnqi_provider_open("tcp://127.0.0.1:1", addresses, 1, options, NULL), ECONNREFUSED);
    NONE(nnqi_provider_open(url, NULL, 1, options, NULL), EFAULT);
    CHECK(nnqi_register(provider, "Again", counter) > 2);
    CHECK_ERR(nnqi_register(provider, "Counter", counter), EPROTO);
    CHECK_ERR(nnqi_register(provider, "None", provider), EBADF);
    nnqi_proxy proxy = nnqi_service(session, "Again", patience());
    GOOD(proxy);
    calls(proxy);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_unregister(provider, "Again"));
    CHECK_ERR(nnqi_unregister(provider, "Again"), EHOSTUNREACH);
    CHECK_OK(nnqi_provider_close(provider));
    CHECK_ERR(nnqi_provider_close(provider), EBADF);
}

int main(void) {
    start();
    int bonus = 1;
    char url[128], text[16];
    const char *urls[] = {"tcp://127.0.0.1:0"}, *nonsense[] = {"tcp://tcps://x"}, *missing[] = {NULL};
    struct nnqi_server_options server_options = {.user = "me", .token = "secret", .workers = 2};
    nnqi_server server = nnqi_server_open(urls, 1, &server_options);
    GOOD(server);
    NONE(nnqi_server_open(nonsense, 1, NULL), EINVAL);
    NONE(nnqi_server_open(missing, 1, NULL), EFAULT);
    NONE(nnqi_server_open(NULL, 1, NULL), EFAULT);
    CHECK(nnqi_server_address(server, 0, url, sizeof(url)) > 0);
    CHECK_ERR(nnqi_server_address(server, 1, url, sizeof(url)), EINVAL);
    counter = make_object(&bonus);
    CHECK(nnqi_add_service(server, "Counter", counter) > 1);
    CHECK_ERR(nnqi_add_service(server, "Counter", counter), EINVAL);
    CHECK_ERR(nnqi_add_service(server, "Other", server), EBADF);

    struct nnqi_options options = {.user = "me", .token = "secret"}, stranger = {.user = "me", .token = "guess"};
    NONE(nnqi_connect(url, &stranger), EACCES);
    CHECK(strstr(nnqi_error(), "wrong user or token") != NULL);
    NONE(nnqi_connect("tcp://127.0.0.1:1", NULL), ECONNREFUSED);
    NONE(nnqi_connect(NULL, NULL), EFAULT);
    nnqi_session session = nnqi_connect(url, &options);
    GOOD(session);
    nnqi_value services = nnqi_services(session);
    CHECK_EQ(nnqi_count(services), 2);
    nnqi_value second = nnqi_item(services, 1), name = nnqi_find(second, "name");
    CHECK_EQ(nnqi_copy_string(name, text, sizeof(text)), 7);
    NONE(nnqi_service(session, "Nobody", 0), EHOSTUNREACH);
    NONE(nnqi_service(session, "Nobody", 10), ETIMEDOUT);
    CHECK(strstr(nnqi_error(), "\"Nobody\" has not come") != NULL);
    CHECK(strstr(nnqi_error(), "10 ms") != NULL);
    nnqi_proxy proxy = nnqi_service(session, "Counter", patience());
    GOOD(proxy);
    nnqi_value meta = nnqi_meta(proxy), methods = nnqi_find(meta, "methods");
    CHECK(nnqi_count(methods) > 4);
    nnqi_value all[] = {services, second, name, meta, methods};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(nnqi_free(all[i]));

    calls(proxy);
    properties(proxy);
    checked(&(struct bus){.server = server, .session = session});
    signals(proxy);
    objects(proxy);
    parties(proxy);
    stranger_alone(url);
    provided(url, session, &options);
    nnqi_subscription last = nnqi_subscribe(proxy, "tick", 1);
    CHECK_OK(nnqi_post(proxy, "tick", TUPLE(nnqi_int('i', 1))));
    nnqi_value event = nnqi_next(last, patience(), NULL);
    CHECK_EQ(nnqi_count(event), 1);
    CHECK_OK(nnqi_free(event));
    CHECK_OK(nnqi_server_close(server));
    CHECK_ERR(nnqi_server_close(server), EBADF);
    NONE(nnqi_next(last, -1, NULL), ENOTCONN);
    NONE(nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 1)), -1), ENOTCONN);
    CHECK_OK(nnqi_unsubscribe(last));
    CHECK_OK(nnqi_close(session));
    CHECK_ERR(nnqi_close(session), EBADF);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_object_free(counter));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
