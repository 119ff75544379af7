/* Objects as arguments, results and events of the object bus, both ways, and how long they live. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"

/* What the service keeps of the objects that it was passed. */
static nnqi_proxy passed[4];
static nnqi_object hub;

static void on_gone(void *user) { __atomic_add_fetch((int *)user, 1, __ATOMIC_SEQ_CST); }

/* An object that adds, ticks and has a level. */
static nnqi_object make_adder(int level, int *gone) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "add", "(ii)", "l", add, gone) > 0);
    CHECK(nnqi_signal(builder, "tick", "(i)") > 0);
    CHECK(nnqi_property(builder, "level", "i", nnqi_int('i', level)) > 0);
    CHECK_OK(nnqi_when_gone(builder, on_gone, gone));
    CHECK_ERR(nnqi_when_gone(builder, NULL, NULL), EFAULT);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    CHECK_ERR(nnqi_when_gone(builder, on_gone, gone), EBADF);
    return object;
}

static void adds(nnqi_proxy proxy) {
    IS_INT(nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 40), nnqi_int('i', 2)), patience()), 42);
}

static nnqi_proxy proxy_and_free(nnqi_value value) {
    nnqi_proxy proxy = nnqi_proxy_of(value);
    GOOD(proxy);
    CHECK_OK(nnqi_free(value));
    return proxy;
}

/* visit(o): calls the caller's object before it answers. */
static void visit(nnqi_request request, void *user) {
    (void)user;
    nnqi_proxy visitor = proxy_and_free(argument(request));
    adds(visitor);
    IS_INT(nnqi_property_get(visitor, "level"), 7);
    CHECK_OK(nnqi_proxy_free(visitor));
    CHECK_OK(nnqi_reply(request, nnqi_text("pleased to meet you")));
}

/* keep({s[(io)]}), keep_any(m): somewhere in there is an object. */
static void keep(nnqi_request request, void *user) {
    (void)user;
    nnqi_value map = argument(request), list = nnqi_map_value(map, 0), pair = nnqi_item(list, 1);
    PUT(passed[0], proxy_and_free(nnqi_item(pair, 1)));
    nnqi_value all[] = {map, list, pair};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(nnqi_free(all[i]));
    CHECK_OK(nnqi_reply(request, nnqi_void()));
}

static void keep_any(nnqi_request request, void *user) {
    (void)user;
    nnqi_value any = argument(request), tuple = nnqi_unwrap(any);
    PUT(passed[1], proxy_and_free(nnqi_item(tuple, 0)));
    PUT(passed[2], proxy_and_free(nnqi_item(tuple, 1)));
    CHECK_OK(nnqi_free(any));
    CHECK_OK(nnqi_free(tuple));
    CHECK_OK(nnqi_reply(request, nnqi_void()));
}

/* make(): objects of the service's, in a map and a dynamic. */
static void make(nnqi_request request, void *user) {
    nnqi_object one = make_adder(1, user), two = make_adder(2, user);
    nnqi_value keys[] = {nnqi_text("one"), nnqi_text("two")};
    nnqi_value values[] = {nnqi_object_value(one), nnqi_dynamic(nnqi_object_value(two))};
    nnqi_value map = nnqi_map("s", "m", keys, values, 2);
    CHECK_OK(nnqi_object_free(one));
    CHECK_OK(nnqi_object_free(two));
    CHECK_OK(nnqi_reply(request, nnqi_dynamic(map)));
}

/* back(o): what came from a peer goes out again, and is called through us. */
static void back(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply(request, argument(request)));
}

static nnqi_object make_hub(int *made) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "visit", "(o)", "s", visit, NULL) > 0);
    CHECK(nnqi_method(builder, "keep", "({s[(io)]})", "v", keep, NULL) > 0);
    CHECK(nnqi_method(builder, "keep_any", "(m)", "v", keep_any, NULL) > 0);
    CHECK(nnqi_method(builder, "make", "()", "m", make, made) > 0);
    CHECK(nnqi_method(builder, "back", "(o)", "o", back, NULL) > 0);
    CHECK(nnqi_signal(builder, "born", "(so)") > 0);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    return object;
}

/* The client's object, called by the service, alone and from within other values. */
static void as_arguments(nnqi_proxy proxy) {
    int gone = 0;
    nnqi_object adder = make_adder(7, &gone);
    nnqi_value said = nnqi_call(proxy, "visit", TUPLE(nnqi_object_value(adder)), patience());
    GOOD(said);
    CHECK_OK(nnqi_free(said));
    nnqi_pending pending = nnqi_call_start(proxy, "visit", TUPLE(nnqi_object_value(adder)), -1);
    said = nnqi_wait(pending, patience());
    GOOD(said);
    CHECK_OK(nnqi_free(said));
    CHECK_OK(nnqi_pending_free(pending));

    nnqi_value pairs[] = {TUPLE(nnqi_int('i', 0), nnqi_object_value(adder)), TUPLE(nnqi_int('i', 1), nnqi_object_value(adder))};
    nnqi_value key = nnqi_text("pairs"), list = nnqi_list("(io)", pairs, 2);
    nnqi_value map = nnqi_map("s", "[(io)]", &key, &list, 1), copy = nnqi_copy(map);
    /* An item of a value refers to what it refers to itself. */
    nnqi_value inside = nnqi_map_value(map, 0), first = nnqi_item(inside, 0);
    CHECK_OK(nnqi_free(inside));
    CHECK_OK(nnqi_free(map));
    nnqi_value nothing = nnqi_call(proxy, "keep", nnqi_tuple(&copy, 1), patience());
    GOOD(nothing);
    CHECK_OK(nnqi_free(nothing));
    nothing = nnqi_call(proxy, "keep_any", TUPLE(nnqi_dynamic(TUPLE(nnqi_item(first, 1), nnqi_object_value(adder)))), patience());
    GOOD(nothing);
    CHECK_OK(nnqi_free(nothing));
    CHECK_OK(nnqi_free(first));

    /* Its handle may go: the service has it. */
    nnqi_subscription ticks = nnqi_subscribe(passed[0], "tick", 4);
    GOOD(ticks);
    CHECK_EQ(nnqi_emit(adder, "tick", TUPLE(nnqi_int('i', 5))), 1);
    nnqi_value event = nnqi_next(ticks, patience(), NULL);
    IS_INT(nnqi_item(event, 0), 5);
    CHECK_OK(nnqi_free(event));
    CHECK_OK(nnqi_unsubscribe(ticks));
    CHECK_OK(nnqi_property_set(passed[1], "level", nnqi_int('i', 8)));
    CHECK_OK(nnqi_object_free(adder));
    for (int i = 0; i < 3; i++)
        adds(passed[i]);
    IS_INT(nnqi_property_get(passed[2], "level"), 8);
    for (int i = 0; i < 2; i++)
        CHECK_OK(nnqi_proxy_free(passed[i]));
    adds(passed[2]);
    CHECK_EQ(GET(gone), 0);
    CHECK_OK(nnqi_proxy_free(passed[2]));
    WAIT(GET(gone) == 1);
}

static void as_results(nnqi_proxy proxy, int *made) {
    nnqi_value any = nnqi_call(proxy, "make", NO_ARGUMENTS, patience()), map = nnqi_unwrap(any);
    GOOD(map);
    nnqi_value first = nnqi_map_value(map, 0), two = nnqi_map_value(map, 1), one = nnqi_unwrap(first), inner = nnqi_unwrap(two);
    GOOD(one);
    GOOD(inner);
    /* To the service, which gives it back: from here to there, and through both again to where it is. */
    nnqi_value returned = nnqi_call(proxy, "back", nnqi_tuple(&one, 1), patience());
    nnqi_proxy first_again = proxy_and_free(returned);
    adds(first_again);
    IS_INT(nnqi_property_get(first_again, "level"), 1);
    CHECK_OK(nnqi_proxy_free(first_again));
    nnqi_proxy second = proxy_and_free(inner);
    adds(second);
    IS_INT(nnqi_property_get(second, "level"), 2);
    CHECK_EQ(GET(*made), 0);
    nnqi_value all[] = {any, map, first, two};
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_OK(nnqi_free(all[i]));
    /* Only the value held the first. */
    WAIT(GET(*made) == 1);
    adds(second);
    CHECK_OK(nnqi_proxy_free(second));
    WAIT(GET(*made) == 2);
}

static void as_events(nnqi_proxy proxy) {
    int gone = 0;
    nnqi_object child = make_adder(3, &gone);
    nnqi_subscription born = nnqi_subscribe(proxy, "born", 4);
    CHECK_EQ(nnqi_emit(hub, "born", TUPLE(nnqi_text("child"), nnqi_object_value(child))), 1);
    CHECK_OK(nnqi_object_free(child));
    nnqi_value event = nnqi_next(born, patience(), NULL);
    nnqi_proxy there = proxy_and_free(nnqi_item(event, 1));
    CHECK_OK(nnqi_free(event));
    adds(there);
    CHECK_EQ(GET(gone), 0);
    CHECK_OK(nnqi_proxy_free(there));
    WAIT(GET(gone) == 1);
    CHECK_OK(nnqi_unsubscribe(born));
}

/* What is not sent stays here, and what cannot be sent is refused. */
static void misused(nnqi_proxy proxy) {
    int gone = 0;
    nnqi_object adder = make_adder(7, &gone);
    struct nnqi_reference reference;
    nnqi_value value = nnqi_object_value(adder), item = nnqi_convert(value, "m"), inside = nnqi_unwrap(item);
    CHECK_EQ(nnqi_kind(value), 'o');
    CHECK_OK(nnqi_get_object(inside, &reference));
    CHECK_EQ(reference.has_uid, 1);
    NONE(nnqi_proxy_of(value), EINVAL);
    NONE(nnqi_proxy_of(item), EINVAL);
    NONE(nnqi_object_value(proxy), EBADF);
    NONE(nnqi_object_value(0), EBADF);
    CHECK_OK(nnqi_free(item));
    CHECK_OK(nnqi_free(inside));
    NONE(nnqi_call(proxy, "nothing", TUPLE(nnqi_copy(value)), -1), EINVAL);
    NONE(nnqi_call(proxy, "visit", TUPLE(nnqi_copy(value), nnqi_copy(value)), -1), EINVAL);
    CHECK_ERR(nnqi_post(proxy, "nothing", TUPLE(nnqi_copy(value))), EINVAL);
    CHECK_ERR(nnqi_property_set(proxy, "none", nnqi_copy(value)), EINVAL);
    CHECK_ERR(nnqi_object_set(adder, "level", nnqi_copy(value)), EINVAL);
    CHECK(strstr(nnqi_error(), "property") != NULL);
    nnqi_builder builder = nnqi_builder_new();
    CHECK_ERR(nnqi_property(builder, "friend", "o", nnqi_copy(value)), EINVAL);
    CHECK_OK(nnqi_when_gone(builder, on_gone, &gone));
    CHECK_OK(nnqi_builder_free(builder));
    CHECK_EQ(GET(gone), 1);
    nnqi_value returned = nnqi_call(proxy, "back", TUPLE(nnqi_copy(value)), patience());
    nnqi_proxy again = proxy_and_free(returned);
    adds(again);
    CHECK_OK(nnqi_proxy_free(again));
    CHECK_OK(nnqi_object_free(adder));
    /* The service has let go of its argument; only the value holds the object now. */
    CHECK_EQ(GET(gone), 1);
    CHECK_OK(nnqi_free(value));
    WAIT(GET(gone) == 2);
}

/* Objects end with their connection, on both sides. */
static void the_end(struct bus *bus, nnqi_proxy proxy) {
    int gone = 0;
    nnqi_object adder = make_adder(7, &gone);
    nnqi_value nothing = nnqi_call(proxy, "keep_any", TUPLE(nnqi_dynamic(TUPLE(nnqi_object_value(adder), nnqi_object_value(adder)))),
                                   patience());
    GOOD(nothing);
    CHECK_OK(nnqi_free(nothing));
    CHECK_OK(nnqi_object_free(adder));
    adds(passed[1]);
    nnqi_subscription ticks = nnqi_subscribe(passed[1], "tick", 4);
    CHECK_OK(nnqi_close(bus->session));
    WAIT(GET(gone) == 1);
    NONE(nnqi_next(ticks, -1, NULL), ENOTCONN);
    NONE(nnqi_call(passed[1], "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 1)), -1), ENOTCONN);
    CHECK_OK(nnqi_unsubscribe(ticks));
    CHECK_OK(nnqi_proxy_free(passed[1]));
    CHECK_OK(nnqi_proxy_free(passed[2]));
}

int main(void) {
    start();
    int made = 0;
    struct bus bus;
    open_bus(&bus, NULL);
    hub = make_hub(&made);
    nnqi_proxy proxy = add_service(&bus, "Hub", hub);
    as_arguments(proxy);
    as_results(proxy, &made);
    as_events(proxy);
    misused(proxy);
    the_end(&bus, proxy);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_server_close(bus.server));
    CHECK_OK(nnqi_object_free(hub));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
