/* The peer of the conformance list for C (see README.md). */
#include <nanomsg/bus.h>
#include <nanomsg/ipc.h>
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/survey.h>
#include <nanomsg/tcp.h>
#include <nanomsg/ws.h>
#include <millrace/context.h>
#include <millrace/options.h>
#include <millrace/peer.h>
#include <millrace/tls.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct option {
    const char *name;
    int level, number;
};

static const struct option protocols[] = {
    {"pair", 0, NN_PAIR}, {"pub", 0, NN_PUB}, {"sub", 0, NN_SUB}, {"req", 0, NN_REQ}, {"rep", 0, NN_REP}, {"push", 0, NN_PUSH},
    {"pull", 0, NN_PULL}, {"surveyor", 0, NN_SURVEYOR}, {"respondent", 0, NN_RESPONDENT}, {"bus", 0, NN_BUS}, {NULL, 0, 0},
};

static const struct option options[] = {
    {"linger", NN_SOL_SOCKET, NN_LINGER},
    {"send_buffer", NN_SOL_SOCKET, NN_SNDBUF},
    {"recv_buffer", NN_SOL_SOCKET, NN_RCVBUF},
    {"send_timeout", NN_SOL_SOCKET, NN_SNDTIMEO},
    {"recv_timeout", NN_SOL_SOCKET, NN_RCVTIMEO},
    {"reconnect_interval", NN_SOL_SOCKET, NN_RECONNECT_IVL},
    {"reconnect_interval_max", NN_SOL_SOCKET, NN_RECONNECT_IVL_MAX},
    {"send_priority", NN_SOL_SOCKET, NN_SNDPRIO},
    {"recv_priority", NN_SOL_SOCKET, NN_RCVPRIO},
    {"ipv4_only", NN_SOL_SOCKET, NN_IPV4ONLY},
    {"recv_max_size", NN_SOL_SOCKET, NN_RCVMAXSIZE},
    {"max_ttl", NN_SOL_SOCKET, NN_MAXTTL},
    {"tcp_no_delay", NN_TCP, NN_TCP_NODELAY},
    {"ws_text", NN_WS, NN_WS_MSG_TYPE},
    {"spin", NN_SOL_SOCKET, NN_SPIN},
    {"coalesce", NN_SOL_SOCKET, NN_COALESCE},
    {"connect_timeout", NN_SOL_SOCKET, NN_CONNECT_TIMEOUT},
    {"keepalive", NN_SOL_SOCKET, NN_KEEPALIVE},
    {"recv_peer", NN_SOL_SOCKET, NN_RECV_PEER},
    {"accept_max", NN_SOL_SOCKET, NN_ACCEPT_MAX},
    {"dscp", NN_SOL_SOCKET, NN_DSCP},
    {"tcp_user_timeout", NN_SOL_SOCKET, NN_TCP_USER_TIMEOUT},
    {"ipc_mode", NN_IPC, NN_IPC_MODE},
    {"ipc_owner", NN_IPC, NN_IPC_OWNER},
    {"ipc_group", NN_IPC, NN_IPC_GROUP},
    {"tls_auth", NN_TLS, NN_TLS_AUTH},
    {"tls_min_version", NN_TLS, NN_TLS_MIN_VERSION},
    {"tls_insecure_no_verification", NN_TLS, NN_TLS_INSECURE_NO_VERIFICATION},
    {"resend_interval", NN_REQ, NN_REQ_RESEND_IVL},
    {"deadline", NN_SURVEYOR, NN_SURVEYOR_DEADLINE},
    {NULL, 0, 0},
};

static const struct option texts[] = {
    {"accept_from", NN_SOL_SOCKET, NN_ACCEPT_FROM},
    {"bind_device", NN_SOL_SOCKET, NN_BIND_DEVICE},
    {"tls_server_name", NN_TLS, NN_TLS_SERVER_NAME},
    {"tls_ca", NN_TLS, NN_TLS_CA},
    {"tls_key", NN_TLS, NN_TLS_KEY},
    {"tls_ca_file", NN_TLS, NN_TLS_CA_FILE},
    {"tls_cert_file", NN_TLS, NN_TLS_CERT_FILE},
    {"tls_key_file", NN_TLS, NN_TLS_KEY_FILE},
    {NULL, 0, 0},
};

static const struct option *look_up(const struct option *list, const char *name)
{
    while (list->name && strcmp(list->name, name) != 0)
        list++;
    return list;
}

static const struct option *find(const struct option *list, const char *name)
{
    list = look_up(list, name);
    if (!list->name) {
        fprintf(stderr, "what is %s?\n", name);
        exit(1);
    }
    return list;
}

static int same(const unsigned char *bytes, size_t count, size_t size, size_t seed)
{
    size_t i;
    for (i = 0; i < count && bytes[i] == (seed + 7 * i) % 251; i++)
        ;
    return count == size && i == size;
}

static int send_body(int socket, size_t size, size_t seed)
{
    unsigned char *bytes = malloc(size + 1);
    size_t i;
    int result;
    for (i = 0; i < size; i++)
        bytes[i] = (unsigned char)((seed + 7 * i) % 251);
    result = nn_send(socket, bytes, size, 0);
    free(bytes);
    return result;
}

static void answer(int result)
{
    if (result < 0)
        printf("error %d\n", nn_errno());
    else
        puts("ok");
}

static void receive(int socket, size_t size, size_t seed)
{
    void *message;
    int count = nn_recv(socket, &message, NN_MSG, 0);
    if (count < 0) {
        answer(count);
        return;
    }
    if (same(message, (size_t)count, size, seed))
        puts("ok");
    else
        printf("wrong %d bytes\n", count);
    nn_freemsg(message);
}

static void run_text(int socket, const char *command, const struct option *option, const char *value)
{
    char room[400];
    size_t size = sizeof room;
    if (strcmp(command, "set") == 0)
        answer(nn_setsockopt(socket, option->level, option->number, value, strlen(value)));
    else if (nn_getsockopt(socket, option->level, option->number, room, &size) < 0)
        answer(-1);
    else
        printf("ok %.*s\n", (int)size, room);
}

static void run_option(int socket, const char *command, const char *name, const char *text)
{
    const struct option *option = look_up(texts, name);
    int is_text = strcmp(name, "ws_text") == 0, value = atoi(text);
    size_t size = sizeof value;
    if (option->name) {
        run_text(socket, command, option, text);
        return;
    }
    option = find(options, name);
    if (strcmp(command, "set") == 0) {
        value = is_text ? 2 - value : value;
        answer(nn_setsockopt(socket, option->level, option->number, &value, sizeof value));
    } else if (nn_getsockopt(socket, option->level, option->number, &value, &size) < 0)
        answer(-1);
    else
        printf("ok %d\n", is_text ? 2 - value : value);
}

int main(void)
{
    static int sockets[128];
    char line[512], name, command[32], first[400], second[400];
    while (fgets(line, sizeof line, stdin)) {
        first[0] = second[0] = 0;
        if (sscanf(line, "%c %31s %399s %399s", &name, command, first, second) < 2)
            return 1;
        int *socket = &sockets[name & 127];
        if (strcmp(command, "open") == 0)
            answer(*socket = nn_socket(AF_SP, find(protocols, first)->number));
        else if (strcmp(command, "context") == 0)
            answer(*socket = nnx_context(sockets[first[0] & 127]));
        else if (strcmp(command, "bind") == 0) {
            int result = nn_bind(*socket, first);
            size_t size = sizeof line;
            if (result < 0 || nn_getsockopt(*socket, NN_SOL_SOCKET, NN_LAST_ENDPOINT, line, &size) < 0)
                answer(-1);
            else
                printf("ok %.*s\n", (int)size, line);
        } else if (strcmp(command, "connect") == 0)
            answer(nn_connect(*socket, first));
        else if (strcmp(command, "subscribe") == 0)
            answer(nn_setsockopt(*socket, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
        else if (strcmp(command, "send") == 0)
            answer(send_body(*socket, (size_t)atol(first), (size_t)atol(second)));
        else if (strcmp(command, "recv") == 0)
            receive(*socket, (size_t)atol(first), (size_t)atol(second));
        else if (strcmp(command, "connections") == 0)
            printf("ok %d\n", (int)nn_get_statistic(*socket, NN_STAT_CURRENT_CONNECTIONS));
        else if (strcmp(command, "close") == 0)
            answer(nn_close(*socket));
        else
            run_option(*socket, command, first, second);
        fflush(stdout);
    }
    return 0;
}
