//! What the calling thread has cost so far.

use std::mem::MaybeUninit;
use std::time::Duration;

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In the program itself.
    pub user: Duration,
    /// In the kernel, for it.
    pub system: Duration,
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
        Usage { user: duration(usage.ru_utime), system: duration(usage.ru_stime) }
    }

    /// Since an earlier look by the same thread.
    #[must_use]
    pub fn since(self, before: Usage) -> Usage {
        let (user, system) = (self.user.saturating_sub(before.user), self.system.saturating_sub(before.system));
        Usage { user, system }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec.unsigned_abs(), 0) + Duration::from_micros(time.tv_usec.unsigned_abs())
}
