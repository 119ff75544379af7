//! Write coalescing: messages of a stream leave together in large writes, all others at once.
//!
//! - *When is a message part of a stream?* `stream_detector.rs`, asked once per call (`decision.rs`), so that all pipes of a broadcast fare
//!   alike, and only when a pipe has nothing waiting: reading the clock costs more than appending a small message. One socket makes a
//!   stream (a publisher, a device), or one thread does, which may feed a hundred sockets in turn. Events of the object bus are asked about
//!   by themselves (`row.rs`).
//! - *Who flushes?* `decision.rs`, for both systems: the sender when the buffer is full ([`BUFFER`](super::outbox::BUFFER)), the I/O thread
//!   otherwise (`reactor/streams.rs`), and whoever is about to wait.
//! - *When is it looked after?* From the first message that is coalesced until a look finds nothing (`counters.rs`).
//! - *What if nobody comes to look?* When the process ends by `exit` or the end of `main`, the I/O thread hands over what waits
//!   (`reactor/ending.rs`), and from then on everything is written through. Threads with a real-time policy, which may keep the
//!   I/O thread from running, write through always, and so does whoever does not want any of this.
//!
//! Here the decision meets what it is about: the system's clock, the calling thread, the process.

pub mod counters;
pub(super) mod decision;
mod row;
pub mod stream_detector;

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::sys::{exit, scheduling};

use decision::{Decider, Scope, SendingThread, World};
use row::EventRow;

pub use decision::{Flusher, flusher};
pub use row::EventUnderWay;

thread_local! {
    static THREAD: Cell<SendingThread> = const { Cell::new(SendingThread::new()) };
    static EVENTS: Cell<EventRow> = const { Cell::new(EventRow::new()) };
}

/// Some thread of the process has a real-time policy.
static REAL_TIME: AtomicBool = AtomicBool::new(false);

/// The coalescing of one socket, or connection.
#[derive(Debug)]
pub struct Coalescing(pub(super) Decider);

impl Default for Coalescing {
    fn default() -> Coalescing {
        Coalescing(Decider::new(Scope::WithThread))
    }
}

impl Coalescing {
    /// Where others know whether the thread streams.
    pub fn alone() -> Coalescing {
        Coalescing(Decider::new(Scope::Alone))
    }

    /// Whether the user wants it at all.
    pub fn set_wanted(&mut self, wanted: bool) {
        self.0.wanted = wanted;
    }

    /// Is this call's message, of `size` bytes, part of a stream?
    pub fn in_stream(&mut self, size: usize) -> bool {
        match self.0.decided {
            Some(decision) => decision.in_stream,
            None => with_thread(|thread| self.0.in_stream(size, thread, &Running)),
        }
    }

    /// Must what is sent now not wait for others to write it, even if something waits already?
    #[inline(always)]
    pub fn writes_through(&self) -> bool {
        !self.0.wanted || exit::is_under_way() || (REAL_TIME.load(Ordering::Relaxed) && THREAD.get().is_real_time())
    }

    /// Who receives between his sends does not stream.
    #[inline(always)]
    pub fn received(&mut self) {
        with_thread(|thread| self.0.received(thread));
    }

    /// The message under way, whose size was not known before, has this one.
    pub fn set_size(&mut self, size: usize) {
        self.0.set_size(size);
    }

    /// The message under way has been written by itself, to one more of those who get it.
    pub fn wrote_one(&mut self) {
        self.0.wrote_one();
    }

    /// This thread has written `size` bytes that had been waiting.
    pub fn flushed(&mut self, size: usize) {
        with_thread(|thread| self.0.flushed(size, thread, Instant::now()));
    }

    /// A write of `size` bytes has ended: that of the message under way, or of what had been waiting.
    pub fn wrote(&mut self, size: usize) {
        with_thread(|thread| self.0.wrote(size, thread, Instant::now()));
    }

    /// Was anything decided for the call under way?
    #[inline]
    pub fn is_decided(&self) -> bool {
        self.0.decided.is_some()
    }

    /// The call under way is over. One that was not part of a stream has written.
    pub fn end_of_call(&mut self) {
        with_thread(|thread| self.0.end_of_call(thread, Instant::now));
    }
}

/// The calling thread emits an event: is that one of a row?
pub fn begin_event() -> EventUnderWay {
    let mut row = EVENTS.get();
    let begun = row.begin(&Running);
    EVENTS.set(row);
    begun
}

/// It has gone to so many.
pub fn end_event(begun: EventUnderWay, receivers: usize) {
    let mut row = EVENTS.get();
    row.end(begun, u32::try_from(receivers).unwrap_or(u32::MAX), &Running);
    EVENTS.set(row);
}

/// Copied out and in: a signal handler that comes in between may send, too.
#[inline]
fn with_thread<T>(call: impl FnOnce(&mut SendingThread) -> T) -> T {
    let mut thread = THREAD.get();
    let outcome = call(&mut thread);
    THREAD.set(thread);
    outcome
}

/// This process, now.
struct Running;

impl World for Running {
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// `MILLRACE_COALESCE=0` in its environment turns it off.
    fn coalesces(&self) -> bool {
        static ENABLED: OnceLock<bool> = OnceLock::new();
        let enabled = *ENABLED.get_or_init(|| std::env::var_os("MILLRACE_COALESCE").is_none_or(|value| value != "0"));
        enabled && !exit::is_under_way()
    }

    fn is_real_time(&self) -> bool {
        let real_time = scheduling::is_real_time();
        REAL_TIME.fetch_or(real_time, Ordering::Relaxed);
        real_time
    }
}
