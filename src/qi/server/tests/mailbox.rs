//! The mailbox and the queue of the workers, without threads.

use crate::qi::server::mailbox::{Limits, Mailbox, Origin};
use crate::qi::server::run_queue::{RunQueue, Wanted};

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
}

#[test]
fn who_is_left_has_the_object_run_by_whose_the_next_task_is() {
    let mailbox = Mailbox::new(Limits { tasks: 100, bytes: 100 });
    for (origin, task) in [(from(1, 50), 10), (from(2, 1), 20), (Origin::Server, 11), (Origin::Server, 21)] {
        assert!(mailbox.push(origin, task).is_ok());
    }
    let whose = |task: &i32| task / 10;
    assert_eq!(mailbox.abandon(|task| whose(task) == 1, whose), (vec![10, 11], Some(2)));
    assert_eq!(mailbox.push(from(1, 50), 12), Ok(false), "it is scheduled still, and the bytes have come back");
    assert_eq!((mailbox.take(), mailbox.finish()), (Some(20), true));
    assert_eq!(mailbox.abandon(|_| true, whose), (vec![21, 12], None));
    assert_eq!(mailbox.push(from(1, 50), 13), Ok(true), "idle");
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

/// Of a lookout that must not be.
fn nobody() -> bool {
    unreachable!("there is a job")
}

#[test]
fn threads_are_asked_for_when_they_are_wanted() {
    let queue = RunQueue::new(2);
    assert_eq!(queue.push(1), Ok(Wanted::Thread), "the first");
    assert_eq!(queue.push(2), Ok(Wanted::Thread), "the second");
    assert_eq!(queue.push(3), Ok(Wanted::Nobody), "no more");
    assert_eq!((queue.next(nobody), queue.next(nobody)), (Some(1), Some(2)));
    queue.thread_failed();
    assert_eq!(queue.push(4), Ok(Wanted::Thread), "one of them did not come");
    assert_eq!(queue.stop(), [3, 4]);
    assert_eq!(queue.next(nobody), None);
    assert_eq!(queue.push(5), Err(5));
    assert_eq!(queue.put_back(6), Err(6));
    assert_eq!(queue.next(nobody), None);
}

#[test]
fn the_lookout_is_told_once_and_the_second_job_needs_another() {
    let queue = RunQueue::new(2);
    assert_eq!(queue.push(1), Ok(Wanted::Thread));
    assert_eq!(queue.next(nobody), Some(1));
    let look_out = || {
        assert_eq!((queue.push(2), queue.push(3)), (Ok(Wanted::Lookout), Ok(Wanted::Thread)));
        true
    };
    assert_eq!(queue.next(look_out), Some(2));
    assert_eq!(queue.put_back(2), Ok(()));
    assert_eq!([queue.next(nobody), queue.next(nobody)], [Some(3), Some(2)]);
}

#[test]
fn only_who_leaves_the_lookout_has_a_successor_and_only_one() {
    let queue = RunQueue::new(2);
    assert_eq!(queue.push(1), Ok(Wanted::Thread));
    assert_eq!(queue.next(nobody), Some(1));
    assert_eq!(queue.busy(), Wanted::Nobody, "the job came from elsewhere, where somebody polls");
    let look_out = || {
        assert_eq!(queue.push(2), Ok(Wanted::Lookout));
        true
    };
    assert_eq!(queue.next(look_out), Some(2));
    assert_eq!(queue.busy(), Wanted::Thread);
    assert_eq!(queue.busy(), Wanted::Nobody);
    // The successor takes the post, and both are there.
    let look_out = || {
        assert_eq!(queue.busy(), Wanted::Nobody);
        assert_eq!((queue.push(3), queue.push(4)), (Ok(Wanted::Lookout), Ok(Wanted::Nobody)));
        true
    };
    assert_eq!(queue.next(look_out), Some(3));
    assert_eq!(queue.busy(), Wanted::Nobody, "there can be no more threads");
}
