//! Calls to the objects of a peer, for whoever makes them: a client, or a server that was given an object (qi-messaging.md 13 to 16).
//!
//! ```text
//!   client: Connection ──┐
//!                        ├─▶ Requester ──▶ Channel: the end point, or what a test puts there
//!   server: Peer ────────┘
//! ```
//!
//! | file | what |
//! |---|---|
//! | `channel` | what is needed of a connection |
//! | `requester` | the calls of one connection; all parties share it |
//! | `replies`, `registrations`, `alarm` | its machines, without I/O and without a clock |
//! | `coding` | arguments as they are sent |
//! | `connection` | a handle that keeps a connection open |
//! | `received` | values with objects in them, which live as long as they are held |
//! | `registering` | asking for the events of a signal |
//! | `waiting` | a place for what a thread waits for |
//! | `error` | what goes wrong |

pub(in crate::qi) mod alarm;
pub(in crate::qi) mod channel;
pub(in crate::qi) mod coding;
mod connection;
mod error;
mod received;
pub(in crate::qi) mod registering;
pub(in crate::qi) mod registrations;
pub(in crate::qi) mod replies;
pub(in crate::qi) mod requester;
pub(in crate::qi) mod waiting;

#[cfg(test)]
mod tests;

pub(in crate::qi) use connection::CALL_TIMEOUT;
pub use connection::Connection;
pub use error::{CallError, Result};
pub use received::{AtEnd, Received, RemoteObject};
pub use replies::Counts;
