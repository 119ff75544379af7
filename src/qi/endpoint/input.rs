//! The reading half of a connection: its stream and its decoder.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::reactor::timers::TimerId;
use crate::sys::memory::unfilled_words;
use crate::transport::stream::Stream;

use super::budget::Account;
use super::decoder::Decoder;

/// One read brings at most this much, if it does not go straight to its message.
const READ: usize = 64 * 1024;
/// A message that has got on by this much is not stalled.
const PROGRESS: usize = 16 * 1024;
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
pub struct InputSlot {
    reader: InputHolder,
    /// The end is near: it is read up to that.
    pub to_end: bool,
    /// What comes is read only when it is resumed.
    pub held_back: bool,
    /// For how long, the last time.
    pub hold: Duration,
    /// It is looked then whether the message that is under way gets on.
    pub stall: Option<TimerId>,
}

/// Who has it.
#[derive(Debug)]
enum InputHolder {
    Nobody(Box<Input>),
    Somebody {
        /// There was news meanwhile.
        again: bool,
    },
    /// The connection is over: who has it drops it.
    Over,
}

/// What becomes of what was read from.
pub enum InputReturned {
    /// It is read from again.
    Again(Box<Input>),
    /// The next one takes it.
    Kept,
    /// Nobody will.
    Over(Box<Input>),
}

#[derive(Debug)]
pub struct Input {
    pub stream: Arc<dyn Stream>,
    pub decoder: Decoder,
    under_way: Option<MessageUnderWay>,
}

/// A message that has begun to arrive.
#[derive(Clone, Copy, Debug)]
struct MessageUnderWay {
    /// After so many others.
    number: u64,
    /// Steps of [`PROGRESS`] that have come.
    steps: usize,
    since: Instant,
}

impl InputSlot {
    pub fn new(stream: Arc<dyn Stream>, account: Arc<Account>) -> InputSlot {
        let input = Input { stream, decoder: Decoder::new(account), under_way: None };
        InputSlot {
            reader: InputHolder::Nobody(Box::new(input)),
            to_end: false,
            held_back: false,
            hold: Duration::ZERO,
            stall: None,
        }
    }

    /// `None`: somebody else reads, and is told to go on; or it is over.
    pub fn take(&mut self) -> Option<Box<Input>> {
        match std::mem::replace(&mut self.reader, InputHolder::Over) {
            InputHolder::Nobody(input) => {
                self.reader = InputHolder::Somebody { again: false };
                Some(input)
            }
            InputHolder::Somebody { .. } => {
                self.reader = InputHolder::Somebody { again: true };
                None
            }
            InputHolder::Over => None,
        }
    }

    /// `goes_on`: who has read may do so again.
    pub fn put_back(&mut self, input: Box<Input>, goes_on: bool) -> InputReturned {
        match self.reader {
            InputHolder::Over => return InputReturned::Over(input),
            InputHolder::Somebody { again: true } if goes_on => {
                self.reader = InputHolder::Somebody { again: false };
                return InputReturned::Again(input);
            }
            InputHolder::Somebody { .. } | InputHolder::Nobody(_) => self.reader = InputHolder::Nobody(input),
        }
        InputReturned::Kept
    }

    /// What nobody reads from at this moment.
    pub fn idle(&mut self) -> Option<&mut Input> {
        match &mut self.reader {
            InputHolder::Nobody(input) => Some(input),
            _ => None,
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.reader, InputHolder::Over)
    }

    pub fn end(&mut self) -> (Option<Box<Input>>, Option<TimerId>) {
        let input = match std::mem::replace(&mut self.reader, InputHolder::Over) {
            InputHolder::Nobody(input) => Some(input),
            InputHolder::Somebody { .. } | InputHolder::Over => None,
        };
        (input, self.stall.take())
    }
}

impl Input {
    /// Since when the message that is under way has not got on, if there is one. It comes after `number` others.
    pub fn stands_since(&mut self, number: u64) -> Option<Instant> {
        let steps = self.decoder.unfinished().map(|bytes| bytes / PROGRESS);
        self.under_way = steps.map(|steps| match self.under_way {
            Some(before) if before.number == number && before.steps == steps => before,
            _ => MessageUnderWay { number, steps, since: Instant::now() },
        });
        self.under_way.map(|message| message.since)
    }

    /// Reads once; gives how much, and whether the kernel had no more than that.
    pub fn read(&mut self) -> io::Result<(usize, bool)> {
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
    pub fn forget(&self) -> io::Result<(usize, bool)> {
        with_scratch(|scratch| self.stream.read(scratch).map(|got| (got, got < scratch.len())))
    }
}
