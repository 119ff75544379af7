//! One turn of the poll, and the I/O thread's loop around it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::sys::Owned;
use crate::sys::signals::set_timer_slack;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::baton::{Baton, IoTurn};
use super::parker::Parker;
use super::sources::WAKER;
use super::{Reactor, Request};

/// How long the I/O thread stays out of the poll after a caller has polled.
const LEASE: Duration = Duration::from_millis(1);

/// How often the I/O thread looks after a stream. The last bytes of a burst wait this long at most; at full
/// speed a sender fills its buffer sooner and writes it itself.
const WATCH: Duration = Duration::from_micros(50);

type Watched = Vec<(Arc<dyn Source>, u64)>;

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
    /// Polls once, dispatches everything that was fetched, and lets due timers expire. The baton is the caller's.
    /// `sleeper`: who has said to be in the poll, and is told what comes from here on without the poll's waker; it is
    /// mostly the sleeper itself that dispatches its own notice.
    pub(super) fn poll_once(&self, timeout: Option<Duration>, sleeper: Option<&Parker>) -> io::Result<()> {
        let next = self.timers.next();
        let until_timer = next.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = match (timeout, until_timer) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let mut poller = self.poller.lock();
        let Poller { poll, events } = &mut *poller;
        let outcome = poll.get_mut().poll(events, timeout);
        if let Some(sleeper) = sleeper {
            sleeper.end_poll();
        }
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
        set_timer_slack(WATCH / 10);
        let mut watched = Watched::new();
        while !self.is_stopping() {
            self.watch(&mut watched);
            match self.baton.io_turn() {
                IoTurn::Poll => self.serve_poll(),
                IoTurn::Nap => self.nap(Some(LEASE)),
                IoTurn::Sleep => self.nap(None),
            }
        }
    }

    /// Polls until callers want to, or there is something else to do.
    fn serve_poll(&self) {
        loop {
            if self.is_stopping() || self.has_requests() {
                return self.carry_out(self.baton.hand_back());
            }
            if self.io.begin_poll() {
                // Signals are blocked here; nothing else is an error of the poll.
                let _ = self.poll_once(None, Some(&self.io));
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

    /// Looks after the pipes on which messages stream: flushes what was appended, again and again, until a
    /// look finds nothing. The senders need not wake anybody meanwhile. If nobody polls, it does on the way.
    fn watch(&self, watched: &mut Watched) {
        loop {
            let requests = std::mem::take(&mut *self.requests.lock());
            watched.extend(requests.into_iter().map(|Request::Watch(source, key)| (source, key)));
            watched.retain(|(source, key)| source.flush(*key));
            if watched.is_empty() || self.is_stopping() {
                watched.clear();
                return;
            }
            self.look(Baton::hand_back);
            self.io.park(Some(WATCH));
            self.io.take_notice();
            self.expire(Instant::now());
        }
    }

    fn has_requests(&self) -> bool {
        !self.requests.lock().is_empty()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(std::sync::atomic::Ordering::Acquire)
    }
}
