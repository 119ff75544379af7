//! The I/O thread: serves what nobody who waits is polling for, and what outlives every call.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::core::Result;
use crate::sys::eventfd::Bell;
use crate::sys::exit::{self, AtExit};
use crate::sys::signals::{set_timer_slack, spawn_without_signals};

use super::ending::Ending;
use super::leadership::{IoTurn, Leadership, Tenure};
use super::pending_events::{Busy, PendingEvents};
use super::poll::Poll;
use super::sources::Sources;
use super::streams::{LOOK, Streams};
use super::sync::Mutex;
use super::timers::Timers;
use super::turn::{LONGEST, Sleep};
use super::{Reactor, Request, time_left};

/// How long the I/O thread stays out of the poll after a caller has polled; while they come again and again, up to the second, and while
/// one is polling, up to the third.
const LEASE: Duration = Duration::from_millis(1);
const LONG_LEASE: Duration = Duration::from_millis(4);
const LONGEST_LEASE: Duration = Duration::from_millis(16);

/// The same while the kernel has no room for what there is to write: who sends one large message after the other is back by then.
const HURRIED_LEASE: Duration = Duration::from_micros(100);

/// It is doubled so often, while haste is in vain because callers have come.
const PATIENCE: u32 = 3;

impl AtExit for Reactor {
    fn process_ends(&self) {
        if self.is_stopping() {
            return;
        }
        if self.ending.is_served_here() {
            self.ending.hand_over(self.sources.all(), &self.io);
        } else {
            self.ending.ask(|| {
                self.notify_io();
            });
        }
    }
}

impl Reactor {
    /// Makes the poll and starts the I/O thread.
    pub(crate) fn start() -> Result<Arc<Reactor>> {
        let seat = Bell::new()?;
        let reactor = Arc::new(Reactor {
            poll: Poll::new()?,
            pending: PendingEvents::default(),
            leadership: Leadership::new(seat.fd()),
            seats: Mutex::new(vec![seat]),
            progress: AtomicU64::new(0),
            sources: Sources::default(),
            timers: Timers::default(),
            requests: Mutex::default(),
            io: Arc::default(),
            io_watches: AtomicBool::new(false),
            io_alarmed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            ending: Ending::default(),
            failed: AtomicBool::new(false),
            thread: Mutex::default(),
        });
        let own = Arc::clone(&reactor);
        let thread = spawn_without_signals("millrace-io", move || {
            own.serve();
            // The numbers of a poll that was closed may be those of the next reactor's by now, and the kernel does not tell polls
            // apart: better nothing is closed, just when that one begins.
            if own.has_failed() {
                let _kept = ManuallyDrop::new(own);
            }
        })?;
        *reactor.thread.lock() = Some(thread);
        let party: Weak<Reactor> = Arc::downgrade(&reactor);
        exit::tell(party as Weak<dyn AtExit>);
        Ok(reactor)
    }

    /// Ends the I/O thread and waits for that.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let polls = self.notify_io();
        let thread = self.thread.lock().take();
        // In a poll that was closed it may sleep on for a while. It finds out by itself, and keeps what it needs.
        if let Some(thread) = thread.filter(|_| !polls || !self.has_failed()) {
            // A panic of the I/O thread has been reported; there is nobody left to tell.
            let _ = thread.join();
        }
        // What nobody will carry out any more may hold sockets, which hold the session, which holds us.
        let requests = std::mem::take(&mut *self.requests.lock());
        drop(requests);
        self.timers.clear();
        self.sources.clear();
    }

    /// The I/O thread.
    pub(super) fn serve(&self) {
        set_timer_slack(LOOK / 10);
        self.ending.serve_here();
        let mut streams = Streams::default();
        let mut lease = LEASE;
        let mut in_vain = 0;
        while !self.is_stopping() {
            if self.has_failed() {
                self.sleep_for_timers();
                continue;
            }
            self.watch(&mut streams);
            if self.is_deferring() {
                self.pause(LOOK);
                self.look(Busy::Defer, Leadership::hand_back);
                continue;
            }
            match self.leadership.io_turn(lease == LONGEST_LEASE) {
                IoTurn::Poll(tenure) => {
                    (lease, in_vain) = (LEASE, 0);
                    self.serve_poll(tenure);
                }
                IoTurn::Nap { held, hurried } => {
                    let short = HURRIED_LEASE * 2_u32.pow(in_vain);
                    if self.nap(if hurried { short } else { lease }, short) {
                        in_vain = (in_vain + 1).min(PATIENCE);
                        continue;
                    }
                    lease = (lease * 4).min(if held { LONGEST_LEASE } else { LONG_LEASE });
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
        self.look(Busy::Wait, Leadership::hand_back);
    }

    /// Polls until callers want to, or there is something else to do.
    fn serve_poll(&self, tenure: Tenure) {
        loop {
            if self.is_stopping() || self.has_failed() || self.has_requests() || self.is_deferring() {
                return self.carry_out(self.leadership.hand_back(tenure));
            }
            if self.io.begin_poll() {
                // Signals are blocked here; any other error is told by `has_failed`.
                let _ = self.poll_once(Sleep::Io(&self.io), Some(tenure), Busy::Defer);
            }
            self.io.take_notice();
            if let Some(wake) = self.leadership.io_yield() {
                return self.carry_out(wake);
            }
        }
    }

    /// Sleeps outside the poll, for timers only: for a whole lease, or until there is something to do. True if it was a short lease, or became one.
    fn nap(&self, lease: Duration, short: Duration) -> bool {
        let mut is_short = lease <= short;
        let mut end = Instant::now() + lease;
        while !self.is_stopping() && !self.has_requests() && !self.leadership.keeps_polling() {
            let wake_at = self.timers.next().map_or(end, |timer| timer.min(end));
            self.pause(wake_at.saturating_duration_since(Instant::now()));
            let now = Instant::now();
            if now >= end {
                break;
            }
            if !is_short && self.leadership.has_unwritten() {
                (end, is_short) = (end.min(now + short), true);
            }
        }
        is_short
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
            for Request::Flush(watched) in requests {
                streams.add(watched, Instant::now());
            }
            let pause = streams.look(Instant::now);
            if streams.is_empty() || self.is_stopping() {
                return streams.clear();
            }
            self.look(Busy::Defer, Leadership::hand_back);
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
        self.expire(Instant::now(), || false);
    }
}
