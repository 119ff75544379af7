//! A value that is replaced as a whole, and read without a lock.

use std::sync::atomic::{AtomicPtr, Ordering};

/// A forked child reads what its parent had published last, whatever the parent's threads were doing. That is why values are never
/// dropped: it is for what is set a few times in the life of a process.
pub struct Published<T: Send + Sync + 'static> {
    newest: AtomicPtr<Edition<T>>,
}

struct Edition<T> {
    value: T,
    /// Kept in sight of leak checkers, never looked at.
    _before: AtomicPtr<Edition<T>>,
}

impl<T: Send + Sync + 'static> Published<T> {
    pub const fn new() -> Published<T> {
        Published { newest: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// What was set last; `None` before.
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: the pointer is null or came from a leaked box, and `T: Sync`.
        unsafe { self.newest.load(Ordering::Acquire).as_ref() }.map(|edition| &edition.value)
    }

    /// Replaces it. Of several threads that do so at a time, one is the last.
    pub fn set(&self, value: T) {
        let before = self.newest.load(Ordering::Acquire);
        let fresh = Box::into_raw(Box::new(Edition { value, _before: AtomicPtr::new(before) }));
        self.newest.store(fresh, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_read_and_those_before_stay() {
        let published = Published::new();
        assert_eq!(published.get(), None);
        published.set("first".to_owned());
        let first = published.get();
        published.set("second".to_owned());
        assert_eq!(published.get().map(String::as_str), Some("second"));
        assert_eq!(first.map(String::as_str), Some("first"));
    }
}
