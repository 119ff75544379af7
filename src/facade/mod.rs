//! The safe Rust API: sessions, sockets, polling, devices.
//!
//! A socket is a monitor: all its state is behind one lock, and whoever holds it is the engine for that
//! socket. A call is a *visit* (`visit.rs`): it takes the lock, feeds the machine, lets go, and only then
//! does what must not be done under a lock: waking, telling peers, large writes.

mod close;
mod device;
mod dial;
mod endpoint;
mod key;
mod life;
mod listen;
mod monitor;
mod names;
mod pipes;
mod poll;
pub mod process;
mod report;
mod session;
mod snapshot;
mod socket;
mod source;
mod visit;
mod wait;
mod work;

pub use close::Farewell;
pub use device::{device, loopback};
pub use monitor::{Event, EventKind, Monitor};
pub use poll::{Probe, poll};
pub use session::Session;
pub use snapshot::metrics;
pub use socket::Socket;
pub use wait::Wait;

pub use crate::core::options::OptionValue;
