/* What programs are told on the object bus: events with a queue of their choice, what comes and goes, who listens; and objects that do
 * several things at once. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"

static char url[64];

/* What has been told: one letter each, in order. */
struct heard {
    char letters[64];
    uint64_t count;
};

static void hear(struct heard *heard, char letter) {
    uint64_t at = GET(heard->count);
    CHECK(at + 1 < sizeof heard->letters);
    heard->letters[at] = letter;
    PUT(heard->count, at + 1);
}

static void told(int what, uint32_t id, const char *text, void *user) {
    CHECK(what >= NNQI_LOST && what <= NNQI_SERVICE_REMOVED);
    CHECK((id != 0) == (what >= NNQI_SERVICE_ADDED));
    CHECK((strlen(text) > 0) == (what != NNQI_RESTORED));
    if (what >= NNQI_SERVICE_ADDED)
        CHECK(strcmp(text, "Late") == 0);
    hear(user, "?lrar"[what] + (what == NNQI_SERVICE_REMOVED ? 'g' - 'r' : 0));
}

static void listened(int listened, void *user) {
    hear(user, listened ? 'y' : 'n');
}

static void meet(nnqi_request request, void *user) {
    pthread_barrier_wait(user);
    CHECK_OK(nnqi_reply(request, nnqi_void()));
}

static void number(nnqi_value arguments, uint64_t missed, void *user) {
    double number = 0;
    (void)missed;
    if (arguments == 0) {
        hear(user, 'e');
        return;
    }
    CHECK_OK(nnqi_unpack(arguments, "(d)", &number));
    hear(user, (char)('0' + (int)number));
}

static void queues(nnqi_object object, nnqi_proxy proxy, struct heard *camera) {
    struct nnqi_subscribe_options newest = {.queue = 2, .when_full = NNQI_KEEP_NEWEST}, oldest = {.queue = 2},
                                  ends = {.queue = 2, .when_full = NNQI_END}, few_bytes = {.bytes = 1},
                                  wrong = {.when_full = 3}, negative = {.bytes = -1}, no_tuple = {.wanted = "i"},
                                  impossible = {.wanted = "(s)"};
    nnqi_subscription all[] = {nnqi_subscribe_with(proxy, "count", &newest), nnqi_subscribe_with(proxy, "count", &oldest),
                               nnqi_subscribe_with(proxy, "count", &ends), nnqi_subscribe_with(proxy, "count", &few_bytes)};
    const int first[] = {4, 0, 0, 0}, kept[] = {2, 2, 2, 1};
    struct heard doubles = {.count = 0};
    struct nnqi_subscribe_options wanted = {.wanted = "(d)", .timeout = -1};
    nnqi_subscription watch = nnqi_watch_with(proxy, "count", &wanted, number, &doubles);
    GOOD(watch);
    /* What is undone before its turn comes is not told. */
    WAIT(GET(camera->count) == 1);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(nnqi_emit(object, "count", nnqi_pack("(i)", i)), 1);
    /* It was made last, so the others have everything that this one has. */
    WAIT(GET(doubles.count) == 6);
    CHECK(strcmp(doubles.letters, "012345") == 0);
    for (size_t i = 0; i < COUNT(all); i++) {
        GOOD(all[i]);
        for (int next = 0; next < kept[i]; next++) {
            uint64_t missed = 9;
            int found = -1;
            nnqi_value event = nnqi_next(all[i], 0, &missed);
            GOOD(event);
            CHECK_OK(nnqi_unpack(event, "(i)", &found));
            CHECK_EQ(found, first[i] + next);
            CHECK_EQ(missed, next == 0 && i == 0 ? 4 : 0);
            CHECK_OK(nnqi_free(event));
        }
        NONE(nnqi_next(all[i], 0, NULL), i == 2 ? ENOTCONN : ETIMEDOUT);
        CHECK_OK(nnqi_unsubscribe(all[i]));
    }
    CHECK_OK(nnqi_unsubscribe(watch));
    NONE(nnqi_subscribe_with(proxy, "count", &wrong), EINVAL);
    NONE(nnqi_subscribe_with(proxy, "count", &negative), EINVAL);
    NONE(nnqi_subscribe_with(proxy, "count", &no_tuple), EINVAL);
    NONE(nnqi_subscribe_with(proxy, "count", &impossible), EINVAL);
    CHECK(strstr(nnqi_error(), "(i) to (s)") != NULL);
    NONE(nnqi_watch_with(proxy, "count", &impossible, number, &doubles), EINVAL);
    CHECK(strstr(nnqi_error(), "count") != NULL);
    NONE(nnqi_watch_with(proxy, "count", NULL, NULL, NULL), EFAULT);
    NONE(nnqi_subscribe_with(proxy, NULL, NULL), EFAULT);
    WAIT(GET(camera->count) == 2);
    nnqi_subscription plain = nnqi_subscribe_with(proxy, "count", NULL);
    GOOD(plain);
    WAIT(GET(camera->count) == 3);
    CHECK_OK(nnqi_unsubscribe(plain));
}

/* One after the other they would wait for each other for ever. */
static void several_at_once(nnqi_proxy proxy) {
    nnqi_pending calls[2];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++)
            GOOD(calls[i] = nnqi_call_start(proxy, "meet", NO_ARGUMENTS, 20000));
        for (int i = 0; i < 2; i++) {
            nnqi_value result = nnqi_wait(calls[i], -1);
            GOOD(result);
            CHECK_OK(nnqi_free(result));
            CHECK_OK(nnqi_pending_free(calls[i]));
        }
    }
}

/* More listen than are told in one turn: who emits, or sets, is told of how many all the same, and each is told. */
static void very_many(void) {
    enum { SESSIONS = 6, EACH = 100, MANY = SESSIONS * EACH };
    nnqi_object object = nnqi_object_new(
        (struct nnqi_member[]){NNQI_SIGNAL("rang", "(i)"), NNQI_PROPERTY("level", "i", "7"), NNQI_MEMBERS_END}, NULL);
    struct bus bus;
    open_bus(&bus, NULL);
    CHECK(nnqi_add_service(bus.server, "Bell", object) > 0);
    nnqi_session sessions[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) {
        GOOD(sessions[i] = nnqi_connect(bus.url, NULL));
        nnqi_proxy proxy = nnqi_service(sessions[i], "Bell", 0);
        GOOD(proxy);
        for (uint64_t link = 0; link < EACH; link++)
            for (unsigned member = 100; member <= 101; member++) {
                nnqi_value answer = nnqi_call(proxy, "registerEvent", nnqi_pack("(IIL)", 1u, member, link), patience());
                GOOD(answer);
                CHECK_OK(nnqi_free(answer));
            }
        CHECK_OK(nnqi_proxy_free(proxy));
    }
    CHECK_EQ(nnqi_emit(object, "rang", nnqi_pack("(i)", 1)), MANY);
    CHECK_EQ(nnqi_object_set(object, "level", nnqi_int('i', 8)), MANY);
    struct nnqi_object_statistics counts = {.events_sent = 0};
    WAIT(nnqi_object_statistics(object, &counts) == 0 && counts.events_sent == 2 * MANY);
    CHECK_EQ(counts.events_dropped, 0);
    for (int i = 0; i < SESSIONS; i++)
        CHECK_OK(nnqi_close(sessions[i]));
    close_bus(&bus);
    CHECK_OK(nnqi_object_free(object));
}

/* Sessions that look after themselves cost no thread each: not while all is well, and not after all have been lost and made again. */
static void many_that_reconnect(void) {
    enum { MANY = 60, FEW = 20 };
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_session sessions[MANY];
    int before = threads_alive();
    for (int i = 0; i < MANY; i++)
        GOOD(sessions[i] = nnqi_connect(bus.url, &(struct nnqi_options){.reconnect = 1}));
    CHECK(threads_alive() < before + FEW);
    CHECK_OK(nnqi_server_close(bus.server));
    for (int i = 0; i < MANY; i++)
        WAIT(nnqi_is_connected(sessions[i]) == 0);
    GOOD(bus.server = nnqi_server_open((const char *[]){bus.url}, 1, NULL));
    for (int i = 0; i < MANY; i++)
        WAIT(nnqi_is_connected(sessions[i]) == 1);
    WAIT(threads_alive() < before + FEW);
    for (int i = 0; i < MANY; i++)
        CHECK_OK(nnqi_close(sessions[i]));
    close_bus(&bus);
}

int main(void) {
    pthread_barrier_t two;
    start();
    very_many();
    many_that_reconnect();
    struct heard camera = {.count = 0}, of_session = {.count = 0}, of_proxy = {.count = 0};
    pthread_barrier_init(&two, NULL, 2);
    nnqi_builder builder = nnqi_builder_new();
    int64_t count = nnqi_signal(builder, "count", "(i)");
    CHECK(nnqi_method(builder, "meet", "()", "v", meet, &two) >= 100);
    CHECK_OK(nnqi_on_subscribers(builder, (uint32_t)count, listened, &camera));
    CHECK_ERR(nnqi_on_subscribers(builder, (uint32_t)count, NULL, NULL), EFAULT);
    CHECK_ERR(nnqi_concurrency(builder, 0), EINVAL);
    CHECK_OK(nnqi_concurrency(builder, 2));
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    builder = nnqi_builder_new();
    CHECK_OK(nnqi_on_subscribers(builder, 100, listened, NULL));
    NONE(nnqi_build(builder), EINVAL);
    nnqi_server server = nnqi_server_open((const char *[]){"tcp://127.0.0.1:0"}, 1, NULL);
    GOOD(server);
    CHECK(nnqi_server_address(server, 0, url, sizeof url) > 0);
    CHECK(nnqi_add_service(server, "Camera", object) > 0);
    nnqi_session session = nnqi_connect(url, &(struct nnqi_options){.reconnect = 1});
    GOOD(session);
    nnqi_subscription notices = nnqi_watch_session(session, told, &of_session);
    GOOD(notices);
    NONE(nnqi_watch_session(session, NULL, NULL), EFAULT);
    nnqi_proxy proxy = nnqi_service(session, "Camera", 0);
    GOOD(proxy);
    nnqi_subscription of_it = nnqi_watch_proxy(proxy, told, &of_proxy);
    GOOD(of_it);
    CHECK_EQ(nnqi_proxy_is_connected(proxy), 1);
    queues(object, proxy, &camera);
    several_at_once(proxy);
    WAIT(GET(camera.count) == 4);
    CHECK(strcmp(camera.letters, "ynyn") == 0);
    int64_t late = nnqi_add_service(server, "Late", object);
    CHECK(late > 0);
    WAIT(GET(of_session.count) == 1);
    CHECK_OK(nnqi_remove_service(server, (uint32_t)late));
    WAIT(GET(of_session.count) == 2);
    /* Both lose the connection and get another one. */
    nnqi_endpoint endpoint = nnqi_endpoint_of(proxy);
    GOOD(endpoint);
    CHECK_OK(nnqi_endpoint_close(endpoint));
    WAIT(GET(of_session.count) == 4 && GET(of_proxy.count) == 2);
    CHECK_OK(nnqi_server_close(server));
    WAIT(GET(of_session.count) == 5 && GET(of_proxy.count) == 3);
    CHECK_EQ(nnqi_proxy_is_connected(proxy), 0);
    CHECK(strcmp(of_session.letters, "aglrl") == 0 && strcmp(of_proxy.letters, "lrl") == 0);
    CHECK_OK(nnqi_unsubscribe(notices));
    CHECK_OK(nnqi_unsubscribe(of_it));
    CHECK_OK(nnqi_close(session));
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_object_free(object));
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
