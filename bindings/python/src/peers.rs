//! Who sent a message, and sending to one peer.

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

use nanomsg::Error;
use nanomsg::internals::{Body, EngineSocket, Header, Message, PeerSender};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffers::Outgoing;
use crate::errors::raise;
use crate::socket::RawSocket;
use crate::waiting::until_done;

/// Connection, address, process (pid, uid, gid), subject: what `millrace.Peer` consists of.
type ToldPeer = (u64, String, Option<(i32, u32, u32)>, Option<String>);

/// Body, header, and who sent it if that is known: what `millrace.Message` consists of.
pub type Told<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Option<ToldPeer>);

pub fn told<'py>(py: Python<'py>, message: &Message<'_>) -> Told<'py> {
    let peer = message.peer.as_deref().map(|peer| {
        let process = peer.process.map(|process| (process.pid, process.uid, process.gid));
        (peer.pipe, peer.address.clone(), process, peer.subject.clone())
    });
    (PyBytes::new(py, message.body.bytes()), PyBytes::new(py, &message.header), peer)
}

/// Sends to one peer that took no more just now. Forgetting it ends the wait.
#[pyclass(frozen, module = "millrace._native")]
pub struct RawPeerSender(Mutex<PeerSender>);

impl RawPeerSender {
    pub fn new(py: Python<'_>, socket: &Arc<EngineSocket>, connection: u64) -> PyResult<RawPeerSender> {
        let sender = PeerSender::new(socket, connection).map_err(|error| raise(py, error, "send_to"))?;
        Ok(RawPeerSender(Mutex::new(sender)))
    }

    /// For at most so many seconds (None: for ever).
    pub fn wait(&self, py: Python<'_>, message: Message<'_>, seconds: Option<f64>) -> PyResult<()> {
        let message = Mutex::new(message);
        until_done(py, seconds, "send_to", |left| {
            let mut message = message.lock().unwrap_or_else(PoisonError::into_inner);
            self.sender(|sender| sender.wait(&mut message, left))
        })
    }

    fn sender<T>(&self, act: impl FnOnce(&mut PeerSender) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl RawPeerSender {
    #[new]
    fn of(py: Python<'_>, socket: PyRef<'_, RawSocket>, connection: u64) -> PyResult<RawPeerSender> {
        RawPeerSender::new(py, socket.socket(py)?, connection)
    }

    /// True when it is sent, else None: the descriptor will be readable when it is worth another try.
    fn attempt(&self, py: Python<'_>, data: &Bound<'_, PyAny>, header: &[u8]) -> PyResult<Option<bool>> {
        let outgoing = Outgoing::of(data)?;
        let mut message = Message::new(Body::Borrowed(outgoing.bytes()));
        message.header = Header::from_slice(header);
        match self.sender(|sender| sender.attempt(&mut message)) {
            Ok(()) => Ok(Some(true)),
            Err(Error::AGAIN) => Ok(None),
            Err(error) => Err(raise(py, error, "send_to")),
        }
    }

    fn fileno(&self) -> RawFd {
        self.sender(|sender| sender.fd())
    }
}
