//! A thread's place to sleep: one word.
//!
//! ```text
//!            park            notify
//!   Empty ─────────▶ Parked ────────▶ Noticed ──take──▶ Empty
//!     └──begin_poll──▶ Polling ──notify──┘
//! ```
//!
//! A notice that comes before the sleep makes it not happen. The word says whether the sleeper is in a futex
//! or in the poll, so that whoever notifies makes the one system call that is needed, or none.

use std::sync::Arc;
use std::time::Duration;

use crate::sys::futex::{self, Slept};
use crate::sys::sync::{AtomicU32, Ordering};

const EMPTY: u32 = 0;
const NOTICED: u32 = 1;
const PARKED: u32 = 2;
const POLLING: u32 = 3;

#[derive(Debug, Default)]
pub struct Parker(AtomicU32);

thread_local! {
    static MINE: Arc<Parker> = Arc::default();
}

impl Parker {
    /// The calling thread's own. One that is ending, or a process in its exit handlers, has let go of it: then it is a new
    /// one, for this wait.
    pub fn mine() -> Arc<Parker> {
        MINE.try_with(Arc::clone).unwrap_or_default()
    }

    /// Wakes the owner. True: it is in the poll and needs the poll's waker.
    #[must_use]
    pub fn notify(&self) -> bool {
        match self.0.swap(NOTICED, Ordering::AcqRel) {
            PARKED => futex::wake_one(&self.0),
            POLLING => return true,
            _ => {}
        }
        false
    }

    /// Was there a notice? Only the owner asks, and it is gone then.
    pub fn take_notice(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOTICED && self.0.swap(EMPTY, Ordering::AcqRel) == NOTICED
    }

    pub fn has_notice(&self) -> bool {
        std::hint::spin_loop();
        self.0.load(Ordering::Acquire) == NOTICED
    }

    /// Sleeps until a notice, which stays for [`Parker::take_notice`].
    pub fn park(&self, timeout: Option<Duration>) -> Slept {
        if self.0.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Slept::Woken;
        }
        let slept = futex::wait(&self.0, PARKED, timeout);
        let _ = self.0.compare_exchange(PARKED, EMPTY, Ordering::AcqRel, Ordering::Acquire);
        slept
    }

    /// About to poll. False: there is a notice, do not.
    pub fn begin_poll(&self) -> bool {
        self.0.compare_exchange(EMPTY, POLLING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub fn end_poll(&self) {
        let _ = self.0.compare_exchange(POLLING, EMPTY, Ordering::AcqRel, Ordering::Acquire);
    }
}
