//! `pthread_cancel`: the C library ends a cancelled thread in the midst of certain of its functions (read, write, connect, close and
//! many more), by unwinding its stack. That must not happen in here: it would leave locks behind, and the unwinding does not get
//! past a Rust function of the C interface, it aborts the process.
//!
//! Where calls are frequent, system calls are made past the C library (`rustix`). Everything else is done with this in hand.

use std::ffi::c_int;
use std::marker::PhantomData;

// (The crate `libc` does not have it for every system.)
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

const DISABLE: c_int = 1;

/// As long as it lives the calling thread cannot be cancelled; if it is, that takes effect later.
#[must_use]
pub struct Uncancelled {
    before: c_int,
    /// It belongs to its thread.
    _here: PhantomData<*const ()>,
}

impl Uncancelled {
    pub fn hold() -> Uncancelled {
        let mut before = 0;
        // SAFETY: the state is one of the two there are, and the pointer is to a place for the other. Disabling cannot end the thread.
        unsafe { pthread_setcancelstate(DISABLE, &mut before) };
        Uncancelled { before, _here: PhantomData }
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        // SAFETY: the state is what the call above has given. With deferred cancellation, the default, this ends no thread.
        unsafe { pthread_setcancelstate(self.before, std::ptr::null_mut()) };
    }
}
