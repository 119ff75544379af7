//! When a connecting endpoint tries again (transports.md 1.2).

use std::time::Duration;

/// The k-th wait since the last success lasts min((2^k − 1)·ivl, max): at once, then ivl, 3·ivl, 7·ivl, …
/// `max` 0 means `max` = `ivl`; a `max` below `ivl` caps all the same.
#[derive(Debug, Clone)]
pub struct ReconnectBackoff {
    interval: Duration,
    max: Duration,
    attempt: u32,
}

impl ReconnectBackoff {
    /// From NN_RECONNECT_IVL and NN_RECONNECT_IVL_MAX, in milliseconds, not negative.
    pub fn new(interval: i32, max: i32) -> ReconnectBackoff {
        let millis = |value: i32| Duration::from_millis(value.max(0) as u64);
        let max = if max == 0 { interval } else { max };
        ReconnectBackoff { interval: millis(interval), max: millis(max), attempt: 0 }
    }

    pub fn next_wait(&mut self) -> Duration {
        let wait = doubled(self.interval, self.attempt).saturating_sub(self.interval);
        self.attempt = self.attempt.saturating_add(1);
        wait.min(self.max)
    }

    /// A connection came about and was lost. If it had been `steady`, the first retry is at once again; a peer
    /// that accepts only to hang up is asked again after one interval, not in a frenzy.
    pub fn succeeded(&mut self, steady: bool) {
        self.attempt = if steady { 0 } else { 1 };
    }
}

/// An interval that has been doubled so many times, as far as there are such times.
pub fn doubled(interval: Duration, times: u32) -> Duration {
    interval.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_has_an_end() {
        let ms = Duration::from_millis;
        assert_eq!([0, 1, 5].map(|times| doubled(ms(3), times)), [ms(3), ms(6), ms(96)]);
        assert!(doubled(ms(1), u32::MAX) >= Duration::from_secs(4_000_000));
        assert_eq!(doubled(Duration::MAX, 1), Duration::MAX);
    }

    fn waits(interval: i32, max: i32, count: usize) -> Vec<u128> {
        let mut backoff = ReconnectBackoff::new(interval, max);
        (0..count).map(|_| backoff.next_wait().as_millis()).collect()
    }

    #[test]
    fn follows_the_observed_sequences() {
        assert_eq!(waits(100, 0, 5), [0, 100, 100, 100, 100]);
        assert_eq!(waits(50, 1000, 7), [0, 50, 150, 350, 750, 1000, 1000]);
        assert_eq!(waits(50, 10, 4), [0, 10, 10, 10]);
        assert_eq!(waits(0, 0, 3), [0, 0, 0]);
        assert_eq!(*waits(i32::MAX, i32::MAX, 100).last().unwrap(), i32::MAX as u128);
    }

    #[test]
    fn starts_again_after_a_success() {
        let mut backoff = ReconnectBackoff::new(100, 1000);
        backoff.next_wait();
        backoff.next_wait();
        backoff.succeeded(true);
        assert_eq!(backoff.next_wait(), Duration::ZERO);
    }

    #[test]
    fn a_peer_that_hangs_up_at_once_is_not_hurried_to() {
        let mut backoff = ReconnectBackoff::new(100, 1000);
        for _ in 0..5 {
            backoff.succeeded(false);
            assert_eq!(backoff.next_wait(), Duration::from_millis(100));
        }
    }
}
