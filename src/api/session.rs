//! Sessions of one's own.

use std::sync::Arc;

use crate::core::Result;
use crate::facade;

/// One I/O thread and the sockets it serves.
///
/// [`Socket::new`](crate::Socket::new) needs none: it uses the process's session, as C programs do. Sessions of one's own are
/// for parts of a program that are to have nothing in common: their inproc names, and who is held up by whom. A session ends with
/// its last socket. Clones are the same session. May be used from any thread.
///
/// ```
/// use nanomsg::{Protocol, Session, Socket};
///
/// let session = Session::start()?;
/// let socket = Socket::in_session(&session, Protocol::Pair)?;
/// socket.bind("inproc://known-in-this-session-alone")?;
/// # Ok::<(), nanomsg::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session(Arc<Running>);

#[derive(Debug)]
struct Running(Arc<facade::Session>);

impl Session {
    /// Starts the I/O thread. `EMFILE` when the process has no descriptors left.
    pub fn start() -> Result<Session> {
        Ok(Session(Arc::new(Running(facade::Session::start()?))))
    }

    pub(super) fn engine(&self) -> &Arc<facade::Session> {
        &self.0.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop();
    }
}
