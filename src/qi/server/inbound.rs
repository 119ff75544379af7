//! One call of a peer's from its arrival to its answer (qi-messaging.md 16).

use std::fmt;
use std::sync::Arc;

use crate::qi::endpoint::budget::Tab;
use crate::qi::endpoint::contained;
use crate::qi::message::Header;
use crate::qi::value::Memory;
use crate::sys::sync::Mutex;

use super::model::{InboundCall, InboundState, Object, Peer, Phase};

impl fmt::Debug for InboundCall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "InboundCall({})", self.header.id)
    }
}

/// What a Cancel found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was waiting, and is not to be run; the canceller answers.
    Queued,
    /// Its method has been told; it answers.
    Running,
    Done,
}

impl InboundCall {
    /// One whose message costs so many bytes until it has its answer. `None`: there is no room for it now.
    pub fn new(
        (peer, object): (&Arc<Peer>, &Object),
        header: Header,
        post: bool,
        bytes: usize,
    ) -> Option<Arc<InboundCall>> {
        let memory = Arc::new(Tab::open(&peer.account, bytes)?);
        let state = InboundState { phase: Phase::Queued, canceled: false, notice: None };
        let (peer, object, state) = (Arc::clone(peer), object.clone(), Mutex::new(state));
        Some(Arc::new(InboundCall { peer, object, header, post, memory, state }))
    }

    /// What pays for its arguments.
    pub fn memory(&self) -> Arc<dyn Memory> {
        Arc::clone(&self.memory) as _
    }

    /// Nobody has begun with it, and it is wanted.
    pub fn is_queued(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Queued)
    }

    /// A worker begins. False: it was cancelled.
    pub fn start(&self) -> bool {
        let mut state = self.state.lock();
        let queued = matches!(state.phase, Phase::Queued);
        if queued {
            state.phase = Phase::Running;
        }
        queued
    }

    /// The right to answer; only the first gets it.
    pub fn claim(&self) -> bool {
        let notice = {
            let mut state = self.state.lock();
            if matches!(state.phase, Phase::Done) {
                return false;
            }
            state.phase = Phase::Done;
            state.notice.take()
        };
        if self.memory.was_looked_into() {
            self.object.has_looked_into(self.header.action);
        }
        self.memory.close();
        drop(notice);
        self.peer.forget(self);
        true
    }

    /// The caller does not want it any more.
    pub fn cancel(&self) -> Found {
        let (found, notice) = {
            let mut state = self.state.lock();
            state.canceled = true;
            match state.phase {
                Phase::Queued => {
                    state.phase = Phase::Done;
                    // It may be in the midst of being read.
                    self.memory.refuse();
                    (Found::Queued, None)
                }
                Phase::Running => (Found::Running, state.notice.take()),
                Phase::Done => (Found::Done, None),
            }
        };
        if let Some(notice) = notice {
            contained(notice);
        }
        found
    }

    /// The connection has ended: a call that waits is still made, for what it does; one that runs is told.
    pub fn disconnect(&self) -> Found {
        let (found, notice) = {
            let mut state = self.state.lock();
            state.canceled = true;
            let found = match state.phase {
                Phase::Queued => Found::Queued,
                Phase::Running => Found::Running,
                Phase::Done => Found::Done,
            };
            (found, state.notice.take())
        };
        if let Some(notice) = notice {
            contained(notice);
        }
        found
    }

    pub fn is_canceled(&self) -> bool {
        self.state.lock().canceled
    }

    pub fn on_cancel(&self, notice: Box<dyn FnOnce() + Send>) {
        let mut state = self.state.lock();
        if state.canceled {
            drop(state);
            contained(notice);
            return;
        }
        if matches!(state.phase, Phase::Done) {
            // Nobody would take it out, nor call it.
            drop(state);
            return;
        }
        let old = state.notice.replace(notice);
        drop(state);
        drop(old);
    }
}
