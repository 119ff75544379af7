/* The object bus in C: a directory with a service "Greeter" and a client of it, in one program.
 *
 * The service has a method greet(s) -> s, a property "language" and a signal greeted(s). Start it with an address, as
 * tcp://0.0.0.0:9559, and it serves until it is killed, for any client of the bus.
 *
 * Build:  cc -o qi_service qi_service.c -lnanomsg
 * Run:    ./qi_service
 *         | result: "Hello, world!"
 *         | signal: ["world"]
 *         | property: "en"
 *         | as it should be: greet: ...
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <millrace/qi.h>

/* Every call fails in the same way: 0 or -1, and a text. */
static uint64_t need(uint64_t handle, const char *what) {
    if (handle == 0) {
        fprintf(stderr, "%s: %s\n", what, nnqi_error());
        exit(1);
    }
    return handle;
}

static int64_t check(int64_t result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nnqi_error());
        exit(1);
    }
    return result;
}

/* The code of the method, on a worker of the library. */
static void greet(nnqi_request request, void *user) {
    const char *greeting = user, *name = nnqi_arg_text(request, 0);
    char text[128];
    if (snprintf(text, sizeof(text), "%s, %s!", greeting, name) >= (int)sizeof(text)) {
        nnqi_reply_error(request, "what a long name");
        return;
    }
    nnqi_emit(nnqi_request_object(request), "greeted", nnqi_pack("(s)", name));
    nnqi_reply(request, nnqi_text(text));
}

static nnqi_object make_greeter(void) {
    static char greeting[] = "Hello";
    nnqi_builder builder = nnqi_builder_new();
    check(nnqi_method(builder, "greet", "(s)", "s", greet, greeting), "greet");
    check(nnqi_signal(builder, "greeted", "(s)"), "greeted");
    check(nnqi_property(builder, "language", "s", nnqi_text("en")), "language");
    return need(nnqi_build(builder), "nnqi_build");
}

static void print(const char *what, nnqi_value value) {
    char text[256];
    check(nnqi_to_json(value, text, sizeof(text)), what);
    printf("%s: %s\n", what, text);
    nnqi_free(value);
}

static void use(const char *url) {
    nnqi_session session = need(nnqi_connect(url, NULL), url);
    nnqi_proxy proxy = need(nnqi_service(session, "Greeter", 1000), "Greeter");
    nnqi_subscription greeted = need(nnqi_subscribe(proxy, "greeted", 16), "greeted");
    print("result", need(nnqi_call(proxy, "greet", nnqi_pack("(s)", "world"), 5000), "greet"));
    print("signal", need(nnqi_next(greeted, 5000, NULL), "greeted"));
    print("property", need(nnqi_property_get(proxy, "language"), "language"));
    if (nnqi_call(proxy, "greet", nnqi_pack("(())"), 5000) == 0)
        printf("as it should be: %s\n", nnqi_error());
    nnqi_unsubscribe(greeted);
    nnqi_proxy_free(proxy);
    nnqi_close(session);
}

int main(int argc, char **argv) {
    char url[128];
    const char *urls[] = {argc > 1 ? argv[1] : "tcp://127.0.0.1:0"};
    nnqi_server server = need(nnqi_server_open(urls, 1, NULL), urls[0]);
    nnqi_object greeter = make_greeter();
    check(nnqi_add_service(server, "Greeter", greeter), "nnqi_add_service");
    check(nnqi_server_address(server, 0, url, sizeof(url)), "nnqi_server_address");
    if (argc > 1) {
        printf("Greeter at %s\n", url);
        for (;;)
            pause();
    }
    use(url);
    nnqi_server_close(server);
    nnqi_object_free(greeter);
    /* Nothing was forgotten. */
    return nnqi_handles() != 0;
}
