//! The library's own descriptors, remembered so that a forked child can let go of them.
//!
//! A child that kept its copies open would keep the parent's connections alive after the parent closed
//! them. So every descriptor of ours is marked in a bit map while it is open, and the fork handler closes
//! the marked ones. A bit map and not a list: the handler may take no lock and allocate nothing.

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::cancel::Uncancelled;

/// Descriptors above this are not remembered (the usual hard limit of a process is at most this).
const TRACKED: usize = 1 << 20;

/// Untouched pages of the map cost nothing.
static OPEN: [AtomicU64; TRACKED / 64] = [const { AtomicU64::new(0) }; TRACKED / 64];

/// A descriptor that is marked as the library's for as long as it lives.
#[derive(Debug)]
pub struct Owned<T: AsRawFd>(ManuallyDrop<T>);

impl<T: AsRawFd> Owned<T> {
    pub fn new(inner: T) -> Owned<T> {
        mark(inner.as_raw_fd(), true);
        Owned(ManuallyDrop::new(inner))
    }
}

impl<T: AsRawFd> std::ops::Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: AsRawFd> Drop for Owned<T> {
    /// Runs before the inner value closes the descriptor, so a number is never marked for two owners.
    fn drop(&mut self) {
        mark(self.0.as_raw_fd(), false);
        // close(2) of the C library is a point of cancellation.
        let _uncancelled = Uncancelled::hold();
        // SAFETY: nobody uses it after this.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

/// A descriptor that is known by its number, for a system call.
pub fn borrow<'fd>(fd: RawFd) -> BorrowedFd<'fd> {
    let number = if fd < 0 { RawFd::MAX } else { fd };
    // SAFETY: a number that no descriptor has, or one that was closed and is somebody else's now, makes the call fail or concern
    // the wrong descriptor, but touches no memory. Only -1 may not be borrowed.
    unsafe { BorrowedFd::borrow_raw(number) }
}

fn mark(fd: RawFd, open: bool) {
    let Ok(index) = usize::try_from(fd) else { return };
    let Some(word) = OPEN.get(index / 64) else { return };
    let bit = 1 << (index % 64);
    match open {
        true => word.fetch_or(bit, Ordering::Relaxed),
        false => word.fetch_and(!bit, Ordering::Relaxed),
    };
}

/// Closes every marked descriptor. Only for a freshly forked child, where no other thread exists and
/// the owners of these descriptors have been forgotten.
pub(super) fn close_all_marked() {
    for (index, word) in OPEN.iter().enumerate() {
        let mut bits = word.swap(0, Ordering::Relaxed);
        while bits != 0 {
            let fd = index * 64 + bits.trailing_zeros() as usize;
            // SAFETY: close takes any number. The descriptor is the child's own copy; whoever would
            // have used it again in this process was leaked by the fork handlers.
            unsafe { libc::close(fd as RawFd) };
            bits &= bits - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_marked_while_it_lives() {
        let owned = Owned::new(std::fs::File::open("/dev/null").unwrap());
        let fd = owned.as_raw_fd() as usize;
        let marked = || OPEN[fd / 64].load(Ordering::Relaxed) & (1 << (fd % 64)) != 0;
        assert!(marked());
        drop(owned);
        assert!(!marked());
    }
}
