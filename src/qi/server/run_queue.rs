//! What the workers have to do: a queue that says when another thread is wanted.

use std::collections::VecDeque;

use crate::sys::sync::{Condvar, Mutex};

struct State<J> {
    jobs: VecDeque<J>,
    /// Workers that wait for a job.
    idle: usize,
    threads: usize,
    stopping: bool,
}

/// Jobs in order, for at most `limit` threads.
pub struct RunQueue<J> {
    state: Mutex<State<J>>,
    work: Condvar,
    limit: usize,
}

impl<J> RunQueue<J> {
    pub fn new(limit: usize) -> RunQueue<J> {
        let state = State { jobs: VecDeque::new(), idle: 0, threads: 0, stopping: false };
        RunQueue { state: Mutex::new(state), work: Condvar::default(), limit }
    }

    /// Adds a job. True: the caller must start another thread, which is counted already. After [`RunQueue::stop`] the job
    /// is dropped.
    pub fn push(&self, job: J) -> bool {
        let mut state = self.state.lock();
        if state.stopping {
            // A job's end may do anything, so not under the lock.
            drop(state);
            drop(job);
            return false;
        }
        state.jobs.push_back(job);
        if state.jobs.len() <= state.idle {
            drop(state);
            self.work.notify_one();
            return false;
        }
        let more = state.threads < self.limit;
        state.threads += usize::from(more);
        more
    }

    /// The next job; waits for it. `None`: the queue has stopped, and so must the thread.
    pub fn next(&self) -> Option<J> {
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            state = self.work.wait(state);
            state.idle -= 1;
        }
    }

    /// The next job, if there is one: for who is no thread of this queue.
    #[cfg(test)]
    pub fn try_next(&self) -> Option<J> {
        self.state.lock().jobs.pop_front()
    }

    /// The thread that was asked for could not be started.
    pub fn thread_failed(&self) {
        self.state.lock().threads -= 1;
    }

    /// Ends all threads when they are done with their jobs; gives the jobs that nobody will do.
    pub fn stop(&self) -> VecDeque<J> {
        let mut state = self.state.lock();
        state.stopping = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.work.notify_all();
        jobs
    }
}
