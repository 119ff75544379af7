//! Library threads run with all signals blocked, so handlers run on application threads only
//! (nanomsg-api.md 1.8). A new thread inherits the mask of its maker.

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Starts a thread on which no signal handler ever runs.
pub fn spawn_without_signals<T, F>(name: &str, body: F) -> io::Result<JoinHandle<T>>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises `all`; pthread_sigmask reads it and initialises `before`.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let thread = Builder::new().name(name.to_owned()).spawn(body);
    // SAFETY: `before` was initialised above; the old mask pointer may be null.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    thread
}

/// Makes the calling thread's short sleeps as exact as asked; the system's default adds up to 50 µs.
pub fn set_timer_slack(slack: Duration) {
    let nanoseconds = slack.as_nanos() as libc::c_ulong;
    // SAFETY: PR_SET_TIMERSLACK takes a number and concerns the calling thread only.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds) };
}
