//! The receiving half of a stream pipe: bytes in, whole messages out.
//!
//! Reads are large: one read fills a pooled block with as many messages as the kernel has, and they are
//! handed out as views into it. A message too large for that is read straight into a chunk of its own,
//! which grows as data arrive, never by what the peer merely announces.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::core::message::INLINE;
use crate::core::{Body, Chunk, Error, Message, Result};

use crate::sys::memory::{fetch_lines, unfilled_words};

use super::blocks::{BLOCK, Blocks};
use super::framing::{Framing, Language, Parsed, Prefix};
use super::stream::Stream;

/// Messages longer than this get a chunk of their own.
const DIRECT: usize = BLOCK / 4;

/// The last message of a block is copied out if it is no longer than this, which frees the block.
const COPIED: usize = 2048;

/// A partial message no longer than this does not keep a whole block waiting for its rest.
const RESIDUE: usize = BLOCK / 4;

/// So much of a large message is read before others have their turn. (More is there only after an edge, so a turn ends at the end of what there was.)
const TURN: usize = 1024 * 1024;

/// What is read of a message that is expected to be large: its prefix, and enough to see a small one whole.
const BEGINNING: usize = 256;

/// What one read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// All the room was filled: the kernel may have more.
    More,
    /// Less came than there was room for, which empties the kernel (epoll(7)).
    Short,
    /// Nothing was there.
    Nothing,
    /// The kernel will never have more: the peer closed.
    Eof,
}

#[derive(Debug, Default)]
pub struct Inbox {
    /// Unread bytes are `block[start..end]`.
    block: Option<Arc<Chunk>>,
    start: usize,
    end: usize,
    front: Front,
    /// The message in front, if it has a chunk of its own.
    chunk: Option<Large>,
    /// What its prefix said of the message in front. 0 for most.
    kind: u8,
    /// The longest message received so far. A peer is believed to send as much again.
    longest: usize,
    /// The last message had a chunk of its own; the next one probably will.
    large: bool,
    /// The stream was told of a large message, and is to be told when small ones come again.
    has_announced: bool,
    /// Bytes read so far.
    read: u64,
}

/// What is known of the first message. Its prefix is consumed as soon as it is understood.
#[derive(Clone, Copy, Debug, Default)]
enum Front {
    #[default]
    Unknown,
    /// A message of this length, in the block.
    Small(usize),
    /// It has a chunk.
    Large,
}

/// A message of `total` bytes, of which the chunk holds the first `filled`.
#[derive(Debug)]
struct Large {
    chunk: Chunk,
    filled: usize,
    total: usize,
    /// Bytes read in this turn.
    turn: usize,
    is_announced: bool,
}

impl Inbox {
    /// Bytes not yet understood as a message.
    pub fn bytes(&self) -> &[u8] {
        match &self.block {
            Some(block) => &block.bytes()[self.start..self.end],
            None => &[],
        }
    }

    /// The next message is about to be taken.
    #[inline(always)]
    pub fn fetch_front(&self) {
        fetch_lines(self.block.as_ref().map_or(&[], |block| block.bytes()), self.start);
    }

    /// Bytes read so far.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Bytes read that were not taken.
    pub fn unread(&self) -> usize {
        self.end - self.start + self.chunk.as_ref().map_or(0, |large| large.filled)
    }

    /// Bytes that have not come of the message in front, if it has a chunk of its own.
    pub fn missing(&self) -> usize {
        self.chunk.as_ref().map_or(0, |large| large.total - large.filled)
    }

    /// Forgets the first `count` of [`Inbox::bytes`].
    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Reads once. `piling`: read on although a whole message waits already.
    pub fn fill(&mut self, stream: &dyn Stream, blocks: &Blocks, piling: bool) -> io::Result<Fill> {
        if let Some(large) = &mut self.chunk
            && large.filled < large.total
        {
            let before = large.filled;
            let filled = large.fill(stream);
            self.read += (large.filled - before) as u64;
            return filled;
        }
        self.make_room(blocks, piling).map_err(no_memory)?;
        let Some(block) = self.block.as_mut().and_then(Arc::get_mut) else {
            return Ok(Fill::More);
        };
        // Reading no more than the beginning of a large message leaves the rest to be read where it belongs.
        let room = if self.large { self.end + BEGINNING } else { usize::MAX };
        let before = self.end;
        let filled = read_into(stream, block, &mut self.end, room);
        self.read += (self.end - before) as u64;
        filled
    }

    /// Looks whether a whole message is in front. `max` is NN_RCVMAXSIZE, read when a prefix arrives.
    #[inline(always)]
    pub fn parse(&mut self, framing: &Language, max: Option<u64>) -> Result<bool> {
        let len = match self.front {
            Front::Small(len) => len,
            Front::Large => return Ok(self.chunk.as_ref().is_some_and(|large| large.filled == large.total)),
            Front::Unknown if self.start == self.end => return Ok(false),
            Front::Unknown => match framing.parse_prefix(self.bytes()) {
                Parsed::Partial => return Ok(false),
                Parsed::Bad => return Err(Error::PROTO),
                Parsed::Whole { used, value: Prefix { len, kind } } => {
                    // More than an address space holds cannot be meant, even where no limit is set.
                    if max.is_some_and(|max| len > max) || len >= isize::MAX as u64 {
                        return Err(Error::MSG_SIZE);
                    }
                    let len = usize::try_from(len).map_err(|_| Error::MSG_SIZE)?;
                    (self.kind, self.front) = (kind, Front::Small(len));
                    self.start += used;
                    len
                }
            },
        };
        if self.end - self.start >= len {
            return Ok(true);
        }
        if len > DIRECT {
            self.start_large(len)?;
        }
        Ok(false)
    }

    /// Tells the stream of each large message, as soon as its length is known, and that small ones come again.
    pub fn tell(&mut self, stream: &dyn Stream) {
        match (self.front, &mut self.chunk) {
            (Front::Large, Some(large)) if !large.is_announced => {
                large.is_announced = true;
                self.has_announced = true;
                stream.expect(large.total);
            }
            (Front::Small(_), _) if self.has_announced => self.has_announced = !stream.expect(0),
            _ => {}
        }
    }

    /// Puts the message that [`Inbox::parse`] found whole into `into`.
    #[inline]
    pub fn take(&mut self, into: &mut Message<'_>, blocks: &Blocks) {
        into.header.clear();
        into.kind = self.kind;
        match self.front {
            Front::Small(len) => {
                self.front = Front::Unknown;
                self.take_small(len, &mut into.body, blocks);
            }
            Front::Large | Front::Unknown => into.body = self.take_large(),
        }
    }

    /// Copies the small message that [`Inbox::parse`] found whole to where it is wanted, and finds the next one whole: otherwise nothing is done.
    #[inline(always)]
    pub fn take_bytes(&mut self, room: &mut [u8], framing: &Language, max: Option<u64>) -> Option<usize> {
        let (Front::Small(len), Some(block)) = (self.front, &self.block) else { return None };
        let (message, rest) = block.bytes().get(self.start..self.end)?.split_at_checked(len)?;
        let Parsed::Whole { used, value: Prefix { len: next, kind } } = framing.parse_prefix(rest) else { return None };
        if next > (rest.len() - used) as u64 || max.is_some_and(|max| next > max) {
            return None;
        }
        room.get_mut(..len)?.copy_from_slice(message);
        self.start += len + used;
        (self.front, self.kind, self.large) = (Front::Small(next as usize), kind, false);
        Some(len)
    }

    fn take_large(&mut self) -> Body<'static> {
        self.front = Front::Unknown;
        let Some(Large { mut chunk, total, .. }) = self.chunk.take() else { return Body::default() };
        chunk.truncate(total);
        (self.longest, self.large) = (self.longest.max(total), true);
        Body::Owned(chunk)
    }

    /// Lets go of memory that an idle connection does not need.
    pub fn settle(&mut self, blocks: &Blocks) {
        let waiting = self.end - self.start;
        let Some(block) = &self.block else { return };
        if waiting == 0 {
            self.release(blocks);
        } else if waiting <= RESIDUE
            && block.len() > waiting * 2
            && let Ok(residue) = Chunk::copy_of(self.bytes())
        {
            self.release(blocks);
            self.end = residue.len();
            self.block = Some(Arc::new(residue));
        }
    }

    #[inline]
    fn take_small(&mut self, len: usize, into: &mut Body<'_>, blocks: &Blocks) {
        let (start, end) = (self.start, self.start + len);
        self.start = end;
        self.large = false;
        let Some(block) = &self.block else {
            return into.set_inline(&[]);
        };
        let last = end == self.end;
        if into.place(&block.bytes()[start..end]) {
            // There it is.
        } else if len <= INLINE {
            into.set_inline(&block.bytes()[start..end]);
        } else if last
            && len <= COPIED
            && let Ok(copy) = Body::copy_of(&block.bytes()[start..end])
        {
            *into = copy;
        } else {
            *into = Body::Shared { block: Arc::clone(block), start, end };
            return;
        }
        if last {
            self.release(blocks);
        }
    }

    #[cold]
    fn start_large(&mut self, total: usize) -> Result<()> {
        let here = self.bytes();
        let filled = here.len();
        let believed = BLOCK.max(self.longest).max(filled * 2);
        let mut chunk = Chunk::within(total.min(believed), unfilled_words)?;
        chunk.bytes_mut()[..filled].copy_from_slice(here);
        self.start = self.end;
        (self.front, self.chunk) = (Front::Large, Some(Large { chunk, filled, total, turn: 0, is_announced: false }));
        Ok(())
    }

    fn release(&mut self, blocks: &Blocks) {
        (self.start, self.end) = (0, 0);
        if let Some(block) = self.block.take() {
            blocks.put(block);
        }
    }

    /// Makes the block one that can be read into: there, ours alone, and with room at its end.
    fn make_room(&mut self, blocks: &Blocks, piling: bool) -> Result<()> {
        let (start, end) = (self.start, self.end);
        let waiting = end - start;
        if let Some(block) = self.block.as_mut().and_then(Arc::get_mut) {
            if block.len() - end >= BLOCK / 2 {
                return Ok(());
            }
            if block.len() == BLOCK && waiting <= BLOCK / 2 {
                block.bytes_mut().copy_within(start..end, 0);
                (self.start, self.end) = (0, waiting);
                return Ok(());
            }
            if !piling && end < block.len() {
                return Ok(());
            }
        }
        let mut fresh = if waiting <= BLOCK / 2 {
            blocks.get()?
        } else {
            // Twice as much each time, or what piles up at an end, which may be megabytes, is copied for each block that comes.
            Arc::new(Chunk::within(waiting + waiting.max(BLOCK), unfilled_words)?)
        };
        if let Some(target) = Arc::get_mut(&mut fresh) {
            target.bytes_mut()[..waiting].copy_from_slice(self.bytes());
        }
        self.release(blocks);
        self.end = waiting;
        self.block = Some(fresh);
        Ok(())
    }
}

fn no_memory(error: Error) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}

impl Large {
    fn fill(&mut self, stream: &dyn Stream) -> io::Result<Fill> {
        let Large { chunk, filled, total, turn, .. } = self;
        if *filled == chunk.len() {
            let room = chunk.len().saturating_mul(2).min(*total);
            let mut longer = Chunk::within(room, unfilled_words).map_err(no_memory)?;
            longer.bytes_mut()[..*filled].copy_from_slice(chunk.bytes());
            *chunk = longer;
        }
        let before = *filled;
        let outcome = read_into(stream, chunk, filled, usize::MAX)?;
        *turn += *filled - before;
        let goes_on = outcome == Fill::Short && *total - *filled >= BLOCK && *turn < TURN;
        if goes_on {
            // While it was read the peer's kernel, which has room again, may have sent more. (For less it pays to wait.)
            return Ok(Fill::More);
        }
        if outcome != Fill::More {
            *turn = 0;
        }
        Ok(outcome)
    }
}

/// Reads into `chunk[*end..limit]`.
fn read_into(stream: &dyn Stream, chunk: &mut Chunk, end: &mut usize, limit: usize) -> io::Result<Fill> {
    let limit = limit.min(chunk.len());
    let room = &mut chunk.bytes_mut()[*end..limit];
    match stream.read(room) {
        Ok(0) => Ok(Fill::Eof),
        Ok(count) => {
            let filled = count == room.len();
            *end += count;
            Ok(if filled { Fill::More } else { Fill::Short })
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Fill::Nothing),
        Err(error) => Err(error),
    }
}
