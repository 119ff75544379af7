/* The binary interface: constants, layouts, the functions' types, and the name of the library. */
#include "ctest.h"
#include <dlfcn.h>

#define ROW(name, value) {#name, (name), (value)}
static const struct {
    const char *name;
    long long actual, expected;
} constants[] = {
    ROW(NN_HAUSNUMERO, 156384712),
    ROW(ETERM, 156384765),
    ROW(EFSM, 156384766),
    ROW(EACCESS, EACCES),
    ROW(AF_SP, 1),
    ROW(AF_SP_RAW, 2),
    ROW(NN_SOCKADDR_MAX, 128),
    ROW(NN_SOL_SOCKET, 0),
    ROW(NN_LINGER, 1),
    ROW(NN_SNDBUF, 2),
    ROW(NN_RCVBUF, 3),
    ROW(NN_SNDTIMEO, 4),
    ROW(NN_RCVTIMEO, 5),
    ROW(NN_RECONNECT_IVL, 6),
    ROW(NN_RECONNECT_IVL_MAX, 7),
    ROW(NN_SNDPRIO, 8),
    ROW(NN_RCVPRIO, 9),
    ROW(NN_SNDFD, 10),
    ROW(NN_RCVFD, 11),
    ROW(NN_DOMAIN, 12),
    ROW(NN_PROTOCOL, 13),
    ROW(NN_IPV4ONLY, 14),
    ROW(NN_SOCKET_NAME, 15),
    ROW(NN_RCVMAXSIZE, 16),
    ROW(NN_MAXTTL, 17),
    ROW(NN_DONTWAIT, 1),
    ROW(PROTO_SP, 1),
    ROW(SP_HDR, 1),
    ROW(NN_POLLIN, 1),
    ROW(NN_POLLOUT, 2),
    ROW(NN_STAT_ESTABLISHED_CONNECTIONS, 101),
    ROW(NN_STAT_ACCEPTED_CONNECTIONS, 102),
    ROW(NN_STAT_DROPPED_CONNECTIONS, 103),
    ROW(NN_STAT_BROKEN_CONNECTIONS, 104),
    ROW(NN_STAT_CONNECT_ERRORS, 105),
    ROW(NN_STAT_BIND_ERRORS, 106),
    ROW(NN_STAT_ACCEPT_ERRORS, 107),
    ROW(NN_STAT_CURRENT_CONNECTIONS, 201),
    ROW(NN_STAT_INPROGRESS_CONNECTIONS, 202),
    ROW(NN_STAT_CURRENT_EP_ERRORS, 203),
    ROW(NN_STAT_MESSAGES_SENT, 301),
    ROW(NN_STAT_MESSAGES_RECEIVED, 302),
    ROW(NN_STAT_BYTES_SENT, 303),
    ROW(NN_STAT_BYTES_RECEIVED, 304),
    ROW(NN_STAT_CURRENT_SND_PRIORITY, 401),
    ROW(NN_INPROC, -1),
    ROW(NN_IPC, -2),
    ROW(NN_IPC_SEC_ATTR, 1),
    ROW(NN_IPC_OUTBUFSZ, 2),
    ROW(NN_IPC_INBUFSZ, 3),
    ROW(NN_TCP, -3),
    ROW(NN_TCP_NODELAY, 1),
    ROW(NN_WS, -4),
    ROW(NN_WS_MSG_TYPE, 1),
    ROW(NN_WS_MSG_TYPE_TEXT, 1),
    ROW(NN_WS_MSG_TYPE_BINARY, 2),
    ROW(NN_PROTO_PAIR, 1),
    ROW(NN_PAIR, 16),
    ROW(NN_PROTO_PUBSUB, 2),
    ROW(NN_PUB, 32),
    ROW(NN_SUB, 33),
    ROW(NN_SUB_SUBSCRIBE, 1),
    ROW(NN_SUB_UNSUBSCRIBE, 2),
    ROW(NN_PROTO_REQREP, 3),
    ROW(NN_REQ, 48),
    ROW(NN_REP, 49),
    ROW(NN_REQ_RESEND_IVL, 1),
    ROW(NN_PROTO_PIPELINE, 5),
    ROW(NN_PUSH, 80),
    ROW(NN_PULL, 81),
    ROW(NN_PROTO_SURVEY, 6),
    ROW(NN_SURVEYOR, 98),
    ROW(NN_RESPONDENT, 99),
    ROW(NN_SURVEYOR_DEADLINE, 1),
    ROW(NN_PROTO_BUS, 7),
    ROW(NN_BUS, 112),
    ROW(NN_NS_NAMESPACE, 0),
    ROW(NN_NS_VERSION, 1),
    ROW(NN_NS_DOMAIN, 2),
    ROW(NN_NS_TRANSPORT, 3),
    ROW(NN_NS_PROTOCOL, 4),
    ROW(NN_NS_OPTION_LEVEL, 5),
    ROW(NN_NS_SOCKET_OPTION, 6),
    ROW(NN_NS_TRANSPORT_OPTION, 7),
    ROW(NN_NS_OPTION_TYPE, 8),
    ROW(NN_NS_OPTION_UNIT, 9),
    ROW(NN_NS_FLAG, 10),
    ROW(NN_NS_ERROR, 11),
    ROW(NN_NS_LIMIT, 12),
    ROW(NN_NS_EVENT, 13),
    ROW(NN_NS_STATISTIC, 14),
    ROW(NN_TYPE_NONE, 0),
    ROW(NN_TYPE_INT, 1),
    ROW(NN_TYPE_STR, 2),
    ROW(NN_UNIT_NONE, 0),
    ROW(NN_UNIT_BYTES, 1),
    ROW(NN_UNIT_MILLISECONDS, 2),
    ROW(NN_UNIT_PRIORITY, 3),
    ROW(NN_UNIT_BOOLEAN, 4),
    ROW(NN_UNIT_COUNTER, 6),
    ROW(NN_UNIT_MESSAGES, 5),
};

#define LAYOUT(type, size) _Static_assert(sizeof(type) == (size), #type)
#define MEMBER(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #type "." #member)
LAYOUT(struct nn_iovec, 16);
MEMBER(struct nn_iovec, iov_base, 0);
MEMBER(struct nn_iovec, iov_len, 8);
LAYOUT(struct nn_msghdr, 32);
MEMBER(struct nn_msghdr, msg_iov, 0);
MEMBER(struct nn_msghdr, msg_iovlen, 8);
MEMBER(struct nn_msghdr, msg_control, 16);
MEMBER(struct nn_msghdr, msg_controllen, 24);
LAYOUT(struct nn_cmsghdr, 16);
MEMBER(struct nn_cmsghdr, cmsg_len, 0);
MEMBER(struct nn_cmsghdr, cmsg_level, 8);
MEMBER(struct nn_cmsghdr, cmsg_type, 12);
LAYOUT(struct nn_pollfd, 8);
MEMBER(struct nn_pollfd, fd, 0);
MEMBER(struct nn_pollfd, events, 4);
MEMBER(struct nn_pollfd, revents, 6);
LAYOUT(struct nn_symbol_properties, 32);
MEMBER(struct nn_symbol_properties, value, 0);
MEMBER(struct nn_symbol_properties, name, 8);
MEMBER(struct nn_symbol_properties, ns, 16);
MEMBER(struct nn_symbol_properties, type, 20);
MEMBER(struct nn_symbol_properties, unit, 24);
LAYOUT(nn_req_handle, 8);
_Static_assert(NN_MSG == (size_t)-1, "NN_MSG");

/* The prototypes: a difference does not compile. */
static const struct {
    int (*error)(void);
    const char *(*strerror)(int);
    const char *(*symbol)(int, int *);
    int (*symbol_info)(int, struct nn_symbol_properties *, int);
    void (*term)(void);
    void *(*allocmsg)(size_t, int);
    void *(*reallocmsg)(void *, size_t);
    int (*freemsg)(void *);
    struct nn_cmsghdr *(*cmsg_nxthdr)(const struct nn_msghdr *, const struct nn_cmsghdr *);
    int (*socket)(int, int);
    int (*close)(int);
    int (*setsockopt)(int, int, int, const void *, size_t);
    int (*getsockopt)(int, int, int, void *, size_t *);
    int (*bind)(int, const char *);
    int (*connect)(int, const char *);
    int (*shutdown)(int, int);
    int (*send)(int, const void *, size_t, int);
    int (*recv)(int, void *, size_t, int);
    int (*sendmsg)(int, const struct nn_msghdr *, int);
    int (*recvmsg)(int, struct nn_msghdr *, int);
    int (*poll)(struct nn_pollfd *, int, int);
    int (*device)(int, int);
    uint64_t (*get_statistic)(int, int);
} functions = {nn_errno,      nn_strerror, nn_symbol,       nn_symbol_info, nn_term,  nn_allocmsg,
               nn_reallocmsg, nn_freemsg,  nn_cmsg_nxthdr_, nn_socket,      nn_close, nn_setsockopt,
               nn_getsockopt, nn_bind,     nn_connect,      nn_shutdown,    nn_send,  nn_recv,
               nn_sendmsg,    nn_recvmsg,  nn_poll,         nn_device,      nn_get_statistic};

int main(void) {
    start();
    for (size_t i = 0; i < COUNT(constants); i++) {
        CONTEXT("%s", constants[i].name);
        CHECK_EQ(constants[i].actual, constants[i].expected);
    }
    context[0] = 0;
    CHECK_EQ(NN_VERSION_CURRENT, genuine() ? 5 : 6);
    CHECK_EQ(NN_VERSION_REVISION, genuine() ? 1 : 0);
    CHECK_EQ(NN_VERSION_AGE, genuine() ? 0 : 1);

    /* All of them come from the one library, and it is known by the name programs are linked with. */
    Dl_info first, info;
    void *const *address_of = (void *const *)&functions;
    CHECK(dladdr(address_of[0], &first) != 0);
    for (size_t i = 1; i < sizeof(functions) / sizeof(void *); i++)
        CHECK(dladdr(address_of[i], &info) != 0 && info.dli_fbase == first.dli_fbase);
    void *handle = dlopen(genuine() ? "libnanomsg.so.5" : "libnanomsg.so.6", RTLD_NOW | RTLD_NOLOAD);
    CHECK(handle != NULL);
    if (handle)
        dlclose(handle);
    return finish();
}
