//! The events of a socket.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use nanomsg::internals::process;
use nanomsg::{Error, Event, Monitor};
use pyo3::prelude::*;

use crate::errors::raise;
use crate::waiting::until_done;

/// What `millrace.Monitor` is made of.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawMonitor {
    monitor: Arc<Monitor>,
    generation: u64,
}

/// Kind, time, address, peer, reason, errno, retry, connection, dropped: what `millrace.Event` consists of.
type Told = (&'static str, f64, String, String, String, Option<i32>, Option<f64>, u64, u64);

impl RawMonitor {
    pub fn of(monitor: Arc<Monitor>) -> RawMonitor {
        RawMonitor { monitor, generation: process::generation() }
    }

    fn present(&self, py: Python<'_>) -> PyResult<&Monitor> {
        match self.generation == process::generation() {
            true => Ok(&self.monitor),
            false => Err(raise(py, Error::BAD_FD, "this monitor was opened before a fork and belongs to the parent")),
        }
    }
}

#[pymethods]
impl RawMonitor {
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Told> {
        let monitor = self.present(py)?;
        until_done(py, timeout, "monitor", |left| monitor.next(left)).map(told)
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        Ok(self.present(py)?.fd())
    }

    fn close(&self) {
        if self.generation == process::generation() {
            self.monitor.close();
        }
    }
}

fn told(event: Event) -> Told {
    (
        event.kind.name(),
        event.time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
        String::from_utf8_lossy(&event.address).into_owned(),
        event.peer,
        event.reason,
        event.error.map(|error| error.errno()),
        event.retry.map(|pause| pause.as_secs_f64()),
        event.pipe,
        event.dropped,
    )
}
