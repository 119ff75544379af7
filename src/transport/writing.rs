//! The writing half of a pipe: what goes out now, what waits, and who is to write it.
//!
//! ```text
//!             start_flush               the kernel took all
//!   Idle ───────────────────▶ Flushing ────────────────────▶ Idle
//!    │                          │ it is full, and has not said since that it has room
//!    └── a send finds it full ──┴──▶ KernelFull ── it has room ──▶ Idle
//! ```

use crate::core::socket::Flow;
use crate::core::{Error, Message};

use super::coalescing::Coalescing;
use super::coalescing::counters::WriteCounters;
use super::outbox::{BUFFER, Batch, COALESCED, Failure, Outbox};
use super::stream::Stream;

/// Looks for which a pipe against a full kernel is watched on: to have it watched anew wakes the I/O thread.
const PATIENCE: u8 = 16;

/// What a pipe wants from the reactor after a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlushHint {
    Nothing,
    /// The I/O thread to flush it now, and to look after it while the stream lasts.
    Watch,
    /// The sender itself to flush it as soon as it has let go of the lock: the buffer is full.
    Flush,
}

/// What becomes of what waits in the outbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Progress {
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
}

/// Does the I/O thread look after what is appended? It does until a look finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Watch {
    #[default]
    No,
    /// So many looks since the last flush have found the kernel full. A receiver that reads at all is soon done with that.
    Stuck(u8),
}

/// What sending has shown so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum History {
    /// Nothing was ever sent.
    #[default]
    Unused,
    /// Something was: an end must be orderly.
    Used,
    /// The descriptor is no longer ours. Nothing is reported of it any more.
    ClosedUnderUs,
}

#[derive(Debug, Default)]
pub struct Writing {
    outbox: Outbox,
    progress: Progress,
    watch: Watch,
    history: History,
    /// The kernel may not take what the outbox has and another message; writable again when that is written.
    full: bool,
    /// Bytes that the kernel has room for, as it said since the last write. No stream is coalesced beyond them, so what is accepted is
    /// with the kernel as soon as it is written, but for one message.
    granted: usize,
    /// A pipe that never streams needs none.
    counters: Option<WriteCounters>,
}

impl Writing {
    /// Writes what precedes all messages.
    pub fn greet(&mut self, stream: &dyn Stream, greeting: &[u8]) -> Result<(), Failure> {
        self.outbox.write(stream, greeting, &mut Message::default(), false)?;
        self.progress = self.after_write();
        Ok(())
    }

    /// In the midst of a stream: appends the message to those that wait, if nothing else comes of it. Otherwise it is to be sent.
    #[inline]
    pub fn append(&mut self, prefix: &[u8], message: &Message<'_>, coalescing: &Coalescing) -> bool {
        let (total, pending) = (prefix.len() + message.len(), self.outbox.pending());
        // Another one like it must fit as well.
        let next = pending + 2 * total;
        let goes_on = match self.progress {
            Progress::Idle => self.watch != Watch::No && next <= BUFFER,
            Progress::Flushing { .. } => true,
            Progress::KernelFull => false,
        };
        let is_all = goes_on && pending > 0 && !self.full && next <= self.granted;
        if !is_all || coalescing.writes_through() || !self.outbox.append(prefix, message) {
            return false;
        }
        if let Some(counters) = &self.counters {
            counters.appended(total);
        }
        true
    }

    /// Sends a message: with those that precede it if any wait; otherwise at once, unless it is part of a stream, when it waits
    /// for those that follow. `again`: another pipe gets the message as well.
    pub fn send(
        &mut self,
        stream: &dyn Stream,
        prefix: &[u8],
        (message, again): (&mut Message<'_>, bool),
        coalescing: &mut Coalescing,
    ) -> (Flow, FlushHint) {
        if self.history == History::Unused {
            self.history = History::Used;
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
            self.progress = self.after_write();
            self.granted = 0;
            outcome
        };
        match outcome {
            Err(Failure::NoMemory) => return (Flow::NoMemory, FlushHint::Nothing),
            // The reactor reports the same fault as an event, and that ends the pipe. Not so when there is no memory for the rest
            // of a message that was begun: then the end-of-file makes the peer end it, and the sender knows.
            Err(Failure::Broken(error)) => {
                if matches!(error.errno(), libc::EBADF | libc::ENOTSOCK) {
                    self.history = History::ClosedUnderUs;
                }
                self.give_up(stream);
                if error == Error::NO_MEMORY {
                    return (Flow::NoMemory, FlushHint::Nothing);
                }
            }
            Ok(()) => {}
        }
        self.full = self.is_kernel_full() || (waits && !self.is_granted(stream, total));
        let flow = if self.full { Flow::Full } else { Flow::Open };
        (flow, self.hint(total, coalescing))
    }

    /// Whether the kernel has room for all that waits and as many bytes more. It is asked once per buffer; small writes take far more
    /// of its room than they have bytes, so what it said before the last one is of no use.
    fn is_granted(&mut self, stream: &dyn Stream, more: usize) -> bool {
        let wanted = self.outbox.pending() + more;
        if wanted > self.granted {
            self.granted = stream.room();
        }
        wanted <= self.granted
    }

    /// Such as the last one, of `total` bytes, the next one will be.
    #[inline]
    fn hint(&mut self, total: usize, coalescing: &Coalescing) -> FlushHint {
        match &mut self.progress {
            _ if self.outbox.is_empty() => FlushHint::Nothing,
            Progress::KernelFull => FlushHint::Nothing,
            Progress::Flushing { urgent, .. } => {
                *urgent |= coalescing.writes_through();
                FlushHint::Nothing
            }
            Progress::Idle if self.outbox.pending() + total > BUFFER || self.full || coalescing.writes_through() => {
                FlushHint::Flush
            }
            Progress::Idle if self.watch == Watch::No => {
                self.watch = Watch::Stuck(0);
                FlushHint::Watch
            }
            Progress::Idle => FlushHint::Nothing,
        }
    }

    /// Nothing had been waiting: has the kernel taken all?
    fn after_write(&self) -> Progress {
        if self.outbox.is_empty() { Progress::Idle } else { Progress::KernelFull }
    }

    /// Something to flush, without a lock; to be ended with [`Writing::finish_flush`].
    pub fn start_flush(&mut self) -> Option<Batch> {
        if self.progress != Progress::Idle {
            return None;
        }
        let batch = self.outbox.start_flush()?;
        self.progress = Progress::Flushing { room: false, urgent: false };
        self.granted = 0;
        if self.watch != Watch::No {
            self.watch = Watch::Stuck(0);
        }
        if let Some(counters) = &self.counters {
            counters.flushed();
        }
        Some(batch)
    }

    /// Takes back the rest of a flush of which `written` bytes have been written, `blocked` by the kernel or not. Says whether
    /// more is to be flushed at once.
    pub fn finish_flush(&mut self, batch: Batch, written: usize, blocked: bool) -> bool {
        let Progress::Flushing { room, urgent } = self.progress else { return false };
        self.outbox.finish_flush(batch, written);
        // Asked meanwhile, the kernel may have told of the room that was before this write.
        self.granted = self.granted.saturating_sub(written);
        self.progress = if blocked && !room { Progress::KernelFull } else { Progress::Idle };
        (blocked || urgent || self.watch == Watch::No) && self.wants_flush()
    }

    /// A flush has failed. Nothing more is written.
    pub fn fail_flush(&mut self, batch: Batch, stream: &dyn Stream) {
        self.outbox.finish_flush(batch, 0);
        self.progress = Progress::Idle;
        self.give_up(stream);
    }

    /// Behind a flush that was `blocked` or not: is there room for messages again, where there was none? Tells it once.
    pub fn has_room_again(&mut self, stream: &dyn Stream, blocked: bool) -> bool {
        let has_room = !blocked && (self.outbox.is_empty() || self.is_granted(stream, 0));
        let again = self.full && has_room;
        self.full &= !again;
        again
    }

    /// The kernel says that it has room, or whoever flushes next is to find out.
    pub fn room(&mut self) {
        match &mut self.progress {
            Progress::KernelFull => self.progress = Progress::Idle,
            Progress::Flushing { room, .. } => *room = true,
            Progress::Idle => {}
        }
    }

    /// Nobody will read what is pending.
    pub fn give_up(&mut self, stream: &dyn Stream) {
        let _ = stream.shut_write();
        self.outbox.clear();
        if self.progress == Progress::KernelFull {
            self.progress = Progress::Idle;
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
        let stuck = match (self.progress, self.watch) {
            (Progress::KernelFull, Watch::Stuck(looks)) => looks + 1,
            (Progress::KernelFull, Watch::No) => 1,
            _ => 0,
        };
        let goes_on = self.wants_flush() || (1..PATIENCE).contains(&stuck);
        self.watch = if goes_on { Watch::Stuck(stuck) } else { Watch::No };
        if !goes_on {
            self.outbox.relax();
        }
        !goes_on
    }

    /// Is the I/O thread looking after it?
    pub fn is_watched(&self) -> bool {
        self.watch != Watch::No
    }

    /// Is there something that a flush would write?
    pub fn wants_flush(&self) -> bool {
        self.progress == Progress::Idle && !self.outbox.is_empty()
    }

    pub fn is_flushing(&self) -> bool {
        matches!(self.progress, Progress::Flushing { .. })
    }

    pub fn is_kernel_full(&self) -> bool {
        self.progress == Progress::KernelFull
    }

    /// Bytes accepted that the kernel has not.
    pub fn unsent(&self) -> usize {
        self.outbox.pending()
    }

    /// Bytes that the kernel has taken so far.
    pub fn written(&self) -> u64 {
        self.outbox.written()
    }

    /// Was anything ever sent?
    pub fn was_used(&self) -> bool {
        self.history != History::Unused
    }

    pub fn is_closed_under_us(&self) -> bool {
        self.history == History::ClosedUnderUs
    }

    /// By which whoever looks after it sees that more is coming.
    pub fn counters(&mut self) -> WriteCounters {
        self.counters.get_or_insert_default().clone()
    }
}
