/* A client, in C, of the service of tests/python/qi_service.py, which the genuine libqi serves. Argument: the directory's URL. */
#include "ctest.h"
#include "qi.h"

/* The value is this when written as JSON, and is freed. */
static void is_json(nnqi_value value, const char *expected) {
    char text[256] = "";
    GOOD(value);
    CHECK(nnqi_to_json(value, text, sizeof(text)) > 0);
    check_at(__FILE__, __LINE__, strcmp(text, expected) == 0, "expected %s, got %s", expected, text);
    CHECK_OK(nnqi_free(value));
}

/* Arguments as JSON of this type. */
static nnqi_value call(nnqi_proxy proxy, const char *method, const char *arguments, const char *signature) {
    CONTEXT("%s%s", method, arguments);
    return nnqi_call(proxy, method, nnqi_from_json(arguments, signature), patience());
}

static void calls(nnqi_proxy proof) {
    IS_INT(call(proof, "add", "[2, 3]", "(ii)"), 5);
    IS_INT(call(proof, "add::(ii)", "[2, 2.9]", "(id)"), 4);
    is_json(call(proof, "increment", "[{\"a\": 1, \"b\": -5}]", "({si})"), "{\"a\":2,\"b\":-4}");
    is_json(call(proof, "halves", "[[1.0, 3.0]]", "([d])"), "[0.5,1.5]");
    is_json(call(proof, "over", "[5]", "(i)"), "\"int 5\"");
    is_json(call(proof, "over", "[\"x\"]", "(s)"), "\"string x\"");
    is_json(call(proof, "over", "[1, 2]", "(ii)"), "\"two 1 2\"");
    is_json(call(proof, "gather", "[1, \"two\"]", "(is)"), "[1,\"two\"]");
    is_json(call(proof, "echo", "[\"h\xc3\xa9\"]", "(s)"), "\"h\xc3\xa9\"");
    context[0] = 0;
    /* A message of many reads and writes. */
    size_t len = 3000000, got = 0;
    char *large = malloc(len);
    memset(large, 'x', len);
    nnqi_value answer = nnqi_call(proof, "echo", TUPLE(nnqi_string(large, len)), patience()), text = nnqi_unwrap(answer);
    GOOD(text);
    const char *bytes = nnqi_get_string(text, &got);
    CHECK(got == len && memcmp(bytes, large, len) == 0);
    CHECK_OK(nnqi_free(text));
    CHECK_OK(nnqi_free(answer));
    free(large);
}

static void errors(nnqi_session session, nnqi_proxy proof) {
    NONE(call(proof, "fail", "[]", "()"), EPROTO);
    CHECK(strstr(nnqi_error(), "boom") != NULL);
    NONE(call(proof, "nothing", "[]", "()"), EINVAL);
    /* What is not converted here may be there. */
    NONE(call(proof, "add", "[\"a\", \"b\"]", "(ss)"), EPROTO);
    NONE(nnqi_service(session, "Nobody", 0), EHOSTUNREACH);
    context[0] = 0;
    IS_INT(call(proof, "add", "[1, 1]", "(ii)"), 2);
}

static void watched(nnqi_value arguments, uint64_t missed, void *user) {
    CHECK_EQ(missed, 0);
    if (arguments != 0)
        __atomic_add_fetch((int *)user, 1, __ATOMIC_SEQ_CST);
}

static void signals(nnqi_proxy proof) {
    int heard = 0;
    nnqi_subscription happened = nnqi_subscribe(proof, "happened", 10);
    nnqi_subscription watching = nnqi_watch(proof, "happened", 10, watched, &heard);
    GOOD(happened);
    GOOD(watching);
    is_json(call(proof, "fire", "[5, \"five\"]", "(is)"), "null");
    /* libqi emits on threads of its own: of two events on their way the second may be the first. */
    is_json(nnqi_next(happened, patience(), NULL), "[5,\"five\"]");
    /* The object emits what is posted to its signal. */
    CHECK_OK(nnqi_post(proof, "happened", TUPLE(nnqi_int('i', 6), nnqi_text("six"))));
    is_json(nnqi_next(happened, patience(), NULL), "[6,\"six\"]");
    WAIT(GET(heard) == 2);
    CHECK_OK(nnqi_unsubscribe(watching));
    CHECK_OK(nnqi_unsubscribe(happened));
}

static void properties(nnqi_proxy proof) {
    nnqi_subscription changes = nnqi_subscribe(proof, "level", 10);
    GOOD(changes);
    IS_INT(nnqi_property_get(proof, "level"), 7);
    CHECK_OK(nnqi_property_set(proof, "level", nnqi_int('i', 8)));
    is_json(nnqi_next(changes, patience(), NULL), "[8]");
    IS_INT(nnqi_property_get(proof, "level"), 8);
    CHECK_ERR(nnqi_property_set(proof, "none", nnqi_int('i', 8)), EINVAL);
    CHECK_OK(nnqi_unsubscribe(changes));
}

/* What a completion was told. */
struct told {
    int error, times;
};

static void told(nnqi_value result, int error, const char *text, void *user) {
    (void)text;
    struct told *told = user;
    CHECK_EQ(result == 0, error != 0);
    told->error = error;
    __atomic_add_fetch(&told->times, 1, __ATOMIC_SEQ_CST);
}

static void canceled(nnqi_proxy proof) {
    nnqi_pending pending = nnqi_call_start(proof, "slow", NO_ARGUMENTS, -1);
    GOOD(pending);
    NONE(nnqi_wait(pending, 10), EAGAIN);
    CHECK_OK(nnqi_cancel(pending));
    NONE(nnqi_wait(pending, patience()), EINTR);
    CHECK_OK(nnqi_pending_free(pending));

    struct told once = {0};
    CHECK_OK(nnqi_call_then(proof, "slow", NO_ARGUMENTS, -1, told, &once, &pending));
    CHECK_EQ(nnqi_is_done(pending), 0);
    CHECK_OK(nnqi_cancel(pending));
    WAIT(GET(once.times) == 1);
    CHECK_EQ(once.error, EINTR);
    CHECK_EQ(nnqi_is_done(pending), 1);
    CHECK_OK(nnqi_cancel(pending));
    CHECK_OK(nnqi_pending_free(pending));

    NONE(nnqi_call(proof, "slow", NO_ARGUMENTS, 50), ETIMEDOUT);
    IS_INT(call(proof, "add", "[1, 2]", "(ii)"), 3);
    CHECK_EQ(GET(once.times), 1);
}

static void hello(nnqi_request request, void *user) { CHECK_OK(nnqi_reply(request, nnqi_text(user))); }

/* One of libqi's here, and one of ours there. */
static void objects(nnqi_proxy proof) {
    nnqi_value child = call(proof, "child", "[\"bob\"]", "(s)");
    nnqi_proxy bob = nnqi_proxy_of(child);
    GOOD(bob);
    CHECK_OK(nnqi_free(child));
    is_json(call(bob, "hello", "[]", "()"), "\"hello from bob\"");
    CHECK_OK(nnqi_proxy_free(bob));
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "hello", "()", "s", hello, "C") > 0);
    nnqi_object ours = nnqi_build(builder);
    GOOD(ours);
    is_json(nnqi_call(proof, "ask", TUPLE(nnqi_object_value(ours)), patience()), "\"it says: C\"");
    CHECK_OK(nnqi_object_free(ours));
}

int main(int argc, char **argv) {
    start();
    alarm(100);
    nnqi_session session = nnqi_connect(argc > 1 ? argv[1] : NULL, NULL);
    nnqi_proxy proof = nnqi_service(session, "Proof", patience());
    GOOD(proof);
    calls(proof);
    errors(session, proof);
    signals(proof);
    properties(proof);
    canceled(proof);
    objects(proof);
    CHECK_OK(nnqi_proxy_free(proof));
    CHECK_OK(nnqi_close(session));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
