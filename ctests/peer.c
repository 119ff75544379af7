/* Interoperability peer over the nn_ functions; linked with either library. See peer.h for the commands all peers know.
 * This one knows besides:
 *
 *   header HEX             SP header given to all later sends (raw sockets)
 *   recvheader             as recv, but answers "ok SIZE SEED HEX" with the SP header received
 *   bounce                 receive one message and send it back with the header it came with; answers as recv
 *   device                 join the two sockets (or the one, as loopback) until "close" */
#include <nanomsg/bus.h>
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/survey.h>
#include <pthread.h>

#include "peer.h"

#define BUFFER_SIZE (4 << 20)

static int sockets[8];
static int opened, current = -1;
static unsigned char header[64];
static size_t header_size;
static pthread_t device_thread;
static int device_running;

static const char *failed(const char *what)
{
    static char text[128];
    snprintf(text, sizeof text, "%s: %s", what, nn_strerror(nn_errno()));
    return text;
}

static const char *set_int(int level, int option, int value)
{
    return nn_setsockopt(current, level, option, &value, sizeof value) < 0 ? failed("setsockopt") : NULL;
}

static int protocol_number(const char *type)
{
    char name[32];
    snprintf(name, sizeof name, "NN_%s", type);
    int value;
    const char *symbol;
    for (int i = 0; (symbol = nn_symbol(i, &value)); i++)
        if (!strcmp(symbol, name))
            return value;
    return -1;
}

static const char *peer_open(const char *type, int raw)
{
    current = nn_socket(raw ? AF_SP_RAW : AF_SP, protocol_number(type));
    if (current < 0)
        return failed("socket");
    sockets[opened++] = current;
    return peer_timeout(PATIENCE_MS);
}

static const char *peer_use(int number)
{
    if (number >= opened)
        return "no such socket";
    current = sockets[number];
    return NULL;
}

static const char *peer_bind(const char *addr)
{
    return nn_bind(current, addr) < 0 ? failed("bind") : NULL;
}

static const char *peer_connect(const char *addr)
{
    return nn_connect(current, addr) < 0 ? failed("connect") : NULL;
}

static int peer_connections(void)
{
    return (int)nn_get_statistic(current, NN_STAT_CURRENT_CONNECTIONS);
}

static const char *peer_subscribe(const char *topic)
{
    return nn_setsockopt(current, NN_SUB, NN_SUB_SUBSCRIBE, topic, strlen(topic)) < 0 ? failed("subscribe") : NULL;
}

static const char *peer_maxsize(int bytes)
{
    return set_int(NN_SOL_SOCKET, NN_RCVMAXSIZE, bytes);
}

static const char *peer_deadline(int ms)
{
    return set_int(NN_SURVEYOR, NN_SURVEYOR_DEADLINE, ms);
}

/* For the directions the socket has; nanomsg accepts both options on every type. */
static const char *peer_timeout(int ms)
{
    const char *error = set_int(NN_SOL_SOCKET, NN_SNDTIMEO, ms);
    return error ? error : set_int(NN_SOL_SOCKET, NN_RCVTIMEO, ms);
}

/* Sends with an SP header; the body is a library message, or two buffers to be joined. */
static int send_with_header(void *message, const unsigned char *body, size_t size)
{
    size_t space = NN_CMSG_SPACE(sizeof(size_t) + header_size);
    struct nn_cmsghdr *control = calloc(1, space);
    control->cmsg_len = NN_CMSG_LEN(sizeof(size_t) + header_size);
    control->cmsg_level = PROTO_SP;
    control->cmsg_type = SP_HDR;
    memcpy(NN_CMSG_DATA(control), &header_size, sizeof header_size);
    memcpy(NN_CMSG_DATA(control) + sizeof header_size, header, header_size);

    struct nn_iovec whole = {&message, NN_MSG};
    struct nn_iovec halves[] = {{(void *)body, size / 2}, {(void *)(body + size / 2), size - size / 2}};
    struct nn_msghdr hdr = {message ? &whole : halves, message ? 1 : 2, control, space};
    int rc = nn_sendmsg(current, &hdr, 0);
    free(control);
    return rc;
}

static const char *peer_send(const unsigned char *body, size_t size)
{
    void *message = NULL;
    if (use_messages) {
        message = nn_allocmsg(size, 0);
        memcpy(message, body, size);
    }
    int rc = header_size   ? send_with_header(message, body, size)
             : use_messages ? nn_send(current, &message, NN_MSG, 0)
                            : nn_send(current, body, size, 0);
    if (rc < 0)
        return failed("send");
    return (size_t)rc == size ? NULL : "send did not return the size";
}

static const char *peer_recv(unsigned char **body, size_t *size)
{
    static unsigned char buffer[BUFFER_SIZE];
    static void *message;
    if (message)
        nn_freemsg(message);
    message = NULL;
    int rc = use_messages ? nn_recv(current, &message, NN_MSG, 0) : nn_recv(current, buffer, sizeof buffer, 0);
    if (rc < 0)
        return failed("recv");
    *body = use_messages ? message : buffer;
    *size = (size_t)rc;
    return NULL;
}

static const char *peer_close(void)
{
    for (int i = 0; i < opened; i++)
        if (nn_close(sockets[i]) < 0)
            return failed("close");
    opened = 0;
    if (device_running)
        pthread_join(device_thread, NULL);
    device_running = 0;
    return NULL;
}

static void *run_device(void *unused)
{
    nn_device(sockets[0], opened > 1 ? sockets[1] : -1);
    return unused;
}

static const char *start_device(void)
{
    for (int i = 0; i < opened; i++) { /* a device ends at its first timeout */
        current = sockets[i];
        peer_timeout(-1);
    }
    device_running = 1;
    return pthread_create(&device_thread, NULL, run_device, NULL) ? "no thread" : NULL;
}

/* Receives body and header as library messages; sends both back if asked to. Answers size, seed and header. */
static void receive_with_header(int bounce)
{
    void *body = NULL, *control = NULL;
    struct nn_iovec iov = {&body, NN_MSG};
    struct nn_msghdr hdr = {&iov, 1, &control, NN_MSG};
    int size = nn_recvmsg(current, &hdr, 0);
    if (size < 0) {
        answer("error %s", failed("recvmsg"));
        return;
    }
    char seed = body_seed(body, (size_t)size);
    struct nn_cmsghdr *first = NN_CMSG_FIRSTHDR(&hdr);
    size_t length;
    memcpy(&length, NN_CMSG_DATA(first), sizeof length);
    char hex[2 * sizeof header + 1] = "";
    for (size_t i = 0; i < length && i < sizeof header; i++)
        sprintf(hex + 2 * i, "%02x", NN_CMSG_DATA(first)[sizeof length + i]);

    if (!bounce) {
        nn_freemsg(body);
        nn_freemsg(control);
    } else if (nn_sendmsg(current, &hdr, 0) != size) {
        answer("error %s", failed("sendmsg"));
        return;
    }
    if (seed)
        answer("ok %d %c%s%s", size, seed, bounce ? "" : " ", bounce ? "" : hex);
    else
        answer("error damaged body of %d bytes", size);
}

static const char *set_header(const char *hex)
{
    header_size = 0;
    unsigned byte;
    for (; header_size < sizeof header && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        header[header_size++] = (unsigned char)byte;
    return NULL;
}

static int peer_extra(const char *command, char **args)
{
    const char *first = args[0] ? args[0] : "";
    if (!strcmp(command, "header"))
        report(set_header(first));
    else if (!strcmp(command, "recvheader"))
        receive_with_header(0);
    else if (!strcmp(command, "bounce"))
        receive_with_header(1);
    else if (!strcmp(command, "device"))
        report(start_device());
    else
        return 0;
    return 1;
}
