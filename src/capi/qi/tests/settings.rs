//! Settings as C gives them: what is left at zero is the default, and what makes no sense is said before anything is done.

use std::ffi::{CStr, c_int};
use std::ptr::null;
use std::time::Duration;

use super::super::error::Failure;
use super::super::options::{connection_options, nnqi_options, session_options, timeout};
use super::super::server_options::{nnqi_server_options, server_options};

fn nothing() -> nnqi_options {
    // SAFETY: numbers, pointers that may be NULL, and functions that may be none: all zero is a value, the one C writes as {0}.
    unsafe { std::mem::zeroed() }
}

fn no_server() -> nnqi_server_options {
    // SAFETY: as in `nothing`.
    unsafe { std::mem::zeroed() }
}

fn said<T>(outcome: Result<T, Failure>, errno: c_int) -> String {
    let failure = outcome.err().expect("a refusal");
    let (number, text) = failure.into_parts();
    assert_eq!(number, errno);
    text.into_string().unwrap()
}

#[test]
fn times_are_milliseconds_or_for_ever() {
    assert_eq!(timeout(0), Some(Duration::ZERO));
    assert_eq!(timeout(1500), Some(Duration::from_millis(1500)));
    assert_eq!((timeout(-1), timeout(c_int::MIN)), (None, None));
}

#[test]
fn all_zero_is_the_default() {
    // SAFETY: NULL, or settings without texts.
    let [absent, zero] = [null(), &nothing()].map(|given| unsafe { session_options(given) }.unwrap());
    assert_eq!(absent.dial.timeout, zero.dial.timeout);
    assert_eq!(absent.dial.config.max_payload, zero.dial.config.max_payload);
    assert!(zero.reconnect.is_none());
    assert_eq!(
        (absent.call_timeout, zero.call_timeout),
        (Some(Duration::from_secs(300)), Some(Duration::from_secs(300)))
    );
    let unlimited = crate::capi::qi::options::nnqi_options { call_timeout: -1, ..nothing() };
    // SAFETY: all of its texts are NULL.
    assert_eq!(unsafe { session_options(&raw const unlimited) }.unwrap().call_timeout, None);
    // SAFETY: as above.
    let [absent, zero] = [null(), &no_server()].map(|given| unsafe { server_options(given) }.unwrap());
    assert_eq!(absent.workers, zero.workers);
    assert_eq!((absent.event_limit, absent.answer_wait), (zero.event_limit, zero.answer_wait));
    assert_eq!(zero.connection.max_payload, absent.connection.max_payload);
}

#[test]
fn what_is_given_is_set() {
    let mut given = nothing();
    (given.user, given.token) = (c"nao".as_ptr(), c"secret".as_ptr());
    (given.connect_timeout, given.call_timeout, given.reconnect) = (-1, 250, 1);
    (given.max_payload, given.memory_limit, given.stall_timeout) = (1000, 1 << 20, -1);
    // SAFETY: the texts end with a zero.
    let options = unsafe { session_options(&raw const given) }.unwrap();
    assert_eq!(options.dial.credentials.user.as_deref(), Some("nao"));
    assert_eq!(options.dial.credentials.token.as_deref(), Some("secret"));
    assert_eq!((options.dial.timeout, options.call_timeout), (None, Some(Duration::from_millis(250))));
    assert!(options.reconnect.is_some());
    assert_eq!((options.dial.config.max_payload, options.dial.config.budget.limit()), (1000, 1 << 20));
    assert_eq!(options.dial.config.stall_timeout, Duration::ZERO);
    let mut given = no_server();
    (given.workers, given.event_limit, given.answer_wait) = (3, 4096, 20);
    (given.memory_limit, given.stall_timeout) = (1 << 21, 500);
    let addresses = [c"tcp://robot.local:9559".as_ptr(), null()];
    given.advertise = addresses.as_ptr();
    // SAFETY: the array ends with NULL, its text with a zero.
    let options = unsafe { server_options(&raw const given) }.unwrap();
    assert_eq!((options.workers, options.event_limit), (3, 4096));
    assert_eq!(options.answer_wait, Duration::from_millis(20));
    assert_eq!(options.connection.budget.limit(), 1 << 21);
    assert_eq!(options.connection.stall_timeout, Duration::from_millis(500));
    assert_eq!(options.advertise, ["tcp://robot.local:9559"]);
}

/// Each change to settings that are all zero, and what is said of it.
#[test]
fn what_makes_no_sense_is_said() {
    type Change = fn(&mut nnqi_options);
    let changes: [(Change, &str); 4] = [
        (|given| given.max_payload = -1, "max_payload cannot be -1"),
        (|given| given.max_payload = 1 << 32, "max_payload cannot be 4294967296"),
        (|given| given.server_name = c"robot".as_ptr(), "a name of the server without authorities"),
        (|given| given.user = c"\xff".as_ptr(), "a text that is not UTF-8"),
    ];
    for (change, expected) in changes {
        let mut given = nothing();
        change(&mut given);
        // SAFETY: the texts end with a zero.
        assert_eq!(said(unsafe { session_options(&raw const given) }, libc::EINVAL), expected);
    }
    let mut given = nothing();
    given.authorities = c"/nowhere/at/all.pem".as_ptr();
    // SAFETY: the text ends with a zero.
    let text = said(unsafe { session_options(&raw const given) }, libc::ENOENT);
    assert!(text.contains("/nowhere/at/all.pem"), "{text}");
}

#[test]
fn what_makes_no_sense_for_a_server_is_said() {
    type Change = fn(&mut nnqi_server_options);
    unsafe extern "C" fn authenticate(
        _: *const super::super::server_options::nnqi_credentials,
        _: *mut u64,
        _: *mut std::ffi::c_void,
    ) -> c_int {
        0
    }
    let changes: [(Change, &str); 8] = [
        (|given| given.memory_limit = -1, "memory_limit cannot be -1"),
        (|given| given.workers = -1, "a negative number of workers"),
        (|given| given.token = c"secret".as_ptr(), "a token without a user"),
        (
            |given| (given.user, given.token) = (c"nao".as_ptr(), c"".as_ptr()),
            "an empty token, with which clients cannot come: NULL is for a user without one",
        ),
        (
            |given| {
                given.user = c"nao".as_ptr();
                given.authenticate = Some(authenticate);
            },
            "a user beside what decides about users",
        ),
        (|given| given.event_limit = -5, "event_limit cannot be -5"),
        (|given| given.answer_wait = -1, "answer_wait cannot be -1"),
        (|given| given.machine_id = c"\xff".as_ptr(), "a text that is not UTF-8"),
    ];
    for (change, expected) in changes {
        let mut given = no_server();
        change(&mut given);
        // SAFETY: the texts end with a zero.
        assert_eq!(said(unsafe { server_options(&raw const given) }, libc::EINVAL), expected);
    }
    for unreachable in [c"tcp://0.0.0.0:9559", c"nonsense"] {
        let mut given = no_server();
        let addresses: [*const _; 2] = [CStr::as_ptr(unreachable), null()];
        given.advertise = addresses.as_ptr();
        // SAFETY: the array ends with NULL, its text with a zero.
        said(unsafe { server_options(&raw const given) }, libc::EINVAL);
    }
}

/// What only a session can do is refused where it would be ignored.
#[test]
fn an_end_point_takes_what_concerns_a_connection() {
    type Change = fn(&mut nnqi_options);
    let changes: [Change; 4] = [
        |given| given.user = c"nao".as_ptr(),
        |given| given.token = c"secret".as_ptr(),
        |given| given.reconnect = 1,
        |given| given.call_timeout = 10,
    ];
    for change in changes {
        let mut given = nothing();
        change(&mut given);
        // SAFETY: the texts end with a zero.
        let text = said(unsafe { connection_options(&raw const given) }, libc::EINVAL);
        assert!(text.starts_with("an end point by itself"), "{text}");
    }
    let mut given = nothing();
    (given.max_payload, given.connect_timeout) = (5, 70);
    // SAFETY: no texts.
    let (config, limit) = unsafe { connection_options(&raw const given) }.unwrap();
    assert_eq!((config.max_payload, config.max_payload_before, limit), (5, 5, Some(Duration::from_millis(70))));
}
