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
//! # Turns
//!
//! Connections take turns, so that one with two thousand tasks does not keep another waiting for them. Each task has the number of the
//! **round** in which it is done: the one after the present one, or after that of its connection's last task; and one later for each
//! 64 KiB of its message, so that a large one lets many small ones of others go first (self-clocked fair queueing). The queue is in the order
//! of the rounds, so in that of arrival for each connection.
//!
//! # Room
//!
//! A connection may have its share of the mailbox ([`share`](crate::qi::share)), and one task always: so
//! however many fill it, who has nothing in it is not turned away.

use std::collections::{HashMap, VecDeque};

use crate::qi::share::is_fair;
use crate::sys::sync::Mutex;

/// Bytes of a message that are worth another task's turn.
const TURN: usize = 64 * 1024;

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

/// Where a task comes from. What the server tells an object itself is not limited, and comes after what the connection has asked for
/// that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Server { about: u64 },
    Connection { id: u64, bytes: usize },
}

#[derive(Clone, Copy, Debug, Default)]
struct MailboxLoad {
    tasks: usize,
    bytes: usize,
}

impl MailboxLoad {
    /// With one task more.
    fn with(self, bytes: usize) -> MailboxLoad {
        MailboxLoad { tasks: self.tasks + 1, bytes: self.bytes.saturating_add(bytes) }
    }

    fn subtract(&mut self, bytes: usize) {
        self.tasks -= 1;
        self.bytes -= bytes;
    }
}

/// What one connection has in the mailbox.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    load: MailboxLoad,
    /// The round of its last task.
    last: u64,
}

struct QueuedTask<T> {
    round: u64,
    origin: Origin,
    task: T,
}

struct MailboxState<T> {
    /// In the order of their rounds.
    queue: VecDeque<QueuedTask<T>>,
    /// The present one.
    round: u64,
    whole: MailboxLoad,
    shares: HashMap<u64, Share>,
    /// Of the object that are with workers, or told to be.
    runs: usize,
}

impl<T> MailboxState<T> {
    fn insert(&mut self, entry: QueuedTask<T>) {
        if self.queue.back().is_none_or(|last| last.round <= entry.round) {
            return self.queue.push_back(entry);
        }
        let at = self.queue.partition_point(|other| other.round <= entry.round);
        self.queue.insert(at, entry);
    }

    fn load_of(&self, connection: u64) -> MailboxLoad {
        self.shares.get(&connection).map(|share| share.load).unwrap_or_default()
    }

    fn left(&mut self, origin: Origin) {
        let Origin::Connection { id, bytes } = origin else { return };
        self.whole.subtract(bytes);
        if let Some(share) = self.shares.get_mut(&id) {
            share.load.subtract(bytes);
            if share.load.tasks == 0 {
                self.shares.remove(&id);
            }
        }
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
        let (whole, shares) = (MailboxLoad::default(), HashMap::new());
        let state = MailboxState { queue: VecDeque::new(), round: 0, whole, shares, runs: 0 };
        Mailbox { state: Mutex::new(state), limits, at_once: at_once.max(1) }
    }

    /// Adds a task. `Ok(true)`: the caller must have the object run, for nobody else will. The task comes back if there
    /// is no room.
    pub fn push(&self, origin: Origin, task: T) -> Result<bool, T> {
        let mut state = self.state.lock();
        let now = state.round;
        let round = match origin {
            Origin::Server { about } => state.shares.get(&about).map_or(now + 1, |share| share.last.max(now)),
            Origin::Connection { id, bytes } => {
                let (own, whole) = (state.load_of(id).with(bytes), state.whole.with(bytes));
                let fair = is_fair(own.tasks, whole.tasks, self.limits.tasks, 1)
                    && is_fair(own.bytes, whole.bytes, self.limits.bytes, 1);
                if own.tasks > 1 && !fair {
                    return Err(task);
                }
                state.whole = whole;
                let share = state.shares.entry(id).or_default();
                share.load = own;
                share.last = now.max(share.last) + 1 + (bytes / TURN) as u64;
                share.last
            }
        };
        state.insert(QueuedTask { round, origin, task });
        let another = state.runs < self.at_once;
        state.runs += usize::from(another);
        Ok(another)
    }

    /// The next task, for the worker that was told to run the object. `None`: it has been taken away, or others have it; this run is over.
    pub fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        let Some(QueuedTask { round, origin, task }) = state.queue.pop_front() else {
            state.runs -= 1;
            return None;
        };
        // Not up to that of a large one: what others bring meanwhile comes before all large ones.
        state.round += u64::from(round > state.round);
        state.left(origin);
        Some(task)
    }

    /// The task that was taken is done. If there is another one, whose that is: the caller must have the object run for it. `None`: this
    /// run is over.
    pub fn finish(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let next = state.queue.front().map(|next| match next.origin {
            Origin::Server { about } => about,
            Origin::Connection { id, .. } => id,
        });
        state.runs -= usize::from(next.is_none());
        next
    }

    /// Takes out the first task that `is_it`.
    pub fn remove(&self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let mut state = self.state.lock();
        let at = state.queue.iter().position(|entry| is_it(&entry.task))?;
        let QueuedTask { origin, task, .. } = state.queue.remove(at)?;
        state.left(origin);
        Some(task)
    }

    /// Those whom the caller had run the object do not any more. Takes out the tasks that nobody will do, and gives those,
    /// and `whose` the first of the rest is: the caller must have these run the object. `None`: this run is over.
    pub fn abandon<W>(&self, nobodys: impl Fn(&T) -> bool, whose: impl FnOnce(&T) -> W) -> (Vec<T>, Option<W>) {
        let mut state = self.state.lock();
        let all = std::mem::take(&mut state.queue).into_iter();
        let (dropped, kept): (VecDeque<_>, _) = all.partition(|entry| nobodys(&entry.task));
        state.queue = kept;
        dropped.iter().for_each(|entry| state.left(entry.origin));
        let whose = state.queue.front().map(|entry| whose(&entry.task));
        state.runs -= usize::from(whose.is_none());
        (dropped.into_iter().map(|entry| entry.task).collect(), whose)
    }

    /// Tasks that wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().queue.len()
    }
}
