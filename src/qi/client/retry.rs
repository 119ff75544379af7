//! When to try again what has failed, or has been lost. A pure machine; the clock is an argument.
//!
//! ```text
//!   Due ── failed ──▶ Resting (each time twice as long) ── the time has come ──▶ Due
//!    ▲ │                 │
//!    │ └── made ──▶ There ── lost sooner than a rest would have ended ──▶ Resting
//!    │                │ lost later
//!    └────────────────┴── afresh: something of it has changed
//! ```
//!
//! What lets us in and hangs up has not been had: a success counts when it has lasted.
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
    /// In a row; a success that did not last is one.
    failures: u32,
    at: Option<Instant>,
    /// It has been there since.
    made: Option<Instant>,
}

impl Retry {
    /// Asked while it is not there.
    pub fn is_due(&mut self, now: Instant, backoff: &Backoff) -> bool {
        if let Some(made) = self.made.take() {
            self.failed(made, backoff);
            if self.at.is_none_or(|at| at <= now) {
                self.afresh();
            }
        }
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

    /// It is there.
    pub fn made(&mut self, now: Instant) {
        (self.at, self.made) = (None, Some(now));
    }

    /// No failure counts any more.
    pub fn afresh(&mut self) {
        *self = Retry::default();
    }
}
