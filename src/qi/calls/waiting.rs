//! Waiting for what another thread, or this one while it polls, brings about.

use std::sync::Arc;
use std::time::Instant;

use crate::core::Result;
use crate::qi::endpoint::{EndPoint, may_wait};
use crate::reactor::parker::Parker;
use crate::reactor::{Reactor, WaitMode};
use crate::sys::sync::Mutex;

/// Waits until `look` gives something ([`Reactor::wait_for`]). With an end point, what was sent is flushed first, and this thread polls while
/// it waits: what it waits for is in a hurry. Without, the I/O thread does. `ETIMEDOUT`, `EBADF`; `EDEADLK` on the thread that reads a
/// connection. Signals do not end it.
pub fn wait_for<T>(
    reactor: &Reactor,
    endpoint: Option<&EndPoint>,
    deadline: Option<Instant>,
    mut look: impl FnMut(&Arc<Parker>, bool) -> Option<T>,
) -> Result<T> {
    if let Some(found) = look(&Parker::mine(), false) {
        return Ok(found);
    }
    may_wait()?;
    if let Some(endpoint) = endpoint {
        endpoint.flush();
    }
    let mode = WaitMode { polls: endpoint.is_some(), interruptible: false, ..WaitMode::POLLING };
    reactor.wait_for(deadline, mode, look)
}

/// A place for one thing that somebody waits for.
#[derive(Debug)]
pub struct Slot<T>(Mutex<AnswerState<T>>);

#[derive(Debug)]
struct AnswerState<T> {
    content: Option<T>,
    waiters: Vec<Arc<Parker>>,
    /// Somebody has waited for it, or is about to.
    is_awaited: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot(Mutex::new(AnswerState { content: None, waiters: Vec::new(), is_awaited: false }))
    }
}

impl<T> Slot<T> {
    /// One that is waited for as soon as what fills it has been asked for.
    pub fn awaited() -> Slot<T> {
        Slot(Mutex::new(AnswerState { content: None, waiters: Vec::new(), is_awaited: true }))
    }

    /// Fills it and wakes who waits, with the reactor of the connection. Only the first content counts.
    pub fn fill(&self, reactor: Option<&Reactor>, content: T) {
        drop(self.offer(reactor, content));
    }

    /// [`Slot::fill`]; gives back what is not the first content.
    pub fn offer(&self, reactor: Option<&Reactor>, content: T) -> Option<T> {
        let (refused, waiters) = {
            let mut state = self.0.lock();
            let refused = if state.content.is_none() { state.content.replace(content) } else { Some(content) };
            (refused, std::mem::take(&mut state.waiters))
        };
        for waiter in &waiters {
            match reactor {
                Some(reactor) => reactor.notify(waiter),
                None => drop(waiter.notify()),
            }
        }
        refused
    }

    pub fn is_full(&self) -> bool {
        self.0.lock().content.is_some()
    }

    /// Somebody waits for it, has waited, or is about to: it is taken as soon as it is filled.
    pub fn is_awaited(&self) -> bool {
        self.0.lock().is_awaited
    }

    pub fn take(&self) -> Option<T> {
        self.0.lock().content.take()
    }

    /// Takes what it is filled with; `None`: `me` will be notified when there is something.
    pub fn look(&self, me: &Arc<Parker>) -> Option<T> {
        self.take_or_wait(me, true)
    }

    /// Takes what it is filled with; see [`wait_for`].
    pub fn wait(&self, reactor: &Reactor, endpoint: Option<&EndPoint>, deadline: Option<Instant>) -> Result<T> {
        wait_for(reactor, endpoint, deadline, |me, stay| self.take_or_wait(me, stay))
    }

    fn take_or_wait(&self, me: &Arc<Parker>, stay: bool) -> Option<T> {
        let mut state = self.0.lock();
        state.waiters.retain(|other| !Arc::ptr_eq(other, me));
        let content = state.content.take();
        if content.is_none() && stay {
            state.is_awaited = true;
            state.waiters.push(Arc::clone(me));
        }
        content
    }
}
