//! Callers that wait, and poll meanwhile for everybody.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use crate::core::{Error, Result};
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
    /// A signal handler that runs ends the wait.
    pub interruptible: bool,
}

impl WaitMode {
    /// Of a caller whose answer comes through the poll.
    pub const POLLING: WaitMode = WaitMode { polls: true, spins: true, interruptible: true };
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

impl Waited {
    /// `None`: look again.
    pub fn error(self) -> Option<Error> {
        match self {
            Waited::Noticed => None,
            Waited::TimedOut => Some(Error::TIMED_OUT),
            Waited::Interrupted => Some(Error::INTERRUPTED),
            Waited::Failed => Some(Error::BAD_FD),
        }
    }
}

impl Reactor {
    /// For who waits without sleeping here, as tasks do: writes what this thread's streams have left.
    pub(crate) fn flush_begun(&self) {
        begun::flush_mine();
    }

    /// Looks, and waits until a look gives something. `look` takes the calling thread's parker out of where it is told; if it finds nothing
    /// and is to `stay`, it puts it there (anew), under the lock under which it has looked. `ETIMEDOUT`, `EINTR`, `EBADF`: and a last look gave
    /// nothing.
    pub(crate) fn wait_for<T>(
        &self,
        deadline: Option<Instant>,
        mode: WaitMode,
        mut look: impl FnMut(&Arc<Parker>, bool) -> Option<T>,
    ) -> Result<T> {
        let me = Parker::mine();
        me.take_notice();
        match look(&me, true) {
            Some(found) => Ok(found),
            None => self.wait_on(&me, deadline, mode, look),
        }
    }

    /// The same for who has looked already: the one loop of all callers that wait.
    pub(crate) fn wait_on<T>(
        &self,
        me: &Arc<Parker>,
        deadline: Option<Instant>,
        mode: WaitMode,
        mut look: impl FnMut(&Arc<Parker>, bool) -> Option<T>,
    ) -> Result<T> {
        loop {
            let ended = self.wait(me, deadline, mode).error();
            // Whatever notice came before this look is stale after it.
            me.take_notice();
            match (look(me, ended.is_none()), ended) {
                (Some(found), _) => return Ok(found),
                (None, Some(error)) => return Err(error),
                (None, None) => {}
            }
        }
    }

    /// Sleeps until the calling thread's parker is notified; polls meanwhile if it is to and can have the lead.
    pub(crate) fn wait(&self, me: &Arc<Parker>, deadline: Option<Instant>, mode: WaitMode) -> Waited {
        begun::flush_mine();
        let WaitMode { polls, spins, interruptible } = mode;
        let me = ByIdentity(Arc::clone(me));
        let mut lead: Option<Tenure> = None;
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
            let Some(tenure) = lead else {
                if polls && let Some(tenure) = self.leadership.acquire(&me) {
                    lead = Some(tenure);
                    if spins && !is_crowded(self.leadership.queued()) {
                        spin(|| self.poll_once(Sleep::Spin(&me.0), lead, Busy::Wait).is_err() || me.0.has_notice());
                    }
                    continue;
                }
                // Who is queued leaves the core to those it waits for.
                if spins && !polls && spin(|| me.0.has_notice()) {
                    continue;
                }
                match me.0.park(left) {
                    Slept::Interrupted if interruptible => break Waited::Interrupted,
                    Slept::Interrupted | Slept::Woken | Slept::TimedOut => continue,
                }
            };
            if self.leadership.is_over(tenure) {
                lead = None;
                self.carry_out(self.leadership.release(tenure));
                continue;
            }
            if !me.0.begin_poll() {
                continue;
            }
            match self.poll_once(Sleep::Caller(&me.0, left, tenure), lead, Busy::Wait) {
                Ok(()) => {}
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break Waited::Failed,
                Err(_) if interruptible => break Waited::Interrupted,
                Err(_) => {}
            }
        };
        match lead {
            Some(tenure) => self.carry_out(self.leadership.release(tenure)),
            None if polls => self.carry_out(self.leadership.leave(&me)),
            None => {}
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

    /// Dispatches what is ready now, if nobody else is polling.
    pub(crate) fn poll_now(&self) {
        begun::flush_mine();
        self.look(Busy::Wait, Leadership::release);
    }

    /// One turn for an event loop that has found the poll readable.
    pub(crate) fn look_for_loop(&self) {
        begun::flush_mine();
        if self.has_failed() {
            return;
        }
        let tenure = self.leadership.loop_comes();
        // What does not sleep cannot be interrupted.
        let _ = self.poll_once(Sleep::Not, tenure, Busy::Wait);
        if let Some(tenure) = tenure {
            self.carry_out(self.leadership.release(tenure));
        }
    }

    /// The same for one that would sleep now: looks for a short while until it has found what it looks for, if that has been worth it lately.
    pub(crate) fn spin_for_loop(&self, found: impl Fn() -> bool) {
        begun::flush_mine();
        if self.has_failed() || is_crowded(self.leadership.queued()) {
            return;
        }
        // Whoever has the lead fetches what comes.
        let Some(tenure) = self.leadership.loop_comes() else { return };
        spin(|| self.poll_once(Sleep::Not, Some(tenure), Busy::Wait).is_err() || found());
        self.carry_out(self.leadership.release(tenure));
    }

    /// The poll under a number of its own, for an event loop that sleeps on it. It is readable while there is something to fetch.
    pub(crate) fn poll_descriptor(&self) -> Result<OwnedFd> {
        if self.has_failed() {
            return Err(Error::BAD_FD);
        }
        Ok(self.poll.duplicate()?)
    }
}
