//! A pipe over a byte stream: one connection that carries whole messages.
//!
//! ```text
//!   Opening ──connected──▶ Greeting ──peer fits──▶ Active ──peer closed──▶ HungUp
//!      └───────────────────────┴──── any fault ──────┤
//!                                                    └──leave──▶ Leaving ──all is with the kernel──▶ gone
//! ```
//!
//! Any fault is an error, after which the owner drops the pipe. A hung-up pipe still holds what was received
//! and not yet taken. A leaving pipe hands what was accepted for sending to the kernel. What becomes of what is sent is told in
//! `writing.rs`; where a pipe stands with its socket, in `core/lifecycle.rs`.

use std::io;
use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::core::lifecycle::Ending;
use crate::core::socket::Flow;
use crate::core::statistics::Carried;
use crate::core::{Error, Message, Result};

use super::blocks::Blocks;
use super::coalescing::counters::WriteCounters;
use super::coalescing::{Coalescing, Flusher};
use super::framing::{Framing, Language, Parsed, Prefix};
use super::inbox::{Fill, Inbox};
use super::outbox::Batch;
use super::stream::Stream;
use super::writing::Writing;

/// What the kernel reports of a descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    /// There is something to read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer will send no more; what it sent is in the kernel.
    pub closed: bool,
}

/// What has become of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PipeEvent {
    /// The OS connection came about.
    Connected,
    /// There is news for the handshake that precedes the greeting.
    Preparing,
    /// The greeting is done: the pipe can be attached.
    Greeted,
    /// A whole message can be taken.
    Readable,
    /// A whole message can be sent.
    Writable,
    /// The peer is gone; what is readable can still be taken.
    HungUp,
    /// A leaving pipe has nothing left to do.
    Gone,
}

/// Several at once, in their order; each at most once.
pub type PipeEvents = ArrayVec<PipeEvent, 6>;

/// What there is behind a message that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Nothing that is whole.
    Nothing,
    /// Another whole message.
    Message,
    /// The end: the peer is gone.
    HangUp,
}

/// What a pipe must know of its socket.
#[derive(Clone, Copy, Debug)]
pub struct PipeContext<'a> {
    pub blocks: &'a Blocks,
    /// Own endpoint type, and the one acceptable type of a peer.
    pub own: u16,
    pub peer: u16,
    /// NN_RCVMAXSIZE.
    pub max_size: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PipeState {
    /// A connect is under way, unless the stream was accepted, and so is connected.
    Opening {
        dialed: bool,
    },
    /// The stream shakes hands, elsewhere.
    Preparing,
    Greeting,
    Active(Input),
    /// `fault`: with what reading ended, if not with the peer's end-of-file.
    HungUp {
        whole: bool,
        fault: Option<Error>,
    },
    Leaving(Ending),
}

/// What there is to receive. Readiness is edge-triggered: what the kernel said is remembered until it has no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Input {
    /// No whole message, and the kernel had no more.
    Nothing,
    /// A whole message is in front of the inbox.
    Message,
    /// The same, and the kernel may have more bytes.
    MessageAndMore,
}

#[derive(Debug)]
pub struct StreamPipe {
    stream: Arc<dyn Stream>,
    framing: Language,
    state: PipeState,
    inbox: Inbox,
    writing: Writing,
    sent: u64,
    received: u64,
}

impl StreamPipe {
    /// `dialed`: a connect is under way; otherwise the stream was accepted and is connected.
    pub fn new(stream: Arc<dyn Stream>, framing: &'static dyn Framing, dialed: bool) -> StreamPipe {
        StreamPipe {
            stream,
            framing: Language::of(framing),
            state: PipeState::Opening { dialed },
            inbox: Inbox::default(),
            writing: Writing::default(),
            sent: 0,
            received: 0,
        }
    }

    pub fn stream(&self) -> &Arc<dyn Stream> {
        &self.stream
    }

    /// Whether writability matters: to learn the outcome of a connect, or to go on writing.
    pub fn wants_write(&self) -> bool {
        matches!(self.state, PipeState::Opening { .. } | PipeState::Preparing) || self.writing.is_kernel_full()
    }

    /// Behind how many bytes the kernel has no room for the rest. 0: it has, or nothing waits.
    #[inline]
    pub fn full_at(&self) -> u64 {
        // Whoever has sent has greeted.
        if self.writing.is_kernel_full() { self.writing.written().max(1) } else { 0 }
    }

    /// Whether news of room changes anything: somebody waits for it, or is writing and may find the kernel full.
    pub fn waits_for_room(&self) -> bool {
        self.wants_write() || self.writing.is_flushing()
    }

    /// Goes on after the kernel said something. An error ends the connection, after what changed before it.
    pub fn advance(&mut self, ready: Ready, context: &PipeContext<'_>) -> (PipeEvents, Result<()>) {
        let mut events = PipeEvents::new();
        let outcome = self.step(ready, context, &mut events);
        (events, outcome)
    }

    fn step(&mut self, ready: Ready, context: &PipeContext<'_>, events: &mut PipeEvents) -> Result<()> {
        // What the kernel may have for us. Whoever has just greeted looks in any case.
        let mut more = ready.readable || ready.closed;
        if let PipeState::Opening { dialed } = self.state {
            if !ready.writable && !ready.closed {
                return Ok(());
            }
            if dialed {
                self.stream.connected()?;
            }
            events.push(PipeEvent::Connected);
            match self.stream.needs_preparing() {
                true => self.state = PipeState::Preparing,
                false => self.greet(context)?,
            }
            more = true;
        }
        if self.state == PipeState::Preparing {
            events.push(PipeEvent::Preparing);
        }
        let greets = self.state == PipeState::Greeting;
        if greets && self.hear_greeting(&mut more, ready.closed, context)? {
            events.push(PipeEvent::Greeted);
        }
        if let PipeState::Active(before) = self.state {
            let outcome = self.read(more, ready.closed, context);
            if self.is_readable() && before == Input::Nothing {
                events.push(PipeEvent::Readable);
            }
            if greets {
                events.push(PipeEvent::Writable);
            }
            if self.is_hung_up() {
                events.push(PipeEvent::HungUp);
            }
            outcome?;
        }
        if matches!(self.state, PipeState::Leaving(_)) && self.discard_input(context) {
            events.push(PipeEvent::Gone);
        }
        if ready.writable {
            self.writing.room();
        }
        Ok(())
    }

    /// Sends a header and a body in the midst of a stream, framed as is usual, if nothing comes of that but that they wait with others.
    /// Otherwise nothing is done.
    #[inline(always)]
    pub fn append(&mut self, header: &[u8], body: &[u8], kind: u8, coalescing: &Coalescing) -> bool {
        if !self.is_active() {
            return false;
        }
        let prefix = self.framing.prefix(Prefix { len: (header.len() + body.len()) as u64, kind });
        if !self.writing.append(&prefix, header, body, coalescing) {
            return false;
        }
        self.sent += 1;
        true
    }

    /// A message is about to be sent here: it will be copied to memory that has not been looked at for long if there are many pipes.
    #[inline(always)]
    pub fn fetch_end(&self) {
        self.writing.fetch_end();
    }

    /// The same of a message that is about to be taken.
    #[inline(always)]
    pub fn fetch_front(&self) {
        self.inbox.fetch_front();
    }

    /// Sends a message: with those that precede it if any wait; otherwise at once, unless it is part of a stream, when
    /// it waits for those that follow. `again`: another pipe gets the message as well.
    pub fn send(&mut self, message: &mut Message<'_>, again: bool, coalescing: &mut Coalescing) -> (Flow, Flusher) {
        if !self.is_active() {
            return (Flow::Full, Flusher::Nobody);
        }
        let prefix = self.framing.prefix(Prefix { len: message.len() as u64, kind: message.kind });
        let (flow, flusher) = self.writing.send(&*self.stream, &prefix, (message, again), coalescing);
        self.sent += u64::from(flow != Flow::NoMemory);
        (flow, flusher)
    }

    /// Puts the next whole message into `into` if there is one, and tells what there is behind it.
    #[inline]
    pub fn take(&mut self, into: &mut Message<'_>, context: &PipeContext<'_>) -> Option<Behind> {
        if !self.is_readable() {
            return None;
        }
        // What was received is the user's, whatever is wrong with what follows.
        self.inbox.take(into, context.blocks);
        self.received += 1;
        match self.inbox.parse(&self.framing, context.max_size) {
            Ok(true) => Some(Behind::Message),
            incomplete => Some(self.look_behind(incomplete.err(), context)),
        }
    }

    /// Copies the next whole message to where it is wanted, if it fits there and another whole one is behind it: nothing comes of
    /// that. Its length; otherwise nothing is done.
    #[inline(always)]
    pub fn take_bytes(&mut self, room: &mut [u8], max_size: Option<u64>) -> Option<usize> {
        if !self.is_readable() {
            return None;
        }
        let len = self.inbox.take_bytes(room, &self.framing, max_size)?;
        self.received += 1;
        Some(len)
    }

    /// All that had been read is taken, but for the beginning of a message, or for what is no message.
    fn look_behind(&mut self, fault: Option<Error>, context: &PipeContext<'_>) -> Behind {
        let (was_active, more) = (self.is_active(), self.state == PipeState::Active(Input::MessageAndMore));
        self.set_input(false, false);
        if let Err(error) = fault.map_or_else(|| self.read(more, false, context), Err) {
            self.set_input(false, false);
            self.hang_up(Some(error));
        }
        match self.is_readable() {
            true => Behind::Message,
            false if was_active && self.is_hung_up() => Behind::HangUp,
            false => Behind::Nothing,
        }
    }

    /// Has writing shown that the descriptor is no longer ours? Then the pipe has to be told of its end.
    pub fn is_closed_under_us(&self) -> bool {
        self.writing.is_closed_under_us()
    }

    /// With what reading ended, if not with the peer's end-of-file.
    pub fn fault(&self) -> Option<Error> {
        match self.state {
            PipeState::HungUp { fault, .. } => fault,
            _ => None,
        }
    }

    /// What the peer has said so far, as long as it has not greeted as it should.
    pub fn heard(&self) -> Parsed<u16> {
        match self.state {
            PipeState::Greeting => self.framing.parse_greeting(self.inbox.bytes()),
            _ => Parsed::Partial,
        }
    }

    /// Is its stream shaking hands?
    pub fn is_preparing(&self) -> bool {
        self.state == PipeState::Preparing
    }

    /// The stream has shaken hands: goes on with the greeting. As [`StreamPipe::advance`].
    pub fn prepared(&mut self, context: &PipeContext<'_>) -> (PipeEvents, Result<()>) {
        match self.greet(context) {
            Ok(()) => self.advance(Ready { readable: true, ..Ready::default() }, context),
            Err(error) => (PipeEvents::new(), Err(error)),
        }
    }

    /// Is there a message to take?
    #[inline]
    pub fn is_readable(&self) -> bool {
        use Input::{Message, MessageAndMore};
        matches!(self.state, PipeState::Active(Message | MessageAndMore) | PipeState::HungUp { whole: true, .. })
    }

    /// Something to flush, without a lock; to be ended with [`StreamPipe::finish_flush`].
    pub fn start_flush(&mut self) -> Option<Batch> {
        self.writing.start_flush()
    }

    /// Takes back the rest of a flush. Says what became of the pipe, and whether more is to be flushed at
    /// once. After an error nothing more is written, but what the peer sent can still be read.
    pub fn finish_flush(
        &mut self,
        batch: Batch,
        outcome: io::Result<(usize, bool)>,
        context: &PipeContext<'_>,
    ) -> Result<(PipeEvents, bool)> {
        let (written, blocked) = match outcome {
            Ok(progress) => progress,
            Err(error) => {
                self.writing.fail_flush(batch, &*self.stream);
                return Err(error.into());
            }
        };
        let more = self.writing.finish_flush(batch, written, blocked);
        if self.is_hung_up() {
            self.writing.give_up(&*self.stream);
        }
        let mut events = PipeEvents::new();
        if self.writing.has_room_again(&*self.stream, blocked) && self.is_active() {
            events.push(PipeEvent::Writable);
        }
        if self.finish_leaving(context) {
            events.push(PipeEvent::Gone);
        }
        Ok((events, more && self.wants_flush()))
    }

    /// What it has carried. Bytes are counted as they are written and read, greeting and lengths included.
    pub fn carried(&self) -> Carried {
        Carried {
            messages_sent: self.sent,
            messages_received: self.received,
            bytes_sent: self.writing.written(),
            bytes_received: self.inbox.read(),
        }
    }

    /// Bytes read that nobody has received yet.
    pub fn unread(&self) -> usize {
        self.inbox.unread()
    }

    /// Bytes that have not come of a message that is too large to come with others.
    pub fn missing(&self) -> usize {
        self.inbox.missing()
    }

    /// Bytes accepted that the kernel has not.
    pub fn unsent(&self) -> usize {
        self.writing.unsent()
    }

    /// The next flush finds out by itself whether the kernel has room.
    pub fn try_anew(&mut self) {
        self.writing.room();
    }

    /// Is there something that a flush would write?
    pub fn wants_flush(&self) -> bool {
        self.writing.wants_flush()
    }

    /// By which whoever looks after it sees that more is coming.
    pub fn counters(&mut self) -> WriteCounters {
        self.writing.counters()
    }

    /// Is the I/O thread looking after it?
    pub fn is_watched(&self) -> bool {
        self.writing.is_watched()
    }

    /// The I/O thread found nothing to flush. False: something has come meanwhile, go on watching.
    pub fn unwatch(&mut self) -> bool {
        self.writing.unwatch()
    }

    /// Begins an orderly end. True if nothing is left to do. Otherwise it is when all is written, or, in a hurry, as soon as the
    /// flush that is under way has come back.
    pub fn leave(&mut self, ending: Ending, context: &PipeContext<'_>) -> bool {
        if !self.is_active() || !self.stream.is_ours() {
            return true;
        }
        self.state = PipeState::Leaving(ending);
        self.finish_leaving(context)
    }

    fn greet(&mut self, context: &PipeContext<'_>) -> Result<()> {
        let greeting = self.framing.greeting(context.own);
        self.writing.greet(&*self.stream, &greeting)?;
        self.state = PipeState::Greeting;
        Ok(())
    }

    /// True when the peer has greeted as it should. `more`: the kernel may have bytes.
    fn hear_greeting(&mut self, more: &mut bool, to_the_end: bool, context: &PipeContext<'_>) -> Result<bool> {
        loop {
            match self.framing.parse_greeting(self.inbox.bytes()) {
                Parsed::Whole { used, value } if value == context.peer => {
                    self.inbox.consume(used);
                    self.state = PipeState::Active(Input::Nothing);
                    return Ok(true);
                }
                Parsed::Whole { .. } | Parsed::Bad => return Err(Error::PROTO),
                Parsed::Partial => {}
            }
            if !*more {
                self.inbox.settle(context.blocks);
                return Ok(false);
            }
            match self.inbox.fill(&*self.stream, context.blocks, false)? {
                Fill::More => {}
                // The end that was reported with these bytes will not be reported again.
                Fill::Short if to_the_end => {}
                Fill::Short | Fill::Nothing => *more = false,
                Fill::Eof => return Err(Error::CONN_RESET),
            }
        }
    }

    /// Reads until a whole message is there or the kernel has no `more`. `to_the_end`: the peer closed, so
    /// everything is brought in before the end is told; how much that can be, the kernel's buffers limit.
    fn read(&mut self, more: bool, to_the_end: bool, context: &PipeContext<'_>) -> Result<()> {
        let mut whole = self.is_readable();
        let mut more = more || self.state == PipeState::Active(Input::MessageAndMore);
        loop {
            if !whole {
                whole = self.inbox.parse(&self.framing, context.max_size)?;
                self.inbox.tell(&*self.stream);
            }
            if !more || (whole && !to_the_end) {
                break;
            }
            match self.inbox.fill(&*self.stream, context.blocks, whole) {
                Ok(Fill::More) => {}
                Ok(Fill::Short) if to_the_end => {}
                Ok(Fill::Short | Fill::Nothing) => more = false,
                // A reset takes nothing away that is here already.
                Ok(Fill::Eof) => {
                    self.hang_up(None);
                    more = false;
                }
                Err(error) => {
                    self.hang_up(Some(error.into()));
                    more = false;
                }
            }
        }
        self.set_input(whole, more);
        if !whole {
            self.inbox.settle(context.blocks);
        }
        Ok(())
    }

    /// What there is to receive now: a whole message, and more in the kernel.
    #[inline]
    fn set_input(&mut self, message: bool, more: bool) {
        match &mut self.state {
            PipeState::Active(input) => {
                *input = match (message, more) {
                    (true, true) => Input::MessageAndMore,
                    (true, false) => Input::Message,
                    (false, _) => Input::Nothing,
                };
            }
            PipeState::HungUp { whole, .. } => *whole = message,
            PipeState::Opening { .. } | PipeState::Preparing | PipeState::Greeting | PipeState::Leaving(_) => {}
        }
    }

    /// Says end-of-file back, so that a leaving peer need not wait until all is taken.
    fn hang_up(&mut self, fault: Option<Error>) {
        match &mut self.state {
            PipeState::Active(input) => {
                self.state = PipeState::HungUp { whole: *input != Input::Nothing, fault };
                self.writing.give_up(&*self.stream);
            }
            PipeState::HungUp { fault: known, .. } => *known = fault.or(*known),
            PipeState::Opening { .. } | PipeState::Preparing | PipeState::Greeting | PipeState::Leaving(_) => {}
        }
    }

    #[inline]
    fn is_active(&self) -> bool {
        matches!(self.state, PipeState::Active(_))
    }

    fn is_hung_up(&self) -> bool {
        matches!(self.state, PipeState::HungUp { .. })
    }

    /// Has a leaving pipe nothing left to do?
    fn finish_leaving(&mut self, context: &PipeContext<'_>) -> bool {
        let PipeState::Leaving(ending) = self.state else { return false };
        if ending == Ending::AtOnce && !self.writing.is_flushing() {
            self.writing.hand_over(&*self.stream);
        }
        let written = self.unsent() == 0;
        if !written && (ending != Ending::AtOnce || self.writing.is_flushing()) {
            return false;
        }
        if written {
            self.stream.say_goodbye();
        }
        let holds = ending == Ending::HalfClose && self.sent > 0 && self.stream.shut_write().is_ok();
        // Closing with unread input would reset the connection, and a reset may cost the peer what
        // it has not read yet.
        self.discard_input(context) || !holds
    }

    /// Reads and forgets what a leaving pipe still receives. True at the peer's end-of-file.
    fn discard_input(&mut self, context: &PipeContext<'_>) -> bool {
        self.inbox = Inbox::default();
        while let Ok(fill) = self.inbox.fill(&*self.stream, context.blocks, false) {
            let end = self.inbox.bytes().len();
            self.inbox.consume(end);
            match fill {
                Fill::More | Fill::Short => {}
                Fill::Nothing => {
                    self.inbox.settle(context.blocks);
                    return false;
                }
                Fill::Eof => return true,
            }
        }
        true
    }
}
