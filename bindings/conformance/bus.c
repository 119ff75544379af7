/* The object bus's part of the conformance list for C (see README.md).
 *
 * bus serve              prints "= URL", and serves until its input ends
 * bus check URL LIST
 */
#include <millrace/qi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE 60000

static uint64_t need(uint64_t handle, const char *what) {
    if (handle == 0) {
        fprintf(stderr, "%s: %s\n", what, nnqi_error());
        exit(1);
    }
    return handle;
}

static void check(int64_t result, const char *what) {
    if (result < 0)
        need(0, what);
}

/* ---- the service */

static void add(nnqi_request request, void *user) {
    int64_t sum = nnqi_arg_int(request, 0) + nnqi_arg_int(request, 1);
    (void)user;
    nnqi_reply(request, nnqi_int('i', (int32_t)sum));
}

static void halves(nnqi_request request, void *user) {
    nnqi_value list = nnqi_arg(request, 0), half[16];
    int64_t count = nnqi_count(list);
    (void)user;
    for (int64_t i = 0; i < count && i < 16; i++) {
        double number = 0;
        nnqi_value item = nnqi_item(list, (size_t)i);
        nnqi_get_double(item, &number);
        half[i] = nnqi_double(number / 2);
        nnqi_free(item);
    }
    nnqi_free(list);
    nnqi_reply(request, nnqi_list("d", half, (size_t)count));
}

static void echo(nnqi_request request, void *user) {
    (void)user;
    nnqi_reply(request, nnqi_arg(request, 0));
}

static void say(nnqi_request request, void *user) {
    (void)user;
    nnqi_emit(nnqi_request_object(request), "said", nnqi_arguments(request));
    nnqi_reply(request, nnqi_void());
}

static void fail(nnqi_request request, void *user) {
    (void)user;
    nnqi_reply_error(request, nnqi_arg_text(request, 0));
}

static int serve(void) {
    const char *urls[] = {"tcp://127.0.0.1:0"};
    char url[128];
    nnqi_builder builder = need(nnqi_builder_new(), "nnqi_builder_new");
    check(nnqi_method(builder, "add", "(ii)", "i", add, NULL), "add");
    check(nnqi_method(builder, "halves", "([d])", "[d]", halves, NULL), "halves");
    check(nnqi_method(builder, "echo", "(m)", "m", echo, NULL), "echo");
    check(nnqi_method(builder, "say", "(is)", "v", say, NULL), "say");
    check(nnqi_method(builder, "fail", "(s)", "v", fail, NULL), "fail");
    check(nnqi_signal(builder, "said", "(is)"), "said");
    check(nnqi_property(builder, "level", "i", nnqi_int('i', 7)), "level");
    nnqi_object proof = need(nnqi_build(builder), "nnqi_build");
    nnqi_server server = need(nnqi_server_open(urls, 1, NULL), urls[0]);
    check(nnqi_add_service(server, "Proof", proof), "Proof");
    check(nnqi_server_address(server, 0, url, sizeof url), "nnqi_server_address");
    printf("= %s\n", url);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    nnqi_server_close(server);
    nnqi_object_free(proof);
    return nnqi_handles() != 0;
}

/* ---- the client */

/* What is inside, if it is a dynamic. The value is taken. */
static nnqi_value inside(nnqi_value value) {
    if (nnqi_kind(value) != 'm')
        return value;
    nnqi_value inner = need(nnqi_unwrap(value), "nnqi_unwrap");
    nnqi_free(value);
    return inner;
}

static nnqi_value entry(nnqi_value map, const char *name) {
    return inside(need(nnqi_find(map, name), name));
}

static nnqi_value item(nnqi_value list, int64_t index) {
    return inside(need(nnqi_item(list, (size_t)index), "an item"));
}

static nnqi_value arguments(nnqi_value list) {
    nnqi_value members[8];
    int64_t count = nnqi_count(list);
    for (int64_t i = 0; i < count; i++)
        members[i] = item(list, i);
    return need(nnqi_tuple(members, (size_t)count), "nnqi_tuple");
}

/* Whether both are the same as JSON. Both are taken. */
static void equal(nnqi_value got, nnqi_value wanted, const char *what) {
    char texts[2][512];
    check(nnqi_to_json(got, texts[0], sizeof texts[0]), what);
    check(nnqi_to_json(wanted, texts[1], sizeof texts[1]), what);
    if (strcmp(texts[0], texts[1]) != 0) {
        fprintf(stderr, "%s: %s, not %s\n", what, texts[0], texts[1]);
        exit(1);
    }
    nnqi_free(got);
    nnqi_free(wanted);
}

static nnqi_value read_list(const char *path) {
    static char text[65536];
    FILE *file = fopen(path, "r");
    if (file == NULL || fread(text, 1, sizeof text - 1, file) == 0) {
        perror(path);
        exit(1);
    }
    fclose(file);
    nnqi_value all = inside(need(nnqi_from_json(text, NULL), path)), bus = entry(all, "bus");
    nnqi_free(all);
    return bus;
}

static void calls(nnqi_proxy proof, nnqi_value bus) {
    nnqi_value cases = entry(bus, "calls");
    for (int64_t i = 0; i < nnqi_count(cases); i++) {
        nnqi_value one = item(cases, i), name = entry(one, "call"), with = entry(one, "with");
        nnqi_value got = need(nnqi_call(proof, nnqi_get_text(name), arguments(with), PATIENCE), nnqi_get_text(name));
        equal(inside(got), entry(one, "gives"), nnqi_get_text(name));
        nnqi_free(with), nnqi_free(name), nnqi_free(one);
    }
    nnqi_free(cases);
    cases = entry(bus, "echo");
    for (int64_t i = 0; i < nnqi_count(cases); i++) {
        nnqi_value members[] = {item(cases, i)};
        nnqi_value got = need(nnqi_call(proof, "echo", nnqi_tuple(members, 1), PATIENCE), "echo");
        equal(inside(got), item(cases, i), "echo");
    }
    nnqi_free(cases);
    cases = entry(bus, "failures");
    for (int64_t i = 0; i < nnqi_count(cases); i++) {
        nnqi_value one = item(cases, i), name = entry(one, "call"), with = entry(one, "with"), says = entry(one, "says");
        if (nnqi_call(proof, nnqi_get_text(name), arguments(with), PATIENCE) != 0 ||
            strstr(nnqi_error(), nnqi_get_text(says)) == NULL)
            need(0, "a call that should have failed otherwise");
        nnqi_free(says), nnqi_free(with), nnqi_free(name), nnqi_free(one);
    }
    nnqi_free(cases);
}

static void events(nnqi_proxy proof, nnqi_value bus) {
    nnqi_subscription said = need(nnqi_subscribe(proof, "said", 16), "said");
    nnqi_value cases = entry(bus, "events");
    for (int64_t i = 0; i < nnqi_count(cases); i++) {
        nnqi_value event = item(cases, i);
        nnqi_free(need(nnqi_call(proof, "say", arguments(event), PATIENCE), "say"));
        equal(need(nnqi_next(said, PATIENCE, NULL), "said"), event, "said");
    }
    nnqi_free(cases);
    check(nnqi_unsubscribe(said), "nnqi_unsubscribe");
}

static void property(nnqi_proxy proof, nnqi_value bus) {
    nnqi_value about = entry(bus, "property"), cases = entry(about, "set");
    equal(inside(need(nnqi_property_get(proof, "level"), "level")), entry(about, "first"), "level at first");
    nnqi_subscription changes = need(nnqi_subscribe(proof, "level", 16), "level");
    for (int64_t i = 0; i < nnqi_count(cases); i++) {
        check(nnqi_property_set(proof, "level", item(cases, i)), "level is set");
        nnqi_value change = need(nnqi_next(changes, PATIENCE, NULL), "level changes");
        equal(item(change, 0), item(cases, i), "level has changed");
        equal(inside(need(nnqi_property_get(proof, "level"), "level")), item(cases, i), "level");
        nnqi_free(change);
    }
    nnqi_free(cases), nnqi_free(about);
    check(nnqi_unsubscribe(changes), "nnqi_unsubscribe");
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    if (argc != 4)
        return fprintf(stderr, "bus serve, or bus check URL LIST\n"), 2;
    nnqi_value bus = read_list(argv[3]);
    nnqi_session session = need(nnqi_connect(argv[2], NULL), argv[2]);
    nnqi_proxy proof = need(nnqi_service(session, "Proof", PATIENCE), "Proof");
    calls(proof, bus);
    events(proof, bus);
    property(proof, bus);
    nnqi_free(bus);
    nnqi_proxy_free(proof);
    nnqi_close(session);
    puts("ok");
    /* Nothing was forgotten. */
    return nnqi_handles() != 0;
}
