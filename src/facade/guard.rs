//! The lock of a socket. Who holds it may do with the socket's state what it likes; who is done calls [`SocketGuard::finish`],
//! which settles the pipes that changed, brings the notification descriptors up to date, decides who is to be woken, lets go of
//! the lock, and only then does what was left to be done: waking, telling peers, writing.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::core::{Arrivals, ContextId, Readiness};
use crate::reactor::{Request, StreamToFlush};
use crate::sys::lock::WordGuard;
use crate::sys::place::{Place, Signpost};

use super::key::Key;
use super::logging;
use super::pipes::Entry;
use super::runtime::Runtime;
use super::state::SocketState;
use super::work::{Job, Work};

/// Where the state of a socket is, behind its lock. It may outlive the socket, and be another one's then.
pub type StatePlace = Place<SocketState>;

/// Where to find the state of a socket that is not held.
pub type StateSignpost = Signpost<SocketState>;

/// A socket's state and its lock.
pub struct StateLock {
    place: Arc<StatePlace>,
    runtime: Arc<Runtime>,
}

/// The state, while the lock is held.
pub struct SocketGuard<'l> {
    lock_of_state: &'l StateLock,
    /// `None` when it is finished.
    state: Option<WordGuard<'l, Option<SocketState>>>,
}

/// Sends bytes in the midst of a stream, if nothing comes of it but that they travel with others. Otherwise nothing is done. (As
/// [`EngineSocket::send_bytes`](super::EngineSocket::send_bytes) does, for who does not hold the socket.)
#[inline(always)]
pub fn append(to: &StateSignpost, body: &[u8]) -> bool {
    let Some(mut place) = to.follow() else { return false };
    let Some(state) = &mut *place else { return false };
    if !state.append(body) {
        let_go(place);
        return false;
    }
    if !state.pipes.work.is_empty() {
        tell_peers(place);
    }
    true
}

/// The same of a message that is received.
#[inline(always)]
pub fn take_bytes(from: &StateSignpost, room: &mut [u8]) -> Option<usize> {
    let mut place = from.follow()?;
    let state = place.as_mut()?;
    let Some(len) = state.take_bytes(room) else {
        let_go(place);
        return None;
    };
    if !state.pipes.work.is_empty() {
        tell_peers(place);
    }
    Some(len)
}

/// Nothing was done. (By itself, so that letting go of the lock is written out once in each call, where something was.)
#[cold]
#[inline(never)]
fn let_go(place: WordGuard<'_, Option<SocketState>>) {
    drop(place);
}

/// All that may have come of it: an inproc peer must know.
#[cold]
#[inline(never)]
fn tell_peers(mut place: WordGuard<'_, Option<SocketState>>) {
    let work = place.as_mut().map(|state| std::mem::take(&mut state.pipes.work)).unwrap_or_default();
    drop(place);
    for job in work {
        if let Job::Tell(peer, ready) = job {
            peer.source.ready(peer.key, ready);
        }
    }
}

impl StateLock {
    /// In a place that is free.
    pub fn new(state: SocketState, place: Arc<StatePlace>) -> StateLock {
        let runtime = Arc::clone(&state.runtime);
        *place.lock() = Some(state);
        StateLock { runtime, place }
    }

    #[inline]
    pub fn lock(&self) -> SocketGuard<'_> {
        SocketGuard { lock_of_state: self, state: Some(self.place.lock()) }
    }

    pub fn is_locked(&self) -> bool {
        self.place.try_lock().is_none()
    }

    pub fn place(&self) -> &Arc<StatePlace> {
        &self.place
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
    fn follow_up(&self, mut place: WordGuard<'_, Option<SocketState>>) {
        let Some(state) = &mut *place else { return };
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
            drop(place);
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

    #[inline(always)]
    fn leave(&mut self) {
        if let Some(place) = self.state.take()
            && place.as_ref().is_some_and(SocketState::has_followers)
        {
            self.lock_of_state.follow_up(place);
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
        self.state.as_deref().and_then(Option::as_ref).expect("the lock is held until the guard is finished")
    }
}

impl DerefMut for SocketGuard<'_> {
    fn deref_mut(&mut self) -> &mut SocketState {
        #[expect(clippy::expect_used, reason = "the lock is given up only by who gives up the guard")]
        self.state.as_deref_mut().and_then(Option::as_mut).expect("the lock is held until the guard is finished")
    }
}

/// The place is free for another socket.
impl Drop for StateLock {
    fn drop(&mut self) {
        let state = self.place.lock().take();
        drop(state);
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
