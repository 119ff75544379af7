//! An asyncio loop that polls for the engine while something waits in it (`nanomsg::internals::EventLoop`).

use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

use nanomsg::internals::{EventLoop, LoopWait, Want, process};
use pyo3::prelude::*;

use crate::errors::raise;
use crate::socket::RawSocket;

/// Of one loop, for its thread.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawLoop(EventLoop);

#[pymethods]
impl RawLoop {
    #[new]
    fn new(py: Python<'_>) -> PyResult<RawLoop> {
        let made = process::session().and_then(|session| EventLoop::new(session));
        made.map(RawLoop).map_err(|error| raise(py, error, "asyncio"))
    }

    fn poll_fd(&self) -> RawFd {
        self.0.poll_fd()
    }

    fn bell_fd(&self) -> RawFd {
        self.0.bell_fd()
    }

    /// The poll is readable: the numbers of those that may go on. Whom it concerns may do more than a moment's work, so others run meanwhile.
    fn turn(&self, py: Python<'_>) -> Vec<u64> {
        py.detach(|| self.0.turn())
    }

    /// As above, for who is about to sleep: looks for a moment whether an answer comes.
    fn linger(&self, py: Python<'_>) -> Vec<u64> {
        py.detach(|| self.0.linger())
    }

    /// The bell was rung: as above.
    fn called(&self) -> Vec<u64> {
        self.0.called()
    }

    /// Whether somebody waits in the loop at all.
    fn set_awaited(&self, is_awaited: bool) {
        self.0.set_awaited(is_awaited);
    }

    /// Is the poll to be watched while somebody waits? It may change with what comes.
    fn polls(&self) -> bool {
        self.0.polls()
    }

    /// For room to send (True), or for a message.
    fn awaited(&self, py: Python<'_>, socket: PyRef<'_, RawSocket>, room: bool, number: u64) -> PyResult<RawAwaited> {
        let want = if room { Want::Room } else { Want::Message };
        let awaited = self.0.awaited(socket.present(py)?, want, number);
        awaited.map(|awaited| RawAwaited(Mutex::new(awaited))).map_err(|error| raise(py, error, ""))
    }
}

/// What tasks of a loop wait for. Forgetting it ends the wait.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawAwaited(Mutex<LoopWait>);

#[pymethods]
impl RawAwaited {
    /// Waits, once. True: there is no need to.
    fn wait(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wait()
    }
}
