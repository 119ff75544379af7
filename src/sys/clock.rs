//! The system's cheap clock.

use std::mem::MaybeUninit;
use std::time::Duration;

/// Time since the system started, the same for all processes, as of the last timer tick (1 to 10 ms ago at most). Costs
/// a fraction of what an exact clock does.
///
/// By libc: rustix finds the clock in the vDSO by itself, where valgrind complains of what it reads.
pub fn coarse() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to room for a timespec, which the call fills if it succeeds.
    let filled = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, time.as_mut_ptr()) } == 0;
    if !filled {
        return Duration::ZERO;
    }
    // SAFETY: filled just now.
    let time = unsafe { time.assume_init() };
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
