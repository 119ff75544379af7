//! The mailbox of one object: what waits for it, in turns of the connections, and how many are at it.
//!
//! ```text
//!   Idle ──push: says "schedule"──▶ Scheduled ──take──▶ a worker has one task ──finish──▶ Scheduled, or Idle if empty
//!                                       └── abandon: the workers have stopped ──▶ Scheduled with others, or Idle
//! ```
//!
//! A worker that has taken a task calls [`Mailbox::finish`] when it is done with it. Until then nobody else is told to
//! schedule, so an object does one thing at a time; or as many as it has **runs** for, each of which goes this way. It may belong to several servers: whoever finds it idle schedules it,
//! and it does there what all of them want of it.
//!
//! # Done apart
//!
//! ```text
//!   take ──hold──▶ the connection's tasks wait, others go on ──let_go──▶ they go on, the one that was taken before them
//! ```
//!
//! What of a task nobody else should wait for is done apart (`apart.rs`), and the worker goes on with others' tasks. The connection's later ones wait: so its order is kept, and there
//! is never more than one of it under way in this manner.
//!
//! # Room
//!
//! A connection may have its share of the mailbox ([`share`](crate::qi::share)), and one task always: so
//! however many fill it, who has nothing in it is not turned away. What connections that have ended leave behind has a share of its own,
//! all of it together.

use crate::qi::share::is_fair;
use crate::qi::workers::turns::{GONE, Load, Turns};
use crate::sys::sync::Mutex;

pub use crate::qi::workers::turns::Origin;

/// How much a mailbox holds. A connection may have as much of each as it leaves free of fifteen sixteenths of it, so one by itself 15/32, and always
/// a single task of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tasks.
    pub tasks: usize,
    /// Bytes of their messages.
    pub bytes: usize,
}

impl Default for Limits {
    /// 4096 tasks, 64 MiB.
    fn default() -> Limits {
        Limits { tasks: 4096, bytes: 64 * 1024 * 1024 }
    }
}

impl Limits {
    /// Whether there is room for one more. What is ours is not limited.
    fn allow<T>(&self, origin: Origin, tasks: &Turns<T>) -> bool {
        let Origin::Connection { id, bytes, .. } = origin else { return true };
        let (own, whole): (Load, Load) = (tasks.load_of(id).with(bytes), tasks.whole().with(bytes));
        let is_fair = is_fair(own.tasks, whole.tasks, self.tasks, 1) && is_fair(own.bytes, whole.bytes, self.bytes, 1);
        own.tasks == 1 || is_fair
    }
}

struct MailboxState<T> {
    tasks: Turns<T>,
    /// Of the object that are with workers, or told to be.
    runs: usize,
}

impl<T> MailboxState<T> {
    /// Whether somebody is to be told to run the object once more.
    fn begins_run(&mut self, at_once: usize) -> bool {
        let another = self.runs < at_once && !self.tasks.is_empty();
        self.runs += usize::from(another);
        another
    }
}

/// See the head of this file.
pub struct Mailbox<T> {
    state: Mutex<MailboxState<T>>,
    limits: Limits,
    at_once: usize,
}

impl<T> Mailbox<T> {
    /// For an object that does so many things at once, at least one.
    pub fn new(limits: Limits, at_once: usize) -> Mailbox<T> {
        let state = MailboxState { tasks: Turns::default(), runs: 0 };
        Mailbox { state: Mutex::new(state), limits, at_once: at_once.max(1) }
    }

    /// Whether the object does one thing at a time.
    pub fn is_serial(&self) -> bool {
        self.at_once == 1
    }

    /// Adds a task. `Ok(true)`: the caller must have the object run, for nobody else will. The task comes back if there
    /// is no room.
    pub fn push(&self, origin: Origin, task: T) -> Result<bool, T> {
        let mut state = self.state.lock();
        if !self.limits.allow(origin, &state.tasks) {
            return Err(task);
        }
        state.tasks.push(origin, task);
        Ok(state.begins_run(self.at_once))
    }

    /// The same for a task of ours that is to be done before all others. It always has room.
    pub fn push_first(&self, task: T) -> bool {
        let mut state = self.state.lock();
        state.tasks.push_first(Origin::Server { about: 0 }, task);
        state.begins_run(self.at_once)
    }

    /// A connection's task is to be done apart. Its others wait until it is let go. Two such for one connection are one.
    pub fn hold(&self, connection: u64) {
        self.state.lock().tasks.hold(connection);
    }

    /// That is done. The task comes before the connection's others, if there is more to be done of it. True: the caller must have the object run, for
    /// nobody else will.
    pub fn let_go(&self, connection: u64, task: Option<(Origin, T)>) -> bool {
        let mut state = self.state.lock();
        state.tasks.let_go(connection, task);
        state.begins_run(self.at_once)
    }

    /// The next task, for the worker that was told to run the object. `None`: it has been taken away, or others have it; this run is over.
    pub fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        let task = state.tasks.pop();
        state.runs -= usize::from(task.is_none());
        task
    }

    /// The task that was taken is done. If there is another one, whose that is: the caller must have the object run for it. `None`: this
    /// run is over.
    pub fn finish(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let next = state.tasks.first().map(|(owner, _)| owner);
        state.runs -= usize::from(next.is_none());
        next
    }

    /// Takes out the first task that `is_it`.
    pub fn remove(&self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        self.state.lock().tasks.remove(is_it)
    }

    /// Those whom the caller had run the object do not any more. Takes out the tasks that nobody will do, and gives those,
    /// and `whose` the first of the rest is: the caller must have these run the object. `None`: this run is over.
    pub fn abandon<W>(&self, nobodys: impl Fn(&T) -> bool, whose: impl FnOnce(&T) -> W) -> (Vec<T>, Option<W>) {
        let mut state = self.state.lock();
        let dropped = state.tasks.extract(nobodys);
        let whose = state.tasks.first().map(|(_, task)| whose(task));
        state.runs -= usize::from(whose.is_none());
        (dropped, whose)
    }

    /// A connection has ended. Of what it has asked for, what `stays` goes on behind what others have left, in turn with what is about it; the
    /// rest, and that for which there is no room, is taken out. Whoever was to run the object still comes. What is held stays: this is to be said
    /// again when it has been let go.
    pub fn leave(&self, connection: u64, mut stays: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut state = self.state.lock();
        if state.tasks.is_held(connection) {
            return Vec::new();
        }
        let mut dropped = Vec::new();
        for (origin, task) in state.tasks.take_all_of(connection) {
            let origin = match origin {
                Origin::Server { .. } => Origin::Server { about: GONE },
                Origin::Connection { bytes, .. } => Origin::Connection { id: GONE, bytes, is_new: false },
            };
            let is_ours = matches!(origin, Origin::Server { .. });
            if is_ours || (stays(&task) && self.limits.allow(origin, &state.tasks)) {
                state.tasks.push(origin, task);
            } else {
                dropped.push(task);
            }
        }
        dropped
    }

    /// Whose the next task is.
    pub fn next_owner(&self) -> Option<u64> {
        self.state.lock().tasks.first().map(|(owner, _)| owner)
    }

    /// Tasks that wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().tasks.len()
    }
}
