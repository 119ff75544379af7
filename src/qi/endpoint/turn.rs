//! A turn: how much is done for one before others have theirs, in things and in time.

use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_millis(1);
/// Things between two looks at the clock.
const LOOK: u32 = 32;

/// What a turn has brought so far.
#[derive(Debug)]
pub struct Turn {
    most: u32,
    done: u32,
    /// When it was first worth a look at the clock.
    looked: Option<Instant>,
}

impl Turn {
    /// Of at most so many things, or a millisecond.
    pub fn of(most: u32) -> Turn {
        Turn { most, done: 0, looked: None }
    }

    /// One more; false: the turn is over.
    pub fn may_go_on(&mut self) -> bool {
        self.done += 1;
        if self.done.is_multiple_of(LOOK) && self.looked.get_or_insert_with(Instant::now).elapsed() >= TIME {
            return false;
        }
        self.done <= self.most
    }
}
