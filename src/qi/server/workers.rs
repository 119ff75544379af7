//! The threads on which objects work: few, started when they are wanted, joined at the end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::reactor::parker::Parker;
use crate::reactor::{Reactor, WaitMode, Waited};
use crate::sys::futex::Slept;
use crate::sys::signals::spawn_without_signals;
use crate::sys::sync::Mutex;
use crate::sys::thread::is_current;

use super::run_queue::{RunQueue, Wanted};

/// How long a worker without a job polls. Later it leaves that to the I/O thread, also because callers in this process
/// cannot poll meanwhile.
const LOOK_OUT: Duration = Duration::from_millis(10);

/// Gives the job back if there is more of it. Before something that may take long it says so ([`Crew::busy`]).
type Run<J> = dyn Fn(J, &Arc<Crew<J>>) -> Option<J> + Send + Sync;
/// Gets what these threads will not do, because they have been stopped.
type Leave<J> = dyn Fn(J) + Send + Sync;

/// A pool of threads that calls `run` for each job.
pub struct Workers<J: Send + 'static>(Arc<Crew<J>>);

/// What the threads of a pool share.
pub struct Crew<J> {
    queue: RunQueue<J>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    run: Box<Run<J>>,
    leave: Box<Leave<J>>,
    reactor: Option<Arc<Reactor>>,
    /// Of whoever is the lookout.
    lookout: Arc<Parker>,
}

impl<J: Send + 'static> Workers<J> {
    /// At most `limit` threads, of which one may poll this reactor. `run` must not panic. `leave` is called on the thread
    /// that stops, works or submits.
    pub fn new(
        limit: usize,
        reactor: Option<Arc<Reactor>>,
        run: impl Fn(J, &Arc<Crew<J>>) -> Option<J> + Send + Sync + 'static,
        leave: impl Fn(J) + Send + Sync + 'static,
    ) -> Workers<J> {
        let (queue, threads, lookout) = (RunQueue::new(limit), Mutex::default(), Arc::default());
        Workers(Arc::new(Crew { queue, threads, run: Box::new(run), leave: Box::new(leave), reactor, lookout }))
    }

    pub fn crew(&self) -> &Arc<Crew<J>> {
        &self.0
    }

    /// Does one job on this thread: without threads, a test does them in the order it likes. False: there is none.
    #[cfg(test)]
    pub fn step(&self) -> bool {
        let job = self.0.queue.try_next();
        let found = job.is_some();
        job.into_iter().for_each(|job| self.0.work(job));
        found
    }

    /// Has the threads end, leaves what nobody has begun, and waits for what has; not for the calling thread itself.
    pub fn stop(&self) {
        let left = self.0.queue.stop();
        self.0.provide(Wanted::Lookout);
        left.into_iter().for_each(&self.0.leave);
        let threads = std::mem::take(&mut *self.0.threads.lock());
        for thread in threads {
            if !is_current(&thread) {
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

impl<J: Send + 'static> Crew<J> {
    /// Has a job done.
    pub fn submit(self: &Arc<Self>, job: J) {
        match self.queue.push(job) {
            Ok(wanted) => self.provide(wanted),
            Err(job) => (self.leave)(job),
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.queue.is_stopping()
    }

    /// The calling worker may be long with what it does now: others are to poll.
    pub fn busy(self: &Arc<Self>) {
        self.provide(self.queue.busy());
    }

    fn work(self: &Arc<Self>, job: J) {
        if let Some(job) = (self.run)(job, self) {
            // Behind the others: none keeps a worker.
            let _ = self.queue.put_back(job).map_err(&self.leave);
        }
    }

    fn provide(self: &Arc<Self>, wanted: Wanted) {
        match wanted {
            Wanted::Nobody => {}
            Wanted::Thread => self.start_thread(),
            Wanted::Lookout => match &self.reactor {
                Some(reactor) => reactor.notify(&self.lookout),
                // It is not in a poll, so there is nothing more to do.
                None => drop(self.lookout.notify()),
            },
        }
    }

    fn start_thread(self: &Arc<Self>) {
        let crew = Arc::clone(self);
        let work = move || {
            while let Some(job) = crew.queue.next(|| crew.look_out()) {
                crew.work(job);
            }
        };
        match spawn_without_signals("qi worker", work) {
            Ok(thread) => self.threads.lock().push(thread),
            // Others will come to it, or the next job will try again.
            Err(_) => self.queue.thread_failed(),
        }
    }

    /// Waits for a job, and polls meanwhile. False: none came for long.
    fn look_out(&self) -> bool {
        let Some(reactor) = &self.reactor else {
            let slept = self.lookout.park(Some(LOOK_OUT));
            return self.lookout.take_notice() || slept != Slept::TimedOut;
        };
        let deadline = Instant::now().checked_add(LOOK_OUT);
        !matches!(reactor.wait(&self.lookout, deadline, WaitMode::POLLING), Waited::TimedOut | Waited::Failed)
    }
}
