//! The reactor: one poll, one I/O thread, timers, and callers that borrow the poll while they wait.
//!
//! It knows descriptors, keys and [`Source`]s, and no protocol. Read `leadership.rs` for who polls when.

mod begun;
mod ending;
mod io_thread;
pub mod leadership;
pub mod parker;
mod pending_events;
mod poll;
mod polled;
pub mod sources;
mod spin;
mod streams;
mod takeover;
pub mod timers;
mod turn;
mod waiting;

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sys::eventfd::Bell;
use crate::transport::source::Source;

use ending::Ending;
use leadership::{Leadership, Wake};
use parker::Parker;
use pending_events::PendingEvents;
use poll::Poll;
use sources::Sources;
use sync::Mutex;
use timers::{TimerId, Timers};

pub use crate::sys::sync;
pub use leadership::Unwritten;
pub use polled::Polled;
pub use sources::Registration;
pub use streams::StreamToFlush;
pub use waiting::{WaitMode, Waited};

/// What reads and writes the connections of a session: a poll, timers, and a thread for the time in which no caller polls. It ends with
/// whoever holds it last. Any thread may use it.
pub struct Reactor {
    poll: Poll,
    pending: PendingEvents,
    leadership: Leadership<ByIdentity>,
    /// That of the lead's holders now, and those on which somebody still is who was taken over from.
    seats: Mutex<Vec<Bell>>,
    /// How far whoever holds the lead is: it grows with each step, and is odd while events are fetched and told.
    progress: AtomicU64,
    sources: Sources,
    timers: Timers,
    /// What callers ask of the I/O thread.
    requests: Mutex<Vec<Request>>,
    io: Arc<Parker>,
    /// The I/O thread watches the poll, rather than to poll.
    io_watches: AtomicBool,
    /// It was told to look at whoever polls, since it has begun to watch.
    io_alarmed: AtomicBool,
    stopping: AtomicBool,
    ending: Ending,
    /// The poll is of no use any more: the program has closed its descriptors.
    failed: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What only the I/O thread does.
pub enum Request {
    /// Write what a pipe has pending, now, and look after it until there is nothing to write.
    Flush(StreamToFlush),
}

/// The instant so far from now; `None` is never, and so is what lies beyond the clock.
pub fn deadline_in(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

/// From now to a deadline; nothing if that is over. `None`: there is none.
pub fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|at| at.saturating_duration_since(Instant::now()))
}

/// A parker in the lead's queue: the same one, not an equal one.
#[derive(Clone, Debug)]
struct ByIdentity(Arc<Parker>);

impl PartialEq for ByIdentity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for Reactor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Reactor")
    }
}

impl Reactor {
    /// Watches a descriptor for reading, and for writing if asked.
    pub(crate) fn register(
        &self,
        fd: RawFd,
        source: Arc<dyn Source>,
        key: u64,
        write: bool,
    ) -> io::Result<Registration> {
        self.sources.insert(&self.poll, fd, write, source, key)
    }

    /// Changes whether writability is watched. What is ready already is reported again.
    pub(crate) fn watch_writable(&self, registration: Registration, write: bool) -> io::Result<()> {
        self.sources.watch_writable(&self.poll, registration, write)
    }

    /// Stops watching, before the descriptor is closed. Events already fetched are ignored.
    pub(crate) fn deregister(&self, registration: Registration) {
        self.sources.remove(&self.poll, registration);
    }

    pub(crate) fn arm(&self, at: Instant, source: Arc<dyn Source>, key: u64) -> TimerId {
        let (id, first) = self.timers.insert(at, source, key);
        if first {
            self.nudge();
        }
        id
    }

    pub(crate) fn disarm(&self, timer: TimerId) {
        self.timers.cancel(timer);
    }

    pub(crate) fn request(&self, request: Request) {
        let Request::Flush(watched) = &request;
        begun::remember(&watched.source, watched.key);
        self.requests.lock().push(request);
        let _ = self.notify_io();
    }

    /// Wakes a sleeping caller, wherever it sleeps.
    pub(crate) fn notify(&self, parker: &Parker) {
        if parker.notify() {
            self.wake_poll();
        }
    }

    /// Was it in the poll?
    fn notify_io(&self) -> bool {
        let polls = self.io.notify();
        if polls {
            self.rung(match self.io_watches.load(Ordering::Relaxed) {
                true => self.poll.wake_watcher(),
                false => self.poll.wake(),
            });
        }
        polls
    }

    /// One socket more or less that the I/O thread must serve without being asked.
    pub(crate) fn keep_polling(&self, more: bool) {
        self.carry_out(self.leadership.keep_polling(more));
        if more {
            self.nudge();
        }
    }

    /// What has become of what a pipe, or a connection of the bus, has to write.
    pub(crate) fn unwritten(&self, change: Unwritten) {
        self.carry_out(self.leadership.unwritten(change));
    }

    /// Whether anything of some pipe or connection waits for the kernel's room.
    #[cfg(test)]
    pub(crate) fn has_unwritten(&self) -> bool {
        self.leadership.has_unwritten()
    }

    fn carry_out(&self, wake: Wake<ByIdentity>) {
        match wake {
            Wake::Nobody => {}
            Wake::Caller(caller) => self.notify(&caller.0),
            Wake::Io => drop(self.notify_io()),
            Wake::Vacated(seat) => self.seats.lock().retain(|bell| bell.fd() != seat),
        }
    }

    /// Somebody must look at the timers or the lead anew.
    fn nudge(&self) {
        if self.leadership.is_held() {
            self.wake_poll();
        }
        let _ = self.notify_io();
    }

    fn wake_poll(&self) {
        self.rung(self.poll.wake());
    }

    fn rung(&self, outcome: io::Result<()>) {
        if outcome.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn is_deferring(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn has_requests(&self) -> bool {
        self.ending.is_wanted() || !self.requests.lock().is_empty()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
