//! `millrace/options.h`: socket options beyond nanomsg's, of level `NN_SOL_SOCKET`.

/// int, default 1: a call that waits looks a few times for what it waits for before it sleeps, for some microseconds, if
/// that has been worth it lately. 0: it sleeps at once. It applies to nn_send, nn_recv and their kin from the next call on,
/// and to an nn_poll in which no socket has 0. The environment variable MILLRACE_SPIN=0 has the effect of 0 on all sockets of
/// the process.
pub const NN_SPIN: i32 = 19794;

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
