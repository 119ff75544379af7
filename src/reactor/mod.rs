//! The reactor: one poll, one I/O thread, timers, and callers that borrow the poll while they wait.
//!
//! It knows descriptors, keys and [`Source`]s, and no protocol. Read `baton.rs` for who polls when.

pub mod baton;
mod deferred;
mod ending;
pub mod parker;
pub mod sources;
mod spin;
mod streams;
pub mod timers;
mod turn;

#[cfg(test)]
mod tests;

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Poll, Registry};

use crate::core::Result;
use crate::sys::Owned;
use crate::sys::eventfd::Bell;
use crate::sys::exit::{self, AtExit};
use crate::sys::futex::Slept;
use crate::sys::signals::spawn_without_signals;
use crate::transport::coalescing::pulse::Pulse;
use crate::transport::source::Source;

use baton::{Baton, Wake};
use deferred::Busy;
use ending::Ending;
use parker::Parker;
use sources::{Sources, WAKER};
use spin::{is_crowded, spin};
use sync::Mutex;
use timers::{TimerId, Timers};
use turn::Poller;

pub use crate::sys::sync;
pub use sources::Registration;

pub struct Reactor {
    registry: Owned<Registry>,
    waker: Bell,
    /// Locked by whoever holds the baton, hence never contended.
    poller: Mutex<Poller>,
    /// The poller holds news that the I/O thread has put off.
    deferring: AtomicBool,
    baton: Baton<ByIdentity>,
    sources: Sources,
    timers: Timers,
    /// What callers ask of the I/O thread.
    requests: Mutex<Vec<Request>>,
    io: Arc<Parker>,
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
            self.ending.ask(|| self.notify(&self.io));
        }
    }
}

impl Reactor {
    /// Makes the poll and starts the I/O thread.
    pub fn start() -> Result<Arc<Reactor>> {
        let poll = Poll::new()?;
        let registry = Owned::new(poll.registry().try_clone()?);
        let waker = Bell::new()?;
        registry.register(&mut SourceFd(&waker.fd()), WAKER, Interest::READABLE)?;
        let reactor = Arc::new(Reactor {
            registry,
            waker,
            poller: Mutex::new(Poller::new(poll)),
            deferring: AtomicBool::new(false),
            baton: Baton::new(),
            sources: Sources::default(),
            timers: Timers::default(),
            requests: Mutex::default(),
            io: Arc::default(),
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
        let polls = self.io.notify();
        if polls {
            self.wake_poll();
        }
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
        let registration = self.sources.insert(source, key);
        match sources::watch(&self.registry, fd, registration, write) {
            Ok(()) => Ok(registration),
            Err(error) => {
                self.sources.remove(registration);
                Err(error)
            }
        }
    }

    /// Changes whether writability is watched. What is ready already is reported again.
    pub fn watch_writable(&self, fd: RawFd, registration: Registration, write: bool) -> io::Result<()> {
        sources::rewatch(&self.registry, fd, registration, write)
    }

    /// Stops watching, before the descriptor is closed. Events already fetched are ignored.
    pub fn deregister(&self, fd: RawFd, registration: Registration) {
        // The descriptor is ours and open, so there is nothing to fail.
        let _ = sources::unwatch(&self.registry, fd);
        self.sources.remove(registration);
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
        self.notify(&self.io);
    }

    /// Wakes a sleeping caller, wherever it sleeps.
    pub fn notify(&self, parker: &Parker) {
        if parker.notify() {
            self.wake_poll();
        }
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
                break Waited::TimedOut;
            }
            if polls && self.baton.acquire(&me) {
                let waited = self.poll_until_noticed(&me.0, deadline, spins && !is_crowded(self.baton.queued()));
                self.carry_out(self.baton.release());
                return waited;
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

    fn look(&self, busy: Busy, give_back: impl FnOnce(&Baton<ByIdentity>) -> Wake<ByIdentity>) {
        if !self.has_failed() && self.baton.try_acquire() {
            // A poll that does not wait cannot be interrupted.
            let _ = self.poll_once(Some(Duration::ZERO), None, busy);
            self.carry_out(give_back(&self.baton));
        }
    }

    fn poll_until_noticed(&self, me: &Parker, deadline: Option<Instant>, spins: bool) -> Waited {
        let look = || self.poll_once(Some(Duration::ZERO), None, Busy::Wait).is_err() || me.has_notice();
        if spins && spin(look) && me.take_notice() {
            return Waited::Noticed;
        }
        loop {
            if me.take_notice() {
                return Waited::Noticed;
            }
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return Waited::TimedOut;
            }
            if self.has_failed() {
                return Waited::Failed;
            }
            if !me.begin_poll() {
                continue;
            }
            let outcome = self.poll_once(left, Some(me), Busy::Wait);
            match outcome {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Waited::Interrupted,
                Err(_) => return Waited::Failed,
            }
        }
    }

    fn carry_out(&self, wake: Wake<ByIdentity>) {
        match wake {
            Wake::Nobody => {}
            Wake::Caller(caller) => self.notify(&caller.0),
            Wake::Io => self.notify(&self.io),
        }
    }

    /// Somebody must look at the timers or the baton anew.
    fn nudge(&self) {
        if self.baton.is_held() {
            self.wake_poll();
        }
        self.notify(&self.io);
    }

    fn wake_poll(&self) {
        if !self.has_failed() && self.waker.ring().is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}
