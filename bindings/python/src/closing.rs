//! Closing sockets, which may have to wait for what lingers.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nanomsg::internals::{Closing, EngineSocket, process};
use pyo3::prelude::*;

/// Open sockets, for the end of the interpreter, each with the process that has opened it.
static OPEN: Mutex<Vec<(u64, Weak<EngineSocket>)>> = Mutex::new(Vec::new());

/// For the end of the interpreter.
pub fn remember(socket: &Arc<EngineSocket>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|(_, socket)| socket.strong_count() > 0);
    open.push((process::generation(), Arc::downgrade(socket)));
}

/// Waits for what lingers. When Ctrl-C ends the wait, it lingers in another thread, as long as the process lives.
pub fn finish(py: Python<'_>, closing: Closing) -> PyResult<()> {
    while py.detach(|| closing.wait_interruptibly()).is_err() {
        if let Err(error) = py.check_signals() {
            closing.wait_elsewhere(|| {});
            return Err(error);
        }
    }
    Ok(())
}

/// At the end of the interpreter: closes what is still open, all at the same time, so that what was accepted is sent. Ctrl-C ends that. What a
/// forked child has inherited is the parent's, one of whose threads may have held its lock at the fork.
#[pyfunction]
pub fn close_all(py: Python<'_>) -> PyResult<()> {
    let open = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
    let ours = open.iter().filter(|(generation, _)| *generation == process::generation());
    let closing: Vec<_> =
        ours.filter_map(|(_, socket)| socket.upgrade()).filter_map(|socket| socket.start_closing().ok()).collect();
    closing.into_iter().try_for_each(|closing| finish(py, closing))
}

/// A socket that is being closed in another thread.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawClosing(UnixStream);

impl RawClosing {
    /// `None` if there is nothing to wait for any more.
    pub fn of(py: Python<'_>, closing: Closing) -> PyResult<Option<RawClosing>> {
        // Without descriptors it is waited for here.
        let Ok((read, write)) = pair() else { return finish(py, closing).map(|()| None) };
        // What cannot be written need not be: nobody reads any more.
        closing.wait_elsewhere(move || drop((&write).write(&[1])));
        Ok(Some(RawClosing(read)))
    }
}

#[pymethods]
impl RawClosing {
    /// True when it is over, else None.
    fn attempt(&self) -> Option<bool> {
        match (&self.0).read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            _ => Some(true),
        }
    }

    /// Readable when it is over.
    fn fileno(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn pair() -> std::io::Result<(UnixStream, UnixStream)> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    Ok((read, write))
}
