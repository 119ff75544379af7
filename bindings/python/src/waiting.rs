//! Waiting with a time limit, without holding up other threads of Python.

use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use nanomsg::internals::SharedFd;
use nanomsg::{Error, Result};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::raise;
use crate::socket::RawSocket;

/// After so many messages a call that handles many lets others have a turn; some tenths of a millisecond.
const BREATH: usize = 1024;

/// How long something may take; `None`, and more than there is, is for ever. What is below 0 is over: a deadline that has passed.
pub fn limit(seconds: Option<f64>) -> PyResult<Option<Duration>> {
    match seconds {
        Some(seconds) if seconds.is_nan() => {
            Err(PyValueError::new_err("a time limit is a number of seconds, or None, not nan"))
        }
        seconds => Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())),
    }
}

/// When that is over.
pub fn deadline(seconds: Option<f64>) -> PyResult<Option<Instant>> {
    Ok(limit(seconds)?.and_then(|limit| Instant::now().checked_add(limit)))
}

/// Does what may wait for the time it is told, at most `timeout` seconds in all (`None`: for ever). When a signal has come, its handlers run,
/// and unless they raise something the wait goes on for the rest of its time.
pub fn until_done<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    what: &str,
    attempt: impl Fn(Option<Duration>) -> Result<T> + Sync,
) -> PyResult<T> {
    let deadline = deadline(timeout)?;
    loop {
        let left = || deadline.map(|at| at.saturating_duration_since(Instant::now()));
        match py.detach(|| attempt(left())) {
            Err(Error::INTERRUPTED) => py.check_signals()?,
            outcome => return outcome.map_err(|error| raise(py, error, what)),
        }
    }
}

/// Now and then in a call that handles many messages: signals are answered, and other threads run that want to.
pub fn breathe(py: Python<'_>, done: usize) -> PyResult<()> {
    if done % BREATH == BREATH - 1 {
        py.check_signals()?;
        py.detach(|| {});
    }
    Ok(())
}

/// What event loops watch: RCVFD or SNDFD, which stays open as long as this, also when the socket or context is closed. It is readable then.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawDescriptor(SharedFd);

#[pymethods]
impl RawDescriptor {
    #[new]
    fn new(py: Python<'_>, socket: PyRef<'_, RawSocket>, option: i32) -> PyResult<RawDescriptor> {
        socket.present(py)?.descriptor(option).map(RawDescriptor).map_err(|error| raise(py, error, "fileno"))
    }

    fn fileno(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
