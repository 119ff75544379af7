//! The end of the process: what was accepted and still waits here is handed to the kernel.
//!
//! The I/O thread does it, and the thread that ends the process waits for that. By itself it must take no lock: a signal handler
//! may have called `exit` in the midst of anything.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::sys::exit::AtExit;

use super::Reactor;
use super::parker::Parker;

/// For so long nothing may change: no peer reads, or the thread that ends the process holds a lock.
const STALL: Duration = Duration::from_millis(100);

/// How soon the kernel is asked again whether it has room.
const STEP: Duration = Duration::from_millis(1);

#[derive(Default)]
pub struct Ending {
    wanted: AtomicBool,
    /// Beats while the I/O thread is at it.
    beats: AtomicU32,
    waiter: Parker,
}

thread_local! {
    /// The reactor whose I/O thread this is, as an address.
    static SERVED: Cell<usize> = const { Cell::new(0) };
}

impl Ending {
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }
}

impl AtExit for Reactor {
    fn process_ends(&self) {
        if self.is_stopping() {
            return;
        }
        if SERVED.get() == self.address() {
            return self.hand_over();
        }
        self.ending.wanted.store(true, Ordering::Release);
        self.notify(&self.io);
        let mut seen = (self.ending.beats.load(Ordering::Relaxed), Instant::now());
        while !self.ending.waiter.take_notice() {
            let beats = self.ending.beats.load(Ordering::Relaxed);
            if beats != seen.0 {
                seen = (beats, Instant::now());
            }
            let left = STALL.saturating_sub(seen.1.elapsed());
            if left.is_zero() {
                return;
            }
            self.ending.waiter.park(Some(left));
        }
    }
}

impl Reactor {
    /// The calling thread is the I/O thread.
    pub(super) fn serves_here(&self) {
        SERVED.set(self.address());
    }

    /// Hands over what waits, if the process is about to end.
    pub(super) fn end_if_wanted(&self) {
        if self.ending.is_wanted() {
            self.hand_over();
            self.ending.wanted.store(false, Ordering::Release);
            self.notify(&self.ending.waiter);
        }
    }

    /// Hands everything to the kernel. Where it has no room this waits within each one's linger time, as long as peers read.
    fn hand_over(&self) {
        let begun = Instant::now();
        let mut left = self.sources.all();
        let mut last = (u64::MAX, begun);
        loop {
            let mut unsent = 0;
            let age = begun.elapsed();
            left.retain(|(source, key)| {
                self.ending.beats.fetch_add(1, Ordering::Relaxed);
                if source.is_busy() {
                    return age < STALL;
                }
                let rest = source.hand_over(*key);
                unsent += rest.bytes;
                rest.bytes > 0 && age < rest.linger
            });
            if unsent != last.0 {
                last = (unsent, Instant::now());
            }
            if left.is_empty() || last.1.elapsed() >= STALL {
                return;
            }
            self.io.park(Some(STEP));
            self.io.take_notice();
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
