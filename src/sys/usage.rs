//! What the calling thread has cost so far.

use std::mem::MaybeUninit;
use std::time::Duration;

/// Processor time, and how often it was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In the program itself.
    pub user: Duration,
    /// In the kernel, for it.
    pub system: Duration,
    /// How often it had to wait for something.
    pub waits: u64,
    /// How often others were given its processor.
    pub preemptions: u64,
}

impl Usage {
    /// Of the calling thread, since it began.
    pub fn of_thread() -> Usage {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: all bytes zero are a valid `rusage`, and getrusage writes nothing else into it.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
            usage.assume_init()
        };
        Usage {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            waits: usage.ru_nvcsw.unsigned_abs(),
            preemptions: usage.ru_nivcsw.unsigned_abs(),
        }
    }

    /// Since an earlier look by the same thread.
    #[must_use]
    pub fn since(self, before: Usage) -> Usage {
        Usage {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            waits: self.waits.saturating_sub(before.waits),
            preemptions: self.preemptions.saturating_sub(before.preemptions),
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec.unsigned_abs(), 0) + Duration::from_micros(time.tv_usec.unsigned_abs())
}
