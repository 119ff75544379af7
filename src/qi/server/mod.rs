//! The server side of the bus: connections, services, objects (qi-messaging.md 9 to 17; qi-design-notes.md 5.3).
//!
//! ```text
//!   connection ──▶ router ──┬─▶ service 0: authentication                                 ┐
//!   (whoever polls)         ├─▶ generic actions of an object, Cancel, answers to us       ├ answered at once
//!                           └─▶ mailbox of the object ──▶ worker ──▶ method or property ──▶ Reply, exactly one
//!                                                                └──▶ signals ──▶ subscribers, on their connections
//! ```
//!
//! All of it but [`Server`] and `adapter.rs` is without I/O: a [`Connection`] is whatever can send.
//!
//! # Locks
//!
//! Everything has a small lock of its own, and code of others (methods, notices, listeners, what a dropped object does) is
//! called under none of them. Only these are held while others are taken:
//!
//! 1. `order` of an object while an event goes to its subscribers, for a turn, so that all see the same order. Under it are taken:
//!    values, subscriptions and exports, and those of a connection that sends an event, which never waits.
//! 2. `auth` of a connection while the authenticator decides. Only the reading thread takes it.
//! 3. The directory's own, while a change is made and told: as 1.
//! 4. `serving` of a server, while a connection that it has not dialled itself becomes one that it serves.
//! 5. `followed` of an object that is passed on, while a share in a registration is taken; `presence` while it is looked where the object is.

mod adapter;
mod apart;
mod audience;
mod auth;
mod builder;
mod call;
mod connection;
mod directory_object;
mod dispatch;
mod emission;
mod export;
mod forward;
mod function;
mod generic;
mod inbound;
mod late_answers;
mod listening;
mod mailbox;
mod model;
mod object;
mod passing;
mod peer;
mod presence;
mod property_value;
mod reading;
mod remote;
mod router;
mod serving;
mod signals;
mod statistics;
mod trace;
mod unused;

#[cfg(test)]
mod tests;

pub use crate::qi::calls::{CallError, Received};
pub use crate::qi::endpoint::{Budget, Config, Failure, Reason, TlsServer};
pub use crate::qi::machine::machine_id;
pub use auth::{Authenticator, Credentials, Extra, Verdict};
pub use builder::ObjectBuilder;
pub use connection::{Connection, Policy, SendError};
pub use function::{Function, IntoAnswer, WithCall};
pub use mailbox::Limits;
pub(in crate::qi) use model::Presence;
pub use model::{Answer, Call, Caller, Cancellation, Handler, Object, OnSet, OnSubscribers, Remote};
pub use object::{ObjectStatistics, WeakObject};
pub(in crate::qi) use passing::passing;
pub use remote::Done;
pub use serving::{Options, Server, ServerError, ServerStatistics};
pub use signals::{EmitError, Emitted};
