//! What is done whenever something has happened: one thing after the other, never two at once, on threads that all strands of a kind
//! share in a process. So a thousand of them need no thousand threads. There are two kinds: functions of the program that are told of it,
//! and sessions that look after themselves, for which those functions may wait.
//!
//! ```text
//!   Idle ── wake ──▶ Queued: the threads will take a step ── wake ──▶ Woken
//!    ▲                  │ it was the last                     │ after the step
//!    └──────────────────┘      ▲──────────────────────────────┘
//! ```
//!
//! The threads are those of [`Workers`]: as many as processors, and others for those that are held up. Strands that have taken long lately let
//! others go first.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use crate::core::{Error, Result};
use crate::qi::workers::latency::LatencyEstimate;
use crate::qi::workers::run_queue::{RunQueue, Threads};
use crate::qi::workers::{Crew, Workers};
use crate::sys::per_process::PerProcess;
use crate::sys::sync::Mutex;

use super::shared::shared_reactor;

/// Strands of a kind that may be held up at once. While so many are, the others wait.
const MOST_THREADS: usize = 256;

/// Tells one thing; false: there was none.
type StrandStep = dyn FnMut() -> bool + Send;

#[derive(Clone, Copy, PartialEq, Eq)]
enum StrandState {
    Idle,
    Queued,
    Woken,
}

pub(super) struct Strand {
    state: Mutex<StrandState>,
    /// Locked by the one thread that takes a step.
    step: Mutex<Box<StrandStep>>,
    latency: LatencyEstimate,
    crew: Arc<Crew<Arc<Strand>>>,
}

impl fmt::Debug for Strand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Strand")
    }
}

type StrandThreads = PerProcess<Workers<Arc<Strand>>>;

impl Strand {
    /// A function of the program. `step` must not panic. It is taken whenever [`Strand::wake`] has been called since it gave false.
    pub fn new(step: impl FnMut() -> bool + Send + 'static) -> Result<Arc<Strand>> {
        static FUNCTIONS: StrandThreads = PerProcess::new();
        Strand::of(&FUNCTIONS, Box::new(step))
    }

    /// The same for what makes good what is lost: functions that wait for that do not keep it from a thread.
    pub fn that_mends(step: impl FnMut() -> bool + Send + 'static) -> Result<Arc<Strand>> {
        static MENDING: StrandThreads = PerProcess::new();
        Strand::of(&MENDING, Box::new(step))
    }

    fn of(pool: &'static StrandThreads, step: Box<StrandStep>) -> Result<Arc<Strand>> {
        let make = || {
            let at_once = available_parallelism().map_or(2, |processors| processors.get().max(2));
            let threads = Threads { at_once, limit: MOST_THREADS };
            // What waits for a thread that never comes back waits on: nothing but the end of the process stops the pool.
            let leave = |strand, _, crew: &Arc<Crew<Arc<Strand>>>| {
                if !crew.is_stopped() {
                    crew.submit(0, strand);
                }
            };
            let queue = RunQueue::with_long(threads, |strand: &Arc<Strand>| strand.latency.is_long());
            Ok::<_, Error>(Workers::with_queue(queue, Some(shared_reactor()?), Strand::run, leave))
        };
        let pool = pool.get_or_try_make(make, drop)?;
        let (state, step, crew) = (Mutex::new(StrandState::Idle), Mutex::new(step), Arc::clone(pool.crew()));
        Ok(Arc::new(Strand { state, step, latency: LatencyEstimate::default(), crew }))
    }

    /// There may be something to tell. Never waits.
    pub fn wake(self: &Arc<Self>) {
        let before = {
            let mut state = self.state.lock();
            let next = if *state == StrandState::Idle { StrandState::Queued } else { StrandState::Woken };
            std::mem::replace(&mut *state, next)
        };
        if before == StrandState::Idle {
            self.crew.submit(0, Arc::clone(self));
        }
    }

    /// One step, then the others have theirs.
    fn run(self: Arc<Self>, crew: &Arc<Crew<Arc<Strand>>>) -> Option<(u64, Arc<Strand>)> {
        if !self.latency.is_quick() {
            crew.busy();
        }
        let mut more = false;
        self.latency.measure(|| more = (self.step.lock())());
        let mut state = self.state.lock();
        *state = if more || *state == StrandState::Woken { StrandState::Queued } else { StrandState::Idle };
        let again = *state == StrandState::Queued;
        drop(state);
        again.then_some((0, self))
    }
}
