//! Timers: an ordered set of instants, each with whom to tell.
//!
//! Most are cancelled: those of connecting and of the greeting, as soon as a connection is there. Whoever sleeps until such a one is
//! left alone, and the next timer, which is later, need not wake it either: a thousand connections, each with timers of its own, cost
//! one wake-up too many instead of two each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::transport::source::Source;

use super::sync::Mutex;

/// A timer, for cancelling it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TimerId(Instant, u64);

#[derive(Default)]
pub struct Timers(Mutex<Set>);

#[derive(Default)]
struct Set {
    due: BTreeMap<TimerId, (Arc<dyn Source>, u64)>,
    /// The earliest that was cancelled and is not over yet: somebody may sleep until then.
    cancelled: Option<Instant>,
    made: u64,
}

impl Set {
    /// When whoever sleeps wakes at the latest. It comes nearer only with a new timer.
    fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(id, _)| id.0).into_iter().chain(self.cancelled).min()
    }
}

impl Timers {
    /// Adds a timer. The second value says that a poller may have to be told, because it sleeps for longer.
    pub fn insert(&self, at: Instant, source: Arc<dyn Source>, key: u64) -> (TimerId, bool) {
        let mut set = self.0.lock();
        set.made += 1;
        let id = TimerId(at, set.made);
        let first = set.next().is_none_or(|next| at < next);
        set.due.insert(id, (source, key));
        (id, first)
    }

    /// One that has expired already is no error.
    pub fn cancel(&self, id: TimerId) {
        let mut set = self.0.lock();
        let next = set.next();
        let removed = set.due.remove(&id);
        if removed.is_some() && next == Some(id.0) {
            set.cancelled = next;
        }
        drop(set);
        // The source may be the last of its kind; let it go without the lock.
        drop(removed);
    }

    pub fn clear(&self) {
        let mut set = self.0.lock();
        set.cancelled = None;
        let all = std::mem::take(&mut set.due);
        drop(set);
        drop(all);
    }

    /// When to look for one that is due: there may be none then.
    pub fn next(&self) -> Option<Instant> {
        self.0.lock().next()
    }

    /// Takes out one timer that is due.
    pub fn pop_due(&self, now: Instant) -> Option<(Arc<dyn Source>, u64)> {
        let mut set = self.0.lock();
        set.cancelled = set.cancelled.filter(|at| *at > now);
        let (first, _) = set.due.first_key_value()?;
        if first.0 > now {
            return None;
        }
        set.due.pop_first().map(|(_, whom)| whom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::source::Fake;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn set() -> (Timers, Arc<dyn Source>, Instant) {
        (Timers::default(), Arc::<Fake>::default(), Instant::now())
    }

    #[test]
    fn whoever_sleeps_is_woken_only_for_what_comes_before() {
        let (timers, whom, now) = set();
        let insert = |after| timers.insert(now + after * MS, Arc::clone(&whom), u64::from(after));
        assert!(insert(20).1);
        assert!(!insert(20).1 && !insert(30).1);
        assert!(insert(10).1);
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(now + 25 * MS)).map(|(_, key)| key).collect();
        assert_eq!((due, timers.next()), (vec![10, 20, 20], Some(now + 30 * MS)));
    }

    /// Connections that come about one after the other, each with a timer that is cancelled then.
    #[test]
    fn whoever_sleeps_until_a_cancelled_timer_is_not_woken_for_later_ones() {
        let (timers, whom, now) = set();
        let insert = |after| timers.insert(now + after * MS, Arc::clone(&whom), 0);
        let (first, wakes) = insert(1000);
        assert!(wakes);
        timers.cancel(first);
        for after in 1001..2000 {
            let (timer, wakes) = insert(after);
            assert!(!wakes, "{after}");
            timers.cancel(timer);
        }
        assert_eq!(timers.next(), Some(now + 1000 * MS));
        let (earlier, wakes) = insert(500);
        assert!(wakes, "it would be late");
        timers.cancel(earlier);
        assert_eq!(timers.next(), Some(now + 500 * MS));
        assert!(!insert(700).1);
        assert!(timers.pop_due(now + 600 * MS).is_none());
        assert_eq!(timers.next(), Some(now + 700 * MS), "what is over is forgotten");
    }

    #[test]
    fn one_that_has_expired_is_not_cancelled() {
        let (timers, whom, now) = set();
        let (timer, _) = timers.insert(now, Arc::clone(&whom), 7);
        assert!(timers.pop_due(now).is_some());
        timers.cancel(timer);
        assert_eq!(timers.next(), None);
        timers.cancel(timers.insert(now + MS, Arc::clone(&whom), 0).0);
        timers.clear();
        assert_eq!(timers.next(), None);
    }
}
