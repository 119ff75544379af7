//! A lock of one word.
//!
//! The standard library's does the same with the word, and besides asks twice for each lock whether the thread is panicking, which is a
//! twelfth of what a call in the midst of a stream has to do. Whoever holds a lock of ours cannot leave broken data behind (`sync.rs`), so
//! nobody wants to know.
//!
//! ```text
//!   Free ── lock ──▶ Held ── somebody waits ──▶ Awaited ── unlock, wake one ──▶ Free
//! ```

use std::cell::UnsafeCell;
use std::fmt;
use std::hint;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::futex;
use super::sync::{AtomicU32, Ordering, SPINS};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and perhaps somebody sleeps on the word.
const AWAITED: u32 = 2;

/// A value that one thread at a time may use.
pub struct WordLock<T> {
    word: AtomicU32,
    value: UnsafeCell<T>,
}

/// The value, while the lock is held. It is let go of by the thread that took it.
pub struct WordGuard<'l, T> {
    lock: &'l WordLock<T>,
    of_this_thread: PhantomData<*const ()>,
}

// SAFETY: the value is reached by one thread at a time, and each sees what the one before has done: who takes the word acquires what who
// left it has released.
unsafe impl<T: Send> Sync for WordLock<T> {}

impl<T> WordLock<T> {
    pub fn new(value: T) -> WordLock<T> {
        WordLock { word: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock.
    #[inline(always)]
    pub fn lock(&self) -> WordGuard<'_, T> {
        if !self.takes() {
            self.wait();
        }
        self.guard()
    }

    /// The lock, unless somebody has it.
    pub fn try_lock(&self) -> Option<WordGuard<'_, T>> {
        self.takes().then(|| self.guard())
    }

    #[inline(always)]
    fn takes(&self) -> bool {
        self.word.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline(always)]
    fn guard(&self) -> WordGuard<'_, T> {
        WordGuard { lock: self, of_this_thread: PhantomData }
    }

    /// Whoever has slept takes it as one that others may wait for, since it cannot know.
    #[cold]
    #[inline(never)]
    fn wait(&self) {
        if self.spin() == FREE && self.takes() {
            return;
        }
        while self.word.swap(AWAITED, Ordering::Acquire) != FREE {
            futex::wait(&self.word, AWAITED, None);
            self.spin();
        }
    }

    /// Looks for a while whether it is left, unless others sleep already; what it saw last.
    fn spin(&self) -> u32 {
        for _ in 0..SPINS {
            let word = self.word.load(Ordering::Relaxed);
            if word != HELD {
                return word;
            }
            hint::spin_loop();
        }
        self.word.load(Ordering::Relaxed)
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        futex::wake_one(&self.word);
    }
}

impl<T> Drop for WordGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lock.word.swap(FREE, Ordering::Release) == AWAITED {
            self.lock.wake();
        }
    }
}

impl<T> Deref for WordGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the guard has the lock, so nobody else uses the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for WordGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed by nobody else.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: Default> Default for WordLock<T> {
    fn default() -> WordLock<T> {
        WordLock::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for WordLock<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => out.debug_tuple("WordLock").field(&*value).finish(),
            None => out.write_str("WordLock(held)"),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for WordGuard<'_, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}
