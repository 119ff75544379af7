//! inproc: a pipe that is a pair of bounded queues (transports.md 2).
//!
//! A link has two lanes, one per direction. The sender puts a message into the lane under its own socket's
//! lock, lets that go, and then tells the peer, through the same [`Source`] calls by which the reactor
//! reports readiness. So never are two sockets' locks held at once.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::core::Message;
use crate::core::socket::Flow;
use crate::sys::sync::{Mutex, MutexGuard};

use super::pipe::{Change, Ready};
use super::source::Source;

/// One end of a link. Ends are 0 and 1; end `e` receives from lane `e` and sends into lane `1 - e`.
#[derive(Debug)]
pub struct InprocPipe {
    link: Arc<Link>,
    end: usize,
}

/// Whom to tell that something changed at the other end.
#[derive(Clone)]
pub struct Peer {
    pub source: Arc<dyn Source>,
    pub key: u64,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Peer({})", self.key)
    }
}

#[derive(Debug)]
struct Link {
    lanes: [Mutex<Lane>; 2],
    /// Who receives from each lane; set when that end is attached.
    owners: [OnceLock<Peer>; 2],
}

/// Messages on their way in one direction.
#[derive(Debug)]
struct Lane {
    queue: VecDeque<Message<'static>>,
    bytes: usize,
    /// The receiver's NN_RCVBUF when the link was made.
    limit: usize,
    /// One message beyond the limit: while it is here, the sender is not writable.
    parked: Option<Message<'static>>,
    /// The sender has gone; what is queued can still be taken.
    ended: bool,
    /// The receiver has gone: nothing more is accepted.
    abandoned: bool,
}

/// Two ends of a new link, for sockets with these receive limits.
pub fn link(limits: [usize; 2]) -> [InprocPipe; 2] {
    let lanes = limits.map(|limit| Mutex::new(Lane::new(limit)));
    let link = Arc::new(Link { lanes, owners: [OnceLock::new(), OnceLock::new()] });
    [0, 1].map(|end| InprocPipe { link: Arc::clone(&link), end })
}

impl InprocPipe {
    /// Says whom the other end has to tell. Once, before anything is sent.
    pub fn own(&self, owner: Peer) {
        let _ = self.link.owners[self.end].set(owner);
    }

    /// Whom to tell what changed here. `None` while the other end is not attached yet.
    pub fn peer(&self) -> Option<&Peer> {
        self.link.owners[1 - self.end].get()
    }

    /// Puts a message into the peer's queue; if it is needed `again`, one that shares its body. The second value says that
    /// the peer must be told.
    pub fn send(&mut self, message: &mut Message<'_>, again: bool) -> (Flow, bool) {
        let own = if again { message.share() } else { message.take().into_static() };
        let Ok(mut message) = own else { return (Flow::Open, false) };
        // Nothing is framed here.
        message.kind = 0;
        let mut lane = self.lane(1 - self.end);
        if lane.abandoned {
            return (Flow::Full, false);
        }
        if lane.has_room(message.len()) {
            let first = lane.queue.is_empty();
            lane.push(message);
            (Flow::Open, first)
        } else {
            lane.parked = Some(message);
            (Flow::Full, false)
        }
    }

    /// Puts the next message into `into`, if there is one. [`Change::writable`] here means that the *peer* became writable
    /// and must be told.
    pub fn take(&mut self, into: &mut Message<'_>) -> (bool, Change) {
        let mut lane = self.lane(self.end);
        let Some(message) = lane.queue.pop_front() else { return (false, Change::default()) };
        lane.bytes -= message.len();
        let writable = lane.unpark();
        let readable = !lane.queue.is_empty();
        *into = message;
        (true, Change { readable, writable, ..Change::default() })
    }

    pub fn is_readable(&self) -> bool {
        !self.lane(self.end).queue.is_empty()
    }

    /// What an event from the peer's side means here.
    pub fn advance(&mut self, ready: Ready) -> Change {
        let lane = self.lane(self.end);
        Change {
            readable: !lane.queue.is_empty(),
            writable: ready.writable && !lane.ended,
            hung_up: ready.closed || lane.ended,
            ..Change::default()
        }
    }

    /// Leaves the link: the peer keeps what was sent to it, including the message that did not fit.
    pub fn leave(&mut self) {
        let mut out = self.lane(1 - self.end);
        if let Some(parked) = out.parked.take() {
            out.push(parked);
        }
        out.ended = true;
        drop(out);
        let mut own = self.lane(self.end);
        own.abandoned = true;
        own.parked = None;
        own.queue.clear();
        own.bytes = 0;
    }

    /// Drops what the peer has not taken (NN_LINGER 0).
    pub fn drop_unsent(&mut self) {
        let mut out = self.lane(1 - self.end);
        out.parked = None;
        out.queue.clear();
        out.bytes = 0;
    }

    fn lane(&self, index: usize) -> MutexGuard<'_, Lane> {
        self.link.lanes[index].lock()
    }
}

impl Lane {
    fn new(limit: usize) -> Lane {
        Lane { queue: VecDeque::new(), bytes: 0, limit, parked: None, ended: false, abandoned: false }
    }

    /// The rule of transports.md 2.4, to the byte.
    fn has_room(&self, size: usize) -> bool {
        self.parked.is_none() && (self.queue.is_empty() || self.bytes + size < self.limit)
    }

    fn push(&mut self, message: Message<'static>) {
        self.bytes += message.len();
        self.queue.push_back(message);
    }

    /// Moves the parked message into the queue if it fits by now.
    fn unpark(&mut self) -> bool {
        let Some(parked) = self.parked.take() else { return false };
        if self.has_room(parked.len()) {
            self.push(parked);
            true
        } else {
            self.parked = Some(parked);
            false
        }
    }
}
