/* As stack.c, for the object bus: values, also those nested as deeply as may be, a server, a session with and without TLS, and what
 * calls do meanwhile for others. */
#include "qi.h"
#include "stack.h"
#include "tls.h"

static char certificate_file[64], key_file[64];

static void write_file(char path[64], const char *name, const char *text) {
    snprintf(path, 64, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

ACTION(values) {
    static char text[4000];
    nnqi_value one = nnqi_from_json("{\"a\": [1, 2.5, \"x\", null, true], \"b\": {\"c\": []}}", NULL);
    nnqi_to_json(one, text, sizeof(text));
    nnqi_signature(one, text, sizeof(text));
    nnqi_value map = nnqi_from_json("{\"a\": 1}", "{si}"), copy = nnqi_convert(map, "{sl}");
    int64_t length = nnqi_encode(copy, "{sl}", text, sizeof(text));
    nnqi_value back = nnqi_decode("{sl}", text, (size_t)length);
    CHECK(nnqi_equal(copy, back));
    nnqi_value values[] = {one, map, copy, back, nnqi_struct("(is)<P,a,b>", ITEMS(nnqi_int('i', 1), nnqi_text("x"))),
                           nnqi_optional("i", 0), nnqi_list("i", ITEMS(nnqi_int('i', 2))), nnqi_raw("abc", 3)};
    for (size_t i = 0; i < COUNT(values); i++)
        nnqi_free(values[i]);
    nnqi_from_json("[", NULL);
    nnqi_decode("nonsense", "", 0);
    nnqi_error();
    DONE;
}

/* As deep as a value may be, and deeper. */
ACTION(nested) {
    static char json[100001], signature[1001], text[4000];
    for (size_t depth = 1; depth < 50000; depth = depth * 3 / 2 + 1) {
        memset(json, '[', depth);
        memset(json + depth, ']', depth);
        json[2 * depth] = 0;
        nnqi_value value = nnqi_from_json(json, NULL);
        nnqi_value copy = nnqi_copy(value);
        nnqi_to_json(value, text, sizeof(text));
        nnqi_signature(value, text, sizeof(text));
        CHECK(value == 0 || nnqi_equal(value, copy));
        int64_t length = nnqi_encode(value, "m", text, sizeof(text));
        if (length > 0)
            nnqi_free(nnqi_decode("m", text, (size_t)length));
        nnqi_free(copy);
        nnqi_free(value);
        if (depth < 500) {
            memset(signature, '[', depth);
            signature[depth] = 'i';
            memset(signature + depth + 1, ']', depth);
            signature[2 * depth + 1] = 0;
            nnqi_free(nnqi_decode(signature, "\0\0\0\0", 4));
        }
    }
    DONE;
}

static const struct nnqi_server_options *serving;
static const struct nnqi_options *connecting;
static const char *listening;

static void later(nnqi_value result, int code, const char *text, void *user) {
    (void)code;
    (void)text;
    nnqi_free(result);
    PUT(*(int *)user, 1);
}

static void watched(nnqi_value arguments, uint64_t missed, void *user) {
    (void)missed;
    (void)user;
    nnqi_free(arguments);
}

ACTION(bus) {
    static char url[128], text[64];
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "add", "(ii)", "l", add, NULL) > 0);
    CHECK(nnqi_signal(builder, "moved", "(i)") > 0);
    CHECK(nnqi_property(builder, "level", "i", nnqi_int('i', 1)) > 0);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    nnqi_server server = nnqi_server_open(&listening, 1, serving);
    GOOD(server);
    CHECK(nnqi_server_address(server, 0, url, sizeof(url)) > 0);
    CHECK(nnqi_add_service(server, "Adder", object) > 0);
    nnqi_session session = nnqi_connect(url, connecting);
    GOOD(session);
    nnqi_free(nnqi_services(session));
    nnqi_proxy proxy = nnqi_service(session, "Adder", patience());
    GOOD(proxy);
    nnqi_free(nnqi_meta(proxy));
    IS_INT(nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 2)), patience()), 3);
    nnqi_pending pending = nnqi_call_start(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 2)), patience());
    IS_INT(nnqi_wait(pending, patience()), 3);
    nnqi_pending_free(pending);
    static int told;
    told = 0;
    CHECK_OK(nnqi_call_then(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 2)), patience(), later, &told, NULL));
    nnqi_free(nnqi_property_get(proxy, "level"));
    nnqi_property_set(proxy, "level", nnqi_int('i', 5));
    nnqi_post(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 2)));
    nnqi_subscription subscription = nnqi_subscribe(proxy, "moved", 10);
    GOOD(subscription);
    nnqi_subscription watch = nnqi_watch(proxy, "moved", 10, watched, NULL);
    GOOD(watch);
    CHECK(nnqi_emit(object, "moved", TUPLE(nnqi_int('i', 7))) >= 0);
    uint64_t missed;
    nnqi_value event = nnqi_next(subscription, patience(), &missed);
    GOOD(event);
    nnqi_free(event);
    nnqi_unsubscribe(subscription);
    nnqi_unsubscribe(watch);
    nnqi_server_reach(server, "nobody", 1);
    nnqi_call(proxy, "nothing", NO_ARGUMENTS, 100);
    WAIT(GET(told));
    nnqi_provider provider = nnqi_provider_open(url, &listening, 1, connecting, serving);
    GOOD(provider);
    CHECK(nnqi_register(provider, "Other", object) > 0);
    CHECK_OK(nnqi_unregister(provider, "Other"));
    CHECK_OK(nnqi_provider_close(provider));
    nnqi_endpoint endpoint = nnqi_endpoint_connect(url, connecting);
    GOOD(endpoint);
    CHECK_OK(nnqi_endpoint_close(endpoint));
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_close(session));
    CHECK_OK(nnqi_server_close(server));
    CHECK_OK(nnqi_object_free(object));
    (void)text;
    DONE;
}

int main(int argc, char **argv) {
    start();
    begin_measuring(argc, argv);
    write_file(certificate_file, "certificate.pem", certificate);
    write_file(key_file, "key.pem", private_key);
    measure("values", values, NULL);
    measure("nested values", nested, NULL);
    listening = "tcp://127.0.0.1:0";
    measure("a server, a session, calls, events", bus, NULL);
    listening = "tcps://127.0.0.1:0";
    serving = &(struct nnqi_server_options){.certificate = certificate_file, .key = key_file};
    connecting = &(struct nnqi_options){.authorities = certificate_file, .server_name = "bus.example"};
    measure("the same over TLS", bus, NULL);
    return failures != 0;
}
