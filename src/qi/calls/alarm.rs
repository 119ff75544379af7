//! The timer of a connection: it rings when the time of the first call with a callback is over. A pure machine; `T` is what the
//! reactor calls the timer.
//!
//! ```text
//!   Silent ── ring_by ──▶ Armed ── ring_by, earlier ──▶ Armed (the timer before is to be disarmed)
//!      ▲                    └───── silence ───┐
//!      └──────────────────────────────────────┘
//! ```
//!
//! There is one at most, whatever calls come and go: a timer that nobody takes back stays with the reactor, and keeps the memory
//! of its connection, until its time has come.

use std::time::Instant;

#[derive(Debug)]
pub struct Alarm<T>(Option<(Instant, T)>);

impl<T> Default for Alarm<T> {
    fn default() -> Self {
        Alarm(None)
    }
}

impl<T> Alarm<T> {
    /// It is to ring at this time at the latest. `arm` gives a timer for that, if one is wanted. Gives the timer that is not
    /// wanted any more.
    #[must_use]
    pub fn ring_by(&mut self, at: Instant, arm: impl FnOnce() -> T) -> Option<T> {
        if self.0.as_ref().is_some_and(|(earlier, _)| *earlier <= at) {
            return None;
        }
        self.0.replace((at, arm())).map(|(_, timer)| timer)
    }

    /// It has rung, or is not to. Gives the timer, which may not be the one that has rung: one that was taken back in that
    /// moment rings all the same.
    #[must_use]
    pub fn silence(&mut self) -> Option<T> {
        self.0.take().map(|(_, timer)| timer)
    }
}
