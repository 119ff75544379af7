//! One turn of the poll, and the I/O thread's loop around it.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::sys::Owned;
use crate::sys::signals::set_timer_slack;
use crate::transport::pipe::Ready;

use super::baton::{Baton, IoTurn};
use super::deferred::{Busy, Deferred, News};
use super::parker::Parker;
use super::sources::WAKER;
use super::streams::{LOOK, Streams};
use super::{Reactor, Request, time_left};

/// How long the I/O thread stays out of the poll after a caller has polled; while they come again and again, up to the second.
const LEASE: Duration = Duration::from_millis(1);
const LONG_LEASE: Duration = Duration::from_millis(4);

/// Longest sleep in the poll. Nobody is told when a program closes the poll under us, but the next poll fails.
const LONGEST: Duration = Duration::from_secs(5);

/// Events fetched at once.
const BATCH: usize = 256;

pub struct Poller {
    poll: Owned<Poll>,
    events: Events,
    deferred: Deferred,
}

impl Poller {
    pub fn new(poll: Poll) -> Poller {
        Poller { poll: Owned::new(poll), events: Events::with_capacity(BATCH), deferred: Deferred::default() }
    }
}

impl Reactor {
    /// Polls once, dispatches everything that was fetched, and lets due timers expire. The baton is the caller's.
    /// `busy`: only the I/O thread may put news off, for it looks again. `sleeper`: who has said to be in the poll, and is
    /// told what comes from here on without the poll's waker; it is mostly the sleeper itself that dispatches its own notice.
    pub(super) fn poll_once(&self, timeout: Option<Duration>, sleeper: Option<&Parker>, busy: Busy) -> io::Result<()> {
        let next = self.timers.next();
        let until_timer = time_left(next);
        let timeout = timeout.into_iter().chain(until_timer).fold(LONGEST, Duration::min);
        let mut poller = self.poller.lock();
        let Poller { poll, events, deferred } = &mut *poller;
        deferred.tell_all(busy);
        let outcome = poll.get_mut().poll(events, Some(timeout));
        if let Some(sleeper) = sleeper {
            sleeper.end_poll();
        }
        if outcome.is_ok() {
            for event in events.iter().filter(|event| event.token() != WAKER) {
                let Some((source, key)) = self.sources.find(event.token()) else { continue };
                let closed = event.is_read_closed() || event.is_error();
                let ready = Ready { readable: event.is_readable(), writable: event.is_writable(), closed };
                deferred.tell(News { source, key, ready, deferred: 0 }, busy);
            }
        }
        if matches!(&outcome, Err(error) if error.kind() != io::ErrorKind::Interrupted) {
            self.failed.store(true, Ordering::Relaxed);
        }
        self.deferring.store(!deferred.is_empty(), Ordering::Relaxed);
        drop(poller);
        if next.is_some() {
            self.expire(Instant::now());
        }
        outcome
    }

    /// Tells everybody whose timer is due.
    pub(super) fn expire(&self, now: Instant) {
        while let Some((source, key)) = self.timers.pop_due(now) {
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
                IoTurn::Poll => {
                    lease = LEASE;
                    self.serve_poll();
                }
                IoTurn::Nap => {
                    self.nap(Some(lease));
                    lease = (lease * 2).min(LONG_LEASE);
                }
                IoTurn::Sleep => {
                    lease = LEASE;
                    self.nap(None);
                }
            }
        }
        // What was put off is told, if only to let go of whom it was for.
        self.look(Busy::Wait, Baton::hand_back);
    }

    /// Polls until callers want to, or there is something else to do.
    fn serve_poll(&self) {
        loop {
            if self.is_stopping() || self.has_failed() || self.has_requests() || self.is_deferring() {
                return self.carry_out(self.baton.hand_back());
            }
            if self.io.begin_poll() {
                // Signals are blocked here; any other error is told by `has_failed`.
                let _ = self.poll_once(None, Some(&self.io), Busy::Defer);
            }
            self.io.take_notice();
            if let Some(wake) = self.baton.io_yield() {
                return self.carry_out(wake);
            }
        }
    }

    /// Sleeps outside the poll, for timers only: for a whole lease, or until the caller who polls leaves, or until
    /// there is something to do.
    fn nap(&self, lease: Option<Duration>) {
        let end = lease.map(|lease| Instant::now() + lease);
        loop {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) || self.is_stopping() || self.has_requests() {
                return;
            }
            // While a caller polls, timers are its business.
            let wake_at = end.map(|end| self.timers.next().map_or(end, |timer| timer.min(end)));
            self.io.park(wake_at.map(|at| at.saturating_duration_since(now)));
            self.io.take_notice();
            if end.is_none() || self.baton.is_attended() {
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

    fn is_deferring(&self) -> bool {
        self.deferring.load(Ordering::Relaxed)
    }

    fn has_requests(&self) -> bool {
        self.ending.is_wanted() || !self.requests.lock().is_empty()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
