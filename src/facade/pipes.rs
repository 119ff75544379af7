//! The pipes of one socket: what its protocol sends into and takes from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;
use smallvec::SmallVec;

use crate::core::socket::{Flow, Pipes};
use crate::core::{Kind, Message, PipeId};
use crate::reactor::Registration;
use crate::reactor::timers::TimerId;
use crate::transport::coalescing::Coalescing;
use crate::transport::inproc::InprocPipe;
use crate::transport::pipe::{Need, Ready, StreamPipe, Terms};
use crate::transport::stream::Parting;
use crate::transport::{SizeLimit, Transport};

use super::key::{GENERATIONS, Key};
use super::session::Session;
use super::work::{Job, Work};

/// All pipes of a socket, attached, arriving or leaving.
pub struct PipeTable {
    entries: Slab<Entry>,
    generation: u32,
    session: Arc<Session>,
    kind: &'static Kind,
    /// NN_RCVMAXSIZE and NN_SNDBUF as they stand.
    pub max_size: Option<u64>,
    pub send_limit: usize,
    /// `max_size` for those who look without the lock.
    pub limit: SizeLimit,
    /// Pipes that a command has changed and that must be looked at when it is done.
    pub changed: SmallVec<[PipeId; 4]>,
    /// Pipes that the I/O thread looks after, among others that it did.
    watched: SmallVec<[PipeId; 4]>,
    pub coalescing: Coalescing,
    /// What the protocol wants of its timer since the last look.
    pub alarm: Option<Option<Duration>>,
    pub work: Work,
}

pub struct Entry {
    pub pipe: Pipe,
    pub generation: u32,
    pub endpoint: i32,
    pub send_priority: u8,
    pub recv_priority: u8,
    pub stage: Stage,
    /// While the time for connecting, for the greeting, or for lingering is running.
    pub timer: Option<TimerId>,
    pub attached_at: Option<Instant>,
    /// It is among CURRENT_CONNECTIONS.
    pub counted: bool,
    /// Writability is being watched.
    watches_write: bool,
}

#[expect(clippy::large_enum_variant, reason = "nearly all pipes are streams, and an inproc pipe costs no allocation")]
pub enum Pipe {
    Stream { pipe: StreamPipe, registration: Option<Registration>, transport: &'static dyn Transport },
    Inproc(InprocPipe),
}

/// How far a pipe has come in the life of its socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The OS connects.
    Connecting,
    /// Connected, not greeted yet.
    Greeting,
    /// The protocol knows it.
    Attached,
    /// The peer is gone and the protocol must be told.
    HangingUp,
    /// The protocol knows that the peer is gone; unread messages wait.
    HungUp,
    /// The protocol refused it.
    Refused,
    /// Detached; what was accepted is on its way to the kernel.
    Leaving,
}

impl PipeTable {
    pub fn new(session: Arc<Session>, kind: &'static Kind) -> PipeTable {
        PipeTable {
            entries: Slab::new(),
            generation: 0,
            session,
            kind,
            max_size: None,
            send_limit: 0,
            limit: SizeLimit::default(),
            changed: SmallVec::new(),
            watched: SmallVec::new(),
            coalescing: Coalescing::default(),
            alarm: None,
            work: Work::new(),
        }
    }

    /// Adds a pipe at the beginning of its life and gives its id and key.
    pub fn insert(&mut self, pipe: Pipe, endpoint: i32, priorities: (u8, u8), stage: Stage) -> (PipeId, u64) {
        self.generation = (self.generation + 1) % GENERATIONS;
        let generation = self.generation;
        let (send_priority, recv_priority) = priorities;
        let index = self.entries.insert(Entry {
            pipe,
            generation,
            endpoint,
            send_priority,
            recv_priority,
            stage,
            timer: None,
            attached_at: None,
            counted: false,
            watches_write: false,
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

    /// An entry together with the terms it lives under.
    pub fn with_terms(&mut self, id: PipeId) -> Option<(&mut Entry, Terms<'_>)> {
        let entry = self.entries.get_mut(id.0 as usize)?;
        Some((entry, terms(&self.session, self.kind, self.max_size, self.send_limit)))
    }

    /// Forgets a pipe: it is watched no more, and its descriptor closes.
    pub fn remove(&mut self, id: PipeId) -> Option<Entry> {
        let mut entry = self.entries.try_remove(id.0 as usize)?;
        if let Some(timer) = entry.timer.take() {
            self.session.reactor.disarm(timer);
        }
        if let Pipe::Stream { registration, .. } = &mut entry.pipe
            && let Some(registration) = registration.take()
        {
            self.session.reactor.deregister(registration);
        }
        Some(entry)
    }

    #[inline]
    pub fn is_unsettled(&self) -> bool {
        !self.changed.is_empty() || self.alarm.is_some() || self.coalescing.is_decided()
    }

    /// A visit in which something may have been sent is over.
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

    /// Has whatever was appended and not written yet written by this thread, which is about to wait.
    pub fn flush_all(&mut self) {
        let Self { watched, entries, work, .. } = self;
        watched.retain(|id| match entries.get(id.0 as usize) {
            Some(Entry { pipe: Pipe::Stream { pipe, .. }, generation, .. }) => {
                if pipe.wants_flush() {
                    work.push(Job::Flush(Key::Pipe(*id, *generation).pack()));
                }
                pipe.is_watched()
            }
            _ => false,
        });
    }

    /// Watches writability if the pipe now waits for it. Once watched it stays so for the next time: while a stream runs
    /// against a full kernel that is soon.
    pub fn settle_writing(&mut self, id: PipeId) {
        if let Some(entry) = self.entries.get(id.0 as usize)
            && let Pipe::Stream { pipe, .. } = &entry.pipe
            && pipe.wants_write()
        {
            self.watch_writing(id, true);
        }
    }

    /// The kernel said that there is room. If nobody waited for it, it need not say so again.
    pub fn heard_of_room(&mut self, id: PipeId) {
        if let Some(entry) = self.entries.get(id.0 as usize)
            && let Pipe::Stream { pipe, .. } = &entry.pipe
            && !pipe.waits_for_room()
        {
            self.watch_writing(id, false);
        }
    }

    fn watch_writing(&mut self, id: PipeId, wanted: bool) {
        let Some(entry) = self.entries.get_mut(id.0 as usize) else { return };
        let Pipe::Stream { registration: Some(registration), .. } = &entry.pipe else { return };
        if wanted != entry.watches_write {
            entry.watches_write = wanted;
            // It is registered and open, so only memory could fail; then the next change tries again.
            let _ = self.session.reactor.watch_writable(*registration, wanted);
        }
    }

    /// Has the handshake of a pipe gone on with.
    pub fn prepare(&mut self, id: PipeId) {
        if let Some(Entry { pipe: Pipe::Stream { pipe, .. }, generation, .. }) = self.entries.get(id.0 as usize) {
            self.work.push(Job::Prepare(Key::Pipe(id, *generation).pack(), Arc::clone(pipe.stream())));
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

    /// Remembers a registration that watches writability or not.
    pub fn registered(&mut self, id: PipeId, made: Registration, write: bool) {
        if let Some(entry) = self.get(id)
            && let Pipe::Stream { registration, .. } = &mut entry.pipe
        {
            *registration = Some(made);
            entry.watches_write = write;
        }
    }

    fn send_stream(&mut self, id: PipeId, message: &mut Message<'_>, again: bool) -> Flow {
        let terms = terms(&self.session, self.kind, self.max_size, self.send_limit);
        let Some(entry) = self.entries.get_mut(id.0 as usize) else { return Flow::Full };
        let Pipe::Stream { pipe, .. } = &mut entry.pipe else { return Flow::Full };
        let (flow, need) = pipe.send(message, again, &mut self.coalescing, &terms);
        let key = Key::Pipe(id, entry.generation).pack();
        if pipe.is_closed_under_us() {
            self.changed.push(id);
        }
        match need {
            Need::Nothing => {}
            Need::Watch => {
                self.watched.push(id);
                self.work.push(Job::Watch(key, pipe.pulse()));
            }
            Need::Flush => self.work.push(Job::Flush(key)),
        }
        if !entry.watches_write {
            self.settle_writing(id);
        }
        flow
    }
}

impl Pipes for PipeTable {
    fn transmit(&mut self, id: PipeId, message: &mut Message<'_>, again: bool) -> Flow {
        match self.entries.get_mut(id.0 as usize).map(|entry| &mut entry.pipe) {
            Some(Pipe::Inproc(pipe)) => {
                let (flow, tell) = pipe.send(message, again);
                if tell && let Some(peer) = pipe.peer() {
                    self.work.push(Job::Tell(peer.clone(), Ready { readable: true, ..Ready::default() }));
                }
                flow
            }
            Some(Pipe::Stream { .. }) => self.send_stream(id, message, again),
            None => Flow::Full,
        }
    }

    fn take(&mut self, id: PipeId, into: &mut Message<'_>) -> Option<bool> {
        let terms = terms(&self.session, self.kind, self.max_size, self.send_limit);
        self.coalescing.received();
        let entry = self.entries.get_mut(id.0 as usize)?;
        let (taken, change) = match &mut entry.pipe {
            Pipe::Stream { pipe, .. } => pipe.take(into, &terms),
            Pipe::Inproc(pipe) => {
                let (taken, change) = pipe.take(into);
                if change.writable
                    && let Some(peer) = pipe.peer()
                {
                    self.work.push(Job::Tell(peer.clone(), Ready { writable: true, ..Ready::default() }));
                }
                (taken, change)
            }
        };
        if change.hung_up && entry.stage == Stage::Attached {
            entry.stage = Stage::HangingUp;
        }
        if entry.stage != Stage::Attached {
            self.changed.push(id);
        }
        taken.then_some(change.readable)
    }

    fn refuse(&mut self, id: PipeId) {
        if let Some(entry) = self.get(id) {
            entry.stage = Stage::Refused;
            self.changed.push(id);
        }
    }

    fn arm(&mut self, after: Option<Duration>) {
        self.alarm = Some(after);
    }
}

impl Entry {
    pub fn is_readable(&self) -> bool {
        match &self.pipe {
            Pipe::Stream { pipe, .. } => pipe.is_readable(),
            Pipe::Inproc(pipe) => pipe.is_readable(),
        }
    }

    /// How its connection was ended in words, if it was.
    pub fn parting(&self) -> Option<Parting> {
        match &self.pipe {
            Pipe::Stream { pipe, .. } => pipe.stream().parting(),
            Pipe::Inproc(_) => None,
        }
    }
}

fn terms<'a>(session: &'a Session, kind: &Kind, max_size: Option<u64>, send_limit: usize) -> Terms<'a> {
    Terms { blocks: &session.blocks, own: kind.id, peer: kind.peer, max_size, send_limit }
}
