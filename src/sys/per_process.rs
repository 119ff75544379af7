//! A value that a process makes once, and that a forked child does not inherit.

use std::sync::atomic::{AtomicPtr, Ordering};

/// Empty until it is first asked for, and again in a forked child, which makes its own: what the parent made may be locked by
/// threads that do not exist there. Values are never dropped.
pub struct PerProcess<T: Send + Sync + 'static> {
    value: AtomicPtr<Made<T>>,
    /// What the parent made: kept in sight of leak checkers, never looked at.
    forgotten: AtomicPtr<Made<T>>,
}

struct Made<T> {
    value: T,
    _inherited: AtomicPtr<Made<T>>,
}

impl<T: Send + Sync + 'static> PerProcess<T> {
    pub const fn new() -> PerProcess<T> {
        PerProcess { value: AtomicPtr::new(std::ptr::null_mut()), forgotten: AtomicPtr::new(std::ptr::null_mut()) }
    }

    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: the pointer is null or came from a leaked box, and `T: Sync`.
        unsafe { self.value.load(Ordering::Acquire).as_ref() }.map(|made| &made.value)
    }

    /// The value. If two threads make one at the same time, the slower gives its own back to `surplus`.
    pub fn get_or_try_make<E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
        surplus: impl FnOnce(T),
    ) -> Result<&'static T, E> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let _inherited = AtomicPtr::new(self.forgotten.load(Ordering::Acquire));
        let fresh = Box::into_raw(Box::new(Made { value: make()?, _inherited }));
        match self.value.compare_exchange(std::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: just leaked from a box, and never freed from now on.
            Ok(_) => Ok(unsafe { &(*fresh).value }),
            Err(winner) => {
                // SAFETY: just made from a box, and nobody else has seen it.
                surplus(unsafe { Box::from_raw(fresh) }.value);
                // SAFETY: not null, and leaked as ours would have been.
                Ok(unsafe { &(*winner).value })
            }
        }
    }

    /// In a forked child: leaves the parent's value behind. Takes no lock and frees nothing.
    pub fn forget(&self) {
        let left = self.value.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !left.is_null() {
            self.forgotten.store(left, Ordering::Release);
        }
    }
}
