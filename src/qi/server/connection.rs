//! What the server needs of a connection. The machines above know no more of it than this, so tests need no socket.

use std::sync::Arc;
use std::time::Duration;

use crate::qi::calls::requester::Requester;
use crate::qi::capability::Capabilities;
use crate::qi::endpoint::budget::Account;
use crate::qi::endpoint::{Budget, EndPoint};
use crate::qi::message::Message;

/// What to do with a message for which the peer leaves no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The answer to a Call: [`SendError::Full`] after at most this time, at once if it is zero or if the thread must
    /// not wait. `Full` means that nothing was sent.
    Answer(Duration),
    /// A small answer that must get through: from a reserve, and if that is used up the connection ends.
    Control,
    /// `Full` at once: dropped, and counted by whoever sends. Events in a row may be written together, a little later.
    Event {
        /// Whether it follows others closely.
        in_row: bool,
    },
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no room.
    Full,
    /// The connection has ended or is ending; or no connection could carry the message.
    Closed,
}

/// One connection. All methods may be called from any thread and none of them may call back into the server before it
/// returns, but for the end of the connection, which may be told from within [`Connection::send`] and
/// [`Connection::close`].
pub trait Connection: Send + Sync {
    /// Tells connections apart; never used again.
    fn id(&self) -> u64;

    /// A message id for an Event or Post of ours.
    fn next_id(&self) -> u32;

    /// Sends a message whole, after those sent before.
    fn send(&self, message: Message, policy: Policy) -> Result<(), SendError>;

    /// Writes what was accepted, then closes.
    fn close(&self);

    /// The peer's address, for people and authenticators.
    fn remote(&self) -> String;

    /// The address at which the peer has reached us, as the peer writes it: `tcp://127.0.0.1:9559`.
    fn local(&self) -> Option<String>;

    /// What is under it, if it is a connection of this kind.
    fn endpoint(&self) -> Option<Arc<EndPoint>> {
        None
    }

    /// Its share of what all of a server may keep in memory.
    fn account(&self) -> Arc<Account> {
        Budget::default().account()
    }

    /// The peer calls more than there is room for: it should be read a little more slowly.
    fn hold_back(&self) {}

    /// What makes calls of the peer's objects through it.
    fn requester(&self) -> Arc<Requester>;

    /// The peer is let in: limits of strangers are off. `shared` is what both sides have announced.
    fn authenticated(&self, shared: Capabilities);
}
