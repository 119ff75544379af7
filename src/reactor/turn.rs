//! One turn of the poll, and the I/O thread's loop around it.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::sys::Owned;
use crate::sys::signals::set_timer_slack;
use crate::transport::pipe::Ready;

use super::baton::{Baton, IoTurn};
use super::parker::Parker;
use super::sources::WAKER;
use super::{Reactor, Request, Watched, time_left};

/// How long the I/O thread stays out of the poll after a caller has polled.
const LEASE: Duration = Duration::from_millis(1);

/// How soon the I/O thread looks after a stream again: at first, and when senders have been seen to flush it themselves, as
/// they do whenever a buffer is full. The last bytes of a burst wait for the look after the next one at most.
const LOOK: Duration = Duration::from_micros(50);
const LAST_LOOK: Duration = Duration::from_micros(200);

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
        let until_timer = time_left(next);
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
        set_timer_slack(LOOK / 10);
        let mut streams = Streams::default();
        while !self.is_stopping() {
            self.watch(&mut streams);
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

    /// Looks after the pipes on which messages stream, until a look finds nothing: the senders need not wake anybody
    /// meanwhile. If nobody polls, it does on the way.
    fn watch(&self, streams: &mut Streams) {
        loop {
            let requests = std::mem::take(&mut *self.requests.lock());
            for Request::Watch(watched) in requests {
                streams.add(watched);
            }
            let pause = streams.look();
            if streams.watched.is_empty() || self.is_stopping() {
                return streams.watched.clear();
            }
            self.look(Baton::hand_back);
            self.io.park(Some(pause));
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

/// The pipes that the I/O thread looks after, each with the count of flushes at the last look.
#[derive(Default)]
struct Streams {
    watched: Vec<(Watched, u32)>,
    pause: Duration,
}

impl Streams {
    /// A new stream is flushed at once: it may be a burst, and over.
    fn add(&mut self, watched: Watched) {
        let seen = watched.pulse.count();
        self.watched.push((watched, seen));
        self.pause = LOOK;
    }

    /// Flushes what has not been flushed by anybody since the last look. Says when to look again.
    fn look(&mut self) -> Duration {
        let mut flows = false;
        self.watched.retain_mut(|(watched, seen)| {
            if watched.pulse.count() != *seen {
                *seen = watched.pulse.count();
                flows = true;
                return true;
            }
            let more = watched.source.flush(watched.key);
            *seen = watched.pulse.count();
            more
        });
        self.pause = if flows { (self.pause * 2).min(LAST_LOOK) } else { LOOK };
        self.pause
    }
}
