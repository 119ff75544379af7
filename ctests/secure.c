/* millrace/tls.h: tls+tcp and wss from C, what is refused, and when. */
#include "blocked.h"
#include "wire.h"

#include <millrace/monitor.h>
#include <millrace/tls.h>
#include <sys/stat.h>

#include "tls.h"

static int set_text(int s, int option, const char *text) { return nn_setsockopt(s, NN_TLS, option, text, strlen(text)); }

static const char *write_file(char *name, const char *leaf, const char *content) {
    snprintf(name, 64, "%s/%s", directory, leaf);
    FILE *file = fopen(name, "w");
    CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
    return name;
}

/* Shows the certificate, which is for bus.example, and believes it. */
static int secure(int protocol) {
    int s = open_socket(protocol);
    CHECK_OK(set_text(s, NN_TLS_CERT, certificate));
    CHECK_OK(set_text(s, NN_TLS_KEY, private_key));
    CHECK_OK(set_text(s, NN_TLS_CA, certificate));
    CHECK_OK(set_text(s, NN_TLS_SERVER_NAME, "bus.example"));
    return s;
}

static address secure_address(const char *scheme) {
    address a;
    snprintf(a.text, sizeof(a.text), "%s://127.0.0.1:%d", scheme, free_port());
    return a;
}

static void messages(const char *scheme) {
    CONTEXT("%s", scheme);
    char *large = pattern(1000000);
    address at = secure_address(scheme);
    int rep = secure(NN_REP), req = secure(NN_REQ);
    BIND(rep, at.text);
    connect_and_wait(req, rep, at.text);
    static const size_t sizes[] = {0, 1, 16384, 16385, 1000000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        SEND_BYTES(req, large, sizes[i]);
        RECV_BYTES(rep, large, sizes[i]);
        SEND_BYTES(rep, large, sizes[i]);
        RECV_BYTES(req, large, sizes[i]);
    }
    CLOSE(req);
    WAIT(connections(rep) == 0);
    CLOSE(rep);
    int pub = secure(NN_PUB), sub = secure(NN_SUB);
    CHECK_OK(nn_setsockopt(sub, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
    BIND(pub, at.text);
    connect_and_wait(sub, pub, at.text);
    for (int i = 0; i < heavy(1000); i++)
        SEND_BYTES(pub, &i, sizeof i);
    for (int i = 0; i < heavy(1000); i++)
        RECV_BYTES(sub, &i, sizeof i);
    CLOSE(pub, sub);
    free(large);
}

/* The next refusal. */
static void refused_at(const char *file, int line, int m, const char *reason) {
    struct nnx_event event;
    do
        CHECK_OK(nnx_monitor_next(m, &event, sizeof event, patience()));
    while (event.kind != NN_EVENT_REFUSED);
    check_at(file, line, strstr(event.reason, reason) != NULL, "expected \"%s\", got \"%s\"", reason, event.reason);
    check_at(file, line, event.error != 0 && event.peer[0] != 0, "error %d, peer \"%s\"", event.error, event.peer);
}
#define REFUSED(m, reason) refused_at(__FILE__, __LINE__, m, reason)

static void strangers(void) {
    CONTEXT("strangers");
    address at = secure_address("tls+tcp");
    int server = secure(NN_PAIR), client = secure(NN_PAIR);
    BIND(server, at.text);
    int seen = nnx_monitor(client), other = nnx_monitor(server);
    /* No TLS at all. */
    int peer = peer_connect(strstr(at.text, "tcp"));
    peer_write(peer, "\0SP\0\0\x10\0\0", 8);
    REFUSED(other, "does not speak TLS");
    close(peer);
    /* Another name than the certificate's, and one endpoint after the other. */
    CHECK_OK(set_text(client, NN_TLS_SERVER_NAME, ""));
    int endpoint = CONNECT(client, at.text);
    REFUSED(seen, "another name");
    REFUSED(other, "alert");
    CHECK_OK(nn_shutdown(client, endpoint));
    /* Nobody is verified, where that is asked for. */
    int insecure = 1;
    CHECK_OK(nn_setsockopt(client, NN_TLS, NN_TLS_INSECURE_NO_VERIFICATION, &insecure, sizeof insecure));
    CONNECT(client, at.text);
    SEND(client, "whoever you are");
    RECV(server, "whoever you are");
    CLOSE(server, client);
    CHECK_OK(nnx_monitor_close(seen));
    CHECK_OK(nnx_monitor_close(other));
}

/* Somebody else's. */
static const char other_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgczvtQWfAmy3NXVvB\n"
    "VxLC497MnrNGa9Nw/XjH6A9OXmehRANCAAQvG+b93vQV3wCOLjG1igG85x3Nq3LZ\n"
    "oemq71y9u2LA9X58Ci6ibstwHtCLIZpRXu+IDeW26gUUcsYNxsHGcTTr\n"
    "-----END PRIVATE KEY-----\n";

/* PEM as it should be, around something else than it says. */
static void what_pem_wraps(void) {
    CONTEXT("what PEM wraps");
    static const char no_certificate[] = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    static const char no_key[] = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";
    char name[64], chain[2048];
    int s = open_socket(NN_PAIR);
    CHECK_ERR(set_text(s, NN_TLS_CERT, no_certificate), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_CA, no_certificate), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_KEY, no_key), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_CERT_FILE, write_file(name, "cert.pem", no_certificate)), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_CA_FILE, name), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_KEY_FILE, write_file(name, "key.pem", no_key)), EINVAL);
    /* Also behind a good one. */
    snprintf(chain, sizeof chain, "%s%s", certificate, no_certificate);
    CHECK_ERR(set_text(s, NN_TLS_CERT, chain), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_CA, chain), EINVAL);
    /* A key of another certificate: which of them is wrong, only both together show. */
    CHECK_OK(set_text(s, NN_TLS_CERT, certificate));
    CHECK_OK(set_text(s, NN_TLS_KEY, other_key));
    CHECK_ERR(nn_bind(s, "tls+tcp://127.0.0.1:1"), EINVAL);
    CHECK_ERR(nn_connect(s, "tls+tcp://127.0.0.1:1"), EINVAL);
    CHECK_ERR(nn_bind(s, "wss://127.0.0.1:1"), EINVAL);
    CHECK_ERR(nn_connect(s, "wss://127.0.0.1:1"), EINVAL);
    CHECK_OK(set_text(s, NN_TLS_KEY, private_key));
    BIND(s, secure_address("tls+tcp").text);
    CLOSE(s);
}

static void options(void) {
    CONTEXT("options");
    char name[64];
    int s = open_socket(NN_PAIR), value = 11;
    CHECK_ERR(nn_bind(s, "tls+tcp://127.0.0.1:1"), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_CERT, private_key), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_KEY, "-----BEGIN PRIVATE KEY-----\nAAAA\n"), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_CERT_FILE, "/no/such/file"), ENOENT);
    CHECK_ERR(set_text(s, NN_TLS_KEY_FILE, directory), EISDIR);
    /* Nothing, or nothing of the kind, is not "as if it were not set": the system's authorities would be believed. */
    static const char *const empty[] = {"", "\n", "# no certificate\n"};
    static const int files[] = {NN_TLS_CERT_FILE, NN_TLS_KEY_FILE, NN_TLS_CA_FILE}, bytes[] = {NN_TLS_CERT, NN_TLS_KEY, NN_TLS_CA};
    for (size_t i = 0; i < COUNT(files); i++) {
        for (size_t j = 0; j < COUNT(empty); j++) {
            CHECK_ERR(set_text(s, files[i], write_file(name, "empty.pem", empty[j])), EINVAL);
            CHECK_ERR(set_text(s, bytes[i], empty[j]), EINVAL);
        }
        CHECK_ERR(set_text(s, files[i], directory), EISDIR);
        CHECK_ERR(set_text(s, files[i], "/dev/zero"), EFBIG); /* and not all memory is taken for it */
        CHECK_ERR(set_text(s, files[i], ""), EINVAL);
    }
    CHECK_ERR(set_text(s, NN_TLS_CA_FILE, write_file(name, "key.pem", private_key)), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_KEY_FILE, write_file(name, "cert.pem", certificate)), EINVAL);
    CHECK_ERR(set_text(s, NN_TLS_SERVER_NAME, "no name"), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_TLS, NN_TLS_MIN_VERSION, &value, sizeof value), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_TLS, NN_TLS_AUTH, &value, sizeof value), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_TLS, 99, &value, sizeof value), ENOPROTOOPT);
    CHECK_EQ(get_option(s, NN_TLS, NN_TLS_MIN_VERSION), 12);
    CHECK_EQ(get_option(s, NN_TLS, NN_TLS_AUTH), NN_TLS_AUTH_NONE);
    CHECK_OK(set_text(s, NN_TLS_CERT_FILE, write_file(name, "cert.pem", certificate)));
    CHECK_ERR(nn_bind(s, "tls+tcp://127.0.0.1:1"), EINVAL); /* no key */
    CHECK_OK(set_text(s, NN_TLS_KEY_FILE, write_file(name, "key.pem", private_key)));
    char back[1024];
    size_t length = sizeof back;
    CHECK_OK(nn_getsockopt(s, NN_TLS, NN_TLS_CERT, back, &length));
    CHECK_EQ(length, strlen(certificate));
    CHECK_BYTES(back, certificate, length);
    CHECK_ERR(nn_getsockopt(s, NN_TLS, NN_TLS_KEY, back, &length), ENOPROTOOPT);
    BIND(s, secure_address("wss").text);
    CLOSE(s);
}

static char fifo[256];

static int read_fifo(int s) { return nn_setsockopt(s, NN_TLS, NN_TLS_CA_FILE, fifo, strlen(fifo)); }

/* A file that takes long to be read, as on a network that hangs, holds up its own call and nothing else. */
static void a_file_that_hangs(void) {
    CONTEXT("a file that hangs");
    snprintf(fifo, sizeof(fifo), "%s/hangs.pem", directory);
    CHECK_OK(mkfifo(fifo, 0600));
    int s = open_socket(NN_PAIR), a = open_socket(NN_PAIR), b = open_socket(NN_PAIR), peer = open_socket(NN_PAIR);
    address at = bind_fresh(s, TCP);
    join(a, b, TCP);
    struct blocked blocked;
    block(&blocked, read_fifo, s);
    connect_and_wait(peer, s, at.text);
    SEND(peer, "s goes on");
    RECV(s, "s goes on");
    SEND(a, "so do others");
    RECV(b, "so do others");
    int writer = open(fifo, O_WRONLY | O_CLOEXEC);
    CHECK(writer >= 0);
    CHECK_EQ(write(writer, certificate, strlen(certificate)), (ssize_t)strlen(certificate));
    close(writer);
    CHECK_BLOCKED(&blocked, 0, 0);
    CHECK_OK(unlink(fifo));
    CLOSE(s, a, b, peer);
}

int main(void) {
    start();
    messages("tls+tcp");
    messages("wss");
    strangers();
    options();
    what_pem_wraps();
    a_file_that_hangs();
    return finish();
}
