//! Something has happened, look again: a counter to wait for, which also wakes who looks after the session.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::core::Result;
use crate::reactor::Reactor;
use crate::reactor::parker::Parker;
use crate::sys::sync::Mutex;

use super::strand::Strand;
use crate::qi::calls::waiting::wait_for;

/// Counts what happens and wakes who waits for it.
#[derive(Debug)]
pub struct ChangeCounter {
    reactor: Arc<Reactor>,
    state: Mutex<(u64, Vec<Arc<Parker>>)>,
    reconnector: OnceLock<Arc<Strand>>,
}

impl ChangeCounter {
    pub fn new(reactor: &Arc<Reactor>) -> ChangeCounter {
        ChangeCounter { reactor: Arc::clone(reactor), state: Mutex::new((0, Vec::new())), reconnector: OnceLock::new() }
    }

    /// Has this strand woken from now on, and now.
    pub(super) fn wake(&self, reconnector: Arc<Strand>) {
        self.reconnector.get_or_init(|| reconnector).wake();
    }

    /// It has happened.
    pub fn tell(&self) {
        let waiters = {
            let mut state = self.state.lock();
            state.0 += 1;
            std::mem::take(&mut state.1)
        };
        waiters.iter().for_each(|waiter| self.reactor.notify(waiter));
        if let Some(reconnector) = self.reconnector.get() {
            reconnector.wake();
        }
    }

    /// How often so far. To be asked before looking.
    pub fn count(&self) -> u64 {
        self.state.lock().0
    }

    /// Waits until it has happened more often than `seen`. `ETIMEDOUT`, `EDEADLK`.
    pub fn wait(&self, seen: u64, deadline: Option<Instant>) -> Result<()> {
        wait_for(&self.reactor, None, deadline, |me, stay| {
            let mut state = self.state.lock();
            state.1.retain(|other| !Arc::ptr_eq(other, me));
            if state.0 > seen {
                return Some(());
            }
            if stay {
                state.1.push(Arc::clone(me));
            }
            None
        })
    }
}
