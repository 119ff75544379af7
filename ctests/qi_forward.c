/* Services that other processes have registered with a server of ours, and objects of peers that are passed on as ours. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"
#include "relay.h"

static void on_gone(void *user) { __atomic_add_fetch((int *)user, 1, __ATOMIC_SEQ_CST); }

static void fail(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply_error(request, "on purpose"));
}

static nnqi_object make_object(int *gone) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "add", "(ii)", "l", add, NULL) > 0);
    CHECK(nnqi_method(builder, "fail", "()", "v", fail, NULL) > 0);
    CHECK(nnqi_signal(builder, "tick", "(i)") > 0);
    CHECK(nnqi_property(builder, "level", "i", nnqi_int('i', 7)) > 0);
    CHECK_OK(nnqi_when_gone(builder, on_gone, gone));
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    return object;
}

/* make(): an object of the service's own. */
static void make(nnqi_request request, void *user) {
    nnqi_object object = make_object(user);
    CHECK_OK(nnqi_reply_object(request, object));
    CHECK_OK(nnqi_object_free(object));
}

static nnqi_object make_maker(int *gone) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "make", "()", "o", make, gone) > 0);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    return object;
}

static nnqi_value sum_of(int a, int b) { return TUPLE(nnqi_int('i', a), nnqi_int('i', b)); }

/* All that can be done with an object goes through to it. */
static void is_there(nnqi_proxy proxy, nnqi_object object) {
    IS_INT(nnqi_call(proxy, "add", sum_of(40, 2), patience()), 42);
    NONE(nnqi_call(proxy, "fail", NO_ARGUMENTS, patience()), EPROTO);
    CHECK(strcmp(nnqi_error(), "on purpose") == 0);
    CHECK_OK(nnqi_property_set(proxy, "level", nnqi_int('i', 8)));
    IS_INT(nnqi_object_get(object, "level"), 8);
    CHECK_EQ(nnqi_object_set(object, "level", nnqi_int('i', 9)), 0);
    IS_INT(nnqi_property_get(proxy, "level"), 9);
    nnqi_subscription ticks = nnqi_subscribe(proxy, "tick", 4);
    GOOD(ticks);
    CHECK_EQ(nnqi_emit(object, "tick", TUPLE(nnqi_int('i', 5))), 1);
    nnqi_value event = nnqi_next(ticks, patience(), NULL);
    IS_INT(nnqi_item(event, 0), 5);
    CHECK_OK(nnqi_free(event));
    CHECK_OK(nnqi_unsubscribe(ticks));
}

static void on_told(int what, uint32_t id, const char *text, void *user) {
    (void)id;
    (void)text;
    __atomic_store_n((int *)user, what, __ATOMIC_SEQ_CST);
}

/* A provider that listens nowhere: only the server that it has registered with reaches it, and lets others. */
static void reached(void) {
    int gone = 0, lost = 0;
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_object theirs = make_object(&gone), ours = make_object(&gone);
    nnqi_provider provider = nnqi_provider_open(bus.url, NULL, 0, NULL, NULL);
    GOOD(provider);
    CHECK(nnqi_register(provider, "Theirs", theirs) > 1);
    CHECK(nnqi_add_service(bus.server, "Ours", ours) > 1);
    NONE(nnqi_service(bus.session, "Theirs", 0), EHOSTUNREACH);
    NONE(nnqi_server_reach(bus.server, "Nobody", -1), EHOSTUNREACH);
    CHECK(strstr(nnqi_error(), "Nobody") != NULL);
    NONE(nnqi_server_reach(bus.server, "Ours", -1), EHOSTUNREACH);
    CHECK(strstr(nnqi_error(), "this process") != NULL);
    NONE(nnqi_server_reach(bus.server, NULL, -1), EFAULT);

    nnqi_proxy direct = nnqi_server_reach(bus.server, "Theirs", -1);
    GOOD(direct);
    is_there(direct, theirs);
    nnqi_object passing = nnqi_forward(direct);
    GOOD(passing);
    CHECK(nnqi_add_service(bus.server, "Passing", passing) > 1);
    nnqi_proxy proxy = nnqi_service(bus.session, "Passing", patience());
    GOOD(proxy);
    is_there(proxy, theirs);
    /* Its handles are not what holds it. */
    CHECK_OK(nnqi_proxy_free(direct));
    CHECK_OK(nnqi_object_free(passing));
    is_there(proxy, theirs);

    nnqi_subscription told = nnqi_watch_proxy(proxy, on_told, &lost);
    GOOD(told);
    CHECK_OK(nnqi_provider_close(provider));
    /* The service goes with what is behind it, and who uses it notices. */
    WAIT(GET(lost) == 1);
    CHECK_OK(nnqi_unsubscribe(told));
    NONE(nnqi_service(bus.session, "Passing", 0), EHOSTUNREACH);
    NONE(nnqi_subscribe(proxy, "tick", 4), ENOTCONN);
    NONE(nnqi_call(proxy, "add", sum_of(40, 2), patience()), EPROTO);
    NONE(nnqi_server_reach(bus.server, "Theirs", -1), EHOSTUNREACH);
    CHECK_OK(nnqi_proxy_free(proxy));
    close_bus(&bus);
    CHECK_OK(nnqi_object_free(theirs));
    CHECK_OK(nnqi_object_free(ours));
    WAIT(GET(gone) == 2);
}

/* An object of one bus as a service of another: it is held by that alone. */
static void from_bus_to_bus(void) {
    int gone = 0;
    struct bus here, there;
    open_bus(&here, NULL);
    open_bus(&there, NULL);
    nnqi_object maker = make_maker(&gone);
    nnqi_proxy source = add_service(&there, "Maker", maker);
    nnqi_value made = nnqi_call(source, "make", NO_ARGUMENTS, patience());
    nnqi_proxy proxy = nnqi_proxy_of(made);
    nnqi_object passing = nnqi_forward(proxy);
    GOOD(passing);
    CHECK_OK(nnqi_free(made));
    CHECK_OK(nnqi_proxy_free(proxy));
    int64_t id = nnqi_add_service(here.server, "Made", passing);
    CHECK(id > 1);
    proxy = nnqi_service(here.session, "Made", patience());
    IS_INT(nnqi_call(proxy, "add", sum_of(1, 2), patience()), 3);
    IS_INT(nnqi_property_get(proxy, "level"), 7);
    CHECK_EQ(GET(gone), 0);
    CHECK_OK(nnqi_remove_service(here.server, (uint32_t)id));
    CHECK_EQ(GET(gone), 0);
    CHECK_OK(nnqi_object_free(passing));
    WAIT(GET(gone) == 1);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_close(there.session));
    NONE(nnqi_forward(source), ENOTCONN);
    CHECK_OK(nnqi_proxy_free(source));
    CHECK_OK(nnqi_server_close(there.server));
    close_bus(&here);
    CHECK_OK(nnqi_object_free(maker));
}

static nnqi_server the_server;
static int told;

static void reach_at_once(nnqi_value result, int error, const char *text, void *user) {
    (void)result;
    (void)error;
    (void)text;
    (void)user;
    NONE(nnqi_server_reach(the_server, "Theirs", -1), EDEADLK);
    PUT(told, 1);
}

static uint64_t reach_for_ever(uint64_t server) { return nnqi_server_reach(server, "Theirs", -1); }

/* A provider that hears nothing does not answer. */
static void unheard(void) {
    int gone = 0;
    struct bus bus;
    struct relay relay;
    open_relayed(&bus, &relay, (struct nnqi_server_options){0}, NULL);
    CHECK_OK(nnqi_close(bus.session));
    nnqi_object object = make_object(&gone);
    nnqi_provider provider = nnqi_provider_open(relay.url, NULL, 0, NULL, NULL);
    GOOD(provider);
    CHECK(nnqi_register(provider, "Theirs", object) > 1);
    bus.session = nnqi_connect(bus.url, NULL);
    nnqi_proxy directory_proxy = nnqi_service(bus.session, "ServiceDirectory", 0);
    the_server = bus.server;
    CHECK_OK(nnqi_call_then(directory_proxy, "services", NO_ARGUMENTS, -1, reach_at_once, NULL, NULL));
    WAIT(GET(told) == 1);
    CHECK_OK(nnqi_proxy_free(directory_proxy));

    hold(&relay, 1);
    NONE(nnqi_server_reach(bus.server, "Theirs", 20), ETIMEDOUT);
    struct waiting waiting;
    begin_waiting(&waiting, reach_for_ever, bus.server);
    CHECK_OK(nnqi_server_close(bus.server));
    ENDED(&waiting, ENOTCONN);
    NONE(nnqi_server_reach(bus.server, "Theirs", -1), EBADF);
    CHECK_OK(nnqi_close(bus.session));
    hold(&relay, 0);
    CHECK_OK(nnqi_provider_close(provider));
    end_relay(&relay);
    CHECK_OK(nnqi_object_free(object));
    WAIT(GET(gone) == 1);
}

int main(void) {
    start();
    reached();
    from_bus_to_bus();
    unheard();
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
