//! The mailboxes of objects and the queue of their workers: nothing is forgotten, nothing is done twice or at once, and
//! the workers end.
//!
//! Mailbox and queue are the real ones; what a worker does with them (`Object::run_one`, `Workers`) is written down here
//! again. Work that nobody comes for would leave a thread asleep for ever. So the models are of growth (a task that waits for another one has a
//! thread started for that), of looking out (who polls is told, or goes to sleep and is woken) and of handing over (before each task another
//! takes the poll).

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use crate::explore;
use crate::qi::server::mailbox::{Limits, Mailbox, Origin};
use crate::qi::workers::run_queue::{Place, RunQueue, Threads, Wanted};

struct Object {
    mailbox: Mailbox<u32>,
    inside: AtomicUsize,
    done: Mutex<Vec<u32>>,
}

struct House {
    objects: Vec<Object>,
    /// Indices of objects.
    queue: RunQueue<usize>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The polling worker has been told.
    told: Mutex<bool>,
    tell: Condvar,
    /// Tasks that are not done yet; the last one ends the queue.
    left: AtomicUsize,
    /// Whom task [`WAITS`] waits for: set by task [`OPENS`].
    open: Mutex<bool>,
    opened: Condvar,
    /// Every thread is found to spend its time on waiting.
    sleepers: bool,
    /// Who polls does so for a moment only.
    impatient: bool,
}

/// A task that waits for another one.
const WAITS: u32 = 100;
/// That one.
const OPENS: u32 = 101;

/// A task that is done apart first, and then comes back as the next.
const LARGE: u32 = 200;
const READ: u32 = 201;

impl House {
    fn new(objects: usize, workers: usize, tasks: usize) -> Arc<House> {
        House::growing(objects, Threads { at_once: workers, limit: workers }, tasks)
    }

    fn growing(objects: usize, workers: Threads, tasks: usize) -> Arc<House> {
        Arc::new(House::built(objects, workers, tasks))
    }

    fn built(objects: usize, workers: Threads, tasks: usize) -> House {
        let object = |_| Object {
            mailbox: Mailbox::new(Limits { tasks: 10, bytes: 100 }, 1),
            inside: AtomicUsize::new(0),
            done: Mutex::default(),
        };
        House {
            objects: (0..objects).map(object).collect(),
            queue: RunQueue::new(workers),
            threads: Mutex::default(),
            told: Mutex::default(),
            tell: Condvar::new(),
            left: AtomicUsize::new(tasks),
            open: Mutex::new(false),
            opened: Condvar::new(),
            sleepers: false,
            impatient: false,
        }
    }

    /// `Crew::provide`.
    fn provide(self: &Arc<Self>, wanted: Wanted) {
        match wanted {
            Wanted::Nobody => {}
            Wanted::Thread => {
                let house = Arc::clone(self);
                let thread = thread::spawn(move || {
                    let mut place = Place::default();
                    while let Some(object) = house.queue.next(&mut place, || house.poll()) {
                        // As if every task were slow.
                        house.provide(house.queue.busy());
                        house.run_one(object);
                        place.judge(house.sleepers);
                    }
                });
                self.threads.lock().unwrap().push(thread);
            }
            Wanted::PollingWorker => self.tell_polling_worker(),
            // Time passes as fast as anything else.
            Wanted::Clock => {
                let house = Arc::clone(self);
                let clock = thread::spawn(move || house.tick());
                self.threads.lock().unwrap().push(clock);
            }
        }
    }

    /// `Crew::tick`, again and again.
    fn tick(self: &Arc<Self>) {
        loop {
            let ticked = self.queue.tick();
            (0..ticked.start).for_each(|_| self.provide(Wanted::Thread));
            assert!(ticked.stuck.is_empty(), "the model is shorter than that");
            if !ticked.again {
                return;
            }
            thread::yield_now();
        }
    }

    fn tell_polling_worker(&self) {
        *self.told.lock().unwrap() = true;
        self.tell.notify_one();
    }

    fn poll(&self) -> bool {
        let mut told = self.told.lock().unwrap();
        while !*told && !self.impatient {
            told = self.tell.wait(told).unwrap();
        }
        std::mem::take(&mut *told)
    }

    fn push(self: &Arc<Self>, object: usize, from: u64, task: u32) {
        let origin = Origin::Connection { id: from, bytes: 1, is_new: false };
        if self.objects[object].mailbox.push(origin, task).expect("room") {
            self.provide(self.queue.push(from, object).expect("it goes on"));
        }
    }

    /// `Object::run_one`, and `Crew::work` around it.
    fn run_one(self: &Arc<Self>, index: usize) {
        let object = &self.objects[index];
        let Some(task) = object.mailbox.take() else { return };
        if task == LARGE {
            self.read_apart(index);
            if let Some(whose) = object.mailbox.finish() {
                self.queue.put_back(whose, index).expect("it goes on");
            }
            return;
        }
        assert_eq!(object.inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        match task {
            WAITS => {
                let mut open = self.open.lock().unwrap();
                while !*open {
                    open = self.opened.wait(open).unwrap();
                }
            }
            OPENS => {
                *self.open.lock().unwrap() = true;
                self.opened.notify_all();
            }
            _ => {}
        }
        object.done.lock().unwrap().push(task);
        object.inside.fetch_sub(1, Ordering::SeqCst);
        if let Some(whose) = object.mailbox.finish() {
            self.queue.put_back(whose, index).expect("it goes on");
        }
        self.less();
    }

    /// `Object::read_apart`: the connection is held, and let go by a helper, a thread of its own here.
    fn read_apart(self: &Arc<Self>, index: usize) {
        self.objects[index].mailbox.hold(1);
        let house = Arc::clone(self);
        let helper = thread::spawn(move || {
            let origin = Origin::Connection { id: 1, bytes: 1, is_new: false };
            if house.objects[index].mailbox.let_go(1, Some((origin, READ))) {
                house.provide(house.queue.push(1, index).expect("it goes on"));
            }
        });
        self.threads.lock().unwrap().push(helper);
    }

    fn less(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            assert!(self.queue.stop().is_empty() || self.objects.iter().all(|object| object.mailbox.waiting() == 0));
            self.tell_polling_worker();
        }
    }

    /// Waits for the workers, which end when everything is done.
    fn join(&self) {
        loop {
            let thread = self.threads.lock().unwrap().pop();
            match thread {
                Some(thread) => thread.join().unwrap(),
                None => return,
            }
        }
    }

    fn done(&self, object: usize) -> Vec<u32> {
        self.objects[object].done.lock().unwrap().clone()
    }
}

#[test]
fn what_two_connections_bring_is_done_in_their_order() {
    explore(3, || {
        let house = House::new(1, 2, 3);
        let other = Arc::clone(&house);
        let pusher = thread::spawn(move || other.push(0, 2, 20));
        house.push(0, 1, 10);
        house.push(0, 1, 11);
        pusher.join().unwrap();
        house.join();
        let mut done = house.done(0);
        assert_eq!(done.iter().copied().filter(|task| *task < 20).collect::<Vec<_>>(), [10, 11]);
        done.sort_unstable();
        assert_eq!(done, [10, 11, 20]);
    });
}

#[test]
fn what_is_done_apart_comes_back_before_the_rest_of_its_connection() {
    explore(2, || {
        let house = House::new(1, 1, 3);
        house.push(0, 1, LARGE);
        house.push(0, 1, 11);
        house.push(0, 2, 20);
        house.join();
        let done = house.done(0);
        assert_eq!(done.iter().copied().filter(|task| *task != 20).collect::<Vec<_>>(), [READ, 11]);
        assert_eq!(done.len(), 3);
    });
}

#[test]
fn two_objects_share_two_workers() {
    explore(2, || {
        let house = House::new(2, 2, 3);
        house.push(0, 1, 1);
        house.push(1, 1, 2);
        house.push(0, 1, 3);
        house.join();
        assert_eq!((house.done(0), house.done(1)), (vec![1, 3], vec![2]));
    });
}

#[test]
fn a_task_that_waits_for_another_has_a_thread_started_for_it() {
    explore(2, || {
        let house = House::growing(2, Threads { at_once: 1, limit: 2 }, 2);
        house.push(0, 1, WAITS);
        house.push(1, 1, OPENS);
        house.join();
        assert_eq!((house.done(0), house.done(1)), (vec![WAITS], vec![OPENS]));
    });
}

#[test]
fn a_thread_that_waits_much_has_another_beside_it() {
    explore(2, || {
        let house = House::built(2, Threads { at_once: 1, limit: 64 }, 3);
        let house = Arc::new(House { sleepers: true, ..house });
        house.push(0, 1, 1);
        house.push(0, 1, WAITS);
        house.push(1, 1, OPENS);
        house.join();
        assert_eq!((house.done(0), house.done(1)), (vec![1, WAITS], vec![OPENS]));
    });
}

#[test]
fn who_has_polled_for_long_sleeps_and_is_woken_all_the_same() {
    explore(3, || {
        let house = House::built(2, Threads { at_once: 2, limit: 2 }, 3);
        let house = Arc::new(House { impatient: true, ..house });
        let other = Arc::clone(&house);
        let pusher = thread::spawn(move || other.push(1, 2, 2));
        house.push(0, 1, 1);
        house.push(0, 1, 3);
        pusher.join().unwrap();
        house.join();
        assert_eq!((house.done(0), house.done(1)), (vec![1, 3], vec![2]));
    });
}

#[test]
fn what_is_taken_out_is_not_done_and_what_follows_is() {
    explore(3, || {
        let house = House::new(1, 1, 2);
        house.push(0, 1, 1);
        // A Cancel comes while the worker may be at it, or another message behind it.
        let removed = house.objects[0].mailbox.remove(|task| *task == 1).is_some();
        if removed {
            house.less();
        }
        house.push(0, 1, 2);
        house.join();
        assert_eq!(house.done(0), if removed { vec![2] } else { vec![1, 2] });
    });
}

/// An object of two servers, whose tasks are numbered by them. What the workers do is done by hand.
struct Shared {
    mailbox: Mailbox<usize>,
    queues: [RunQueue<()>; 2],
}

impl Shared {
    fn push(&self, server: usize) {
        if self.mailbox.push(Origin::Server { about: 0 }, server).expect("room") {
            self.submit(server);
        }
    }

    /// `Crew::submit`.
    fn submit(&self, server: usize) {
        match self.queues[server].push(0, ()) {
            Ok(wanted) => assert!(matches!(wanted, Wanted::Nobody | Wanted::Clock), "there are no threads"),
            Err(()) => self.abandon(),
        }
    }

    /// `Object::abandon`.
    fn abandon(&self) {
        let (_, whose) = self.mailbox.abandon(|server| self.queues[*server].is_stopping(), |server| *server);
        if let Some(server) = whose {
            self.submit(server);
        }
    }
}

#[test]
fn what_one_server_wants_is_done_though_another_ends() {
    explore(3, || {
        let none = Threads { at_once: 0, limit: 0 };
        let queues = [RunQueue::new(none), RunQueue::new(none)];
        let shared = Arc::new(Shared { mailbox: Mailbox::new(Limits { tasks: 10, bytes: 100 }, 1), queues });
        let (pusher, ender) = (Arc::clone(&shared), Arc::clone(&shared));
        let pusher = thread::spawn(move || pusher.push(0));
        let ender = thread::spawn(move || ender.queues[0].stop().into_iter().for_each(|()| ender.abandon()));
        shared.push(1);
        pusher.join().unwrap();
        ender.join().unwrap();
        let mut done = Vec::new();
        while shared.queues[1].try_next().is_some() {
            done.extend(shared.mailbox.take());
            if let Some(whose) = shared.mailbox.finish() {
                shared.queues[1].put_back(whose, ()).expect("it goes on");
            }
        }
        assert!(done.contains(&1), "{done:?}");
        assert_eq!(shared.mailbox.waiting(), 0);
        assert_eq!(shared.mailbox.push(Origin::Server { about: 0 }, 1), Ok(true), "it is idle");
    });
}
