//! Write coalescing: messages of a stream leave together in large writes, all others at once.
//!
//! - *When is a message part of a stream?* `stream_detector.rs`, asked here once per call, so that all pipes of a broadcast fare alike, and
//!   only when a pipe has nothing waiting: reading the clock costs more than appending a small message. One socket makes a
//!   stream (a publisher, a device), or one thread does, which may feed a hundred sockets in turn.
//! - *Who flushes?* The sender when the buffer is full ([`BUFFER`](super::outbox::BUFFER)), the I/O thread otherwise
//!   (`reactor/streams.rs`), and whoever is about to wait.
//! - *When is it looked after?* From the first message that is coalesced until a look finds nothing (`counters.rs`).
//! - *What if nobody comes to look?* When the process ends by `exit` or the end of `main`, the I/O thread hands over what waits
//!   (`reactor/ending.rs`), and from then on everything is written through. Threads with a real-time policy, which may keep the
//!   I/O thread from running, write through always, and so does whoever does not want any of this.

pub mod counters;
pub mod stream_detector;

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::sys::{exit, scheduling};

use stream_detector::StreamDetector;

/// What one thread has sent, to whatever.
#[derive(Clone, Copy)]
struct OfThread {
    detector: StreamDetector,
    /// Its policy is a real-time one. Asked before its first message that would be coalesced, and again with each stream.
    real_time: Option<bool>,
}

thread_local! {
    static THREAD: Cell<OfThread> = const { Cell::new(OfThread { detector: StreamDetector::new(), real_time: None }) };
}

/// Some thread of the process has a real-time policy.
static REAL_TIME: AtomicBool = AtomicBool::new(false);

/// The coalescing of one socket, or connection.
#[derive(Debug)]
pub struct Coalescing {
    detector: StreamDetector,
    /// What was decided for the call under way.
    decided: Option<Decision>,
    wanted: bool,
    /// What the thread sends elsewhere counts, too.
    with_thread: bool,
}

#[derive(Clone, Copy, Debug)]
struct Decision {
    in_stream: bool,
    close: bool,
    size: usize,
}

impl Default for Coalescing {
    fn default() -> Coalescing {
        Coalescing { detector: StreamDetector::new(), decided: None, wanted: true, with_thread: true }
    }
}

impl Coalescing {
    /// Where others know whether the thread streams.
    pub fn alone() -> Coalescing {
        Coalescing { with_thread: false, ..Coalescing::default() }
    }

    /// In the midst of a call for which this has been decided.
    #[cfg(test)]
    pub fn decided(in_stream: bool) -> Coalescing {
        Coalescing { decided: Some(Decision { in_stream, close: in_stream, size: 0 }), ..Coalescing::default() }
    }

    /// Whether the user wants it at all.
    pub fn set_wanted(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Is this call's message, of `size` bytes, part of a stream?
    pub fn in_stream(&mut self, size: usize) -> bool {
        if let Some(decision) = self.decided {
            return decision.in_stream;
        }
        let decision = self.decide(size);
        self.decided = Some(decision);
        decision.in_stream
    }

    fn decide(&mut self, size: usize) -> Decision {
        let mut of_thread = THREAD.get();
        let mut clock = None;
        let mut now = || *clock.get_or_insert_with(Instant::now);
        let mut close = self.detector.look(&mut now);
        let mut streams = self.detector.streams();
        if self.with_thread {
            close |= of_thread.detector.look(&mut now);
            streams |= of_thread.detector.streams();
        }
        let mut in_stream = close && streams && self.wanted;
        if in_stream {
            in_stream = !of_thread.is_real_time() && is_possible();
        } else if !streams {
            of_thread.real_time = None;
        }
        if in_stream && !self.detector.streams() {
            self.detector.join();
        }
        THREAD.set(of_thread);
        Decision { in_stream, close, size }
    }

    /// Must what is sent now not wait for others to write it, even if something waits already?
    #[inline]
    pub fn writes_through(&self) -> bool {
        !self.wanted
            || exit::is_under_way()
            || (REAL_TIME.load(Ordering::Relaxed) && THREAD.get().real_time == Some(true))
    }

    /// Who receives between his sends does not stream.
    pub fn received(&mut self) {
        self.detector.received();
        self.of_thread(StreamDetector::received);
    }

    /// The message under way, whose size was not known before, has this one.
    pub fn set_size(&mut self, size: usize) {
        if let Some(decision) = &mut self.decided {
            decision.size = size;
        }
    }

    /// This thread has written `size` bytes that had been waiting.
    pub fn flushed(&mut self, size: usize) {
        let now = Instant::now();
        self.detector.flushed(size, now);
        self.of_thread(|detector| detector.flushed(size, now));
    }

    /// A write of `size` bytes has ended: that of the message under way, or of what had been waiting.
    pub fn wrote(&mut self, size: usize) {
        match self.decided {
            Some(Decision { in_stream: false, .. }) => self.end_of_call(),
            _ => {
                self.decided = None;
                self.flushed(size);
            }
        }
    }

    /// Was anything decided for the call under way?
    #[inline]
    pub fn is_decided(&self) -> bool {
        self.decided.is_some()
    }

    /// The call under way is over. One that was not part of a stream has written.
    pub fn end_of_call(&mut self) {
        let Some(Decision { in_stream: false, close, size }) = self.decided.take() else { return };
        let now = Instant::now();
        self.detector.wrote(size, close, now);
        self.of_thread(|detector| detector.wrote(size, close, now));
    }

    fn of_thread(&self, tell: impl FnOnce(&mut StreamDetector)) {
        if self.with_thread {
            let mut of_thread = THREAD.get();
            tell(&mut of_thread.detector);
            THREAD.set(of_thread);
        }
    }
}

impl OfThread {
    fn is_real_time(&mut self) -> bool {
        *self.real_time.get_or_insert_with(|| {
            let real_time = scheduling::is_real_time();
            REAL_TIME.fetch_or(real_time, Ordering::Relaxed);
            real_time
        })
    }
}

/// Does the process still want anything to be coalesced? `MILLRACE_COALESCE=0` in its environment turns it off.
fn is_possible() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    let enabled = *ENABLED.get_or_init(|| std::env::var_os("MILLRACE_COALESCE").is_none_or(|value| value != "0"));
    enabled && !exit::is_under_way()
}
