//! A value that a process makes once, and that a forked child does not inherit.

use std::sync::atomic::{AtomicPtr, Ordering};

use super::fork;

/// Empty until it is first asked for, and again in a forked child, which makes its own: what the parent made may be locked by
/// threads that do not exist there. Nobody waits for another thread that makes one, as with a `OnceLock`, because in a child that would be
/// for ever. Values are never dropped.
#[derive(Debug)]
pub struct PerProcess<T: Send + Sync + 'static> {
    value: AtomicPtr<Made<T>>,
}

#[derive(Debug)]
struct Made<T> {
    value: T,
    generation: u64,
    /// What the parent made: kept in sight of leak checkers, never looked at.
    _inherited: AtomicPtr<Made<T>>,
}

impl<T: Send + Sync + 'static> PerProcess<T> {
    pub const fn new() -> PerProcess<T> {
        PerProcess { value: AtomicPtr::new(std::ptr::null_mut()) }
    }

    pub fn get(&self) -> Option<&'static T> {
        Self::of_this_process(self.value.load(Ordering::Acquire))
    }

    fn of_this_process(made: *mut Made<T>) -> Option<&'static T> {
        // SAFETY: the pointer is null or came from a leaked box, and `T: Sync`.
        let made = unsafe { made.as_ref() }?;
        (made.generation == fork::generation()).then_some(&made.value)
    }

    /// The value; what is made beside another thread, which was faster, is dropped.
    pub fn get_or_make(&self, make: impl FnOnce() -> T) -> &'static T {
        let Ok(value) = self.get_or_try_make(|| Ok::<_, std::convert::Infallible>(make()), drop);
        value
    }

    /// The value. If two threads make one at the same time, the slower gives its own back to `surplus`.
    pub fn get_or_try_make<E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
        surplus: impl FnOnce(T),
    ) -> Result<&'static T, E> {
        let seen = self.value.load(Ordering::Acquire);
        if let Some(value) = Self::of_this_process(seen) {
            return Ok(value);
        }
        fork::watch();
        let (value, generation, _inherited) = (make()?, fork::generation(), AtomicPtr::new(seen));
        let fresh = Box::into_raw(Box::new(Made { value, generation, _inherited }));
        match self.value.compare_exchange(seen, fresh, Ordering::AcqRel, Ordering::Acquire) {
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
}
