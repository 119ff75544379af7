/* Messages through TLS. The certificate is made by
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=me \
 *         -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem
 *
 * Build:  cc -o tls tls.c -lnanomsg
 * Run:    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=me -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null && ./tls
 *         | a secret
 */
#include <millrace/tls.h>
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

static void set(int s, int option, const char *file)
{
    check(nn_setsockopt(s, NN_TLS, option, file, strlen(file)), file);
}

int main(void)
{
    char text[64];
    int server = check(nn_socket(AF_SP, NN_PAIR), "server"), client = check(nn_socket(AF_SP, NN_PAIR), "client");

    /* Who binds shows a certificate; who connects believes those who have signed it. */
    set(server, NN_TLS_CERT_FILE, "cert.pem");
    set(server, NN_TLS_KEY_FILE, "key.pem");
    set(client, NN_TLS_CA_FILE, "cert.pem");
    check(nn_bind(server, "tls+tcp://127.0.0.1:5557"), "nn_bind");
    check(nn_connect(client, "tls+tcp://127.0.0.1:5557"), "nn_connect");

    check(nn_send(client, "a secret", 8, 0), "nn_send");
    int length = check(nn_recv(server, text, sizeof text, 0), "nn_recv");
    printf("%.*s\n", length, text);
    return nn_close(client) | nn_close(server);
}
