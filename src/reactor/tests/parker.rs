use std::sync::Arc;
use std::time::Duration;

use crate::reactor::parker::Parker;
use crate::sys::futex::Slept;

#[test]
fn a_notice_before_the_sleep_prevents_it() {
    let parker = Parker::default();
    assert!(!parker.notify());
    assert_eq!(parker.park(None), Slept::Woken);
    assert!(parker.take_notice());
    assert!(!parker.take_notice());
    assert_eq!(parker.park(Some(Duration::from_millis(1))), Slept::TimedOut);
}

#[test]
fn a_poller_needs_the_waker_and_a_parked_thread_does_not() {
    let parker = Arc::new(Parker::default());
    assert!(parker.begin_poll());
    assert!(parker.notify());
    assert!(!parker.begin_poll());
    parker.end_poll();
    assert!(parker.take_notice());

    let sleeper = Arc::clone(&parker);
    let thread = std::thread::spawn(move || {
        while !sleeper.take_notice() {
            sleeper.park(None);
        }
    });
    assert!(!parker.notify());
    thread.join().unwrap();
}
