use std::ffi::c_int;

use crate::capi::errno::slow_boundary;
use crate::capi::table;
use crate::facade::Context;

/// Opens a context of a socket: it asks (NN_REQ, NN_SURVEYOR), answers (NN_REP, NN_RESPONDENT) or subscribes (NN_SUB) over the
/// connections of s as a socket of its own would. Returns a handle, for which nn_send, nn_recv, nn_sendmsg, nn_recvmsg, nn_poll,
/// nn_close, nn_setsockopt and nn_getsockopt do what they do for sockets. NN_SNDFD and NN_RCVFD are its own. Options that can be set are
/// NN_SNDTIMEO, NN_RCVTIMEO and those of the protocol; it begins with what s has now, but without subscriptions. All other
/// options are read from s, and what else is done with sockets fails with ENOTSUP. The socket itself can be used as well.
///
/// A message is for one context: a reply or an answer to a survey for the one that asked, a request or a survey for whichever
/// receives first; but what is published for each that has subscribed to it. At most 1024 answers to surveys, or published
/// messages, wait for each context: of more the oldest are dropped. An answer of an NN_REP or NN_RESPONDENT context waits for
/// room for at most NN_SNDTIMEO.
///
/// nn_close gives up what the context had asked or was to answer: late replies are dropped. When s is closed, its contexts fail
/// with EBADF, and are still to be closed. Handles of contexts count among the 65536 sockets. Fails with EBADF (no such socket),
/// ENOTSUP (a context, a raw socket, or one of another type), EMFILE (too many), ETERM. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnx_context(s: c_int) -> c_int {
    slow_boundary(|| table::open_context(s))
}

/// Gives up what was asked last on a socket or context, as if it had not been: replies and answers to it are dropped, it is not
/// sent again, and nn_recv fails with EFSM, also one that waits now in another thread. On NN_REP and NN_RESPONDENT, gives up the
/// request that was received last: it is not answered, and nn_send fails with EFSM, also one that waits for room now. Does nothing if there is none. Returns 0. Fails with EBADF, ENOTSUP (a raw
/// socket, or one of another type). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnx_cancel(s: c_int) -> c_int {
    slow_boundary(|| table::with(s, Context::cancel).map(|()| 0))
}
