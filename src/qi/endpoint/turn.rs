//! A turn: how much is done for one before others have theirs, in things and in time.

use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_millis(1);
/// Things between two looks at the clock; long ones count as several.
const LOOK: usize = 32;
/// So many bytes are as good as a thing more.
const BYTES: usize = 1024;

/// What a turn has brought so far.
#[derive(Debug)]
pub struct Turn {
    most: u32,
    done: u32,
    /// Since the last look at the clock.
    weight: usize,
    /// When it was first worth a look at the clock.
    looked: Option<Instant>,
}

impl Turn {
    /// Of at most so many things, or a millisecond.
    pub fn of(most: u32) -> Turn {
        Turn { most, done: 0, weight: 0, looked: None }
    }

    /// One more; false: the turn is over.
    pub fn may_go_on(&mut self) -> bool {
        self.may_go_on_at(Instant::now)
    }

    /// The last thing had so many bytes, which somebody may have looked at one by one.
    pub fn weigh(&mut self, bytes: usize) {
        self.weight += bytes / BYTES;
    }

    fn may_go_on_at(&mut self, clock: impl FnOnce() -> Instant) -> bool {
        self.done += 1;
        self.weight += 1;
        if self.weight >= LOOK {
            self.weight = 0;
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
        done_of(most, each, 0)
    }

    /// The same when each has so many bytes.
    fn done_of(most: u32, each: Duration, bytes: usize) -> u32 {
        let (begun, mut turn, mut done) = (Instant::now(), Turn::of(most), 0);
        while done < 10 * most && turn.may_go_on_at(|| begun + each * done) {
            done += 1;
            turn.weigh(bytes);
        }
        done
    }

    #[test]
    fn a_turn_is_over_after_so_many_things() {
        for most in [1, 31, 32, 1024] {
            assert_eq!(done(most, Duration::ZERO), most);
        }
    }

    #[test]
    fn a_turn_is_over_after_its_time() {
        // The clock is first looked at with the 32nd, and then with every 32nd.
        assert_eq!(done(1024, TIME), 63);
        assert_eq!(done(1024, TIME / 64), 95);
        assert_eq!(done(100, TIME / 100), 100, "what is left of the time is nobody else's");
    }

    #[test]
    fn the_clock_is_looked_at_sooner_when_things_are_long() {
        assert_eq!(done_of(1024, TIME, LOOK * BYTES), 2, "after each");
        assert_eq!(done_of(1024, TIME, LOOK * BYTES / 4), 8);
        assert_eq!(done_of(1024, Duration::ZERO, LOOK * BYTES), 1024);
    }
}
