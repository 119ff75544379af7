//! What calls need of a connection. Machines above know no more of it, so tests need no socket.

use std::sync::Arc;

use crate::core::{Error, Result};
use crate::qi::endpoint::{Budget, EndPoint, Reason, WhenFull};
use crate::qi::message::Message;
use crate::reactor::Reactor;

/// One connection, as who makes calls sees it. All methods may be called from any thread.
pub trait Channel: Send + Sync {
    /// A message id for a Post or a Cancel of ours.
    fn next_id(&self) -> u32;

    /// A message id for a Call of ours, not given again until [`Channel::end_call`].
    fn begin_call(&self) -> u32 {
        self.next_id()
    }

    /// That Call is over.
    fn end_call(&self, _id: u32) {}

    /// Sends a message whole, after those sent before. `EAGAIN`, or what `full` makes of it; `ENOTCONN`.
    fn send(&self, message: &Message, full: WhenFull) -> Result<()>;

    /// Sends a small message that must get through: from a reserve, and if that is used up the connection ends.
    fn send_control(&self, message: &Message);

    fn is_open(&self) -> bool;

    /// Why it ended, if it has and that is known.
    fn end(&self) -> Option<Reason> {
        None
    }

    /// What answers that wait for their callers are counted in. Without, nowhere.
    fn budget(&self) -> Option<&Budget> {
        None
    }

    /// What keeps the time for it. Without, nobody is told that the time of a call is over: who waits looks at the clock.
    fn reactor(&self) -> Option<&Arc<Reactor>> {
        None
    }
}

impl Channel for EndPoint {
    fn next_id(&self) -> u32 {
        EndPoint::next_id(self)
    }

    fn begin_call(&self) -> u32 {
        EndPoint::begin_call(self)
    }

    fn end_call(&self, id: u32) {
        EndPoint::end_call(self, id);
    }

    fn send(&self, message: &Message, full: WhenFull) -> Result<()> {
        EndPoint::send(self, message, full).map(drop)
    }

    fn send_control(&self, message: &Message) {
        // If that fails the connection has ended, which releases everything.
        let _: std::result::Result<(), Error> = EndPoint::send_control(self, message);
    }

    fn is_open(&self) -> bool {
        EndPoint::is_open(self)
    }

    fn end(&self) -> Option<Reason> {
        EndPoint::end(self)
    }

    fn budget(&self) -> Option<&Budget> {
        Some(EndPoint::budget(self))
    }

    fn reactor(&self) -> Option<&Arc<Reactor>> {
        Some(EndPoint::reactor(self))
    }
}
