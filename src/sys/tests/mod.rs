//! Of what a model checker compiles as well (`tests/loom.rs`), which knows no threads but its own.

mod spsc;
