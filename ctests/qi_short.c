/* Short programs on the object bus: values by format, arguments by number, dynamics looked into, results as one wants them. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"

#include <math.h>
#include <limits.h>

#define CHECK_STR(found, expected) \
    ({ \
        const char *found_ = (found); \
        check_at(__FILE__, __LINE__, found_ && strcmp(found_, expected) == 0, "%s: %s (%s)", #found, found_ ? found_ : "NULL", nnqi_error()); \
    })

static void values_by_format(void) {
    char text[200];
    uint64_t handles = nnqi_handles();
    nnqi_value items[] = {nnqi_pack("i", 1), nnqi_pack("s", "x")};
    /* An object is missing, and everything that came before it is taken. */
    NONE(nnqi_pack("(imo)", 1, nnqi_text("inside"), (nnqi_value)0), EBADF);
    nnqi_value all = nnqi_pack("(bcCwWiIlLfdsrm[m]+d+d(s(i))<Pair,name,rest>v)", 1, -1, 255, -300, 60000, INT_MIN, UINT_MAX, INT64_MIN,
                    UINT64_MAX, 0.5, 0.1, "text", "\0raw", (size_t)4, nnqi_text("inside"), nnqi_list("m", items, 2), (nnqi_value)0,
                    nnqi_pack("i", 7), "name", 5);
    GOOD(all);
    CHECK(nnqi_signature(all, text, sizeof text) > 0);
    CHECK_STR(text, "(bcCwWiIlLfdsrm[m]+d+d(s(i))<Pair,name,rest>v)");
    int flag = 0;
    int8_t c = 0; uint8_t C = 0; int16_t w = 0; uint16_t W = 0; int32_t i = 0, nested = 0; uint32_t I = 0; int64_t l = 0; uint64_t L = 0;
    float f = 0; double d = 0;
    const char *string = NULL, *name = NULL;
    const void *raw = NULL;
    size_t length = 0;
    nnqi_value dynamic = 0, list = 0, none = 0, some = 0;
    CHECK_OK(nnqi_unpack(all, "(bcCwWiIlLfdsrm[m]+d+d(s(i))v)", &flag, &c, &C, &w, &W, &i, &I, &l, &L, &f, &d, &string, &raw, &length, &dynamic,
                         &list, &none, &some, &name, &nested));
    CHECK(flag == 1 && c == -1 && C == 255 && w == -300 && W == 60000 && i == INT_MIN && I == UINT_MAX);
    CHECK(l == INT64_MIN && L == UINT64_MAX && f == 0.5f && d == 0.1 && nested == 5);
    CHECK_STR(string, "text");
    CHECK_STR(name, "name");
    CHECK(length == 4 && memcmp(raw, "\0raw", 4) == 0);
    CHECK_STR(nnqi_get_text(dynamic), "inside");
    CHECK_EQ(nnqi_count(list), 2);
    CHECK_EQ(nnqi_count(none), 0);
    CHECK_EQ(nnqi_count(some), 1);
    nnqi_value parts[] = {dynamic, list, none, some};
    for (size_t part = 0; part < COUNT(parts); part++)
        CHECK_OK(nnqi_free(parts[part]));
    double as_double = 0;
    CHECK_OK(nnqi_free(all));
    nnqi_value pair = nnqi_pack("(im)", 1, nnqi_int('l', 2));
    CHECK_OK(nnqi_unpack(pair, "(dd)", NULL, &as_double));
    CHECK(as_double == 2.0);
    CHECK_ERR(nnqi_unpack(pair, "(ds)", &as_double, &string), EINVAL);
    CHECK_ERR(nnqi_unpack(pair, "(d", &as_double), EINVAL);
    CHECK_ERR(nnqi_unpack(pair, NULL), EFAULT);
    CHECK_OK(nnqi_free(pair));
    NONE(nnqi_pack("c", 128), EINVAL);
    NONE(nnqi_pack("f", 1e300), EINVAL);
    NONE(nnqi_pack("(s", "x"), EINVAL);
    NONE(nnqi_pack("s", NULL), EFAULT);
    NONE(nnqi_pack(NULL), EFAULT);
    NONE(nnqi_pack("[i]", nnqi_text("no list")), EINVAL);
    NONE(nnqi_pack("(ms", nnqi_text("taken all the same"), "x"), EINVAL);
    /* What a call left behind that nobody has looked at. */
    CHECK_ERR(nnqi_unpack(nnqi_pack("c", 128), "i", &i), EBADF);
    CHECK(strstr(nnqi_error(), "does not fit") != NULL);
    CHECK_EQ(nnqi_handles(), handles);
}

static void dynamics_are_looked_into(void) {
    nnqi_value inside[] = {nnqi_dynamic(nnqi_int('i', 5)), nnqi_dynamic(nnqi_bool(1)), nnqi_dynamic(nnqi_double(0.5)), nnqi_dynamic(nnqi_text("text"))};
    nnqi_value built = nnqi_dynamic(nnqi_list("m", inside, 4));
    char bytes[200];
    int64_t size = nnqi_encode(built, NULL, bytes, sizeof bytes);
    nnqi_value both[] = {built, nnqi_decode("m", bytes, (size_t)size)};
    for (int at = 0; at < 2; at++) {
        nnqi_value list = both[at];
        CHECK_EQ(nnqi_kind(list), 'm');
        CHECK_EQ(nnqi_count(list), 4);
        int64_t number = 0;
        int flag = 0;
        double fraction = 0;
        size_t length = 0;
        nnqi_value item[4];
        for (size_t i = 0; i < 4; i++)
            GOOD(item[i] = nnqi_item(list, i));
        CHECK_OK(nnqi_get_int(item[0], &number));
        CHECK_OK(nnqi_get_bool(item[1], &flag));
        CHECK_OK(nnqi_get_double(item[2], &fraction));
        CHECK(number == 5 && flag == 1 && fraction == 0.5);
        CHECK_OK(nnqi_free(list));
        /* The pointer is into what the item itself keeps. */
        const char *text = nnqi_get_string(item[3], &length), *whole = nnqi_get_text(item[3]);
        CHECK(text && length == 4 && memcmp(text, "text", 4) == 0);
        CHECK_STR(whole, "text");
        CHECK_ERR(nnqi_get_int(item[3], &number), EINVAL);
        for (size_t i = 0; i < 4; i++)
            CHECK_OK(nnqi_free(item[i]));
    }
}

/* sum(ii) -> i, in one line; and what it says of arguments that it should not ask for. */
static void sum(nnqi_request request, void *user) {
    (void)user;
    nnqi_reply(request, nnqi_int('i', nnqi_arg_int(request, 0) + nnqi_arg_int(request, 1)));
}

static void asks_for_too_much(nnqi_request request, void *user) {
    (void)user;
    errno = 0;
    CHECK_EQ(nnqi_arg_int(request, 1), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK(isnan(nnqi_arg_double(request, 0)));
    CHECK_STR(nnqi_arg_text(request, 5), "");
    CHECK_EQ(nnqi_arg(request, 5), 0);
    CHECK_ERR(nnqi_reply(request, nnqi_text("made of nothing")), EINVAL);
    CHECK_ERR(nnqi_reply(request, nnqi_void()), EBADF);
}

/* any(m): whatever it gets, as its own methods of Python do. */
static void any(nnqi_request request, void *user) {
    (void)user;
    nnqi_value list = nnqi_arg(request, 4);
    CHECK_EQ(nnqi_count(list), 1);
    nnqi_free(list);
    CHECK_STR(nnqi_arg_text(request, 0), "name");
    CHECK(nnqi_arg_bool(request, 1) == 1 && nnqi_arg_int(request, 2) == 5 && nnqi_arg_double(request, 3) == 0.5);
    CHECK_OK(nnqi_reply(request, nnqi_dynamic(nnqi_int('l', 42))));
}

/* say(s) -> v: emits a signal of its own object and counts in its own property. */
static void say(nnqi_request request, void *user) {
    nnqi_object self = nnqi_request_object(request);
    GOOD(self);
    CHECK_EQ(nnqi_request_object(request), self);
    CHECK_OK(nnqi_emit(self, "said", nnqi_pack("(s)", nnqi_arg_text(request, 0))) - 1);
    int64_t words = 0;
    nnqi_value count = nnqi_object_get(self, "words");
    CHECK_OK(nnqi_get_int(count, &words));
    CHECK_OK(nnqi_free(count));
    CHECK_OK(nnqi_object_set(self, "words", nnqi_int('i', words + 1)));
    CHECK_OK(nnqi_reply(request, nnqi_void()));
    PUT(*(nnqi_object *)user, self);
}

static void short_programs(void) {
    static nnqi_object self;
    uint64_t handles = nnqi_handles();
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_builder builder = nnqi_builder_new();
    int64_t id = nnqi_method(builder, "sum", "(ii)", "i", sum, NULL);
    const char *parameters[] = {"a", "one number", "b", "the other", NULL};
    CHECK_OK(nnqi_document(builder, (uint32_t)id, "adds", "the sum", parameters));
    CHECK_OK(nnqi_document(builder, 0, "of short programs", NULL, NULL));
    CHECK_ERR(nnqi_document(builder, 99, "none", NULL, NULL), EINVAL);
    CHECK_ERR(nnqi_document(builder, (uint32_t)id, NULL, NULL, (const char *[]){"a", NULL}), EINVAL);
    nnqi_method(builder, "wrong", "(s)", "s", asks_for_too_much, NULL);
    nnqi_method(builder, "any", "m", "m", any, NULL);
    nnqi_method(builder, "say", "(s)", "v", say, &self);
    nnqi_signal(builder, "said", "(s)");
    nnqi_property(builder, "words", "i", nnqi_int('i', 0));
    nnqi_object object = nnqi_build(builder);
    nnqi_proxy proxy = add_service(&bus, "Short", object);

    IS_INT(nnqi_call(proxy, "sum", nnqi_pack("(ii)", 40, 2), patience()), 42);
    NONE(nnqi_call(proxy, "wrong", nnqi_pack("(s)", "x"), patience()), EPROTO);
    CHECK_STR(nnqi_error(), "argument 2 of 1: there is none");
    nnqi_value item = nnqi_text("in the list");
    nnqi_value given = nnqi_pack("(sbidm)", "name", 1, 5, 0.5, nnqi_list("s", &item, 1));
    IS_INT(nnqi_call(proxy, "any", given, patience()), 42);

    char type[20];
    nnqi_value answer = nnqi_call_as(proxy, "sum", nnqi_pack("(ii)", 1, 2), "d", patience());
    GOOD(answer);
    CHECK(nnqi_signature(answer, type, sizeof type) == 1 && type[0] == 'd');
    CHECK_OK(nnqi_free(answer));
    uint64_t before = nnqi_handles();
    NONE(nnqi_call_as(proxy, "sum", nnqi_pack("(ii)", 1, 2), "(", patience()), EINVAL);
    NONE(nnqi_call_as(proxy, "sum", nnqi_pack("(ii)", 1, 2), NULL, patience()), EFAULT);
    CHECK(nnqi_call_as(proxy, "sum", nnqi_pack("(ii)", 1, 2), "[s]", patience()) == 0);
    CHECK_EQ(nnqi_handles(), before);

    nnqi_subscription said = nnqi_subscribe(proxy, "said", 10);
    GOOD(said);
    nnqi_free(nnqi_call(proxy, "say", nnqi_pack("(s)", "hello"), patience()));
    nnqi_value event = nnqi_next(said, patience(), NULL);
    const char *text = NULL;
    CHECK_OK(nnqi_unpack(event, "(s)", &text));
    CHECK_STR(text, "hello");
    CHECK_OK(nnqi_free(event));
    CHECK_OK(nnqi_unsubscribe(said));
    IS_INT(nnqi_property_get(proxy, "words"), 1);
    WAIT(GET(self) != 0);
    CHECK_ERR(nnqi_object_free(GET(self)), EBADF);

    nnqi_value meta = nnqi_meta(proxy), methods = nnqi_find(meta, "methods"), description = nnqi_find(meta, "description");
    CHECK_STR(nnqi_get_text(description), "of short programs");
    char json[20000];
    CHECK(nnqi_to_json(methods, json, sizeof json) < (int64_t)sizeof json);
    CHECK(strstr(json, "\"the sum\"") && strstr(json, "\"one number\"") && strstr(json, "\"adds\""));
    nnqi_value values[] = {meta, methods, description};
    for (size_t i = 0; i < COUNT(values); i++)
        CHECK_OK(nnqi_free(values[i]));

    CHECK_EQ(nnqi_is_connected(bus.session), 1);
    const char *any_address = "tcp://0.0.0.0:0";
    nnqi_provider provider = nnqi_provider_open(bus.url, &any_address, 1, NULL, NULL);
    GOOD(provider);
    char address[100];
    CHECK(nnqi_provider_address(provider, 0, address, sizeof address) > 0 && strstr(address, "tcp://0.0.0.0:") == address);
    CHECK(nnqi_provider_address(provider, 1, address, sizeof address) == -1);
    CHECK(nnqi_register(provider, "Provided", object) > 1);
    nnqi_proxy provided = nnqi_service(bus.session, "Provided", patience());
    GOOD(provided);
    IS_INT(nnqi_call(provided, "sum", nnqi_pack("(ii)", 20, 22), patience()), 42);
    CHECK_EQ(nnqi_provider_is_connected(provider), 1);
    /* The session is connected to the directory and to the provider, the server to the session and the provider. */
    struct nnqi_server_statistics counts;
    const int64_t each = 16384;
    WAIT(nnqi_session_memory(bus.session) == 2 * each);
    WAIT(nnqi_provider_statistics(provider, &counts) == 0 && counts.connections == 2);
    WAIT(nnqi_provider_memory(provider) >= each && nnqi_provider_workers(provider) >= 1);
    CHECK_ERR(nnqi_provider_statistics(provider, NULL), EFAULT);
    CHECK_OK(nnqi_proxy_free(provided));
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_object_free(object));
    CHECK_OK(nnqi_server_close(bus.server));
    WAIT(nnqi_is_connected(bus.session) == 0);
    WAIT(nnqi_provider_is_connected(provider) == 0);
    CHECK_OK(nnqi_provider_close(provider));
    CHECK_OK(nnqi_close(bus.session));
    CHECK_EQ(nnqi_is_connected(bus.session), -1);
    CHECK_EQ(nnqi_handles(), handles);
}

/* Each result and error of a nnqi_function; user is the table's. */
static nnqi_value number(nnqi_request request, void *user) {
    (void)request;
    return nnqi_int('i', *(int *)user);
}

static nnqi_value refused(nnqi_request request, void *user) {
    (void)request;
    (void)user;
    return nnqi_fail("not today");
}

static nnqi_value chained(nnqi_request request, void *user) {
    (void)request;
    (void)user;
    return nnqi_convert(nnqi_convert(nnqi_from_json("{", "s"), "i"), "d");
}

static nnqi_value silent(nnqi_request request, void *user) {
    (void)request;
    (void)user;
    return 0;
}

static nnqi_value by_hand(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply_error(request, "said by hand"));
    return nnqi_int('i', 1);
}

static nnqi_value wrong_type(nnqi_request request, void *user) {
    (void)request;
    (void)user;
    return nnqi_text("no number");
}

static nnqi_value wrong_argument(nnqi_request request, void *user) {
    (void)user;
    return nnqi_int('i', nnqi_arg_int(request, 0));
}

static nnqi_value nothing(nnqi_request request, void *user) {
    (void)user;
    CHECK_EQ(nnqi_emit(nnqi_request_object(request), "happened", nnqi_arguments(request)), 0);
    return nnqi_void();
}

static nnqi_value made(nnqi_request request, void *user) {
    static const struct nnqi_member members[] = {NNQI_FUNCTION("number", "()", "i", number), NNQI_MEMBERS_END};
    (void)request;
    return nnqi_take_object(nnqi_object_new(members, user));
}

static const struct nnqi_member table[] = {
    NNQI_FUNCTION("number", "()", "i", number),
    NNQI_FUNCTION("refused", "()", "i", refused),
    NNQI_FUNCTION("chained", "()", "d", chained),
    NNQI_FUNCTION("silent", "()", "i", silent),
    NNQI_FUNCTION("byHand", "()", "i", by_hand),
    NNQI_FUNCTION("wrongType", "()", "i", wrong_type),
    NNQI_FUNCTION("wrongArgument", "(s)", "i", wrong_argument),
    NNQI_FUNCTION("nothing", "(s)", "v", nothing),
    NNQI_FUNCTION("made", "()", "o", made),
    NNQI_SIGNAL("happened", "(s)"),
    NNQI_PROPERTY("level", "i", "7"),
    NNQI_PROPERTY("names", "{si}", "{\"a\": 1, \"b\": 2}"),
    NNQI_MEMBERS_END,
};

/* The call fails with EPROTO and this text. */
#define REFUSED(call, text) \
    do { \
        NONE(call, EPROTO); \
        CHECK_STR(nnqi_error(), text); \
    } while (0)

static void functions_that_return(nnqi_proxy proxy) {
    uint64_t before = nnqi_handles();
    IS_INT(nnqi_callf(proxy, "number", "()"), 42);
    REFUSED(nnqi_callf(proxy, "refused", "()"), "not today");
    nnqi_value wrong = nnqi_callf(proxy, "chained", "()");
    CHECK_EQ(wrong, 0);
    CHECK(strstr(nnqi_error(), "no JSON") && !strstr(strstr(nnqi_error(), "after") + 1, "after"));
    REFUSED(nnqi_callf(proxy, "silent", "()"), "the method has returned 0, and not said why");
    REFUSED(nnqi_callf(proxy, "byHand", "()"), "said by hand");
    CHECK_EQ(nnqi_callf(proxy, "wrongType", "()"), 0);
    REFUSED(nnqi_callf(proxy, "wrongArgument", "(s)", "x"), "argument 1 is s, and should be an integer of 64 bits");
    nnqi_value none = nnqi_callf(proxy, "nothing", "(s)", "x");
    CHECK_EQ(nnqi_kind(none), 'v');
    CHECK_OK(nnqi_free(none));
    nnqi_proxy other = nnqi_take_proxy(nnqi_callf(proxy, "made", "()"));
    GOOD(other);
    IS_INT(nnqi_callf(other, "number", "()"), 42);
    CHECK_OK(nnqi_proxy_free(other));
    NONE(nnqi_take_proxy(nnqi_callf(proxy, "number", "()")), EINVAL);
    NONE(nnqi_callf(proxy, "number", "(i"), EINVAL);
    CHECK_EQ(nnqi_handles(), before);
}

static void readers_that_take(nnqi_proxy proxy) {
    uint64_t before = nnqi_handles();
    CHECK_EQ(nnqi_take_int(nnqi_property_get(proxy, "level"), -1), 7);
    CHECK(nnqi_take_double(nnqi_property_get(proxy, "level"), -1) == 7.0);
    CHECK_EQ(nnqi_take_bool(nnqi_dynamic(nnqi_bool(1)), -1), 1);
    errno = 0;
    CHECK_EQ(nnqi_take_int(nnqi_text("x"), -5), -5);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(nnqi_take_int(nnqi_property_get(proxy, "no such"), -6), -6);
    CHECK(strstr(nnqi_error(), "no such") != NULL);
    CHECK_EQ(nnqi_take_bool(nnqi_int('i', 1), 9), 9);
    CHECK(isnan(nnqi_take_double(nnqi_text("x"), NAN)));
    char text[4] = "old";
    CHECK(nnqi_take_text(nnqi_dynamic(nnqi_text("one")), text, sizeof text) == text);
    CHECK_STR(text, "one");
    CHECK_STR(nnqi_take_text(nnqi_text("longer"), text, sizeof text), "lon");
    CHECK(nnqi_take_text(nnqi_int('i', 1), text, sizeof text) == NULL && errno == EINVAL);
    CHECK_STR(text, "");
    CHECK(nnqi_take_text(0, text, sizeof text) == NULL && errno == EBADF);
    CHECK(nnqi_take_text(nnqi_text("x"), NULL, 4) == NULL && errno == EFAULT);
    CHECK(nnqi_take_text(nnqi_text("x"), text, 0) == NULL && errno == EINVAL);
    nnqi_value map = nnqi_property_get(proxy, "names");
    const char *name = NULL;
    int32_t value = 0, sum = 0;
    size_t at = 0;
    while (nnqi_unpack_next(map, &at, "(si)", &name, &value) > 0) {
        CHECK_STR(name, at == 1 ? "a" : "b");
        sum += value;
    }
    CHECK(at == 2 && sum == 3);
    CHECK_EQ(nnqi_unpack_next(map, &at, "(si)", &name, &value), 0);
    at = 0;
    CHECK_ERR(nnqi_unpack_next(map, &at, "(ii)", &value, &value), EINVAL);
    CHECK_ERR(nnqi_unpack_next(map, NULL, "(si)", &name, &value), EFAULT);
    CHECK_EQ(at, 0);
    CHECK_OK(nnqi_free(map));
    nnqi_value number = nnqi_int('i', 1);
    CHECK_ERR(nnqi_unpack_next(number, &at, "i", &value), EINVAL);
    CHECK_OK(nnqi_free(number));
    nnqi_value optional = nnqi_dynamic(nnqi_pack("+i", nnqi_int('i', 3)));
    CHECK_EQ(nnqi_unpack_next(optional, &at, "i", &value), 1);
    CHECK(value == 3 && nnqi_unpack_next(optional, &at, "i", &value) == 0);
    CHECK_OK(nnqi_free(optional));
    CHECK_EQ(nnqi_handles(), before);
}

static void programs_of_tables(void) {
    static int answer = 42;
    uint64_t handles = nnqi_handles();
    char url[128];
    nnqi_server server = nnqi_serve("tcp://127.0.0.1:0", "Table", nnqi_object_new(table, &answer));
    CHECK(nnqi_server_address(server, 0, url, sizeof url) > 0);
    CHECK_STR(nnqi_server_url(server), url);
    nnqi_server nowhere = nnqi_server_open(NULL, 0, NULL);
    GOOD(nowhere);
    CHECK(nnqi_server_url(nowhere) == NULL && errno == EINVAL);
    CHECK_OK(nnqi_server_close(nowhere));
    CHECK(nnqi_server_url(nowhere) == NULL && errno == EBADF);
    nnqi_session session = nnqi_connect(url, NULL);
    nnqi_proxy proxy = nnqi_service(session, "Table", patience());
    GOOD(proxy);
    functions_that_return(proxy);
    readers_that_take(proxy);
    NONE(nnqi_serve(url, "Table", nnqi_object_new(table, &answer)), EADDRINUSE);
    NONE(nnqi_serve("tcp://127.0.0.1:0", "", nnqi_object_new(table, &answer)), EINVAL);
    NONE(nnqi_serve("tcp://127.0.0.1:0", "Table", 0), EBADF);
    const struct nnqi_member wrong[][2] = {
        {NNQI_SIGNAL("happened", "(s"), NNQI_MEMBERS_END},
        {NNQI_PROPERTY("level", "i", "\"text\""), NNQI_MEMBERS_END},
        {NNQI_PROPERTY("level", "i", "{"), NNQI_MEMBERS_END},
        {NNQI_FUNCTION("", "()", "v", nothing), NNQI_MEMBERS_END},
        {{9, "name", "s", "s", NULL}, NNQI_MEMBERS_END},
    };
    for (size_t i = 0; i < COUNT(wrong); i++)
        NONE(nnqi_object_new(wrong[i], NULL), EINVAL);
    const struct nnqi_member missing[][2] = {
        {NNQI_FUNCTION("name", "()", "v", NULL), NNQI_MEMBERS_END},
        {NNQI_FUNCTION("name", "()", NULL, nothing), NNQI_MEMBERS_END},
        {NNQI_SIGNAL(NULL, "()"), NNQI_MEMBERS_END},
    };
    for (size_t i = 0; i < COUNT(missing); i++)
        NONE(nnqi_object_new(missing[i], NULL), EFAULT);
    NONE(nnqi_object_new(NULL, NULL), EFAULT);
    NONE(nnqi_take_object(0), EBADF);
    nnqi_builder builder = nnqi_builder_new();
    CHECK_OK(nnqi_members(builder, table, &answer));
    CHECK_ERR(nnqi_members(builder, wrong[0], NULL), EINVAL);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    CHECK_OK(nnqi_object_free(object));
    CHECK_ERR(nnqi_members(builder, table, &answer), EBADF);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_close(session));
    CHECK_OK(nnqi_server_close(server));
    /* What the first call could not do is told by the last one. */
    NONE(nnqi_subscribe(nnqi_service(nnqi_connect(url, NULL), "Table", 0), "happened", 1), EBADF);
    CHECK(strstr(nnqi_error(), url + strlen("tcp://")) && strstr(nnqi_error(), "refused"));
    CHECK_EQ(nnqi_perror(NULL) & nnqi_perror("qi_short"), 1);
    CHECK_EQ(nnqi_handles(), handles);
}

int main(void) {
    start();
    values_by_format();
    dynamics_are_looked_into();
    short_programs();
    programs_of_tables();
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
