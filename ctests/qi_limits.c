/* What the object bus bounds, and what of it can be set: time, payloads, mailboxes, what is not read. And the counts of it all. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"
#include "relay.h"

enum { CHUNK = 64 * 1024 };

static nnqi_request kept;
static int is_held, go_on;

/* take(r): whatever it is. */
static void take(nnqi_request request, void *user) {
    (void)user;
    nnqi_reply(request, nnqi_void());
}

/* give(i): as many bytes. */
static void give(nnqi_request request, void *user) {
    (void)user;
    nnqi_value first = argument(request);
    int64_t length = 0;
    CHECK_OK(nnqi_get_int(first, &length));
    nnqi_free(first);
    void *bytes = calloc(1, (size_t)length);
    nnqi_reply(request, nnqi_raw(bytes, (size_t)length));
    free(bytes);
}

static void later(nnqi_request request, void *user) {
    (void)user;
    PUT(kept, request);
}

/* stop(): the object does nothing else until it may go on. */
static void stop(nnqi_request request, void *user) {
    (void)user;
    PUT(is_held, 1);
    WAIT(GET(go_on) == 1);
    CHECK_OK(nnqi_reply(request, nnqi_void()));
}

static nnqi_object make_object(size_t requests, size_t bytes) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "take", "(r)", "v", take, NULL) > 0);
    CHECK(nnqi_method(builder, "give", "(i)", "r", give, NULL) > 0);
    CHECK(nnqi_method(builder, "later", "()", "v", later, NULL) > 0);
    CHECK(nnqi_method(builder, "stop", "()", "v", stop, NULL) > 0);
    CHECK(nnqi_signal(builder, "tick", "(r)") > 0);
    CHECK(nnqi_property(builder, "level", "i", nnqi_int('i', 7)) > 0);
    CHECK_OK(nnqi_limits(builder, requests, bytes));
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    CHECK_ERR(nnqi_limits(builder, requests, bytes), EBADF);
    return object;
}

static nnqi_value raw(size_t length) {
    static const char zeros[CHUNK * 2];
    return nnqi_raw(zeros, length);
}

static struct nnqi_object_statistics counts_of(nnqi_object object) {
    struct nnqi_object_statistics counts;
    CHECK_OK(nnqi_object_statistics(object, &counts));
    return counts;
}

static struct nnqi_server_statistics counts_of_server(nnqi_server server) {
    struct nnqi_server_statistics counts;
    CHECK_OK(nnqi_server_statistics(server, &counts));
    return counts;
}

static void succeeds(nnqi_value result) {
    GOOD(result);
    CHECK_OK(nnqi_free(result));
}

/* ---- options that are none --------------------------------------------------------------------------------------- */

static void refused(uint64_t handle, const char *name) {
    int code = errno;
    check_at(__FILE__, __LINE__, handle == 0 && code == EINVAL && strstr(nnqi_error(), name) != NULL, "%s: error %d: %s", name,
             code, nnqi_error());
}

static void wrong_options(void) {
    const char *url = "tcp://127.0.0.1:0";
    int64_t sizes[] = {-1, INT64_C(1) << 32, INT64_MIN};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        refused(nnqi_connect(url, &(struct nnqi_options){.max_payload = sizes[i]}), "max_payload");
        refused(nnqi_endpoint_connect(url, &(struct nnqi_options){.max_payload = sizes[i]}), "max_payload");
        refused(nnqi_server_open(&url, 1, &(struct nnqi_server_options){.max_payload = sizes[i]}), "max_payload");
    }
    refused(nnqi_endpoint_connect(url, &(struct nnqi_options){.call_timeout = 1}), "call_timeout");
    refused(nnqi_server_open(&url, 1, &(struct nnqi_server_options){.event_limit = -1}), "event_limit");
    refused(nnqi_server_open(&url, 1, &(struct nnqi_server_options){.answer_wait = -1}), "answer_wait");
    refused(nnqi_server_open(&url, 1, &(struct nnqi_server_options){.machine_id = "\xff"}), "UTF-8");
    const char *addresses[] = {"", "robot.local:9559", "tcp://robot.local", "tcp://robot.local:0", "tcp://0.0.0.0:9559", "qi:Name",
                               "http://robot.local:9559"};
    for (size_t i = 0; i < COUNT(addresses); i++) {
        const char *listed[] = {"tcp://robot.local:9559", addresses[i], NULL};
        refused(nnqi_server_open(&url, 1, &(struct nnqi_server_options){.advertise = listed}), "advertise");
    }
}

/* ---- what a server says of itself -------------------------------------------------------------------------------- */

/* Whether the text stands there, or in the list there. */
static bool says(nnqi_value info, size_t field, const char *text) {
    char found[256];
    nnqi_value value = nnqi_item(info, field), item;
    bool is_list = nnqi_kind(value) == '[', there = false;
    for (size_t i = 0; is_list && (int64_t)i < nnqi_count(value) && !there; i++) {
        item = nnqi_item(value, i);
        there = nnqi_copy_string(item, found, sizeof(found)) > 0 && strcmp(found, text) == 0;
        CHECK_OK(nnqi_free(item));
    }
    there = there || (!is_list && nnqi_copy_string(value, found, sizeof(found)) > 0 && strcmp(found, text) == 0);
    CHECK_OK(nnqi_free(value));
    return there;
}

static nnqi_value service_named(nnqi_session session, const char *name) {
    nnqi_value all = nnqi_services(session), found = 0;
    for (int64_t i = 0; i < nnqi_count(all) && found == 0; i++) {
        nnqi_value info = nnqi_item(all, (size_t)i);
        if (says(info, 0, name))
            found = info;
        else
            CHECK_OK(nnqi_free(info));
    }
    CHECK_OK(nnqi_free(all));
    GOOD(found);
    return found;
}

static void what_is_listed(void) {
    const char *first = "tcp://robot.local:9559", *second = "tcps://[::1]:1", *third = "tcp://elsewhere:2";
    const char *ours[] = {first, second, NULL}, *theirs[] = {third, NULL};
    struct nnqi_server_options options = {.machine_id = "some machine", .advertise = ours}, serving = {.advertise = theirs};
    struct bus bus;
    open_bus(&bus, &options);
    nnqi_object object = make_object(0, 0);
    CHECK(nnqi_add_service(bus.server, "Ours", object) > 1);
    nnqi_provider provider = nnqi_provider_open(bus.url, NULL, 0, NULL, &serving);
    GOOD(provider);
    CHECK(nnqi_register(provider, "Theirs", object) > 1);
    nnqi_value info = service_named(bus.session, "Ours"), other = service_named(bus.session, "Theirs");
    CHECK(says(info, 2, "some machine") && says(other, 2, "some machine"));
    CHECK(says(info, 4, first) && says(info, 4, second) && says(info, 4, bus.url) && !says(info, 4, third));
    CHECK(says(other, 4, third) && !says(other, 4, first));
    CHECK_OK(nnqi_free(info));
    CHECK_OK(nnqi_free(other));
    CHECK_OK(nnqi_provider_close(provider));
    close_bus(&bus);
    CHECK_OK(nnqi_object_free(object));
}

/* ---- payloads ---------------------------------------------------------------------------------------------------- */

/* A message from somebody who is not the bus, to an end point with this limit; what its handler gets is freed. */
static nnqi_value sent_by_hand(int64_t limit, uint32_t size) {
    char url[64];
    int listener = listen_at(url, sizeof(url));
    nnqi_endpoint endpoint = nnqi_endpoint_connect(url, &(struct nnqi_options){.max_payload = limit});
    GOOD(endpoint);
    nnqi_handler handler = nnqi_make_handler(endpoint, &(struct nnqi_filter){0}, 1, NULL, NULL);
    int peer = accept(listener, NULL, NULL);
    uint32_t header[7] = {0x42adde42, 1, size, 4 << 16, 1, 1, 100};
    CHECK_EQ(send(peer, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
    char *payload = calloc(1, size);
    /* Refused as soon as its size is known. */
    send(peer, payload, size, MSG_NOSIGNAL);
    nnqi_value message = nnqi_next_message(handler, patience(), NULL);
    int code = errno;
    CHECK_OK(nnqi_remove_handler(handler));
    CHECK_OK(nnqi_endpoint_close(endpoint));
    close(peer);
    close(listener);
    free(payload);
    errno = code;
    return message;
}

static void payloads(void) {
    struct bus bus;
    open_bus(&bus, &(struct nnqi_server_options){.max_payload = 1000});
    nnqi_object object = make_object(0, 0);
    nnqi_proxy proxy = add_service(&bus, "Object", object);
    struct nnqi_options limited = {.max_payload = CHUNK};
    nnqi_session session = nnqi_connect(bus.url, &limited);
    nnqi_proxy other = nnqi_service(session, "Object", 0);
    /* Four bytes of each are the length. */
    succeeds(nnqi_call(other, "give", TUPLE(nnqi_int('i', CHUNK - 4)), patience()));
    NONE(nnqi_call(other, "give", TUPLE(nnqi_int('i', CHUNK - 3)), patience()), ENOTCONN);
    succeeds(nnqi_call(proxy, "give", TUPLE(nnqi_int('i', CHUNK - 3)), patience()));
    succeeds(nnqi_call(proxy, "take", TUPLE(raw(996)), patience()));
    NONE(nnqi_call(proxy, "take", TUPLE(raw(997)), patience()), ENOTCONN);
    CHECK_OK(nnqi_proxy_free(other));
    CHECK_OK(nnqi_close(session));
    CHECK_OK(nnqi_proxy_free(proxy));
    close_bus(&bus);
    CHECK_OK(nnqi_object_free(object));

    succeeds(sent_by_hand(0, CHUNK + 1));
    succeeds(sent_by_hand(CHUNK, CHUNK));
    NONE(sent_by_hand(CHUNK, CHUNK + 1), ENOTCONN);
    CHECK(strstr(nnqi_error(), "65536") != NULL);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static uint64_t call_it(uint64_t proxy) { return nnqi_call(proxy, "take", TUPLE(raw(1)), -1); }
static uint64_t get_it(uint64_t proxy) { return nnqi_property_get(proxy, "level"); }
static uint64_t set_it(uint64_t proxy) { return nnqi_property_set(proxy, "level", nnqi_int('i', 1)) == 0; }
static uint64_t hear_it(uint64_t proxy) { return nnqi_subscribe(proxy, "tick", 1); }

/* Nothing is answered, so what has no time of its own fails, and what has goes on. */
static void time_limits(void) {
    struct bus bus;
    struct relay relay;
    struct nnqi_options limited = {.connect_timeout = -1, .call_timeout = pace(1000)};
    open_relayed(&bus, &relay, (struct nnqi_server_options){0}, &limited);
    nnqi_object object = make_object(0, 0);
    nnqi_proxy proxy = add_service(&bus, "Object", object);
    CHECK_EQ(counts_of_server(bus.server).connections, 1);
    nnqi_pending longer = nnqi_call_start(proxy, "later", NO_ARGUMENTS, 10 * patience());
    WAIT(GET(kept) != 0);
    CHECK_EQ(counts_of_server(bus.server).pending_calls, 1);
    hold(&relay, 1);
    uint64_t (*all[])(uint64_t) = {call_it, get_it, set_it, hear_it};
    struct waiting waiting[COUNT(all)];
    for (size_t i = 0; i < COUNT(all); i++)
        begin_waiting(&waiting[i], all[i], proxy);
    for (size_t i = 0; i < COUNT(all); i++)
        ENDED(&waiting[i], ETIMEDOUT);
    CHECK_EQ(nnqi_is_done(longer), 0);
    CHECK_OK(nnqi_reply(kept, nnqi_void()));
    hold(&relay, 0);
    succeeds(nnqi_wait(longer, patience()));
    /* And is heard of again. */
    succeeds(nnqi_property_get(proxy, "level"));
    CHECK_OK(nnqi_pending_free(longer));
    CHECK_OK(nnqi_proxy_free(proxy));
    close_relayed(&bus, &relay);
    CHECK_OK(nnqi_object_free(object));
}

/* ---- mailboxes --------------------------------------------------------------------------------------------------- */

/* How many calls of this argument wait at most while the object is held. */
static void mailbox(size_t requests, size_t bytes, size_t length, int room) {
    struct bus bus;
    open_bus(&bus, NULL);
    nnqi_object object = make_object(requests, bytes);
    nnqi_proxy proxy = add_service(&bus, "Object", object);
    nnqi_pending waiting[8], stopped;
    PUT(is_held, 0);
    PUT(go_on, 0);
    stopped = nnqi_call_start(proxy, "stop", NO_ARGUMENTS, -1);
    WAIT(GET(is_held) == 1);
    for (int i = 0; i < room; i++)
        waiting[i] = nnqi_call_start(proxy, "take", TUPLE(raw(length)), -1);
    for (int i = 0; i < 4; i++)
        NONE(nnqi_call(proxy, "take", TUPLE(raw(length)), patience()), EPROTO);
    for (int i = 0; i < 3; i++)
        CHECK_OK(nnqi_post(proxy, "take", TUPLE(raw(length))));
    WAIT(counts_of(object).dropped_posts == 3);
    struct nnqi_object_statistics counts = counts_of(object);
    CHECK_EQ(counts.waiting, room);
    CHECK_EQ(counts.handled, 1);
    CHECK_EQ(counts.refused_calls, 4);
    PUT(go_on, 1);
    succeeds(nnqi_wait(stopped, patience()));
    CHECK_OK(nnqi_pending_free(stopped));
    for (int i = 0; i < room; i++) {
        succeeds(nnqi_wait(waiting[i], patience()));
        CHECK_OK(nnqi_pending_free(waiting[i]));
    }
    counts = counts_of(object);
    CHECK_EQ(counts.waiting, 0);
    CHECK_EQ(counts.handled, room + 1);
    CHECK_ERR(nnqi_object_statistics(object, NULL), EFAULT);
    CHECK_OK(nnqi_proxy_free(proxy));
    close_bus(&bus);
    CHECK_OK(nnqi_object_free(object));
}

/* ---- what is not read -------------------------------------------------------------------------------------------- */

/* How many events are sent to who does not read, until one is lost. */
static int lost_after(int64_t limit) {
    struct bus bus;
    struct relay relay;
    open_relayed(&bus, &relay, (struct nnqi_server_options){.event_limit = limit}, NULL);
    nnqi_object object = make_object(0, 0);
    nnqi_proxy proxy = add_service(&bus, "Object", object);
    struct nnqi_server_statistics before = counts_of_server(bus.server);
    int sent = 0;
    nnqi_subscription ticks = nnqi_subscribe(proxy, "tick", 10000);
    GOOD(ticks);
    CHECK_EQ(counts_of_server(bus.server).subscriptions, before.subscriptions + 1);
    CHECK(nnqi_server_workers(bus.server) >= 1);
    int64_t memory = nnqi_server_memory(bus.server);
    hold(&relay, 1);
    while (sent < 10000 && nnqi_emit(object, "tick", TUPLE(raw(CHUNK))) == 1)
        sent++;
    struct nnqi_object_statistics counts = counts_of(object);
    CHECK_EQ(counts.events_sent, sent);
    CHECK_EQ(counts.events_dropped, 1);
    CHECK_EQ(counts_of_server(bus.server).events_dropped, before.events_dropped + 1);
    /* What the system has not taken counts, in steps of 16 KiB. */
    CHECK(nnqi_server_memory(bus.server) + 16384 >= memory + CHUNK);
    hold(&relay, 0);
    for (int i = 0; i < sent; i++)
        succeeds(nnqi_next(ticks, patience(), NULL));
    CHECK_OK(nnqi_unsubscribe(ticks));
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_ERR(nnqi_server_statistics(bus.server, NULL), EFAULT);
    close_relayed(&bus, &relay);
    CHECK_OK(nnqi_object_free(object));
    return sent;
}

static void events(void) {
    int with_little = lost_after(CHUNK), with_default = lost_after(0);
    /* 8 MiB are 128 of them; what the system has room for differs a little from one to the next. */
    check_at(__FILE__, __LINE__, with_little + 32 < with_default, "%d and %d", with_little, with_default);
}

/* No worker waits long for who does not read: with a second for each, this would take a minute. */
static void answers(void) {
    enum { CALLS = 70, SIZE = 2 * 1024 * 1024 };
    struct bus bus;
    struct relay relay;
    open_relayed(&bus, &relay, (struct nnqi_server_options){.answer_wait = 1}, NULL);
    nnqi_object object = make_object(0, 0);
    nnqi_proxy proxy = add_service(&bus, "Object", object);
    hold(&relay, 1);
    nnqi_pending all[CALLS];
    for (int i = 0; i < CALLS; i++)
        all[i] = nnqi_call_start(proxy, "give", TUPLE(nnqi_int('i', SIZE)), -1);
    WAIT(counts_of(object).handled == CALLS && counts_of_server(bus.server).pending_calls == 0);
    hold(&relay, 0);
    int answered = 0, dropped = 0;
    for (int i = 0; i < CALLS; i++) {
        nnqi_value result = nnqi_wait(all[i], patience());
        if (result != 0)
            answered += nnqi_free(result) == 0;
        else
            dropped += errno == EPROTO && strstr(nnqi_error(), "does not read") != NULL;
        CHECK_OK(nnqi_pending_free(all[i]));
    }
    CHECK(answered > 0 && dropped > 0);
    CHECK_EQ(answered + dropped, CALLS);
    CHECK_OK(nnqi_proxy_free(proxy));
    close_relayed(&bus, &relay);
    CHECK_OK(nnqi_object_free(object));
}

int main(void) {
    start();
    wrong_options();
    what_is_listed();
    payloads();
    time_limits();
    mailbox(4, 0, 1, 2);
    mailbox(0, 4096, 600, 2);
    events();
    answers();
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
