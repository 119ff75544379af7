//! Futures: settled once by whoever brings the outcome, also by a thread that has nothing to do with Python.
//!
//! ```text
//!   Running ──▶ Raw (an outcome that nobody has looked at) ──▶ Looking ──▶ Value | Error
//!      └──▶ Value | Error | Canceled
//! ```
//!
//! No lock is held while Python code runs.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nanomsg::qi::client::{CallError, Result};
use pyo3::prelude::*;

use super::errors::{raise, raise_as};
use super::{hooks, pool};

/// How often a thread that waits looks whether a signal has come.
pub const SLICE: Duration = Duration::from_millis(50);

/// What became of it, still outside of Python.
pub type Raw = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type Told = Box<dyn FnOnce() + Send>;
type Canceler = Box<dyn Fn() + Send + Sync>;

enum State {
    Running,
    Raw(Option<Raw>, Kind),
    Value(Py<PyAny>),
    Error(PyErr),
    Canceled,
}

/// As `qi.FutureState` has them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Running = 1,
    Canceled = 2,
    Error = 3,
    Value = 4,
}

struct Inner {
    state: State,
    told: Vec<Told>,
    canceler: Option<Arc<Canceler>>,
    cancel_requested: bool,
}

/// What the handles of a future share.
pub struct Core {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Core {
    pub fn new() -> Arc<Core> {
        let inner = Inner { state: State::Running, told: Vec::new(), canceler: None, cancel_requested: false };
        Arc::new(Core { inner: Mutex::new(inner), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False: it has been settled before.
    fn settle(&self, state: State) -> bool {
        let (told, canceler) = {
            let mut inner = self.lock();
            if !matches!(inner.state, State::Running) {
                return false;
            }
            inner.state = state;
            (std::mem::take(&mut inner.told), inner.canceler.take())
        };
        self.changed.notify_all();
        drop(canceler);
        told.into_iter().for_each(|told| told());
        true
    }

    /// With what Python will see when somebody looks.
    pub fn finish<T: Send + 'static>(
        &self,
        outcome: Result<T>,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) {
        match outcome {
            Ok(value) => {
                let raw: Raw = Box::new(move |py| convert(py, value));
                self.settle(State::Raw(Some(raw), Kind::Value));
            }
            Err(CallError::Canceled) => drop(self.settle(State::Canceled)),
            Err(error) => {
                let raw: Raw = Box::new(move |py| Err(raise(py, &error)));
                self.settle(State::Raw(Some(raw), Kind::Error));
            }
        }
    }

    pub fn set_canceler(&self, canceler: impl Fn() + Send + Sync + 'static) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Running) {
            inner.canceler = Some(Arc::new(Box::new(canceler)));
        }
    }

    fn kind(&self) -> Kind {
        match &self.lock().state {
            State::Running => Kind::Running,
            State::Raw(_, kind) => *kind,
            State::Value(_) => Kind::Value,
            State::Error(_) => Kind::Error,
            State::Canceled => Kind::Canceled,
        }
    }

    /// Asks whoever brings the outcome to give up. It has an outcome all the same.
    pub fn request_cancel(&self) {
        let canceler = {
            let mut inner = self.lock();
            inner.cancel_requested |= matches!(inner.state, State::Running);
            inner.canceler.clone()
        };
        if let Some(canceler) = canceler {
            canceler();
        }
    }

    /// Has this done when it is settled, by the thread that settles it; at once if it is.
    pub fn when_done(&self, told: impl FnOnce() + Send + 'static) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Running) {
            inner.told.push(Box::new(told));
            return;
        }
        drop(inner);
        told();
    }

    /// Waits until this holds of the state, or the time is over. Other threads run meanwhile, and a signal's handlers.
    fn wait_until(
        &self,
        py: Python<'_>,
        deadline: Option<Instant>,
        holds: impl Fn(&State) -> bool + Sync,
    ) -> PyResult<bool> {
        loop {
            if holds(&self.lock().state) {
                return Ok(true);
            }
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()).min(SLICE));
            if left.is_zero() {
                return Ok(false);
            }
            py.detach(|| {
                let inner = self.lock();
                let waited = self.changed.wait_timeout_while(inner, left, |inner| !holds(&inner.state));
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            });
            py.check_signals()?;
        }
    }

    pub fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.wait_until(py, deadline(timeout), |state| !matches!(state, State::Running))
    }

    /// The value, or what it failed with; for one that is settled.
    pub fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        loop {
            let taken = {
                let mut inner = self.lock();
                match &mut inner.state {
                    State::Value(value) => return Ok(value.clone_ref(py)),
                    State::Error(error) => return Err(error.clone_ref(py)),
                    State::Raw(raw, _) => raw.take(),
                    State::Canceled => return Err(canceled(py)),
                    State::Running => return Err(raise_as(py, "Timeout", "Future timeout.")),
                }
            };
            let Some(raw) = taken else {
                // Another thread is looking.
                self.wait_until(py, None, |state| !matches!(state, State::Raw(None, _)))?;
                continue;
            };
            let state = match raw(py) {
                Ok(value) => State::Value(value),
                Err(error) => State::Error(error),
            };
            self.lock().state = state;
            self.changed.notify_all();
        }
    }
}

fn canceled(py: Python<'_>) -> PyErr {
    raise_as(py, "Canceled", "Future canceled.")
}

/// The instant so many seconds from now; None is never.
pub fn deadline(timeout: Option<f64>) -> Option<Instant> {
    let limit = Duration::try_from_secs_f64(timeout?.max(0.0)).ok()?;
    Instant::now().checked_add(limit)
}

/// What `millrace.qi.Future` is made of.
#[pyclass(subclass, frozen, module = "millrace._native")]
pub struct RawFuture {
    core: Arc<Core>,
}

impl RawFuture {
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// A future of what this does on a thread that may wait.
    pub fn of<'py, T: Send + 'static>(
        py: Python<'py>,
        work: impl FnOnce() -> Result<T> + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (future, core) = RawFuture::pair(py)?;
        pool::run(move || core.finish(work(), convert));
        Ok(future)
    }

    /// A future, and what settles it.
    pub fn pair(py: Python<'_>) -> PyResult<(Bound<'_, PyAny>, Arc<Core>)> {
        let future = hooks::get(py, "Future")?.call0()?;
        let core = Arc::clone(&future.cast::<RawFuture>()?.get().core);
        Ok((future, core))
    }
}

#[pymethods]
impl RawFuture {
    #[new]
    fn new() -> RawFuture {
        RawFuture { core: Core::new() }
    }

    /// As `qi.FutureState` counts them.
    fn _state(&self) -> i32 {
        self.core.kind() as i32
    }

    /// Waits for so many seconds (None: for ever); whether it is settled.
    #[pyo3(signature = (timeout = None))]
    fn _wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.core.wait(py, timeout)
    }

    /// The value; raises what it failed with.
    fn _outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.core.outcome(py)
    }

    /// False: it has been settled before.
    fn _set_value(&self, value: Py<PyAny>) -> bool {
        self.core.settle(State::Value(value))
    }

    fn _set_exception(&self, exception: Bound<'_, PyAny>) -> bool {
        self.core.settle(State::Error(PyErr::from_value(exception)))
    }

    fn _set_canceled(&self) -> bool {
        self.core.settle(State::Canceled)
    }

    /// What is called, on a thread of its own, when somebody wants it cancelled.
    fn _set_canceler(&self, canceler: Py<PyAny>) {
        let canceler = Arc::new(canceler);
        self.core.set_canceler(move || {
            let canceler = Arc::clone(&canceler);
            pool::run_python(move |py| report(py, canceler.call0(py)));
        });
    }

    /// Asks whoever brings the outcome to give up. It has an outcome all the same.
    fn cancel(&self) {
        self.core.request_cancel();
    }

    fn _cancel_requested(&self) -> bool {
        self.core.lock().cancel_requested
    }

    /// Calls this on another thread when it is settled.
    fn _when_done(&self, callback: Py<PyAny>) {
        self.core.when_done(move || pool::run_python(move |py| report(py, callback.call0(py))));
    }

    /// Hands this to an event loop when it is settled.
    fn _when_done_in(&self, queue: &LoopQueue, callback: Py<PyAny>) {
        let queue = Arc::clone(&queue.shared);
        self.core.when_done(move || queue.push(callback));
    }
}

/// An exception that nobody can catch: told as Python does it.
pub fn report(py: Python<'_>, outcome: PyResult<Py<PyAny>>) {
    if let Err(error) = outcome {
        error.write_unraisable(py, None);
    }
}

struct Shared {
    write: UnixStream,
    done: Mutex<Vec<Py<PyAny>>>,
}

impl Shared {
    fn push(&self, callback: Py<PyAny>) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push(callback);
        if done.len() == 1 {
            // If there is no room, something is there to be read already.
            let _ = (&self.write).write(&[1]);
        }
    }
}

/// What is settled is told to an event loop by a descriptor that it watches, so nobody else needs the interpreter for that.
#[pyclass(frozen, module = "millrace._native")]
pub struct LoopQueue {
    read: UnixStream,
    shared: Arc<Shared>,
}

#[pymethods]
impl LoopQueue {
    #[new]
    fn new() -> PyResult<LoopQueue> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(LoopQueue { read, shared: Arc::new(Shared { write, done: Mutex::default() }) })
    }

    fn fileno(&self) -> i32 {
        self.read.as_raw_fd()
    }

    /// Calls what has been handed over since.
    fn drain(&self, py: Python<'_>) {
        let _ = (&self.read).read(&mut [0; 16]);
        let done = std::mem::take(&mut *self.shared.done.lock().unwrap_or_else(PoisonError::into_inner));
        done.into_iter().for_each(|callback| report(py, callback.call0(py)));
    }
}
