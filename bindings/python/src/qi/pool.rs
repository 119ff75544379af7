//! Threads for what must not hold up the one that reads connections: callbacks, tasks, and calls that wait.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::gate;

/// More threads than this are not started; what else there is to do waits.
const MOST: usize = 256;
/// A thread that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

struct Due {
    at: Instant,
    number: u64,
    job: Job,
}

/// The one that is due first is the greatest; of two at the same time, the one that came first.
impl Ord for Due {
    fn cmp(&self, other: &Due) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

struct Pool {
    jobs: BinaryHeap<Due>,
    number: u64,
    threads: usize,
    idle: usize,
    /// The process that the threads are in.
    process: u32,
}

impl Pool {
    /// Another thread if none is at leisure: what runs may wait for what comes after it.
    fn grow(&mut self) {
        if self.idle == 0 && self.threads < MOST {
            // If it cannot be started, those that are there do it later.
            let started = std::thread::Builder::new().name("millrace-qi".into()).spawn(work);
            self.threads += usize::from(started.is_ok());
        }
    }
}

static POOL: Mutex<Pool> = Mutex::new(Pool { jobs: BinaryHeap::new(), number: 0, threads: 0, idle: 0, process: 0 });
static CHANGED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has this done by another thread, now.
pub fn run(job: impl FnOnce() + Send + 'static) {
    run_at(Instant::now(), job);
}

/// Has this done by another thread, then.
#[expect(clippy::mem_forget, reason = "what the jobs hold is the parent's: its threads and locks are not here")]
pub fn run_at(at: Instant, job: impl FnOnce() + Send + 'static) {
    let mut pool = lock();
    if pool.process != std::process::id() {
        // The threads stayed with the parent, and so did what they had to do.
        let jobs = std::mem::take(&mut pool.jobs);
        std::mem::forget(jobs);
        *pool = Pool { jobs: BinaryHeap::new(), number: 0, threads: 0, idle: 0, process: std::process::id() };
    }
    pool.number += 1;
    let number = pool.number;
    pool.jobs.push(Due { at, number, job: Box::new(job) });
    pool.grow();
    drop(pool);
    CHANGED.notify_one();
}

/// The same for Python code.
pub fn run_python(job: impl FnOnce(Python<'_>) + Send + 'static) {
    run(move || {
        // Without an interpreter there is nobody to call.
        let _ = gate::with_python(job);
    });
}

/// A function of Python that a thread may drop which has nothing to do with Python: it is let go of elsewhere, and soon.
pub struct Held(Option<Py<PyAny>>);

impl Held {
    pub fn new(function: Py<PyAny>) -> Held {
        Held(Some(function))
    }

    /// For the collector.
    pub fn function(&self) -> &Option<Py<PyAny>> {
        &self.0
    }

    pub fn get(&self) -> PyResult<&Py<PyAny>> {
        self.0.as_ref().ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("it has ended"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(function) = self.0.take() {
            run_python(move |_| drop(function));
        }
    }
}

fn work() {
    let mut pool = lock();
    loop {
        let now = Instant::now();
        let first = pool.jobs.peek().map(|due| due.at);
        if first.is_some_and(|at| at <= now) {
            let due = pool.jobs.pop();
            if !pool.jobs.is_empty() {
                pool.grow();
            }
            drop(pool);
            if let Some(due) = due {
                // A panic is the job's own.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(due.job));
            }
            pool = lock();
            continue;
        }
        let rest = first.map_or(IDLE, |at| at.saturating_duration_since(now).min(IDLE));
        pool.idle += 1;
        let (guard, waited) = CHANGED.wait_timeout(pool, rest).unwrap_or_else(PoisonError::into_inner);
        pool = guard;
        pool.idle -= 1;
        if waited.timed_out() && pool.jobs.is_empty() {
            pool.threads -= 1;
            return;
        }
    }
}
