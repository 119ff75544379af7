//! The writing half of a connection: what waits to be written, and who writes it.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::Result;
use crate::reactor::parker::Parker;
use crate::reactor::timers::TimerId;
use crate::reactor::{Reactor, Registration};
use crate::transport::coalescing::Coalescing;
use crate::transport::source::Source;
use crate::transport::stream::Stream;

use super::budget::Account;
use super::config::Config;
use super::failure::Failure;
use super::outgoing::{Batch, Outgoing};
use super::ring::Wakes;

/// Who has appended so much writes it, also the reading thread before it is done.
pub const CORKED: u64 = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Open,
    /// We closed: what was accepted is written, what comes is forgotten.
    Closing,
    Over,
}

#[derive(Debug)]
pub struct Output {
    pub queue: Outgoing,
    pub stream: Option<Arc<dyn Stream>>,
    pub registration: Option<Registration>,
    pub timers: SmallVec<[TimerId; 2]>,
    pub phase: Phase,
    /// Somebody writes a batch.
    pub writing: bool,
    /// The kernel took less than we had: wait for writability, which is watched then.
    pub kernel_full: bool,
    pub watching: bool,
    coalescing: Coalescing,
    /// Messages that had been received when the last write ended.
    received: Option<u64>,
    /// The I/O thread looks after what is appended, until it finds nothing.
    pub tended: bool,
    /// Writing failed. The reader finds out what the peer has still said, and ends the connection.
    pub broken: Option<Failure>,
    /// End-of-file has been said, and heard.
    pub shut: bool,
    pub heard_end: bool,
    /// Threads that wait for room.
    pub senders: Vec<Arc<Parker>>,
    /// Threads that wait for the end, and whether everything is done.
    pub close_waiters: Vec<Arc<Parker>>,
    pub done: bool,
}

/// Who writes what has just been appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// The thread that appended it.
    Appender,
    /// Somebody who is at it, or will be.
    Other,
    /// The I/O thread, once it is told.
    IoThread,
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
            registration: None,
            timers: SmallVec::new(),
            phase: Phase::Open,
            writing: false,
            kernel_full: false,
            watching: false,
            coalescing: Coalescing::alone(),
            received: None,
            tended: false,
            broken: None,
            shut: false,
            heard_end: false,
            senders: Vec::new(),
            close_waiters: Vec::new(),
            done: false,
        }
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open && self.broken.is_none()
    }

    pub fn watch(&mut self, reactor: &Reactor, source: Arc<dyn Source>, key: u64) -> Result<()> {
        if let Some(stream) = &self.stream {
            self.registration = Some(reactor.register(stream.fd(), source, key, false)?);
        }
        Ok(())
    }

    /// Registers the descriptor anew, so that what is ready now is reported again (readiness is edge-triggered).
    pub fn rewatch(&mut self, reactor: &Reactor) {
        if let Some(registration) = self.registration {
            // It is registered and open; if there were no memory, the next event would report the rest.
            let _ = reactor.watch_writable(registration, self.watching);
        }
    }

    /// We closed, the peer has said end-of-file, but not all is written yet: it may still read.
    pub fn lingers(&self) -> bool {
        self.phase == Phase::Closing && self.broken.is_none() && !self.shut
    }

    /// A message of `size` bytes has been appended by a thread that does not read this connection.
    pub fn appended(&mut self, size: usize, was_empty: bool, received: u64, in_stream: bool) -> Writer {
        if self.writing || self.kernel_full {
            return Writer::Other;
        }
        if self.queue.queued() > CORKED || self.coalescing.writes_through() {
            return Writer::Appender;
        }
        // Something has come since the last write: this may be the answer that somebody waits for.
        let answers = !in_stream && self.received != Some(received);
        if self.tended {
            // Events wait for the I/O thread's next look, an answer behind them does not.
            return if answers { Writer::Appender } else { Writer::Other };
        }
        if was_empty && (in_stream || (!answers && self.coalescing.in_stream(size))) {
            self.tended = true;
            return Writer::IoThread;
        }
        Writer::Appender
    }

    /// Is there anything to write now? If not, the I/O thread goes on to other things. Neither is it needed when so much
    /// waits that the appenders write.
    pub fn needs_tending(&mut self) -> bool {
        let idle = self.kernel_full || self.broken.is_some() || self.registration.is_none();
        self.tended = !idle && !self.queue.is_empty() && self.queue.queued() <= CORKED;
        self.tended
    }

    /// What to write now, if that is this thread's business.
    pub fn start_write(&mut self) -> Option<(Arc<dyn Stream>, Batch)> {
        let idle = self.registration.is_some() && !self.writing && !self.kernel_full && self.broken.is_none();
        let stream = self.stream.as_ref().filter(|_| idle && self.phase != Phase::Over)?;
        if self.queue.is_empty() && !stream.has_unwritten() {
            return None;
        }
        self.writing = true;
        Some((Arc::clone(stream), self.queue.take_batch()))
    }

    /// A batch has been written, or as much of it as `written` says.
    pub fn finish_write(&mut self, batch: Batch, written: usize, wrote: Wrote, context: (&Reactor, u64)) -> Wakes {
        let (reactor, received) = context;
        self.writing = false;
        if self.phase == Phase::Over {
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
                self.kernel_full = true;
                self.watching = true;
                self.rewatch(reactor);
            }
            Wrote::Failed(error) => {
                self.broken = Some(error.into());
                self.queue.clear();
                // If there is nothing to read, writability tells the reader to look.
                self.watching = true;
                self.rewatch(reactor);
            }
        }
        if self.queue.is_empty() && self.watching && !self.kernel_full {
            self.watching = false;
            self.rewatch(reactor);
        }
        if self.queue.has_drained() { self.senders.drain(..).collect() } else { Wakes::new() }
    }

    /// Everything is written that was accepted before we closed: time to say end-of-file. The stream, once.
    pub fn end_of_file(&mut self) -> Option<Arc<dyn Stream>> {
        let done = self.phase == Phase::Closing && !self.shut && !self.writing && self.queue.is_empty();
        let stream = self.stream.clone().filter(|stream| done && !stream.has_unwritten())?;
        self.shut = true;
        Some(stream)
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

    #[test]
    fn an_answer_does_not_wait_behind_a_stream() {
        let (socket, _other) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let wire = Arc::new(Wire::new(socket, Buffers::default()).unwrap());
        let mut output = Output::new(wire, &Config::default(), Config::default().budget.account());
        let mut append = |received, in_stream, wrote: Option<u64>| {
            output.received = wrote.or(output.received);
            let was_empty = output.queue.is_empty();
            output.queue.push(&Message::post(1, 2, 3, 4, Bytes::new()), 0);
            output.appended(28, was_empty, received, in_stream)
        };
        assert_eq!(append(5, true, None), Writer::IoThread, "the stream begins");
        assert_eq!(append(5, true, None), Writer::Other);
        assert_eq!(append(6, true, None), Writer::Other, "a question alone does not hurry the events");
        assert_eq!(append(6, false, None), Writer::Appender, "its answer does");
        assert_eq!(append(6, false, Some(6)), Writer::Other, "one write for one question");
        assert_eq!(append(7, false, Some(6)), Writer::Appender);
    }
}
