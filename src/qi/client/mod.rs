//! The client: sessions, proxies, calls, subscriptions (qi-messaging.md 10 to 19, 23).
//!
//! ```text
//!   Session ── directory, services by name, one connection per process ──▶ Proxy
//!   Proxy ──── calls, properties, signals by name ──▶ Connection ──▶ EndPoint
//! ```
//!
//! | file | what |
//! |---|---|
//! | `session`, `session_core`, `directory`, `endpoint_selection` | from a name to a proxy |
//! | `reconnector`, `retry`, `changes` | reconnection |
//! | `shared` | the reactor of a process |
//! | `proxy`, `state`, `place`, `call` | what to do with it |
//! | `subscribe`, `subscription_state`, `origin` | signals and properties |
//! | `notices` | what becomes of sessions and proxies |
//! | `watch` | what ends a callback of either |
//! | `strand` | the threads on which functions are told of all that |
//! | `dial`, `authentication` | from a URL to a connection |
//!
//! Machines without I/O: `authentication`, `retry`, `endpoint_selection`. What is needed of the connection itself, and shared with servers, is in
//! `qi::calls`; what needs a server, too (services of our own on somebody else's bus, objects in arguments), in `qi::bus`.

mod authentication;
mod call;
mod changes;
mod dial;
mod directory;
mod endpoint_selection;
mod notices;
mod origin;
mod place;
mod proxy;
mod reconnector;
mod retry;
mod session;
mod session_core;
mod shared;
mod state;
mod strand;
mod subscribe;
mod subscription_state;
mod watch;

pub use crate::qi::calls::{CallError, Connection, Counts, Received, RemoteObject, Result};
pub use crate::qi::capability::Capabilities;
pub use crate::qi::endpoint::{Budget, Config, Failure, Reason, TlsClient, WhenFull};
pub use crate::qi::machine::machine_ids;
pub use crate::qi::payload::PayloadError;
pub use crate::qi::typed::{FromValue, value_to};
pub use crate::reactor::Reactor;
pub use authentication::{Authenticator, Credentials};
pub use call::{CallOptions, Canceler, PendingCall};
pub use dial::DialOptions;
pub(in crate::qi) use directory::TakingBack;
pub use directory::{DIRECTORY, DIRECTORY_NAME, Directory};
pub use notices::Notice;
pub(in crate::qi) use place::Place;
pub use proxy::{Completion, Proxy};
pub use retry::Backoff;
pub use session::{GiveUp, Session, connect};
pub use session_core::SessionOptions;
pub(in crate::qi) use session_core::{ConnectionObserver, Link};
pub use shared::shared_reactor;
pub use subscribe::{SubscribeOptions, Subscription};
pub use subscription_state::{Event, Overflow};
pub use watch::Watch;

#[cfg(test)]
mod tests;
