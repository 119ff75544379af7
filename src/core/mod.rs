//! The pure heart: messages, errors, options, statistics, and the contract between a socket, its
//! protocol and its pipes. Nothing here does I/O, reads a clock or knows a thread; time is an argument.

pub mod chunk;
pub mod contract;
pub mod error;
pub mod message;

pub use chunk::Chunk;
pub use contract::{Answer, Cmd, Events, Evt, Kind, PipeId, Protocol, Readiness};
pub use error::{Error, Result};
pub use message::{Body, Header, Message};
