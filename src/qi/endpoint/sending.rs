//! Sending: whole messages from any thread, never waiting on the reading thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::core::{Error, Result};
use crate::qi::message::Message;
use crate::reactor::deadline_in;
use crate::reactor::parker::Parker;
use crate::reactor::{Request, StreamToFlush, WaitMode};
use crate::transport::coalescing::Flusher;

use super::config::count;
use super::failure::{Failure, Reason};
use super::output::{CORKED, Wrote, write};
use super::queue::wake_all;
use super::{EndPoint, STREAM, reentrancy};

/// Batches that one sender writes before the I/O thread takes over: it should not work for others for ever.
const ROUNDS: usize = 8;

/// What to do with a message for which there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// Wait for room, for at most this long (`None`: for ever), then `ETIMEDOUT`. On the reading thread `EDEADLK`.
    Block(Option<Duration>),
    /// `EAGAIN`.
    Fail,
    /// Drop it and count it, for Events: `Sent::Dropped`.
    Drop,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Sent {
    /// It will be written whole, after those accepted before, if the connection lasts.
    Accepted,
    /// It was dropped.
    Dropped,
}

/// The sending half, and what there is to know of the descriptor.
impl EndPoint {
    /// Sends a message. `ENOTCONN` when the connection has ended or is being closed, `EMSGSIZE` for a payload that is too
    /// long ([`Config::max_payload`](super::Config::max_payload)); else as `full` says. `EINTR` while waiting. Accepted messages of one thread keep their order.
    pub fn send(&self, message: &Message, full: WhenFull) -> Result<Sent> {
        reentrancy::may_change()?;
        self.send_paced(message, full, false)
    }

    /// The same, also in a callback filter: that is no place to send from, but the answer to a call must not be lost there.
    /// `in_row`: it is an event that follows others closely, so it may be written a little later, with what follows.
    pub(in crate::qi) fn send_paced(&self, message: &Message, full: WhenFull, in_row: bool) -> Result<Sent> {
        let size = message.size().map_err(|_| Error::MSG_SIZE)?;
        if size > self.config.longest_sent() {
            return Err(Error::MSG_SIZE);
        }
        if let Some(outcome) = self.try_send(message, size, in_row, None) {
            return outcome;
        }
        match full {
            WhenFull::Fail => Err(Error::AGAIN),
            WhenFull::Drop => {
                count(&self.counters.unsent, 1);
                Ok(Sent::Dropped)
            }
            WhenFull::Block(timeout) => {
                reentrancy::may_wait()?;
                let deadline = deadline_in(timeout);
                self.reactor.wait_for(deadline, WaitMode::POLLING, |me, stay| {
                    self.try_send(message, size, in_row, Some((me, stay)))
                })?
            }
        }
    }

    /// `None`: there is no room. A sender that waits is told when there is, if it is to stay.
    fn try_send(
        &self,
        message: &Message,
        size: u32,
        in_row: bool,
        waiting: Option<(&Arc<Parker>, bool)>,
    ) -> Option<Result<Sent>> {
        let mut output = self.output.lock();
        if let Some((me, _)) = waiting {
            output.senders.retain(|other| !Arc::ptr_eq(other, me));
        }
        if !output.is_open() {
            return Some(Err(Error::NOT_CONNECTED));
        }
        if !output.queue.has_room(message) {
            output.senders.extend(waiting.filter(|(_, stay)| *stay).map(|(me, _)| Arc::clone(me)));
            return None;
        }
        let was_empty = output.queue.is_empty();
        output.queue.push(message, size);
        self.write_counters.appended(size as usize);
        let flusher = match reentrancy::is_reading(self.address()) {
            true if output.queue.queued() <= CORKED => Flusher::Nobody,
            true => Flusher::Sender,
            false => output.appended(size as usize, was_empty, self.received(), in_row),
        };
        drop(output);
        count(&self.counters.sent, 1);
        self.have_written(flusher);
        Some(Ok(Sent::Accepted))
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
        if !corked || !reentrancy::is_reading(self.address()) {
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
        self.output.lock().has_room();
        self.flush();
        let output = self.output.lock();
        let unwritten = output.stream.as_ref().is_some_and(|stream| stream.has_unwritten());
        output.queue.queued() + u64::from(unwritten)
    }

    /// The kernel has room again. True: writing has failed, so the reader must look.
    pub(super) fn writable(&self) -> bool {
        let mut output = self.output.lock();
        output.has_room();
        output.failure().is_some()
    }

    /// Writes what waits, unless somebody else does or the kernel is full; never blocks. Messages of a stream that has lasted
    /// (`transport/coalescing`) are written a little later: who is about to wait for an answer says so by this. A [`Queue`](super::Queue) does.
    pub fn flush(&self) {
        for _ in 0..ROUNDS {
            let Some((stream, mut batch)) = self.output.lock().start_write() else {
                if !self.is_open() {
                    self.say_end_of_file();
                }
                return;
            };
            self.write_counters.flushed();
            count(&self.counters.writes, 1);
            let received = self.received();
            let (written, wrote) = write(&*stream, &mut batch);
            let stuck = matches!(wrote, Wrote::Part);
            let wakes = self.output.lock().finish_write(batch, written, wrote, (&self.reactor, received));
            wake_all(&self.reactor, wakes);
            if stuck {
                return;
            }
        }
        self.have_written(Flusher::IoThread);
    }

    /// Messages that have come.
    pub(super) fn received(&self) -> u64 {
        self.counters.received.load(Ordering::Relaxed)
    }

    fn have_written(&self, flusher: Flusher) {
        match flusher {
            Flusher::Nobody => {}
            Flusher::Sender => self.flush(),
            Flusher::IoThread => {
                if let Some(me) = self.me.upgrade() {
                    let watched = StreamToFlush { source: me, key: STREAM, counters: self.write_counters.clone() };
                    self.reactor.request(Request::Flush(watched));
                }
            }
        }
    }

    /// Carries on with closing, if all is written or nothing more can be.
    fn say_end_of_file(&self) {
        let (end_of_file, over) = {
            let mut output = self.output.lock();
            let end_of_file = output.end_of_file();
            (end_of_file, output.is_finished())
        };
        if let Some(stream) = end_of_file {
            // Who cannot be told is gone, which the reader will see.
            let _ = stream.shut_write();
        }
        if over {
            self.finish(Reason::Closed);
        }
    }
}
