//! When to try again what has failed. A pure machine; the clock is an argument.
//!
//! ```text
//!   Due ── failed ──▶ Resting (each time twice as long) ── the time has come ──▶ Due
//!    ▲                   │
//!    └───── afresh ──────┘ it has succeeded, or something of it has changed
//! ```
//!
//! Each thing that can be lost has its own, so one that fails again and again does not hold up the others.

use std::time::{Duration, Instant};

use crate::core::backoff::doubled;

/// How long to wait between attempts: each twice as long as the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; 100 ms.
    pub first: Duration,
    /// At most; 10 s.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The time to wait after so many failures in a row, at least one.
    pub fn delay(&self, failures: u32) -> Duration {
        doubled(self.first, failures.saturating_sub(1)).min(self.longest)
    }
}

#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
    at: Option<Instant>,
}

impl Retry {
    pub fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    /// When it will be, if it has failed. What lies beyond the clock is due at once.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    pub fn failed(&mut self, now: Instant, backoff: &Backoff) {
        self.failures = self.failures.saturating_add(1);
        self.at = now.checked_add(backoff.delay(self.failures));
    }

    /// No failure counts any more.
    pub fn afresh(&mut self) {
        *self = Retry::default();
    }
}
