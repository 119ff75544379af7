//! `millrace/monitor.h`: what happens on a socket, and what it is doing.

use std::ffi::{c_char, c_int};

/// nn_bind made an endpoint.
pub const NN_EVENT_LISTENING: i32 = 1;
/// An endpoint is no more: nn_shutdown or nn_close ended it.
pub const NN_EVENT_STOPPED: i32 = 2;
/// The name of a host was resolved; reason has the addresses.
pub const NN_EVENT_RESOLVED: i32 = 3;
/// The system has connected to a peer, which has not greeted yet.
pub const NN_EVENT_CONNECTED: i32 = 4;
/// The system has accepted a connection; the peer has not greeted yet.
pub const NN_EVENT_ACCEPTED: i32 = 5;
/// The peer has greeted and fits: it is there.
pub const NN_EVENT_GREETED: i32 = 6;
/// No peer came of a connection: another pattern, no SP, a failed TLS or WebSocket handshake, a PAIR that has its peer already, not let
/// in by NN_ACCEPT_FROM or NN_ACCEPT_MAX... error and reason say which.
pub const NN_EVENT_REFUSED: i32 = 7;
/// A peer is gone; error and reason say why. error is 0 if this side ended the connection.
pub const NN_EVENT_LOST: i32 = 8;
/// An attempt to connect failed; peer is the address that was tried, if it is one of the network; retry is when the next one follows, -1 if it does at once with another address of the name.
pub const NN_EVENT_CONNECT_FAILED: i32 = 9;
/// The system could not accept a connection (no descriptors, no memory); it is tried again.
pub const NN_EVENT_ACCEPT_FAILED: i32 = 10;

/// What nnx_monitor_next stores. Texts end with a zero, and are cut off where there is no room for them.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "C's name")]
pub struct nnx_event {
    /// One of NN_EVENT_.
    pub kind: c_int,
    /// What nn_bind or nn_connect returned.
    pub endpoint: c_int,
    /// An errno, 0 if nothing went wrong.
    pub error: c_int,
    /// Milliseconds until the endpoint tries to connect again, -1 if it does not.
    pub retry: c_int,
    /// When it happened: milliseconds since 1970, by the system's clock.
    pub time: u64,
    /// The connection: the same in all events of it, and in nnx_describe; below 2^53. 0: it is about none.
    pub pipe: u64,
    /// So many events were dropped just before this one: 1024 wait for a reader at most, and of more the oldest are dropped.
    pub dropped: u64,
    /// The endpoint's address as it was given, a port that the system chose being filled in.
    pub address: [c_char; 128],
    /// The other end: "127.0.0.1:40123", over ipc "pid 7, uid 1000, gid 1000"; empty if it is not known.
    pub peer: [c_char; 64],
    /// What happened, in words.
    pub reason: [c_char; 256],
}
