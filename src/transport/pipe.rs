//! A pipe over a byte stream: one connection that carries whole messages.
//!
//! ```text
//!   Opening ──connected──▶ Greeting ──peer fits──▶ Active ──peer closed──▶ HungUp
//!      └───────────────────────┴──── any fault ──────┤
//!                                                    └──leave──▶ Leaving ──all is with the kernel──▶ gone
//! ```
//!
//! Any fault is an error, after which the owner drops the pipe. A hung-up pipe still holds what was received
//! and not yet taken. A leaving pipe hands what was accepted for sending to the kernel.

use std::io;
use std::sync::Arc;

use crate::core::lifecycle::Ending;
use crate::core::socket::Flow;
use crate::core::{Error, Message, Result};

use super::blocks::Blocks;
use super::coalescing::Coalescing;
use super::coalescing::counters::WriteCounters;
use super::framing::{Framing, Parsed, Prefix};
use super::inbox::{Fill, Inbox};
use super::outbox::{BUFFER, Batch, COALESCED, Failure, Outbox};
use super::stream::Stream;

/// Looks for which a pipe against a full kernel is watched on: to have it watched anew wakes the I/O thread.
const PATIENCE: u8 = 16;

/// What the kernel reports of a descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    pub readable: bool,
    pub writable: bool,
    /// The peer will send no more; what it sent is in the kernel.
    pub closed: bool,
}

/// What became of a pipe by an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PipeEvents {
    /// The OS connection came about.
    pub connected: bool,
    /// The greeting is done: the pipe can be attached.
    pub greeted: bool,
    /// A whole message can be taken.
    pub readable: bool,
    pub writable: bool,
    /// The peer is gone; what is readable can still be taken.
    pub hung_up: bool,
    /// There is news for the handshake that precedes the greeting.
    pub prepares: bool,
    /// A leaving pipe has nothing left to do.
    pub gone: bool,
}

/// What a pipe wants from the reactor after a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlushHint {
    Nothing,
    /// The I/O thread to flush it now, and to look after it while the stream lasts.
    Watch,
    /// The sender itself to flush it as soon as it has let go of the lock: the buffer is full.
    Flush,
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
enum State {
    Opening,
    /// The stream shakes hands, elsewhere.
    Preparing,
    Greeting,
    Active,
    HungUp,
    Leaving(Ending),
}

#[derive(Debug)]
pub struct StreamPipe {
    stream: Arc<dyn Stream>,
    framing: &'static dyn Framing,
    dialed: bool,
    state: State,
    inbox: Inbox,
    outbox: Outbox,
    /// The kernel may have bytes for us (readiness is edge-triggered: this remembers the edge).
    kernel_readable: bool,
    /// A whole message is in front of the inbox.
    whole: bool,
    /// The kernel took less than we had: wait for writability.
    kernel_full: bool,
    /// The kernel said that it has room while a flush was under way: what that flush found is old news.
    room: bool,
    /// The kernel may not take what the outbox has and another message; writable again when that is written.
    full: bool,
    /// Bytes that the kernel has room for, as it said since the last write. No stream is coalesced beyond them, so what is accepted is
    /// with the kernel as soon as it is written, but for one message.
    granted: usize,
    /// The I/O thread looks after what is appended, until a look finds nothing.
    watched: bool,
    /// Something was appended during a flush that must not wait for the next look.
    urgent: bool,
    /// Looks since the last flush that found the kernel full. A receiver that reads at all is soon done with that.
    stuck: u8,
    /// A pipe that never streams needs none.
    counters: Option<WriteCounters>,
    /// Something was ever sent: an end must be orderly.
    used: bool,
    /// Writing has shown that the descriptor is no longer ours. Nothing is reported of it any more.
    is_closed_under_us: bool,
    /// With what reading ended, if not with the peer's end-of-file.
    fault: Option<Error>,
}

impl StreamPipe {
    /// `dialed`: a connect is under way; otherwise the stream was accepted and is connected.
    pub fn new(stream: Arc<dyn Stream>, framing: &'static dyn Framing, dialed: bool) -> StreamPipe {
        StreamPipe {
            stream,
            framing,
            dialed,
            state: State::Opening,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            kernel_readable: false,
            whole: false,
            kernel_full: false,
            room: false,
            full: false,
            granted: 0,
            watched: false,
            urgent: false,
            stuck: 0,
            counters: None,
            used: false,
            is_closed_under_us: false,
            fault: None,
        }
    }

    pub fn stream(&self) -> &Arc<dyn Stream> {
        &self.stream
    }

    /// Whether writability matters: to learn the outcome of a connect, or to go on writing.
    pub fn wants_write(&self) -> bool {
        matches!(self.state, State::Opening | State::Preparing) || (self.kernel_full && !self.outbox.is_flushing())
    }

    /// Whether news of room changes anything: somebody waits for it, or is writing and may find the kernel full.
    pub fn waits_for_room(&self) -> bool {
        matches!(self.state, State::Opening | State::Preparing) || self.kernel_full || self.outbox.is_flushing()
    }

    /// Goes on after the kernel said something. An error ends the connection, after what changed before it.
    pub fn advance(&mut self, ready: Ready, context: &PipeContext<'_>) -> (PipeEvents, Result<()>) {
        let mut change = PipeEvents::default();
        let outcome = self.step(ready, context, &mut change);
        (change, outcome)
    }

    fn step(&mut self, ready: Ready, context: &PipeContext<'_>, change: &mut PipeEvents) -> Result<()> {
        self.kernel_readable |= ready.readable || ready.closed;
        if self.state == State::Opening {
            if !ready.writable && !ready.closed {
                return Ok(());
            }
            if self.dialed {
                self.stream.connected()?;
            }
            change.connected = true;
            match self.stream.needs_preparing() {
                true => self.state = State::Preparing,
                false => self.greet(context)?,
            }
        }
        change.prepares = self.state == State::Preparing;
        if self.state == State::Greeting {
            self.hear_greeting(ready.closed, context)?;
            change.greeted = self.state == State::Active;
            change.writable = change.greeted;
        }
        if self.state == State::Active {
            let before = self.whole;
            let outcome = self.read(ready.closed, context);
            change.readable = self.whole && !before;
            change.hung_up = self.state == State::HungUp;
            outcome?;
        }
        if let State::Leaving(_) = self.state {
            change.gone = self.discard_input(context);
        }
        if ready.writable {
            self.kernel_full = false;
            self.room = true;
        }
        Ok(())
    }

    /// Sends a message: with those that precede it if any wait; otherwise at once, unless it is `in_stream`, when
    /// it waits for those that follow. `again`: another pipe gets the message as well.
    #[inline]
    pub fn send(&mut self, message: &mut Message<'_>, again: bool, coalescing: &mut Coalescing) -> (Flow, FlushHint) {
        if self.state != State::Active {
            return (Flow::Full, FlushHint::Nothing);
        }
        self.used = true;
        let prefix = self.framing.prefix(Prefix { len: message.len() as u64, kind: message.kind });
        let total = prefix.len() + message.len();
        let waits = !self.outbox.is_empty()
            || (message.len() < COALESCED && coalescing.in_stream(message.len()) && self.is_granted(total));
        let outcome = if waits {
            if let Some(counters) = &self.counters {
                counters.appended(total);
            }
            self.outbox.push(&prefix, message, again)
        } else {
            let outcome = self.outbox.write(&*self.stream, &prefix, message, again);
            self.kernel_full = !self.outbox.is_empty();
            self.granted = 0;
            outcome
        };
        match outcome {
            Err(Failure::NoMemory) => return (Flow::NoMemory, FlushHint::Nothing),
            // The reactor reports the same fault as an event, and that ends the pipe. Not so when there is no memory for the rest
            // of a message that was begun: then the end-of-file makes the peer end it, and the sender knows.
            Err(Failure::Broken(error)) => {
                self.is_closed_under_us |= matches!(error.errno(), libc::EBADF | libc::ENOTSOCK);
                self.give_up_writing();
                if error == Error::NO_MEMORY {
                    return (Flow::NoMemory, FlushHint::Nothing);
                }
            }
            Ok(()) => {}
        }
        self.full = self.kernel_full || (waits && !self.is_granted(total));
        let flow = if self.full { Flow::Full } else { Flow::Open };
        (flow, self.hint(total, coalescing))
    }

    /// Whether the kernel has room for all that waits and as many bytes more. It is asked once per buffer; small writes take far more
    /// of its room than they have bytes, so what it said before the last one is of no use.
    fn is_granted(&mut self, more: usize) -> bool {
        let wanted = self.outbox.pending() + more;
        if wanted > self.granted {
            self.granted = self.stream.room();
        }
        wanted <= self.granted
    }

    /// Such as the last one, of `total` bytes, the next one will be.
    #[inline]
    fn hint(&mut self, total: usize, coalescing: &Coalescing) -> FlushHint {
        if self.kernel_full || self.outbox.is_empty() {
            FlushHint::Nothing
        } else if self.outbox.is_flushing() {
            self.urgent |= coalescing.writes_through();
            FlushHint::Nothing
        } else if self.outbox.pending() + total > BUFFER || self.full || coalescing.writes_through() {
            FlushHint::Flush
        } else if !self.watched {
            self.watched = true;
            FlushHint::Watch
        } else {
            FlushHint::Nothing
        }
    }

    /// Puts the next whole message into `into` if there is one, and tells what became of the pipe by looking for another
    /// one behind it.
    pub fn take(&mut self, into: &mut Message<'_>, context: &PipeContext<'_>) -> (bool, PipeEvents) {
        if !std::mem::take(&mut self.whole) {
            return (false, PipeEvents::default());
        }
        let was_active = self.state == State::Active;
        // What was received is the user's, whatever is wrong with what follows.
        self.inbox.take(into, context.blocks);
        if let Err(error) = self.read(false, context) {
            self.fault = Some(error);
            self.whole = false;
            self.hang_up();
        }
        let hung_up = was_active && self.state == State::HungUp;
        (true, PipeEvents { readable: self.whole, hung_up, ..PipeEvents::default() })
    }

    /// Was it made by connecting?
    pub fn is_dialed(&self) -> bool {
        self.dialed
    }

    /// Has writing shown that the descriptor is no longer ours? Then the pipe has to be told of its end.
    pub fn is_closed_under_us(&self) -> bool {
        self.is_closed_under_us
    }

    /// With what reading ended, if not with the peer's end-of-file.
    pub fn fault(&self) -> Option<Error> {
        self.fault
    }

    /// What the peer has said so far, as long as it has not greeted as it should.
    pub fn heard(&self) -> Parsed<u16> {
        match self.state {
            State::Greeting => self.framing.parse_greeting(self.inbox.bytes()),
            _ => Parsed::Partial,
        }
    }

    /// Is its stream shaking hands?
    pub fn is_preparing(&self) -> bool {
        self.state == State::Preparing
    }

    /// The stream has shaken hands: goes on with the greeting. As [`StreamPipe::advance`].
    pub fn prepared(&mut self, context: &PipeContext<'_>) -> (PipeEvents, Result<()>) {
        match self.greet(context) {
            Ok(()) => self.advance(Ready { readable: true, ..Ready::default() }, context),
            Err(error) => (PipeEvents::default(), Err(error)),
        }
    }

    /// Is there a message to take?
    pub fn is_readable(&self) -> bool {
        self.whole
    }

    /// Something to flush, without a lock; to be ended with [`StreamPipe::finish_flush`].
    pub fn start_flush(&mut self) -> Option<Batch> {
        let batch = if self.kernel_full { None } else { self.outbox.start_flush() }?;
        // (Not if somebody else is flushing: the news is for him.)
        self.room = false;
        self.granted = 0;
        self.stuck = 0;
        if let Some(counters) = &self.counters {
            counters.flushed();
        }
        Some(batch)
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
                self.outbox.finish_flush(batch, 0);
                self.give_up_writing();
                return Err(error.into());
            }
        };
        self.outbox.finish_flush(batch, written);
        self.kernel_full = blocked && !self.room;
        if self.state == State::HungUp {
            self.give_up_writing();
        }
        let has_room = !blocked && (self.outbox.is_empty() || self.is_granted(0));
        let writable = self.full && has_room;
        self.full &= !writable;
        let writable = writable && self.state == State::Active;
        let gone = self.finish_leaving(context);
        let urgent = std::mem::take(&mut self.urgent);
        let more = (blocked || urgent || !self.watched) && self.wants_flush();
        Ok((PipeEvents { writable, gone, ..PipeEvents::default() }, more))
    }

    /// Bytes accepted that the kernel has not.
    pub fn unsent(&self) -> usize {
        self.outbox.pending()
    }

    /// The next flush finds out by itself whether the kernel has room.
    pub fn try_anew(&mut self) {
        self.kernel_full = false;
    }

    /// Is there something that a flush would write?
    pub fn wants_flush(&self) -> bool {
        !self.kernel_full && !self.outbox.is_empty() && !self.outbox.is_flushing()
    }

    /// By which whoever looks after it sees that more is coming.
    pub fn counters(&mut self) -> WriteCounters {
        self.counters.get_or_insert_default().clone()
    }

    /// Is the I/O thread looking after it?
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// The I/O thread found nothing to flush. False: something has come meanwhile, go on watching.
    pub fn unwatch(&mut self) -> bool {
        self.stuck = if self.kernel_full { self.stuck + 1 } else { 0 };
        self.watched = self.wants_flush() || (1..PATIENCE).contains(&self.stuck);
        if !self.watched {
            self.stuck = 0;
            self.outbox.relax();
        }
        !self.watched
    }

    /// Begins an orderly end. True if nothing is left to do. Otherwise it is when all is written, or, in a hurry, as soon as the
    /// flush that is under way has come back.
    pub fn leave(&mut self, ending: Ending, context: &PipeContext<'_>) -> bool {
        if self.state != State::Active || !self.stream.is_ours() {
            return true;
        }
        self.state = State::Leaving(ending);
        self.whole = false;
        self.finish_leaving(context)
    }

    fn greet(&mut self, context: &PipeContext<'_>) -> Result<()> {
        let greeting = self.framing.greeting(context.own);
        self.outbox.write(&*self.stream, &greeting, &mut Message::default(), false)?;
        self.kernel_full = !self.outbox.is_empty();
        self.state = State::Greeting;
        self.kernel_readable = true;
        Ok(())
    }

    fn hear_greeting(&mut self, to_the_end: bool, context: &PipeContext<'_>) -> Result<()> {
        loop {
            match self.framing.parse_greeting(self.inbox.bytes()) {
                Parsed::Whole { used, value } if value == context.peer => {
                    self.inbox.consume(used);
                    self.state = State::Active;
                    return Ok(());
                }
                Parsed::Whole { .. } | Parsed::Bad => return Err(Error::PROTO),
                Parsed::Partial => {}
            }
            if !self.kernel_readable {
                self.inbox.settle(context.blocks);
                return Ok(());
            }
            match self.inbox.fill(&*self.stream, context.blocks, false)? {
                Fill::More => {}
                // The end that was reported with these bytes will not be reported again.
                Fill::Short if to_the_end => {}
                Fill::Short | Fill::Nothing => self.kernel_readable = false,
                Fill::Eof => return Err(Error::CONN_RESET),
            }
        }
    }

    /// Reads until a whole message is there or the kernel has no more. `to_the_end`: the peer closed, so
    /// everything is brought in before the end is told; how much that can be, the kernel's buffers limit.
    fn read(&mut self, to_the_end: bool, context: &PipeContext<'_>) -> Result<()> {
        loop {
            if !self.whole {
                self.whole = self.inbox.parse(self.framing, context.max_size)?;
            }
            if !self.kernel_readable || (self.whole && !to_the_end) {
                break;
            }
            match self.inbox.fill(&*self.stream, context.blocks, self.whole) {
                Ok(Fill::More) => {}
                Ok(Fill::Short) if to_the_end => {}
                Ok(Fill::Short | Fill::Nothing) => self.kernel_readable = false,
                // A reset takes nothing away that is here already.
                Ok(Fill::Eof) => self.hang_up(),
                Err(error) => {
                    self.fault = Some(error.into());
                    self.hang_up();
                }
            }
        }
        if !self.whole {
            self.inbox.settle(context.blocks);
        }
        Ok(())
    }

    /// Says end-of-file back, so that a leaving peer need not wait until all is taken.
    fn hang_up(&mut self) {
        self.kernel_readable = false;
        if self.state == State::Active {
            self.state = State::HungUp;
            self.give_up_writing();
        }
    }

    /// Nobody will read what is pending.
    fn give_up_writing(&mut self) {
        let _ = self.stream.shut_write();
        self.outbox.clear();
        self.kernel_full = false;
    }

    /// Has a leaving pipe nothing left to do?
    fn finish_leaving(&mut self, context: &PipeContext<'_>) -> bool {
        let State::Leaving(ending) = self.state else { return false };
        if ending == Ending::AtOnce && !self.outbox.is_flushing() {
            self.hand_over();
        }
        let written = self.outbox.is_empty();
        if !written && (ending != Ending::AtOnce || self.outbox.is_flushing()) {
            return false;
        }
        if written {
            self.stream.say_goodbye();
        }
        let holds = ending == Ending::HalfClose && self.used && self.stream.shut_write().is_ok();
        // Closing with unread input would reset the connection, and a reset may cost the peer what
        // it has not read yet.
        self.discard_input(context) || !holds
    }

    /// Writes what the kernel takes now. What an error takes away, it takes away from a pipe that is about to go.
    fn hand_over(&mut self) {
        self.kernel_full = false;
        while let Some(mut batch) = self.start_flush() {
            let (written, blocked) = batch.write(&*self.stream).unwrap_or((0, true));
            self.outbox.finish_flush(batch, written);
            self.kernel_full = blocked;
        }
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
