//! The consumer's side of a handler's queue: take, wait, poll, or have a descriptor for a loop of one's own.
//!
//! A thread that waits polls for everybody meanwhile, as a socket's caller does (`reactor/leadership.rs`).

use std::fmt;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::core::Result;
use crate::reactor::{Reactor, WaitMode, deadline_in};
use crate::sys::sync::Mutex;

use super::filter::Filter;
use super::handlers::{Closer, Target};
use super::ring::{Next, Ring, Wakes};
use super::{EndPoint, reentrancy};

/// The queue of one handler. Any number of threads may take from it; each message goes to one of them, in order of
/// arrival. It outlives its handler and its end point: what was queued can be taken, then comes [`Next::End`] every time.
pub struct Queue {
    ring: Arc<Ring>,
    reactor: Arc<Reactor>,
    endpoint: Weak<EndPoint>,
    /// It has a descriptor, so the I/O thread must serve it without being asked.
    keeps_polling: Mutex<bool>,
}

impl EndPoint {
    /// Makes a handler with a queue of `length` messages (at least 1) that are 64 MiB together (one of any size has room in an empty
    /// queue). It sees the messages that arrive from now on, in
    /// their order, and is offered each after the handlers made before. `closer` is called exactly once, when the handler
    /// has ended and under no lock; then the queue ends. The id is never used again.
    ///
    /// `ENOTCONN` when the connection has ended: the closer is dropped without being called.
    pub fn make_handler(
        &self,
        filter: impl Into<Filter>,
        length: usize,
        closer: Option<Closer>,
    ) -> Result<(u64, Queue)> {
        let ring = Arc::new(Ring::new(length, self.budget().account()));
        let id = self.add(filter.into(), Target::Queue(Arc::clone(&ring)), closer)?;
        Ok((id, Queue::new(ring, Arc::clone(&self.reactor), Weak::clone(&self.me))))
    }
}

impl Queue {
    pub(super) fn new(ring: Arc<Ring>, reactor: Arc<Reactor>, endpoint: Weak<EndPoint>) -> Queue {
        Queue { ring, reactor, endpoint, keeps_polling: Mutex::new(false) }
    }

    /// The next message or the end, if it is there.
    pub fn try_next(&self) -> Option<Next> {
        let mut wakes = Wakes::new();
        let next = self.ring.take(&mut wakes);
        wake_all(&self.reactor, wakes);
        next
    }

    /// The next message or the end; waits for it for at most `timeout` (`None`: for ever). `ETIMEDOUT`; `EINTR` when a
    /// signal handler ran; `EDEADLK` on the reading thread if it would have to wait.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Next> {
        if let Some(next) = self.try_next() {
            return Ok(next);
        }
        reentrancy::may_wait()?;
        self.flush();
        let deadline = deadline_in(timeout);
        self.reactor.wait_for(deadline, WaitMode::POLLING, |me, stay| {
            let mut wakes = Wakes::new();
            let next = self.ring.take_or_wait(me, stay, &mut wakes);
            wake_all(&self.reactor, wakes);
            next
        })
    }

    /// A descriptor that is readable exactly while [`Queue::try_next`] would find something, for `poll(2)` and its like. It
    /// is made at the first call, belongs to the queue, and must be neither read nor closed. `EMFILE`.
    pub fn descriptor(&self) -> Result<RawFd> {
        let (fd, is_new) = self.ring.descriptor()?;
        if is_new {
            *self.keeps_polling.lock() = true;
            self.reactor.keep_polling(true);
        }
        Ok(fd)
    }

    /// Messages that can be taken now.
    pub fn len(&self) -> usize {
        self.ring.counts().0
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages that were dropped because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.ring.counts().1
    }

    /// The caller is about to wait, perhaps for an answer to what it has just sent.
    fn flush(&self) {
        if let Some(endpoint) = self.endpoint.upgrade() {
            endpoint.flush();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if *self.keeps_polling.lock() {
            self.reactor.keep_polling(false);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ring.fmt(out)
    }
}

pub(super) fn wake_all(reactor: &Reactor, wakes: Wakes) {
    for parker in wakes {
        reactor.notify(&parker);
    }
}
