//! `millrace/options.h`: socket options beyond nanomsg's, of level `NN_SOL_SOCKET`.

/// int, default 1: a call that waits looks a few times for what it waits for before it sleeps, for some microseconds, if
/// that has been worth it lately. 0: it sleeps at once. It applies to nn_send, nn_recv and their kin from the next call on,
/// and to an nn_poll in which no socket has 0. The environment variable MILLRACE_SPIN=0 has the effect of 0 on all sockets of
/// the process.
pub const NN_SPIN: i32 = 19794;
