//! Bytes become messages (qi-messaging.md 2 and 20). A pure machine.
//!
//! ```text
//!   Between ──some bytes of a header──▶ Head ──28 bytes──▶ Body ──all of it──▶ Between
//!       │                                                   └── no room in the budget: Skip ──all of it──▶ Between
//!       └── any fault: it is reported again and again, the connection is over
//! ```
//!
//! What one read brought is copied once, into a block of its size, and the messages in it are views of that block; an
//! idle connection holds nothing. A message that goes on after the block is gathered in a buffer of its own, which
//! grows with what has arrived, never with what was announced, and is read into directly when much is missing. Once it is large it
//! is a mapping of its own, which the system has back as soon as nobody needs the message: an allocator may keep that for others.
//! A payload in a block more than four times as long is copied out: whoever keeps it should not keep its neighbours.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use memmap2::MmapMut;

use crate::qi::message::{HEADER_SIZE, Header, HeaderError, MAGIC, Message};
use crate::sys::memory;

use super::budget::{Account, Charge};

/// A payload of which less is missing is not worth a read of its own.
const DIRECT: usize = 16 * 1024;
/// The first buffer of a payload that is gathered is at most this large.
const FIRST: usize = 64 * 1024;
/// A payload of which more than this has come is in a mapping of its own.
const LARGE: usize = 1024 * 1024;
/// A payload is copied out of a block that was longer than so many of it, and than [`LONG`] bytes.
const PART: usize = 4;
const LONG: usize = 4 * 1024;

#[derive(Debug)]
pub struct Decoder {
    /// Read and not yet looked at.
    block: Bytes,
    /// How long it was when it came.
    length: usize,
    /// A header that has begun. Never whole.
    head: BytesMut,
    /// A payload that has begun.
    body: Option<PartialBody>,
    /// What is still to come of a payload for which there was no room.
    skip: usize,
    refused: Option<Refused>,
    account: Arc<Account>,
}

/// What was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Message(Message),
    /// A message for whose payload there was no room in the budget.
    Refused(Refused),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub header: Header,
    /// Bytes of its payload.
    pub size: usize,
}

#[derive(Debug)]
struct PartialBody {
    header: Header,
    size: usize,
    buffer: Buffer,
    /// The first bytes of the buffer are payload; then comes room to read into, up to `end`.
    filled: usize,
    end: usize,
    charge: Charge,
}

#[derive(Debug)]
enum Buffer {
    /// Its length is the body's `end`.
    Heap(BytesMut),
    /// As long as the payload. What has not been written to is not there.
    Mapping(MmapMut),
}

impl Decoder {
    /// One whose unfinished message counts on this account.
    pub fn new(account: Arc<Account>) -> Decoder {
        let (block, head) = (Bytes::new(), BytesMut::new());
        Decoder { block, length: 0, head, body: None, skip: 0, refused: None, account }
    }

    /// Bytes that were read. All messages of those before must have been taken. An error: there is no memory for them.
    pub fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let mut bytes = &bytes[skipped..];
        if let Some(body) = &mut self.body {
            let (part, rest) = bytes.split_at(body.missing().min(bytes.len()));
            if !body.append(part)? {
                self.refuse(part.len());
            }
            bytes = rest;
        }
        if !bytes.is_empty() {
            granted(bytes.len())?;
            self.block = Bytes::copy_from_slice(bytes);
            self.length = bytes.len();
        }
        Ok(())
    }

    /// Where the next bytes of a large payload belong, if one is under way; then [`Decoder::filled`]. An error: there is no memory
    /// for them.
    pub fn room(&mut self) -> io::Result<Option<&mut [u8]>> {
        let Some(body) = self.body.as_mut().filter(|body| body.missing() >= DIRECT) else { return Ok(None) };
        if !body.make_room()? {
            self.refuse(0);
        }
        Ok(self.body.as_mut().map(PartialBody::room))
    }

    /// So many bytes were read into [`Decoder::room`].
    pub fn filled(&mut self, count: usize) {
        if let Some(body) = &mut self.body {
            body.filled = (body.filled + count).min(body.end);
        }
    }

    /// The next whole message. A payload of more than `limit` bytes, and what is not a message, is a fault as soon as
    /// its header can be seen.
    pub fn next(&mut self, limit: u32) -> Result<Option<Incoming>, HeaderError> {
        if let Some(refused) = self.refused.take() {
            return Ok(Some(Incoming::Refused(refused)));
        }
        if self.body.is_none() {
            let Some((header, size)) = self.header(limit)? else { return Ok(None) };
            if self.block.len() >= size {
                return Ok(Some(Incoming::Message(Message { header, payload: self.cut(size) })));
            }
            let begun = std::mem::take(&mut self.block);
            let mut charge = Charge::on(&self.account);
            if !charge.grow_to(begun.len()) {
                self.skip = size - begun.len();
                return Ok(Some(Incoming::Refused(Refused { header, size })));
            }
            let filled = begun.len();
            let buffer = Buffer::Heap(BytesMut::from(&*begun));
            self.body = Some(PartialBody { header, size, buffer, filled, end: filled, charge });
        }
        Ok(self.body.take_if(|body| body.missing() == 0).map(|body| Incoming::Message(body.finish())))
    }

    /// The budget has no room for the payload that is under way, of which `passed` bytes more have been seen.
    fn refuse(&mut self, passed: usize) {
        if let Some(body) = self.body.take() {
            self.skip = body.missing() - passed;
            self.refused = Some(Refused { header: body.header, size: body.size });
        }
    }

    /// Is there something that was read and not looked at yet?
    pub fn has_read(&self) -> bool {
        !self.block.is_empty()
    }

    /// Did the connection end in the middle of a message?
    pub fn is_amid(&self) -> bool {
        self.unfinished().is_some() || !self.block.is_empty()
    }

    /// How much has come of a message that is not whole yet, if there is one; of one that is skipped, how much less is to come.
    pub fn unfinished(&self) -> Option<usize> {
        match &self.body {
            Some(body) => Some(body.filled),
            None if self.skip > 0 => Some(usize::MAX - self.skip),
            None => Some(self.head.len()).filter(|length| *length > 0),
        }
    }

    /// The header in front, which is taken out, and the length of its payload.
    fn header(&mut self, limit: u32) -> Result<Option<(Header, usize)>, HeaderError> {
        if self.head.is_empty() && self.block.len() >= HEADER_SIZE {
            let (header, size) = Header::parse(&self.block, limit)?;
            self.block.advance(HEADER_SIZE);
            return Ok(Some((header, size as usize)));
        }
        let count = (HEADER_SIZE - self.head.len()).min(self.block.len());
        self.head.extend_from_slice(&self.block[..count]);
        self.block.advance(count);
        if self.block.is_empty() {
            self.block = Bytes::new();
        }
        // Who speaks something else may say no more than a few bytes, and wait: tell from those.
        if let Some(word) = self.head.first_chunk().map(|word| u32::from_le_bytes(*word))
            && word != MAGIC
        {
            return Err(HeaderError::Magic(word));
        }
        if self.head.len() < HEADER_SIZE {
            return Ok(None);
        }
        let (header, size) = Header::parse(&self.head, limit)?;
        self.head = BytesMut::new();
        Ok(Some((header, size as usize)))
    }

    fn cut(&mut self, size: usize) -> Bytes {
        if self.length > LONG.max(size.saturating_mul(PART)) {
            let payload = Bytes::copy_from_slice(&self.block[..size]);
            self.block.advance(size);
            return payload;
        }
        self.block.split_to(size)
    }
}

/// The connection ends if there is no memory for what the peer sends, and not the process.
fn granted(bytes: usize) -> io::Result<()> {
    if memory::is_there(bytes) { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
}

impl PartialBody {
    fn missing(&self) -> usize {
        self.size - self.filled
    }

    fn room(&mut self) -> &mut [u8] {
        let room = self.filled..self.end;
        match &mut self.buffer {
            Buffer::Heap(bytes) => &mut bytes[room],
            Buffer::Mapping(bytes) => &mut bytes[room],
        }
    }

    /// Room for more: as much as has arrived already, but at least [`FIRST`], and at most what is missing. False: the budget has none.
    fn make_room(&mut self) -> io::Result<bool> {
        if self.filled < self.end {
            return Ok(true);
        }
        self.reserve(self.filled.max(FIRST).min(self.missing()))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<bool> {
        // Doubling, within what was announced.
        if self.end - self.filled < bytes.len() && !self.reserve(bytes.len().max(self.filled.min(self.missing())))? {
            return Ok(false);
        }
        self.room()[..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(true)
    }

    /// Room for so many bytes after those that have come. False: the budget has none.
    fn reserve(&mut self, more: usize) -> io::Result<bool> {
        let end = self.filled + more;
        if !self.charge.grow_to(end) {
            return Ok(false);
        }
        match &mut self.buffer {
            Buffer::Heap(bytes) if end > LARGE => {
                let mut mapping = MmapMut::map_anon(self.size)?;
                mapping[..self.filled].copy_from_slice(&bytes[..self.filled]);
                self.buffer = Buffer::Mapping(mapping);
            }
            Buffer::Heap(bytes) => {
                granted(end.max(bytes.capacity() * 2))?;
                bytes.resize(end, 0);
            }
            Buffer::Mapping(_) => {}
        }
        self.end = end;
        Ok(true)
    }

    fn finish(self) -> Message {
        let payload = match self.buffer {
            Buffer::Heap(mut bytes) => {
                bytes.truncate(self.filled);
                bytes.freeze()
            }
            Buffer::Mapping(bytes) => Bytes::from_owner(bytes),
        };
        Message { header: self.header, payload }
    }
}
