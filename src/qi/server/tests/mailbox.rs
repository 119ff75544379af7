//! The mailbox and the queue of the workers, without threads.

use crate::qi::server::mailbox::{Limits, Mailbox, Origin};
use crate::qi::workers::run_queue::{PATIENCE, Place, RunQueue, Threads, Wanted};
use crate::qi::workers::turns::GONE;

fn from(id: u64, bytes: usize) -> Origin {
    Origin::Connection { id, bytes, is_new: false }
}

#[test]
fn one_thing_at_a_time() {
    let mailbox = Mailbox::new(Limits::default(), 1);
    assert_eq!(mailbox.push(from(1, 1), "a"), Ok(true), "schedule it");
    assert_eq!(mailbox.push(from(1, 1), "b"), Ok(false));
    assert_eq!(mailbox.take(), Some("a"));
    assert_eq!(mailbox.push(from(2, 1), "c"), Ok(false), "somebody is at it");
    assert_eq!(mailbox.finish(), Some(1), "more to do");
    assert_eq!(mailbox.take(), Some("b"));
    assert_eq!(mailbox.finish(), Some(2), "of the other connection");
    assert_eq!(mailbox.take(), Some("c"));
    assert_eq!(mailbox.finish(), None);
    assert_eq!(mailbox.push(from(1, 1), "d"), Ok(true));
}

#[test]
fn several_at_a_time_if_the_object_may() {
    let mailbox = Mailbox::new(Limits::default(), 2);
    assert_eq!(mailbox.push(from(1, 1), "a"), Ok(true));
    assert_eq!(mailbox.push(from(1, 1), "b"), Ok(true), "the second run");
    assert_eq!(mailbox.push(from(1, 1), "c"), Ok(false), "there is no third");
    assert_eq!((mailbox.take(), mailbox.take()), (Some("a"), Some("b")));
    assert!(mailbox.finish().is_some(), "this one goes on with the third");
    assert_eq!(mailbox.take(), Some("c"));
    assert_eq!((mailbox.finish(), mailbox.finish()), (None, None));
    assert_eq!(mailbox.push(from(1, 1), "d"), Ok(true));
    assert_eq!(mailbox.remove(|&task| task == "d"), Some("d"));
    assert_eq!(mailbox.push(from(1, 1), "e"), Ok(true), "the first run is on its way, and finds this, or nothing");
    assert_eq!((mailbox.take(), mailbox.take()), (Some("e"), None));
    assert_eq!(mailbox.finish(), None);
    for task in ["f", "g"] {
        assert_eq!(mailbox.push(from(1, 1), task), Ok(true), "both runs are free again");
    }
}

#[test]
fn each_leaves_as_much_as_it_has() {
    let mailbox = Mailbox::new(Limits { tasks: 6, bytes: 1000 }, 1);
    for task in 0..3 {
        assert!(mailbox.push(from(1, 0), task).is_ok());
    }
    assert_eq!(mailbox.push(from(1, 0), 3), Err(3), "one by itself has half");
    assert!(mailbox.push(from(2, 0), 4).is_ok());
    assert_eq!(mailbox.push(from(2, 0), 5), Err(5), "of what the first one has left, again half");
    assert!(mailbox.push(from(3, 400), 6).is_ok());
    assert_eq!(mailbox.push(from(1, 0), 7), Err(7), "it has more than is left");
    assert_eq!(mailbox.waiting(), 5);
}

#[test]
fn who_has_nothing_in_it_has_room_however_many_flood_it() {
    let mailbox = Mailbox::new(Limits { tasks: 64, bytes: 1000 }, 1);
    for connection in 1..=100 {
        while mailbox.push(from(connection, 20), connection).is_ok() {}
    }
    let before = mailbox.waiting();
    assert!(before < 64 + 100, "{before}");
    assert_eq!(mailbox.push(from(200, 5000), 200), Ok(false), "a newcomer, with a task of any size");
    assert_eq!(mailbox.push(from(200, 0), 200), Err(200), "it has one now");
    while mailbox.take().is_some_and(|whose| whose != 200) {}
    assert!(before - mailbox.waiting() <= 100, "it waits for one turn of each, not for all that they have sent");
    while mailbox.take().is_some() {}
    assert!(mailbox.push(from(1, 400), 1).is_ok() && mailbox.push(from(1, 0), 1).is_ok(), "all of it has come back");
}

#[test]
fn connections_take_turns_and_each_keeps_its_order() {
    let mailbox = Mailbox::new(Limits::default(), 1);
    for task in 0..1000 {
        assert!(mailbox.push(from(1, 1), task).is_ok());
    }
    assert_eq!(mailbox.take(), Some(0));
    for task in 2000..2003 {
        assert!(mailbox.push(from(2, 1), task).is_ok());
    }
    assert!(mailbox.push(from(3, 1), 3000).is_ok());
    // About a connection: when its own is done, and not before.
    assert!(mailbox.push(Origin::Server { about: 2 }, 4000).is_ok());
    assert!(mailbox.push(Origin::Server { about: 9 }, 5000).is_ok());
    let taken: Vec<_> = (0..9).filter_map(|_| mailbox.take()).collect();
    assert_eq!(taken, [1, 2000, 3000, 5000, 2, 2001, 3, 2002, 4000]);
    // Who has waited for nothing owes nothing.
    assert!(mailbox.push(from(2, 1), 2003).is_ok());
    assert_eq!([mailbox.take(), mailbox.take()], [Some(4), Some(2003)]);
    assert_eq!(mailbox.waiting(), 995);
}

/// Three hundred that left a call each and went kept who stays waiting for all of them, at each of his calls.
#[test]
fn newcomers_have_one_turn_between_two_of_somebody_who_stays() {
    let mailbox = Mailbox::new(Limits::default(), 1);
    let newcomer = |id| Origin::Connection { id, bytes: 1, is_new: true };
    for connection in 100..400 {
        assert!(mailbox.push(newcomer(connection), connection).is_ok());
    }
    assert_eq!(mailbox.take(), Some(100));
    for turn in 0..100 {
        assert!(mailbox.push(from(1, 1), 1).is_ok());
        let next = [mailbox.take(), mailbox.take()];
        assert!(next.contains(&Some(1)) && next.contains(&Some(101 + turn)), "{next:?}");
        assert!(mailbox.push(newcomer(400 + turn), 400 + turn).is_ok());
    }
    assert_eq!(mailbox.waiting(), 299);
}

/// Twelve calls of 6 MB, each of which took a second, kept everybody else's waiting for two or three of them.
#[test]
fn who_sends_much_at_once_lets_the_others_go_first() {
    let mailbox = Mailbox::new(Limits { tasks: 100, bytes: 1 << 30 }, 1);
    for task in 0..12 {
        assert!(mailbox.push(from(1, 6 << 20), task).is_ok());
    }
    assert!(mailbox.push(from(2, 6 << 20), 100).is_ok());
    assert_eq!(mailbox.take(), Some(0));
    for task in 200..203 {
        assert!(mailbox.push(from(3, 100), task).is_ok(), "somebody with small calls, while a large one is being done");
    }
    assert_eq!((0..3).filter_map(|_| mailbox.take()).collect::<Vec<_>>(), [200, 201, 202]);
    assert_eq!(mailbox.take(), Some(100), "large ones take turns, too");
    assert_eq!(mailbox.take(), Some(1));
    // Whoever has small ones without end does not keep the large ones from their turn.
    let mut taken = Vec::new();
    for task in 0..400 {
        assert!(mailbox.push(from(3, 100), 1000 + task).is_ok());
        taken.extend(mailbox.take());
    }
    assert!(taken.contains(&2), "{taken:?}");
}

#[test]
fn bytes_count_and_come_back() {
    let mailbox = Mailbox::new(Limits { tasks: 100, bytes: 100 }, 1);
    assert_eq!(mailbox.push(from(1, 1000), 0), Ok(true), "an empty one takes anything");
    assert_eq!(mailbox.push(from(1, 1), 1), Err(1));
    assert!(mailbox.push(Origin::Server { about: 0 }, 2).is_ok(), "what is ours has no limit");
    mailbox.take();
    assert!(mailbox.push(from(1, 50), 3).is_ok());
    assert_eq!(mailbox.push(from(1, 1), 4), Err(4));
    assert_eq!(mailbox.remove(|task| *task == 3), Some(3));
    assert_eq!(mailbox.remove(|task| *task == 3), None);
    assert!(mailbox.push(from(1, 50), 5).is_ok());
}

#[test]
fn who_is_left_has_the_object_run_by_whose_the_next_task_is() {
    let mailbox = Mailbox::new(Limits { tasks: 100, bytes: 100 }, 1);
    for (origin, task) in
        [(from(1, 50), 10), (from(2, 1), 20), (Origin::Server { about: 0 }, 11), (Origin::Server { about: 0 }, 21)]
    {
        assert!(mailbox.push(origin, task).is_ok());
    }
    let whose = |task: &i32| task / 10;
    assert_eq!(mailbox.abandon(|task| whose(task) == 1, whose), (vec![10, 11], Some(2)));
    assert_eq!(mailbox.push(from(1, 50), 12), Ok(false), "it is scheduled still, and the bytes have come back");
    assert_eq!((mailbox.take(), mailbox.finish()), (Some(20), Some(0)));
    assert_eq!(mailbox.abandon(|_| true, whose), (vec![21, 12], None));
    assert_eq!(mailbox.push(from(1, 50), 13), Ok(true), "idle");
}

#[test]
fn what_a_connection_leaves_keeps_its_order_behind_what_others_have_left() {
    let mailbox = Mailbox::new(Limits::default(), 1);
    let about = |about| Origin::Server { about };
    for (origin, task) in [(from(1, 9), 10), (about(1), 11), (from(1, 9), 12), (from(2, 9), 20), (from(3, 9), 30)] {
        assert!(mailbox.push(origin, task).is_ok());
    }
    assert!(mailbox.leave(2, |_| true).is_empty());
    assert_eq!(mailbox.leave(1, |task| *task != 12), [12]);
    assert!(mailbox.leave(9, |_| unreachable!()).is_empty());
    assert!(mailbox.push(about(GONE), 13).is_ok());
    assert!(mailbox.push(from(3, 9), 31).is_ok());
    let taken: Vec<_> = std::iter::from_fn(|| mailbox.take()).collect();
    assert_eq!(taken, [30, 20, 10, 11, 13, 31]);
}

#[test]
fn what_was_taken_out_leaves_the_object_idle() {
    let mailbox = Mailbox::new(Limits::default(), 1);
    assert_eq!(mailbox.push(from(1, 1), "a"), Ok(true));
    mailbox.remove(|_| true);
    assert_eq!(mailbox.push(from(1, 1), "b"), Ok(false), "whoever was told comes for this one");
    assert_eq!(mailbox.take(), Some("b"));
    assert_eq!(mailbox.finish(), None);
    assert_eq!(mailbox.push(from(1, 1), "c"), Ok(true));
    mailbox.remove(|_| true);
    assert_eq!(mailbox.take(), None);
    assert_eq!(mailbox.push(from(1, 1), "d"), Ok(true), "idle again");
}

/// Of a worker that must not poll.
fn nobody() -> bool {
    unreachable!("there is a job")
}

#[test]
fn threads_are_asked_for_when_they_are_wanted() {
    let queue = RunQueue::new(Threads { at_once: 2, limit: 2 });
    assert_eq!(queue.push(1, 1), Ok(Wanted::Thread), "the first");
    assert_eq!(queue.push(1, 2), Ok(Wanted::Thread), "the second");
    assert_eq!(queue.push(1, 3), Ok(Wanted::Clock), "no more");
    assert_eq!(queue.push(1, 4), Ok(Wanted::Nobody), "the clock runs");
    assert_eq!((begin(&queue).0, begin(&queue).0), (Some(1), Some(2)));
    assert_eq!(queue.thread_failed(), Wanted::Nobody, "the clock runs");
    assert_eq!(queue.push(1, 5), Ok(Wanted::Thread), "one of them did not come");
    assert_eq!(queue.stop(), [3, 4, 5]);
    assert_eq!(begin(&queue).0, None);
    assert_eq!(queue.push(1, 5), Err(5));
    assert_eq!(queue.put_back(1, 6), Err(6));
    assert_eq!(begin(&queue).0, None);
}

/// A thread comes and gets a job.
fn begin<J>(queue: &RunQueue<J>) -> (Option<J>, Place) {
    let mut place = Place::default();
    (queue.next(&mut place, nobody), place)
}

#[test]
fn who_is_held_up_is_replaced_while_jobs_wait() {
    let queue = RunQueue::new(Threads { at_once: 1, limit: 3 });
    assert_eq!(queue.push(1, 1), Ok(Wanted::Thread));
    let (job, mut first) = begin(&queue);
    assert_eq!(job, Some(1));
    assert_eq!(queue.push(1, 2), Ok(Wanted::Clock));
    let ticked = queue.tick();
    assert_eq!((ticked.start, ticked.again), (0, true), "it may have begun a moment ago");
    let ticked = queue.tick();
    assert_eq!((ticked.start, ticked.again), (1, true), "held up");
    assert_eq!(queue.tick().start, 0, "one is coming");
    let (job, mut second) = begin(&queue);
    assert_eq!(job, Some(2));
    assert_eq!(queue.push(1, 3), Ok(Wanted::Nobody), "the clock runs");
    // The first comes back, and one works at once again.
    assert_eq!(queue.next(&mut first, nobody), Some(3));
    assert!(queue.push(1, 4).is_ok());
    assert_eq!(
        [queue.tick().start, queue.tick().start, queue.tick().start],
        [0, 1, 0],
        "both are held up, and this is the limit"
    );
    let (job, mut third) = begin(&queue);
    assert_eq!(job, Some(4));
    let ticked = queue.tick();
    assert_eq!((ticked.start, ticked.again), (0, false), "nothing waits");
    // Who finds nothing to do goes, until so many are left as may work at once.
    assert_eq!(queue.threads(), 3);
    assert_eq!(queue.next(&mut second, nobody), None);
    assert_eq!(queue.next(&mut first, nobody), None);
    assert_eq!(queue.threads(), 1);
    assert_eq!(queue.push(1, 5), Ok(Wanted::Clock));
    assert_eq!(queue.next(&mut third, nobody), Some(5));
}

/// A hundred that slept were begun one or two in 10 ms, so whatever came behind them waited for half a second.
#[test]
fn while_none_comes_back_twice_as_many_are_started_each_time() {
    let queue = RunQueue::new(Threads { at_once: 2, limit: 256 });
    for job in 0..100 {
        assert!(queue.push(1, job).is_ok());
    }
    assert!(queue.push(2, 1000).is_ok());
    let (mut begun, mut places, mut started) = (Vec::new(), Vec::new(), Vec::new());
    let mut ticks = 0;
    while queue.threads() < 101 {
        while begun.len() < queue.threads() {
            let (job, place) = begin(&queue);
            begun.extend(job);
            places.push(place);
        }
        started.push(queue.tick().start);
        ticks += 1;
        assert!(ticks < 10, "{started:?}");
    }
    assert_eq!(started, [0, 2, 4, 8, 16, 32, 32, 5]);
    assert!(begun[..4].contains(&1000), "somebody else's is not behind all of them: {begun:?}");
    // One that comes back shows that it goes on, and those that follow are started as at first.
    let queue = RunQueue::new(Threads { at_once: 2, limit: 256 });
    for job in 0..100 {
        assert!(queue.push(1, job).is_ok());
    }
    let mut workers = [Place::default(), Place::default()];
    for _ in 0..40 {
        for worker in &mut workers {
            assert!(queue.next(worker, nobody).is_some());
        }
        assert_eq!(queue.tick().start, 0, "two are at it");
    }
}

/// Each of two hundred callbacks that blocked for 5 ms was done before the second tick, so ten threads were all there were for
/// them, and what came behind them waited for seconds.
#[test]
fn who_waits_in_short_jobs_is_replaced_too() {
    let queue = RunQueue::new(Threads { at_once: 2, limit: 256 });
    for job in 0..1000 {
        assert!(queue.push(1, job).is_ok());
    }
    let (mut workers, mut threads): (Vec<Place>, _) = (Vec::new(), Vec::new());
    while queue.threads() < 120 {
        workers.resize_with(queue.threads(), Place::default);
        for worker in &mut workers {
            let before = worker.is_watched();
            worker.judge(true);
            assert!(queue.next(worker, nobody).is_some());
            assert!(worker.is_watched() && (before || worker.has_rested() == before));
        }
        queue.tick();
        threads.push(queue.threads());
        assert!(threads.len() < 20, "{threads:?}");
    }
    assert_eq!(threads[..3], [4, 8, 16]);
    // No more than a connection may have inside methods: the others are for those that block for longer.
    for worker in &mut workers {
        worker.judge(true);
        assert!(queue.next(worker, nobody).is_some());
    }
    assert_eq!((queue.tick().start, queue.threads()), (0, 120));
    // Who computes needs no replacement, and who has no job ends.
    for worker in &mut workers {
        worker.judge(false);
        assert!(queue.next(worker, nobody).is_some());
    }
    assert_eq!(queue.tick().start, 0);
    drop(queue.stop());
}

#[test]
fn who_has_rested_is_no_sleeper_any_more() {
    let queue = RunQueue::new(Threads { at_once: 1, limit: 256 });
    assert_eq!(queue.push(1, 1), Ok(Wanted::Thread));
    let (_, mut first) = begin(&queue);
    assert!(!first.is_watched(), "nothing waited");
    first.judge(true);
    assert_eq!(queue.push(1, 2), Ok(Wanted::Clock));
    assert_eq!(queue.next(&mut first, nobody), Some(2));
    assert_eq!(queue.push(1, 3), Ok(Wanted::Thread), "it may be replaced at once");
    let (_, mut second) = begin(&queue);
    let look_out = || {
        assert_eq!(queue.push(1, 4), Ok(Wanted::PollingWorker));
        true
    };
    assert_eq!(queue.next(&mut second, look_out), Some(4));
    assert!(second.has_rested() && !second.has_rested());
    assert_eq!(queue.push(1, 5), Ok(Wanted::Nobody), "the clock runs, and one is at work");
    assert_eq!((queue.next(&mut first, nobody), queue.threads()), (Some(5), 2));
}

#[test]
fn at_the_limit_what_waits_comes_back_unless_somebody_does() {
    let queue = RunQueue::new(Threads { at_once: 1, limit: 2 });
    let mut places = Vec::new();
    for job in [1, 2] {
        assert!(queue.push(1, job).is_ok());
        while queue.threads() < job {
            assert!(queue.tick().stuck.is_empty());
        }
        let (begun, place) = begin(&queue);
        assert_eq!(begun, Some(job));
        places.push(place);
    }
    assert!(queue.push(1, 3).is_ok());
    assert!(queue.push(1, 4).is_ok());
    for _ in 0..PATIENCE - 1 {
        assert!(queue.tick().stuck.is_empty());
    }
    // The other one takes its time, but is there.
    assert_eq!(queue.next(&mut places[0], nobody), Some(3));
    for _ in 0..PATIENCE - 1 {
        assert!(queue.tick().stuck.is_empty());
    }
    let ticked = queue.tick();
    assert_eq!((ticked.stuck, ticked.start, ticked.again), ([4].into(), 0, false));
    assert_eq!(queue.push(1, 5), Ok(Wanted::Clock), "and time begins anew");
    assert!(queue.tick().stuck.is_empty());
}

#[test]
fn a_thread_that_cannot_be_started_is_tried_again() {
    let queue = RunQueue::new(Threads { at_once: 1, limit: 1 });
    assert_eq!(queue.push(1, 1), Ok(Wanted::Thread));
    assert_eq!(queue.thread_failed(), Wanted::Clock);
    for _ in 1..PATIENCE {
        let ticked = queue.tick();
        assert_eq!((ticked.start, ticked.stuck.len()), (1, 0));
        assert_eq!(queue.thread_failed(), Wanted::Nobody, "the clock runs");
    }
    assert_eq!(queue.tick().stuck, [1], "and in the end given up");
}

#[test]
fn the_polling_worker_is_told_once_and_the_second_job_needs_another() {
    let queue = RunQueue::new(Threads { at_once: 2, limit: 2 });
    assert_eq!(queue.push(1, 1), Ok(Wanted::Thread));
    assert_eq!(begin(&queue).0, Some(1));
    let look_out = || {
        assert_eq!((queue.push(1, 2), queue.push(1, 3)), (Ok(Wanted::PollingWorker), Ok(Wanted::Thread)));
        true
    };
    assert_eq!(queue.next(&mut Place::default(), look_out), Some(2));
    assert_eq!(queue.put_back(1, 2), Ok(()));
    assert_eq!([begin(&queue).0, begin(&queue).0], [Some(3), Some(2)]);
}

#[test]
fn only_who_leaves_the_polling_worker_has_a_successor_and_only_one() {
    let queue = RunQueue::new(Threads { at_once: 2, limit: 2 });
    assert_eq!(queue.push(1, 1), Ok(Wanted::Thread));
    assert_eq!(begin(&queue).0, Some(1));
    assert_eq!(queue.busy(), Wanted::Nobody, "the job came from elsewhere, where somebody polls");
    let look_out = || {
        assert_eq!(queue.push(1, 2), Ok(Wanted::PollingWorker));
        true
    };
    assert_eq!(queue.next(&mut Place::default(), look_out), Some(2));
    assert_eq!(queue.busy(), Wanted::Thread);
    assert_eq!(queue.busy(), Wanted::Nobody);
    // The successor takes the post, and both are there.
    let look_out = || {
        assert_eq!(queue.busy(), Wanted::Nobody);
        assert_eq!((queue.push(1, 3), queue.push(1, 4)), (Ok(Wanted::PollingWorker), Ok(Wanted::Clock)));
        true
    };
    assert_eq!(queue.next(&mut Place::default(), look_out), Some(3));
    assert_eq!(queue.busy(), Wanted::Nobody, "there can be no more threads");
}
