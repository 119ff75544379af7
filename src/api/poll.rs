//! Waiting for several sockets.

use std::time::Duration;

use crate::core::{Readiness, Result};
use crate::facade::{self, Probe};

use super::socket::Socket;

/// A socket, and what [`poll`] is to look for; afterwards what it found.
#[derive(Debug)]
pub struct PollItem<'a> {
    socket: &'a Socket,
    want: Readiness,
    ready: Readiness,
}

impl<'a> PollItem<'a> {
    /// Looks whether a message can be received.
    pub fn recv(socket: &'a Socket) -> PollItem<'a> {
        PollItem { socket, want: Readiness { recv: true, send: false }, ready: Readiness::default() }
    }

    /// Looks whether a message can be sent.
    pub fn send(socket: &'a Socket) -> PollItem<'a> {
        PollItem { socket, want: Readiness { recv: false, send: true }, ready: Readiness::default() }
    }

    /// Looks for both.
    pub fn both(socket: &'a Socket) -> PollItem<'a> {
        PollItem { socket, want: Readiness { recv: true, send: true }, ready: Readiness::default() }
    }

    /// Whether the last [`poll`] found that a message can be received.
    pub fn can_recv(&self) -> bool {
        self.ready.recv
    }

    /// Whether the last [`poll`] found that a message can be sent.
    pub fn can_send(&self) -> bool {
        self.ready.send
    }
}

/// Waits until one of the sockets is ready, or for `timeout` (`None`: for ever), and gives how many are; 0 when the time is over
/// (nanomsg-api.md 2.9). All must belong to one session.
///
/// `EINTR` when a signal handler ran; `ENOPROTOOPT` if a socket's type cannot do what is asked about; `EBADF` for a parent's socket. A
/// socket that is closed meanwhile ends the wait.
///
/// ```
/// use std::time::Duration;
/// use nanomsg::{PollItem, Protocol, Socket, poll};
///
/// let left = Socket::new(Protocol::Pair)?;
/// let right = Socket::new(Protocol::Pair)?;
/// left.bind("inproc://example-of-poll")?;
/// right.connect("inproc://example-of-poll")?;
/// right.send("here")?;
///
/// let mut items = [PollItem::recv(&left), PollItem::both(&right)];
/// assert_eq!(poll(&mut items, Some(Duration::from_secs(5)))?, 2);
/// assert!(items[0].can_recv() && items[1].can_send() && !items[1].can_recv());
/// # Ok::<(), nanomsg::Error>(())
/// ```
pub fn poll(items: &mut [PollItem<'_>], timeout: Option<Duration>) -> Result<usize> {
    let mut probes = Vec::with_capacity(items.len());
    for item in items.iter() {
        probes.push(Probe::new(item.socket.engine()?, item.want)?);
    }
    let count = facade::poll(&mut probes, timeout)?;
    for (item, probe) in items.iter_mut().zip(&probes) {
        item.ready = probe.ready;
    }
    Ok(count)
}
