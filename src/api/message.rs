//! A message.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::core::message::header_of;
use crate::core::{self, Body, Chunk, Peer, Result};

/// A message that was received or is to be sent: bytes, and on a [raw](crate::Socket::raw) socket the protocol's header.
///
/// It reads as its body's bytes. A received body is not copied: the message holds the memory it came in until it is dropped.
///
/// ```
/// let message = nanomsg::Message::new(b"oslo 3 degrees")?;
/// assert!(message.starts_with(b"oslo"));
/// assert_eq!(message, "oslo 3 degrees");
/// # Ok::<(), nanomsg::Error>(())
/// ```
#[derive(Default)]
pub struct Message(core::Message<'static>);

impl Message {
    /// A message with a copy of `body`. `ENOMEM` when there is no memory for it.
    pub fn new(body: impl AsRef<[u8]>) -> Result<Message> {
        core::Message::copy_of(body.as_ref()).map(Message)
    }

    /// A message for a raw socket: the header says where it goes, as [`Message::header`] of the one it answers. `ENOMEM`.
    pub fn with_header(header: &[u8], body: impl AsRef<[u8]>) -> Result<Message> {
        let mut message = core::Message::new(Body::copy_of(body.as_ref())?);
        message.header = header_of(header)?;
        Ok(Message(message))
    }

    /// A message of `len` zero bytes, to be written where it will be sent from: see [`Message::bytes_mut`]. `ENOMEM`.
    pub fn zeroed(len: usize) -> Result<Message> {
        Ok(Message(core::Message::new(Body::Owned(Chunk::zeroed(len)?))))
    }

    /// The body, to be written to. What others look at too, as what was received together with others, is copied first: `ENOMEM`.
    ///
    /// ```
    /// use nanomsg::{Message, Protocol, Socket};
    ///
    /// let mut image = Message::zeroed(1_000_000)?;
    /// image.bytes_mut()?[0] = 255;
    /// image.truncate(300_000);
    /// # let (socket, other) = (Socket::new(Protocol::Pair)?, Socket::new(Protocol::Pair)?);
    /// # other.bind("inproc://example-of-writing-in-place")?;
    /// # socket.connect("inproc://example-of-writing-in-place")?;
    /// socket.send_message(&mut image)?; // not copied
    /// # assert_eq!((image.len(), other.recv()?.len()), (0, 300_000));
    /// # Ok::<(), nanomsg::Error>(())
    /// ```
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.0.body.bytes_mut()
    }

    /// Drops all of the body but its first `len` bytes. A larger `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.0.body.truncate(len);
    }

    /// The protocol's header. Empty, unless the message was received from a raw socket or made with one.
    pub fn header(&self) -> &[u8] {
        &self.0.header
    }

    /// Who sent it: known of messages received while [`Socket::recv_peer`](crate::Socket::recv_peer) is on.
    pub fn peer(&self) -> Option<&Peer> {
        self.0.peer.as_deref()
    }

    /// The body as text; what is not UTF-8 is replaced by �.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self)
    }

    /// The body as a `Vec`: one copy.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.body.bytes().to_vec()
    }

    pub(super) fn of(message: core::Message<'static>) -> Message {
        Message(message)
    }

    pub(super) fn inner(&mut self) -> &mut core::Message<'static> {
        &mut self.0
    }
}

impl Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.body.bytes()
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Message {
    /// Compares bodies.
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl fmt::Debug for Message {
    /// Its body as text, as far as it is text.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Message(\"{}\")", self.escape_ascii())
    }
}
