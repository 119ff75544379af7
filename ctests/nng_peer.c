/* Interoperability peer on NNG, an independent implementation of the protocols; see peer.h for the commands. */
#include <nng/nng.h>
#include <nng/protocol/bus0/bus.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/protocol/survey0/respond.h>
#include <nng/protocol/survey0/survey.h>
#include <stdatomic.h>

#include "peer.h"

static const struct {
    const char *type;
    int (*open)(nng_socket *);
} protocols[] = {
    {"PAIR", nng_pair0_open}, {"PUSH", nng_push0_open}, {"PULL", nng_pull0_open}, {"PUB", nng_pub0_open},
    {"SUB", nng_sub0_open},   {"REQ", nng_req0_open},   {"REP", nng_rep0_open},   {"SURVEYOR", nng_surveyor0_open},
    {"BUS", nng_bus0_open},   {"RESPONDENT", nng_respondent0_open},
};

static nng_socket sock = NNG_SOCKET_INITIALIZER;
static atomic_int connections;

static const char *outcome(int error)
{
    return error ? nng_strerror(error) : NULL;
}

static void count(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe;
    (void)arg;
    atomic_fetch_add(&connections, event == NNG_PIPE_EV_ADD_POST ? 1 : -1);
}

/* Over ws an endpoint keeps the limits it was made with, on messages and, unless it is another transport's, on frames:
 * there must be room for a body of 1 MiB and a header. */
#define LARGEST ((1 << 20) + 64)

static const char *peer_open(const char *type, int raw)
{
    if (raw)
        return "this peer has no raw sockets";
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (strcmp(type, protocols[i].type))
            continue;
        int error = protocols[i].open(&sock);
        if (error)
            return outcome(error);
        nng_pipe_notify(sock, NNG_PIPE_EV_ADD_POST, count, NULL);
        nng_pipe_notify(sock, NNG_PIPE_EV_REM_POST, count, NULL);
        nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, LARGEST);
        return peer_timeout(PATIENCE_MS);
    }
    return "unknown type";
}

static const char *peer_use(int number)
{
    return number ? "this peer has one socket" : NULL;
}

static const char *peer_bind(const char *addr)
{
    nng_listener listener;
    int error = nng_listener_create(&listener, sock, addr);
    if (error)
        return outcome(error);
    nng_listener_set_size(listener, NNG_OPT_WS_RECVMAXFRAME, LARGEST);
    return outcome(nng_listener_start(listener, 0));
}

static const char *peer_connect(const char *addr)
{
    nng_dialer dialer;
    int error = nng_dialer_create(&dialer, sock, addr);
    if (error)
        return outcome(error);
    nng_dialer_set_size(dialer, NNG_OPT_WS_RECVMAXFRAME, LARGEST);
    return outcome(nng_dialer_start(dialer, NNG_FLAG_NONBLOCK));
}

static int peer_connections(void)
{
    return atomic_load(&connections);
}

static const char *peer_subscribe(const char *topic)
{
    return outcome(nng_socket_set(sock, NNG_OPT_SUB_SUBSCRIBE, topic, strlen(topic)));
}

static const char *peer_maxsize(int bytes)
{
    return outcome(nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, (size_t)bytes));
}

static const char *peer_deadline(int ms)
{
    return outcome(nng_socket_set_ms(sock, NNG_OPT_SURVEYOR_SURVEYTIME, ms));
}

static const char *peer_timeout(int ms)
{
    int error = nng_socket_set_ms(sock, NNG_OPT_SENDTIMEO, ms);
    return outcome(error ? error : nng_socket_set_ms(sock, NNG_OPT_RECVTIMEO, ms));
}

static const char *peer_send(const unsigned char *body, size_t size)
{
    if (!use_messages)
        return outcome(nng_send(sock, (void *)body, size, 0));
    nng_msg *message;
    if (nng_msg_alloc(&message, 0) || nng_msg_append(message, body, size))
        return "no memory";
    int error = nng_sendmsg(sock, message, 0);
    if (error)
        nng_msg_free(message);
    return outcome(error);
}

static const char *peer_recv(unsigned char **body, size_t *size)
{
    static nng_msg *message;
    if (message)
        nng_msg_free(message);
    message = NULL;
    int error = nng_recvmsg(sock, &message, 0);
    if (error)
        return outcome(error);
    *body = nng_msg_body(message);
    *size = nng_msg_len(message);
    return NULL;
}

static const char *peer_close(void)
{
    return outcome(nng_close(sock));
}

static int peer_extra(const char *command, char **args)
{
    (void)command;
    (void)args;
    return 0;
}
