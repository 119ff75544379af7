/* Handles of the object bus that are none: of another kind, freed, made up, and freed while others use them. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"

enum kind { VALUE, SERVER, BUILDER, OBJECT, REQUEST, SESSION, PROXY, SUBSCRIPTION, ENDPOINT, HANDLER, PROVIDER, PENDING, KINDS };
static const char *const names[] = {"value", "server", "builder", "object", "request", "session", "proxy", "subscription",
                                    "endpoint", "handler", "provider", "pending"};

/* A live handle of each kind. */
static uint64_t live[KINDS];
static nnqi_request kept;

static void keep(nnqi_request request, void *user) {
    (void)user;
    PUT(kept, request);
}

static void never(nnqi_request request, void *user) {
    (void)user;
    nnqi_reply(request, nnqi_void());
}

static nnqi_object make_object(void) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "keep", "()", "v", keep, NULL) > 0);
    CHECK(nnqi_method(builder, "quick", "()", "v", never, NULL) > 0);
    CHECK(nnqi_signal(builder, "tick", "(i)") > 0);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    return object;
}

/* ---- every function with every handle -------------------------------------------------------------------------- */

static int decide(const struct nnqi_header *header, void *user) {
    (void)header;
    (void)user;
    return 0;
}
static void done(nnqi_value result, int error, const char *text, void *user) {
    (void)result;
    (void)error;
    (void)text;
    (void)user;
}
static void gone(void *user) { (void)user; }
static int check(nnqi_value value, nnqi_value *told, void *user) {
    (void)value;
    (void)told;
    (void)user;
    return NNQI_ACCEPT;
}
static void canceled(int canceled, void *user) {
    (void)canceled;
    (void)user;
}
static void event(nnqi_value arguments, uint64_t missed, void *user) {
    (void)arguments;
    (void)missed;
    (void)user;
}

static char buffer[64];
static int64_t number;
static double real;
static int flag;
static struct nnqi_filter all_messages;
static struct nnqi_header header = {1, 4, 0, 1, 1, 100};
static struct nnqi_reference reference;
static struct nnqi_statistics statistics;
static struct nnqi_object_statistics object_counts;
static struct nnqi_server_statistics server_counts;

/* A function that wants a handle of one kind; 1 if it failed as one does that returns handles or pointers, or numbers. */
#define CASE(kind, name, call) \
    static bool name##_of(uint64_t h) { return (call); } \
    enum { name##_kind = kind };
#define NUMBER(kind, name, ...) CASE(kind, name, name(h __VA_OPT__(, ) __VA_ARGS__) == -1)
#define HANDLE(kind, name, ...) CASE(kind, name, name(h __VA_OPT__(, ) __VA_ARGS__) == 0)
#define FUNCTIONS(NUMBER, HANDLE) \
    NUMBER(VALUE, nnqi_free) \
    NUMBER(VALUE, nnqi_kind) \
    NUMBER(VALUE, nnqi_signature, buffer, sizeof(buffer)) \
    NUMBER(VALUE, nnqi_get_bool, &flag) \
    NUMBER(VALUE, nnqi_get_int, &number) \
    NUMBER(VALUE, nnqi_get_uint, (uint64_t *)&number) \
    NUMBER(VALUE, nnqi_get_double, &real) \
    HANDLE(VALUE, nnqi_get_string, NULL) \
    HANDLE(VALUE, nnqi_get_raw, NULL) \
    NUMBER(VALUE, nnqi_copy_string, buffer, sizeof(buffer)) \
    HANDLE(VALUE, nnqi_take_text, buffer, sizeof(buffer)) \
    NUMBER(VALUE, nnqi_count) \
    HANDLE(VALUE, nnqi_item, 0) \
    HANDLE(VALUE, nnqi_map_key, 0) \
    HANDLE(VALUE, nnqi_map_value, 0) \
    HANDLE(VALUE, nnqi_find, "x") \
    HANDLE(VALUE, nnqi_unwrap) \
    NUMBER(VALUE, nnqi_get_object, &reference) \
    NUMBER(VALUE, nnqi_equal, live[VALUE]) \
    HANDLE(VALUE, nnqi_dynamic) \
    HANDLE(VALUE, nnqi_convert, "m") \
    HANDLE(VALUE, nnqi_copy) \
    NUMBER(VALUE, nnqi_to_json, buffer, sizeof(buffer)) \
    NUMBER(VALUE, nnqi_encode, NULL, buffer, sizeof(buffer)) \
    HANDLE(VALUE, nnqi_proxy_of) \
    NUMBER(SERVER, nnqi_server_address, 0, buffer, sizeof(buffer)) \
    HANDLE(SERVER, nnqi_server_url) \
    NUMBER(SERVER, nnqi_add_service, "x", live[OBJECT]) \
    NUMBER(SERVER, nnqi_remove_service, 99) \
    HANDLE(SERVER, nnqi_server_reach, "x", 0) \
    NUMBER(SERVER, nnqi_server_statistics, &server_counts) \
    NUMBER(SERVER, nnqi_server_close) \
    NUMBER(BUILDER, nnqi_method, "x", "()", "v", keep, NULL) \
    NUMBER(BUILDER, nnqi_signal, "x", "()") \
    NUMBER(BUILDER, nnqi_property, "x", "i", nnqi_int('i', 1)) \
    NUMBER(BUILDER, nnqi_property_checked, "x", "i", nnqi_int('i', 1), check, NULL) \
    NUMBER(BUILDER, nnqi_limits, 1, 1) \
    NUMBER(BUILDER, nnqi_when_gone, gone, NULL) \
    HANDLE(BUILDER, nnqi_build) \
    NUMBER(BUILDER, nnqi_builder_free) \
    NUMBER(OBJECT, nnqi_object_free) \
    HANDLE(OBJECT, nnqi_object_value) \
    NUMBER(OBJECT, nnqi_emit, "tick", TUPLE(nnqi_int('i', 1))) \
    NUMBER(OBJECT, nnqi_object_set, "x", nnqi_int('i', 1)) \
    HANDLE(OBJECT, nnqi_object_get, "x") \
    NUMBER(OBJECT, nnqi_object_statistics, &object_counts) \
    HANDLE(REQUEST, nnqi_arguments) \
    NUMBER(REQUEST, nnqi_is_canceled) \
    NUMBER(REQUEST, nnqi_on_cancel, canceled, NULL) \
    NUMBER(REQUEST, nnqi_caller, buffer, sizeof(buffer)) \
    NUMBER(REQUEST, nnqi_reply, nnqi_void()) \
    NUMBER(REQUEST, nnqi_reply_error, "x") \
    NUMBER(REQUEST, nnqi_reply_canceled) \
    NUMBER(REQUEST, nnqi_reply_object, live[OBJECT]) \
    NUMBER(SESSION, nnqi_close) \
    NUMBER(SESSION, nnqi_session_memory) \
    NUMBER(SERVER, nnqi_server_memory) \
    NUMBER(SERVER, nnqi_server_workers) \
    NUMBER(PROVIDER, nnqi_provider_memory) \
    NUMBER(PROVIDER, nnqi_provider_workers) \
    HANDLE(SESSION, nnqi_services) \
    HANDLE(SESSION, nnqi_service, "x", 0) \
    NUMBER(PROXY, nnqi_proxy_free) \
    HANDLE(PROXY, nnqi_meta) \
    HANDLE(PROXY, nnqi_call, "keep", NO_ARGUMENTS, 0) \
    HANDLE(PROXY, nnqi_call_start, "keep", NO_ARGUMENTS, 0) \
    NUMBER(PROXY, nnqi_call_then, "keep", NO_ARGUMENTS, 0, done, NULL, NULL) \
    NUMBER(PROXY, nnqi_post, "keep", NO_ARGUMENTS) \
    HANDLE(PROXY, nnqi_property_get, "x") \
    NUMBER(PROXY, nnqi_property_set, "x", nnqi_int('i', 1)) \
    HANDLE(PROXY, nnqi_subscribe, "tick", 1) \
    HANDLE(PROXY, nnqi_watch, "tick", 1, event, NULL) \
    HANDLE(PROXY, nnqi_endpoint_of) \
    HANDLE(PROXY, nnqi_forward) \
    HANDLE(SUBSCRIPTION, nnqi_next, 0, NULL) \
    NUMBER(SUBSCRIPTION, nnqi_descriptor) \
    NUMBER(SUBSCRIPTION, nnqi_unsubscribe) \
    HANDLE(PENDING, nnqi_wait, 0) \
    NUMBER(PENDING, nnqi_is_done) \
    NUMBER(PENDING, nnqi_cancel) \
    NUMBER(PENDING, nnqi_pending_free) \
    NUMBER(PROVIDER, nnqi_register, "x", live[OBJECT]) \
    NUMBER(PROVIDER, nnqi_unregister, "x") \
    NUMBER(PROVIDER, nnqi_provider_statistics, &server_counts) \
    NUMBER(PROVIDER, nnqi_provider_close) \
    NUMBER(ENDPOINT, nnqi_endpoint_close) \
    NUMBER(ENDPOINT, nnqi_endpoint_free) \
    HANDLE(ENDPOINT, nnqi_make_handler, &all_messages, 1, NULL, NULL) \
    HANDLE(ENDPOINT, nnqi_make_chooser, decide, 1, NULL, NULL) \
    NUMBER(ENDPOINT, nnqi_begin_call) \
    NUMBER(ENDPOINT, nnqi_end_call, 1) \
    NUMBER(ENDPOINT, nnqi_send, &header, NULL, 0, 0) \
    NUMBER(ENDPOINT, nnqi_endpoint_statistics, &statistics) \
    NUMBER(HANDLER, nnqi_remove_handler) \
    HANDLE(HANDLER, nnqi_next_message, 0, NULL) \
    NUMBER(HANDLER, nnqi_handler_descriptor) \
    NUMBER(HANDLER, nnqi_dropped)
FUNCTIONS(NUMBER, HANDLE)

#define ROW(kind, name, ...) {kind, #name, name##_of},
static const struct {
    enum kind kind;
    const char *name;
    bool (*fails)(uint64_t handle);
} functions[] = {FUNCTIONS(ROW, ROW)};

/* None of these is one of the right kind, so none of them is touched. */
static void every_function(const uint64_t *freed) {
    for (size_t i = 0; i < COUNT(functions); i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            uint64_t handles[] = {live[kind], live[kind] + (1 << 20), freed[kind]};
            for (size_t j = 0; j < COUNT(handles); j++) {
                if (j == 0 && functions[i].kind == (enum kind)kind)
                    continue;
                CONTEXT("%s with a %s (%zu)", functions[i].name, names[kind], j);
                errno = 0;
                CHECK(functions[i].fails(handles[j]));
                CHECK_EQ(errno, EBADF);
            }
        }
        uint64_t made_up[] = {0, 1, UINT64_MAX, UINT64_C(0xff) << 56};
        for (size_t j = 0; j < COUNT(made_up); j++) {
            CONTEXT("%s with %" PRIx64, functions[i].name, made_up[j]);
            errno = 0;
            CHECK(functions[i].fails(made_up[j]));
            CHECK_EQ(errno, EBADF);
        }
    }
    context[0] = 0;
}

/* Values that are handed over as well: their places take whatever is there. */
static void handed_over(void) {
    NONE(nnqi_tuple(&live[PROXY], 1), EBADF);
    NONE(nnqi_list("i", &live[SERVER], 1), EBADF);
    NONE(nnqi_map("s", "i", &live[OBJECT], &live[SESSION], 1), EBADF);
    NONE(nnqi_struct("(i)", &live[PENDING], 1), EBADF);
    NONE(nnqi_optional("i", live[HANDLER]), EBADF);
    NONE(nnqi_call(live[PROXY], "keep", live[REQUEST], 0), EBADF);
    CHECK_ERR(nnqi_add_service(live[SERVER], "x", live[VALUE]), EBADF);
    CHECK_ERR(nnqi_register(live[PROVIDER], "x", live[PROXY]), EBADF);
    CHECK_ERR(nnqi_reply_object(live[REQUEST], live[SESSION]), EBADF);
    CHECK_ERR(nnqi_equal(live[VALUE], live[BUILDER]), EBADF);
}

static void make_all(struct bus *bus, uint64_t *handles) {
    handles[VALUE] = nnqi_text("x");
    handles[SERVER] = bus->server;
    handles[BUILDER] = nnqi_builder_new();
    handles[OBJECT] = make_object();
    handles[SESSION] = nnqi_connect(bus->url, NULL);
    handles[PROXY] = nnqi_service(handles[SESSION], "Misused", patience());
    handles[SUBSCRIPTION] = nnqi_subscribe(handles[PROXY], "tick", 1);
    handles[ENDPOINT] = nnqi_endpoint_of(handles[PROXY]);
    handles[HANDLER] = nnqi_make_handler(handles[ENDPOINT], &(struct nnqi_filter){.types = 1 << 8}, 1, NULL, NULL);
    handles[PROVIDER] = nnqi_provider_open(bus->url, NULL, 0, NULL, NULL);
    PUT(kept, 0);
    handles[PENDING] = nnqi_call_start(handles[PROXY], "keep", NO_ARGUMENTS, -1);
    WAIT(GET(kept) != 0);
    handles[REQUEST] = kept;
    for (int i = 0; i < KINDS; i++)
        check_at(__FILE__, __LINE__, handles[i] != 0, "no %s: %s", names[i], nnqi_error());
}

/* All but the server, whose end is main's. */
static void free_all(const uint64_t *handles) {
    CHECK_OK(nnqi_reply_canceled(handles[REQUEST]));
    CHECK_OK(nnqi_pending_free(handles[PENDING]));
    CHECK_OK(nnqi_provider_close(handles[PROVIDER]));
    CHECK_OK(nnqi_remove_handler(handles[HANDLER]));
    CHECK_OK(nnqi_endpoint_free(handles[ENDPOINT]));
    CHECK_OK(nnqi_unsubscribe(handles[SUBSCRIPTION]));
    CHECK_OK(nnqi_proxy_free(handles[PROXY]));
    CHECK_OK(nnqi_close(handles[SESSION]));
    CHECK_OK(nnqi_object_free(handles[OBJECT]));
    CHECK_OK(nnqi_builder_free(handles[BUILDER]));
    CHECK_OK(nnqi_free(handles[VALUE]));
}

/* ---- several threads and one handle ------------------------------------------------------------------------------ */

enum { THREADS = 4 };

struct race {
    pthread_barrier_t barrier;
    uint64_t handle;
    int frees, rounds;
    uint64_t (*make)(void);
    /* Uses and frees; whatever comes of it but the one free is EBADF, or what the end of something is. */
    int (*use)(uint64_t handle);
    int (*free)(uint64_t handle);
};

static void *race(void *argument) {
    struct race *race = argument;
    for (int i = 0; i < race->rounds; i++) {
        if (pthread_barrier_wait(&race->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            race->handle = race->make();
        pthread_barrier_wait(&race->barrier);
        race->use(race->handle);
        if (race->free(race->handle) == 0)
            __atomic_add_fetch(&race->frees, 1, __ATOMIC_SEQ_CST);
        else
            CHECK_EQ(errno, EBADF);
        race->use(race->handle);
    }
    return NULL;
}

static void race_for(uint64_t (*make)(void), int (*use)(uint64_t), int (*free)(uint64_t)) {
    struct race shared = {.rounds = heavy(200), .make = make, .use = use, .free = free};
    pthread_t threads[THREADS];
    CHECK_OK(pthread_barrier_init(&shared.barrier, NULL, THREADS));
    for (int i = 0; i < THREADS; i++)
        threads[i] = spawn(race, &shared);
    for (int i = 0; i < THREADS; i++)
        await(threads[i]);
    CHECK_OK(pthread_barrier_destroy(&shared.barrier));
    CHECK_EQ(shared.frees, shared.rounds);
}

static uint64_t make_value(void) { return TUPLE(nnqi_text("x"), nnqi_int('i', 1)); }
static int use_value(uint64_t value) {
    nnqi_value item = nnqi_item(value, 0), copy = nnqi_copy(value);
    char text[16];
    nnqi_to_json(value, text, sizeof(text));
    nnqi_free(item);
    return nnqi_free(copy);
}

static uint64_t make_subscription(void) { return nnqi_subscribe(live[PROXY], "tick", 1); }
static int use_subscription(uint64_t subscription) {
    nnqi_emit(live[OBJECT], "tick", TUPLE(nnqi_int('i', 1)));
    /* Until it is freed, if there is nothing. */
    return nnqi_free(nnqi_next(subscription, 1, NULL));
}

static uint64_t make_pending(void) { return nnqi_call_start(live[PROXY], "quick", NO_ARGUMENTS, -1); }
static int use_pending(uint64_t pending) {
    nnqi_cancel(pending);
    return nnqi_free(nnqi_wait(pending, -1));
}

static uint64_t make_handler(void) { return nnqi_make_handler(live[ENDPOINT], &all_messages, 1, NULL, NULL); }
static int use_handler(uint64_t handler) {
    nnqi_dropped(handler);
    return nnqi_free(nnqi_next_message(handler, 1, NULL));
}

static uint64_t make_builder(void) { return nnqi_builder_new(); }
static int use_builder(uint64_t builder) { return nnqi_signal(builder, "x", "()") > 0; }
static int build(uint64_t builder) {
    nnqi_object object = nnqi_build(builder);
    if (object == 0)
        return -1;
    return nnqi_object_free(object);
}

static uint64_t make_proxy(void) { return nnqi_service(live[SESSION], "Misused", 0); }
static int use_proxy(uint64_t proxy) { return nnqi_free(nnqi_call(proxy, "quick", NO_ARGUMENTS, -1)); }

static uint64_t make_request(void) {
    PUT(kept, 0);
    CHECK_OK(nnqi_post(live[PROXY], "keep", NO_ARGUMENTS));
    WAIT(GET(kept) != 0);
    return kept;
}
static int use_request(uint64_t request) {
    nnqi_is_canceled(request);
    return nnqi_free(nnqi_arguments(request));
}
static int answer(uint64_t request) { return nnqi_reply(request, nnqi_void()); }

int main(void) {
    start();
    struct bus bus;
    uint64_t freed[KINDS];
    open_bus(&bus, NULL);
    nnqi_object object = make_object();
    nnqi_proxy proxy = add_service(&bus, "Misused", object);
    make_all(&bus, freed);
    free_all(freed);
    freed[SERVER] = 0;
    make_all(&bus, live);
    every_function(freed);
    handed_over();
    race_for(make_value, use_value, nnqi_free);
    race_for(make_subscription, use_subscription, nnqi_unsubscribe);
    race_for(make_pending, use_pending, nnqi_pending_free);
    race_for(make_handler, use_handler, nnqi_remove_handler);
    race_for(make_builder, use_builder, build);
    race_for(make_proxy, use_proxy, nnqi_proxy_free);
    race_for(make_request, use_request, answer);
    free_all(live);
    CHECK_OK(nnqi_proxy_free(proxy));
    close_bus(&bus);
    CHECK_OK(nnqi_object_free(object));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
