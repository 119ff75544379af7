//! Waiting for several sockets, and devices.

use nanomsg::internals::{Probe, Readiness};
use nanomsg::{Error, internals};
use pyo3::prelude::*;

use crate::errors::raise;
use crate::socket::RawSocket;
use crate::waiting::until_done;

/// What is asked about a socket, and the answer: NN_POLLIN and NN_POLLOUT.
const IN: i32 = 1;
const OUT: i32 = 2;

/// Waits until one of the sockets is ready, or for so many seconds (None: for ever). Gives what each is ready for.
#[pyfunction]
pub fn poll(py: Python<'_>, sockets: Vec<(PyRef<'_, RawSocket>, i32)>, timeout: Option<f64>) -> PyResult<Vec<i32>> {
    let mut present = Vec::with_capacity(sockets.len());
    for (socket, events) in &sockets {
        present.push((socket.present(py)?, *events));
    }
    until_done(py, timeout, "poll", |left| {
        let want = |events| Readiness { send: events & OUT != 0, recv: events & IN != 0 };
        let probes: Result<Vec<_>, Error> =
            present.iter().map(|(socket, events)| Probe::of(socket, want(*events))).collect();
        let mut probes = probes?;
        internals::poll(&mut probes, left)?;
        // What is closed meanwhile is as ready as can be; what others are ready for comes first.
        let of_others = probes.iter().any(|probe| !probe.is_closed && (probe.ready.recv || probe.ready.send));
        if !of_others && probes.iter().any(|probe| probe.is_closed) {
            return Err(Error::BAD_FD);
        }
        let ready = |ready: Readiness| i32::from(ready.recv) * IN + i32::from(ready.send) * OUT;
        Ok(probes.iter().map(|probe| ready(probe.ready)).collect())
    })
}

/// Passes messages between two raw sockets, or back into one, until they are closed.
#[pyfunction]
#[pyo3(signature = (one, other = None))]
pub fn device(py: Python<'_>, one: PyRef<'_, RawSocket>, other: Option<PyRef<'_, RawSocket>>) -> PyResult<()> {
    let first = one.socket(py)?;
    let second = other.as_ref().map(|other| other.socket(py)).transpose()?;
    loop {
        let error = py.detach(|| match second {
            Some(second) => internals::device(first, second),
            None => internals::loopback(first),
        });
        match error {
            Error::INTERRUPTED => py.check_signals()?,
            error => return Err(raise(py, error, "device")),
        }
    }
}
