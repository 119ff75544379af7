/* Who is let in on the object bus, and whom a client believes: authenticators, and TLS. */
#include "ctest.h"

#if __has_include(<millrace/qi.h>)
#include "qi.h"
#include "tls.h"

static char certificate_file[64], key_file[64];

static const char *write_file(char *name, const char *leaf, const char *content) {
    snprintf(name, 64, "%s/%s", directory, leaf);
    FILE *file = fopen(name, "w");
    CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
    return name;
}

static nnqi_server serve(const char *at, const struct nnqi_server_options *options, char *url, size_t size) {
    nnqi_server server = nnqi_server_open(&at, 1, options);
    GOOD(server);
    CHECK(nnqi_server_address(server, 0, url, size) > 0);
    return server;
}

/* A session of these settings comes about, and is good for calls. */
static void connects(const char *url, const struct nnqi_options *options) {
    nnqi_session session = nnqi_connect(url, options);
    GOOD(session);
    nnqi_value services = nnqi_services(session);
    CHECK(nnqi_count(services) >= 1);
    CHECK_OK(nnqi_free(services));
    CHECK_OK(nnqi_close(session));
}

static nnqi_object make_object(void) {
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_property(builder, "level", "i", nnqi_int('i', 7)) > 0);
    nnqi_object object = nnqi_build(builder);
    GOOD(object);
    return object;
}

static nnqi_value no_answer(nnqi_value question, void *context) {
    (void)question;
    __atomic_add_fetch((int *)context, 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* An end point of these settings comes about, and carries messages both ways: a stranger's Call gets an Error. */
static void talks(const char *url, const struct nnqi_options *options) {
    nnqi_endpoint endpoint = nnqi_endpoint_connect(url, options);
    GOOD(endpoint);
    nnqi_handler errors = nnqi_make_handler(endpoint, &(struct nnqi_filter){.types = 1 << 3}, 1, NULL, NULL);
    struct nnqi_header header = {7, 1, 0, 1, 1, 100}, found;
    CHECK_OK(nnqi_send(endpoint, &header, NULL, 0, patience()));
    nnqi_value text = nnqi_next_message(errors, patience(), &found);
    GOOD(text);
    CHECK_EQ(found.id, 7);
    CHECK_OK(nnqi_free(text));
    CHECK_OK(nnqi_remove_handler(errors));
    CHECK_OK(nnqi_endpoint_close(endpoint));
}

/* What is a session's alone is refused, whatever the address. */
static void ends_alone(void) {
    char url[128];
    nnqi_server server = serve("tcp://127.0.0.1:0", NULL, url, sizeof(url));
    talks(url, &(struct nnqi_options){0});
    talks(url, &(struct nnqi_options){.connect_timeout = -1});
    /* Plain tcp shows no certificate. */
    struct nnqi_options believing = {.authorities = certificate_file, .server_name = "bus.example"};
    NONE(nnqi_endpoint_connect(url, &believing), EINVAL);
    CHECK(strstr(nnqi_error(), "use tcps://") != NULL);
    NONE(nnqi_connect(url, &believing), EINVAL);
    struct nnqi_options wrong[] = {{.user = "me"}, {.token = "secret"}, {.reconnect = 1}, {.call_timeout = 1}, {.answer = no_answer},
                                   {.server_name = "bus.example"}, {.authorities = key_file}, {.authorities = "/nowhere/at/all"}};
    int codes[] = {EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, ENOENT};
    for (size_t i = 0; i < COUNT(wrong); i++)
        NONE(nnqi_endpoint_connect(url, &wrong[i]), codes[i]);
    CHECK_OK(nnqi_server_close(server));

    /* Somebody who does not say a word: TLS waits for one. */
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(name);
    int silent = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(bind(silent, (struct sockaddr *)&name, length));
    CHECK_OK(listen(silent, 1));
    CHECK_OK(getsockname(silent, (struct sockaddr *)&name, &length));
    snprintf(url, sizeof(url), "tcps://127.0.0.1:%d", ntohs(name.sin_port));
    NONE(nnqi_endpoint_connect(url, &(struct nnqi_options){.connect_timeout = 20}), ETIMEDOUT);
    close(silent);
}

static void secure(void) {
    struct nnqi_server_options ours = {.certificate = certificate_file, .key = key_file};
    char url[128];
    nnqi_server server = serve("tcps://127.0.0.1:0", &ours, url, sizeof(url));
    CHECK(strncmp(url, "tcps://", 7) == 0);
    struct nnqi_options believing = {.authorities = certificate_file, .server_name = "bus.example"};
    connects(url, NULL);
    connects(url, &believing);
    talks(url, NULL);
    talks(url, &believing);
    struct nnqi_options other = {.authorities = certificate_file, .server_name = "other.example"};
    NONE(nnqi_connect(url, &other), EPROTO);
    CHECK(strstr(nnqi_error(), "TLS") != NULL);
    /* The certificate is not for what is dialled. */
    struct nnqi_options dialled = {.authorities = certificate_file};
    NONE(nnqi_connect(url, &dialled), EPROTO);
    NONE(nnqi_endpoint_connect(url, &other), EPROTO);
    CHECK(strstr(nnqi_error(), "TLS") != NULL);
    NONE(nnqi_endpoint_connect(url, &dialled), EPROTO);

    struct nnqi_options wrong[] = {{.server_name = "bus.example"}, {.authorities = "/nowhere/at/all"}, {.authorities = key_file},
                                   {.authorities = certificate_file, .server_name = "no name"}};
    int codes[] = {EINVAL, ENOENT, EINVAL, EINVAL};
    for (size_t i = 0; i < COUNT(wrong); i++)
        NONE(nnqi_connect(url, &wrong[i]), codes[i]);
    const char *secure_url = "tcps://127.0.0.1:0";
    struct nnqi_server_options bad[] = {{0}, {.certificate = certificate_file}, {.key = key_file},
                                        {.certificate = "/nowhere/at/all", .key = key_file},
                                        {.certificate = certificate_file, .key = certificate_file},
                                        {.certificate = key_file, .key = key_file}};
    int bad_codes[] = {EPROTO, EINVAL, EINVAL, ENOENT, EINVAL, EINVAL};
    for (size_t i = 0; i < COUNT(bad); i++)
        NONE(nnqi_server_open(&secure_url, 1, &bad[i]), bad_codes[i]);

    /* A provider listens with a certificate too, and clients look at it. */
    nnqi_object object = make_object();
    NONE(nnqi_provider_open(url, &secure_url, 1, &believing, NULL), EPROTO);
    nnqi_provider provider = nnqi_provider_open(url, &secure_url, 1, &believing, &ours);
    GOOD(provider);
    CHECK(nnqi_register(provider, "Level", object) > 1);
    nnqi_session session = nnqi_connect(url, &believing);
    nnqi_proxy level = nnqi_service(session, "Level", patience());
    GOOD(level);
    IS_INT(nnqi_property_get(level, "level"), 7);
    CHECK_OK(nnqi_proxy_free(level));
    CHECK_OK(nnqi_close(session));
    CHECK_OK(nnqi_provider_close(provider));
    CHECK_OK(nnqi_object_free(object));
    CHECK_OK(nnqi_server_close(server));
}

/* Whoever registers a service says how to get to it. That must not bring a client to tell its secret, or to believe anybody, in plain text. */
static void never_in_plain_text(void) {
    struct nnqi_server_options ours = {.certificate = certificate_file, .key = key_file, .user = "me", .token = "secret"};
    struct nnqi_options believing = {.user = "me", .token = "secret", .authorities = certificate_file, .server_name = "bus.example"};
    struct nnqi_options secret = {.user = "me", .token = "secret"};
    char url[128];
    nnqi_server server = serve("tcps://127.0.0.1:0", &ours, url, sizeof(url));
    const char *plain = "tcp://127.0.0.1:0", *both[] = {plain, "tcps://127.0.0.1:0"};
    nnqi_object object = make_object();
    nnqi_provider open = nnqi_provider_open(url, &plain, 1, &believing, &ours), mixed = nnqi_provider_open(url, both, 2, &believing, &ours);
    GOOD(open);
    GOOD(mixed);
    CHECK(nnqi_register(open, "Open", object) > 1);
    CHECK(nnqi_register(mixed, "Mixed", object) > 1);
    struct nnqi_options *clients[] = {&believing, &secret};
    for (size_t i = 0; i < COUNT(clients); i++) {
        nnqi_session session = nnqi_connect(url, clients[i]);
        GOOD(session);
        NONE(nnqi_service(session, "Open", patience()), EHOSTUNREACH);
        CHECK(strstr(nnqi_error(), "without TLS") != NULL);
        nnqi_proxy level = nnqi_service(session, "Mixed", patience());
        GOOD(level);
        IS_INT(nnqi_property_get(level, "level"), 7);
        CHECK_OK(nnqi_proxy_free(level));
        CHECK_OK(nnqi_close(session));
    }
    CHECK_OK(nnqi_provider_close(open));
    CHECK_OK(nnqi_provider_close(mixed));
    CHECK_OK(nnqi_object_free(object));
    CHECK_OK(nnqi_server_close(server));
}

static nnqi_value map_of(const char *key, nnqi_value value) {
    nnqi_value name = nnqi_text(key);
    return nnqi_map("s", "m", &name, &value, 1);
}

/* What the server's function was asked. */
struct door {
    char url[128];
    int asked, answered;
};

/* Lets guests in, asks quizzers something, and turns down all others in several ways. */
static int decide(const struct nnqi_credentials *shown, nnqi_value *told, void *context) {
    struct door *door = context;
    __atomic_add_fetch(&door->asked, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(*told, 0);
    CHECK(strncmp(shown->remote, "tcp://127.0.0.1:", 16) == 0);
    nnqi_value answer = nnqi_find(shown->all, "auth_answer");
    if (answer != 0) {
        int64_t number = 0;
        nnqi_value inside = nnqi_unwrap(answer);
        CHECK_OK(nnqi_get_int(inside, &number));
        nnqi_free(inside);
        nnqi_free(answer);
        return number == 42 ? NNQI_ACCEPT : NNQI_REJECT;
    }
    const char *user = shown->user == NULL ? "nobody" : shown->user;
    if (strcmp(user, "guest") == 0) {
        CHECK(shown->token != NULL && strcmp(shown->token, "please") == 0);
        *told = map_of("auth_newToken", nnqi_text("next time"));
        return NNQI_ACCEPT;
    }
    if (strcmp(user, "quizzer") == 0) {
        *told = map_of("auth_question", nnqi_text("6 * 7"));
        return NNQI_CONTINUE;
    }
    if (strcmp(user, "root") == 0) {
        *told = nnqi_text("no root here");
        return NNQI_REJECT;
    }
    if (strcmp(user, "nonsense") == 0) {
        *told = nnqi_int('i', 1);
        return NNQI_ACCEPT;
    }
    if (strcmp(user, "impatient") == 0) {
        NONE(nnqi_connect(door->url, NULL), EDEADLK);
        return NNQI_REJECT;
    }
    CHECK(shown->user == NULL && shown->token == NULL);
    return 99;
}

static nnqi_value answer(nnqi_value question, void *context) {
    char text[16] = "";
    nnqi_value asked = nnqi_find(question, "auth_question"), inside = nnqi_unwrap(asked);
    CHECK(nnqi_copy_string(inside, text, sizeof(text)) > 0);
    CHECK(strcmp(text, "6 * 7") == 0);
    nnqi_free(asked);
    nnqi_free(inside);
    return map_of("answer", nnqi_int('i', *(int *)context));
}

static void refused(const char *url, const struct nnqi_options *options, const char *text) {
    NONE(nnqi_connect(url, options), EACCES);
    check_at(__FILE__, __LINE__, strstr(nnqi_error(), text) != NULL, "\"%s\" is not in \"%s\"", text, nnqi_error());
}

static void authenticated(void) {
    struct door door = {.asked = 0};
    struct nnqi_server_options deciding = {.authenticate = decide, .context = &door};
    nnqi_server server = serve("tcp://127.0.0.1:0", &deciding, door.url, sizeof(door.url));
    connects(door.url, &(struct nnqi_options){.user = "guest", .token = "please"});
    CHECK_EQ(GET(door.asked), 1);
    int right = 42, wrong = 41, times = 0;
    connects(door.url, &(struct nnqi_options){.user = "quizzer", .answer = answer, .context = &right});
    CHECK_EQ(GET(door.asked), 3);
    refused(door.url, &(struct nnqi_options){.user = "quizzer", .answer = answer, .context = &wrong}, "not let in");
    refused(door.url, &(struct nnqi_options){.user = "root"}, "no root here");
    refused(door.url, &(struct nnqi_options){.user = "nonsense"}, "the authenticator failed");
    refused(door.url, &(struct nnqi_options){.user = "impatient"}, "not let in");
    refused(door.url, NULL, "not let in");
    /* Who has no answer is not asked for ever: an empty one has no user either. */
    refused(door.url, &(struct nnqi_options){.user = "quizzer", .answer = no_answer, .context = &times}, "not let in");
    CHECK_EQ(times, 1);
    CHECK_OK(nnqi_server_close(server));

    const char *url = "tcp://127.0.0.1:0";
    NONE(nnqi_server_open(&url, 1, &(struct nnqi_server_options){.user = "me", .authenticate = decide}), EINVAL);
    NONE(nnqi_server_open(&url, 1, &(struct nnqi_server_options){.token = "secret"}), EINVAL);
    NONE(nnqi_server_open(&url, 1, &(struct nnqi_server_options){.workers = -1}), EINVAL);
}

int main(void) {
    start();
    write_file(certificate_file, "certificate.pem", certificate);
    write_file(key_file, "key.pem", private_key);
    /* valgrind cannot follow the ciphers, and takes what they write for uninitialised. */
    if (!slow()) {
        secure();
        never_in_plain_text();
    }
    ends_alone();
    authenticated();
    CHECK_EQ(nnqi_handles(), 0);
    return failures != 0;
}
#else
int main(void) { return 0; }
#endif
