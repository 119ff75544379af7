//! The pure heart: messages, errors, options, statistics, the socket without its I/O, and the contract
//! between a socket, its protocol and its pipes. Nothing here does I/O, reads a clock or knows a thread;
//! time is an argument.

pub mod backoff;
pub mod chunk;
pub mod contract;
pub mod dialling;
pub mod drops;
pub mod error;
pub mod lifecycle;
pub mod message;
pub mod options;
pub mod peer;
pub mod recycle;
pub mod socket;
pub mod statistics;
#[cfg(test)]
mod tests;
pub mod text;

pub use backoff::ReconnectBackoff;
pub use chunk::Chunk;
pub use contract::{Answer, Arrivals, Cmd, ContextId, Events, Evt, Kept, Kind, PipeId, Protocol, Readiness, Routes};
pub use drops::{DropReason, Drops};
pub use error::{Error, Result};
pub use message::{Body, Header, Message};
pub use peer::Peer;
pub use socket::SocketCore;
