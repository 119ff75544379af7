//! The threads on which objects work: few, started when they are wanted, joined at the end.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::sys::sync::Mutex;

use super::run_queue::RunQueue;

/// A pool of threads that calls `run` for each job.
pub struct Workers<J: Send + 'static> {
    queue: Arc<RunQueue<J>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    run: Arc<dyn Fn(J) + Send + Sync>,
}

impl<J: Send + 'static> Workers<J> {
    /// At most `limit` threads. `run` must not panic.
    pub fn new(limit: usize, run: impl Fn(J) + Send + Sync + 'static) -> Workers<J> {
        let queue = Arc::new(RunQueue::new(limit));
        Workers { queue, threads: Mutex::default(), run: Arc::new(run) }
    }

    /// Has a job done.
    pub fn submit(&self, job: J) {
        if !self.queue.push(job) {
            return;
        }
        let (queue, run) = (Arc::clone(&self.queue), Arc::clone(&self.run));
        let work = move || {
            while let Some(job) = queue.next() {
                run(job);
            }
        };
        match thread::Builder::new().name("qi worker".into()).spawn(work) {
            Ok(thread) => self.threads.lock().push(thread),
            // Others will come to it, or the next job will try again.
            Err(_) => self.queue.thread_failed(),
        }
    }

    /// Does one job on this thread: without threads, a test does them in the order it likes. False: there is none.
    #[cfg(test)]
    pub fn step(&self) -> bool {
        let job = self.queue.try_next();
        let found = job.is_some();
        job.into_iter().for_each(|job| (self.run)(job));
        found
    }

    /// Has the threads end, drops what nobody has begun, and waits for what has; not for the calling thread itself.
    pub fn stop(&self) {
        drop(self.queue.stop());
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.thread().id() != thread::current().id() {
                // What a job panics with has been told to whom it concerns.
                let _ = thread.join();
            }
        }
    }
}

impl<J: Send + 'static> Drop for Workers<J> {
    fn drop(&mut self) {
        self.stop();
    }
}
