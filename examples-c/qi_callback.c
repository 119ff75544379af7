/* Objects as arguments: a service that takes its time, and calls back the object that its caller has passed.
 *
 * The service "Press" has a method print(so): it prints so many pages, and tells the object's page(i) of each. The client
 * does not wait for the end: it starts the call, and looks at it later.
 *
 * Build:  cc -o qi_callback qi_callback.c -lnanomsg
 * Run:    ./qi_callback    # in any order
 *         | pages read: 3
 *         | the press says: all printed
 */
#include <stdio.h>
#include <stdlib.h>

#include <millrace/qi.h>

static uint64_t need(uint64_t handle, const char *what) {
    if (handle == 0) {
        fprintf(stderr, "%s: %s\n", what, nnqi_error());
        exit(1);
    }
    return handle;
}

static void check(int64_t result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nnqi_error());
        exit(1);
    }
}

/* One argument of a request. Free it: what is taken out of a value has a handle of its own. */
static nnqi_value argument(nnqi_request request, size_t index) {
    nnqi_value arguments = nnqi_arguments(request), item = nnqi_item(arguments, index);
    nnqi_free(arguments);
    return item;
}

/* ---- the service ---- */

static void print(nnqi_request request, void *user) {
    (void)user;
    nnqi_value count = argument(request, 0), reader = argument(request, 1);
    int64_t pages = 0;
    nnqi_get_int(count, &pages);
    /* Calls to it go to our caller, on the connection that the caller has made. It ends with that. */
    nnqi_proxy proxy = nnqi_proxy_of(reader);
    nnqi_free(count);
    nnqi_free(reader);
    for (int64_t page = 1; page <= pages && !nnqi_is_canceled(request); page++) {
        nnqi_value number = nnqi_int('i', page);
        /* A worker may wait. What the method returns is nothing, but a value all the same. */
        nnqi_free(nnqi_call(proxy, "page", nnqi_tuple(&number, 1), 5000));
    }
    nnqi_proxy_free(proxy);
    if (nnqi_is_canceled(request))
        nnqi_reply_canceled(request);
    else
        nnqi_reply(request, nnqi_text("all printed"));
}

static nnqi_object make_press(void) {
    nnqi_builder builder = nnqi_builder_new();
    check(nnqi_method(builder, "print", "(io)", "s", print, NULL), "print");
    return need(nnqi_build(builder), "nnqi_build");
}

/* ---- the client ---- */

struct reader {
    int64_t pages;
};

static void page(nnqi_request request, void *user) {
    nnqi_value number = argument(request, 0);
    nnqi_get_int(number, &((struct reader *)user)->pages);
    nnqi_free(number);
    nnqi_reply(request, nnqi_void());
}

/* Nobody, here or at the service, has the object any more. */
static void gone(void *user) {
    printf("pages read: %d\n", (int)((struct reader *)user)->pages);
    free(user);
}

static nnqi_object make_reader(void) {
    struct reader *reader = calloc(1, sizeof(*reader));
    nnqi_builder builder = nnqi_builder_new();
    check(nnqi_method(builder, "page", "(i)", "v", page, reader), "page");
    check(nnqi_when_gone(builder, gone, reader), "nnqi_when_gone");
    return need(nnqi_build(builder), "nnqi_build");
}

static void use(const char *url) {
    nnqi_session session = need(nnqi_connect(url, NULL), url);
    nnqi_proxy press = need(nnqi_service(session, "Press", 1000), "Press");
    nnqi_object reader = make_reader();
    nnqi_value arguments[] = {nnqi_int('i', 3), nnqi_object_value(reader)};
    nnqi_pending printing = need(nnqi_call_start(press, "print", nnqi_tuple(arguments, 2), -1), "print");
    /* The service has it now. */
    nnqi_object_free(reader);
    /* There is time for something else here; nnqi_cancel would end the call early. */
    nnqi_value said = need(nnqi_wait(printing, 10000), "print");
    char text[32];
    check(nnqi_copy_string(said, text, sizeof(text)), "print");
    printf("the press says: %s\n", text);
    nnqi_free(said);
    nnqi_pending_free(printing);
    nnqi_proxy_free(press);
    nnqi_close(session);
}

int main(void) {
    char url[128];
    const char *urls[] = {"tcp://127.0.0.1:0"};
    nnqi_server server = need(nnqi_server_open(urls, 1, NULL), urls[0]);
    nnqi_object press = make_press();
    check(nnqi_add_service(server, "Press", press), "nnqi_add_service");
    check(nnqi_server_address(server, 0, url, sizeof(url)), "nnqi_server_address");
    use(url);
    nnqi_server_close(server);
    nnqi_object_free(press);
    /* Nothing was forgotten. */
    return nnqi_handles() != 0;
}
