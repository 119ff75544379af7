//! The pipes of one socket: what its protocol sends into and takes from.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use slab::Slab;
use smallvec::SmallVec;

use crate::core::lifecycle::Lifecycle;
use crate::core::socket::{Flow, Pipes};
use crate::core::{ContextId, Kind, Message, Peer, PipeId};
use crate::reactor::timers::TimerId;
use crate::reactor::{Polled, Reactor, Unwritten};
use crate::transport::coalescing::{Coalescing, Flusher};
use crate::transport::inproc::InprocPipe;
use crate::transport::outbox::Batch;
use crate::transport::pipe::{Behind, PipeContext, Ready, StreamPipe};
use crate::transport::source::Source;
use crate::transport::stream::{Parting, Stream};
use crate::transport::{SizeLimit, Transport};

use super::handshakes::PendingHandshake;
use super::key::{GENERATIONS, Key};
use super::runtime::Runtime;
use super::work::{Job, Work};

/// All pipes of a socket, attached, arriving or leaving.
pub struct PipeTable {
    entries: Slab<Entry>,
    generation: u32,
    /// Whoever is told what happens to them: the socket.
    owner: Weak<dyn Source>,
    runtime: Arc<Runtime>,
    kind: &'static Kind,
    /// NN_RCVMAXSIZE as it stands.
    pub max_size: Option<u64>,
    /// `max_size` for those who look without the lock.
    pub limit: SizeLimit,
    /// NN_RECV_PEER.
    pub tells_peers: bool,
    /// Pipes that a command has changed and that must be looked at when it is done.
    pub changed: SmallVec<[PipeId; 4]>,
    pub coalescing: Coalescing,
    /// What the protocol wants of its timer since the last look.
    pub alarm: AlarmRequest,
    /// The same of contexts, and which of them may have become ready, or are no more.
    pub context_alarms: Vec<(ContextId, Option<Duration>)>,
    pub changed_contexts: Vec<ContextId>,
    pub work: Work,
}

pub struct Entry {
    pub pipe: Pipe,
    pub generation: u32,
    pub endpoint: i32,
    pub send_priority: u8,
    pub recv_priority: u8,
    pub lifecycle: Lifecycle<Instant>,
    /// While the time for connecting, for the greeting, or for lingering is running.
    pub timer: Option<TimerId>,
    /// The kernel has no room for what it has to write, as the reactor knows: behind so many bytes. 0: it has, or nothing waits.
    full_at: u64,
    /// The other end, once somebody has asked.
    pub(super) peer: Option<Arc<Peer>>,
}

#[expect(clippy::large_enum_variant, reason = "nearly all pipes are streams, and an inproc pipe costs no allocation")]
pub enum Pipe {
    /// `remote`: where it was accepted from or connected to, which the system tells no more of a connection that was reset.
    Stream {
        pipe: StreamPipe,
        polled: Polled,
        transport: &'static dyn Transport,
        remote: Option<SocketAddr>,
    },
    Inproc(InprocPipe),
}

/// What the protocol wants of its timer.
#[derive(Clone, Copy, Default)]
pub enum AlarmRequest {
    #[default]
    Unchanged,
    Off,
    After(Duration),
}

impl PipeTable {
    pub fn new(owner: Weak<dyn Source>, runtime: Arc<Runtime>, kind: &'static Kind) -> PipeTable {
        PipeTable {
            entries: Slab::new(),
            generation: 0,
            owner,
            runtime,
            kind,
            max_size: None,
            limit: SizeLimit::default(),
            tells_peers: false,
            changed: SmallVec::new(),
            coalescing: Coalescing::default(),
            alarm: AlarmRequest::Unchanged,
            context_alarms: Vec::new(),
            changed_contexts: Vec::new(),
            work: Work::new(),
        }
    }

    /// Adds a pipe at the beginning of its life and gives its id and key.
    pub fn insert(
        &mut self,
        pipe: Pipe,
        endpoint: i32,
        priorities: (u8, u8),
        lifecycle: Lifecycle<Instant>,
    ) -> (PipeId, u64) {
        self.generation = (self.generation + 1) % GENERATIONS;
        let generation = self.generation;
        let (send_priority, recv_priority) = priorities;
        let index = self.entries.insert(Entry {
            pipe,
            generation,
            endpoint,
            send_priority,
            recv_priority,
            lifecycle,
            timer: None,
            full_at: 0,
            peer: None,
        });
        let id = PipeId(index as u32);
        (id, Key::Pipe(id, generation).pack())
    }

    pub fn get(&mut self, id: PipeId) -> Option<&mut Entry> {
        self.entries.get_mut(id.0 as usize)
    }

    /// The entry that a key was made for, unless it is gone.
    pub fn find(&mut self, id: PipeId, generation: u32) -> Option<&mut Entry> {
        self.get(id).filter(|entry| entry.generation == generation)
    }

    /// An entry together with the context it lives in.
    pub fn with_context(&mut self, id: PipeId) -> Option<(&mut Entry, PipeContext<'_>)> {
        let entry = self.entries.get_mut(id.0 as usize)?;
        Some((entry, context(&self.runtime, self.kind, self.max_size)))
    }

    /// Forgets a pipe: it is watched no more, and its descriptor closes.
    pub fn remove(&mut self, id: PipeId) -> Option<Entry> {
        let mut entry = self.entries.try_remove(id.0 as usize)?;
        if let Some(timer) = entry.timer.take() {
            self.runtime.reactor.disarm(timer);
        }
        if let Pipe::Stream { polled, .. } = &mut entry.pipe
            && let Some(registration) = polled.take()
        {
            self.runtime.reactor.deregister(registration);
        }
        if entry.full_at > 0 {
            self.runtime.reactor.unwritten(Unwritten::Ends);
        }
        Some(entry)
    }

    #[inline]
    pub fn is_unsettled(&self) -> bool {
        !self.changed.is_empty()
            || !matches!(self.alarm, AlarmRequest::Unchanged)
            || self.coalescing.is_decided()
            || !self.context_alarms.is_empty()
    }

    /// A use of the socket in which something may have been sent is over.
    pub fn end_of_turn(&mut self) {
        self.coalescing.end_of_call();
    }

    pub fn ids(&self) -> impl Iterator<Item = PipeId> {
        self.entries.iter().map(|(index, _)| PipeId(index as u32))
    }

    pub fn of_endpoint(&self, endpoint: i32) -> Vec<PipeId> {
        let of_it = self.entries.iter().filter(|(_, entry)| entry.endpoint == endpoint);
        of_it.map(|(index, _)| PipeId(index as u32)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Watches writability if the pipe now waits for it.
    pub fn settle_writing(&mut self, id: PipeId) {
        if let Some(entry) = self.entries.get_mut(id.0 as usize) {
            entry.settle_writing(&self.runtime.reactor);
        }
    }

    /// The kernel said that there is room. If nobody waited for it, it need not say so again.
    pub fn heard_of_room(&mut self, id: PipeId) {
        if let Some(Entry { pipe: Pipe::Stream { pipe, polled, .. }, .. }) = self.entries.get_mut(id.0 as usize)
            && !pipe.waits_for_room()
            && polled.reports_room()
        {
            polled.report_room(&self.runtime.reactor, false);
        }
    }

    /// How much there is still to come, or to go, of what a pipe is in the midst of.
    pub fn under_way(&self, id: PipeId) -> usize {
        match self.entries.get(id.0 as usize) {
            Some(Entry { pipe: Pipe::Stream { pipe, .. }, .. }) => pipe.missing().max(pipe.unsent()),
            _ => 0,
        }
    }

    /// Has the handshake of a pipe gone on with.
    pub fn prepare(&mut self, id: PipeId) {
        if let Some(Entry { pipe: Pipe::Stream { pipe, .. }, generation, .. }) = self.entries.get(id.0 as usize)
            && let Some(source) = self.owner.upgrade()
        {
            let (key, stream) = (Key::Pipe(id, *generation).pack(), Arc::clone(pipe.stream()));
            self.work.push(Job::Prepare(PendingHandshake { source, key, stream }));
        }
    }

    /// The pipe of a key, if its handshake is under way.
    pub fn preparing(&mut self, key: u64) -> Option<PipeId> {
        let Key::Pipe(id, generation) = Key::unpack(key) else { return None };
        match &self.find(id, generation)?.pipe {
            Pipe::Stream { pipe, .. } if pipe.is_preparing() => Some(id),
            _ => None,
        }
    }

    /// Has a pipe flushed as soon as the lock is let go.
    pub fn flush(&mut self, id: PipeId) {
        if let Some(entry) = self.entries.get(id.0 as usize) {
            self.work.push(Job::Flush(Key::Pipe(id, entry.generation).pack()));
        }
    }

    /// A pipe is in the poll now.
    pub fn registered(&mut self, id: PipeId, made: Polled) {
        if let Some(Entry { pipe: Pipe::Stream { polled, .. }, .. }) = self.get(id) {
            *polled = made;
        }
    }

    /// Has the peer of an inproc pipe told what changed here.
    #[cold]
    fn tell(&mut self, id: PipeId, ready: Ready) {
        if let Some(Entry { pipe: Pipe::Inproc(pipe), .. }) = self.entries.get(id.0 as usize)
            && let Some(peer) = pipe.peer()
        {
            self.work.push(Job::Tell(peer.clone(), ready));
        }
    }

    fn send_stream(&mut self, id: PipeId, message: &mut Message<'_>, again: bool) -> Flow {
        let Some(entry) = self.entries.get_mut(id.0 as usize) else { return Flow::Full };
        let Pipe::Stream { pipe, .. } = &mut entry.pipe else { return Flow::Full };
        let (flow, flusher) = pipe.send(message, again, &mut self.coalescing);
        let key = Key::Pipe(id, entry.generation).pack();
        if pipe.is_closed_under_us() {
            self.changed.push(id);
        }
        match flusher {
            Flusher::Nobody => {}
            Flusher::IoThread => {
                if let Some(source) = self.owner.upgrade() {
                    self.work.push(Job::FlushLater(source, key, pipe.counters()));
                }
            }
            Flusher::Sender => self.work.push(Job::Flush(key)),
        }
        entry.settle_writing(&self.runtime.reactor);
        flow
    }
}

impl Pipes for PipeTable {
    fn transmit(&mut self, id: PipeId, message: &mut Message<'_>, again: bool) -> Flow {
        match self.entries.get_mut(id.0 as usize).map(|entry| &mut entry.pipe) {
            Some(Pipe::Inproc(pipe)) => {
                let (flow, tell) = pipe.send(message, again);
                if tell {
                    self.tell(id, Ready { readable: true, ..Ready::default() });
                }
                flow
            }
            Some(Pipe::Stream { pipe, .. }) => {
                match pipe.append(&message.header, message.body.bytes(), message.kind, &self.coalescing) {
                    true => Flow::Open,
                    false => self.send_stream(id, message, again),
                }
            }
            None => Flow::Full,
        }
    }

    #[inline]
    fn take(&mut self, id: PipeId, into: &mut Message<'_>) -> Option<bool> {
        self.coalescing.received();
        let entry = self.entries.get_mut(id.0 as usize)?;
        let mut writable = false;
        let behind = match &mut entry.pipe {
            Pipe::Stream { pipe, .. } => pipe.take(into, &context(&self.runtime, self.kind, self.max_size))?,
            Pipe::Inproc(pipe) => {
                let (behind, peers) = pipe.take(into);
                writable = peers;
                behind?
            }
        };
        if self.tells_peers {
            into.peer = Some(entry.peer(id));
        }
        if behind == Behind::HangUp {
            entry.lifecycle.hang_up();
        }
        if !entry.lifecycle.is_attached() {
            self.changed.push(id);
        }
        if writable {
            self.tell(id, Ready { writable: true, ..Ready::default() });
        }
        Some(behind == Behind::Message)
    }

    #[inline(always)]
    fn append(&mut self, id: PipeId, body: &[u8]) -> bool {
        match self.entries.get_mut(id.0 as usize).map(|entry| &mut entry.pipe) {
            Some(Pipe::Stream { pipe, .. }) => pipe.append(&[], body, 0, &self.coalescing),
            Some(Pipe::Inproc(pipe)) => match pipe.append(body) {
                Some(tell) => {
                    if tell {
                        self.tell(id, Ready { readable: true, ..Ready::default() });
                    }
                    true
                }
                None => false,
            },
            None => false,
        }
    }

    #[inline(always)]
    fn take_bytes(&mut self, id: PipeId, room: &mut [u8]) -> Option<usize> {
        let entry = self.entries.get_mut(id.0 as usize)?;
        if self.tells_peers || !entry.lifecycle.is_attached() {
            return None;
        }
        // (That something was received need not be noted: more waits, so what is sent now is no answer that somebody waits for.)
        match &mut entry.pipe {
            Pipe::Stream { pipe, .. } => pipe.take_bytes(room, self.max_size),
            Pipe::Inproc(pipe) => {
                let (len, writable) = pipe.take_bytes(room)?;
                if writable {
                    self.tell(id, Ready { writable: true, ..Ready::default() });
                }
                Some(len)
            }
        }
    }

    #[inline(always)]
    fn expect_send(&self, id: PipeId) {
        if let Some(Entry { pipe: Pipe::Stream { pipe, .. }, .. }) = self.entries.get(id.0 as usize) {
            pipe.fetch_end();
        }
    }

    #[inline(always)]
    fn expect_take(&self, id: PipeId) {
        if let Some(Entry { pipe: Pipe::Stream { pipe, .. }, .. }) = self.entries.get(id.0 as usize) {
            pipe.fetch_front();
        }
    }

    fn refuse(&mut self, id: PipeId) {
        if let Some(entry) = self.get(id) {
            entry.lifecycle.refuse();
            self.changed.push(id);
        }
    }

    fn arm(&mut self, context: ContextId, after: Option<Duration>) {
        match context {
            ContextId::SOCKET => self.alarm = after.map_or(AlarmRequest::Off, AlarmRequest::After),
            context => self.context_alarms.push((context, after)),
        }
    }

    fn context_changed(&mut self, context: ContextId) {
        self.changed_contexts.push(context);
    }
}

impl Entry {
    /// After something may have been written. Once writability is watched it stays so for the next time: while a stream runs against a
    /// full kernel that is soon.
    fn settle_writing(&mut self, reactor: &Reactor) {
        let Pipe::Stream { pipe, polled, .. } = &mut self.pipe else { return };
        if pipe.wants_write() && !polled.reports_room() {
            polled.report_room(reactor, true);
        }
        let full_at = pipe.full_at();
        if full_at != self.full_at {
            let before = std::mem::replace(&mut self.full_at, full_at);
            reactor.unwritten(match (before, full_at) {
                (0, _) => Unwritten::Begins,
                (_, 0) => Unwritten::Ends,
                _ => Unwritten::GoesOn,
            });
        }
    }

    pub fn is_readable(&self) -> bool {
        match &self.pipe {
            Pipe::Stream { pipe, .. } => pipe.is_readable(),
            Pipe::Inproc(pipe) => pipe.is_readable(),
        }
    }

    /// Something to write without the lock, and where to; it comes back by [`StreamPipe::finish_flush`].
    pub fn start_flush(&mut self) -> Option<(Arc<dyn Stream>, Batch)> {
        let Pipe::Stream { pipe, .. } = &mut self.pipe else { return None };
        let batch = pipe.start_flush()?;
        Some((Arc::clone(pipe.stream()), batch))
    }

    /// How its connection was ended in words, if it was.
    pub fn parting(&self) -> Option<Parting> {
        match &self.pipe {
            Pipe::Stream { pipe, .. } => pipe.stream().parting(),
            Pipe::Inproc(_) => None,
        }
    }
}

fn context<'a>(runtime: &'a Runtime, kind: &Kind, max_size: Option<u64>) -> PipeContext<'a> {
    PipeContext { blocks: &runtime.blocks, own: kind.id, peer: kind.peer, max_size }
}
