//! The mailbox and the queue of the workers, without threads.

use crate::qi::server::mailbox::{Limits, Mailbox, Origin};
use crate::qi::server::run_queue::RunQueue;

fn from(id: u64, bytes: usize) -> Origin {
    Origin::Connection { id, bytes }
}

#[test]
fn one_thing_at_a_time() {
    let mailbox = Mailbox::new(Limits::default());
    assert_eq!(mailbox.push(from(1, 1), "a"), Ok(true), "schedule it");
    assert_eq!(mailbox.push(from(1, 1), "b"), Ok(false));
    assert_eq!(mailbox.take(), Some("a"));
    assert_eq!(mailbox.push(from(2, 1), "c"), Ok(false), "somebody is at it");
    assert!(mailbox.finish(), "more to do");
    assert_eq!(mailbox.take(), Some("b"));
    assert!(mailbox.finish());
    assert_eq!(mailbox.take(), Some("c"));
    assert!(!mailbox.finish());
    assert_eq!(mailbox.push(from(1, 1), "d"), Ok(true));
}

#[test]
fn shares_are_half() {
    let mailbox = Mailbox::new(Limits { tasks: 5, bytes: 1000 });
    for task in 0..3 {
        assert!(mailbox.push(from(1, 0), task).is_ok());
    }
    assert_eq!(mailbox.push(from(1, 0), 3), Err(3), "its share is 3");
    assert!(mailbox.push(from(2, 0), 4).is_ok());
    assert!(mailbox.push(from(3, 0), 5).is_ok());
    assert_eq!(mailbox.push(from(4, 0), 6), Err(6), "the whole is 5");
    assert_eq!(mailbox.waiting(), 5);
}

#[test]
fn bytes_count_and_come_back() {
    let mailbox = Mailbox::new(Limits { tasks: 100, bytes: 100 });
    assert_eq!(mailbox.push(from(1, 1000), 0), Ok(true), "an empty one takes anything");
    assert_eq!(mailbox.push(from(2, 1), 1), Err(1));
    assert!(mailbox.push(Origin::Server, 2).is_ok(), "what is ours has no limit");
    mailbox.take();
    assert!(mailbox.push(from(1, 50), 3).is_ok());
    assert_eq!(mailbox.push(from(1, 1), 4), Err(4));
    assert_eq!(mailbox.remove(|task| *task == 3), Some(3));
    assert_eq!(mailbox.remove(|task| *task == 3), None);
    assert!(mailbox.push(from(1, 50), 5).is_ok());
    assert_eq!(mailbox.clear(), [2, 5]);
    assert!(mailbox.push(from(1, 50), 6).is_ok());
}

#[test]
fn what_was_taken_out_leaves_the_object_idle() {
    let mailbox = Mailbox::new(Limits::default());
    assert_eq!(mailbox.push(from(1, 1), "a"), Ok(true));
    mailbox.remove(|_| true);
    assert_eq!(mailbox.push(from(1, 1), "b"), Ok(false), "whoever was told comes for this one");
    assert_eq!(mailbox.take(), Some("b"));
    assert!(!mailbox.finish());
    assert_eq!(mailbox.push(from(1, 1), "c"), Ok(true));
    mailbox.remove(|_| true);
    assert_eq!(mailbox.take(), None);
    assert_eq!(mailbox.push(from(1, 1), "d"), Ok(true), "idle again");
}

#[test]
fn threads_are_asked_for_when_they_are_wanted() {
    let queue = RunQueue::new(2);
    assert!(queue.push(1), "the first");
    assert!(queue.push(2), "the second");
    assert!(!queue.push(3), "no more");
    assert_eq!((queue.next(), queue.next()), (Some(1), Some(2)));
    queue.thread_failed();
    assert!(queue.push(4), "one of them did not come");
    assert_eq!(queue.stop(), [3, 4]);
    assert_eq!(queue.next(), None);
    assert!(!queue.push(5));
}
