/* What the programs about the object bus have in common. Include after ctest.h. */
#ifndef QI_H
#define QI_H

#include "ctest.h"
#include <millrace/qi.h>
#include <sys/syscall.h>

#define ITEMS(...) (nnqi_value[]){__VA_ARGS__}, sizeof((nnqi_value[]){__VA_ARGS__}) / sizeof(nnqi_value)
#define TUPLE(...) nnqi_tuple(ITEMS(__VA_ARGS__))
#define NO_ARGUMENTS nnqi_tuple(NULL, 0)
/* The call gives no handle, and this errno. */
#define NONE(call, code) \
    ({ \
        errno = 0; \
        uint64_t none_ = (call); \
        int code_ = errno; \
        check_at(__FILE__, __LINE__, none_ == 0 && code_ == (code), "%s: expected error %d, got %d (%s)", #call, code, \
                 code_, nnqi_error()); \
    })
#define GOOD(handle) check_at(__FILE__, __LINE__, (handle) != 0, "%s: %s", #handle, nnqi_error())

#define GET(place) __atomic_load_n(&(place), __ATOMIC_SEQ_CST)
#define PUT(place, content) __atomic_store_n(&(place), content, __ATOMIC_SEQ_CST)

/* The value is this integer, and is freed. */
#define IS_INT(value, expected) \
    ({ \
        nnqi_value value_ = (value); \
        int64_t found_ = 0; \
        GOOD(value_); \
        CHECK_OK(nnqi_get_int(value_, &found_)); \
        CHECK_EQ(found_, expected); \
        CHECK_OK(nnqi_free(value_)); \
    })

/* The only argument of a request, or the first. */
__attribute__((unused)) static nnqi_value argument(nnqi_request request) {
    nnqi_value arguments = nnqi_arguments(request), first = nnqi_item(arguments, 0);
    GOOD(first);
    CHECK_OK(nnqi_free(arguments));
    return first;
}

/* A method (ii) -> l. */
__attribute__((unused)) static void add(nnqi_request request, void *user) {
    (void)user;
    nnqi_value arguments = nnqi_arguments(request), a = nnqi_item(arguments, 0), b = nnqi_item(arguments, 1);
    int64_t x = 0, y = 0;
    CHECK_OK(nnqi_get_int(a, &x));
    CHECK_OK(nnqi_get_int(b, &y));
    nnqi_free(a);
    nnqi_free(b);
    nnqi_free(arguments);
    CHECK_OK(nnqi_reply(request, nnqi_int('l', x + y)));
}

/* A directory at a port of its own, and a session with it. */
struct bus {
    nnqi_server server;
    nnqi_session session;
    char url[128];
};

__attribute__((unused)) static void open_bus(struct bus *bus, const struct nnqi_server_options *options) {
    const char *urls[] = {"tcp://127.0.0.1:0"};
    *bus = (struct bus){.server = nnqi_server_open(urls, 1, options)};
    GOOD(bus->server);
    CHECK(nnqi_server_address(bus->server, 0, bus->url, sizeof(bus->url)) > 0);
    bus->session = nnqi_connect(bus->url, NULL);
    GOOD(bus->session);
}

__attribute__((unused)) static nnqi_proxy add_service(struct bus *bus, const char *name, nnqi_object object) {
    CHECK(nnqi_add_service(bus->server, name, object) > 1);
    nnqi_proxy proxy = nnqi_service(bus->session, name, patience());
    GOOD(proxy);
    return proxy;
}

__attribute__((unused)) static void close_bus(struct bus *bus) {
    CHECK_OK(nnqi_close(bus->session));
    CHECK_OK(nnqi_server_close(bus->server));
}

/* A call that waits in a thread of its own, and what it returned. */
struct waiting {
    uint64_t (*call)(uint64_t handle);
    uint64_t handle, result;
    int code;
    pid_t thread;
    bool done;
    pthread_t id;
};

__attribute__((unused)) static void *waiting_thread(void *argument) {
    struct waiting *waiting = argument;
    __atomic_store_n(&waiting->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    waiting->result = waiting->call(waiting->handle);
    waiting->code = errno;
    PUT(waiting->done, true);
    return NULL;
}

/* Starts the call and waits until it sleeps. */
__attribute__((unused)) static void begin_waiting(struct waiting *waiting, uint64_t (*call)(uint64_t), uint64_t handle) {
    *waiting = (struct waiting){.call = call, .handle = handle};
    waiting->id = spawn(waiting_thread, waiting);
    WAIT(asleep(&waiting->thread));
}

/* It ended with no handle, and this errno. */
#define ENDED(waiting, expected) \
    do { \
        WAIT(GET((waiting)->done)); \
        await((waiting)->id); \
        CHECK_EQ((waiting)->result, 0); \
        CHECK_EQ((waiting)->code, expected); \
    } while (0)

#endif
