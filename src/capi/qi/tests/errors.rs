//! What a call leaves behind when it fails: a value, an errno, and words.

use std::ffi::{CStr, c_char, c_int};

use crate::capi::errno;
use crate::core::Error;
use crate::qi::client::CallError;
use crate::qi::endpoint::Reason;

use super::super::error::{Failure, boundary, last, nnqi_error};

fn said() -> String {
    // SAFETY: the text ends with a zero, and no call of this thread fails meanwhile.
    unsafe { CStr::from_ptr(nnqi_error()) }.to_str().unwrap().to_owned()
}

#[test]
fn a_failure_is_a_value_an_errno_and_a_text() {
    let number: c_int = boundary(|| Err(Failure::invalid("too green")));
    assert_eq!((number, errno::get(), said()), (-1, libc::EINVAL, "too green".into()));
    let length: i64 = boundary(|| Err(Failure::range("too large")));
    assert_eq!((length, errno::get(), said()), (-1, libc::ERANGE, "too large".into()));
    let handle: u64 = boundary(|| Err(Error::TIMED_OUT.into()));
    assert_eq!((handle, errno::get()), (0, libc::ETIMEDOUT));
    let text: *const c_char = boundary(|| Err(Failure::from(Error::FAULT)));
    assert!(text.is_null() && errno::get() == libc::EFAULT);
    assert_eq!(said(), "a pointer is NULL that must not be");
}

/// What the system calls a resource deadlock avoided helps nobody.
#[test]
fn a_wait_that_cannot_be_says_what_to_do() {
    for failure in [Failure::from(Error::DEADLOCK), Failure::from(CallError::System(Error::DEADLOCK))] {
        let number: c_int = boundary(|| Err(failure));
        assert_eq!((number, errno::get()), (-1, libc::EDEADLK));
        assert!(said().contains("nnqi_call_then"), "{}", said());
    }
}

#[test]
fn an_end_by_a_full_queue_is_told_from_a_lost_connection() {
    let text = Failure::from(CallError::Disconnected(Reason::QueueFull)).to_string();
    assert!(text.contains("the queue was full") && !text.contains("connection"), "{text}");
}

#[test]
fn success_leaves_the_last_failure_as_it_is() {
    let _: c_int = boundary(|| Err(Failure::invalid("before")));
    assert_eq!(boundary(|| Ok(7)), 7);
    assert_eq!((said(), last()), ("before".into(), "before".into()));
}

#[test]
fn a_panic_is_an_errno_with_a_text() {
    let handle: u64 = boundary(|| panic!("on purpose"));
    assert_eq!((handle, errno::get()), (0, libc::ENOTRECOVERABLE));
    assert_eq!(said(), "the library has broken an assumption of its own");
}

#[test]
fn texts_are_those_of_the_thread() {
    let _: c_int = boundary(|| Err(Failure::invalid("mine")));
    std::thread::spawn(|| assert_eq!(said(), "")).join().unwrap();
    assert_eq!(said(), "mine");
}

/// Peers send texts; C reads them up to a zero.
#[test]
fn a_text_ends_at_a_zero() {
    let _: c_int = boundary(|| Err(Failure::invalid("half\0a text")));
    assert_eq!(said(), "half");
    assert_eq!(Failure::invalid("\0").into_parts().1.to_bytes(), b"");
    assert_eq!(Failure::invalid("size").about("item 3").to_string(), "item 3: size");
}
