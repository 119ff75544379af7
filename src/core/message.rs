//! Message = header + body. The header is what a protocol keeps apart from the body (protocols.md 2.5);
//! on the wire it simply stands in front.

use std::sync::Arc;

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use crate::core::{Chunk, Error, Peer, Result};

/// Bodies up to this size are rather copied than shared.
pub const SMALL: usize = 8 * 1024;

/// Bodies up to this size live in the message itself. Copying so little costs less than counting who shares it.
pub const INLINE: usize = 128;

/// Header bytes; two hops fit without an allocation.
pub type Header = SmallVec<[u8; 16]>;

/// A header of these bytes. How many they are, a caller decides: `ENOMEM` when there is no memory for them.
pub fn header_of(bytes: &[u8]) -> Result<Header> {
    let mut header = Header::new();
    header.try_reserve_exact(bytes.len()).map_err(|_| Error::NO_MEMORY)?;
    header.extend_from_slice(bytes);
    Ok(header)
}

/// What a socket sends and receives. `'a` is the life of a body that is still the caller's own buffer;
/// everything that is kept beyond a call is `Message<'static>`.
#[derive(Debug, Default)]
pub struct Message<'a> {
    /// What the pattern has put before the body.
    pub header: Header,
    /// What users send and receive.
    pub body: Body<'a>,
    /// How a transport that knows several ways framed it, or is to frame it; 0 is as usual. On ws, the opcode.
    pub kind: u8,
    /// Who sent it, if that was asked for. It is not sent on.
    pub peer: Option<Arc<Peer>>,
}

/// Where the bytes of a body are.
#[derive(Debug)]
pub enum Body<'a> {
    /// In the caller's buffer: `nn_send` of a buffer copies it once, to where it is going.
    Borrowed(&'a [u8]),
    /// In the first `len` bytes of the buffer that a receiving caller gave: what is delivered as it came is copied once, to there.
    Placed {
        /// The whole buffer.
        room: &'a mut [u8],
        /// How much of it is the body.
        len: usize,
    },
    /// In the message itself.
    Inline(ArrayVec<u8, INLINE>),
    /// In a chunk of its own: what `NN_MSG` hands over, and large arrivals.
    Owned(Chunk),
    /// In `start..end` of a block that others look at too: arrivals (the read buffer), fan-out, and requests kept for
    /// resending.
    Shared {
        /// The block.
        block: Arc<Chunk>,
        /// Where the body begins.
        start: usize,
        /// Where it ends.
        end: usize,
    },
}

impl Message<'static> {
    /// A message with an empty header and a copy of `body`.
    pub fn copy_of(body: &[u8]) -> Result<Message<'static>> {
        Ok(Message::new(Body::copy_of(body)?))
    }
}

impl<'a> Message<'a> {
    /// A message with an empty header.
    pub fn new(body: Body<'a>) -> Message<'a> {
        Message { header: Header::new(), body, kind: 0, peer: None }
    }

    /// Bytes on the wire: header and body together.
    pub fn len(&self) -> usize {
        self.header.len() + self.body.len()
    }

    /// Whether there is neither header nor body.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves an empty message behind: how a protocol takes the message of a [`Cmd::Send`].
    ///
    /// [`Cmd::Send`]: crate::core::Cmd::Send
    pub fn take(&mut self) -> Message<'a> {
        std::mem::take(self)
    }

    /// Makes an empty message one that outlives the caller's buffer: a small body is copied there, without anything being
    /// moved about; a larger one handed over or, if it is needed `again`, shared.
    #[inline(always)]
    pub fn keep_in(&mut self, slot: &mut Message<'static>, again: bool) -> Result<()> {
        slot.kind = self.kind;
        if !self.header.is_empty() {
            slot.header = header_of(&self.header)?;
        }
        if self.body.len() <= INLINE {
            slot.body.set_inline(self.body.bytes());
        } else {
            slot.body = if again { self.body.share()? } else { std::mem::take(&mut self.body).into_static()? };
        }
        Ok(())
    }

    /// A second message with the same header and the same bytes, not copied if they can be shared.
    pub fn share(&mut self) -> Result<Message<'static>> {
        let header = header_of(&self.header)?;
        Ok(Message { header, body: self.body.share()?, kind: self.kind, peer: self.peer.clone() })
    }

    /// Prepares the message to be sent on several pipes: a large body is shared among them, a small one copied by each.
    /// Afterwards [`Message::share`] does not fail for a large one.
    pub fn fan_out(&mut self) -> Result<()> {
        if self.body.len() > SMALL { self.body.make_shared() } else { Ok(()) }
    }

    /// Puts the header in front of the body, as the wire does. Copies only if there is a header.
    #[inline]
    pub fn join(&mut self) -> Result<()> {
        if self.header.is_empty() { Ok(()) } else { self.copy_joined() }
    }

    fn copy_joined(&mut self) -> Result<()> {
        let mut joined = Chunk::zeroed(self.len())?;
        let (header, body) = joined.bytes_mut().split_at_mut(self.header.len());
        header.copy_from_slice(&self.header);
        body.copy_from_slice(self.body.bytes());
        self.header.clear();
        self.body = Body::Owned(joined);
        Ok(())
    }
}

impl Default for Body<'_> {
    fn default() -> Self {
        Body::Inline(ArrayVec::new())
    }
}

impl<'a> Body<'a> {
    /// Takes the caller's buffer out of a body that is to be placed there: not everything that comes will be delivered.
    #[inline]
    pub fn take_room(&mut self) -> Option<&'a mut [u8]> {
        if !matches!(self, Body::Placed { .. }) {
            return None;
        }
        match std::mem::take(self) {
            Body::Placed { room, .. } => Some(room),
            _ => None,
        }
    }
}

impl Body<'_> {
    /// The bytes, wherever they are.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Body::Borrowed(bytes) => bytes,
            Body::Placed { room, len } => &room[..*len],
            Body::Inline(bytes) => bytes,
            Body::Owned(chunk) => chunk.bytes(),
            Body::Shared { block, start, end } => &block.bytes()[*start..*end],
        }
    }

    /// How many there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        match self {
            Body::Borrowed(bytes) => bytes.len(),
            Body::Placed { len, .. } => *len,
            Body::Inline(bytes) => bytes.len(),
            Body::Owned(chunk) => chunk.len(),
            Body::Shared { start, end, .. } => end - start,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the first `count` bytes (`count` ≤ length).
    pub fn advance(&mut self, count: usize) {
        match self {
            Body::Borrowed(bytes) => *bytes = &bytes[count..],
            Body::Placed { room, len } => {
                room.copy_within(count..*len, 0);
                *len -= count;
            }
            Body::Inline(bytes) => drop(bytes.drain(..count)),
            Body::Owned(chunk) => chunk.drop_front(count),
            Body::Shared { start, .. } => *start += count,
        }
    }

    /// Drops all but the first `len` bytes. A larger `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Body::Borrowed(bytes) => *bytes = &bytes[..len.min(bytes.len())],
            Body::Placed { len: own, .. } => *own = len.min(*own),
            Body::Inline(bytes) => bytes.truncate(len),
            Body::Owned(chunk) => chunk.truncate(len),
            Body::Shared { start, end, .. } => *end = (*end).min(start.saturating_add(len)),
        }
    }

    /// The bytes, to be written to: in memory that nobody shares, which they are copied to if they are not. If there is no memory for a copy,
    /// the body stays as it is.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        if matches!(self, Body::Borrowed(_) | Body::Shared { .. }) {
            *self = Body::Owned(self.take_chunk()?);
        }
        Ok(match self {
            Body::Placed { room, len } => &mut room[..*len],
            Body::Inline(bytes) => bytes,
            Body::Owned(chunk) => chunk.bytes_mut(),
            // Not after what is done above.
            Body::Borrowed(_) | Body::Shared { .. } => &mut [],
        })
    }

    /// The bytes in a chunk of their own; copies unless they already are. If there is no memory for a copy, the body stays as
    /// it is.
    pub fn take_chunk(&mut self) -> Result<Chunk> {
        match std::mem::take(self) {
            Body::Owned(chunk) => return Ok(chunk),
            Body::Shared { block, start: 0, end } if end == block.len() => match Arc::try_unwrap(block) {
                Ok(chunk) => return Ok(chunk),
                Err(block) => *self = Body::Shared { block, start: 0, end },
            },
            other => *self = other,
        }
        Chunk::copy_of(self.bytes())
    }

    /// See [`Body::take_chunk`].
    pub fn into_chunk(mut self) -> Result<Chunk> {
        self.take_chunk()
    }

    /// The body, without anything of the caller's; copied if it was in a buffer of the caller's.
    pub fn into_static(self) -> Result<Body<'static>> {
        match self {
            Body::Borrowed(bytes) => Body::copy_of(bytes),
            Body::Placed { room, len } => Body::copy_of(&room[..len]),
            Body::Inline(bytes) => Ok(Body::Inline(bytes)),
            Body::Owned(chunk) => Ok(Body::Owned(chunk)),
            Body::Shared { block, start, end } => Ok(Body::Shared { block, start, end }),
        }
    }

    /// The same bytes in memory that nobody shares: a body that is kept must not hold on to a whole read buffer.
    pub fn into_unshared(self) -> Result<Body<'static>> {
        match self {
            Body::Shared { .. } if self.len() <= INLINE => Body::copy_of(self.bytes()),
            Body::Shared { .. } => self.into_chunk().map(Body::Owned),
            other => other.into_static(),
        }
    }

    /// A copy, in the message itself if it fits there.
    #[inline]
    pub fn copy_of(bytes: &[u8]) -> Result<Body<'static>> {
        match bytes.len() {
            0..=INLINE => {
                let mut body = Body::default();
                body.set_inline(bytes);
                Ok(body)
            }
            _ => Ok(Body::Owned(Chunk::copy_of(bytes)?)),
        }
    }

    /// Copies the bytes to where the caller wants them, if that is known and they fit there.
    #[inline(always)]
    pub fn place(&mut self, bytes: &[u8]) -> bool {
        if let Body::Placed { room, len } = self
            && let Some(place) = room.get_mut(..bytes.len())
        {
            place.copy_from_slice(bytes);
            *len = bytes.len();
            return true;
        }
        false
    }

    /// Makes it a copy of at most [`INLINE`] bytes, without moving anything about.
    #[inline(always)]
    pub fn set_inline(&mut self, bytes: &[u8]) {
        if !matches!(self, Body::Inline(_)) {
            *self = Body::default();
        }
        if let Body::Inline(own) = self {
            own.clear();
            // It fits: whoever has more does not come here.
            let _ = own.try_extend_from_slice(bytes);
        }
    }

    /// Turns a body into a shared one; if there is no memory for that, it stays as it is.
    fn make_shared(&mut self) -> Result<()> {
        let chunk = match self {
            Body::Shared { .. } => return Ok(()),
            Body::Borrowed(_) | Body::Placed { .. } | Body::Inline(_) => Chunk::copy_of(self.bytes())?,
            Body::Owned(_) => self.take_chunk()?,
        };
        let end = chunk.len();
        *self = Body::Shared { block: Arc::new(chunk), start: 0, end };
        Ok(())
    }

    /// A second body with the same bytes: a copy if they are few, else over the same memory. The body becomes a shared one
    /// then; if there is no memory for that, it stays as it is.
    pub fn share(&mut self) -> Result<Body<'static>> {
        if self.len() <= INLINE {
            return Body::copy_of(self.bytes());
        }
        self.make_shared()?;
        match self {
            Body::Shared { block, start, end } => {
                Ok(Body::Shared { block: Arc::clone(block), start: *start, end: *end })
            }
            other => Body::copy_of(other.bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(header: &[u8], body: &[u8]) -> Message<'static> {
        Message { header: Header::from_slice(header), ..Message::copy_of(body).unwrap() }
    }

    #[test]
    fn joining_puts_the_header_in_front() {
        let mut message = with_header(b"head", b"body");
        message.join().unwrap();
        assert_eq!((message.header.len(), message.body.bytes()), (0, &b"headbody"[..]));
    }

    #[test]
    fn a_small_body_is_copied_and_a_larger_one_shared() {
        for (size, shared) in [(0, false), (INLINE, false), (INLINE + 1, true)] {
            let bytes = vec![7; size];
            let mut body = Body::Borrowed(&bytes);
            let twin = body.share().unwrap();
            assert_eq!((twin.bytes(), body.bytes()), (&bytes[..], &bytes[..]));
            assert_eq!(twin.bytes().as_ptr() == body.bytes().as_ptr(), shared);
            let pointer = twin.bytes().as_ptr();
            let unshared = twin.into_unshared().unwrap();
            assert_eq!(unshared.bytes(), bytes);
            assert!(!shared || unshared.bytes().as_ptr() != pointer);
        }
    }

    #[test]
    fn what_is_kept_is_the_same_message() {
        for (size, again) in [(3, false), (3, true), (INLINE + 1, false), (INLINE + 1, true)] {
            let bytes = vec![5; size];
            let mut message =
                Message { header: Header::from_slice(b"h"), kind: 2, ..Message::new(Body::Borrowed(&bytes)) };
            let mut slot = Message::default();
            message.keep_in(&mut slot, again).unwrap();
            assert_eq!((slot.header.as_slice(), slot.kind, slot.body.bytes()), (&b"h"[..], 2, &bytes[..]));
            assert!(!again || message.body.bytes() == bytes, "it is needed again");
        }
    }

    #[test]
    fn a_shared_body_is_the_same_memory() {
        let mut message = with_header(b"h", &[9; INLINE + 1]);
        let twin = message.share().unwrap();
        assert_eq!(twin.header, message.header);
        assert_eq!(twin.body.bytes().as_ptr(), message.body.bytes().as_ptr());
    }

    #[test]
    fn the_last_owner_of_a_shared_body_gets_the_chunk_itself() {
        let mut body = Message::copy_of(&[9; INLINE + 1]).unwrap().body;
        let address = body.bytes().as_ptr();
        drop(body.share().unwrap());
        assert_eq!(body.into_chunk().unwrap().bytes().as_ptr(), address);
    }

    #[test]
    fn advancing_drops_the_front_wherever_the_bytes_are() {
        let owned = || Body::Owned(Chunk::copy_of(b"abcdef").unwrap());
        let mut shared = owned();
        shared.make_shared().unwrap();
        for mut body in [Body::Borrowed(b"abcdef"), Body::copy_of(b"abcdef").unwrap(), owned(), shared] {
            body.advance(2);
            assert_eq!(body.bytes(), b"cdef");
            body.truncate(9);
            body.truncate(3);
            assert_eq!(body.bytes(), b"cde");
            assert_eq!(body.into_chunk().unwrap().bytes(), b"cde");
        }
    }

    #[test]
    fn who_writes_to_a_shared_body_has_a_copy_and_else_the_body_itself() {
        let mut body = Message::copy_of(&[9; INLINE + 1]).unwrap().body;
        let address = body.bytes().as_ptr();
        let twin = body.share().unwrap();
        body.bytes_mut().unwrap()[0] = 1;
        assert_eq!((body.bytes()[0], twin.bytes()[0]), (1, 9));
        let mut last = twin;
        last.bytes_mut().unwrap()[0] = 2;
        assert_eq!((last.bytes().as_ptr(), last.bytes()[0]), (address, 2));
        let mut room = *b"abc";
        for mut body in [Body::Borrowed(b"ab"), Body::copy_of(b"ab").unwrap(), Body::Placed { room: &mut room, len: 2 }]
        {
            body.bytes_mut().unwrap()[1] = b'B';
            assert_eq!(body.bytes(), b"aB");
        }
    }
}
