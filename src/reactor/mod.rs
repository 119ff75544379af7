//! The reactor: one poll, one I/O thread, timers, and callers that borrow the poll while they wait.
//!
//! It knows descriptors, keys and [`Source`]s, and no protocol. Read `baton.rs` for who polls when.

pub mod baton;
mod deferred;
mod ending;
pub mod parker;
mod poll;
pub mod sources;
mod spin;
mod streams;
pub mod timers;
mod turn;
mod watch;

#[cfg(test)]
mod tests;

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::core::Result;
use crate::sys::eventfd::Bell;
use crate::sys::exit::{self, AtExit};
use crate::sys::futex::Slept;
use crate::sys::signals::spawn_without_signals;
use crate::transport::coalescing::pulse::Pulse;
use crate::transport::source::Source;

use baton::{Baton, Tenure, Wake};
use deferred::{Busy, Deferred};
use ending::Ending;
use parker::Parker;
use poll::Poll;
use sources::Sources;
use spin::{is_crowded, spin};
use sync::Mutex;
use timers::{TimerId, Timers};
use turn::Sleep;

pub use crate::sys::sync;
pub use sources::Registration;

pub struct Reactor {
    poll: Poll,
    deferred: Deferred,
    baton: Baton<ByIdentity>,
    /// That of the baton's holders now, and those on which somebody still is who was taken over from.
    seats: Mutex<Vec<Bell>>,
    /// How far whoever holds the baton is: it grows with each step, and is odd while events are fetched and told.
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
    Watch(Watched),
}

/// A pipe on which messages stream.
pub struct Watched {
    pub source: Arc<dyn Source>,
    pub key: u64,
    pub pulse: Pulse,
}

/// What a caller does while it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// It polls, if nobody else does.
    pub polls: bool,
    /// It looks a few times before it sleeps, if that has been worth it lately (`spin.rs`).
    pub spins: bool,
}

impl Manner {
    /// Of a caller whose answer comes through the poll.
    pub const POLLING: Manner = Manner { polls: true, spins: true };
}

/// From now to a deadline; nothing if that is over. `None`: there is none.
pub fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|at| at.saturating_duration_since(Instant::now()))
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// There may be news: look.
    Noticed,
    TimedOut,
    /// A signal handler ran.
    Interrupted,
    /// Nothing will ever come: the program has closed the poll under us.
    Failed,
}

/// A parker in the baton's queue: the same one, not an equal one.
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
    pub fn start() -> Result<Arc<Reactor>> {
        let seat = Bell::new()?;
        let reactor = Arc::new(Reactor {
            poll: Poll::new()?,
            deferred: Deferred::default(),
            baton: Baton::new(seat.fd()),
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
    pub fn stop(&self) {
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

    /// Watches a descriptor for reading, and for writing if asked.
    pub fn register(&self, fd: RawFd, source: Arc<dyn Source>, key: u64, write: bool) -> io::Result<Registration> {
        self.sources.insert(&self.poll, fd, write, source, key)
    }

    /// Changes whether writability is watched. What is ready already is reported again.
    pub fn watch_writable(&self, registration: Registration, write: bool) -> io::Result<()> {
        self.sources.watch_writable(&self.poll, registration, write)
    }

    /// Stops watching, before the descriptor is closed. Events already fetched are ignored.
    pub fn deregister(&self, registration: Registration) {
        self.sources.remove(&self.poll, registration);
    }

    pub fn arm(&self, at: Instant, source: Arc<dyn Source>, key: u64) -> TimerId {
        let (id, first) = self.timers.insert(at, source, key);
        if first {
            self.nudge();
        }
        id
    }

    pub fn disarm(&self, timer: TimerId) {
        self.timers.cancel(timer);
    }

    pub fn request(&self, request: Request) {
        self.requests.lock().push(request);
        let _ = self.notify_io();
    }

    /// Wakes a sleeping caller, wherever it sleeps.
    pub fn notify(&self, parker: &Parker) {
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
    pub fn attend(&self, more: bool) {
        self.carry_out(self.baton.attend(more));
        if more {
            self.nudge();
        }
    }

    /// Sleeps until the calling thread's parker is notified.
    pub fn wait(&self, me: &Arc<Parker>, deadline: Option<Instant>, manner: Manner) -> Waited {
        let Manner { polls, spins } = manner;
        let me = ByIdentity(Arc::clone(me));
        let waited = loop {
            if me.0.take_notice() {
                break Waited::Noticed;
            }
            if polls && self.has_failed() {
                break Waited::Failed;
            }
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                break self.out_of_time(&me.0, polls);
            }
            if polls && let Some(tenure) = self.baton.acquire(&me) {
                let spins = spins && !is_crowded(self.baton.queued());
                let waited = self.poll_until_noticed(&me.0, deadline, spins, tenure);
                self.carry_out(self.baton.release(tenure));
                match waited {
                    Some(waited) => return waited,
                    None => continue,
                }
            }
            // Who is queued leaves the core to those it waits for.
            if spins && !polls && spin(|| me.0.has_notice()) {
                continue;
            }
            match me.0.park(left) {
                Slept::Interrupted => break Waited::Interrupted,
                Slept::Woken | Slept::TimedOut => {}
            }
        };
        if polls {
            self.carry_out(self.baton.leave(&me));
        }
        waited
    }

    /// Dispatches what is ready now, if nobody else is polling.
    pub fn glance(&self) {
        self.look(Busy::Wait, Baton::release);
    }

    fn look(&self, busy: Busy, give_back: impl FnOnce(&Baton<ByIdentity>, Tenure) -> Wake<ByIdentity>) {
        if !self.has_failed()
            && let Some(tenure) = self.baton.try_acquire()
        {
            // What does not sleep cannot be interrupted.
            let _ = self.poll_once(Sleep::Not, Some(tenure), busy);
            self.carry_out(give_back(&self.baton, tenure));
        }
    }

    /// A time limit does not win over what is there already: whoever has the poll may be held up.
    fn out_of_time(&self, me: &Parker, polls: bool) -> Waited {
        if polls {
            let _ = self.poll_once(Sleep::Not, None, Busy::Wait);
        }
        if me.take_notice() { Waited::Noticed } else { Waited::TimedOut }
    }

    /// `None`: its tenure is over.
    fn poll_until_noticed(
        &self,
        me: &Parker,
        deadline: Option<Instant>,
        spins: bool,
        tenure: Tenure,
    ) -> Option<Waited> {
        let look = || self.poll_once(Sleep::Not, Some(tenure), Busy::Wait).is_err() || me.has_notice();
        if spins && spin(look) && me.take_notice() {
            return Some(Waited::Noticed);
        }
        loop {
            if me.take_notice() {
                return Some(Waited::Noticed);
            }
            if self.baton.is_over(tenure) {
                return None;
            }
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return Some(self.out_of_time(me, true));
            }
            if self.has_failed() {
                return Some(Waited::Failed);
            }
            if !me.begin_poll() {
                continue;
            }
            match self.poll_once(Sleep::Caller(me, left, tenure), Some(tenure), Busy::Wait) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Some(Waited::Interrupted),
                Err(_) => return Some(Waited::Failed),
            }
        }
    }

    fn carry_out(&self, wake: Wake<ByIdentity>) {
        match wake {
            Wake::Nobody => {}
            Wake::Caller(caller) => self.notify(&caller.0),
            Wake::Io => drop(self.notify_io()),
            Wake::Vacated(seat) => self.seats.lock().retain(|bell| bell.fd() != seat),
        }
    }

    /// Somebody must look at the timers or the baton anew.
    fn nudge(&self) {
        if self.baton.is_held() {
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
}
