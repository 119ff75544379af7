//! A message: 28 bytes of header, then the payload (qi-messaging.md 2 to 4).
//!
//! The header does not hold the payload's length: that is `payload.len()`, so the two cannot disagree.

use std::borrow::Cow;
use std::fmt;
use std::ops::BitOr;

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of an encoded header.
pub const HEADER_SIZE: usize = 28;
/// First four bytes of every message, as a little-endian number.
pub const MAGIC: u32 = 0x42ad_de42;
/// The only version of the protocol.
pub const VERSION: u16 = 0;
/// Payload limit in bytes that is recommended once a peer has authenticated (section 20).
pub const DEFAULT_PAYLOAD_LIMIT: u32 = 50 * 1024 * 1024;
/// Payload limit in bytes that is recommended before a peer has authenticated (section 20).
pub const UNAUTHENTICATED_PAYLOAD_LIMIT: u32 = 64 * 1024;

/// What a message is (section 3). Bytes that nobody has given a meaning stay what they are: such a message is
/// counted and ignored, the connection lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Never sent, ignored.
    None,
    /// Wants exactly one [`Reply`](Type::Reply), [`Error`](Type::Error) or [`Canceled`](Type::Canceled).
    Call,
    /// The result of a call.
    Reply,
    /// A call has failed.
    Error,
    /// A call without an answer, not even on failure.
    Post,
    /// A signal or property change, to a subscriber.
    Event,
    /// What the sender can do.
    Capability,
    /// A call is given up.
    Cancel,
    /// A call was given up.
    Canceled,
    /// A byte above 8.
    Unknown(u8),
}

impl Type {
    const KNOWN: [Type; 9] = [
        Type::None,
        Type::Call,
        Type::Reply,
        Type::Error,
        Type::Post,
        Type::Event,
        Type::Capability,
        Type::Cancel,
        Type::Canceled,
    ];

    /// Any byte is a type.
    pub fn from_byte(byte: u8) -> Type {
        Type::KNOWN.get(usize::from(byte)).copied().unwrap_or(Type::Unknown(byte))
    }

    /// What stands in the header.
    pub fn byte(self) -> u8 {
        match self {
            Type::None => 0,
            Type::Call => 1,
            Type::Reply => 2,
            Type::Error => 3,
            Type::Post => 4,
            Type::Event => 5,
            Type::Capability => 6,
            Type::Cancel => 7,
            Type::Canceled => 8,
            Type::Unknown(byte) => byte,
        }
    }
}

/// The flags byte (section 4). Bits without a meaning are kept and ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No bit.
    pub const NONE: Flags = Flags(0);
    /// The payload is a single dynamic `m` in place of the declared type. On Call, Post, Reply and Event.
    pub const DYNAMIC_PAYLOAD: Flags = Flags(1);
    /// A string follows the arguments: the signature that the caller wants back. On Call.
    pub const RETURN_TYPE: Flags = Flags(2);

    /// Whether all bits of `flags` are set.
    pub fn contains(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// Why bytes are not a header, or a message cannot be one. The first two end a connection (section 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The bytes do not begin a QiMessaging message; what stands there, as a little-endian number.
    Magic(u32),
    /// A payload of so many bytes is more than the limit.
    TooLarge {
        /// How many bytes it has.
        size: u64,
        /// How many it may have.
        limit: u32,
    },
    /// Fewer than [`HEADER_SIZE`] bytes: more must come first.
    Short(usize),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            HeaderError::Magic(magic) => {
                write!(out, "not a QiMessaging peer: a message begins with {magic:#010x} instead of {MAGIC:#010x}")?;
                // What is met in the field (qi-design-notes.md 4): say it, the numbers tell nobody.
                match magic.to_le_bytes() {
                    [0x14..=0x17, 3, ..] => out.write_str(" (this is TLS: use tcps)"),
                    [b'H', b'T', b'T', b'P'] | [b'G', b'E', b'T', b' '] => out.write_str(" (this is HTTP)"),
                    _ => Ok(()),
                }
            }
            HeaderError::TooLarge { size, limit } => write!(out, "a payload of {size} bytes, {limit} at most"),
            HeaderError::Short(have) => write!(out, "{have} bytes of a header of {HEADER_SIZE}"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// The header without the payload's length (section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Chosen by the sender of a Call; its answer copies it. Each side numbers its own messages.
    pub id: u32,
    /// `VERSION` in what we send; not checked when read.
    pub version: u16,
    /// What it is.
    pub ty: Type,
    /// How it is to be read.
    pub flags: Flags,
    /// Whom it is for, or from: the service.
    pub service: u32,
    /// The object of that service.
    pub object: u32,
    /// Method, signal or property.
    pub action: u32,
}

impl Header {
    /// A header of today's version without flags.
    pub fn new(ty: Type, id: u32, service: u32, object: u32, action: u32) -> Header {
        Header { id, version: VERSION, ty, flags: Flags::NONE, service, object, action }
    }

    /// Reads the first [`HEADER_SIZE`] bytes; also gives the length of the payload that follows them, which is at
    /// most `limit` bytes. The version is not judged here: a Call of another version wants an Error, not a hang-up.
    pub fn parse(bytes: &[u8], limit: u32) -> Result<(Header, u32), HeaderError> {
        let Some(bytes) = bytes.first_chunk::<HEADER_SIZE>() else { return Err(HeaderError::Short(bytes.len())) };
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if word(0) != MAGIC {
            return Err(HeaderError::Magic(word(0)));
        }
        let size = word(8);
        if size > limit {
            return Err(HeaderError::TooLarge { size: size.into(), limit });
        }
        let header = Header {
            id: word(4),
            version: u16::from_le_bytes([bytes[12], bytes[13]]),
            ty: Type::from_byte(bytes[14]),
            flags: Flags(bytes[15]),
            service: word(16),
            object: word(20),
            action: word(24),
        };
        Ok((header, size))
    }

    /// The bytes in front of a payload of `size` bytes.
    pub fn encode(&self, size: u32) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        for (at, word) in
            [(0, MAGIC), (4, self.id), (8, size), (16, self.service), (20, self.object), (24, self.action)]
        {
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes[12..14].copy_from_slice(&self.version.to_le_bytes());
        bytes[14] = self.ty.byte();
        bytes[15] = self.flags.0;
        bytes
    }

    /// The header of an answer: id, service, object and action of the call, flags of its own.
    fn answer(&self, ty: Type) -> Header {
        Header::new(ty, self.id, self.service, self.object, self.action)
    }
}

/// A whole message. Clones share the payload: handing one message to many copies no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its header.
    pub header: Header,
    /// What follows the header, not decoded; its length goes into the header when it is written.
    pub payload: Bytes,
}

impl Message {
    /// A Call; `id` is the sender's own, `payload` the argument tuple.
    pub fn call(id: u32, service: u32, object: u32, action: u32, payload: Bytes) -> Message {
        Message { header: Header::new(Type::Call, id, service, object, action), payload }
    }

    /// A Post: a call that nobody answers.
    pub fn post(id: u32, service: u32, object: u32, action: u32, payload: Bytes) -> Message {
        Message { header: Header::new(Type::Post, id, service, object, action), payload }
    }

    /// An Event of signal or property `action` of the emitting object; `payload` is the signal's tuple.
    pub fn event(id: u32, service: u32, object: u32, action: u32, payload: Bytes) -> Message {
        Message { header: Header::new(Type::Event, id, service, object, action), payload }
    }

    /// The result of `call`.
    pub fn reply_to(call: &Header, payload: Bytes) -> Message {
        Message { header: call.answer(Type::Reply), payload }
    }

    /// The failure of `call`; on the wire the text is a string in a dynamic (section 17). A text of more than
    /// 64 KiB is cut there.
    pub fn error_to(call: &Header, text: &str) -> Message {
        let mut end = text.len().min(64 * 1024);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &text.as_bytes()[..end];
        let mut payload = BytesMut::with_capacity(9 + text.len());
        payload.put_u32_le(1);
        payload.put_u8(b's');
        payload.put_u32_le(text.len() as u32); // at most 64 KiB
        payload.put_slice(text);
        Message { header: call.answer(Type::Error), payload: payload.freeze() }
    }

    /// The end of a `call` that was cancelled. Only for peers that know it; others want an Error (section 16).
    pub fn canceled_to(call: &Header) -> Message {
        Message { header: call.answer(Type::Canceled), payload: Bytes::new() }
    }

    /// Asks for the end of `call`, in a message with the new id `id` (section 16).
    pub fn cancel(id: u32, call: &Header) -> Message {
        let header = Header::new(Type::Cancel, id, call.service, call.object, 0);
        Message { header, payload: Bytes::copy_from_slice(&call.id.to_le_bytes()) }
    }

    /// Announces capabilities outside of authentication; `payload` is a `{sm}` (section 10).
    pub fn capability(id: u32, payload: Bytes) -> Message {
        Message { header: Header::new(Type::Capability, id, 0, 0, 0), payload }
    }

    /// The same message with these flags in place of its own.
    #[must_use]
    pub fn with_flags(mut self, flags: Flags) -> Message {
        self.header.flags = flags;
        self
    }

    /// Which call a Cancel means: the one in a payload of 4 bytes, else that of the header's id, as qiloop sends it.
    pub fn canceled_id(&self) -> u32 {
        match self.payload[..].try_into() {
            Ok(id) => u32::from_le_bytes(id),
            Err(_) => self.header.id,
        }
    }

    /// The text of an Error: `m` of `s`, what is not UTF-8 replaced. `None` for any other payload (section 17).
    pub fn error_text(&self) -> Option<Cow<'_, str>> {
        let text = self.payload.strip_prefix(b"\x01\0\0\0s")?;
        let (size, text) = text.split_first_chunk()?;
        let text = text.get(..usize::try_from(u32::from_le_bytes(*size)).ok()?)?;
        Some(String::from_utf8_lossy(text))
    }

    /// The length of the payload as the header tells it. [`HeaderError::TooLarge`] if 32 bits cannot.
    pub fn size(&self) -> Result<u32, HeaderError> {
        let size = self.payload.len();
        size.try_into().map_err(|_| HeaderError::TooLarge { size: size as u64, limit: u32::MAX })
    }
}

#[cfg(test)]
#[path = "tests/message.rs"]
mod tests;
