//! Library threads run with all signals blocked, so handlers run on application threads only
//! (nanomsg-api.md 1.8). A new thread inherits the mask of its maker. And signals that a tool answers by putting things in order.

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

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

/// While it lives, what asks a process to end waits until somebody [looks](EndingRequests::within): for the calling thread, and those that
/// it starts. What the process ignores stays ignored.
#[derive(Debug)]
pub struct EndingRequests {
    held: libc::sigset_t,
    before: libc::sigset_t,
}

impl EndingRequests {
    /// Holds SIGINT, SIGTERM and SIGHUP back.
    pub fn hold() -> EndingRequests {
        let mut held = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises `held`; the others read and change it, and pthread_sigmask initialises `before`.
        unsafe {
            libc::sigemptyset(held.as_mut_ptr());
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().filter(|signal| !is_ignored(*signal))
            {
                libc::sigaddset(held.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, held.as_ptr(), before.as_mut_ptr());
            EndingRequests { held: held.assume_init(), before: before.assume_init() }
        }
    }

    /// Waits for so long; sooner gives the number of the signal that asks the process to end.
    pub fn within(&self, time: Duration) -> Option<i32> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = libc::timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            // SAFETY: both are read; nobody wants to know more than the number.
            let signal = unsafe { libc::sigtimedwait(&self.held, std::ptr::null_mut(), &left) };
            match signal {
                1.. => return Some(signal),
                // Some other signal has been handled.
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                _ => return None,
            }
        }
    }

    /// Does what the signal would have done.
    pub fn obey(self, signal: i32) {
        drop(self);
        // SAFETY: takes a number.
        unsafe { libc::raise(signal) };
    }
}

impl Drop for EndingRequests {
    fn drop(&mut self) {
        // SAFETY: `before` is what the mask was.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action the old one is stored; zeros are one as well.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
