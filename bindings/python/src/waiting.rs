//! Waiting with a time limit, without holding up other threads of Python.

use std::time::{Duration, Instant};

use nanomsg::{Error, Result};
use pyo3::prelude::*;

use crate::errors::raise;

/// Does what may wait for the time it is told, at most `timeout` seconds in all (`None`: for ever). When a signal has come, its handlers run,
/// and unless they raise something the wait goes on for the rest of its time.
pub fn until_done<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    what: &str,
    attempt: impl Fn(Option<Duration>) -> Result<T> + Sync,
) -> PyResult<T> {
    // What is more than that is for ever.
    let limit = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let left = || deadline.map(|at| at.saturating_duration_since(Instant::now()));
        match py.detach(|| attempt(left())) {
            Err(Error::INTERRUPTED) => py.check_signals()?,
            outcome => return outcome.map_err(|error| raise(py, error, what)),
        }
    }
}
