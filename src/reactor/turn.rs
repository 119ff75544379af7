//! One turn of the poll, and the I/O thread's loop around it.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::sys::cancel::Uncancelled;
use crate::sys::signals::set_timer_slack;

use super::baton::{Baton, IoTurn, Tenure};
use super::deferred::{Busy, News};
use super::parker::Parker;
use super::poll::{BELL, Room, ready, room};
use super::streams::{LOOK, Streams};
use super::{Reactor, Request, time_left};

/// How long the I/O thread stays out of the poll after a caller has polled; while they come again and again, up to the second.
const LEASE: Duration = Duration::from_millis(1);
const LONG_LEASE: Duration = Duration::from_millis(4);

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
    /// Fetches what there is, tells it, and lets due timers expire. `tenure`: of whom holds the baton; anybody may, once, without.
    /// `busy`: only the I/O thread may put news off, for it looks again. Who sleeps is told what comes after the sleep without
    /// the poll's bell: it is mostly the sleeper itself that dispatches its own notice. `Interrupted`: a signal handler ran.
    pub(super) fn poll_once(&self, sleep: Sleep<'_>, tenure: Option<Tenure>, busy: Busy) -> io::Result<()> {
        let next = self.timers.next();
        let until_timer = time_left(next);
        if self.has_failed() {
            // Its number may be another poll's by now.
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.tell_deferred(busy);
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
                if rung && tenure.is_none_or(|tenure| self.baton.is_over(tenure)) {
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
                self.deferred.tell(News { source, key, ready: ready(event), deferred: 0 }, busy);
            }
        }
        Ok(rung)
    }

    fn tell_deferred(&self, busy: Busy) {
        if self.is_deferring() {
            let _uncancelled = Uncancelled::hold();
            self.deferred.tell_all(busy);
        }
    }

    /// Tells everybody whose timer is due.
    pub(super) fn expire(&self, now: Instant) {
        while let Some((source, key)) = self.timers.pop_due(now) {
            let _uncancelled = Uncancelled::hold();
            source.expired(key);
        }
    }

    /// The I/O thread.
    pub(super) fn serve(&self) {
        set_timer_slack(LOOK / 10);
        self.ending.serve_here();
        let mut streams = Streams::default();
        let mut lease = LEASE;
        while !self.is_stopping() {
            if self.has_failed() {
                self.sleep_for_timers();
                continue;
            }
            self.watch(&mut streams);
            if self.is_deferring() {
                self.pause(LOOK);
                self.look(Busy::Defer, Baton::hand_back);
                continue;
            }
            match self.baton.io_turn() {
                IoTurn::Poll(tenure) => {
                    lease = LEASE;
                    self.serve_poll(tenure);
                }
                IoTurn::Nap => {
                    self.nap(lease);
                    lease = (lease * 2).min(LONG_LEASE);
                }
                IoTurn::Watch => {
                    lease = LEASE;
                    if let Some(tenure) = self.watch_holder() {
                        self.serve_poll(tenure);
                    }
                }
            }
        }
        // What was put off is told, if only to let go of whom it was for.
        self.look(Busy::Wait, Baton::hand_back);
    }

    /// Polls until callers want to, or there is something else to do.
    fn serve_poll(&self, tenure: Tenure) {
        loop {
            if self.is_stopping() || self.has_failed() || self.has_requests() || self.is_deferring() {
                return self.carry_out(self.baton.hand_back(tenure));
            }
            if self.io.begin_poll() {
                // Signals are blocked here; any other error is told by `has_failed`.
                let _ = self.poll_once(Sleep::Io(&self.io), Some(tenure), Busy::Defer);
            }
            self.io.take_notice();
            if let Some(wake) = self.baton.io_yield() {
                return self.carry_out(wake);
            }
        }
    }

    /// Sleeps outside the poll, for timers only: for a whole lease, or until there is something to do.
    fn nap(&self, lease: Duration) {
        let end = Instant::now() + lease;
        loop {
            let now = Instant::now();
            if now >= end || self.is_stopping() || self.has_requests() {
                return;
            }
            let wake_at = self.timers.next().map_or(end, |timer| timer.min(end));
            self.io.park(Some(wake_at.saturating_duration_since(now)));
            self.io.take_notice();
            if self.baton.is_attended() {
                return;
            }
            self.expire(Instant::now());
        }
    }

    /// All that is left to do without a poll.
    fn sleep_for_timers(&self) {
        let until_timer = time_left(self.timers.next()).unwrap_or(LONGEST);
        self.pause(until_timer);
        self.end_if_wanted();
        let requests = std::mem::take(&mut *self.requests.lock());
        drop(requests);
    }

    /// Looks after the pipes on which messages stream, until a look finds nothing: the senders need not wake anybody
    /// meanwhile. If nobody polls, it does on the way.
    fn watch(&self, streams: &mut Streams) {
        loop {
            self.end_if_wanted();
            let requests = std::mem::take(&mut *self.requests.lock());
            for Request::Watch(watched) in requests {
                streams.add(watched, Instant::now());
            }
            let pause = streams.look(Instant::now());
            if streams.is_empty() || self.is_stopping() {
                return streams.clear();
            }
            self.look(Busy::Defer, Baton::hand_back);
            self.pause(if self.is_deferring() { LOOK } else { pause });
        }
    }

    /// Hands over what waits if the process is about to end.
    fn end_if_wanted(&self) {
        if self.ending.is_wanted() {
            self.ending.hand_over(self.sources.all(), &self.io);
            self.ending.done();
        }
    }

    /// The I/O thread has nothing to do for a moment, unless it is told or a timer is due.
    fn pause(&self, time: Duration) {
        self.io.park(Some(time));
        self.io.take_notice();
        self.expire(Instant::now());
    }

    pub(super) fn is_deferring(&self) -> bool {
        !self.deferred.is_empty()
    }

    pub(super) fn has_requests(&self) -> bool {
        self.ending.is_wanted() || !self.requests.lock().is_empty()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
