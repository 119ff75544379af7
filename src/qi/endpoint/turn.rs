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
        self.may_go_on_at(Instant::now)
    }

    fn may_go_on_at(&mut self, clock: impl FnOnce() -> Instant) -> bool {
        self.done += 1;
        if self.done.is_multiple_of(LOOK) {
            let now = clock();
            if now - *self.looked.get_or_insert(now) >= TIME {
                return false;
            }
        }
        self.done <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many things are done in a turn when each takes so long.
    fn done(most: u32, each: Duration) -> u32 {
        let (begun, mut turn, mut done) = (Instant::now(), Turn::of(most), 0);
        while done < 10 * most && turn.may_go_on_at(|| begun + each * done) {
            done += 1;
        }
        done
    }

    #[test]
    fn a_turn_is_over_after_so_many_things() {
        for most in [1, LOOK - 1, LOOK, 1024] {
            assert_eq!(done(most, Duration::ZERO), most);
        }
    }

    #[test]
    fn a_turn_is_over_after_its_time() {
        // The clock is first looked at with the 32nd, and then with every 32nd.
        assert_eq!(done(1024, TIME), 2 * LOOK - 1);
        assert_eq!(done(1024, TIME / (2 * LOOK)), 3 * LOOK - 1);
        assert_eq!(done(100, TIME / 100), 100, "what is left of the time is nobody else's");
    }
}
