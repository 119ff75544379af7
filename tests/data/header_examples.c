/* Around the examples of the headers: what they are about, made anew for each of them. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <millrace/qi.h>

static nnqi_session session;
static nnqi_proxy robot;
static nnqi_value value;
static nnqi_pending pending;
static nnqi_subscription subscription;
static nnqi_server server;
static nnqi_provider provider;
static nnqi_builder builder;
static nnqi_object object;
static nnqi_request request;
static nnqi_endpoint endpoint;
static nnqi_handler handler;
static struct nnqi_header header;
static char text[100], url[100];
static unsigned char bytes[8];
static size_t len;
static int64_t number;

static void done(nnqi_value result, int error, const char *why, void *user) { (void)result, (void)error, (void)why, (void)user; }
static void callback(nnqi_value arguments, uint64_t missed, void *user) { (void)arguments, (void)missed, (void)user; }
static void told(int what, uint32_t id, const char *why, void *user) { (void)what, (void)id, (void)why, (void)user; }
static void code(nnqi_request of, void *user) { (void)user, nnqi_reply(of, nnqi_int('i', 3)); }
static int check(nnqi_value wanted, nnqi_value *instead, void *user) { (void)wanted, (void)instead, (void)user; return 0; }
static void notice(int canceled, void *user) { (void)canceled, (void)user; }

struct example {
    const char *text;
    void (*run)(void);
};
#include "examples.h"

static const struct example *now;
static int is_wrong;
static char why[300];

/* What fails says so in nnqi_error(); errno may be anything after what has not failed. */
static void run(void) {
    char before[300];
    nnqi_pending_free(0);
    snprintf(before, sizeof before, "%s", nnqi_error());
    now->run();
    snprintf(why, sizeof why, "%s", nnqi_error());
    is_wrong = strcmp(before, why) != 0;
}

/* The code of a method, for those that are about a request. */
static void in_method(nnqi_request of, void *user) {
    (void)user;
    request = of;
    run();
    /* If the example has not. */
    nnqi_reply(of, nnqi_int('i', 0));
}

static nnqi_value nothing(nnqi_request of, void *user) { (void)of, (void)user; return nnqi_void(); }
static nnqi_value add(nnqi_request of, void *user) { (void)user; return nnqi_int('i', nnqi_arg_int(of, 0) + nnqi_arg_int(of, 1)); }
static nnqi_value lend(nnqi_request of, void *user) { (void)user; return nnqi_dynamic(nnqi_arg(of, 0)); }
static nnqi_value is_ready(nnqi_request of, void *user) { (void)of, (void)user; return nnqi_bool(1); }
static nnqi_value child(nnqi_request of, void *user) {
    static const struct nnqi_member none[] = {NNQI_SIGNAL("grown", "()"), NNQI_MEMBERS_END};
    (void)of, (void)user;
    return nnqi_object_value(nnqi_object_new(none, NULL));
}

static const struct nnqi_member BODY[] = {
    NNQI_FUNCTION("add", "(ii)", "i", add),       NNQI_FUNCTION("walk", "(d)", "v", nothing),
    NNQI_FUNCTION("say", "(s)", "v", nothing),    NNQI_FUNCTION("lend", "(o)", "m", lend),
    NNQI_FUNCTION("isReady", "()", "b", is_ready), NNQI_FUNCTION("child", "()", "o", child),
    NNQI_SIGNAL("touched", "(sd)"),               NNQI_SIGNAL("image", "(r)"),
    NNQI_PROPERTY("height", "d", "0.5"),          NNQI_PROPERTY("battery", "i", "50"),
    NNQI_MEMBERS_END};

static int is_about(const char *what) { return strstr(now->text, what) != NULL; }

static nnqi_value value_for_it(void) {
    if (is_about("nnqi_convert(") || is_about("nnqi_get_int(")) return nnqi_int('i', 42);
    if (is_about("_string(value")) return nnqi_text("a name");
    if (is_about("nnqi_map_key(")) return nnqi_from_json("{\"one\": 1}", "{si}");
    if (is_about("nnqi_find(value")) return nnqi_from_json("[1, 2]", "(ii)<Point,x,y>");
    if (is_about("nnqi_unwrap(")) return nnqi_dynamic(nnqi_text("inside"));
    if (is_about("nnqi_encode(")) return nnqi_pack("(is)", 1, "a");
    if (is_about("nnqi_proxy_of(")) return nnqi_callf(robot, "child", "()");
    return nnqi_from_json("[1, 2]", "[i]");
}

/* A server with a robot, and all that looks at it. */
static void begin(void) {
    builder = nnqi_builder_new();
    nnqi_members(builder, BODY, NULL);
    nnqi_method(builder, "inMethod", "m", "i", in_method, NULL);
    object = nnqi_build(builder);
    server = nnqi_server_open((const char *const[]){"tcp://127.0.0.1:0"}, 1, NULL);
    nnqi_server_address(server, 0, url, sizeof url);
    nnqi_add_service(server, "Body", object);
    session = nnqi_connect(url, NULL);
    if (is_about("nnqi_service(")) nnqi_add_service(server, "Lamp", object);
    robot = nnqi_service(session, "Body", 0);
    provider = nnqi_provider_open(url, (const char *const[]){"tcp://127.0.0.1:0"}, 1, NULL, NULL);
    pending = nnqi_call_start(robot, "walk", nnqi_pack("(d)", 0.5), 60000);
    subscription = nnqi_subscribe(robot, "touched", 10);
    nnqi_emit(object, "touched", nnqi_pack("(sd)", "head", 0.5));
    endpoint = nnqi_endpoint_of(robot);
    handler = nnqi_make_handler(endpoint, &(struct nnqi_filter){.types = 0}, 100, NULL, NULL);
    header = (struct nnqi_header){.id = (uint32_t)nnqi_begin_call(endpoint), .type = 1, .service = 2, .object = 1, .action = 100};
    nnqi_free(nnqi_callf(robot, "add", "(ii)", 1, 2));
    builder = nnqi_builder_new();
    if (!is_about("nnqi_method(")) nnqi_method(builder, "add", "(ii)", "i", code, NULL);
    value = value_for_it();
}

static void end(void) {
    nnqi_provider_close(provider);
    nnqi_close(session);
    nnqi_server_close(server);
    nnqi_object_free(object);
}

int main(void) {
    int wrong = 0;
    for (now = EXAMPLES; now->text; now++) {
        is_wrong = -1;
        begin();
        if (!is_about("(request")) {
            run();
        } else if (is_about("arg_text")) {
            nnqi_free(nnqi_callf(robot, "inMethod", "(s)", "left"));
        } else {
            nnqi_free(nnqi_callf(robot, "inMethod", "(d)", 1.5));
        }
        end();
        if (is_wrong) {
            wrong++;
            printf("%s\n    %s\n", now->text, is_wrong < 0 ? "has not run" : why);
        }
    }
    (void)len, (void)number, (void)bytes, (void)code, (void)check, (void)notice, (void)callback, (void)told, (void)done;
    printf("%d of %d wrong\n", wrong, (int)(now - EXAMPLES));
    return wrong != 0;
}
