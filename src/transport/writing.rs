//! The writing half of a pipe: what goes out now, what waits, and who is to write it.
//!
//! ```text
//!             start_flush               the kernel took all
//!   Idle ───────────────────▶ Flushing ────────────────────▶ Idle
//!    │                          │ it is full, and has not said since that it has room
//!    └── a send finds it full ──┴──▶ KernelFull ── it has room ──▶ Idle
//!
//!   any of them ── nobody will read what is written ──▶ Over, once no flush is under way
//! ```
//!
//! Two things do not depend on that: what room the kernel is known to have ([`KernelRoom`]), and whether the I/O thread looks after what is
//! appended ([`BackgroundFlush`]), which it does on and on while a stream lasts.

use crate::core::socket::Flow;
use crate::core::{Body, Error, Message};

use super::coalescing::counters::WriteCounters;
use super::coalescing::{Coalescing, Flusher, flusher};
use super::framing::PrefixBytes;
use super::outbox::{BUFFER, Batch, COALESCED, Outbox, SendFailure};
use super::stream::Stream;

/// Looks for which a pipe against a full kernel is watched on: to have it watched anew wakes the I/O thread.
const PATIENCE: u8 = 16;

/// What becomes of what waits in the outbox. (Which state it is has a byte of its own: hidden in one of `Flushing`, it takes six instructions
/// to find out.)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
enum WriteState {
    /// Whoever comes may write it, if there is anything.
    #[default]
    Idle,
    /// The kernel took less than we had: wait for writability.
    KernelFull,
    /// Somebody writes it, without the lock.
    Flushing {
        /// The kernel said meanwhile that it has room: what this flush finds is old news.
        room: bool,
        /// Something was appended meanwhile that must not wait for the next look.
        urgent: bool,
    },
    /// Nobody will read what is written, so nothing is. What is sent is forgotten: the socket is about to hear of the end.
    Over,
    /// The same, because the descriptor is no longer ours: the socket will hear of it from nobody else.
    ClosedUnderUs,
}

/// What room the kernel is known to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum KernelRoom {
    /// For so many bytes, as it said since the last write. No stream is coalesced beyond them, so what is accepted is with the kernel
    /// as soon as it is written, but for one message.
    Granted(usize),
    /// It may not take what the outbox has and another message. The socket was told, and hears when all that is written.
    Full,
}

/// Does the I/O thread look after what is appended? It does until a look finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum BackgroundFlush {
    #[default]
    No,
    /// So many looks since the last flush have found the kernel full. A receiver that reads at all is soon done with that.
    Stuck(u8),
}

impl Default for KernelRoom {
    fn default() -> KernelRoom {
        KernelRoom::Granted(0)
    }
}

#[derive(Debug, Default)]
pub struct Writing {
    outbox: Outbox,
    state: WriteState,
    room: KernelRoom,
    background: BackgroundFlush,
    /// A pipe that never streams needs none.
    counters: Option<WriteCounters>,
}

impl Writing {
    /// Writes what precedes all messages.
    pub fn greet(&mut self, stream: &dyn Stream, greeting: &[u8]) -> Result<(), SendFailure> {
        self.outbox.write(stream, &PrefixBytes::default(), &mut Message::new(Body::Borrowed(greeting)), false)?;
        self.state = self.after_write();
        Ok(())
    }

    /// In the midst of a stream: appends the message to those that wait, if nothing else comes of it. Otherwise it is to be sent.
    #[inline(always)]
    pub fn append(&mut self, prefix: &PrefixBytes, header: &[u8], body: &[u8], coalescing: &Coalescing) -> bool {
        let (total, pending) = (prefix.len() + header.len() + body.len(), self.outbox.pending());
        // Another one like it must fit as well.
        let next = pending + 2 * total;
        // (Not a `match`, which would be a jump by a table.)
        let goes_on = if self.state == WriteState::Idle {
            self.is_watched() && next <= BUFFER
        } else {
            matches!(self.state, WriteState::Flushing { .. })
        };
        let has_room = matches!(self.room, KernelRoom::Granted(granted) if next <= granted);
        let is_all = goes_on && pending > 0 && has_room;
        if !is_all || coalescing.writes_through() || !self.outbox.append(prefix, header, body) {
            return false;
        }
        if let Some(counters) = &self.counters {
            counters.appended(total);
        }
        true
    }

    /// A message is about to be sent.
    #[inline(always)]
    pub fn fetch_end(&self) {
        self.outbox.fetch_end();
    }

    /// Sends a message: with those that precede it if any wait; otherwise at once, unless it is part of a stream, when it waits
    /// for those that follow. `again`: another pipe gets the message as well.
    pub fn send(
        &mut self,
        stream: &dyn Stream,
        prefix: &PrefixBytes,
        (message, again): (&mut Message<'_>, bool),
        coalescing: &mut Coalescing,
    ) -> (Flow, Flusher) {
        if self.is_over() {
            return (Flow::Open, Flusher::Nobody);
        }
        let total = prefix.len() + message.len();
        let waits = !self.outbox.is_empty()
            || (message.len() < COALESCED && coalescing.in_stream(message.len()) && self.is_granted(stream, total));
        let outcome = if waits {
            if let Some(counters) = &self.counters {
                counters.appended(total);
            }
            self.outbox.push(prefix, message, again)
        } else {
            let outcome = self.outbox.write(stream, prefix, message, again);
            self.state = self.after_write();
            self.room = KernelRoom::Granted(0);
            coalescing.wrote_one();
            outcome
        };
        match outcome {
            Err(SendFailure::NoMemory) => return (Flow::NoMemory, Flusher::Nobody),
            // The reactor reports the same fault as an event, and that ends the pipe. Not so when there is no memory for the rest
            // of a message that was begun: then the end-of-file makes the peer end it, and the sender knows.
            Err(SendFailure::Broken(error)) => {
                self.give_up(stream);
                if matches!(error.errno(), libc::EBADF | libc::ENOTSOCK) {
                    self.state = WriteState::ClosedUnderUs;
                }
                let flow = if error == Error::NO_MEMORY { Flow::NoMemory } else { Flow::Open };
                return (flow, Flusher::Nobody);
            }
            Ok(()) => {}
        }
        let full = self.is_kernel_full() || (waits && !self.is_granted(stream, total));
        if full {
            self.room = KernelRoom::Full;
        }
        let flow = if full { Flow::Full } else { Flow::Open };
        (flow, self.flusher(total, coalescing))
    }

    /// Whether the kernel has room for all that waits and as many bytes more. It is asked once per buffer; small writes take far more
    /// of its room than they have bytes, so what it said before the last one is of no use.
    fn is_granted(&mut self, stream: &dyn Stream, more: usize) -> bool {
        let wanted = self.outbox.pending() + more;
        let granted = match self.room {
            KernelRoom::Granted(granted) if wanted <= granted => return true,
            KernelRoom::Granted(_) | KernelRoom::Full => stream.room(),
        };
        self.room = KernelRoom::Granted(granted);
        wanted <= granted
    }

    /// Who writes what waits, if the next message is as the last one, of `total` bytes.
    #[inline]
    fn flusher(&mut self, total: usize, coalescing: &Coalescing) -> Flusher {
        match &mut self.state {
            _ if self.outbox.is_empty() => Flusher::Nobody,
            WriteState::Idle => {
                let is_full = self.outbox.pending() + total > BUFFER || self.room == KernelRoom::Full;
                let flusher = flusher(is_full || coalescing.writes_through(), self.is_watched(), || true);
                if flusher == Flusher::IoThread {
                    self.background = BackgroundFlush::Stuck(0);
                }
                flusher
            }
            WriteState::Flushing { urgent, .. } => {
                *urgent |= coalescing.writes_through();
                Flusher::Nobody
            }
            WriteState::KernelFull | WriteState::Over | WriteState::ClosedUnderUs => Flusher::Nobody,
        }
    }

    /// Nothing had been waiting: has the kernel taken all?
    fn after_write(&self) -> WriteState {
        if self.outbox.is_empty() { WriteState::Idle } else { WriteState::KernelFull }
    }

    /// Something to flush, without a lock; to be ended with [`Writing::finish_flush`].
    pub fn start_flush(&mut self) -> Option<Batch> {
        if self.state != WriteState::Idle {
            return None;
        }
        let batch = self.outbox.start_flush()?;
        self.state = WriteState::Flushing { room: false, urgent: false };
        if self.room != KernelRoom::Full {
            self.room = KernelRoom::Granted(0);
        }
        if self.is_watched() {
            self.background = BackgroundFlush::Stuck(0);
        }
        if let Some(counters) = &self.counters {
            counters.flushed();
        }
        Some(batch)
    }

    /// Takes back the rest of a flush of which `written` bytes have been written, `blocked` by the kernel or not. Says whether
    /// more is to be flushed at once.
    pub fn finish_flush(&mut self, batch: Batch, written: usize, blocked: bool) -> bool {
        let WriteState::Flushing { room, urgent } = self.state else { return false };
        self.outbox.finish_flush(batch, written);
        // Asked meanwhile, the kernel may have told of the room that was before this write.
        if let KernelRoom::Granted(granted) = &mut self.room {
            *granted = granted.saturating_sub(written);
        }
        self.state = if blocked && !room { WriteState::KernelFull } else { WriteState::Idle };
        (blocked || urgent || !self.is_watched()) && self.wants_flush()
    }

    /// A flush has failed. Nothing more is written.
    pub fn fail_flush(&mut self, batch: Batch, stream: &dyn Stream) {
        self.outbox.finish_flush(batch, 0);
        self.state = WriteState::Idle;
        self.give_up(stream);
    }

    /// Behind a flush that was `blocked` or not: is there room for messages again, where there was none? Tells it once.
    pub fn has_room_again(&mut self, stream: &dyn Stream, blocked: bool) -> bool {
        if blocked {
            return false;
        }
        let was_full = self.room == KernelRoom::Full;
        let has_room = self.outbox.is_empty() || self.is_granted(stream, 0);
        match (was_full, has_room) {
            (true, true) if self.outbox.is_empty() => self.room = KernelRoom::Granted(0),
            (true, false) => self.room = KernelRoom::Full,
            _ => {}
        }
        was_full && has_room
    }

    /// The kernel says that it has room, or whoever flushes next is to find out.
    pub fn room(&mut self) {
        match &mut self.state {
            WriteState::KernelFull => self.state = WriteState::Idle,
            WriteState::Flushing { room, .. } => *room = true,
            WriteState::Idle | WriteState::Over | WriteState::ClosedUnderUs => {}
        }
    }

    /// Nobody will read what is pending. A flush that is under way gives up when it comes back.
    pub fn give_up(&mut self, stream: &dyn Stream) {
        let _ = stream.shut_write();
        self.outbox.clear();
        if let WriteState::Idle | WriteState::KernelFull = self.state {
            self.state = WriteState::Over;
        }
    }

    /// Writes what the kernel takes now. What an error takes away, it takes away from a pipe that is about to go.
    pub fn hand_over(&mut self, stream: &dyn Stream) {
        self.room();
        while let Some(mut batch) = self.start_flush() {
            let (written, blocked) = batch.write(stream).unwrap_or((0, true));
            self.finish_flush(batch, written, blocked);
        }
    }

    /// The I/O thread found nothing to flush. False: something has come meanwhile, go on watching.
    pub fn unwatch(&mut self) -> bool {
        let stuck = match (self.state, self.background) {
            (WriteState::KernelFull, BackgroundFlush::Stuck(looks)) => looks + 1,
            (WriteState::KernelFull, BackgroundFlush::No) => 1,
            _ => 0,
        };
        let goes_on = self.wants_flush() || (1..PATIENCE).contains(&stuck);
        self.background = if goes_on { BackgroundFlush::Stuck(stuck) } else { BackgroundFlush::No };
        if !goes_on {
            self.outbox.relax();
        }
        !goes_on
    }

    /// Is the I/O thread looking after it?
    pub fn is_watched(&self) -> bool {
        self.background != BackgroundFlush::No
    }

    /// Is there something that a flush would write?
    pub fn wants_flush(&self) -> bool {
        self.state == WriteState::Idle && !self.outbox.is_empty()
    }

    pub fn is_flushing(&self) -> bool {
        matches!(self.state, WriteState::Flushing { .. })
    }

    pub fn is_kernel_full(&self) -> bool {
        self.state == WriteState::KernelFull
    }

    /// Bytes accepted that the kernel has not.
    pub fn unsent(&self) -> usize {
        self.outbox.pending()
    }

    /// Bytes that the kernel has taken so far.
    pub fn written(&self) -> u64 {
        self.outbox.written()
    }

    fn is_over(&self) -> bool {
        matches!(self.state, WriteState::Over | WriteState::ClosedUnderUs)
    }

    pub fn is_closed_under_us(&self) -> bool {
        self.state == WriteState::ClosedUnderUs
    }

    /// By which whoever looks after it sees that more is coming.
    pub fn counters(&mut self) -> WriteCounters {
        self.counters.get_or_insert_default().clone()
    }
}
