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

use nanomsg::qi::client::CallError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::errors::{raise, raise_as};
use super::{hooks, pool};
use crate::waiting::deadline;

/// How often a thread that waits looks whether a signal has come.
pub const SLICE: Duration = Duration::from_millis(50);

/// What became of it, still outside of Python.
pub type Raw = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What is done when it is settled. Functions of Python are kept as such, so that the collector sees them.
enum Told {
    Native(Box<dyn FnOnce() + Send>),
    Call(Py<PyAny>),
    /// Handed to an event loop.
    Queue(Arc<Shared>, Py<PyAny>),
}

impl Told {
    fn tell(self) {
        match self {
            Told::Native(told) => told(),
            Told::Call(callback) => pool::run_python(move |py| report(py, callback.call0(py))),
            Told::Queue(queue, callback) => queue.push(callback),
        }
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Told::Native(_) => Ok(()),
            Told::Call(callback) | Told::Queue(_, callback) => visit.call(callback),
        }
    }
}

/// What is asked to give up.
enum Canceler {
    Native(Arc<dyn Fn() + Send + Sync>),
    Call(Py<PyAny>),
}

enum State {
    Running,
    Raw(Option<Raw>, Kind),
    Value(Py<PyAny>),
    /// The exception.
    Error(Py<PyAny>),
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
    canceler: Option<Canceler>,
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
        told.into_iter().for_each(Told::tell);
        true
    }

    /// With what Python will see when somebody looks.
    pub fn finish<T: Send + 'static>(
        &self,
        outcome: Result<T, CallError>,
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
        self.keep_canceler(Canceler::Native(Arc::new(canceler)));
    }

    fn keep_canceler(&self, canceler: Canceler) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Running) {
            inner.canceler = Some(canceler);
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

    /// Asks whoever brings the outcome to give up; a function of Python on another thread. It has an outcome all the same.
    pub fn request_cancel(self: &Arc<Self>) {
        let native = {
            let mut inner = self.lock();
            inner.cancel_requested |= matches!(inner.state, State::Running);
            match &inner.canceler {
                Some(Canceler::Native(canceler)) => Some(Arc::clone(canceler)),
                Some(Canceler::Call(_)) => None,
                None => return,
            }
        };
        match native {
            Some(canceler) => canceler(),
            None => {
                let core = Arc::clone(self);
                pool::run_python(move |py| core.call_canceler(py));
            }
        }
    }

    fn call_canceler(&self, py: Python<'_>) {
        let canceler = match &self.lock().canceler {
            Some(Canceler::Call(canceler)) => canceler.clone_ref(py),
            // It has been settled meanwhile.
            _ => return,
        };
        report(py, canceler.call0(py));
    }

    /// Has this done when it is settled, by the thread that settles it; at once if it is.
    pub fn when_done(&self, told: impl FnOnce() + Send + 'static) {
        self.tell_when_done(Told::Native(Box::new(told)));
    }

    fn tell_when_done(&self, told: Told) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Running) {
            inner.told.push(told);
            return;
        }
        drop(inner);
        told.tell();
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
        self.wait_until(py, deadline(timeout)?, |state| !matches!(state, State::Running))
    }

    /// The value, or what it failed with; for one that is settled.
    pub fn outcome(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        loop {
            let taken = {
                let mut inner = self.lock();
                match &mut inner.state {
                    State::Value(value) => return Ok(value.clone_ref(py)),
                    State::Error(error) => return Err(PyErr::from_value(error.bind(py).clone())),
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
                Err(error) => State::Error(error.into_value(py).into_any()),
            };
            self.lock().state = state;
            self.changed.notify_all();
        }
    }
}

fn canceled(py: Python<'_>) -> PyErr {
    raise_as(py, "Canceled", "Future canceled.")
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
        work: impl FnOnce() -> Result<T, CallError> + Send + 'static,
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

    fn _set_exception(&self, exception: Py<PyAny>) -> bool {
        self.core.settle(State::Error(exception))
    }

    fn _set_canceled(&self) -> bool {
        self.core.settle(State::Canceled)
    }

    /// What is called, on a thread of its own, when somebody wants it cancelled.
    fn _set_canceler(&self, canceler: Py<PyAny>) {
        self.core.keep_canceler(Canceler::Call(canceler));
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
        self.core.tell_when_done(Told::Call(callback));
    }

    /// Hands this to an event loop when it is settled.
    fn _when_done_in(&self, queue: &LoopQueue, callback: Py<PyAny>) {
        self.core.tell_when_done(Told::Queue(Arc::clone(&queue.shared), callback));
    }

    /// Whoever is to bring the outcome keeps what is told of it; with nobody there, only this does.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if Arc::strong_count(&self.core) > 1 {
            return Ok(());
        }
        let Ok(inner) = self.core.inner.try_lock() else { return Ok(()) };
        if let State::Value(value) | State::Error(value) = &inner.state {
            visit.call(value)?;
        }
        if let Some(Canceler::Call(canceler)) = &inner.canceler {
            visit.call(canceler)?;
        }
        inner.told.iter().try_for_each(|told| told.visit(&visit))
    }

    fn __clear__(&self) {
        let (told, canceler, state) = {
            let mut inner = self.core.lock();
            let held = matches!(inner.state, State::Value(_) | State::Error(_));
            let state = held.then(|| std::mem::replace(&mut inner.state, State::Canceled));
            (std::mem::take(&mut inner.told), inner.canceler.take(), state)
        };
        // Without the lock: what is dropped may be code of the program.
        drop((told, canceler, state));
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
