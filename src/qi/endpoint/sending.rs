//! Sending: whole messages from any thread, never waiting on the reading thread.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::core::{Error, Result};
use crate::qi::message::Message;
use crate::reactor::parker::Parker;
use crate::reactor::timers::TimerId;
use crate::reactor::{Manner, Reactor, Registration, Request, Waited, Watched};
use crate::transport::coalescing::Coalescing;
use crate::transport::source::Source;
use crate::transport::stream::Stream;

use super::config::{Config, count};
use super::failure::{Failure, Reason};
use super::outgoing::{Batch, Outgoing};
use super::queue::{failed, wake_all};
use super::ring::Wakes;
use super::{EndPoint, STREAM, guard};

/// Batches that one sender writes before the I/O thread takes over: it should not work for others for ever.
const ROUNDS: usize = 8;
/// Who has appended so much writes it, also the reading thread before it is done.
const CORKED: u64 = 64 * 1024;

/// What to do with a message for which there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// Wait for room, for at most this long (`None`: for ever), then `ETIMEDOUT`. On the reading thread `EDEADLK`.
    Block(Option<Duration>),
    /// `EAGAIN`.
    Fail,
    /// Drop it and count it, for Events: [`Sent::Dropped`].
    Drop,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Sent {
    /// It will be written whole, after those accepted before, if the connection lasts.
    Accepted,
    Dropped,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Open,
    /// We closed: what was accepted is written, what comes is forgotten.
    Closing,
    Over,
}

/// The sending half, and what there is to know of the descriptor.
#[derive(Debug)]
pub struct Output {
    pub queue: Outgoing,
    pub stream: Option<Arc<dyn Stream>>,
    pub registration: Option<Registration>,
    pub timers: SmallVec<[TimerId; 2]>,
    pub phase: Phase,
    /// Somebody writes a batch.
    writing: bool,
    /// The kernel took less than we had: wait for writability, which is watched then.
    kernel_full: bool,
    watching: bool,
    coalescing: Coalescing,
    /// Messages that had been received when the last write ended.
    received: Option<u64>,
    /// The I/O thread looks after what is appended, until it finds nothing.
    tended: bool,
    /// Writing failed. The reader finds out what the peer has still said, and ends the connection.
    pub broken: Option<Failure>,
    /// End-of-file has been said, and heard.
    shut: bool,
    pub heard_end: bool,
    /// Threads that wait for room.
    pub senders: Vec<Arc<Parker>>,
    /// Threads that wait for the end, and whether everything is done.
    pub mourners: Vec<Arc<Parker>>,
    pub done: bool,
}

/// Who writes what has just been appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writer {
    /// The thread that appended it.
    Appender,
    /// Somebody who is at it, or will be.
    Other,
    /// The I/O thread, once it is told.
    IoThread,
}

/// How a write of a batch ended.
enum Wrote {
    All,
    /// The kernel is full.
    Part,
    Failed(io::Error),
}

impl Output {
    pub fn new(stream: Arc<dyn Stream>, config: &Config) -> Output {
        Output {
            queue: Outgoing::new(config.send_limit, config.send_reserve),
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
            mourners: Vec::new(),
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
        if let (Some(stream), Some(registration)) = (&self.stream, self.registration) {
            // It is registered and open; if there were no memory, the next event would report the rest.
            let _ = reactor.watch_writable(stream.fd(), registration, self.watching);
        }
    }

    /// We closed, the peer has said end-of-file, but not all is written yet: it may still read.
    pub fn lingers(&self) -> bool {
        self.phase == Phase::Closing && self.broken.is_none() && !self.shut
    }

    /// A message of `size` bytes has been appended by a thread that does not read this connection.
    fn appended(&mut self, size: usize, was_empty: bool, received: u64, in_stream: bool) -> Writer {
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
    fn start_write(&mut self) -> Option<(Arc<dyn Stream>, Batch)> {
        let idle = self.registration.is_some() && !self.writing && !self.kernel_full && self.broken.is_none();
        let stream = self.stream.as_ref().filter(|_| idle && self.phase != Phase::Over)?;
        if self.queue.is_empty() && !stream.has_unwritten() {
            return None;
        }
        self.writing = true;
        Some((Arc::clone(stream), self.queue.take_batch()))
    }

    /// A batch has been written, or as much of it as `written` says.
    fn finish_write(&mut self, batch: Batch, written: usize, wrote: Wrote, context: (&Reactor, u64)) -> Wakes {
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
    fn farewell(&mut self) -> Option<Arc<dyn Stream>> {
        let done = self.phase == Phase::Closing && !self.shut && !self.writing && self.queue.is_empty();
        let stream = self.stream.clone().filter(|stream| done && !stream.has_unwritten())?;
        self.shut = true;
        Some(stream)
    }
}

impl EndPoint {
    /// Sends a message. `ENOTCONN` when the connection has ended or is being closed, `EMSGSIZE` for a payload of 4 GiB and
    /// more; else as `full` says. `EINTR` while waiting. Accepted messages of one thread keep their order.
    pub fn send(&self, message: &Message, full: WhenFull) -> Result<Sent> {
        guard::may_change()?;
        self.send_paced(message, full, false)
    }

    /// The same, also in a callback filter: that is no place to send from, but the answer to a call must not be lost there.
    /// `in_stream`: it is part of a stream to several connections, so it may be written a little later, with what follows.
    pub(in crate::qi) fn send_paced(&self, message: &Message, full: WhenFull, in_stream: bool) -> Result<Sent> {
        let size = message.size().map_err(|_| Error::MSG_SIZE)?;
        let mut wait: Option<(Arc<Parker>, Option<Instant>)> = None;
        let mut waited = Waited::Noticed;
        loop {
            {
                let mut output = self.output.lock();
                if let Some((me, _)) = &wait {
                    output.senders.retain(|other| !Arc::ptr_eq(other, me));
                }
                if !output.is_open() {
                    return Err(Error::NOT_CONNECTED);
                }
                if output.queue.has_room(message) {
                    let was_empty = output.queue.is_empty();
                    output.queue.push(message, size);
                    self.pulse.appended(size as usize);
                    let writer = match guard::is_reading(self.address()) {
                        true if output.queue.queued() <= CORKED => Writer::Other,
                        true => Writer::Appender,
                        false => output.appended(size as usize, was_empty, self.received(), in_stream),
                    };
                    drop(output);
                    count(&self.counters.sent, 1);
                    self.have_written(writer);
                    return Ok(Sent::Accepted);
                }
                if let Some(error) = failed(waited) {
                    return Err(error);
                }
                let timeout = match full {
                    WhenFull::Block(timeout) => timeout,
                    WhenFull::Fail => return Err(Error::AGAIN),
                    WhenFull::Drop => {
                        count(&self.counters.unsent, 1);
                        return Ok(Sent::Dropped);
                    }
                };
                guard::may_wait()?;
                let begin = || (Parker::mine(), timeout.and_then(|timeout| Instant::now().checked_add(timeout)));
                let (me, _) = wait.get_or_insert_with(begin);
                // Whatever notice came before this look is stale after it.
                me.take_notice();
                output.senders.push(Arc::clone(me));
            }
            if let Some((me, deadline)) = &wait {
                waited = self.reactor.wait(me, *deadline, Manner::POLLING);
            }
        }
    }

    /// Sends a control answer (an Error for what was dropped, Canceled): never waits, and has a reserve of its own when the queue
    /// is full. When that is full, too, the connection ends with [`Failure::Overflow`], and this is `ENOTCONN`.
    pub(in crate::qi) fn send_control(&self, message: &Message) -> Result<()> {
        let size = message.size().map_err(|_| Error::MSG_SIZE)?;
        let (taken, corked) = {
            let mut output = self.output.lock();
            if !output.is_open() {
                return Err(Error::NOT_CONNECTED);
            }
            (output.queue.push_control(message, size), output.queue.queued() <= CORKED)
        };
        if !taken {
            self.finish(Reason::Failed(Failure::Overflow));
            return Err(Error::NOT_CONNECTED);
        }
        count(&self.counters.sent, 1);
        // Who reads writes when all is delivered, unless it is much: one read can bring thousands of calls to refuse.
        if !corked || !guard::is_reading(self.address()) {
            self.flush();
        }
        Ok(())
    }

    /// Bytes accepted and not yet handed to the kernel.
    pub fn unsent_bytes(&self) -> u64 {
        self.output.lock().queue.queued()
    }

    /// Hands over what the kernel takes now, whatever it said before; gives the bytes that are left.
    pub(super) fn hand_over(&self) -> u64 {
        self.output.lock().kernel_full = false;
        self.flush();
        let output = self.output.lock();
        let unwritten = output.stream.as_ref().is_some_and(|stream| stream.has_unwritten());
        output.queue.queued() + u64::from(unwritten)
    }

    /// The kernel has room again. True: writing has failed, so the reader must look.
    pub(super) fn writable(&self) -> bool {
        let mut output = self.output.lock();
        output.kernel_full = false;
        output.broken.is_some()
    }

    /// Writes what waits, unless somebody else does or the kernel is full; never blocks. Messages of a stream that has lasted
    /// (`transport/coalescing`) are written a little later: who is about to wait for an answer says so by this. A [`Queue`](super::Queue) does.
    pub fn flush(&self) {
        for _ in 0..ROUNDS {
            let Some((stream, mut batch)) = self.output.lock().start_write() else {
                if !self.is_open() {
                    self.say_farewell();
                }
                return;
            };
            self.pulse.flushed();
            let received = self.received();
            let (written, wrote) = write(&*stream, &mut batch);
            let stuck = matches!(wrote, Wrote::Part);
            let wakes = self.output.lock().finish_write(batch, written, wrote, (&self.reactor, received));
            wake_all(&self.reactor, wakes);
            if stuck {
                return;
            }
        }
        self.have_written(Writer::IoThread);
    }

    /// Messages that have come.
    fn received(&self) -> u64 {
        self.counters.received.load(Ordering::Relaxed)
    }

    fn have_written(&self, writer: Writer) {
        match writer {
            Writer::Other => {}
            Writer::Appender => self.flush(),
            Writer::IoThread => {
                if let Some(me) = self.me.upgrade() {
                    let watched = Watched { source: me, key: STREAM, pulse: self.pulse.clone() };
                    self.reactor.request(Request::Watch(watched));
                }
            }
        }
    }

    /// Carries on with closing, if all is written or nothing more can be.
    fn say_farewell(&self) {
        let (farewell, over) = {
            let mut output = self.output.lock();
            let farewell = output.farewell();
            let over = output.phase == Phase::Closing && output.heard_end && !output.lingers();
            (farewell, over)
        };
        if let Some(stream) = farewell {
            // Who cannot be told is gone, which the reader will see.
            let _ = stream.shut_write();
        }
        if over {
            self.finish(Reason::Closed);
        }
    }
}

/// Writes a batch until it is written or the kernel is full; gives how much was written.
fn write(stream: &dyn Stream, batch: &mut Batch) -> (usize, Wrote) {
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
    use crate::transport::stream::{Buffers, Wire};
    use bytes::Bytes;
    use socket2::{Domain, Socket, Type};

    #[test]
    fn an_answer_does_not_wait_behind_a_stream() {
        let (socket, _other) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let wire = Arc::new(Wire::new(socket, Buffers::default()).unwrap());
        let mut output = Output::new(wire, &Config::default());
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
