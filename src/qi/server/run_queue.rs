//! What the workers have to do: a queue that says whom a job needs, and who of the idle looks out.
//!
//! ```text
//!            no job          one at a time                      a job, or nothing for long
//!   worker ─────────▶ idle ────────────────▶ the lookout: polls ────────────────────────────▶ works, or asleep
//!                       └── all others: asleep
//! ```
//!
//! The **lookout** reads connections while it waits, so a call needs no other thread to wake this one. When it goes off to a
//! job nobody polls until it is back, or for as long as the reactor allows (`reactor/baton.rs`); before something that may
//! take long it asks for a successor.

use std::collections::VecDeque;

use crate::sys::sync::{Condvar, Mutex};

/// Whom the caller must tell, or start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Wanted {
    Nobody,
    /// Another thread, which is counted already.
    Thread,
    Lookout,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Post {
    /// Nobody has been lookout, or the last one has not left for a job: whoever else polls does.
    Unused,
    Manned {
        told: bool,
    },
    /// The lookout has left for a job and nobody has taken its place.
    Deserted,
}

struct State<J> {
    jobs: VecDeque<J>,
    /// Workers that wait for a job, the lookout among them.
    idle: usize,
    post: Post,
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
        let state = State { jobs: VecDeque::new(), idle: 0, post: Post::Unused, threads: 0, stopping: false };
        RunQueue { state: Mutex::new(state), work: Condvar::default(), limit }
    }

    /// Adds a job. After [`RunQueue::stop`] it comes back.
    pub fn push(&self, job: J) -> Result<Wanted, J> {
        let mut state = self.state.lock();
        if state.stopping {
            return Err(job);
        }
        state.jobs.push_back(job);
        if state.jobs.len() > state.idle {
            return Ok(self.another(&mut state));
        }
        // The lookout first: it is mostly the very thread that brings the job.
        if let Post::Manned { told: told @ false } = &mut state.post {
            *told = true;
            return Ok(Wanted::Lookout);
        }
        drop(state);
        self.work.notify_one();
        Ok(Wanted::Nobody)
    }

    /// A worker puts a job behind the others and comes for the next: so nobody else is needed for it.
    pub fn put_back(&self, job: J) -> Result<(), J> {
        let mut state = self.state.lock();
        if state.stopping {
            return Err(job);
        }
        state.jobs.push_back(job);
        Ok(())
    }

    /// The next job; waits for it. `None`: the queue has stopped, and so must the thread. `look_out` waits as the lookout
    /// until that is told, or for some time: then false.
    pub fn next(&self, look_out: impl Fn() -> bool) -> Option<J> {
        let mut state = self.state.lock();
        let mut rested = true;
        loop {
            if state.stopping {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            if rested && !matches!(state.post, Post::Manned { .. }) {
                state.post = Post::Manned { told: false };
                drop(state);
                rested = look_out();
                state = self.state.lock();
                state.post = if state.jobs.is_empty() { Post::Unused } else { Post::Deserted };
            } else {
                state = self.work.wait(state);
                rested = true;
            }
            state.idle -= 1;
        }
    }

    /// The calling thread begins something that may take long: somebody else should look out, if it did.
    pub fn busy(&self) -> Wanted {
        let mut state = self.state.lock();
        if state.post != Post::Deserted || state.stopping {
            return Wanted::Nobody;
        }
        state.post = Post::Unused;
        if state.idle == 0 {
            return self.another(&mut state);
        }
        drop(state);
        self.work.notify_one();
        Wanted::Nobody
    }

    fn another(&self, state: &mut State<J>) -> Wanted {
        if state.threads == self.limit {
            return Wanted::Nobody;
        }
        state.threads += 1;
        Wanted::Thread
    }

    /// The next job, if there is one: for who is no thread of this queue.
    #[cfg(test)]
    pub fn try_next(&self) -> Option<J> {
        self.state.lock().jobs.pop_front()
    }

    /// Nothing is done here any more.
    pub fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// The thread that was asked for could not be started.
    pub fn thread_failed(&self) {
        self.state.lock().threads -= 1;
    }

    /// Ends all threads when they are done with their jobs; gives the jobs that nobody will do. The caller tells the lookout.
    pub fn stop(&self) -> VecDeque<J> {
        let mut state = self.state.lock();
        state.stopping = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.work.notify_all();
        jobs
    }
}
