//! How whole messages are laid on a byte stream.

use std::ops::Deref;

use smallvec::SmallVec;

/// A few bytes that are said before all messages.
pub type Bytes = SmallVec<[u8; 24]>;

/// The few bytes that go in front of a message. They are one number, which is stored as a whole: stored byte by byte and loaded as a whole
/// right behind that, they would have to go through the cache first.
#[derive(Clone, Copy, Default, Debug)]
pub struct PrefixBytes {
    /// In memory, the first `len` of them are the prefix.
    memory: u128,
    len: usize,
}

impl PrefixBytes {
    /// No prefix is longer.
    pub const ROOM: usize = size_of::<u128>();

    /// These.
    pub fn of<const N: usize>(bytes: [u8; N]) -> PrefixBytes {
        const { assert!(N <= PrefixBytes::ROOM) };
        let mut memory = [0; PrefixBytes::ROOM];
        memory[..N].copy_from_slice(&bytes);
        PrefixBytes { memory: u128::from_ne_bytes(memory), len: N }
    }

    /// The first `len` bytes of this number, from its lowest on.
    #[inline(always)]
    fn lowest(number: u128, len: usize) -> PrefixBytes {
        PrefixBytes { memory: number.to_le(), len }
    }

    /// Copies them to the beginning of `room`, where at least [`PrefixBytes::ROOM`] bytes are: all are stored there, which takes no call.
    #[inline(always)]
    pub fn store(&self, room: &mut [u8]) {
        if let Some(room) = room.first_chunk_mut() {
            *room = self.memory.to_ne_bytes();
        }
    }
}

impl Deref for PrefixBytes {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        &bytemuck::bytes_of(&self.memory)[..self.len]
    }
}

/// What the bytes so far say.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// Not enough bytes yet.
    Partial,
    /// This, in the first `used` bytes.
    Whole { used: usize, value: T },
    /// The peer does not speak our language.
    Bad,
}

/// The language of a transport over bytes.
pub trait Framing: Send + Sync + std::fmt::Debug {
    /// What each side says first. `own` is the endpoint type.
    fn greeting(&self, own: u16) -> Bytes;

    /// The peer's endpoint type from its greeting.
    fn parse_greeting(&self, bytes: &[u8]) -> Parsed<u16>;

    /// What precedes a message.
    fn prefix(&self, of: Prefix) -> PrefixBytes;

    /// What the prefix that starts here says.
    fn parse_prefix(&self, bytes: &[u8]) -> Parsed<Prefix>;

    /// The SP framing, if it is one.
    fn as_sp(&self) -> Option<Sp> {
        None
    }
}

/// The language of one pipe. Nearly all speak SP, and to them it is spoken without a call through a table for each message.
#[derive(Clone, Copy, Debug)]
pub enum Language {
    Sp(Sp),
    Other(&'static dyn Framing),
}

impl Language {
    pub fn of(framing: &'static dyn Framing) -> Language {
        framing.as_sp().map_or(Language::Other(framing), Language::Sp)
    }
}

impl Framing for Language {
    fn greeting(&self, own: u16) -> Bytes {
        match self {
            Language::Sp(sp) => sp.greeting(own),
            Language::Other(framing) => framing.greeting(own),
        }
    }

    fn parse_greeting(&self, bytes: &[u8]) -> Parsed<u16> {
        match self {
            Language::Sp(sp) => sp.parse_greeting(bytes),
            Language::Other(framing) => framing.parse_greeting(bytes),
        }
    }

    #[inline]
    fn prefix(&self, of: Prefix) -> PrefixBytes {
        match self {
            Language::Sp(sp) => sp.prefix(of),
            Language::Other(framing) => framing.prefix(of),
        }
    }

    #[inline]
    fn parse_prefix(&self, bytes: &[u8]) -> Parsed<Prefix> {
        match self {
            Language::Sp(sp) => sp.parse_prefix(bytes),
            Language::Other(framing) => framing.parse_prefix(bytes),
        }
    }
}

/// What a prefix says of its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    pub len: u64,
    /// See [`Message::kind`](crate::core::Message::kind); 0 where a transport knows one way only.
    pub kind: u8,
}

/// The SP framing of tcp and ipc (transports.md 3.4 and 4.3): an 8-byte greeting, and a 64-bit length before
/// each message, on ipc preceded by a type byte.
#[derive(Clone, Copy, Debug)]
pub struct Sp {
    type_byte: bool,
}

pub static SP_TCP: Sp = Sp { type_byte: false };
pub static SP_IPC: Sp = Sp { type_byte: true };

const MAGIC: [u8; 4] = [0, b'S', b'P', 0];
const GREETING: usize = 8;
/// Bytes of a message's length.
const LENGTH: usize = size_of::<u64>();
/// The only message type of ipc that there is.
const IN_BAND: u8 = 1;

impl Framing for Sp {
    fn greeting(&self, own: u16) -> Bytes {
        let mut bytes = Bytes::from_slice(&MAGIC);
        bytes.extend_from_slice(&own.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes
    }

    /// The last two bytes are reserved and ignored. A wrong byte is seen as soon as it is there.
    fn parse_greeting(&self, bytes: &[u8]) -> Parsed<u16> {
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Parsed::Bad;
        }
        match bytes.first_chunk::<GREETING>() {
            Some([_, _, _, _, high, low, _, _]) => {
                Parsed::Whole { used: GREETING, value: u16::from_be_bytes([*high, *low]) }
            }
            None => Parsed::Partial,
        }
    }

    #[inline]
    fn prefix(&self, of: Prefix) -> PrefixBytes {
        let length = u128::from(u64::from_le_bytes(of.len.to_be_bytes()));
        match self.type_byte {
            true => PrefixBytes::lowest(length << u8::BITS | u128::from(IN_BAND), 1 + LENGTH),
            false => PrefixBytes::lowest(length, LENGTH),
        }
    }

    #[inline]
    fn parse_prefix(&self, bytes: &[u8]) -> Parsed<Prefix> {
        let front = usize::from(self.type_byte);
        if self.type_byte && bytes.first().is_some_and(|kind| *kind != IN_BAND) {
            return Parsed::Bad;
        }
        match bytes.get(front..).and_then(|rest| rest.first_chunk::<LENGTH>()) {
            Some(len) => {
                Parsed::Whole { used: front + LENGTH, value: Prefix { len: u64::from_be_bytes(*len), kind: 0 } }
            }
            None => Parsed::Partial,
        }
    }

    fn as_sp(&self) -> Option<Sp> {
        Some(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_bytes_are_those_of_the_specification() {
        assert_eq!(SP_TCP.greeting(16)[..], [0, 0x53, 0x50, 0, 0, 0x10, 0, 0]);
        assert_eq!(SP_TCP.prefix(Prefix::of_length(3))[..], [0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(SP_IPC.prefix(Prefix::of_length(3))[..], [1, 0, 0, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn prefixes_are_read_back_at_every_split() {
        for framing in [&SP_TCP, &SP_IPC] {
            let bytes = framing.prefix(Prefix::of_length(0x0102_0304));
            for cut in 0..bytes.len() {
                assert_eq!(framing.parse_prefix(&bytes[..cut]), Parsed::Partial);
            }
            let whole = Parsed::Whole { used: bytes.len(), value: Prefix::of_length(0x0102_0304) };
            assert_eq!(framing.parse_prefix(&bytes), whole);
        }
        assert_eq!(SP_IPC.parse_prefix(&[2]), Parsed::Bad);
    }

    #[test]
    fn a_greeting_is_refused_at_its_first_wrong_byte() {
        let good = SP_TCP.greeting(0x31);
        assert_eq!(SP_TCP.parse_greeting(&good), Parsed::Whole { used: 8, value: 0x31 });
        for at in 0..4 {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert_eq!(SP_TCP.parse_greeting(&bad[..=at]), Parsed::Bad);
        }
        assert_eq!(SP_TCP.parse_greeting(&[0, 0x53, 0x50, 0, 0, 0x31, 9, 9]), Parsed::Whole { used: 8, value: 0x31 });
    }
}
