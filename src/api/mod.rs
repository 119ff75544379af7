//! The Rust API: what `lib.rs` shows at the top of the crate. It adds types and manners to the facade, and no behaviour.
//!
//! Its order: protocol, message, session · socket, context, endpoint · options, tls, futures, poll, device, observe.

mod context;
mod device;
mod endpoint;
mod futures;
mod message;
mod observe;
mod options;
mod poll;
mod protocol;
mod session;
mod socket;
#[cfg(feature = "tls")]
mod tls;

pub use crate::core::options::OptionValue;
pub use crate::core::peer::{Peer, Process};
pub use crate::core::statistics::Statistics;
pub use crate::core::{Error, Result};
pub use crate::facade::{Event, EventKind, Monitor};
pub use context::Context;
pub use device::{device, loopback};
pub use endpoint::Endpoint;
pub use futures::{RecvFuture, SendFuture};
pub use message::Message;
pub use poll::{PollItem, poll};
pub use protocol::Protocol;
pub use session::Session;
pub use socket::Socket;
#[cfg(feature = "tls")]
pub use tls::ClientAuth;
