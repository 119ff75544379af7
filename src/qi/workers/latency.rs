//! Whether a piece of code has been quick lately: so quick that nobody needs to poll while it runs; or so long that others had better go first.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Handing over to another thread costs about as much.
const QUICK: Duration = Duration::from_micros(50);

/// What takes longer keeps others from the thread that it has.
const LONG: Duration = Duration::from_millis(1);

/// What has been slow must be quick so many times before it counts as quick again.
const PROBATION: u8 = 8;

/// Quick until it proves slow, or even long.
#[derive(Debug, Default)]
pub struct LatencyEstimate {
    /// Times that it must be quick before it counts as that again.
    slow: AtomicU8,
    long: AtomicU8,
}

thread_local! {
    /// What the thread has spent on answers.
    static APART: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Sends an answer. That is not the method's time: the kernel likes to give the core to whom it wakes.
pub fn apart(send: impl FnOnce()) {
    let begun = Instant::now();
    send();
    APART.set(APART.get() + begun.elapsed());
}

impl LatencyEstimate {
    pub fn is_quick(&self) -> bool {
        self.slow.load(Ordering::Relaxed) == 0
    }

    pub fn is_long(&self) -> bool {
        self.long.load(Ordering::Relaxed) != 0
    }

    pub fn measure(&self, run: impl FnOnce()) {
        let (begun, apart) = (Instant::now(), APART.get());
        run();
        self.learn(begun.elapsed().saturating_sub(APART.get() - apart));
    }

    /// It took so long. If two tell at once, one may be forgotten.
    fn learn(&self, time: Duration) {
        for (count, most) in [(&self.slow, QUICK), (&self.long, LONG)] {
            let left = count.load(Ordering::Relaxed);
            let now = if time > most { PROBATION } else { left.saturating_sub(1) };
            if now != left {
                count.store(now, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_slow_once_must_be_quick_many_times() {
        let latency = LatencyEstimate::default();
        assert!(latency.is_quick());
        for _ in 0..2 {
            latency.learn(QUICK * 2);
            for _ in 0..PROBATION {
                assert!(!latency.is_quick());
                latency.learn(QUICK);
            }
            assert!(latency.is_quick() && !latency.is_long());
        }
        latency.learn(LONG * 2);
        latency.learn(LONG);
        assert!(latency.is_long() && !latency.is_quick());
        (0..PROBATION).for_each(|_| latency.learn(LONG));
        assert!(!latency.is_long() && !latency.is_quick());
    }
}
