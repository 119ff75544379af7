//! Threads for what waits: connecting, asking the directory, subscribing; and sending what a full connection has no room for. Calls and their answers need
//! none of these.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// More threads are not started; what else there is to do waits.
const MOST: usize = 32;
/// A thread that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { jobs: VecDeque::new(), threads: 0, idle: 0 });
static CHANGED: Condvar = Condvar::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has this done by another thread.
pub fn run(job: impl FnOnce() + Send + 'static) {
    let mut pool = lock(&POOL);
    pool.jobs.push_back(Box::new(job));
    if pool.idle < pool.jobs.len() && pool.threads < MOST {
        // If it cannot be started, those that are there do it later.
        let started = std::thread::Builder::new().name("millrace-qi".into()).spawn(work);
        pool.threads += usize::from(started.is_ok());
    }
    drop(pool);
    CHANGED.notify_one();
}

fn work() {
    let mut pool = lock(&POOL);
    loop {
        if let Some(job) = pool.jobs.pop_front() {
            drop(pool);
            // A panic is the job's own.
            let _ = catch_unwind(AssertUnwindSafe(job));
            pool = lock(&POOL);
            continue;
        }
        pool.idle += 1;
        let (guard, waited) = CHANGED.wait_timeout(pool, IDLE).unwrap_or_else(PoisonError::into_inner);
        pool = guard;
        pool.idle -= 1;
        if waited.timed_out() && pool.jobs.is_empty() {
            pool.threads -= 1;
            return;
        }
    }
}

/// What must be sent in order and waits for room: done one after the other, by a thread that may wait.
#[derive(Clone, Default)]
pub struct Backlog(Arc<Mutex<(VecDeque<Job>, bool)>>);

impl Backlog {
    /// Nothing is before what is sent now.
    pub fn is_empty(&self) -> bool {
        !lock(&self.0).1
    }

    pub fn push(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = lock(&self.0);
        queue.0.push_back(Box::new(job));
        if !std::mem::replace(&mut queue.1, true) {
            let backlog = self.clone();
            run(move || backlog.work());
        }
    }

    fn work(&self) {
        loop {
            let mut queue = lock(&self.0);
            let Some(job) = queue.0.pop_front() else {
                queue.1 = false;
                return;
            };
            drop(queue);
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }
}
