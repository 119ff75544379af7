//! QiMessaging, the object bus of libqi, on the engine of the rest (qi-messaging.md).
//!
//! ```text
//!   codec (this directory, value, convert, meta) ◀── endpoint ◀── calls ◀── client, server ◀── bus
//!                                                              workers ◀──┘
//! ```
//!
//! The codec is pure: no I/O, no thread, no clock, and no panic on anything that a peer controls.

pub(crate) mod actions;
pub mod address;
pub mod bus;
pub(crate) mod calls;
pub(crate) mod capability;
pub mod client;
pub mod convert;
pub(crate) mod directory;
pub(crate) mod endpoint;
pub mod json;
pub(crate) mod machine;
pub(crate) mod message;
pub mod meta;
pub(crate) mod payload;
pub mod server;
pub(crate) mod share;
pub mod signature;
pub mod typed;
pub mod value;
pub(crate) mod workers;

#[cfg(test)]
mod tests;
