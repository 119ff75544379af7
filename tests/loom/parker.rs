//! A thread's place to sleep: no notice is lost, and what was written before it is seen after it.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use crate::explore;
use crate::reactor::parker::Parker;

/// Sleeps until noticed, as a caller without the lead does.
fn park_until_noticed(parker: &Parker) {
    while !parker.take_notice() {
        parker.park(None);
    }
}

#[test]
fn a_notice_wakes_the_sleeper_and_carries_what_was_written_before_it() {
    explore(4, || {
        let shared = Arc::new((Parker::default(), AtomicU32::new(0)));
        let other = Arc::clone(&shared);
        let notifier = thread::spawn(move || {
            other.1.store(1, Ordering::Relaxed);
            assert!(!other.0.notify(), "nobody polls here");
        });
        park_until_noticed(&shared.0);
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        notifier.join().unwrap();
    });
}

#[test]
fn two_notices_are_one_or_two_but_never_none() {
    explore(4, || {
        let shared = Arc::new((Parker::default(), AtomicU32::new(0)));
        let notifiers: Vec<_> = (0..2)
            .map(|_| {
                let other = Arc::clone(&shared);
                thread::spawn(move || {
                    other.1.fetch_add(1, Ordering::Relaxed);
                    assert!(!other.0.notify());
                })
            })
            .collect();
        // A waiter looks again after each notice: it need not sleep once both are in.
        while shared.1.load(Ordering::Relaxed) < 2 {
            park_until_noticed(&shared.0);
        }
        for notifier in notifiers {
            notifier.join().unwrap();
        }
    });
}

/// The poll's waker here is a second parker: it keeps a wake-up that comes before the sleep, as an eventfd does.
#[test]
fn a_poller_either_sees_the_notice_first_or_its_poll_is_woken() {
    explore(4, || {
        let shared = Arc::new((Parker::default(), Parker::default(), AtomicU32::new(0)));
        let other = Arc::clone(&shared);
        let notifier = thread::spawn(move || {
            other.2.store(1, Ordering::Relaxed);
            if other.0.notify() {
                assert!(!other.1.notify());
            }
        });
        let (parker, poll, written) = (&shared.0, &shared.1, &shared.2);
        while !parker.take_notice() {
            if parker.begin_poll() {
                park_until_noticed(poll);
                parker.end_poll();
            }
        }
        assert_eq!(written.load(Ordering::Relaxed), 1);
        notifier.join().unwrap();
    });
}
