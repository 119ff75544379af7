//! From Rust's results to C's: a value that means failure, and the reason in `errno`.

use std::ffi::{c_char, c_int};
use std::panic::{self, AssertUnwindSafe};

use crate::core::{Error, Result};
use crate::sys::cancel::Uncancelled;

use super::panics;

/// What a caller is told when the library itself broke an assumption. No documented condition has this
/// number, so it cannot be mistaken for one.
const PANICKED: c_int = libc::ENOTRECOVERABLE;

/// A return type of the C interface.
pub trait Returned {
    /// The value that means "failed, see errno".
    const FAILED: Self;
}

impl Returned for c_int {
    const FAILED: Self = -1;
}

impl Returned for u64 {
    const FAILED: Self = u64::MAX;
}

impl<T> Returned for *mut T {
    const FAILED: Self = std::ptr::null_mut();
}

impl<T> Returned for *const T {
    const FAILED: Self = std::ptr::null();
}

/// Runs one call of the C interface: an error, or a panic, becomes the failure value and an errno.
pub fn boundary<T: Returned>(call: impl FnOnce() -> Result<T>) -> T {
    panics::silence();
    // Unwinding is harmless: whatever a panicking call was changing is behind a lock that poisons, or is
    // never looked at again; C keeps nothing but raw memory.
    match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => failed(error.errno()),
        Err(_) => failed(PANICKED),
    }
}

/// The same for calls that are rare, or slow anyway: they may use what a cancelled thread would be ended in.
pub fn slow_boundary<T: Returned>(call: impl FnOnce() -> Result<T>) -> T {
    let _uncancelled = Uncancelled::hold();
    boundary(call)
}

#[cold]
fn failed<T: Returned>(errno: c_int) -> T {
    set(errno);
    T::FAILED
}

/// The calling thread's `errno`.
pub fn get() -> c_int {
    // SAFETY: the C library returns the address of this thread's errno, valid as long as the thread.
    unsafe { *libc::__errno_location() }
}

fn set(errno: c_int) {
    // SAFETY: as in `get`; nobody else writes to this thread's errno meanwhile.
    unsafe { *libc::__errno_location() = errno }
}

/// The text of an error number: nanomsg's own, or the C library's.
pub fn text(errno: c_int) -> *const c_char {
    match Error::from_errno(errno) {
        Error::TERM => c"Nanomsg library was terminated".as_ptr(),
        Error::FSM => c"Operation cannot be performed in this state".as_ptr(),
        // SAFETY: takes any number and returns a string, never NULL; glibc keeps an unknown number's
        // text per thread.
        _ => unsafe { libc::strerror(errno) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_the_failure_value_and_an_errno() {
        assert_eq!(boundary::<c_int>(|| Err(Error::FSM)), -1);
        assert_eq!(get(), 156_384_766);
        assert_eq!(boundary::<u64>(|| Err(Error::INVALID)), u64::MAX);
        assert_eq!(get(), libc::EINVAL);
        assert!(boundary::<*mut u8>(|| Err(Error::NO_MEMORY)).is_null());
        assert_eq!(get(), libc::ENOMEM);
    }

    #[test]
    fn success_leaves_errno_alone() {
        set(libc::EPERM);
        assert_eq!(boundary(|| Ok(7)), 7);
        assert_eq!(get(), libc::EPERM);
    }

    #[test]
    fn a_panic_is_an_error_too() {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let returned: c_int = boundary(|| panic!("on purpose"));
        panic::set_hook(hook);
        assert_eq!((returned, get()), (-1, libc::ENOTRECOVERABLE));
    }
}
