//! The I/O thread watches whoever holds the lead, and takes over from who is held up.
//!
//! A caller in the poll may run a signal handler, be stopped by a debugger, or be of a low priority beside somebody busy. Meanwhile
//! nobody would be served. So the I/O thread sleeps on the same poll, without fetching anything: when something comes, both wake, and it
//! looks a moment later whether the caller has moved. (If the caller is the quicker one, it tells the I/O thread to look.) As long as nothing comes, nobody wakes; while much comes, the I/O thread does
//! once in a moment.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::sys::eventfd::Bell;

use super::leadership::{Moment, Tenure};
use super::poll::Seen;
use super::turn::LONGEST;
use super::{Reactor, time_left};

/// Who has not moved for so long is held up.
const GRACE: Duration = Duration::from_millis(4);

/// How far things are: the lead, and who holds it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PollerProgress {
    moment: Moment,
    steps: u64,
}

impl PollerProgress {
    /// Events were fetched and not all of them told.
    fn is_under_way(self) -> bool {
        !self.steps.is_multiple_of(2)
    }
}

impl Reactor {
    /// Sleeps while somebody else has the lead. Gives it if that one was held up; otherwise the I/O thread has been told, or
    /// there is another reason to ask anew what to do.
    pub(super) fn watch_holder(&self) -> Option<Tenure> {
        while !self.is_stopping() && !self.has_failed() && !self.has_requests() && self.sleeps_until_events() {
            let mut before = self.now();
            loop {
                self.io.park(Some(GRACE));
                if self.io.take_notice() || self.is_stopping() || self.has_failed() || self.has_requests() {
                    return None;
                }
                self.expire_late();
                let now = self.now();
                if now == before && (now.is_under_way() || self.poll.has_events()) {
                    return self.take_over(now);
                }
                if !now.is_under_way() {
                    break;
                }
                before = now;
            }
        }
        None
    }

    /// False: the I/O thread was told something.
    fn sleeps_until_events(&self) -> bool {
        loop {
            self.io_alarmed.store(false, Ordering::Relaxed);
            self.io_watches.store(true, Ordering::SeqCst);
            let seen = match self.now().is_under_way() {
                true => Seen::Something,
                false if self.io.begin_poll() => {
                    let seen = self
                        .poll
                        .watch(time_left(self.timers.next().map(|at| at + GRACE)).unwrap_or(LONGEST).min(LONGEST));
                    self.io.end_poll();
                    seen
                }
                false => Seen::Nothing,
            };
            self.io_watches.store(false, Ordering::Relaxed);
            if self.io.take_notice() {
                return false;
            }
            if seen == Seen::Something {
                return true;
            }
            self.expire_late();
        }
    }

    /// Timers are the business of who polls; those that have been due for long are not.
    fn expire_late(&self) {
        if let Some(late) = Instant::now().checked_sub(GRACE) {
            self.expire(late, || false);
        }
    }

    fn now(&self) -> PollerProgress {
        PollerProgress { moment: self.leadership.moment(), steps: self.progress.load(Ordering::SeqCst) }
    }

    fn take_over(&self, held_up: PollerProgress) -> Option<Tenure> {
        // Without a descriptor to be had it is tried again later.
        let seat = Bell::new().ok()?;
        let tenure = self.leadership.take_over(held_up.moment, seat.fd())?;
        {
            let mut seats = self.seats.lock();
            match held_up.moment.holder {
                Some(holder) => {
                    seats.iter().filter(|bell| bell.fd() == holder.seat).for_each(|bell| self.rung(bell.ring()));
                }
                None => seats.retain(|bell| bell.fd() != held_up.moment.seat),
            }
            seats.push(seat);
        }
        if held_up.is_under_way() {
            // What was fetched and will be told late, or never, is reported once more.
            self.progress.store(held_up.steps + 1, Ordering::Relaxed);
            self.sources.watch_anew(&self.poll);
        }
        Some(tenure)
    }
}
