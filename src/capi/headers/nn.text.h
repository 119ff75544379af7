
/*
 * The C interface of the library. Numbers in parentheses behind a function's description are sections of
 * docs/spec/nanomsg-api.md. A call that fails returns -1 (NULL where it returns a pointer) and sets errno; memory
 * passed in stays the caller's unless the description says otherwise. If the library finds itself in a state
 * that should not exist, the call fails with ENOTRECOVERABLE.
 *
 * Without memory for a message, a header or a topic, of whatever size, a call fails with ENOMEM and all is as it was: what was to be
 * sent was not, a REP can still answer, what was to be received can be received again. If a message is to go to several peers,
 * those miss it for whom there is no memory. A peer loses its connection if there is no memory for what it sends. Memory for
 * bookkeeping (at most some 2 KiB at a time, a little for each socket, connection and message) is taken for granted: without it
 * the process is aborted.
 */

/* May be defined otherwise before. */
#ifndef NN_EXPORT
#define NN_EXPORT extern
#endif

/* Standard error numbers, for platforms that lack them. */
#ifndef ENOTSUP
#define ENOTSUP (NN_HAUSNUMERO + 1)
#endif
#ifndef EPROTONOSUPPORT
#define EPROTONOSUPPORT (NN_HAUSNUMERO + 2)
#endif
#ifndef ENOBUFS
#define ENOBUFS (NN_HAUSNUMERO + 3)
#endif
#ifndef ENETDOWN
#define ENETDOWN (NN_HAUSNUMERO + 4)
#endif
#ifndef EADDRINUSE
#define EADDRINUSE (NN_HAUSNUMERO + 5)
#endif
#ifndef EADDRNOTAVAIL
#define EADDRNOTAVAIL (NN_HAUSNUMERO + 6)
#endif
#ifndef ECONNREFUSED
#define ECONNREFUSED (NN_HAUSNUMERO + 7)
#endif
#ifndef EINPROGRESS
#define EINPROGRESS (NN_HAUSNUMERO + 8)
#endif
#ifndef ENOTSOCK
#define ENOTSOCK (NN_HAUSNUMERO + 9)
#endif
#ifndef EAFNOSUPPORT
#define EAFNOSUPPORT (NN_HAUSNUMERO + 10)
#endif
#ifndef EPROTO
#define EPROTO (NN_HAUSNUMERO + 11)
#endif
#ifndef EAGAIN
#define EAGAIN (NN_HAUSNUMERO + 12)
#endif
#ifndef EBADF
#define EBADF (NN_HAUSNUMERO + 13)
#endif
#ifndef EINVAL
#define EINVAL (NN_HAUSNUMERO + 14)
#endif
#ifndef EMFILE
#define EMFILE (NN_HAUSNUMERO + 15)
#endif
#ifndef EFAULT
#define EFAULT (NN_HAUSNUMERO + 16)
#endif
#ifndef EACCES
#define EACCES (NN_HAUSNUMERO + 17)
#endif
#ifndef ENETRESET
#define ENETRESET (NN_HAUSNUMERO + 18)
#endif
#ifndef ENETUNREACH
#define ENETUNREACH (NN_HAUSNUMERO + 19)
#endif
#ifndef EHOSTUNREACH
#define EHOSTUNREACH (NN_HAUSNUMERO + 20)
#endif
#ifndef ENOTCONN
#define ENOTCONN (NN_HAUSNUMERO + 21)
#endif
#ifndef EMSGSIZE
#define EMSGSIZE (NN_HAUSNUMERO + 22)
#endif
#ifndef ETIMEDOUT
#define ETIMEDOUT (NN_HAUSNUMERO + 23)
#endif
#ifndef ECONNABORTED
#define ECONNABORTED (NN_HAUSNUMERO + 24)
#endif
#ifndef ECONNRESET
#define ECONNRESET (NN_HAUSNUMERO + 25)
#endif
#ifndef ENOPROTOOPT
#define ENOPROTOOPT (NN_HAUSNUMERO + 26)
#endif
#ifndef EISCONN
#define EISCONN (NN_HAUSNUMERO + 27)
#endif
#ifndef ESOCKTNOSUPPORT
#define ESOCKTNOSUPPORT (NN_HAUSNUMERO + 28)
#endif

/* Another name of EACCES. */
#define EACCESS EACCES

/* As a length: not a buffer, but the address of a pointer to a message of nn_allocmsg. */
#ifndef __cplusplus
#define NN_MSG ((size_t) -1)
#else
#define NN_MSG (static_cast<size_t>(-1))
#endif

/* Control data. len is the length of one property's data. */

/* n rounded up to a whole number of size_t. */
#define NN_CMSG_ALIGN_(n) (((n) + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1))
/* What a property takes in a control buffer. */
#define NN_CMSG_SPACE(len) (NN_CMSG_ALIGN_(len) + NN_CMSG_ALIGN_(sizeof(struct nn_cmsghdr)))
/* What to store in cmsg_len. */
#define NN_CMSG_LEN(len) (NN_CMSG_ALIGN_(sizeof(struct nn_cmsghdr)) + (len))

/* Any pointer as one to const type, and the data of a property; in C++ without the casts that -Wold-style-cast is about. */
#ifndef __cplusplus
#define NN_CMSG_CAST_(type, pointer) ((const type *) (pointer))
#define NN_CMSG_DATA(cmsg) ((unsigned char *) (cmsg) + sizeof(struct nn_cmsghdr))
#else
#define NN_CMSG_CAST_(type, pointer) (static_cast<const type *>(static_cast<const void *>(pointer)))
#define NN_CMSG_DATA(cmsg) (const_cast<unsigned char *>(NN_CMSG_CAST_(unsigned char, cmsg)) + sizeof(struct nn_cmsghdr))
#endif
/* First property of a struct nn_msghdr, NULL if there is none. */
#define NN_CMSG_FIRSTHDR(mhdr) nn_cmsg_nxthdr_(NN_CMSG_CAST_(struct nn_msghdr, mhdr), NULL)
/* The property after cmsg, NULL if there is none. */
#define NN_CMSG_NXTHDR(mhdr, cmsg) nn_cmsg_nxthdr_(NN_CMSG_CAST_(struct nn_msghdr, mhdr), NN_CMSG_CAST_(struct nn_cmsghdr, cmsg))
