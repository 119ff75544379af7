//! When to try which of several ways to a peer: the next when one has failed, or has taken longer than a pause; those under
//! way go on, and the first that arrives wins (RFC 8305). A machine; the clock is an argument.
//!
//! ```text
//!   waiting ── nothing is under way, one has failed, or the pause is over ──▶ under way ──┬─▶ failed
//!                                                                                         └─▶ several ways: it was a name
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long the others wait for one that does not answer. A round trip around the world is shorter.
const PAUSE: Duration = Duration::from_millis(250);
/// Ways that are remembered: what a peer or a name server lists has no limit of its own.
const MAX_WAITING: usize = 64;

#[derive(Debug)]
pub struct Race<W> {
    waiting: VecDeque<W>,
    under_way: usize,
    /// When the next is begun though others are under way. `None`: now.
    next: Option<Instant>,
    end: Option<Instant>,
}

impl<W> Race<W> {
    /// The ways in the order in which they are tried. All of them get their turn before `end`.
    pub fn new(ways: impl IntoIterator<Item = W>, end: Option<Instant>) -> Race<W> {
        Race { waiting: ways.into_iter().take(MAX_WAITING).collect(), under_way: 0, next: None, end }
    }

    /// It is time to begin one.
    pub fn is_due(&self, now: Instant) -> bool {
        !self.waiting.is_empty() && (self.under_way == 0 || self.next.is_none_or(|at| now >= at))
    }

    /// The way to be begun now, if it is time for one.
    pub fn begin(&mut self, now: Instant) -> Option<W> {
        let way = self.is_due(now).then(|| self.waiting.pop_front())??;
        self.under_way += 1;
        self.next = now.checked_add(self.pause(now));
        Some(way)
    }

    /// With little time left the pauses are shorter.
    fn pause(&self, now: Instant) -> Duration {
        let ways = u32::try_from(self.waiting.len() + 1).unwrap_or(u32::MAX);
        self.end.map_or(PAUSE, |end| PAUSE.min(end.saturating_duration_since(now) / ways))
    }

    /// One that was under way leads nowhere.
    pub fn failed(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.next = None;
    }

    /// One that was under way has become these, which are next.
    pub fn became(&mut self, ways: Vec<W>) {
        self.failed();
        let room = MAX_WAITING.saturating_sub(self.waiting.len());
        ways.into_iter().take(room).rev().for_each(|way| self.waiting.push_front(way));
    }

    /// Nothing is left to be tried or waited for.
    pub fn is_lost(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty()
    }

    /// When to look again if nothing happens.
    pub fn wake(&self) -> Option<Instant> {
        let next = self.next.filter(|_| !self.waiting.is_empty());
        next.into_iter().chain(self.end).min()
    }

    /// The time is over.
    pub fn is_late(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end)
    }
}

#[cfg(test)]
#[path = "tests/race.rs"]
mod tests;
