//! Millrace: nanomsg's C library on a Rust engine. Start reading at `ARCHITECTURE.md`.
//!
//! `protocols.md 2.2` in a comment is section 2.2 of `docs/spec/protocols.md`, and so for the other files there.

#![deny(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod capi;
pub mod core;
pub mod facade;
pub mod protocol;
pub mod qi;
pub mod reactor;
mod sys;
pub mod transport;
