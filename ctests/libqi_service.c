/* A directory and the service Probe, which clients of the genuine libqi call: tests/qi_c.rs. Prints its URL, and ends when its
 * standard input does. */
#include "ctest.h"
#include "qi.h"
#include <semaphore.h>

static nnqi_object probe;

static int64_t integer(nnqi_value value) {
    int64_t number = 0;
    CHECK_OK(nnqi_get_int(value, &number));
    CHECK_OK(nnqi_free(value));
    return number;
}

static void upper(nnqi_request request, void *user) {
    (void)user;
    nnqi_value given = argument(request);
    char letters[] = "\xc3\xa9";
    size_t len = 0;
    const char *bytes = nnqi_get_string(given, &len);
    char *text = malloc(len);
    memcpy(text, bytes, len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] -= 'a' - 'A';
        else if (i > 0 && text[i - 1] == letters[0] && text[i] == letters[1])
            text[i] -= 0x20;
    }
    CHECK_OK(nnqi_free(given));
    CHECK_OK(nnqi_reply(request, nnqi_string(text, len)));
    free(text);
}

static void echo(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply(request, argument(request)));
}

static void whole(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply(request, nnqi_arguments(request)));
}

static void vargs(nnqi_request request, void *user) {
    (void)user;
    nnqi_value arguments = nnqi_arguments(request), items[8];
    int64_t count = nnqi_count(arguments);
    CHECK(count <= (int64_t)COUNT(items));
    for (int64_t i = 0; i < count; i++)
        items[i] = nnqi_item(arguments, (size_t)i);
    CHECK_OK(nnqi_free(arguments));
    CHECK_OK(nnqi_reply(request, nnqi_list("m", items, (size_t)count)));
}

static void incr(nnqi_request request, void *user) {
    (void)user;
    nnqi_value map = argument(request), keys[8], values[8];
    int64_t count = nnqi_count(map);
    CHECK(count <= (int64_t)COUNT(keys));
    for (int64_t i = 0; i < count; i++) {
        keys[i] = nnqi_map_key(map, (size_t)i);
        values[i] = nnqi_int('i', integer(nnqi_map_value(map, (size_t)i)) + 1);
    }
    CHECK_OK(nnqi_free(map));
    CHECK_OK(nnqi_reply(request, nnqi_map("s", "i", keys, values, (size_t)count)));
}

static void some(nnqi_request request, void *user) {
    (void)user;
    nnqi_value optional = argument(request);
    bool has = nnqi_count(optional) == 1;
    nnqi_value more = has ? nnqi_int('i', integer(nnqi_item(optional, 0)) + 1) : 0;
    CHECK_OK(nnqi_free(optional));
    CHECK_OK(nnqi_reply(request, nnqi_optional("i", more)));
}

static void over(nnqi_request request, void *user) { CHECK_OK(nnqi_reply(request, nnqi_text(user))); }

static void raw(nnqi_request request, void *user) {
    (void)user;
    nnqi_value given = argument(request);
    size_t len = 0;
    const char *bytes = nnqi_get_raw(given, &len);
    char reversed[64];
    CHECK(len <= sizeof(reversed));
    for (size_t i = 0; i < len; i++)
        reversed[i] = bytes[len - 1 - i];
    CHECK_OK(nnqi_free(given));
    CHECK_OK(nnqi_reply(request, nnqi_raw(reversed, len)));
}

static void fail(nnqi_request request, void *user) {
    (void)user;
    CHECK_OK(nnqi_reply_error(request, "a deliberate failure"));
}

static void notice(int canceled, void *user) {
    CHECK_EQ(canceled, 1);
    CHECK_OK(sem_post(user));
}

/* Ends when it is cancelled, and not before. */
static void slow_method(nnqi_request request, void *user) {
    (void)user;
    sem_t told;
    CHECK_OK(sem_init(&told, 0, 0));
    CHECK_OK(nnqi_on_cancel(request, notice, &told));
    while (sem_wait(&told) != 0)
        ;
    CHECK_EQ(nnqi_is_canceled(request), 1);
    CHECK_OK(nnqi_reply_canceled(request));
    CHECK_OK(sem_destroy(&told));
}

static void fire(nnqi_request request, void *user) {
    (void)user;
    CHECK(nnqi_emit(probe, "fired", nnqi_arguments(request)) >= 0);
    CHECK_OK(nnqi_reply(request, nnqi_void()));
}

static void fire_anything(nnqi_request request, void *user) {
    (void)user;
    nnqi_value list = nnqi_list("s", ITEMS(nnqi_text("a")));
    CHECK(nnqi_emit(probe, "anything", TUPLE(nnqi_int('i', 1), nnqi_dynamic(list))) >= 0);
    CHECK_OK(nnqi_reply(request, nnqi_void()));
}

/* Calls the object that it is given. */
static void meet(nnqi_request request, void *user) {
    (void)user;
    nnqi_value object = argument(request);
    nnqi_proxy guest = nnqi_proxy_of(object);
    GOOD(guest);
    nnqi_value answer = nnqi_call(guest, "hello", TUPLE(nnqi_text("server")), patience());
    GOOD(answer);
    CHECK_OK(nnqi_proxy_free(guest));
    CHECK_OK(nnqi_free(object));
    CHECK_OK(nnqi_reply(request, answer));
}

static const struct {
    const char *name, *parameters, *result;
    nnqi_code code;
    char *user;
} methods[] = {
    {"add", "(ii)", "i", add, NULL},
    {"upper", "(s)", "s", upper, NULL},
    {"echo", "(m)", "m", echo, NULL},
    {"vargs", "m", "[m]", vargs, NULL},
    {"incr", "({si})", "{si}", incr, NULL},
    {"some", "(+i)", "+i", some, NULL},
    {"over", "(i)", "s", over, "i"},
    {"over", "(s)", "s", over, "s"},
    {"over", "(ii)", "s", over, "ii"},
    {"raw", "(r)", "r", raw, NULL},
    {"widths", "(cCwWiIlLfd)", "(cCwWiIlLfd)", whole, NULL},
    {"fail", "()", "v", fail, NULL},
    {"slow", "()", "v", slow_method, NULL},
    {"fire", "(is)", "v", fire, NULL},
    {"fire_anything", "()", "v", fire_anything, NULL},
    {"meet", "(o)", "s", meet, NULL},
};

int main(void) {
    start();
    alarm(100);
    nnqi_builder builder = nnqi_builder_new();
    for (size_t i = 0; i < COUNT(methods); i++) {
        CONTEXT("%s%s", methods[i].name, methods[i].parameters);
        CHECK(nnqi_method(builder, methods[i].name, methods[i].parameters, methods[i].result, methods[i].code, methods[i].user) > 0);
    }
    context[0] = 0;
    CHECK(nnqi_signal(builder, "fired", "(is)") > 0);
    CHECK(nnqi_signal(builder, "anything", "m") > 0);
    CHECK(nnqi_property(builder, "level", "i", nnqi_int('i', 7)) > 0);
    probe = nnqi_build(builder);
    GOOD(probe);
    const char *address = "tcp://127.0.0.1:0";
    char url[128] = "";
    nnqi_server server = nnqi_server_open(&address, 1, NULL);
    GOOD(server);
    CHECK(nnqi_add_service(server, "Probe", probe) > 1);
    CHECK(nnqi_server_address(server, 0, url, sizeof(url)) > 0);
    printf("= %s\n", url);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    CHECK_OK(nnqi_server_close(server));
    CHECK_OK(nnqi_object_free(probe));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
