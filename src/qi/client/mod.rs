//! The client: sessions, proxies, calls, subscriptions (qi-messaging.md 10 to 19, 23).
//!
//! ```text
//!   Session ── directory, services by name, one connection per process ──▶ Proxy
//!   Proxy ──── calls, properties, signals by name ──▶ Connection ──▶ EndPoint
//! ```
//!
//! | file | what |
//! |---|---|
//! | `session`, `directory`, `plan`, `machine` | from a name to a proxy |
//! | `keeper`, `retry` | reconnection |
//! | `provider` | services of our own on somebody else's bus |
//! | `shared` | the reactor, and the server of what clients pass, of a process |
//! | `proxy`, `call`, `typed` | what to do with it |
//! | `subscribe`, `origin`, `registering` | signals and properties |
//! | `received` | values with objects in them, which live as long as they are held |
//! | `connection`, `replies`, `alarm`, `dial`, `authentication`, `waiting` | one connection |
//!
//! Machines without I/O: `authentication`, `replies`, `alarm`, `retry`, `plan`, and `qi::registrations`, which a server on the same connection shares.

mod alarm;
mod authentication;
mod call;
mod connection;
mod dial;
mod directory;
mod error;
mod keeper;
mod news;
mod origin;
mod plan;
mod provider;
mod proxy;
mod received;
mod registering;
mod replies;
mod retry;
mod session;
mod shared;
mod subscribe;
mod typed;
mod waiting;

pub use crate::qi::machine::machine_ids;
pub use authentication::{Authenticator, Credentials};
pub use call::{CallOptions, Canceler, PendingCall};
pub use connection::Connection;
pub use dial::DialOptions;
pub use directory::{DIRECTORY, DIRECTORY_NAME, Directory};
pub use error::{ClientError, Result};
pub use provider::Provider;
pub use proxy::{Completion, Proxy};
pub(in crate::qi) use proxy::{Held, Place};
pub use received::{Objects, Received, RemoteObject};
pub use replies::Counts;
pub use retry::Backoff;
pub use session::{Session, SessionOptions};
pub use shared::shared_reactor;
pub use subscribe::{Event, SubscribeOptions, Subscription, Watch};
pub use typed::{FromValue, value_to};

#[cfg(test)]
mod tests;
