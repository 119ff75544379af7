//! The native half of the Node.js package `millrace-nanomsg`: what JavaScript cannot say itself. What users see, and its
//! documentation, is in `lib` and `index.d.ts`.
//!
//! Nothing here waits: calls try once, and what must be waited for is a descriptor in Node's own event loop (`uv.rs`), or a task
//! from another thread (`hub.rs`).

mod buffers;
mod hub;
mod monitor;
mod peers;
mod polling;
mod qi;
mod sockets;
mod uv;
mod watching;
