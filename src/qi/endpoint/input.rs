//! The reading half of a connection: its stream and its decoder.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;

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
pub struct Slot {
    pub input: Option<Input>,
    /// There was news while somebody read.
    pub again: bool,
    /// The end is near: it is read up to that.
    pub to_end: bool,
    /// The connection is over: who has the input drops it.
    pub over: bool,
    /// What comes is read only when it is resumed.
    pub held_back: bool,
    /// It is looked then whether the message that is under way gets on.
    pub stall: Option<TimerId>,
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

impl Slot {
    pub fn new(stream: Arc<dyn Stream>, account: Arc<Account>) -> Slot {
        let input = Input { stream, decoder: Decoder::new(account), under_way: None };
        Slot { input: Some(input), again: false, to_end: false, over: false, held_back: false, stall: None }
    }

    pub fn end(&mut self) -> (Option<Input>, Option<TimerId>) {
        self.over = true;
        (self.input.take(), self.stall.take())
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
