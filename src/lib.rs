//! Millrace: nanomsg's C library on a Rust engine. Start reading at `ARCHITECTURE.md`.

pub mod core;
pub mod protocol;
mod sys;
pub mod transport;
