//! Reading and delivering, on the thread that polls.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::qi::message::{Message, Type, VERSION};
use crate::sys::memory::unfilled_words;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;
use crate::transport::stream::Stream;

use super::config::count;
use super::decoder::Decoder;
use super::failure::{Failure, Reason};
use super::handlers::{Aftermath, Answer, Round, Step, Taken};
use super::queue::wake_all;
use super::ring::Wakes;
use super::{AUTHENTICATION, EndPoint, LINGER, Sink, guard};

/// One read brings at most this much, if it does not go straight to its message.
const READ: usize = 64 * 1024;
/// Reads before others have their turn.
const READS: usize = 16;

/// The texts of Errors for Calls that nobody took. The first is libqi's own (section 17).
const NOBODY: &str = "The call request could not be handled.";
const FULL: &str = "The call was dropped: its consumer is busy and the queue is full.";

thread_local! {
    /// What a read brings before it is looked at. Per thread that polls, so that an idle connection owns nothing.
    /// Not cleared, so what small reads never reach is not resident.
    static SCRATCH: RefCell<Vec<u128>> = RefCell::new(new_scratch());
}

fn new_scratch() -> Vec<u128> {
    unfilled_words(READ / size_of::<u128>()).unwrap_or_default()
}

/// `ENOMEM` if there is none: an empty read would be taken for the end. A thread that is ending has its own no more.
fn with_scratch<T>(read: impl FnOnce(&mut [u8]) -> io::Result<T>) -> io::Result<T> {
    let read_into = |scratch: &mut Vec<u128>| match bytemuck::cast_slice_mut(scratch) {
        [] => Err(ErrorKind::OutOfMemory.into()),
        scratch => read(scratch),
    };
    match SCRATCH.try_with(|_| ()) {
        Ok(()) => SCRATCH.with_borrow_mut(read_into),
        Err(_) => read_into(&mut new_scratch()),
    }
}

/// The reading half, which is taken out by who reads.
#[derive(Debug)]
pub struct Slot {
    input: Option<Input>,
    /// There was news while somebody read.
    again: bool,
    /// The connection is over: who has the input drops it.
    pub over: bool,
}

#[derive(Debug)]
pub struct Input {
    stream: Arc<dyn Stream>,
    decoder: Decoder,
}

/// How a turn of reading ended.
enum Turn {
    /// The kernel has no more.
    Dry,
    /// It may have, but others want their turn.
    More,
    End(Reason),
}

impl Slot {
    pub fn new(stream: Arc<dyn Stream>) -> Slot {
        Slot { input: Some(Input { stream, decoder: Decoder::default() }), again: false, over: false }
    }

    pub fn end(&mut self) -> Option<Input> {
        self.over = true;
        self.input.take()
    }
}

impl Input {
    /// Reads once; gives how much, and whether the kernel had no more than that.
    fn read(&mut self) -> io::Result<(usize, bool)> {
        if let Some(room) = self.decoder.room()? {
            let wanted = room.len();
            let got = self.stream.read(room)?;
            self.decoder.filled(got);
            return Ok((got, got < wanted));
        }
        with_scratch(|scratch| {
            let got = self.stream.read(scratch)?;
            self.decoder.feed(&scratch[..got])?;
            Ok((got, got < scratch.len()))
        })
    }

    /// Reads and forgets: the connection is being closed.
    fn forget(&self) -> io::Result<(usize, bool)> {
        with_scratch(|scratch| self.stream.read(scratch).map(|got| (got, got < scratch.len())))
    }
}

impl Source for EndPoint {
    fn ready(&self, _key: u64, ready: Ready) {
        let _inside = guard::enter_reading(self.address());
        let broken = ready.writable && self.writable();
        if ready.readable || ready.closed || broken {
            self.read(ready.closed);
        }
        // Also what was sent while delivering, and what a stream over a stream could not write before it had read.
        EndPoint::flush(self);
    }

    fn expired(&self, key: u64) {
        let _inside = guard::enter_reading(self.address());
        match key {
            LINGER => self.finish(Reason::Closed),
            AUTHENTICATION if !self.is_authenticated() => self.finish(Reason::Failed(Failure::TimedOut)),
            _ => {}
        }
    }

    fn flush(&self, _key: u64) -> bool {
        let _inside = guard::enter_reading(self.address());
        let wanted = self.output.lock().needs_tending();
        EndPoint::flush(self);
        wanted
    }
}

impl EndPoint {
    /// Reads what there is. `to_end`: the end is near, so nothing but the end is a reason to stop.
    fn read(&self, to_end: bool) {
        let mut input = {
            let mut slot = self.input.lock();
            match slot.input.take() {
                Some(input) => input,
                None => {
                    slot.again = true;
                    return;
                }
            }
        };
        loop {
            let turn = self.read_turn(&mut input, to_end);
            if let Turn::End(reason) = turn {
                drop(input);
                let lingers = {
                    let mut output = self.output.lock();
                    output.heard_end = true;
                    output.lingers()
                };
                return if lingers { EndPoint::flush(self) } else { self.finish(reason) };
            }
            let unread = matches!(turn, Turn::More) && input.stream.has_unread();
            let mut slot = self.input.lock();
            if (std::mem::take(&mut slot.again) || unread) && !slot.over {
                continue;
            }
            let leftover = if slot.over { Some(input) } else { slot.input.replace(input) };
            drop(slot);
            drop(leftover);
            if matches!(turn, Turn::More) {
                self.output.lock().rewatch(&self.reactor);
            }
            return;
        }
    }

    fn read_turn(&self, input: &mut Input, to_end: bool) -> Turn {
        for _ in 0..READS {
            let open = self.is_open();
            let (got, dry) = match if open { input.read() } else { input.forget() } {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.dry(),
                Err(error) => return Turn::End(self.ended_by(Reason::Failed(error.into()))),
            };
            if got == 0 {
                let cut = open && input.decoder.is_amid();
                return Turn::End(self.ended_by(if cut { Reason::Failed(Failure::Cut) } else { Reason::PeerClosed }));
            }
            if let Err(reason) = self.deliver_all(&mut input.decoder) {
                return Turn::End(reason);
            }
            if dry && !to_end && !input.stream.has_unread() {
                return self.dry();
            }
        }
        Turn::More
    }

    /// Delivers the messages that are whole.
    fn deliver_all(&self, decoder: &mut Decoder) -> Result<(), Reason> {
        while self.is_open() {
            let limit = if self.is_authenticated() { self.config.max_payload } else { self.config.max_payload_before };
            match decoder.next(limit) {
                Ok(Some(message)) => self.deliver(&message),
                Ok(None) => return Ok(()),
                Err(breach) => return Err(Reason::Failed(Failure::Protocol(breach))),
            }
        }
        Ok(())
    }

    /// There is nothing to read. If writing failed before, that is the end.
    fn dry(&self) -> Turn {
        match &self.output.lock().broken {
            Some(failure) => Turn::End(Reason::Failed(failure.clone())),
            None => Turn::Dry,
        }
    }

    /// The end came from the stream; but if we closed before, that is the reason.
    fn ended_by(&self, reason: Reason) -> Reason {
        if self.open.load(Ordering::Acquire) { reason } else { Reason::Closed }
    }

    /// Shows a message to the handlers. Called by one thread at a time, under no lock.
    fn deliver(&self, message: &Message) {
        count(&self.counters.received, 1);
        let header = &message.header;
        match header.ty {
            Type::None | Type::Unknown(_) => return count(&self.counters.unknown, 1),
            // libqi minds the version of nothing else (section 2).
            Type::Call if header.version != VERSION && header.service != 0 => {
                return self.refuse(message, "This version of the protocol is not spoken here.");
            }
            _ => {}
        }
        let round = self.go_round(message);
        count(&self.counters.dropped, (round.matched - round.taken).into());
        if round.matched == 0 {
            count(&self.counters.unmatched, 1);
        }
        if round.taken == 0 && header.ty == Type::Call {
            self.refuse(message, if round.matched == 0 { NOBODY } else { FULL });
        }
    }

    fn go_round(&self, message: &Message) -> Round {
        let mut round = self.table.lock().begin(&message.header);
        let mut answer = Answer::Start;
        loop {
            let mut out = Aftermath::default();
            let step = self.table.lock().step(&mut round, message, answer, &mut out);
            self.settle(out);
            answer = match step {
                Step::Ask(filter) => {
                    let _inside = guard::enter_filter();
                    // One that panics is not asked again: that is the default.
                    Answer::Verdict(guard::contained(|| filter(&message.header)).unwrap_or_default())
                }
                Step::Call(sink) => Answer::Taken(guard::contained(|| sink.take(self, message)).unwrap_or(Taken::Full)),
                Step::Done => return round,
            };
        }
    }

    /// The Error for a Call that nobody took.
    fn refuse(&self, call: &Message, text: &str) {
        // If there is no connection any more, nobody waits for it.
        if self.send_control(&Message::error_to(&call.header, text)).is_ok() {
            count(&self.counters.refused, 1);
        }
    }

    /// Does what the table has left to do. No lock is held.
    pub(super) fn settle(&self, out: Aftermath<Arc<dyn Sink>>) {
        let Aftermath { ended, mut wakes } = out;
        for ended in ended {
            let mut last = Wakes::new();
            ended.finish(&mut last);
            wakes.extend(last);
        }
        wake_all(&self.reactor, wakes);
    }
}
