//! Timers: an ordered set of instants, each with whom to tell.

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
    made: u64,
}

impl Timers {
    /// Adds a timer. The second value says that it is now the first of all: a poller may have to be told.
    pub fn insert(&self, at: Instant, source: Arc<dyn Source>, key: u64) -> (TimerId, bool) {
        let mut set = self.0.lock();
        set.made += 1;
        let id = TimerId(at, set.made);
        set.due.insert(id, (source, key));
        let first = set.due.first_key_value().is_some_and(|(first, _)| *first == id);
        (id, first)
    }

    /// One that has expired already is no error.
    pub fn cancel(&self, id: TimerId) {
        let removed = self.0.lock().due.remove(&id);
        // The source may be the last of its kind; let it go without the lock.
        drop(removed);
    }

    pub fn clear(&self) {
        let all = std::mem::take(&mut self.0.lock().due);
        drop(all);
    }

    pub fn next(&self) -> Option<Instant> {
        self.0.lock().due.first_key_value().map(|(id, _)| id.0)
    }

    /// Takes out one timer that is due.
    pub fn pop_due(&self, now: Instant) -> Option<(Arc<dyn Source>, u64)> {
        let mut set = self.0.lock();
        let (first, _) = set.due.first_key_value()?;
        if first.0 > now {
            return None;
        }
        set.due.pop_first().map(|(_, whom)| whom)
    }
}
