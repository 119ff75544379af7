//! One turn of the poll, and the I/O thread's loop around it.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::sys::Owned;
use crate::transport::pipe::Ready;

use super::baton::IoTurn;
use super::sources::WAKER;
use super::{Reactor, Request};

/// How long the I/O thread stays out of the poll after a caller has polled.
const LEASE: Duration = Duration::from_millis(1);

/// Events fetched at once.
const BATCH: usize = 256;

#[derive(Debug)]
pub struct Poller {
    poll: Owned<Poll>,
    events: Events,
}

impl Poller {
    pub fn new(poll: Poll) -> Poller {
        Poller { poll: Owned::new(poll), events: Events::with_capacity(BATCH) }
    }
}

impl Reactor {
    /// Polls once, dispatches everything that was fetched, and lets due timers expire. The baton is the
    /// caller's.
    pub(super) fn poll_once(&self, timeout: Option<Duration>) -> io::Result<()> {
        let next = self.timers.next();
        let until_timer = next.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = match (timeout, until_timer) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let mut poller = self.poller.lock();
        let Poller { poll, events } = &mut *poller;
        let outcome = poll.get_mut().poll(events, timeout);
        if outcome.is_ok() {
            for event in events.iter().filter(|event| event.token() != WAKER) {
                let Some((source, key)) = self.sources.find(event.token()) else { continue };
                let closed = event.is_read_closed() || event.is_error();
                let ready = Ready { readable: event.is_readable(), writable: event.is_writable(), closed };
                source.ready(key, ready);
            }
        }
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
        while !self.is_stopping() {
            self.run_requests();
            match self.baton.io_turn() {
                IoTurn::Poll => self.serve_poll(),
                IoTurn::Nap => self.nap(Some(LEASE)),
                IoTurn::Sleep => self.nap(None),
            }
        }
    }

    /// Polls until callers want to.
    fn serve_poll(&self) {
        loop {
            self.run_requests();
            if self.is_stopping() {
                return self.carry_out(self.baton.io_quit());
            }
            if self.io.begin_poll() {
                // Signals are blocked here; nothing else is an error of the poll.
                let _ = self.poll_once(None);
                self.io.end_poll();
            }
            self.io.take_notice();
            if let Some(wake) = self.baton.io_yield() {
                return self.carry_out(wake);
            }
        }
    }

    /// Sleeps outside the poll, for timers and requests only: for a whole lease, however often it is woken
    /// for those, or until the caller who polls leaves.
    fn nap(&self, lease: Option<Duration>) {
        let end = lease.map(|lease| Instant::now() + lease);
        loop {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) || self.is_stopping() {
                return;
            }
            // While a caller polls, timers are its business.
            let wake_at = end.map(|end| self.timers.next().map_or(end, |timer| timer.min(end)));
            self.io.park(wake_at.map(|at| at.saturating_duration_since(now)));
            self.io.take_notice();
            self.run_requests();
            if end.is_none() || self.baton.is_attended() {
                return;
            }
            self.expire(Instant::now());
        }
    }

    fn run_requests(&self) {
        loop {
            let requests = std::mem::take(&mut *self.requests.lock());
            if requests.is_empty() {
                return;
            }
            for request in requests {
                match request {
                    Request::Flush(source, key) => source.flush(key),
                }
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(std::sync::atomic::Ordering::Acquire)
    }
}
