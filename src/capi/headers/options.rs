//! `millrace/options.h`: socket options beyond nanomsg's, of level `NN_SOL_SOCKET` unless said otherwise.

/// int, default 1: a call that waits looks a few times for what it waits for before it sleeps, for some microseconds, if
/// that has been worth it lately. 0: it sleeps at once. It applies to nn_send, nn_recv and their kin from the next call on,
/// and to an nn_poll in which no socket has 0. The environment variable MILLRACE_SPIN=0 has the effect of 0 on all sockets of
/// the process.
pub const NN_SPIN: i32 = 19794;

/// int, default 1: small messages of a stream that has lasted are put together and written some 64 KiB at a time. A stream
/// has lasted when more than 256 messages and more than 16 KiB have followed each other by less than 10 microseconds each (a
/// message counts as 16 bytes at least), and until 50 ms of quiet; whatever comes before has been handed to the system
/// when nn_send returns, if that has room for it. What goes to several peers at once (NN_PUB, NN_BUS, NN_SURVEYOR) also follows closely
/// when less time has passed than it took to write the last one to all, and to more than 8 it counts as several: the square of the
/// number of peers over 64. What is put together waits for 2 ms at most, and is at most 65,000
/// bytes for each connection; it is written when the process ends by exit() or by the end of main(), and lost if it ends by
/// _exit(), exec or a signal in the midst of such a stream. 0: every message is handed to the system within nn_send, if that
/// has room for it. It applies from the next message on. The environment variable MILLRACE_COALESCE=0 has the effect of 0 on
/// all sockets and object bus connections of the process, and a thread with a real-time policy has it by itself.
/// Where the system has no room, because the peer does not read, nothing is put together: one message waits in the process, as it does
/// with 0.
pub const NN_COALESCE: i32 = 19795;

/// int, milliseconds, default 10000: what an attempt to connect over tcp or ws may take before it is given up and made anew, as after a
/// refusal (NN_RECONNECT_IVL). The addresses of a name share it. -1: as long as the system tries, which is about two minutes, its
/// repetitions coming ever more rarely. Other values below 1 are EINVAL. It applies to attempts begun later.
pub const NN_CONNECT_TIMEOUT: i32 = 19800;

/// int, milliseconds, default 60000: how long a tcp or ws connection may be silent before the system asks whether the peer is still
/// there (TCP keep-alive; whole seconds, rounded up). A peer that does not answer is asked four times, a quarter of that time
/// apart; after twice the time in all the connection counts as lost, and whoever made it makes it anew. 0 turns it off. It applies to
/// connections made later. Negative values are EINVAL.
pub const NN_KEEPALIVE: i32 = 19801;

/// string, read-only: the address that nn_bind was last successful with on this socket, empty before that. Where it had port 0, which
/// has the system choose a free one, it has the port that was chosen: "tcp://127.0.0.1:0" reads "tcp://127.0.0.1:40123".
pub const NN_LAST_ENDPOINT: i32 = 19802;

/// string, empty by default: from which networks a listener over tcp or ws takes connections: addresses, each with or without the length of a
/// prefix, separated by commas or spaces ("127.0.0.1, 10.0.0.0/8, 2001:db8::/32"), at most 4096 bytes. Empty: from everywhere. IPv4 within
/// IPv6 ("::ffff:10.0.0.0/104") is IPv4. Others are closed as
/// soon as they are accepted, and counted by NN_STAT_DROPPED_CONNECTIONS. Taken over by nn_bind; it does not concern ipc. What is no such list, as
/// one of separators only, is EINVAL.
pub const NN_ACCEPT_FROM: i32 = 19824;

/// int, default -1, no limit: how many connections one listener has at a time, over any transport but inproc. One more is closed as soon as it is accepted, and
/// counted by NN_STAT_DROPPED_CONNECTIONS; whoever made it tries again, by his NN_RECONNECT_IVL. Taken over by nn_bind. 0 and values
/// below -1 are EINVAL.
pub const NN_ACCEPT_MAX: i32 = 19825;

/// int, 0 to 63, default -1, what the system has: class of the packets of a tcp or ws connection (DSCP, RFC 2474; 46 is expedited forwarding). It applies to
/// connections made later; the answer by which a listener takes one has what was set at nn_bind. Others are EINVAL.
pub const NN_DSCP: i32 = 19826;

/// string of at most 15 bytes, empty by default: the network interface through which all packets of tcp and ws listeners and connections made
/// later go, whatever their addresses (SO_BINDTODEVICE). One that does not exist makes nn_bind fail with ENODEV, and attempts to
/// connect too. Blanks and '/' are EINVAL.
pub const NN_BIND_DEVICE: i32 = 19827;

/// int, milliseconds, default 0, the system's limit: how long what was sent over tcp or ws may stay unacknowledged, or find no room at the peer,
/// before the connection counts as lost (TCP_USER_TIMEOUT). It also ends connections to peers that are there and do not read for so long. It applies to connections
/// made later. Negative values are EINVAL.
pub const NN_TCP_USER_TIMEOUT: i32 = 19828;

/// int of level NN_IPC, 0 to 0777, default -1, what the umask leaves: permissions of the file of an ipc listener, which are set before
/// anybody can connect. Who may write to the file may connect. Taken over by nn_bind; abstract names have no file. Others are EINVAL.
pub const NN_IPC_MODE: i32 = 19829;

/// int of level NN_IPC, default -1, who runs the process: user id of the owner of that file. nn_bind fails with EPERM where the process may not
/// give it away. Taken over by nn_bind. Values below -1 are EINVAL.
pub const NN_IPC_OWNER: i32 = 19830;

/// int of level NN_IPC, default -1, the process's: group id of that file, as NN_IPC_OWNER.
pub const NN_IPC_GROUP: i32 = 19831;
