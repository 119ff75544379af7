//! Whether an event loop of others polls, or leaves that to the I/O thread for a while.
//!
//! A loop that polls is told without a second thread. But where threads of the program receive much, it would be woken by all of that. Large messages are no
//! reason to leave: with either a message of 1 MiB took the same time within what runs differ (DESIGN.md).

/// So often in a row the loop turns for nothing: then others have more to do with the poll.
const FRUITLESS: u32 = 8;

/// So many of those that wait in the loop others call before it polls again.
const LEFT: u32 = 64;

#[derive(Debug, Default)]
pub struct LoopShare {
    fruitless: u32,
    /// What others have still to call. 0: the loop polls.
    left: u32,
}

impl LoopShare {
    /// A turn is over. (Where those that wait have descriptors, the loop is told of them later: [`LoopShare::called`].)
    pub fn turned(&mut self, has_called: bool) {
        self.fruitless = if has_called { 0 } else { self.fruitless + 1 };
        if self.fruitless >= FRUITLESS {
            *self = LoopShare { fruitless: 0, left: LEFT };
        }
    }

    /// Somebody who waits in the loop may go on.
    pub fn called(&mut self) {
        self.fruitless = 0;
        self.left = self.left.saturating_sub(1);
    }

    pub fn polls(&self) -> bool {
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_is_woken_for_nothing_leaves_the_poll_and_comes_back() {
        let mut share = LoopShare::default();
        for _ in 0..3 {
            for _ in 1..FRUITLESS {
                share.turned(false);
                assert!(share.polls());
            }
            share.turned(false);
            assert!(!share.polls());
            for _ in 1..LEFT {
                share.called();
                assert!(!share.polls());
            }
            share.called();
            assert!(share.polls());
        }
    }

    #[test]
    fn one_turn_that_calls_somebody_makes_up_for_those_that_did_not() {
        let mut share = LoopShare::default();
        for turn in 0..10 * FRUITLESS {
            share.turned(turn % 4 == 0);
            assert!(share.polls());
        }
        for turn in 0..10 * FRUITLESS {
            share.turned(false);
            // Its descriptor was ready.
            if turn % 4 == 0 {
                share.called();
            }
            assert!(share.polls());
        }
    }
}
