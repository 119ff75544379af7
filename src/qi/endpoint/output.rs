//! The writing half of a connection: what waits to be written, and who writes it.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::Result;
use crate::reactor::parker::Parker;
use crate::reactor::timers::TimerId;
use crate::reactor::{Polled, Reactor, Unwritten};
use crate::transport::coalescing::{Coalescing, Flusher, flusher};
use crate::transport::source::Source;
use crate::transport::stream::Stream;

use super::budget::Account;
use super::config::Config;
use super::failure::Failure;
use super::outgoing::{Batch, Outgoing};
use super::ring::Wakes;

/// Who has appended so much writes it, also the reading thread before it is done.
pub const CORKED: u64 = 64 * 1024;

/// How far the connection is.
#[derive(Debug)]
pub enum OutputPhase {
    Open,
    /// Writing failed. The reader finds out what the peer has still said, and ends the connection.
    Broken(Failure),
    /// We closed: what was accepted is written, what comes is forgotten.
    Closing(HalfClosed),
    /// Handlers are told (`closing.rs`).
    Over,
    /// They have been: who waits for the end may go.
    Done,
}

/// Which ends of file there were since we closed.
#[derive(Debug)]
pub enum HalfClosed {
    Neither,
    /// All is written, and we have said so.
    Said,
    /// The peer's; it may still read.
    Heard,
    Both,
    /// Writing failed: as [`OutputPhase::Broken`].
    Broken(Failure),
}

/// Whose turn it is to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WriteTurn {
    Anybody,
    /// Somebody writes a batch.
    Taken,
    /// The kernel took less than we had: wait for writability, which is watched then.
    KernelFull,
}

#[derive(Debug)]
pub struct Output {
    pub queue: Outgoing,
    pub stream: Option<Arc<dyn Stream>>,
    pub polled: Polled,
    pub timers: SmallVec<[TimerId; 2]>,
    phase: OutputPhase,
    turn: WriteTurn,
    /// The reactor knows that the kernel has no room for what waits.
    is_told_of: bool,
    coalescing: Coalescing,
    /// Messages that had been received when the last write ended.
    received: Option<u64>,
    /// The I/O thread looks after what is appended, until it finds nothing.
    tended: bool,
    /// Threads that wait for room.
    pub senders: Vec<Arc<Parker>>,
    /// Threads that wait for the end.
    pub close_waiters: Vec<Arc<Parker>>,
}

/// How a write of a batch ended.
pub enum Wrote {
    All,
    /// The kernel is full.
    Part,
    Failed(io::Error),
}

impl Output {
    pub fn new(stream: Arc<dyn Stream>, config: &Config, account: Arc<Account>) -> Output {
        Output {
            queue: Outgoing::new(config.send_limit, config.send_reserve, account),
            stream: Some(stream),
            polled: Polled::Not,
            timers: SmallVec::new(),
            phase: OutputPhase::Open,
            turn: WriteTurn::Anybody,
            is_told_of: false,
            coalescing: Coalescing::alone(),
            received: None,
            tended: false,
            senders: Vec::new(),
            close_waiters: Vec::new(),
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.phase, OutputPhase::Open)
    }

    pub fn is_done(&self) -> bool {
        matches!(self.phase, OutputPhase::Done)
    }

    /// Why writing failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            OutputPhase::Broken(failure) | OutputPhase::Closing(HalfClosed::Broken(failure)) => Some(failure),
            _ => None,
        }
    }

    fn may_write(&self) -> bool {
        use HalfClosed::{Heard, Neither, Said};
        matches!(self.phase, OutputPhase::Open | OutputPhase::Closing(Neither | Said | Heard))
    }

    /// We close. False: that, or the end, was before.
    pub fn close(&mut self) -> bool {
        self.phase = match std::mem::replace(&mut self.phase, OutputPhase::Open) {
            OutputPhase::Open => OutputPhase::Closing(HalfClosed::Neither),
            OutputPhase::Broken(failure) => OutputPhase::Closing(HalfClosed::Broken(failure)),
            other => {
                self.phase = other;
                return false;
            }
        };
        true
    }

    /// It is over. False: it was before.
    pub fn end(&mut self) -> bool {
        let was_before = matches!(self.phase, OutputPhase::Over | OutputPhase::Done);
        if !was_before {
            self.phase = OutputPhase::Over;
            self.queue.clear();
        }
        !was_before
    }

    /// Who waits for the end may go.
    pub fn done(&mut self) -> Wakes {
        self.phase = OutputPhase::Done;
        self.close_waiters.drain(..).collect()
    }

    /// The peer has said end-of-file. True: we closed and not all is written yet: it may still read.
    pub fn heard_end(&mut self) -> bool {
        let lingers = matches!(self.phase, OutputPhase::Closing(HalfClosed::Neither | HalfClosed::Heard));
        if lingers {
            self.phase = OutputPhase::Closing(HalfClosed::Heard);
        }
        lingers
    }

    fn broke(&mut self, failure: Failure) {
        self.phase = match self.phase {
            OutputPhase::Open => OutputPhase::Broken(failure),
            OutputPhase::Closing(HalfClosed::Heard | HalfClosed::Both) => OutputPhase::Closing(HalfClosed::Both),
            OutputPhase::Closing(_) => OutputPhase::Closing(HalfClosed::Broken(failure)),
            OutputPhase::Broken(_) | OutputPhase::Over | OutputPhase::Done => return,
        };
    }

    /// The kernel may have room again.
    pub fn has_room(&mut self) {
        if self.turn == WriteTurn::KernelFull {
            self.turn = WriteTurn::Anybody;
        }
    }

    pub fn watch(&mut self, reactor: &Reactor, source: Arc<dyn Source>, key: u64) -> Result<()> {
        if let Some(stream) = &self.stream {
            self.polled = Polled::register(reactor, stream.fd(), source, key, false)?;
        }
        Ok(())
    }

    /// Registers the descriptor anew, so that what is ready now is reported again (readiness is edge-triggered).
    pub fn rewatch(&mut self, reactor: &Reactor) {
        self.polled.report_again(reactor);
    }

    /// A message of `size` bytes has been appended by a thread that does not read this connection.
    pub fn appended(&mut self, size: usize, was_empty: bool, received: u64, in_row: bool) -> Flusher {
        if self.turn != WriteTurn::Anybody {
            return Flusher::Nobody;
        }
        // Something has come since the last write: this may be the answer that somebody waits for. Events wait for the I/O thread's
        // next look, an answer behind them does not.
        let answers = !in_row && self.received != Some(received);
        let is_full = self.queue.queued() > CORKED;
        let hurry = is_full || (self.tended && answers) || self.coalescing.writes_through();
        let flusher =
            flusher(hurry, self.tended, || was_empty && (in_row || (!answers && self.coalescing.in_stream(size))));
        self.tended |= flusher == Flusher::IoThread;
        flusher
    }

    /// Is there anything to write now? If not, the I/O thread goes on to other things. Neither is it needed when so much
    /// waits that the appenders write.
    pub fn needs_tending(&mut self) -> bool {
        let idle = self.turn == WriteTurn::KernelFull || !self.may_write() || self.polled == Polled::Not;
        self.tended = !idle && !self.queue.is_empty() && self.queue.queued() <= CORKED;
        self.tended
    }

    /// What to write now, if that is this thread's business.
    pub fn start_write(&mut self) -> Option<(Arc<dyn Stream>, Batch)> {
        let may = self.polled != Polled::Not && self.turn == WriteTurn::Anybody && self.may_write();
        let stream = self.stream.as_ref().filter(|_| may)?;
        if self.queue.is_empty() && !stream.has_unwritten() {
            return None;
        }
        self.turn = WriteTurn::Taken;
        Some((Arc::clone(stream), self.queue.take_batch()))
    }

    /// A batch has been written, or as much of it as `written` says.
    pub fn finish_write(&mut self, batch: Batch, written: usize, wrote: Wrote, context: (&Reactor, u64)) -> Wakes {
        let (reactor, received) = context;
        self.turn = WriteTurn::Anybody;
        if matches!(self.phase, OutputPhase::Over | OutputPhase::Done) {
            return Wakes::new();
        }
        self.queue.put_back(batch, written);
        self.coalescing.wrote(written);
        self.received = Some(received);
        match wrote {
            Wrote::All => {}
            // Who reads the peer's part will flush after it, and cannot have done so yet: that needs this lock.
            Wrote::Part if self.stream.as_ref().is_some_and(|stream| stream.awaits_peer()) => {}
            Wrote::Part => {
                self.turn = WriteTurn::KernelFull;
                self.polled.report_room(reactor, true);
                self.tell_of_unwritten(reactor, written);
            }
            Wrote::Failed(error) => {
                self.broke(error.into());
                self.queue.clear();
                // If there is nothing to read, writability tells the reader to look.
                self.polled.report_room(reactor, true);
            }
        }
        if self.queue.is_empty() && self.polled.reports_room() && self.turn == WriteTurn::Anybody {
            self.polled.report_room(reactor, false);
        }
        if self.turn != WriteTurn::KernelFull {
            self.nothing_is_unwritten(reactor);
        }
        if self.queue.has_drained() { self.senders.drain(..).collect() } else { Wakes::new() }
    }

    /// The kernel had room for so much: while there is more, nobody is to rest for long beside it.
    fn tell_of_unwritten(&mut self, reactor: &Reactor, written: usize) {
        if !std::mem::replace(&mut self.is_told_of, true) {
            reactor.unwritten(Unwritten::Begins);
        } else if written > 0 {
            reactor.unwritten(Unwritten::GoesOn);
        }
    }

    /// All is with the kernel, or will never be.
    pub fn nothing_is_unwritten(&mut self, reactor: &Reactor) {
        if std::mem::take(&mut self.is_told_of) {
            reactor.unwritten(Unwritten::Ends);
        }
    }

    /// Everything is written that was accepted before we closed: time to say end-of-file. The stream, once.
    pub fn end_of_file(&mut self) -> Option<Arc<dyn Stream>> {
        let said = match self.phase {
            OutputPhase::Closing(HalfClosed::Neither) => HalfClosed::Said,
            OutputPhase::Closing(HalfClosed::Heard) => HalfClosed::Both,
            _ => return None,
        };
        let done = self.turn != WriteTurn::Taken && self.queue.is_empty();
        let stream = self.stream.clone().filter(|stream| done && !stream.has_unwritten())?;
        self.phase = OutputPhase::Closing(said);
        Some(stream)
    }

    /// We closed, and neither side has anything to say any more.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, OutputPhase::Closing(HalfClosed::Both))
    }
}

/// Writes a batch until it is written or the kernel is full; gives how much was written.
pub fn write(stream: &dyn Stream, batch: &mut Batch) -> (usize, Wrote) {
    let mut written = 0;
    loop {
        match stream.write(&batch.slices()) {
            Ok(count) => {
                written += count;
                batch.advance(count);
                if batch.is_empty() {
                    let wrote = if stream.has_unwritten() { Wrote::Part } else { Wrote::All };
                    return (written, wrote);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (written, Wrote::Part),
            Err(error) => return (written, Wrote::Failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qi::message::Message;
    use crate::transport::stream::{Buffers, Wire};
    use bytes::Bytes;
    use socket2::{Domain, Socket, Type};

    fn output() -> (Output, Socket) {
        let (socket, other) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let wire = Arc::new(Wire::new(socket, Buffers::default()).unwrap());
        (Output::new(wire, &Config::default(), Config::default().budget.account()), other)
    }

    /// Both ends of file, in either order, and what a failed write does to that.
    #[test]
    fn closing_waits_for_both_ends_or_a_failure() {
        let (mut said_first, _other) = output();
        assert!(said_first.close() && !said_first.close(), "once");
        assert!(!said_first.is_open() && said_first.may_write());
        assert!(said_first.end_of_file().is_some() && said_first.end_of_file().is_none(), "once");
        assert!(!said_first.heard_end(), "nothing is left to be written");

        let (mut heard_first, _other) = output();
        assert!(heard_first.close() && heard_first.heard_end() && heard_first.heard_end());
        heard_first.queue.push(&Message::post(1, 2, 3, 4, Bytes::new()), 28);
        assert!(heard_first.end_of_file().is_none() && !heard_first.is_finished(), "a message waits");
        heard_first.queue.clear();
        assert!(heard_first.end_of_file().is_some() && heard_first.is_finished());

        let (mut broken, _other) = output();
        broken.broke(Failure::Overflow);
        assert!(!broken.is_open() && !broken.may_write() && broken.failure() == Some(&Failure::Overflow));
        assert!(broken.close() && broken.failure() == Some(&Failure::Overflow), "closing keeps the reason");
        assert!(!broken.heard_end() && broken.end_of_file().is_none());

        let (mut heard_and_broken, _other) = output();
        assert!(heard_and_broken.close() && heard_and_broken.heard_end());
        heard_and_broken.broke(Failure::Overflow);
        assert!(heard_and_broken.is_finished() && !heard_and_broken.may_write());
        assert!(heard_and_broken.end() && !heard_and_broken.end() && !heard_and_broken.close());
        heard_and_broken.broke(Failure::Overflow);
        assert!(heard_and_broken.failure().is_none() && !heard_and_broken.is_done());
        heard_and_broken.done();
        assert!(heard_and_broken.is_done() && !heard_and_broken.end());
    }

    /// One writes at a time; a full kernel stops all until it has room.
    #[test]
    fn turns_of_writing() {
        let (mut output, _other) = output();
        output.queue.push(&Message::post(1, 2, 3, 4, Bytes::new()), 28);
        output.turn = WriteTurn::KernelFull;
        assert_eq!(output.appended(28, true, 1, false), Flusher::Nobody);
        output.has_room();
        assert_eq!(output.appended(28, true, 1, false), Flusher::Sender);
        output.turn = WriteTurn::Taken;
        output.has_room();
        assert_eq!(
            (output.turn, output.appended(28, true, 1, false)),
            (WriteTurn::Taken, Flusher::Nobody),
            "a writer writes on"
        );
    }

    #[test]
    fn an_answer_does_not_wait_behind_a_stream() {
        let (mut output, _other) = output();
        let mut append = |received, in_row, wrote: Option<u64>| {
            output.received = wrote.or(output.received);
            let was_empty = output.queue.is_empty();
            output.queue.push(&Message::post(1, 2, 3, 4, Bytes::new()), 0);
            output.appended(28, was_empty, received, in_row)
        };
        assert_eq!(append(5, true, None), Flusher::IoThread, "the stream begins");
        assert_eq!(append(5, true, None), Flusher::Nobody);
        assert_eq!(append(6, true, None), Flusher::Nobody, "a question alone does not hurry the events");
        assert_eq!(append(6, false, None), Flusher::Sender, "its answer does");
        assert_eq!(append(6, false, Some(6)), Flusher::Nobody, "one write for one question");
        assert_eq!(append(7, false, Some(6)), Flusher::Sender);
    }
}
