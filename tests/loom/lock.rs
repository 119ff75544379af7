//! The lock of one word: one thread at a time, and nobody sleeps beside a lock that is free.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::explore;
use crate::sys::lock::WordLock;

/// The checker looks that nobody else is in the cell meanwhile, and that what was written is seen.
fn add(lock: &WordLock<UnsafeCell<u32>>) {
    let cell = lock.lock();
    cell.with_mut(|value| {
        // SAFETY: the lock is held.
        unsafe { *value += 1 };
    });
}

fn value(lock: &WordLock<UnsafeCell<u32>>) -> u32 {
    let cell = lock.lock();
    // SAFETY: the lock is held.
    cell.with(|value| unsafe { *value })
}

#[test]
fn all_who_wait_come_to_it() {
    explore(3, || {
        let lock = Arc::new(WordLock::new(UnsafeCell::new(0)));
        let others = [(); 2].map(|()| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || add(&lock))
        });
        add(&lock);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(value(&lock), 3);
    });
}

#[test]
fn who_does_not_wait_gets_it_or_not() {
    explore(3, || {
        let lock = Arc::new(WordLock::new(UnsafeCell::new(0)));
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            add(&other);
            add(&other);
        });
        let got = lock.try_lock().map(|cell| {
            cell.with_mut(|value| {
                // SAFETY: the lock is held.
                unsafe { *value += 1 };
            });
        });
        thread.join().unwrap();
        assert_eq!(value(&lock), 2 + u32::from(got.is_some()));
    });
}
