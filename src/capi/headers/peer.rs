//! `millrace/peer.h`: who sent a message, and sending to one peer.

use std::ffi::c_int;

/// int of level NN_SOL_SOCKET, default 0. 1: the control data that nn_recvmsg stores tell who sent the message, by properties of level NN_PEER
/// behind that of the protocol header. It holds for messages that the socket looks at from now on, and costs next to nothing while it is 0. Contexts have
/// what their socket has. Other values are EINVAL.
pub const NN_RECV_PEER: i32 = 19832;

/// The level of the properties below in control data.
pub const NN_PEER: i32 = -19795;

/// uint64_t: the connection on which the message came, by the number that events (struct nnx_event) and nnx_describe have. It is below 2^53, which
/// doubles hold, and not used again soon. Always there.
pub const NN_PEER_PIPE: i32 = 1;
/// Text, with a zero at its end: the other end, "127.0.0.1:40123", over ipc "pid 7, uid 1000, gid 1000". Not there over inproc, or if it
/// is not known.
pub const NN_PEER_ADDRESS: i32 = 2;
/// struct nnx_process: the process at the other end. Over ipc, unix, abstract and fd of a unix socket.
pub const NN_PEER_PROCESS: i32 = 3;
/// Text, with a zero at its end: whom the certificate names that the peer has shown, as RFC 4514 writes it: "CN=sensor 7,O=Example". Over tls+tcp
/// and wss: a server always shows one, a client if NN_TLS_AUTH asks for it. It was verified, but for NN_TLS_INSECURE_NO_VERIFICATION.
pub const NN_PEER_SUBJECT: i32 = 4;
/// uint64_t, for nn_sendmsg: the message goes to this peer alone, whose number is that of NN_PEER_PIPE or of an event. nn_sendmsg waits for as
/// long as that peer takes no more, also where the socket would drop what one has no room for. It fails with EHOSTUNREACH if the peer is
/// not there, or no more; with ENOTSUP on NN_REQ, NN_REP, NN_SURVEYOR and NN_RESPONDENT unless they are raw; with EINVAL if a raw NN_REP
/// or NN_RESPONDENT is not given the header of what it answers, or the property is no uint64_t. The header of a raw NN_BUS does not matter then.
pub const NN_PEER_SEND_TO: i32 = 5;

/// A process, as the system vouches for it at the moment of connecting. Numbers of processes are used again: decide by the user.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "C's name")]
pub struct nnx_process {
    pub pid: c_int,
    /// The effective user and group.
    pub uid: u32,
    pub gid: u32,
}
