//! Handles: a number stands for one thing, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::core::Error;

use super::super::error::Failure;
use super::super::handles::{Handles, Kind};

fn text<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> String {
    let failure = outcome.unwrap_err();
    assert_eq!(failure.to_string(), failure.to_string());
    let (errno, text) = failure.into_parts();
    assert_eq!(errno, libc::EBADF);
    text.into_string().unwrap()
}

#[test]
fn a_number_is_given_out_once() {
    let handles = Handles::new(Kind::Proxy);
    let first = handles.add("first");
    assert_eq!(handles.get(first).unwrap(), "first");
    assert_eq!(handles.remove(first).unwrap(), "first");
    let second = handles.add("second");
    assert_ne!(first, second);
    assert_eq!(text(handles.get(first)), "this proxy has been freed, or never was");
    assert_eq!(text(handles.remove(first)), "this proxy has been freed, or never was");
    assert_eq!(handles.get(second).unwrap(), "second");
}

#[test]
fn what_is_no_handle_of_this_kind_is_said() {
    let (sessions, pending) = (Handles::new(Kind::Session), Handles::new(Kind::Pending));
    let (session, call) = (sessions.add(()), pending.add(()));
    assert_eq!(text(pending.get(session)), "a session where a call under way is wanted");
    assert_eq!(text(sessions.get(call)), "a call under way where a session is wanted");
    assert_eq!(text(sessions.get(0)), "0 where a session is wanted");
    for made_up in [1, u64::MAX, 13 << 56] {
        assert_eq!(text(sessions.get(made_up)), "no handle where a session is wanted", "{made_up:x}");
    }
    assert_eq!(text(sessions.get(session + 1)), "this session has been freed, or never was");
}

/// Whoever waits is woken by a free, with an outcome of its own; what counts is that the handle is gone.
#[test]
fn a_wait_ends_with_why_the_handle_is_gone() {
    let handles = Handles::new(Kind::Subscription);
    let handle = handles.add(());
    let ended = || Err::<(), _>(Failure::new(Error::NOT_CONNECTED, "the subscription has ended"));
    assert_eq!(handles.waited(handle, ended()).unwrap_err().to_string(), "the subscription has ended");
    assert!(handles.waited(handle, Ok(())).is_ok());
    handles.remove(handle).unwrap();
    assert_eq!(text(handles.waited(handle, ended())), "this subscription has been freed, or never was");
    assert!(handles.waited(handle, Ok(())).is_ok(), "what came in time counts");
}

#[test]
fn what_was_removed_is_dropped_by_who_removed_it() {
    let handles = Handles::new(Kind::Object);
    let thing = Arc::new(());
    let handle = handles.add(Arc::clone(&thing));
    let removed = handles.remove(handle).unwrap();
    assert_eq!(Arc::strong_count(&thing), 2);
    drop(removed);
    assert_eq!(Arc::strong_count(&thing), 1);
}

/// One to five of a hundred children hung for ever in the first handle that they made: a thread of the parent had had the lock.
#[test]
fn a_forked_child_finds_no_lock_taken() {
    let handles = Handles::new(Kind::Value);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let handle = handles.add(7);
                    handles.change(handle, |content| *content += 1).unwrap();
                    handles.remove(handle).unwrap();
                }
            });
        }
        let hung = (0..300).find(|_| !child_ends(&handles));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(hung, None);
    });
}

/// What the parent had is not there, whoever had it locked.
#[test]
fn a_forked_child_has_no_handles_and_is_told_so() {
    let handles = Handles::new(Kind::Session);
    let handle = handles.add(7);
    // SAFETY: the child takes locks that are held across a fork, and ends without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let told = handles.get(handle).is_err_and(|failure| failure.to_string().contains("forked child"));
        let own = handles.add(8);
        let right = told && handles.get(own).is_ok_and(|content| content == 8) && handles.remove(handle).is_err();
        // SAFETY: it ends the child.
        unsafe { libc::_exit(i32::from(!right)) };
    }
    assert!(ends_well(child));
    assert_eq!(handles.get(handle).unwrap(), 7);
}

/// Whether a child that looks for a handle, which takes the lock, and does nothing else, comes to its end.
fn child_ends(handles: &Handles<i32>) -> bool {
    // SAFETY: the child takes one lock, allocates nothing, and ends without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let found = handles.has(0);
        // SAFETY: it ends the child.
        unsafe { libc::_exit(i32::from(found)) };
    }
    ends_well(child)
}

fn ends_well(child: libc::pid_t) -> bool {
    assert!(child > 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut status = -1;
    // SAFETY: a child of ours, and room for its status.
    while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > deadline {
            // SAFETY: it has not been waited for, so the number is still its own.
            unsafe { libc::kill(child, libc::SIGKILL) };
            // SAFETY: as above.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            return false;
        }
        std::thread::yield_now();
    }
    status == 0
}
