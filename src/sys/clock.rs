//! The system's cheap clock.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the system started, the same for all processes, as of the last timer tick (1 to 10 ms ago at most). Costs
/// a fraction of what an exact clock does.
pub fn coarse() -> Duration {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_go_backwards() {
        let first = coarse();
        assert!(first > Duration::ZERO && coarse() >= first);
    }
}
