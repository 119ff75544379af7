//! What the workers have to do: a queue that says whom a job needs, and which of the idle polls.
//!
//! ```text
//!            no job          one at a time                      a job, or nothing for long
//!   worker ─────────▶ idle ────────────────▶ the polling worker ──────────────────────────▶ works, or asleep
//!                       └── all others: asleep
//! ```
//!
//! The **polling worker** reads connections while it waits, so a call needs no other thread to wake this one. When it goes off to a
//! job nobody polls until it is back, or for as long as the reactor allows (`reactor/leadership.rs`); before something that may
//! take long it asks for a successor.
//!
//! # How many threads
//!
//! A job may wait for another job. So a thread that has been at one job for long is **held up** and does not count among those
//! that may work at once; others are started in its place while jobs wait, up to a limit. There is no clock in here: [`RunQueue::tick`]
//! says that some time has passed, and is called only while jobs wait.
//!
//! ```text
//!   a job has begun ──tick──▶ has seen one ──tick──▶ held up ──▶ its thread comes for the next job
//! ```
//!
//! A thread whose jobs are short, but spent on waiting ([`Place::judge`]), is held up as soon as it begins the next one: else two threads of
//! which each blocks for 5 ms, again and again, would be all there are. Such **sleepers** have replacements only up to a share of the limit,
//! because methods that block longer than that are the first to need them.
//!
//! If no thread has come back between two ticks, or most of those inside jobs are held up, twice as many are started as at the first: a hundred jobs that sleep are begun within 50 ms,
//! and what is behind them is not held up for half a second. Jobs of different owners take turns, and quick ones do not wait for
//! long ones ([`Backlog`]), so somebody else's is not behind all of them.
//!
//! If all there can be are inside jobs, and none has come for another for [`PATIENCE`] ticks, those that wait are given back. A thread
//! that finds nothing to do ends if enough are there without it.

use super::backlog::Backlog;
use crate::sys::sync::{Condvar, Mutex};

/// Whom the caller must tell, or start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Wanted {
    Nobody,
    /// Another thread, which is counted already.
    Thread,
    PollingWorker,
    /// Somebody who calls [`RunQueue::tick`] when its time is over, until that says that it is enough.
    Clock,
}

/// How many threads there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// That work at once, those not counted that are held up.
    pub at_once: usize,
    /// In all.
    pub limit: usize,
}

impl Threads {
    /// Up to how many in all sleepers are replaced.
    fn for_sleepers(self) -> usize {
        (self.limit / 32 * FOR_SLEEPERS).max(self.at_once)
    }
}

/// Ticks without a thread that comes for a job, after which those that wait are given back.
pub const PATIENCE: u64 = 200;

/// Threads that a tick starts, at most.
const MOST_AT_ONCE: usize = 32;

/// Of the limit, in thirty-seconds, up to which sleepers are replaced. As many threads as a connection may have inside methods if it is
/// alone ([`share`](crate::qi::share)): so no call is refused that would have waited before.
const FOR_SLEEPERS: usize = 15;

/// What a thread of the queue remembers between jobs.
#[derive(Debug, Default)]
pub struct Place {
    job: Option<JobUnderWay>,
    /// It has been found to spend its time on waiting.
    sleeper: bool,
    /// It has had nothing to do since then.
    rested: bool,
}

/// The job that a thread is inside.
#[derive(Clone, Copy, Debug)]
struct JobUnderWay {
    /// At which tick.
    tick: u64,
    /// It counts as one that is held up.
    sleeper: bool,
    /// Others waited when it began.
    crowded: bool,
}

impl Place {
    /// Whether it is to be found out how the thread spends its time: jobs wait, or it counts as held up.
    pub fn is_watched(&self) -> bool {
        self.job.is_some_and(|job| job.crowded || job.sleeper)
    }

    /// The thread has had nothing to do, so how it spends its time is to be found out anew.
    pub fn has_rested(&mut self) -> bool {
        std::mem::take(&mut self.rested)
    }

    /// Says whether the thread spends its time on waiting.
    pub fn judge(&mut self, sleeper: bool) {
        self.sleeper = sleeper;
    }
}

/// What has to be done because time has passed.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticked<J> {
    /// Threads to be started, which are counted already.
    pub start: usize,
    /// Jobs that nobody will come for: all threads are inside others.
    pub stuck: Vec<J>,
    /// It is to be called when some time has passed once more.
    pub again: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Post {
    /// Nobody has polled, or the last one has not left for a job: whoever else polls does.
    Unused,
    Manned {
        told: bool,
    },
    /// The polling worker has left for a job and nobody has taken its place.
    Deserted,
}

struct RunQueueState<J> {
    jobs: Backlog<J>,
    /// Workers that wait for a job, the polling worker among them.
    idle: usize,
    post: Post,
    threads: usize,
    /// Of these, who have a job and are no sleepers; of those, who have seen a tick in it; and of those again, who have seen more and are held up.
    working: usize,
    seen: usize,
    held: usize,
    /// Sleepers that have a job.
    asleep: usize,
    tick: u64,
    /// Somebody calls [`RunQueue::tick`].
    ticking: bool,
    /// The tick at which a thread last came for a job.
    moved: u64,
    /// Whether one has come back from a job since the last tick, and how many were started at it.
    returned: bool,
    burst: usize,
    stopping: bool,
}

/// Jobs in turn, and how many threads do them.
pub struct RunQueue<J> {
    state: Mutex<RunQueueState<J>>,
    work: Condvar,
    threads: Threads,
}

impl<J> RunQueueState<J> {
    fn has_room(&self, threads: Threads) -> bool {
        let replacing = self.threads - self.held < threads.at_once && self.threads < threads.limit.max(threads.at_once);
        replacing || (self.at_work() < threads.at_once && self.threads < threads.for_sleepers())
    }

    /// Those that are not held up, and no sleepers.
    fn at_work(&self) -> usize {
        self.threads - self.held - self.asleep
    }

    fn start_clock(&mut self) -> Wanted {
        if std::mem::replace(&mut self.ticking, true) {
            return Wanted::Nobody;
        }
        self.moved = self.tick;
        Wanted::Clock
    }

    fn begin(&mut self, place: &mut Place) {
        let job = JobUnderWay { tick: self.tick, sleeper: place.sleeper, crowded: self.ticking };
        *(if job.sleeper { &mut self.asleep } else { &mut self.working }) += 1;
        self.moved = self.tick;
        place.job = Some(job);
    }

    /// A thread is done with its job, if it had one.
    fn came_back(&mut self, place: &mut Place) {
        let Some(job) = place.job.take() else { return };
        self.returned = true;
        if job.sleeper {
            self.asleep -= 1;
            return;
        }
        let age = self.tick - job.tick;
        self.working -= 1;
        self.seen -= usize::from(age >= 1);
        self.held -= usize::from(age >= 2);
    }
}

impl<J> RunQueue<J> {
    pub fn new(threads: Threads) -> RunQueue<J> {
        RunQueue::with_long(threads, |_| false)
    }

    /// Jobs of which `is_long` says that they are likely to keep a thread for long, so that others go first.
    pub fn with_long(threads: Threads, is_long: fn(&J) -> bool) -> RunQueue<J> {
        let state = RunQueueState {
            jobs: Backlog::new(is_long),
            idle: 0,
            post: Post::Unused,
            threads: 0,
            working: 0,
            seen: 0,
            held: 0,
            asleep: 0,
            tick: 0,
            ticking: false,
            moved: 0,
            returned: false,
            burst: 0,
            stopping: false,
        };
        RunQueue { state: Mutex::new(state), work: Condvar::default(), threads }
    }

    /// Adds a job of somebody's. After [`RunQueue::stop`] it comes back.
    pub fn push(&self, owner: u64, job: J) -> Result<Wanted, J> {
        let mut state = self.state.lock();
        if state.stopping {
            return Err(job);
        }
        state.jobs.push(owner, job);
        if state.jobs.len() > state.idle {
            return Ok(self.another(&mut state));
        }
        // The polling worker first: it is mostly the very thread that brings the job.
        if let Post::Manned { told: told @ false } = &mut state.post {
            *told = true;
            return Ok(Wanted::PollingWorker);
        }
        drop(state);
        self.work.notify_one();
        Ok(Wanted::Nobody)
    }

    /// A worker puts a job behind the others and comes for the next: so nobody else is needed for it.
    pub fn put_back(&self, owner: u64, job: J) -> Result<(), J> {
        let mut state = self.state.lock();
        if state.stopping {
            return Err(job);
        }
        state.jobs.push(owner, job);
        Ok(())
    }

    /// See [`Backlog::owner_gone`].
    pub fn owner_gone(&self, owner: u64, whose: impl Fn(&J) -> Option<u64>) {
        self.state.lock().jobs.owner_gone(owner, whose);
    }

    /// The next job; waits for it. `None`: the queue has stopped, and so must the thread. `poll` waits as the polling worker
    /// until that is told, or for some time: then false. `None` also: the thread is not needed any more.
    pub fn next(&self, place: &mut Place, poll: impl Fn() -> bool) -> Option<J> {
        let mut state = self.state.lock();
        state.came_back(place);
        let mut rested = true;
        loop {
            if state.stopping {
                return None;
            }
            if let Some(job) = state.jobs.pop() {
                state.begin(place);
                return Some(job);
            }
            (place.sleeper, place.rested) = (false, true);
            if state.at_work() > self.threads.at_once {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            if rested && !matches!(state.post, Post::Manned { .. }) {
                state.post = Post::Manned { told: false };
                drop(state);
                rested = poll();
                state = self.state.lock();
                state.post = if state.jobs.is_empty() { Post::Unused } else { Post::Deserted };
            } else {
                state = self.work.wait(state);
                rested = true;
            }
            state.idle -= 1;
        }
    }

    /// Some time has passed.
    pub fn tick(&self) -> Ticked<J> {
        let mut state = self.state.lock();
        state.tick += 1;
        state.held = state.seen;
        state.seen = state.working;
        let mut ticked = Ticked { start: 0, stuck: Vec::new(), again: false };
        if state.jobs.is_empty() || state.stopping {
            state.ticking = false;
            return ticked;
        }
        let inside = state.working + state.asleep;
        let mut coming = state.threads - inside;
        if coming == 0 && state.tick - state.moved >= PATIENCE {
            state.ticking = false;
            ticked.stuck = state.jobs.take();
            return ticked;
        }
        let none_came = !std::mem::replace(&mut state.returned, false);
        let most_wait = 2 * (state.held + state.asleep) >= inside;
        let burst = if coming == 0 && (none_came || most_wait) { (2 * state.burst).min(MOST_AT_ONCE) } else { 0 };
        let most = if none_came { self.threads.limit } else { self.threads.for_sleepers() };
        while coming < state.jobs.len()
            && (state.has_room(self.threads) || (ticked.start < burst && state.threads < most))
        {
            state.threads += 1;
            coming += 1;
            ticked.start += 1;
        }
        state.burst = ticked.start;
        ticked.again = true;
        ticked
    }

    /// Threads that there are, or that were asked for.
    pub fn threads(&self) -> usize {
        self.state.lock().threads
    }

    /// The calling thread begins something that may take long: somebody else should poll, if it did.
    pub fn busy(&self) -> Wanted {
        let mut state = self.state.lock();
        if state.post != Post::Deserted || state.stopping {
            return Wanted::Nobody;
        }
        state.post = Post::Unused;
        if state.idle == 0 {
            // Without room the I/O thread polls, as far as the reactor allows.
            return if state.has_room(self.threads) { self.another(&mut state) } else { Wanted::Nobody };
        }
        drop(state);
        self.work.notify_one();
        Wanted::Nobody
    }

    fn another(&self, state: &mut RunQueueState<J>) -> Wanted {
        if state.has_room(self.threads) {
            state.threads += 1;
            return Wanted::Thread;
        }
        state.start_clock()
    }

    /// The next job, if there is one: for who is no thread of this queue.
    #[cfg(test)]
    pub fn try_next(&self) -> Option<J> {
        self.state.lock().jobs.pop()
    }

    /// Nothing is done here any more.
    pub fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// The thread that was asked for could not be started. Who will try again, if a job waits for it.
    pub fn thread_failed(&self) -> Wanted {
        let mut state = self.state.lock();
        state.threads -= 1;
        if state.jobs.is_empty() || state.stopping { Wanted::Nobody } else { state.start_clock() }
    }

    /// Ends all threads when they are done with their jobs; gives the jobs that nobody will do. The caller tells the polling worker.
    pub fn stop(&self) -> Vec<J> {
        let mut state = self.state.lock();
        state.stopping = true;
        let jobs = state.jobs.take();
        drop(state);
        self.work.notify_all();
        jobs
    }
}
