//! A visit to a socket: the lock, and what happens on the way out.
//!
//! Leaving settles the pipes that changed, brings the notification descriptors up to date, decides who is to
//! be woken, lets go of the lock, and only then does the work that was left over.

use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use crate::core::Readiness;

use super::handshakes::News;
use super::socket::{Socket, State};
use super::work::{Job, Work};

pub struct Visit<'s> {
    socket: &'s Socket,
    /// `None` only while leaving.
    state: Option<MutexGuard<'s, State>>,
}

impl<'s> Visit<'s> {
    pub fn new(socket: &'s Socket, state: MutexGuard<'s, State>) -> Visit<'s> {
        Visit { socket, state: Some(state) }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else { return };
        if state.is_unsettled() {
            state.settle();
        }
        if !state.waiters.is_empty() || state.notify.is_wanted() {
            state.announce();
        }
        if !state.pipes.work.is_empty() {
            let work = std::mem::take(&mut state.pipes.work);
            drop(state);
            self.socket.carry_out(work);
        }
    }
}

impl Deref for Visit<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        #[expect(clippy::expect_used, reason = "the guard is taken out only when the visit is dropped")]
        self.state.as_deref().expect("the lock is held until the visit ends")
    }
}

impl DerefMut for Visit<'_> {
    fn deref_mut(&mut self) -> &mut State {
        #[expect(clippy::expect_used, reason = "the guard is taken out only when the visit is dropped")]
        self.state.as_deref_mut().expect("the lock is held until the visit ends")
    }
}

impl State {
    /// Brings descriptors and waiters up to date with what the protocol says now.
    fn announce(&mut self) {
        let ready = match self.is_open() {
            true => self.core.readiness(),
            false => Readiness { send: true, recv: true },
        };
        self.notify.set(ready);
        self.waiters.wake(ready, self.phase, &mut self.pipes.work);
    }
}

impl Socket {
    /// Does, without any lock, what a visit has left over.
    pub(super) fn carry_out(&self, work: Work) {
        let reactor = &self.session.reactor;
        for job in work {
            match job {
                Job::Wake(parker) => reactor.notify(&parker),
                Job::Tell(peer, ready) => peer.source.ready(peer.key, ready),
                Job::Flush(key) => {
                    self.flush_pipe(key);
                }
                Job::Watch(key, pulse) => self.have_watched(key, pulse),
                Job::Prepare(key, stream) => {
                    if let Some(source) = self.me.upgrade() {
                        self.session.handshakes.go_on(News { source, key, stream });
                    }
                }
            }
        }
    }
}
