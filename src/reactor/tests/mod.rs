//! Tests of single rules. They are files of their own because `tests/loom.rs` compiles the rules by themselves,
//! with locks that a model checker knows.

mod leadership;
mod parker;
mod pending_events;
pub mod source;
mod streams;
