//! A stream that does what it is told, and a pipe on top of it, driven as the reactor and a socket drive it.

use std::collections::{HashSet, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::core::lifecycle::Ending;
use crate::core::socket::Flow;
use crate::core::{Error, Message, Result};
use crate::transport::blocks::Blocks;
use crate::transport::coalescing::decision::Decision;
use crate::transport::coalescing::{Coalescing, Flusher};
use crate::transport::framing::{Framing, Prefix, Sp};
use crate::transport::pipe::{Behind, PipeContext, PipeEvent, PipeEvents, Ready, StreamPipe};
use crate::transport::stream::Stream;

pub const OWN: u16 = 0x50;
pub const PEER: u16 = 0x51;

#[derive(Debug, Default)]
pub struct Fake(Mutex<Script>);

#[derive(Debug)]
pub struct Script {
    /// What the peer has sent and the pipe has not read.
    pub incoming: VecDeque<u8>,
    /// What follows `incoming`: end-of-file, or a fault.
    pub end: Option<ErrorKind>,
    /// Most that one read gives.
    pub read_at_most: usize,
    /// Largest room that was offered to a read.
    pub largest_room: usize,
    pub written: Vec<u8>,
    /// Bytes that the kernel takes before it is full.
    pub room: usize,
    /// How often it was asked how many these are.
    pub asked: usize,
    /// Most that one write takes.
    pub write_at_most: usize,
    pub shut: bool,
    /// What it was told to expect.
    pub expected: Vec<usize>,
    pub calls: usize,
    /// The call that fails, and how; later ones go on as if nothing had been.
    pub fail: Option<(usize, ErrorKind)>,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            incoming: VecDeque::new(),
            end: None,
            read_at_most: usize::MAX,
            largest_room: 0,
            written: Vec::new(),
            room: usize::MAX,
            asked: 0,
            write_at_most: usize::MAX,
            shut: false,
            expected: Vec::new(),
            calls: 0,
            fail: None,
        }
    }
}

/// For `Script::end`: the peer closed. (No read fails in this way.)
pub const EOF: ErrorKind = ErrorKind::UnexpectedEof;

impl Fake {
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }
}

impl Script {
    fn count(&mut self) -> io::Result<()> {
        self.calls += 1;
        match self.fail {
            Some((call, kind)) if call == self.calls => Err(kind.into()),
            _ => Ok(()),
        }
    }
}

impl Stream for Fake {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut script = self.script();
        script.count()?;
        assert!(!into.is_empty(), "a read without room looks like end-of-file");
        script.largest_room = script.largest_room.max(into.len());
        let count = script.incoming.len().min(into.len()).min(script.read_at_most);
        if count == 0 {
            return match script.end {
                Some(EOF) => Ok(0),
                Some(fault) => Err(fault.into()),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        for (place, byte) in into.iter_mut().zip(script.incoming.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut script = self.script();
        script.count()?;
        assert!(from.iter().any(|slice| !slice.is_empty()), "a write of nothing never gets anywhere");
        if script.shut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if script.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = script.room.min(script.write_at_most);
        let bytes: Vec<u8> = from.iter().flat_map(|slice| slice.iter().copied()).take(most).collect();
        script.written.extend_from_slice(&bytes);
        script.room -= bytes.len();
        Ok(bytes.len())
    }

    fn expect(&self, bytes: usize) -> bool {
        self.script().expected.push(bytes);
        true
    }

    fn room(&self) -> usize {
        let mut script = self.script();
        script.asked += 1;
        script.room
    }

    fn shut_write(&self) -> io::Result<()> {
        let mut script = self.script();
        script.count()?;
        script.shut = true;
        Ok(())
    }

    fn connected(&self) -> io::Result<()> {
        self.script().count()
    }

    fn fd(&self) -> RawFd {
        -1
    }
}

/// A pipe on a fake stream.
pub struct Rig {
    pub pipe: StreamPipe,
    pub fake: Arc<Fake>,
    pub framing: &'static Sp,
    pub max_size: Option<u64>,
    /// Messages follow each other fast.
    pub in_stream: bool,
    /// The sender does not want anything to wait.
    pub through: bool,
    /// Messages that were only appended to others.
    pub appended: usize,
    /// Messages that were written by themselves, as whoever decides what is a stream counts them.
    pub by_itself: u32,
    blocks: Blocks,
    /// All that became of the pipe so far, but for what can be read.
    pub seen: HashSet<PipeEvent>,
    pub received: Vec<Vec<u8>>,
}

pub const READABLE: Ready = Ready { readable: true, writable: false, closed: false };
pub const WRITABLE: Ready = Ready { readable: false, writable: true, closed: false };
pub const CLOSED: Ready = Ready { readable: true, writable: false, closed: true };

impl Rig {
    /// A connect is under way.
    pub fn new(framing: &'static Sp) -> Rig {
        let fake = Arc::new(Fake::default());
        let stream = Arc::clone(&fake) as Arc<dyn Stream>;
        Rig {
            pipe: StreamPipe::new(stream, framing, true),
            fake,
            framing,
            max_size: Some(1024 * 1024),
            in_stream: false,
            through: false,
            appended: 0,
            by_itself: 0,
            blocks: Blocks::default(),
            seen: HashSet::new(),
            received: Vec::new(),
        }
    }

    /// Connected, greeted, and nothing else on the record.
    pub fn active(framing: &'static Sp) -> Rig {
        let mut rig = Rig::new(framing);
        rig.arrive(&framing.greeting(PEER));
        let (change, outcome) = rig.event(Ready { readable: true, writable: true, closed: false });
        assert_eq!(outcome, Ok(()));
        assert_eq!(change[..], [PipeEvent::Connected, PipeEvent::Greeted, PipeEvent::Writable]);
        assert_eq!(rig.fake.script().written, framing.greeting(OWN)[..]);
        let mut script = rig.fake.script();
        script.written.clear();
        script.calls = 0;
        drop(script);
        rig.seen.clear();
        rig
    }

    pub fn arrive(&self, bytes: &[u8]) {
        self.fake.script().incoming.extend(bytes);
    }

    /// One event, without taking anything.
    pub fn event(&mut self, ready: Ready) -> (PipeEvents, Result<()>) {
        let context = context(&self.blocks, self.max_size);
        let (change, outcome) = self.pipe.advance(ready, &context);
        self.note(&change);
        (change, outcome)
    }

    fn note(&mut self, events: &PipeEvents) {
        self.seen.extend(events.iter().filter(|event| **event != PipeEvent::Readable));
    }

    /// Takes what is whole.
    pub fn take_all(&mut self) {
        while self.pipe.is_readable() {
            let context = context(&self.blocks, self.max_size);
            // As a socket does: first where nothing comes of it.
            let mut room = [0; 5000];
            if let Some(len) = self.pipe.take_bytes(&mut room, self.max_size) {
                assert!(self.pipe.is_readable(), "more is behind it");
                self.received.push(room[..len].to_vec());
                continue;
            }
            let mut message = Message::default();
            let behind = self.pipe.take(&mut message, &context);
            assert_eq!(behind == Some(Behind::Message), self.pipe.is_readable());
            self.seen.extend((behind == Some(Behind::HangUp)).then_some(PipeEvent::HungUp));
            self.received.extend(behind.map(|_| message.body.bytes().to_vec()));
        }
    }

    /// Events and takes for as long as there is something to read, then for the end if there is one. The
    /// kernel reports an end together with the bytes in front of it.
    pub fn hear_all(&mut self) -> Result<()> {
        loop {
            let before = self.fake.script().incoming.len();
            let end = self.fake.script().end;
            let ready = if end.is_some() { CLOSED } else { READABLE };
            let (_, outcome) = self.event(ready);
            self.take_all();
            outcome?;
            let left = self.fake.script().incoming.len();
            if left == 0 || (left == before && self.seen.contains(&PipeEvent::HungUp)) {
                return Ok(());
            }
        }
    }

    pub fn send(&mut self, body: &[u8]) -> Flow {
        let mut coalescing = Coalescing::default();
        let (in_stream, close) = (self.in_stream, self.in_stream);
        coalescing.0.decided = Some(Decision { in_stream, close, size: 0, writes: 0, since: None });
        coalescing.set_wanted(!self.through);
        let mut message = Message::copy_of(body).unwrap();
        if self.pipe.append(&message.header, message.body.bytes(), message.kind, &coalescing) {
            self.appended += 1;
            return Flow::Open;
        }
        let (flow, flusher) = self.pipe.send(&mut message, false, &mut coalescing);
        self.by_itself += coalescing.0.decided.map_or(0, |decision| decision.writes);
        assert!(flusher != Flusher::IoThread || self.pipe.is_watched());
        if flusher == Flusher::Sender {
            self.flush().unwrap();
        }
        flow
    }

    /// As senders do, and the I/O thread until it finds nothing.
    pub fn flush(&mut self) -> std::result::Result<(), Error> {
        while let Some(mut batch) = self.pipe.start_flush() {
            let stream = Arc::clone(self.pipe.stream());
            let outcome = batch.write(&*stream);
            let context = context(&self.blocks, self.max_size);
            let (change, more) = self.pipe.finish_flush(batch, outcome, &context)?;
            self.note(&change);
            assert_eq!(more, self.pipe.wants_flush() && !self.pipe.is_watched());
        }
        let patient = self.pipe.waits_for_room();
        assert!(
            !self.pipe.is_watched() || self.pipe.unwatch() || patient,
            "a look found nothing, and there is something"
        );
        Ok(())
    }

    /// The kernel has room for so many bytes more, and says so.
    pub fn drain(&mut self, room: usize) -> Result<()> {
        self.fake.script().room = room;
        if self.pipe.wants_write() {
            self.event(WRITABLE).1?;
        }
        self.flush()
    }

    pub fn leave(&mut self, ending: Ending) -> bool {
        let context = context(&self.blocks, self.max_size);
        self.pipe.leave(ending, &context)
    }

    /// Bytes of these messages on this wire.
    pub fn wire(&self, bodies: &[Vec<u8>]) -> Vec<u8> {
        let framed = |body: &Vec<u8>| [&self.framing.prefix(Prefix::of_length(body.len()))[..], body].concat();
        bodies.iter().flat_map(framed).collect()
    }
}

pub fn context(blocks: &Blocks, max_size: Option<u64>) -> PipeContext<'_> {
    PipeContext { blocks, own: OWN, peer: PEER, max_size }
}

/// Bodies of these sizes, each byte telling where it belongs.
pub fn bodies(sizes: &[usize]) -> Vec<Vec<u8>> {
    let body =
        |(number, size): (usize, &usize)| (0..*size).map(|at| (number * 37 + at * 11 + (at >> 8)) as u8).collect();
    sizes.iter().enumerate().map(body).collect()
}
