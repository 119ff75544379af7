//! One turn of the poll.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::sys::cancel::Uncancelled;

use super::leadership::{Leadership, Tenure, Wake};
use super::parker::Parker;
use super::pending_events::{Busy, PendingEvent};
use super::poll::{BELL, Room, ready, room};
use super::{ByIdentity, Reactor, time_left};

/// Longest sleep in the poll. Nobody is told when a program closes the poll under us, but the next poll fails.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// How a turn of the poll waits for something to do.
pub(super) enum Sleep<'a> {
    Not,
    /// A caller, who is to hear of signal handlers, for at most so long. It has said to be in the poll ([`Parker::begin_poll`]).
    Caller(&'a Parker, Option<Duration>, Tenure),
    /// The I/O thread, on which none runs.
    Io(&'a Parker),
}

impl Reactor {
    /// Fetches what there is, tells it, and lets due timers expire. `tenure`: of whom holds the lead; anybody may, once, without.
    /// `busy`: only the I/O thread may put events off, for it looks again. Who sleeps is told what comes after the sleep without
    /// the poll's bell: it is mostly the sleeper itself that dispatches its own notice. `Interrupted`: a signal handler ran.
    pub(super) fn poll_once(&self, sleep: Sleep<'_>, tenure: Option<Tenure>, busy: Busy) -> io::Result<()> {
        let next = self.timers.next();
        let until_timer = time_left(next);
        if self.has_failed() {
            // Its number may be another poll's by now.
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.tell_pending(busy);
        let (mut outcome, timeout) = match sleep {
            Sleep::Not => (Ok(()), Duration::ZERO),
            Sleep::Io(_) => (Ok(()), until_timer.unwrap_or(LONGEST).min(LONGEST)),
            Sleep::Caller(me, limit, tenure) => {
                let limit = limit.into_iter().chain(until_timer).fold(LONGEST, Duration::min);
                let outcome = self.poll.sleep(limit, tenure.seat);
                me.end_poll();
                (outcome, Duration::ZERO)
            }
        };
        let counted = tenure.filter(|_| !matches!(sleep, Sleep::Io(_)));
        if outcome.is_ok() && self.begin_step(counted) {
            outcome = self.tell_events(&mut room(), timeout, &sleep, busy).map(|rung| {
                if rung && tenure.is_none_or(|tenure| self.leadership.is_over(tenure)) {
                    // It was meant for somebody else, who may still be asleep.
                    self.wake_poll();
                }
            });
            self.end_step(counted);
        }
        if matches!(&outcome, Err(error) if error.kind() != io::ErrorKind::Interrupted) {
            self.failed.store(true, Ordering::Relaxed);
        }
        if next.is_some() {
            self.expire(Instant::now());
        }
        outcome
    }

    /// Was the bell rung?
    fn tell_events(&self, room: &mut Room, timeout: Duration, sleep: &Sleep<'_>, busy: Busy) -> io::Result<bool> {
        let mut rung = false;
        let events = self.poll.fetch(room, timeout);
        if let Sleep::Io(me) = sleep {
            me.end_poll();
        }
        let events = events?;
        // Whom they concern may accept, connect and close.
        let _uncancelled = (!events.is_empty()).then(Uncancelled::hold);
        for event in events {
            let token = event.data.u64();
            rung |= token == BELL;
            if let Some((source, key)) = self.sources.find(token) {
                self.pending.tell(PendingEvent { source, key, ready: ready(event), put_off: 0 }, busy);
            }
        }
        Ok(rung)
    }

    fn tell_pending(&self, busy: Busy) {
        if self.is_deferring() {
            let _uncancelled = Uncancelled::hold();
            self.pending.tell_all(busy);
        }
    }

    /// A tenure begins to fetch and tell events. False: it is over, and what comes is its successor's.
    pub(super) fn begin_step(&self, tenure: Option<Tenure>) -> bool {
        let Some(tenure) = tenure else { return true };
        if self.leadership.is_over(tenure) {
            return false;
        }
        // The watcher says that it sleeps, and then looks at the progress; here it is the other way round. One sees the other.
        self.progress.store((self.progress.load(Ordering::Relaxed) | 1) + 2, Ordering::SeqCst);
        if self.io_watches.load(Ordering::SeqCst) && !self.io_alarmed.swap(true, Ordering::Relaxed) {
            // What is fetched now wakes it no more.
            self.rung(self.poll.wake_watcher());
        }
        true
    }

    pub(super) fn end_step(&self, tenure: Option<Tenure>) {
        // What a tenure does that is over says nothing of its successor.
        if tenure.is_some_and(|tenure| !self.leadership.is_over(tenure)) {
            self.progress.store((self.progress.load(Ordering::Relaxed) | 1) + 1, Ordering::SeqCst);
        }
    }

    /// One turn without sleeping, if nobody else is polling.
    pub(super) fn look(&self, busy: Busy, give_back: impl FnOnce(&Leadership<ByIdentity>, Tenure) -> Wake<ByIdentity>) {
        if !self.has_failed()
            && let Some(tenure) = self.leadership.try_acquire()
        {
            // What does not sleep cannot be interrupted.
            let _ = self.poll_once(Sleep::Not, Some(tenure), busy);
            self.carry_out(give_back(&self.leadership, tenure));
        }
    }
}
