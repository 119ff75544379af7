//! Calls: their options, and one that is under way (qi-messaging.md 14 and 16).

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::core::Error;
use crate::qi::calls::requester::{Outcome, Reply, Requester};
use crate::qi::calls::waiting::Slot;
use crate::qi::calls::{CallError, Connection, Received, Result};
use crate::qi::convert::convert;
use crate::qi::endpoint::WhenFull;
use crate::qi::message::Header;
use crate::qi::payload::PayloadError;
use crate::qi::signature::Signature;
use crate::qi::value::Uid;
use crate::qi::workers::own_turn::is_in_turn_of;
use crate::reactor::{deadline_in, time_left};

/// How a call is made.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// How long to wait for the answer. `None` (the default): as long as the proxy says, by default 5 minutes
    /// ([`SessionOptions::call_timeout`](super::SessionOptions::call_timeout)). When the time is
    /// over the peer is asked to cancel, if it can, and the call fails with [`CallError::TimedOut`].
    pub timeout: Option<Duration>,
    /// The type that the result is wanted in: the server is asked to convert if it can, and what it does not is converted
    /// here.
    pub wanted: Option<Signature>,
    /// If the connection takes no more now, the call fails with `EAGAIN` and has not been sent; else it waits for room. For threads
    /// that may not wait.
    pub at_once: bool,
}

impl CallOptions {
    /// What to do about a full connection.
    pub(super) fn when_full(&self, deadline: Option<Instant>) -> WhenFull {
        if self.at_once { WhenFull::Fail } else { WhenFull::Block(time_left(deadline)) }
    }

    /// With this time limit.
    pub fn within(timeout: Duration) -> CallOptions {
        CallOptions { timeout: Some(timeout), ..CallOptions::default() }
    }
}

/// What a Reply consists of, and what the caller wants.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub member: String,
    pub declared: Signature,
    pub wanted: Option<Signature>,
}

impl Expected {
    /// The result in a Reply.
    pub fn read(&self, connection: &Arc<Connection>, reply: Reply) -> Result<Received> {
        let failed = |error: PayloadError| {
            let member = format!("result of {}", self.member);
            CallError::Payload { member, error: Box::new(error) }
        };
        let value = connection.result(reply, &self.declared).map_err(failed)?;
        let received = Received::adopt(connection, value);
        match &self.wanted {
            Some(wanted) if received.value().signature() != *wanted => {
                let value = convert(received.value().clone(), wanted).map_err(|error| failed(error.into()))?;
                Ok(Received::adopt(connection, value))
            }
            _ => Ok(received),
        }
    }
}

/// A call under way. Any number of threads may wait for it; one of them gets the answer, and the others, as whoever asks
/// later, [`CallError::Canceled`]. Dropping it leaves the call running; its answer is swallowed when it comes.
#[must_use]
pub struct PendingCall {
    pub(super) connection: Arc<Connection>,
    pub(super) call: Header,
    pub(super) slot: Arc<Slot<Outcome>>,
    pub(super) expected: Expected,
    pub(super) deadline: Option<Instant>,
    /// Whose turn it is done in, as far as that is known.
    pub(super) turn: Option<Uid>,
}

impl PendingCall {
    /// The call's message id on its connection.
    pub fn id(&self) -> u32 {
        self.call.id
    }

    /// The call has ended: waiting for it would not wait.
    pub fn is_done(&self) -> bool {
        self.slot.is_full()
    }

    /// Waits for the answer, until the deadline of the call; then the peer is asked to cancel and the call is given up.
    /// Fails with [`CallError::Remote`], [`CallError::Canceled`], [`CallError::Disconnected`],
    /// [`CallError::TimedOut`], [`CallError::Payload`] if the result is not what was declared, or [`CallError::NoRoom`] if it came while nobody
    /// waited for it and too many others were there; with [`CallError::OwnTurn`] in a
    /// method of the object that is asked, if that does one thing at a time: it would never begin.
    pub fn wait(self) -> Result<Received> {
        if self.is_for_own_turn() {
            self.cancel();
            return Err(CallError::OwnTurn);
        }
        // Only the deadline ends the wait, and that is an outcome.
        self.wait_until(None).unwrap_or(Err(CallError::TimedOut))
    }

    /// Waits for at most `timeout`. `None`: not yet, and the call goes on, also after [`CallError::OwnTurn`]. Otherwise as
    /// [`PendingCall::wait`].
    pub fn wait_for(&self, timeout: Duration) -> Option<Result<Received>> {
        if !timeout.is_zero() && self.is_for_own_turn() {
            return Some(Err(CallError::OwnTurn));
        }
        self.wait_until(deadline_in(Some(timeout)))
    }

    /// Asks the peer to end the call, if it knows how to, and returns at once. The call still has its one answer: wait for
    /// it. That is [`CallError::Canceled`], or the result if it was too late.
    pub fn cancel(&self) {
        self.connection.cancel(&self.call);
    }

    /// Asks the peer to end the call and does not wait for what it says.
    pub fn abandon(self) {
        self.connection.cancel(&self.call);
    }

    /// Ends the call here, and not at the peer: who waits for it gets [`CallError::Canceled`].
    pub fn forget(&self) {
        if !self.connection.give_up(self.call.id) {
            // It has been answered, and nobody wanted the answer: objects in it are released.
            if let Some(Ok(reply)) = self.slot.take() {
                drop(self.expected.read(&self.connection, reply));
            }
        }
        self.slot.fill(Some(self.connection.reactor()), Err(CallError::Canceled));
    }

    /// Who waits for it here waits for ever: the object does it when it is done with what the thread is doing.
    fn is_for_own_turn(&self) -> bool {
        self.turn.is_some_and(|uid| is_in_turn_of(&uid)) && !self.slot.is_full()
    }

    /// `None`: not by then.
    fn wait_until(&self, time: Option<Instant>) -> Option<Result<Received>> {
        let first = time.into_iter().chain(self.deadline).min();
        let outcome = match self.slot.wait(self.connection.reactor(), Some(self.connection.endpoint()), first) {
            Ok(outcome) => outcome,
            Err(Error::TIMED_OUT) if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                self.connection.cancel(&self.call);
                self.forget();
                return Some(Err(CallError::TimedOut));
            }
            Err(Error::TIMED_OUT) => return None,
            Err(error) => return Some(Err(error.into())),
        };
        // There is no other answer for who else waits.
        self.slot.fill(Some(self.connection.reactor()), Err(CallError::Canceled));
        Some(outcome.and_then(|reply| self.expected.read(&self.connection, reply)))
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        self.forget();
    }
}

impl fmt::Debug for PendingCall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PendingCall({}, {})", self.call.id, self.expected.member)
    }
}

/// Cancels a call whose end a function is told ([`super::Proxy::call_then`]). Keeps neither the call nor its connection.
#[derive(Clone)]
pub struct Canceler {
    requester: Weak<Requester>,
    call: Header,
}

impl Canceler {
    pub(super) fn new(connection: &Arc<Connection>, call: Header) -> Canceler {
        Canceler { requester: Arc::downgrade(connection.requester()), call }
    }

    /// As [`PendingCall::cancel`]: the function is still told, once.
    pub fn cancel(&self) {
        if let Some(requester) = self.requester.upgrade() {
            requester.cancel(&self.call);
        }
    }
}

impl fmt::Debug for Canceler {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Canceler({})", self.call.id)
    }
}
