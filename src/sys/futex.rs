//! Sleeping on a word, with a deadline, so that a signal handler ends the sleep.
//!
//! The standard library's parkers go back to sleep after a signal; a blocked nanomsg call must return
//! `EINTR` (nanomsg-api.md 2.8), also for handlers installed with SA_RESTART. The kernel restarts a futex
//! wait without a timeout then, but never one with a timeout, so every wait here has one.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slept {
    /// Woken, or the word was not as expected: look again.
    Woken,
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

/// A wait "for ever" is one of this length, repeated by the caller.
const LONGEST: Duration = Duration::from_secs(3600 * 24);

/// Sleeps while `word` is `expected`, for at most `timeout`.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Slept {
    let timeout = timeout.unwrap_or(LONGEST).min(LONGEST);
    let spec =
        libc::timespec { tv_sec: timeout.as_secs() as libc::time_t, tv_nsec: timeout.subsec_nanos() as libc::c_long };
    // SAFETY: the word and the timespec live across the call; FUTEX_WAIT only reads them.
    let result = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, expected, &spec)
    };
    if result == 0 {
        return Slept::Woken;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ETIMEDOUT) => Slept::TimedOut,
        Some(libc::EINTR) => Slept::Interrupted,
        _ => Slept::Woken,
    }
}

/// Wakes one sleeper on `word`.
pub fn wake_one(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE uses the address as a key and does not touch the memory.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
    }
}
