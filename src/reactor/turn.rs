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

/// How long one turn lets timers expire, and goes on for others when its caller has what it waited for.
const TIME: Duration = Duration::from_millis(1);

/// How a turn of the poll waits for something to do.
pub(super) enum Sleep<'a> {
    Not,
    /// Not either, for a caller that looks again at once.
    Spin(&'a Parker),
    /// A caller, who is to hear of signal handlers, for at most so long. It has said to be in the poll ([`Parker::begin_poll`]).
    Caller(&'a Parker, Option<Duration>, Tenure),
    /// The I/O thread, on which none runs.
    Io(&'a Parker),
}

/// When a caller that polls for all may go. It has what it waited for, perhaps somebody's call to run, and others' connections may have
/// much to read: what it has fetched for them is told by who polls next.
pub(super) struct Relief<'a> {
    caller: Option<&'a Parker>,
    /// When it was first seen to have what it waited for.
    since: Option<Instant>,
}

impl Relief<'_> {
    fn of<'a>(sleep: &Sleep<'a>) -> Relief<'a> {
        let caller = match sleep {
            Sleep::Spin(me) | Sleep::Caller(me, ..) => Some(*me),
            Sleep::Not | Sleep::Io(_) => None,
        };
        Relief { caller, since: None }
    }

    fn is_due(&mut self) -> bool {
        self.caller.is_some_and(Parker::has_notice) && self.has_stayed(Instant::now())
    }

    fn has_stayed(&mut self, now: Instant) -> bool {
        now - *self.since.get_or_insert(now) >= TIME
    }
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
        let mut relief = Relief::of(&sleep);
        if !self.tell_pending(busy, &mut relief) {
            if let Sleep::Caller(me, ..) = sleep {
                me.end_poll();
            }
            return Ok(());
        }
        let (mut outcome, timeout) = match sleep {
            Sleep::Not | Sleep::Spin(_) => (Ok(()), Duration::ZERO),
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
            outcome = self.tell_events(&mut room(), timeout, &sleep, (busy, &mut relief)).map(|rung| {
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
            self.expire(Instant::now(), || relief.is_due());
        }
        outcome
    }

    /// Was the bell rung?
    fn tell_events(
        &self,
        room: &mut Room,
        timeout: Duration,
        sleep: &Sleep<'_>,
        (busy, relief): (Busy, &mut Relief<'_>),
    ) -> io::Result<bool> {
        let (mut rung, mut is_relieved) = (false, false);
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
                let event = PendingEvent { source, key, ready: ready(event), put_off: 0 };
                match is_relieved {
                    true => self.pending.put_off(event),
                    false => self.pending.tell(event, busy),
                }
                is_relieved = is_relieved || relief.is_due();
            }
        }
        Ok(rung)
    }

    /// False: the caller may go, and there are more.
    fn tell_pending(&self, busy: Busy, relief: &mut Relief<'_>) -> bool {
        if !self.is_deferring() {
            return true;
        }
        let _uncancelled = Uncancelled::hold();
        self.pending.tell_all(busy, || relief.is_due())
    }

    /// Tells those whose timers are due by then. When that takes long, the rest has its turn after what the poll has for others meanwhile: a
    /// connection whose peer sends without end reads on by a timer.
    pub(super) fn expire(&self, due: Instant, mut is_relieved: impl FnMut() -> bool) {
        let mut begun = None;
        while let Some((source, key)) = self.timers.pop_due(due) {
            let begun = *begun.get_or_insert_with(Instant::now);
            let _uncancelled = Uncancelled::hold();
            source.expired(key);
            if is_relieved() || begun.elapsed() >= TIME {
                return;
            }
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

#[cfg(test)]
mod tests {
    use super::super::tests::source::Fake;
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_caller_that_polls_is_relieved_a_moment_after_it_has_what_it_waited_for() {
        let me = Parker::default();
        let mut relief = Relief::of(&Sleep::Spin(&me));
        assert!(!relief.is_due() && relief.since.is_none(), "it waits, and reads no clock");
        let _ = me.notify();
        let now = Instant::now();
        let due = [0, 1, 999, 1000].map(|after| relief.has_stayed(now + Duration::from_micros(after)));
        assert_eq!(due, [false, false, false, true]);
        relief.since = Some(now - TIME);
        assert!(relief.is_due());
        assert!(me.take_notice() && !relief.is_due());
        let _ = me.notify();
        assert!(!Relief { since: Some(now - TIME), ..Relief::of(&Sleep::Not) }.is_due(), "nobody waits");
    }

    /// What is due and takes long is left to the next turns, one by one, and nothing is lost.
    #[test]
    fn timers_that_take_long_expire_in_several_turns() {
        struct Long(Fake);
        impl crate::transport::source::Source for Long {
            fn ready(&self, key: u64, ready: crate::transport::pipe::Ready) {
                self.0.ready(key, ready);
            }
            fn expired(&self, key: u64) {
                let begun = Instant::now();
                while begun.elapsed() < TIME {
                    std::hint::spin_loop();
                }
                self.0.ready(key, Default::default());
            }
            fn flush(&self, _key: u64) -> bool {
                false
            }
        }
        let reactor = Reactor::start().unwrap();
        // Without the I/O thread, which would have its share.
        reactor.stop();
        let (long, due) = (Arc::new(Long(Fake::default())), Instant::now());
        for key in 0..3 {
            let source: Arc<dyn crate::transport::source::Source> = Arc::<Long>::clone(&long);
            reactor.timers.insert(due, source, key);
        }
        let turns = [(); 4].map(|()| {
            reactor.expire(Instant::now(), || false);
            long.0.told()
        });
        assert_eq!(turns, [vec![0], vec![1], vec![2], vec![]]);
    }
}
