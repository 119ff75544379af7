use std::ffi::{c_char, c_int, c_short, c_void};

/// Version of the binary interface, not of the library: the interface implemented.
pub const NN_VERSION_CURRENT: c_int = 6;
/// How often the implementation of that interface has changed.
pub const NN_VERSION_REVISION: c_int = 0;
/// How many earlier interfaces are still supported.
pub const NN_VERSION_AGE: c_int = 1;

/// Base of the error numbers that the platform does not define.
pub const NN_HAUSNUMERO: c_int = 156384712;
/// The library was terminated by nn_term.
pub const ETERM: c_int = 156384765;
/// The operation is not possible in the present state of the socket.
pub const EFSM: c_int = 156384766;

/// Symbols that name a group of symbols, as nn_symbol_info lists them.
pub const NN_NS_NAMESPACE: c_int = 0;
/// Versions of the interface.
pub const NN_NS_VERSION: c_int = 1;
/// Domains.
pub const NN_NS_DOMAIN: c_int = 2;
/// Transports.
pub const NN_NS_TRANSPORT: c_int = 3;
/// Socket types.
pub const NN_NS_PROTOCOL: c_int = 4;
/// Levels of options.
pub const NN_NS_OPTION_LEVEL: c_int = 5;
/// Options of level NN_SOL_SOCKET.
pub const NN_NS_SOCKET_OPTION: c_int = 6;
/// Options of a transport or of a protocol.
pub const NN_NS_TRANSPORT_OPTION: c_int = 7;
/// Types of option values.
pub const NN_NS_OPTION_TYPE: c_int = 8;
/// Units of option values and statistics.
pub const NN_NS_OPTION_UNIT: c_int = 9;
/// Flags.
pub const NN_NS_FLAG: c_int = 10;
/// Error numbers.
pub const NN_NS_ERROR: c_int = 11;
/// Limits.
pub const NN_NS_LIMIT: c_int = 12;
/// Events of nn_poll.
pub const NN_NS_EVENT: c_int = 13;
/// Statistics.
pub const NN_NS_STATISTIC: c_int = 14;

/// Type of a symbol that is no option.
pub const NN_TYPE_NONE: c_int = 0;
/// An int.
pub const NN_TYPE_INT: c_int = 1;
/// Bytes, not necessarily with a terminator.
pub const NN_TYPE_STR: c_int = 2;

/// Unit of what has none.
pub const NN_UNIT_NONE: c_int = 0;
/// Bytes.
pub const NN_UNIT_BYTES: c_int = 1;
/// Milliseconds.
pub const NN_UNIT_MILLISECONDS: c_int = 2;
/// A priority, 1 being the best.
pub const NN_UNIT_PRIORITY: c_int = 3;
/// 0 or 1.
pub const NN_UNIT_BOOLEAN: c_int = 4;
/// Messages.
pub const NN_UNIT_MESSAGES: c_int = 5;
/// A number of events.
pub const NN_UNIT_COUNTER: c_int = 6;

/// Domain: a socket for applications.
pub const AF_SP: c_int = 1;
/// Domain: a raw socket, which leaves the protocol's state to the application. Devices are made of these.
pub const AF_SP_RAW: c_int = 2;

/// An address has less than this many bytes.
pub const NN_SOCKADDR_MAX: c_int = 128;

/// Level of the options below.
pub const NN_SOL_SOCKET: c_int = 0;

/// int, milliseconds, 1000 by default: how long nn_close waits at most until what was accepted by nn_send
/// is handed to the kernel. Negative: no limit. 0: what the kernel does not take at once is dropped.
pub const NN_LINGER: c_int = 1;
/// int, bytes, 131072 by default, at least 1: send buffer of each connection made later.
pub const NN_SNDBUF: c_int = 2;
/// int, bytes, 131072 by default, at least 1: receive buffer of each connection made later.
pub const NN_RCVBUF: c_int = 3;
/// int, milliseconds, -1 by default: nn_send fails with ETIMEDOUT after this time. Negative: it waits for ever.
pub const NN_SNDTIMEO: c_int = 4;
/// int, milliseconds, -1 by default: nn_recv fails with ETIMEDOUT after this time. Negative: it waits for ever.
pub const NN_RCVTIMEO: c_int = 5;
/// int, milliseconds, 100 by default, at least 0: pause before a lost connection is tried again. Taken
/// over by nn_connect.
pub const NN_RECONNECT_IVL: c_int = 6;
/// int, milliseconds, 0 by default, at least 0: the pause doubles with every failure up to this limit. 0: it
/// stays the same. Taken over by nn_connect.
pub const NN_RECONNECT_IVL_MAX: c_int = 7;
/// int, 1 (first) to 16 (last), 8 by default: order in which peers are sent to. Taken over by nn_bind and
/// nn_connect.
pub const NN_SNDPRIO: c_int = 8;
/// int, 1 (first) to 16 (last), 8 by default: order in which peers are received from. Taken over by nn_bind
/// and nn_connect.
pub const NN_RCVPRIO: c_int = 9;
/// int, read only: a descriptor that polls readable while nn_send would not block. Never read or write it.
pub const NN_SNDFD: c_int = 10;
/// int, read only: a descriptor that polls readable while nn_recv would not block. Never read or write it.
pub const NN_RCVFD: c_int = 11;
/// int, read only: the domain given to nn_socket.
pub const NN_DOMAIN: c_int = 12;
/// int, read only: the protocol given to nn_socket.
pub const NN_PROTOCOL: c_int = 13;
/// int, 0 or 1, 1 by default: 0 allows IPv6 addresses too.
pub const NN_IPV4ONLY: c_int = 14;
/// String of at most 63 bytes, the handle's number by default: name used in error output.
pub const NN_SOCKET_NAME: c_int = 15;
/// int, bytes, 1048576 by default, -1 for no limit: a peer that sends a larger message is disconnected.
pub const NN_RCVMAXSIZE: c_int = 16;
/// int, 1 to 255, 8 by default: a request or survey that has crossed more hops is dropped.
pub const NN_MAXTTL: c_int = 17;

/// Flag of send and receive calls: fail with EAGAIN instead of waiting.
pub const NN_DONTWAIT: c_int = 1;

/// Level of the control property that holds a message's protocol header.
pub const PROTO_SP: c_int = 1;
/// Type of the control property that holds a message's protocol header. Its data are the header's length as a
/// size_t, then the header.
pub const SP_HDR: c_int = 1;

/// Event of nn_poll: a message can be received.
pub const NN_POLLIN: c_int = 1;
/// Event of nn_poll: a message can be sent.
pub const NN_POLLOUT: c_int = 2;

/// Statistic: connections this socket has initiated.
pub const NN_STAT_ESTABLISHED_CONNECTIONS: c_int = 101;
/// Statistic: connections this socket has accepted.
pub const NN_STAT_ACCEPTED_CONNECTIONS: c_int = 102;
/// Statistic: connections closed by nn_shutdown or nn_close.
pub const NN_STAT_DROPPED_CONNECTIONS: c_int = 103;
/// Statistic: connections that ended in any other way.
pub const NN_STAT_BROKEN_CONNECTIONS: c_int = 104;
/// Statistic: failed attempts to connect.
pub const NN_STAT_CONNECT_ERRORS: c_int = 105;
/// Statistic: failed attempts to bind in the background, always 0.
pub const NN_STAT_BIND_ERRORS: c_int = 106;
/// Statistic: failed attempts to accept.
pub const NN_STAT_ACCEPT_ERRORS: c_int = 107;
/// Statistic: peers that can be talked to now.
pub const NN_STAT_CURRENT_CONNECTIONS: c_int = 201;
/// Statistic: connects under way.
pub const NN_STAT_INPROGRESS_CONNECTIONS: c_int = 202;
/// Statistic: endpoints whose last attempt failed.
pub const NN_STAT_CURRENT_EP_ERRORS: c_int = 203;
/// Statistic: messages accepted by send calls.
pub const NN_STAT_MESSAGES_SENT: c_int = 301;
/// Statistic: messages returned by receive calls.
pub const NN_STAT_MESSAGES_RECEIVED: c_int = 302;
/// Statistic: body bytes accepted by send calls.
pub const NN_STAT_BYTES_SENT: c_int = 303;
/// Statistic: body bytes returned by receive calls, truncated ones in full.
pub const NN_STAT_BYTES_RECEIVED: c_int = 304;
/// Statistic: priority of the peers that are sent to now, -1 when there are none left.
pub const NN_STAT_CURRENT_SND_PRIORITY: c_int = 401;

/// The length that says: not a buffer, but a pointer to a message of nn_allocmsg.
/// cbindgen:ignore
pub const NN_MSG: usize = usize::MAX;

/// What nn_symbol_info tells about one symbol.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nn_symbol_properties {
    /// The number the symbol stands for.
    pub value: c_int,
    /// Its name, valid for ever.
    pub name: *const c_char,
    /// One of NN_NS_*: the group it belongs to.
    pub ns: c_int,
    /// One of NN_TYPE_*: the type of an option's value.
    pub r#type: c_int,
    /// One of NN_UNIT_*: the unit of an option or statistic.
    pub unit: c_int,
}

/// One part of a message body.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nn_iovec {
    /// The bytes; with iov_len NN_MSG the address of a pointer to a message.
    pub iov_base: *mut c_void,
    /// How many, or NN_MSG.
    pub iov_len: usize,
}

/// A message for nn_sendmsg and nn_recvmsg.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nn_msghdr {
    /// The parts of the body, in order.
    pub msg_iov: *mut nn_iovec,
    /// How many parts.
    pub msg_iovlen: c_int,
    /// Control data or NULL; with msg_controllen NN_MSG the address of a pointer to a message.
    pub msg_control: *mut c_void,
    /// Size of the control data in bytes, or NN_MSG.
    pub msg_controllen: usize,
}

/// Head of one control property; its data follow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nn_cmsghdr {
    /// Bytes of head and data.
    pub cmsg_len: usize,
    /// PROTO_SP or a transport's id.
    pub cmsg_level: c_int,
    /// Meaning depends on the level.
    pub cmsg_type: c_int,
}

/// A socket watched by nn_poll.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nn_pollfd {
    /// The socket.
    pub fd: c_int,
    /// NN_POLLIN, NN_POLLOUT or both.
    pub events: c_short,
    /// Those of them that have come.
    pub revents: c_short,
}
