//! The sending half of a stream pipe: whole messages in, large writes out.
//!
//! Small messages are appended to one another; a large body keeps its own memory and joins the others in a
//! vectored write. A flush takes everything out ([`Outbox::start_flush`]), writes it without any lock, and
//! brings back what the kernel did not take ([`Outbox::finish_flush`]); meanwhile senders append behind
//! it, so bytes keep their order. At most one flush is under way.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use smallvec::SmallVec;

use crate::core::message::SMALL;
use crate::core::{Body, Chunk, Error, Message, Result};
use crate::sys::memory::unfilled_words;

use super::coalescing_buffer::CoalescingBuffer;
use super::framing::PrefixBytes;
use super::stream::Stream;

/// Messages up to this size are copied into the coalescing buffer.
pub const COALESCED: usize = SMALL;

/// Before more than this has been coalesced it is time to write it: what fits into one segment of the loopback device (64 KiB
/// less its headers). A little more would travel, be acknowledged and wake the peer as a second one.
pub const BUFFER: usize = 65_000;

/// Size of a coalescing buffer: the message with which it is time fits as well.
const CAPACITY: usize = BUFFER + COALESCED + PrefixBytes::ROOM;

/// Coalescing buffers kept while a stream lasts: one is appended to while others are written.
const SPARES: usize = 3;

/// A lone message up to this size is written in one piece: assembling it costs less than a vectored write does.
const ONE_PIECE: usize = 512;

/// Pieces handed to the kernel in one call.
const PIECES: usize = 16;

/// One flush writes about this much and then lets others have their turn.
const TURN: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Segment>,
    /// The coalescing buffer to which messages are appended, behind the queue.
    tail: CoalescingBuffer,
    /// Bytes in queue and tail and in the flush under way.
    pending: usize,
    /// Bytes that the stream has taken so far.
    written: u64,
    flushing: bool,
    /// Coalescing buffers that were written and will be needed again while the stream lasts.
    spare: Spare,
}

type Spare = SmallVec<[CoalescingBuffer; 1]>;

#[derive(Debug)]
struct Segment {
    data: SegmentData,
    /// Bytes already written.
    done: usize,
}

#[derive(Debug)]
enum SegmentData {
    Coalesced(CoalescingBuffer),
    Body(Body<'static>),
}

/// What a flush writes.
#[derive(Debug)]
pub struct Batch {
    segments: VecDeque<Segment>,
    spare: Spare,
}

/// Why a message was not accepted.
#[derive(Debug)]
pub enum SendFailure {
    /// There is no memory to keep it. Nothing has changed, and nothing was written.
    NoMemory,
    /// The stream is of no more use.
    Broken(Error),
}

type Accepted = std::result::Result<(), SendFailure>;

impl From<Error> for SendFailure {
    fn from(error: Error) -> SendFailure {
        match error {
            Error::NO_MEMORY => SendFailure::NoMemory,
            other => SendFailure::Broken(other),
        }
    }
}

impl From<SendFailure> for Error {
    fn from(failure: SendFailure) -> Error {
        match failure {
            SendFailure::NoMemory => Error::NO_MEMORY,
            SendFailure::Broken(error) => error,
        }
    }
}

impl Outbox {
    /// Everything accepted is with the kernel.
    pub fn is_empty(&self) -> bool {
        self.pending == 0
    }

    pub fn pending(&self) -> usize {
        self.pending
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    #[cfg(test)]
    pub fn is_flushing(&self) -> bool {
        self.flushing
    }

    /// Appends a small message, its header and its body, with what goes in front of it, if the coalescing buffer has room for it.
    #[inline(always)]
    pub fn append(&mut self, prefix: &PrefixBytes, header: &[u8], body: &[u8]) -> bool {
        let total = prefix.len() + header.len() + body.len();
        if total > COALESCED || !self.tail.append(prefix, header, body) {
            return false;
        }
        self.pending += total;
        true
    }

    /// A message is about to be appended.
    #[inline(always)]
    pub fn fetch_end(&self) {
        self.tail.fetch_end();
    }

    /// Appends a message with what goes in front of it. If it is needed `again`, it stays as it is; otherwise a large
    /// body is taken out of it.
    #[inline]
    pub fn push(&mut self, prefix: &PrefixBytes, message: &mut Message<'_>, again: bool) -> Accepted {
        let total = prefix.len() + message.len();
        if total > COALESCED {
            let room = self.room_for(prefix, message)?;
            return Ok(self.push_large(prefix, message, again, 0, room)?);
        }
        if !self.append(prefix, &message.header, message.body.bytes()) {
            self.new_tail(total + PrefixBytes::ROOM)?;
            self.append(prefix, &message.header, message.body.bytes());
        }
        Ok(())
    }

    /// Writes a message at once, nothing being pending; what the kernel does not take is kept.
    pub fn write(
        &mut self,
        stream: &dyn Stream,
        prefix: &PrefixBytes,
        message: &mut Message<'_>,
        again: bool,
    ) -> Accepted {
        let total = prefix.len() + message.len();
        let room = if total > COALESCED { self.room_for(prefix, message)? } else { None };
        let parts: [&[u8]; 3] = [prefix, &message.header, message.body.bytes()];
        let outcome = if total <= ONE_PIECE {
            let mut whole = SmallVec::<[u8; ONE_PIECE]>::new();
            parts.into_iter().for_each(|part| whole.extend_from_slice(part));
            stream.write(&[IoSlice::new(&whole)])
        } else {
            stream.write(&parts.map(IoSlice::new))
        };
        let written = match outcome {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(SendFailure::Broken(error.into())),
        };
        self.written += written as u64;
        if written == total {
            return Ok(());
        }
        // Of a small message room is made only now, which costs less. If it has been begun, it cannot be taken back any more.
        match self.push_rest(prefix, message, again, written, room) {
            Err(SendFailure::NoMemory) if written > 0 => Err(SendFailure::Broken(Error::NO_MEMORY)),
            other => other,
        }
    }

    /// Makes sure that a large message can be kept, without changing anything: room for a head of its own, and a chunk for a body
    /// that is the caller's.
    fn room_for(&mut self, prefix: &PrefixBytes, message: &Message<'_>) -> Result<Option<Chunk>> {
        let head = prefix.len() + message.header.len();
        if self.tail.capacity() - self.tail.len() < head {
            self.new_tail(head)?;
        }
        self.queue.try_reserve(2).map_err(|_| Error::NO_MEMORY)?;
        match &message.body {
            Body::Borrowed(bytes) => Chunk::within(bytes.len(), unfilled_words).map(Some),
            Body::Placed { .. } | Body::Inline(_) | Body::Owned(_) | Body::Shared { .. } => Ok(None),
        }
    }

    /// Takes out everything, unless nothing is there or another flush is under way.
    pub fn start_flush(&mut self) -> Option<Batch> {
        if self.flushing || self.pending == 0 {
            return None;
        }
        self.seal();
        self.flushing = true;
        Some(Batch { segments: std::mem::take(&mut self.queue), spare: Spare::new() })
    }

    /// Ends a flush that wrote `written` bytes; its rest goes back to the front.
    pub fn finish_flush(&mut self, batch: Batch, written: usize) {
        self.flushing = false;
        self.pending -= written;
        self.written += written as u64;
        self.spare.extend(batch.spare);
        self.spare.truncate(SPARES);
        for segment in batch.segments.into_iter().rev() {
            self.queue.push_front(segment);
        }
    }

    /// The stream is over: lets go of memory that a quiet pipe does not need.
    pub fn relax(&mut self) {
        self.spare = Spare::new();
        if self.tail.is_empty() {
            self.tail = CoalescingBuffer::default();
        }
    }

    /// Drops what is pending. A flush under way brings its rest to nobody.
    pub fn clear(&mut self) {
        let queued: usize = self.queue.iter().map(Segment::len).sum::<usize>() + self.tail.len();
        self.queue.clear();
        self.tail.clear();
        // A flush that failed does not say how much it had written.
        self.pending = if self.flushing { self.pending - queued } else { 0 };
    }

    /// Keeps what is left of a message of which `written` bytes have been written.
    fn push_rest(
        &mut self,
        prefix: &PrefixBytes,
        message: &mut Message<'_>,
        again: bool,
        written: usize,
        room: Option<Chunk>,
    ) -> Accepted {
        if prefix.len() + message.len() > COALESCED {
            return Ok(self.push_large(prefix, message, again, written, room)?);
        }
        self.push(prefix, message, again)?;
        // Nothing was pending, so this is all there is.
        self.tail.drop_front(written);
        self.pending -= written;
        Ok(())
    }

    /// `room` is what [`Outbox::room_for`] gave.
    fn push_large(
        &mut self,
        prefix: &PrefixBytes,
        message: &mut Message<'_>,
        again: bool,
        written: usize,
        room: Option<Chunk>,
    ) -> Result<()> {
        let total = prefix.len() + message.len();
        let head = prefix.len() + message.header.len();
        let done = written.saturating_sub(head);
        let (body, done) = match (&message.body, room) {
            (Body::Borrowed(bytes), Some(mut chunk)) => {
                let rest = &bytes[done..];
                chunk.truncate(rest.len());
                chunk.bytes_mut().copy_from_slice(rest);
                (Body::Owned(chunk), 0)
            }
            _ if again => (message.body.share()?, done),
            _ => (std::mem::take(&mut message.body).into_static()?, done),
        };
        let mut skip = written;
        for part in [&**prefix, &message.header] {
            self.tail.extend(&part[skip.min(part.len())..]);
            skip = skip.saturating_sub(part.len());
        }
        self.seal();
        self.queue.push_back(Segment { data: SegmentData::Body(body), done });
        self.pending += total - written;
        Ok(())
    }

    /// What comes next is behind the tail.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let data = SegmentData::Coalesced(std::mem::take(&mut self.tail));
            self.queue.push_back(Segment { data, done: 0 });
        }
    }

    /// An empty coalescing buffer with room for every small message, and at least for so many bytes. If there is no memory for that
    /// much, it is one with room for these.
    #[cold]
    fn new_tail(&mut self, least: usize) -> Result<()> {
        let spare = if least <= CAPACITY { self.spare.pop() } else { None };
        let fresh = match spare {
            Some(spare) => spare,
            None => CoalescingBuffer::of(CAPACITY.max(least)).or_else(|_| CoalescingBuffer::of(least))?,
        };
        self.seal();
        self.tail = fresh;
        Ok(())
    }
}

impl Batch {
    /// Writes until all is written, the kernel takes no more, or it was enough for one turn. Gives the bytes
    /// written and whether the kernel is full.
    pub fn write(&mut self, stream: &dyn Stream) -> io::Result<(usize, bool)> {
        let mut written = 0;
        while !self.segments.is_empty() && written < TURN {
            let pieces: SmallVec<[IoSlice<'_>; PIECES]> =
                self.segments.iter().take(PIECES).map(|segment| IoSlice::new(segment.rest())).collect();
            let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
            let outcome = stream.write(&pieces);
            drop(pieces);
            match outcome {
                Ok(count) => {
                    written += count;
                    self.advance(count);
                    if count < offered && stream.part_means_full() {
                        return Ok((written, true));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((written, true)),
                Err(error) => return Err(error),
            }
        }
        Ok((written, false))
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(segment) = self.segments.front_mut() {
            let step = count.min(segment.len());
            segment.done += step;
            count -= step;
            if segment.len() > 0 {
                return;
            }
            if let Some(Segment { data: SegmentData::Coalesced(mut buffer), .. }) = self.segments.pop_front() {
                buffer.clear();
                if buffer.capacity() >= CAPACITY {
                    self.spare.push(buffer);
                }
            }
        }
    }
}

impl Segment {
    fn rest(&self) -> &[u8] {
        match &self.data {
            SegmentData::Coalesced(buffer) => &buffer.bytes()[self.done..],
            SegmentData::Body(body) => &body.bytes()[self.done..],
        }
    }

    fn len(&self) -> usize {
        self.rest().len()
    }
}
