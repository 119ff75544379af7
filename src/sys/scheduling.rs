//! How the system schedules a thread.

/// `SCHED_RESET_ON_FORK` may be added to a policy.
const FLAGS: libc::c_long = 0x4000_0000;

/// Has the calling thread a real-time policy (`SCHED_FIFO`, `SCHED_RR`, `SCHED_DEADLINE`)? Others on its core then run only
/// when it sleeps.
pub fn is_real_time() -> bool {
    // SAFETY: takes a number, 0 for the calling thread, and touches no memory. Asked of the kernel itself, because some
    // C libraries answer for the process only, or not at all.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
    policy >= 0 && is_real_time_policy(policy & !FLAGS)
}

fn is_real_time_policy(policy: libc::c_long) -> bool {
    const SCHED_DEADLINE: libc::c_int = 6;
    [libc::SCHED_FIFO, libc::SCHED_RR, SCHED_DEADLINE].map(libc::c_long::from).contains(&policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_policies_are_not_real_time() {
        assert!(!is_real_time());
        for (policy, real) in [(0, false), (1, true), (2, true), (3, false), (5, false), (6, true)] {
            assert_eq!(is_real_time_policy(policy), real, "policy {policy}");
        }
    }
}
