//! Locks and atomics of the concurrent rules, in a form that a model checker can stand in for
//! (`tests/loom.rs`).

use std::sync::{PoisonError, TryLockError};

pub use std::sync::MutexGuard;
pub use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Looks at a lock that somebody has before a thread goes to sleep: most are held for less time than that takes.
pub const SPINS: u32 = 100;

/// A mutex whose holder cannot leave broken data behind, so poison is no news.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A mutex around a value.
    pub fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    #[inline(always)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, unless somebody has it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A condition variable that goes with [`Mutex`]. It may wake for nothing: look again.
#[derive(Debug, Default)]
pub struct Condvar(std::sync::Condvar);

impl Condvar {
    /// Lets go of the lock, sleeps until notified, and takes it again.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes one that waits.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Stores a value, and whatever this thread loads (`SeqCst`) behind that is loaded afterwards: of two threads which each publish one
/// word and then look at the other's, at least one sees what the other has done. An exchange costs half of what a fence does.
#[inline]
pub fn publish(word: &AtomicU64, value: u64) {
    word.swap(value, Ordering::SeqCst);
}
