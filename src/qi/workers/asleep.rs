//! Whether a thread spends its time waiting. One that blocks for 5 ms in each of its jobs is never long in any of them, but might as well not
//! be there.

use std::time::{Duration, Instant};

use crate::sys::usage::Usage;

/// Looks by one thread at itself, one after the other.
#[derive(Debug, Default)]
pub struct Sleeper {
    /// When it last looked.
    last: Option<(Instant, Usage)>,
}

impl Sleeper {
    /// What has been before is not to count.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Looks for the first time, unless it has.
    pub fn look(&mut self) {
        self.last.get_or_insert_with(|| (Instant::now(), Usage::of_thread()));
    }

    /// If at least so much time has passed since it last looked: whether it has been waiting for most of it. A look asks the kernel.
    pub fn look_again(&mut self, time: Duration) -> Option<bool> {
        let (since, before) = self.last?;
        let now = Instant::now();
        let passed = now - since;
        if passed < time {
            return None;
        }
        let usage = Usage::of_thread();
        self.last = Some((now, usage));
        Some(is_sleep(passed, usage.since(before)))
    }
}

/// A thread that computes beside others that do has not the processor all the time, either; but that was taken from it.
fn is_sleep(passed: Duration, usage: Usage) -> bool {
    usage.waits > usage.preemptions && usage.user + usage.system < passed / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_millis(5);

    fn usage(milliseconds: u64, waits: u64, preemptions: u64) -> Usage {
        Usage { user: Duration::from_millis(milliseconds), waits, preemptions, ..Usage::default() }
    }

    #[test]
    fn who_waits_sleeps_and_who_computes_does_not() {
        assert!(is_sleep(TIME, usage(0, 1, 0)) && is_sleep(TIME, usage(1, 5, 1)));
        assert!(!is_sleep(TIME, usage(4, 1, 0)), "it has computed");
        assert!(!is_sleep(TIME, usage(1, 1, 3)) && !is_sleep(TIME, usage(0, 0, 0)), "others have computed");
    }

    #[test]
    fn it_looks_when_time_has_passed_and_at_what_has_been_since() {
        let mut sleeper = Sleeper::default();
        assert_eq!(sleeper.look_again(Duration::ZERO), None);
        sleeper.look();
        assert_eq!(sleeper.look_again(Duration::from_secs(3600)), None);
        assert!(sleeper.look_again(Duration::ZERO).is_some() && sleeper.look_again(Duration::ZERO).is_some());
        sleeper.forget();
        assert_eq!(sleeper.look_again(Duration::ZERO), None);
    }
}
