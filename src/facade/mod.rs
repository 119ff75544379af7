//! The safe Rust API: sessions, sockets, polling, devices.
//!
//! A socket is a monitor: all its state (`state.rs`) is behind one lock (`guard.rs`), and whoever holds it is the engine for that
//! socket. A call takes the lock, feeds the machine, finishes, which lets go of the lock and then does what must not be done under
//! it (waking, telling peers, large writes), and waits if it must (`transfer.rs`).
//!
//! The files stand in this order, each needing only those before it: key, logging, turning, loop_share, work, waiters, notify, monitor, inproc_registry, handshakes, runtime,
//! endpoints, pipes, peers, alarm, contexts · state, report · dial, listen, lifecycle (what happens under the lock) · guard · socket · close,
//! context, transfer, binding, inproc, events, poll, device, snapshot, description · session, process, futures, event_loop.

mod alarm;
mod binding;
mod close;
mod context;
mod contexts;
#[cfg(feature = "json")]
mod description;
mod device;
mod dial;
mod endpoints;
mod event_loop;
mod events;
mod futures;
mod guard;
mod handshakes;
mod inproc;
mod inproc_registry;
mod key;
mod lifecycle;
mod listen;
mod logging;
mod loop_share;
mod monitor;
mod notify;
mod peers;
mod pipes;
mod poll;
pub mod process;
mod report;
mod runtime;
mod session;
mod snapshot;
mod socket;
mod state;
mod transfer;
mod turning;
mod waiters;
mod work;

pub use close::Closing;
pub use context::Context;
pub use device::{device, loopback};
pub use event_loop::{EventLoop, LoopWait, Want};
pub use futures::{PeerSender, Place};
pub use guard::{StatePlace, StateSignpost, append, take_bytes};
pub use logging::{Level, Sink, set_logging};
pub use monitor::{Event, EventKind, Monitor};
pub use poll::{Probe, poll};
pub use session::Session;
pub use snapshot::metrics;
pub use socket::EngineSocket;
pub use transfer::Wait;

pub use crate::core::options::OptionValue;
pub use crate::sys::eventfd::SharedFd;
