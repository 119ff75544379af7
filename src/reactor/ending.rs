//! The end of the process: what was accepted and still waits here is handed to the kernel.
//!
//! The I/O thread does it, and the thread that ends the process waits for that. By itself it must take no lock: a signal handler
//! may have called `exit` in the midst of anything.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::transport::source::Source;

use super::parker::Parker;

/// For so long a lock may be held that the thread which ends the process may have taken with it.
const STALL: Duration = Duration::from_millis(100);

/// For so long peers may read nothing: as long as a close waits unless told otherwise. Whoever lingers without a limit still has a
/// process that ends.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// Whose I/O thread this is, as an address.
    static SERVED: Cell<usize> = const { Cell::new(0) };
}

impl Ending {
    /// The calling thread is the I/O thread.
    pub fn serve_here(&self) {
        SERVED.set(std::ptr::from_ref(self).addr());
    }

    pub fn is_served_here(&self) -> bool {
        SERVED.get() == std::ptr::from_ref(self).addr()
    }

    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Has the I/O thread hand over everything, and waits until it has, or gets nowhere.
    pub fn ask(&self, wake: impl FnOnce()) {
        self.wanted.store(true, Ordering::Release);
        wake();
        let mut seen = (self.beats.load(Ordering::Relaxed), Instant::now());
        while !self.waiter.take_notice() {
            let beats = self.beats.load(Ordering::Relaxed);
            if beats != seen.0 {
                seen = (beats, Instant::now());
            }
            let left = STALL.saturating_sub(seen.1.elapsed());
            if left.is_zero() {
                return;
            }
            self.waiter.park(Some(left));
        }
    }

    /// Everything has been handed over.
    pub fn done(&self) {
        self.wanted.store(false, Ordering::Release);
        // It is never in a poll.
        let _ = self.waiter.notify();
    }

    /// Hands everything to the kernel. Where it has no room this waits within each one's linger time, unless no peer reads
    /// anything for [`PAUSE`].
    pub fn hand_over(&self, mut left: Vec<(Arc<dyn Source>, u64)>, me: &Parker) {
        let begun = Instant::now();
        let mut last = (u64::MAX, begun);
        loop {
            let mut unsent = 0;
            let age = begun.elapsed();
            left.retain(|(source, key)| {
                self.beats.fetch_add(1, Ordering::Relaxed);
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
            if left.is_empty() || last.1.elapsed() >= PAUSE {
                return;
            }
            me.park(Some(STEP));
            me.take_notice();
        }
    }
}
