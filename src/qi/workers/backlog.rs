//! The jobs that wait for a thread: in turns of their owners ([`Turns`]), and those that have been quick before those that are long, since a quick
//! one behind two hundred that block for 5 ms each waits for a second, and these hardly notice who goes first.
//!
//! Of the long ones one goes first after so many quick ones ([`AHEAD`]), so they go on however many quick ones there are.

use super::turns::{GONE, Origin, Turns};

/// Quick jobs that go before a long one which waits.
const AHEAD: u32 = 4;

/// See the head of this file.
pub struct Backlog<J> {
    quick: Turns<J>,
    long: Turns<J>,
    /// Whether one is likely to keep a thread for long.
    is_long: fn(&J) -> bool,
    /// Quick ones that have gone before those long ones which wait.
    ahead: u32,
}

fn of(owner: u64) -> Origin {
    Origin::Connection { id: owner, bytes: 0, is_new: false }
}

impl<J> Backlog<J> {
    pub fn new(is_long: fn(&J) -> bool) -> Backlog<J> {
        Backlog { quick: Turns::default(), long: Turns::default(), is_long, ahead: 0 }
    }

    pub fn push(&mut self, owner: u64, job: J) {
        let turns = if (self.is_long)(&job) { &mut self.long } else { &mut self.quick };
        turns.push(of(owner), job);
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<J> {
        if self.long.is_empty() {
            return self.quick.pop();
        }
        if self.quick.is_empty() || self.ahead == AHEAD {
            self.ahead = 0;
            return self.long.pop();
        }
        self.ahead += 1;
        self.quick.pop()
    }

    pub fn len(&self) -> usize {
        self.quick.len() + self.long.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn take(&mut self) -> Vec<J> {
        let mut all = self.quick.take();
        all.append(&mut self.long.take());
        all
    }

    /// An owner has gone: says whose its jobs are now, if they are somebody's; else they are [`GONE`]'s.
    pub fn owner_gone(&mut self, owner: u64, whose: impl Fn(&J) -> Option<u64>) {
        for turns in [&mut self.quick, &mut self.long] {
            for (_, job) in turns.take_all_of(owner) {
                let heir = whose(&job).unwrap_or(GONE);
                turns.push(of(heir), job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_ones_go_first_and_long_ones_go_on() {
        let mut backlog = Backlog::new(|job| *job >= 100);
        for job in (100..103).chain(0..10) {
            backlog.push(0, job);
        }
        assert_eq!(backlog.len(), 13);
        let order: Vec<i32> = std::iter::from_fn(|| backlog.pop()).collect();
        assert_eq!(order, [0, 1, 2, 3, 100, 4, 5, 6, 7, 101, 8, 9, 102]);
        assert!(backlog.is_empty());
    }

    #[test]
    fn what_is_left_behind_is_handed_over_and_what_is_taken_is_gone() {
        let mut backlog = Backlog::new(|job| *job >= 100);
        for job in [1, 100, 2, 101] {
            backlog.push(7, job);
        }
        backlog.owner_gone(7, |job| (*job == 1).then_some(8));
        assert_eq!((backlog.quick.load_of(8).tasks, backlog.quick.load_of(GONE).tasks), (1, 1));
        assert_eq!(backlog.long.load_of(GONE).tasks, 2);
        assert_eq!(backlog.take(), [1, 2, 100, 101]);
        assert!(backlog.is_empty());
    }
}
