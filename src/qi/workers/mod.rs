//! Threads on which code of the program runs, methods of objects and callbacks: few, started when they are wanted, more while some
//! are held up, joined at the end.

mod asleep;
pub mod backlog;
pub mod latency;
pub mod own_turn;
pub mod run_queue;
pub mod turns;

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::reactor::parker::Parker;
use crate::reactor::{Reactor, WaitMode, Waited};
use crate::sys::futex::Slept;
use crate::sys::signals::spawn_without_signals;
use crate::sys::sync::Mutex;
use crate::sys::thread::is_current;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use self::asleep::Sleeper;
use self::run_queue::{Place, RunQueue, Threads, Wanted};

/// While jobs wait, it is looked this often whether their threads are held up. It is long compared with starting a thread.
pub const TICK: Duration = Duration::from_millis(5);

/// How long a worker without a job polls. Later it leaves that to the I/O thread, also because callers in this process
/// cannot poll meanwhile.
const POLL_TIME: Duration = Duration::from_millis(10);

/// Gives the job back if there is more of it, and whom for. Before something that may take long it says so ([`Crew::busy`]).
type Run<J> = dyn Fn(J, &Arc<Crew<J>>) -> Option<(u64, J)> + Send + Sync;
/// Gets what these threads will not do, and why.
type Leave<J> = dyn Fn(J, Left, &Arc<Crew<J>>) + Send + Sync;

/// Why a job is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The threads have been stopped.
    Stopped,
    /// All threads there can be are inside jobs, and none has been done with one for long.
    Stuck,
}

/// A pool of threads that calls `run` for each job.
pub struct Workers<J: Send + 'static>(Arc<Crew<J>>);

/// What the threads of a pool share.
pub struct Crew<J> {
    queue: RunQueue<J>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    me: Weak<Crew<J>>,
    run: Box<Run<J>>,
    leave: Box<Leave<J>>,
    reactor: Option<Arc<Reactor>>,
    /// Of the polling worker.
    poller: Arc<Parker>,
}

impl<J: Send + 'static> Workers<J> {
    /// At most so many threads, of which one may poll this reactor; without one, time passes by [`Crew::tick`]. `run` must not
    /// panic. `leave` is called on the thread that stops, works, submits or polls, and must not block.
    pub fn new(
        limits: Threads,
        reactor: Option<Arc<Reactor>>,
        run: impl Fn(J, &Arc<Crew<J>>) -> Option<(u64, J)> + Send + Sync + 'static,
        leave: impl Fn(J, Left, &Arc<Crew<J>>) + Send + Sync + 'static,
    ) -> Workers<J> {
        Workers::with_queue(RunQueue::new(limits), reactor, run, leave)
    }

    /// The same, with a queue that has no threads yet.
    pub fn with_queue(
        queue: RunQueue<J>,
        reactor: Option<Arc<Reactor>>,
        run: impl Fn(J, &Arc<Crew<J>>) -> Option<(u64, J)> + Send + Sync + 'static,
        leave: impl Fn(J, Left, &Arc<Crew<J>>) + Send + Sync + 'static,
    ) -> Workers<J> {
        let (threads, poller) = (Mutex::default(), Arc::default());
        let (run, leave) = (Box::new(run), Box::new(leave));
        let crew = |me: &Weak<_>| Crew { queue, threads, me: Weak::clone(me), run, leave, reactor, poller };
        Workers(Arc::new_cyclic(crew))
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
        self.0.provide(Wanted::PollingWorker);
        left.into_iter().for_each(|job| self.0.leave(job, Left::Stopped));
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
    /// Has a job done, in turn with those of other owners: whom it is for, a connection's id, or 0.
    pub fn submit(self: &Arc<Self>, owner: u64, job: J) {
        match self.queue.push(owner, job) {
            Ok(wanted) => self.provide(wanted),
            Err(job) => self.leave(job, Left::Stopped),
        }
    }

    /// An owner has gone: says whose its jobs are now, if they are somebody's; else they have a turn together with those of others that have
    /// gone.
    pub fn owner_gone(&self, owner: u64, whose: impl Fn(&J) -> Option<u64>) {
        self.queue.owner_gone(owner, whose);
    }

    pub fn is_stopped(&self) -> bool {
        self.queue.is_stopping()
    }

    /// The calling worker may be long with what it does now: others are to poll.
    pub fn busy(self: &Arc<Self>) {
        self.provide(self.queue.busy());
    }

    fn work(self: &Arc<Self>, job: J) {
        if let Some((owner, job)) = (self.run)(job, self) {
            // Behind the others: none keeps a worker.
            let _ = self.queue.put_back(owner, job).map_err(|job| self.leave(job, Left::Stopped));
        }
    }

    /// Finds out whether the thread spends its time on waiting, where that matters.
    fn work_watched(self: &Arc<Self>, job: J, place: &mut Place, sleeper: &mut Sleeper) {
        if place.has_rested() || !place.is_watched() {
            sleeper.forget();
        }
        if !place.is_watched() {
            return self.work(job);
        }
        sleeper.look();
        self.work(job);
        if let Some(sleeps) = sleeper.look_again(TICK) {
            place.judge(sleeps);
        }
    }

    fn leave(self: &Arc<Self>, job: J, why: Left) {
        (self.leave)(job, why, self);
    }

    /// Threads that there are now.
    pub fn threads(&self) -> usize {
        self.queue.threads()
    }

    /// As much time has passed as [`TICK`] says. True: this is to be told again.
    pub fn tick(self: &Arc<Self>) -> bool {
        let ticked = self.queue.tick();
        (0..ticked.start).for_each(|_| self.start_thread());
        ticked.stuck.into_iter().for_each(|job| self.leave(job, Left::Stuck));
        ticked.again
    }

    /// Has this done on the thread that polls, after so long; it must not block. Without a reactor it is dropped.
    pub fn after(&self, delay: Duration, run: impl FnOnce() + Send + 'static) {
        if let (Some(reactor), Some(at)) = (&self.reactor, Instant::now().checked_add(delay)) {
            reactor.arm(at, Arc::new(Later(Mutex::new(Some(Box::new(run))))) as _, 0);
        }
    }

    fn wait_for_tick(self: &Arc<Self>) {
        if let (Some(reactor), Some(at)) = (&self.reactor, Instant::now().checked_add(TICK)) {
            reactor.arm(at, Arc::clone(self) as _, 0);
        }
    }

    fn provide(self: &Arc<Self>, wanted: Wanted) {
        match wanted {
            Wanted::Nobody => {}
            Wanted::Thread => self.start_thread(),
            Wanted::Clock => self.wait_for_tick(),
            Wanted::PollingWorker => match &self.reactor {
                Some(reactor) => reactor.notify(&self.poller),
                // It is not in a poll, so there is nothing more to do.
                None => drop(self.poller.notify()),
            },
        }
    }

    fn start_thread(self: &Arc<Self>) {
        let crew = Arc::clone(self);
        let work = move || {
            let (mut place, mut sleeper) = (Place::default(), Sleeper::default());
            while let Some(job) = crew.queue.next(&mut place, || crew.look_out()) {
                crew.work_watched(job, &mut place, &mut sleeper);
            }
        };
        match spawn_without_signals("qi worker", work) {
            Ok(thread) => {
                let mut threads = self.threads.lock();
                // Those that were not needed any more.
                threads.retain(|thread| !thread.is_finished());
                threads.push(thread);
            }
            // Others will come to it, or it is tried again.
            Err(_) => self.provide(self.queue.thread_failed()),
        }
    }

    /// Waits for a job, and polls meanwhile. False: none came for long.
    fn look_out(&self) -> bool {
        let Some(reactor) = &self.reactor else {
            let slept = self.poller.park(Some(POLL_TIME));
            return self.poller.take_notice() || slept != Slept::TimedOut;
        };
        let deadline = Instant::now().checked_add(POLL_TIME);
        !matches!(reactor.wait(&self.poller, deadline, WaitMode::POLLING), Waited::TimedOut | Waited::Failed)
    }
}

/// What is done when its time has come.
struct Later(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Source for Later {
    fn ready(&self, _key: u64, _ready: Ready) {}

    fn expired(&self, _key: u64) {
        let run = self.0.lock().take();
        if let Some(run) = run {
            run();
        }
    }

    fn flush(&self, _key: u64) -> bool {
        false
    }
}

/// The timer of the jobs that wait.
impl<J: Send + 'static> Source for Crew<J> {
    fn ready(&self, _key: u64, _ready: Ready) {}

    fn expired(&self, _key: u64) {
        let Some(crew) = self.me.upgrade() else { return };
        if crew.tick() {
            crew.wait_for_tick();
        }
    }

    fn flush(&self, _key: u64) -> bool {
        false
    }
}
