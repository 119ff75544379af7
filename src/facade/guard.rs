//! The lock of a socket. Who holds it may do with the socket's state what it likes; who is done calls [`SocketGuard::finish`],
//! which settles the pipes that changed, brings the notification descriptors up to date, decides who is to be woken, lets go of
//! the lock, and only then does what was left to be done: waking, telling peers, writing.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::core::{Arrivals, ContextId, Readiness};
use crate::reactor::{Request, StreamToFlush};

use super::key::Key;
use super::logging;
use super::pipes::Entry;
use super::runtime::Runtime;
use super::state::SocketState;
use super::work::{Job, Work};

/// A socket's state and its lock.
pub struct StateLock {
    state: Mutex<SocketState>,
    runtime: Arc<Runtime>,
}

/// The state, while the lock is held.
pub struct SocketGuard<'l> {
    lock_of_state: &'l StateLock,
    /// `None` when it is finished.
    state: Option<MutexGuard<'l, SocketState>>,
}

impl StateLock {
    pub fn new(state: SocketState) -> StateLock {
        StateLock { runtime: Arc::clone(&state.runtime), state: Mutex::new(state) }
    }

    #[inline]
    pub fn lock(&self) -> SocketGuard<'_> {
        SocketGuard { lock_of_state: self, state: Some(self.state.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    pub fn is_locked(&self) -> bool {
        matches!(self.state.try_lock(), Err(TryLockError::WouldBlock))
    }

    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Writes what a pipe has pending, without holding the lock while writing. False if there was nothing.
    pub fn flush(&self, key: u64) -> bool {
        let Key::Pipe(id, generation) = Key::unpack(key) else { return false };
        let mut guard = self.lock();
        let started = guard.pipes.find(id, generation).and_then(Entry::start_flush);
        guard.finish();
        let Some((stream, mut batch)) = started else { return false };
        let outcome = batch.write(&*stream);
        let mut guard = self.lock();
        if guard.pipes.find(id, generation).is_some() {
            guard.flushed(id, batch, outcome);
        }
        guard.finish();
        true
    }

    /// Sees to all that follows from a use of the socket, and lets go of its lock.
    fn follow_up(&self, mut state: MutexGuard<'_, SocketState>) {
        if state.is_unsettled() {
            state.settle();
        }
        if !state.waiters.is_empty() || state.notify.is_wanted() {
            state.announce();
        }
        if !state.contexts.is_empty() {
            state.announce_contexts();
        }
        if !state.pipes.work.is_empty() {
            let work = std::mem::take(&mut state.pipes.work);
            drop(state);
            self.carry_out(work);
        }
    }

    /// Does, without any lock, what was left to be done. Not inlined: it comes to [`StateLock::follow_up`] again, on the caller's small stack.
    #[inline(never)]
    fn carry_out(&self, work: Work) {
        let reactor = &self.runtime.reactor;
        for job in work {
            match job {
                Job::Wake(parker) => reactor.notify(&parker),
                Job::WakeTask(waker) => waker.wake(),
                Job::Tell(peer, ready) => peer.source.ready(peer.key, ready),
                Job::Flush(key) => {
                    self.flush(key);
                }
                Job::FlushLater(source, key, counters) => {
                    reactor.request(Request::Flush(StreamToFlush { source, key, counters }));
                }
                Job::Prepare(news) => self.runtime.handshakes.go_on(news),
                Job::Log(level, line) => logging::log(level, &line),
            }
        }
    }
}

impl SocketGuard<'_> {
    /// Ends the use of the socket: whatever has come of it is done now, and this is where a call writes to the network.
    #[inline(always)]
    pub fn finish(self) {
        ManuallyDrop::new(self).leave();
    }

    /// Ends a use of the socket that has changed nothing which anybody waits for here; at most a peer is to be told of it.
    #[inline(always)]
    pub fn finish_unchanged(self) {
        debug_assert!(!self.is_unsettled(), "something follows from this");
        if self.pipes.work.is_empty() {
            ManuallyDrop::new(self).state = None;
        } else {
            self.finish();
        }
    }

    #[inline(always)]
    fn leave(&mut self) {
        if let Some(state) = self.state.take()
            && state.has_followers()
        {
            self.lock_of_state.follow_up(state);
        }
    }
}

/// Who forgets to finish loses nothing, but is told by debug builds.
impl Drop for SocketGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        debug_assert!(self.state.is_none() || std::thread::panicking(), "the socket's guard was not finished");
        self.leave();
    }
}

impl Deref for SocketGuard<'_> {
    type Target = SocketState;

    fn deref(&self) -> &SocketState {
        #[expect(clippy::expect_used, reason = "the lock is given up only by who gives up the guard")]
        self.state.as_deref().expect("the lock is held until the guard is finished")
    }
}

impl DerefMut for SocketGuard<'_> {
    fn deref_mut(&mut self) -> &mut SocketState {
        #[expect(clippy::expect_used, reason = "the lock is given up only by who gives up the guard")]
        self.state.as_deref_mut().expect("the lock is held until the guard is finished")
    }
}

impl SocketState {
    /// Does anything follow from the use of the socket that ends now? From most nothing does.
    #[inline]
    fn has_followers(&self) -> bool {
        self.is_unsettled()
            || !self.waiters.is_empty()
            || self.notify.is_wanted()
            || !self.contexts.is_empty()
            || !self.pipes.work.is_empty()
    }

    /// Brings descriptors and waiters up to date with what the protocol says now.
    fn announce(&mut self) {
        let ready = match self.is_open() {
            true => self.core.readiness(ContextId::SOCKET),
            false => Readiness { send: true, recv: true },
        };
        self.notify.set(ready);
        self.waiters.wake(ready, self.phase, &mut self.pipes.work);
    }

    /// The same for contexts that may have become ready.
    #[cold]
    fn announce_contexts(&mut self) {
        let SocketState { core, contexts, pipes, phase, .. } = self;
        for context in pipes.changed_contexts.drain(..) {
            if let Some(own) = contexts.get_mut(context).filter(|own| own.is_open) {
                own.announce(core.readiness(context), *phase, &mut pipes.work);
            }
        }
        if core.kind().contexts == Some(Arrivals::Shared) {
            contexts.for_each_watched(|context, own| {
                own.announce(core.readiness(context), *phase, &mut pipes.work);
            });
        }
    }
}

// Only debug builds tell.
#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use crate::facade::Session;
    use crate::protocol::pair::PAIR;

    #[test]
    #[should_panic(expected = "the socket's guard was not finished")]
    fn who_forgets_to_finish_is_told() {
        let session = Session::start().unwrap();
        let socket = session.socket(false, i32::from(PAIR.id), "").unwrap();
        drop(socket.lock());
    }
}
