//! Bytes become messages (qi-messaging.md 2 and 20). A pure machine.
//!
//! ```text
//!   Between ──some bytes of a header──▶ Head ──28 bytes──▶ Body ──all of it──▶ Between
//!       └── any fault: it is reported again and again, the connection is over
//! ```
//!
//! What one read brought is copied once, into a block of its size, and the messages in it are views of that block; an
//! idle connection holds nothing. A message that goes on after the block is gathered in a buffer of its own, which
//! grows with what has arrived, never with what was announced, and is read into directly when much is missing.
//! A short payload in a long block is copied out: whoever keeps it should not keep its neighbours.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

use crate::qi::message::{HEADER_SIZE, Header, HeaderError, MAGIC, Message};
use crate::sys::memory;

/// A payload of which less is missing is not worth a read of its own.
const DIRECT: usize = 16 * 1024;
/// The first buffer of a payload that is gathered is at most this large.
const FIRST: usize = 64 * 1024;
/// A payload up to this length is copied out of a block of more than [`LONG`] bytes.
const SHORT: usize = 256;
const LONG: usize = 4 * 1024;

#[derive(Debug, Default)]
pub struct Decoder {
    /// Read and not yet looked at.
    block: Bytes,
    /// The block was long when it came.
    is_long: bool,
    /// A header that has begun. Never whole.
    head: BytesMut,
    /// A payload that has begun.
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    header: Header,
    size: usize,
    /// The first `filled` bytes are payload, the rest is room to read into.
    buffer: BytesMut,
    filled: usize,
}

impl Decoder {
    /// Bytes that were read. All messages of those before must have been taken. An error: there is no memory for them.
    pub fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = bytes;
        if let Some(body) = &mut self.body {
            let count = body.missing().min(bytes.len());
            body.append(&bytes[..count])?;
            bytes = &bytes[count..];
        }
        if !bytes.is_empty() {
            granted(bytes.len())?;
            self.block = Bytes::copy_from_slice(bytes);
            self.is_long = bytes.len() > LONG;
        }
        Ok(())
    }

    /// Where the next bytes of a large payload belong, if one is under way; then [`Decoder::filled`]. An error: there is no memory
    /// for them.
    pub fn room(&mut self) -> io::Result<Option<&mut [u8]>> {
        let Some(body) = self.body.as_mut().filter(|body| body.missing() >= DIRECT) else { return Ok(None) };
        body.make_room()?;
        Ok(Some(&mut body.buffer[body.filled..]))
    }

    /// So many bytes were read into [`Decoder::room`].
    pub fn filled(&mut self, count: usize) {
        if let Some(body) = &mut self.body {
            body.filled = (body.filled + count).min(body.buffer.len());
        }
    }

    /// The next whole message. A payload of more than `limit` bytes, and what is not a message, is a fault as soon as
    /// its header can be seen.
    pub fn next(&mut self, limit: u32) -> Result<Option<Message>, HeaderError> {
        if self.body.is_none() {
            let Some((header, size)) = self.header(limit)? else { return Ok(None) };
            if self.block.len() >= size {
                return Ok(Some(Message { header, payload: self.cut(size) }));
            }
            let mut body = Body { header, size, buffer: BytesMut::new(), filled: 0 };
            // As much as it is a part of, and a little more.
            body.buffer.extend_from_slice(&std::mem::take(&mut self.block));
            body.filled = body.buffer.len();
            self.body = Some(body);
        }
        Ok(self.body.take_if(|body| body.missing() == 0).map(Body::finish))
    }

    /// Is there something that was read and not looked at yet?
    pub fn has_read(&self) -> bool {
        !self.block.is_empty()
    }

    /// Did the connection end in the middle of a message?
    pub fn is_amid(&self) -> bool {
        self.body.is_some() || !self.head.is_empty() || !self.block.is_empty()
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
        if size <= SHORT && self.is_long {
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

impl Body {
    fn missing(&self) -> usize {
        self.size - self.filled
    }

    /// Room for more: as much as has arrived already, but at least [`FIRST`], and at most what is missing.
    fn make_room(&mut self) -> io::Result<()> {
        if self.filled == self.buffer.len() {
            let more = self.filled.max(FIRST).min(self.missing());
            self.reserve(more)?;
            self.buffer.resize(self.filled + more, 0);
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.truncate(self.filled);
        if self.buffer.capacity() < self.filled + bytes.len() {
            // Doubling, within what was announced.
            self.reserve(bytes.len().max(self.filled.min(self.missing())))?;
        }
        self.buffer.extend_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    /// Room for so many more, in a buffer that may have to be a new one, and twice as large.
    fn reserve(&mut self, more: usize) -> io::Result<()> {
        granted((self.filled + more).max(self.buffer.capacity() * 2))?;
        self.buffer.reserve(more);
        Ok(())
    }

    fn finish(mut self) -> Message {
        self.buffer.truncate(self.filled);
        Message { header: self.header, payload: self.buffer.freeze() }
    }
}
