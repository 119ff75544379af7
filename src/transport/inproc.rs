//! inproc: a pipe that is a pair of bounded queues (transports.md 2).
//!
//! A link has two lanes, one per direction. The sender puts a message into the lane under its own socket's
//! lock, lets that go, and then tells the peer, through the same [`Source`] calls by which the reactor
//! reports readiness. So never are two sockets' locks held at once.
//!
//! A lane has no lock: each side writes its own account and reads the other's only when its own says that the lane may be full, or
//! empty. Who is about to wait says so first and looks once more then, so one of the two always sees what the other has done.
//! The account is exact to the byte all the same.

use std::sync::{Arc, OnceLock};

use crate::core::message::{INLINE, SMALL};
use crate::core::socket::Flow;
use crate::core::statistics::Carried;
use crate::core::{Body, Chunk, Message};
use crate::sys::spsc::{self, Consumer, OutOfMemory, Producer, Record};
use crate::sys::sync::{AtomicBool, AtomicU64, Ordering, publish};

use super::pipe::{Behind, PipeEvent, PipeEvents, Ready};
use super::source::Source;

/// One end of a link. Ends are 0 and 1; end `e` receives from lane `e` and sends into lane `1 - e`.
#[derive(Debug)]
pub struct InprocPipe {
    link: Arc<Link>,
    end: usize,
    outgoing: LaneSender,
    incoming: LaneReceiver,
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

/// (An index that cannot be out of range is not looked at.)
impl Link {
    /// From which this end receives.
    #[inline(always)]
    fn lane_to(&self, end: usize) -> &Lane {
        &self.lanes[end & 1]
    }

    /// Into which this end sends.
    #[inline(always)]
    fn lane_from(&self, end: usize) -> &Lane {
        &self.lanes[(end & 1) ^ 1]
    }
}

/// What the two sides of one direction tell each other.
#[derive(Debug)]
struct Lane {
    /// The receiver's NN_RCVBUF when the link was made.
    limit: u64,
    /// Messages, and bytes, that the receiver has handed out.
    taken: OwnLine<[AtomicU64; 2]>,
    /// Not 0: the message sent as this one, the last, was one beyond the limit, and until there is room for it the sender sends no
    /// more. Set by the sender; who sets it back makes the sender writable.
    parked: OwnLine<AtomicU64>,
    /// There is room for it when so many bytes have been handed out.
    wanted: AtomicU64,
    /// The sender has gone; what is queued can still be taken.
    ended: AtomicBool,
    /// 1: the receiver has found nothing behind what it took. Who sets it back tells the receiver, or is the receiver.
    idle: OwnLine<AtomicU64>,
    /// The receiver has gone: nothing more is accepted.
    abandoned: AtomicBool,
    /// Bytes that the sender has sent, and blocks given back that it has used again.
    sent: OwnLine<[AtomicU64; 2]>,
}

/// Blocks that wait to be used again, at most.
const KEPT: u64 = 16;

/// What one side writes at every message must not be where the other one looks at every message.
#[derive(Debug, Default)]
#[repr(align(64))]
struct OwnLine<T>(T);

/// The sending side of a lane.
#[derive(Debug)]
struct LaneSender {
    queue: Producer<Message<'static>>,
    /// Messages and bytes that had been handed out when that was looked at last.
    taken: [u64; 2],
    /// Blocks that the receiver has copied out: an allocator takes long to give a block back to another thread.
    returned: Consumer<Chunk>,
}

/// The receiving side.
#[derive(Debug)]
struct LaneReceiver {
    queue: Consumer<Message<'static>>,
    /// Messages and bytes handed out so far.
    taken: [u64; 2],
    /// We have left.
    over: bool,
    /// Where blocks go that were copied out, and how many had been used again when that was looked at last.
    blocks: Producer<Chunk>,
    reused: u64,
}

/// Two ends of a new link, for sockets with these receive limits.
pub fn link(limits: [usize; 2]) -> [InprocPipe; 2] {
    let link = Arc::new(Link { lanes: limits.map(Lane::new), owners: [OnceLock::new(), OnceLock::new()] });
    let [(from_0, into_1), (from_1, into_0)] = [lane(), lane()];
    let end = |end, outgoing, incoming| InprocPipe { link: Arc::clone(&link), end, outgoing, incoming };
    [end(0, from_0, into_0), end(1, from_1, into_1)]
}

/// The two sides of one direction.
fn lane() -> (LaneSender, LaneReceiver) {
    let ((messages, queue), (blocks, returned)) = (spsc::queue(), spsc::queue());
    let outgoing = LaneSender { queue: messages, taken: [0; 2], returned };
    (outgoing, LaneReceiver { queue, taken: [0; 2], over: false, blocks, reused: 0 })
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
        let lane = self.link.lane_from(self.end);
        let out = &mut self.outgoing;
        if lane.abandoned.load(Ordering::Acquire) || lane.parked.0.load(Ordering::Acquire) != 0 {
            return (Flow::Full, false);
        }
        let (before, size) = (out.sent(lane), message.len() as u64);
        let is_room = out.fits(lane, before, size) || out.looks_and_fits(lane, before, size);
        if out.put(lane, message, again).is_err() {
            return (Flow::NoMemory, false);
        }
        let told = lane.counts(before[1] + size);
        let flow = if is_room || out.finds_room(lane, before, size) { Flow::Open } else { Flow::Full };
        (flow, told)
    }

    /// Puts the next message into `into` if there is one, and tells what there is behind it; and whether the peer became writable
    /// by that, and must be told.
    pub fn take(&mut self, into: &mut Message<'_>) -> (Option<Behind>, bool) {
        let lane = self.link.lane_to(self.end);
        let taken = self.incoming.queue.take(|record| hand_out(record, into));
        let Some((size, block)) = taken else { return (None, false) };
        if let Some(block) = block {
            self.incoming.give_back(lane, block);
        }
        let writable = self.incoming.handed_out(lane, size as u64);
        (Some(self.incoming.behind(lane)), writable)
    }

    /// Puts bytes that have no header into the peer's queue, if they are few and there is room for them: otherwise `None`, and nothing is
    /// done. Says that the peer must be told.
    #[inline(always)]
    pub fn append(&mut self, body: &[u8]) -> Option<bool> {
        let lane = self.link.lane_from(self.end);
        let out = &mut self.outgoing;
        let (before, size) = (out.sent(lane), body.len() as u64);
        let is_open = !lane.abandoned.load(Ordering::Acquire) && lane.parked.0.load(Ordering::Acquire) == 0;
        if !is_open || body.len() > INLINE || !out.fits(lane, before, size) {
            return None;
        }
        out.queue.append(body).ok()?;
        Some(lane.counts(before[1] + size))
    }

    /// Copies the next message to where it is wanted, if it is a small one without a header, fits there, and another one is behind it:
    /// otherwise `None`, and nothing is done. Its length, and whether the peer became writable by that, and must be told.
    #[inline(always)]
    pub fn take_bytes(&mut self, room: &mut [u8]) -> Option<(usize, bool)> {
        let len = self.incoming.queue.take_bytes(0, room)?;
        Some((len, self.incoming.handed_out(self.link.lane_to(self.end), len as u64)))
    }

    /// What it has carried.
    pub fn carried(&self) -> Carried {
        let [messages_received, bytes_received] = self.incoming.taken;
        let [messages_sent, bytes_sent] = self.outgoing.sent(self.link.lane_from(self.end));
        Carried { messages_sent, messages_received, bytes_sent, bytes_received }
    }

    /// Bytes that the other end has not taken, and those that this one has not.
    pub fn queued(&self) -> [usize; 2] {
        [1 - self.end, self.end].map(|lane| {
            let Lane { sent, taken, .. } = &self.link.lanes[lane];
            // The other side may be in the midst of a message.
            let taken = taken.0[1].load(Ordering::Acquire);
            sent.0[0].load(Ordering::Relaxed).saturating_sub(taken) as usize
        })
    }

    pub fn is_readable(&self) -> bool {
        !self.incoming.over && !self.incoming.queue.is_empty()
    }

    /// What an event from the peer's side means here.
    pub fn advance(&mut self, ready: Ready) -> PipeEvents {
        let lane = self.link.lane_to(self.end);
        let ended = lane.ended.load(Ordering::Acquire);
        let mut events = PipeEvents::new();
        // If what we are told of has been taken before we were told, the next message is to be told anew.
        if !self.incoming.over && self.incoming.behind(lane) == Behind::Message {
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

    /// Leaves the link: the peer keeps what was sent to it, including the message beyond the limit.
    pub fn leave(&mut self) {
        let [own, peers] = [self.link.lane_to(self.end), self.link.lane_from(self.end)];
        peers.parked.0.store(0, Ordering::Release);
        peers.ended.store(true, Ordering::Release);
        own.abandoned.store(true, Ordering::Release);
        self.incoming.over = true;
        self.incoming.queue.clear();
    }
}

/// Puts what came out of a queue into `into`, and gives its size, and a block that is not needed any more.
#[inline]
fn hand_out(record: Record<'_, Message<'static>>, into: &mut Message<'_>) -> (usize, Option<Chunk>) {
    match record {
        Record::Bytes(header, bytes) => {
            let (header, body) = bytes.split_at(usize::from(header));
            into.header.clear();
            if !header.is_empty() {
                into.header.extend_from_slice(header);
            }
            if !header.is_empty() || !into.body.place(body) {
                into.body.set_inline(body);
            }
            into.kind = 0;
            (bytes.len(), None)
        }
        Record::Value(message) => {
            let size = message.len();
            (into.header, into.kind) = (message.header, message.kind);
            match message.body {
                Body::Owned(block) if block.len() <= SMALL && into.body.place(block.bytes()) => (size, Some(block)),
                body => {
                    into.body = body;
                    (size, None)
                }
            }
        }
    }
}

impl LaneSender {
    /// Small messages are copied into the queue; of others only what has their bytes is.
    #[inline]
    fn put(&mut self, lane: &Lane, message: &mut Message<'_>, again: bool) -> Result<(), OutOfMemory> {
        if message.len() <= INLINE {
            return self.queue.put_bytes(message.header.len() as u16, [&message.header, message.body.bytes()]);
        }
        self.put_whole(lane, message, again)
    }

    #[inline(never)]
    fn put_whole(&mut self, lane: &Lane, message: &mut Message<'_>, again: bool) -> Result<(), OutOfMemory> {
        self.queue.make_room()?;
        let mut kept = Message::default();
        match self.reuse(lane, &message.body) {
            Some(block) if !again => {
                (kept.header, kept.body) = (std::mem::take(&mut message.header), Body::Owned(block));
            }
            _ => message.keep_in(&mut kept, again).map_err(|_| OutOfMemory)?,
        }
        // Nothing is framed here.
        kept.kind = 0;
        self.queue.put(kept).map_err(|_| OutOfMemory)
    }

    /// A copy of a body that stays the caller's, in a block that was given back.
    fn reuse(&mut self, lane: &Lane, body: &Body<'_>) -> Option<Chunk> {
        let Body::Borrowed(bytes) = body else { return None };
        if bytes.len() > SMALL {
            return None;
        }
        let block = self.returned.take(|record| match record {
            Record::Value(block) => block.refilled(bytes),
            Record::Bytes(..) => None,
        })?;
        lane.sent.0[1].store(lane.sent.0[1].load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        block
    }

    /// Messages and bytes sent so far.
    #[inline]
    fn sent(&self, lane: &Lane) -> [u64; 2] {
        [self.queue.count(), lane.sent.0[0].load(Ordering::Relaxed)]
    }

    /// The rule of transports.md 2.4, to the byte: is there room for a message behind so many messages and bytes? (The receiver may
    /// be further already.)
    #[inline]
    fn fits(&self, lane: &Lane, before: [u64; 2], size: u64) -> bool {
        self.taken[0] >= before[0] || before[1].saturating_sub(self.taken[1]) + size < lane.limit
    }

    #[cold]
    fn looks_and_fits(&mut self, lane: &Lane, before: [u64; 2], size: u64) -> bool {
        self.taken = [lane.taken.0[0].load(Ordering::SeqCst), lane.taken.0[1].load(Ordering::Acquire)];
        self.fits(lane, before, size)
    }

    /// The last message was one too many. Says so, and looks once more. False: whoever makes room for it tells us.
    #[cold]
    fn finds_room(&mut self, lane: &Lane, before: [u64; 2], size: u64) -> bool {
        let last = before[0] + 1;
        lane.wanted.store((before[1] + size + 1).saturating_sub(lane.limit), Ordering::Release);
        publish(&lane.parked.0, last);
        self.looks_and_fits(lane, before, size) && lane.unpark(last)
    }
}

impl LaneReceiver {
    /// Counts a message that was handed out. True: by that there is room for the one that waits beyond the limit.
    #[inline]
    fn handed_out(&mut self, lane: &Lane, size: u64) -> bool {
        self.taken = [self.taken[0] + 1, self.taken[1] + size];
        let [messages, bytes] = self.taken;
        lane.taken.0[1].store(bytes, Ordering::Release);
        publish(&lane.taken.0[0], messages);
        let parked = lane.parked.0.load(Ordering::SeqCst);
        parked != 0 && (messages + 1 >= parked || bytes >= lane.wanted.load(Ordering::Acquire)) && lane.unpark(parked)
    }

    /// Leaves a block to the sender, unless that has enough of them.
    #[inline]
    fn give_back(&mut self, lane: &Lane, block: Chunk) {
        if self.blocks.count() - self.reused >= KEPT {
            self.reused = lane.sent.0[1].load(Ordering::Relaxed);
        }
        if self.blocks.count() - self.reused < KEPT {
            // Without memory for it, it is let go of.
            drop(self.blocks.put(block));
        }
    }

    /// What there is behind the message handed out last.
    #[inline]
    fn behind(&mut self, lane: &Lane) -> Behind {
        if self.queue.has_more() {
            return Behind::Message;
        }
        publish(&lane.idle.0, 1);
        // Unless the sender has seen to it that we are told.
        if self.queue.has_more() && lane.idle.0.swap(0, Ordering::AcqRel) != 0 {
            Behind::Message
        } else {
            Behind::Nothing
        }
    }
}

impl Lane {
    fn new(limit: usize) -> Lane {
        Lane {
            limit: limit as u64,
            taken: OwnLine::default(),
            parked: OwnLine::default(),
            wanted: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            idle: OwnLine(AtomicU64::new(1)),
            abandoned: AtomicBool::new(false),
            sent: OwnLine::default(),
        }
    }

    /// A message has been put in: so many bytes are sent now. Must the receiver be told?
    #[inline]
    fn counts(&self, sent: u64) -> bool {
        self.sent.0[0].store(sent, Ordering::Relaxed);
        self.idle.0.load(Ordering::SeqCst) != 0 && self.idle.0.swap(0, Ordering::AcqRel) != 0
    }

    /// There is room for the message sent as this one. False: the other side was first to say so.
    fn unpark(&self, sent: u64) -> bool {
        self.parked.0.compare_exchange(sent, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
