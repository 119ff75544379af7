//! Callers that wait, and poll meanwhile for everybody.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::sys::futex::Slept;

use super::begun;
use super::leadership::{Leadership, Tenure};
use super::parker::Parker;
use super::pending_events::Busy;
use super::spin::{is_crowded, spin};
use super::turn::Sleep;
use super::{ByIdentity, Reactor, time_left};

/// What a caller does while it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitMode {
    /// It polls, if nobody else does.
    pub polls: bool,
    /// It looks a few times before it sleeps, if that has been worth it lately (`spin.rs`).
    pub spins: bool,
}

impl WaitMode {
    /// Of a caller whose answer comes through the poll.
    pub const POLLING: WaitMode = WaitMode { polls: true, spins: true };
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// There may be news: look.
    Noticed,
    TimedOut,
    /// A signal handler ran.
    Interrupted,
    /// Nothing will ever come: the program has closed the poll under us.
    Failed,
}

impl Reactor {
    /// For who waits without sleeping here, as tasks do: writes what this thread's streams have left.
    pub(crate) fn flush_begun(&self) {
        begun::flush_mine();
    }

    /// Sleeps until the calling thread's parker is notified.
    pub(crate) fn wait(&self, me: &Arc<Parker>, deadline: Option<Instant>, mode: WaitMode) -> Waited {
        begun::flush_mine();
        let WaitMode { polls, spins } = mode;
        let me = ByIdentity(Arc::clone(me));
        let waited = loop {
            if me.0.take_notice() {
                break Waited::Noticed;
            }
            if polls && self.has_failed() {
                break Waited::Failed;
            }
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                break self.out_of_time(&me.0, polls);
            }
            if polls && let Some(tenure) = self.leadership.acquire(&me) {
                let spins = spins && !is_crowded(self.leadership.queued());
                let waited = self.poll_until_noticed(&me.0, deadline, spins, tenure);
                self.carry_out(self.leadership.release(tenure));
                match waited {
                    Some(waited) => return waited,
                    None => continue,
                }
            }
            // Who is queued leaves the core to those it waits for.
            if spins && !polls && spin(|| me.0.has_notice()) {
                continue;
            }
            match me.0.park(left) {
                Slept::Interrupted => break Waited::Interrupted,
                Slept::Woken | Slept::TimedOut => {}
            }
        };
        if polls {
            self.carry_out(self.leadership.leave(&me));
        }
        waited
    }

    /// A time limit does not win over what is there already: whoever has the poll may be held up.
    fn out_of_time(&self, me: &Parker, polls: bool) -> Waited {
        if polls {
            let _ = self.poll_once(Sleep::Not, None, Busy::Wait);
        }
        if me.take_notice() { Waited::Noticed } else { Waited::TimedOut }
    }

    /// `None`: its tenure is over.
    fn poll_until_noticed(
        &self,
        me: &Parker,
        deadline: Option<Instant>,
        spins: bool,
        tenure: Tenure,
    ) -> Option<Waited> {
        let look = || self.poll_once(Sleep::Not, Some(tenure), Busy::Wait).is_err() || me.has_notice();
        if spins && spin(look) && me.take_notice() {
            return Some(Waited::Noticed);
        }
        loop {
            if me.take_notice() {
                return Some(Waited::Noticed);
            }
            if self.leadership.is_over(tenure) {
                return None;
            }
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return Some(self.out_of_time(me, true));
            }
            if self.has_failed() {
                return Some(Waited::Failed);
            }
            if !me.begin_poll() {
                continue;
            }
            match self.poll_once(Sleep::Caller(me, left, tenure), Some(tenure), Busy::Wait) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Some(Waited::Interrupted),
                Err(_) => return Some(Waited::Failed),
            }
        }
    }

    /// Dispatches what is ready now, if nobody else is polling.
    pub(crate) fn poll_now(&self) {
        begun::flush_mine();
        self.look(Busy::Wait, Leadership::release);
    }
}
