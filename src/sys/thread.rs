//! Which thread this is, also when it is ending: the standard library's `thread::current` panics once a thread's own values
//! are gone, and C programs call from destructors of a thread's keys and from exit handlers.

use std::cell::Cell;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// A thread, for comparing it. No two ever have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(u64);

thread_local! {
    /// 0: it has not been asked for.
    static ID: Cell<u64> = const { Cell::new(0) };
}

impl Id {
    pub fn of_thread() -> Id {
        static MADE: AtomicU64 = AtomicU64::new(0);
        if ID.get() == 0 {
            ID.set(MADE.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Id(ID.get())
    }
}

/// Is it the calling thread?
pub fn is_current<T>(thread: &JoinHandle<T>) -> bool {
    // SAFETY: pthread_self takes nothing and cannot fail.
    thread.as_pthread_t() == unsafe { libc::pthread_self() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_is_itself_and_no_other() {
        let mine = Id::of_thread();
        assert_eq!(mine, Id::of_thread());
        let other = std::thread::spawn(Id::of_thread);
        assert!(!is_current(&other));
        assert_ne!(other.join().unwrap(), mine);
    }
}
