//! inproc: a pipe that is a pair of bounded queues (transports.md 2).
//!
//! A link has two lanes, one per direction. The sender puts a message into the lane under its own socket's
//! lock, lets that go, and then tells the peer, through the same [`Source`] calls by which the reactor
//! reports readiness. So never are two sockets' locks held at once.
//!
//! The receiver takes over all that is queued at once and hands it out without the lane's lock. What it has not handed out
//! still counts: the account (`Load`) is exact to the byte, in one atomic word.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::core::socket::Flow;
use crate::core::statistics::Carried;
use crate::core::{Body, Message};
use crate::sys::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

use super::pipe::{Behind, PipeEvent, PipeEvents, Ready};
use super::source::Source;

/// One end of a link. Ends are 0 and 1; end `e` receives from lane `e` and sends into lane `1 - e`.
#[derive(Debug)]
pub struct InprocPipe {
    link: Arc<Link>,
    end: usize,
    /// Taken over from the own lane and not handed out yet.
    taken: VecDeque<Message<'static>>,
    carried: Carried,
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
    lanes: [Lane; 2],
    /// Who receives from each lane; set when that end is attached.
    owners: [OnceLock<Peer>; 2],
}

/// Messages on their way in one direction.
#[derive(Debug)]
struct Lane {
    /// What the receiver has not handed out: a [`Load`]. The sender adds to it under the lock, the receiver takes off it.
    load: AtomicU64,
    /// The receiver's NN_RCVBUF when the link was made.
    limit: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Message<'static>>,
    /// One message beyond the limit: while it is here, the sender is not writable.
    parked: Option<Message<'static>>,
    /// The sender has gone; what is queued can still be taken.
    ended: bool,
    /// The receiver has gone: nothing more is accepted.
    abandoned: bool,
}

/// Bytes in the lower 40 bits, messages in the next 23, and whether a message is parked.
#[derive(Clone, Copy)]
struct Load(u64);

/// Two ends of a new link, for sockets with these receive limits.
pub fn link(limits: [usize; 2]) -> [InprocPipe; 2] {
    let link = Arc::new(Link { lanes: limits.map(Lane::new), owners: [OnceLock::new(), OnceLock::new()] });
    [0, 1].map(|end| InprocPipe { link: Arc::clone(&link), end, taken: VecDeque::new(), carried: Carried::default() })
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
        let lane = &self.link.lanes[1 - self.end];
        let size = message.len();
        // Nothing is framed here.
        message.kind = 0;
        let mut inner = lane.inner.lock();
        if inner.abandoned || inner.parked.is_some() {
            return (Flow::Full, false);
        }
        // For the parked one as well, which will be queued when nobody can be told.
        if inner.queue.try_reserve(2).is_err() {
            return (Flow::NoMemory, false);
        }
        let mut kept = Message::default();
        if message.keep_in(&mut kept, again).is_err() {
            return (Flow::NoMemory, false);
        }
        self.carried.messages_sent += 1;
        self.carried.bytes_sent += size as u64;
        if lane.has_room(lane.load(), size) {
            // Not by `push`, to which the message would be moved first.
            inner.queue.push_back(kept);
            return (Flow::Open, lane.count(size));
        }
        inner.parked = Some(kept);
        // What the receiver took before it could see that somebody waits, it said nothing of.
        let load = Load(lane.load.fetch_or(Load::PARKED, Ordering::AcqRel));
        match lane.unpark(&mut inner, load) {
            Some(first) => (Flow::Open, first),
            None => (Flow::Full, false),
        }
    }

    /// Puts the next message into `into` if there is one, and tells what there is behind it; and whether the peer became writable
    /// by that, and must be told.
    pub fn take(&mut self, into: &mut Message<'_>) -> (Option<Behind>, bool) {
        let lane = &self.link.lanes[self.end];
        if self.taken.is_empty() {
            std::mem::swap(&mut self.taken, &mut lane.inner.lock().queue);
        }
        let Some(Message { header, body, kind, peer }) = self.taken.pop_front() else { return (None, false) };
        debug_assert!(peer.is_none(), "a message kept for another socket names its sender");
        #[expect(
            clippy::mem_forget,
            reason = "nobody is named in a queue, so there is nothing to let go of behind the moves"
        )]
        std::mem::forget(peer);
        let size = header.len() + body.len();
        self.carried.messages_received += 1;
        self.carried.bytes_received += size as u64;
        let before = Load(lane.load.fetch_sub(Load::of(size), Ordering::AcqRel));
        (into.header, into.kind) = (header, kind);
        match body {
            Body::Inline(bytes) if into.body.place(&bytes) => {}
            Body::Inline(bytes) => into.body.set_inline(&bytes),
            body => into.body = body,
        }
        let writable = before.is_parked() && lane.unpark(&mut lane.inner.lock(), lane.load()).is_some();
        let another = writable || before.messages() > 1;
        (Some(if another { Behind::Message } else { Behind::Nothing }), writable)
    }

    /// What it has carried.
    pub fn carried(&self) -> Carried {
        self.carried
    }

    /// Bytes that the other end has not taken, and those that this one has not.
    pub fn queued(&self) -> [usize; 2] {
        [self.out(), &self.link.lanes[self.end]].map(|lane| lane.load().bytes() as usize)
    }

    pub fn is_readable(&self) -> bool {
        self.link.lanes[self.end].load().messages() > 0
    }

    /// What an event from the peer's side means here.
    pub fn advance(&mut self, ready: Ready) -> PipeEvents {
        let ended = self.link.lanes[self.end].inner.lock().ended;
        let mut events = PipeEvents::new();
        if self.is_readable() {
            events.push(PipeEvent::Readable);
        }
        if ready.writable && !ended {
            events.push(PipeEvent::Writable);
        }
        if ready.closed || ended {
            events.push(PipeEvent::HungUp);
        }
        events
    }

    /// Leaves the link: the peer keeps what was sent to it, including the message that did not fit.
    pub fn leave(&mut self) {
        let lane = self.out();
        let mut out = lane.inner.lock();
        if let Some(parked) = out.parked.take() {
            lane.load.fetch_and(!Load::PARKED, Ordering::AcqRel);
            lane.push(&mut out, parked);
        }
        out.ended = true;
        drop(out);
        self.taken.clear();
        let lane = &self.link.lanes[self.end];
        let mut own = lane.inner.lock();
        *own = Inner { abandoned: true, ended: own.ended, ..Inner::default() };
        lane.load.store(0, Ordering::Release);
    }

    fn out(&self) -> &Lane {
        &self.link.lanes[1 - self.end]
    }
}

impl Lane {
    fn new(limit: usize) -> Lane {
        Lane { load: AtomicU64::new(0), limit: limit as u64, inner: Mutex::default() }
    }

    fn load(&self) -> Load {
        Load(self.load.load(Ordering::Acquire))
    }

    /// The rule of transports.md 2.4, to the byte. Nobody is parked, or the one who is asks.
    fn has_room(&self, load: Load, size: usize) -> bool {
        !load.is_crowded() && (load.messages() == 0 || load.bytes() + (size as u64) < self.limit)
    }

    /// Queues a message. True: it is the only one, so the receiver must be told.
    fn push(&self, inner: &mut MutexGuard<'_, Inner>, message: Message<'static>) -> bool {
        let size = message.len();
        inner.queue.push_back(message);
        self.count(size)
    }

    /// Counts a message, once it is in the queue: who sees the count finds the message. True: it is the only one.
    fn count(&self, size: usize) -> bool {
        Load(self.load.fetch_add(Load::of(size), Ordering::AcqRel)).messages() == 0
    }

    /// Queues the parked message if it fits by now; says then whether it is the only one.
    fn unpark(&self, inner: &mut MutexGuard<'_, Inner>, load: Load) -> Option<bool> {
        let parked = inner.parked.take()?;
        if !self.has_room(load, parked.len()) {
            inner.parked = Some(parked);
            return None;
        }
        self.load.fetch_and(!Load::PARKED, Ordering::AcqRel);
        Some(self.push(inner, parked))
    }
}

impl Load {
    const PARKED: u64 = 1 << 63;
    const MESSAGE: u64 = 1 << 40;
    const MESSAGES: u64 = (Load::PARKED - 1) / Load::MESSAGE;

    /// Of one message. Nobody has one of a terabyte.
    fn of(size: usize) -> u64 {
        Load::MESSAGE + (size as u64).min(Load::MESSAGE / 2)
    }

    fn bytes(self) -> u64 {
        self.0 % Load::MESSAGE
    }

    fn messages(self) -> u64 {
        (self.0 & !Load::PARKED) / Load::MESSAGE
    }

    fn is_parked(self) -> bool {
        self.0 & Load::PARKED != 0
    }

    /// No more messages can be counted, however small they are.
    fn is_crowded(self) -> bool {
        self.messages() == Load::MESSAGES
    }
}
