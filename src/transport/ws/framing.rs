//! What a pipe speaks with a ws stream: SP as on ipc, with an opcode where ipc has its type byte.

use super::super::framing::{Bytes, Framing, Parsed, Prefix, PrefixBytes, SP_TCP};

/// Bytes in front of a message.
pub const PREFIX: usize = 9;

/// In the place of an opcode: the one that NN_WS_MSG_TYPE asked for. (What a message that names none has as its kind.)
pub const USUAL: u8 = 0;

#[derive(Debug)]
pub struct WsFraming;

impl Framing for WsFraming {
    fn greeting(&self, own: u16) -> Bytes {
        SP_TCP.greeting(own)
    }

    fn parse_greeting(&self, bytes: &[u8]) -> Parsed<u16> {
        SP_TCP.parse_greeting(bytes)
    }

    fn prefix(&self, of: Prefix) -> PrefixBytes {
        PrefixBytes::of(prefix(of.kind, of.len))
    }

    fn parse_prefix(&self, bytes: &[u8]) -> Parsed<Prefix> {
        match bytes.first_chunk() {
            Some(bytes) => {
                let (kind, len) = split(bytes);
                Parsed::Whole { used: PREFIX, value: Prefix { len, kind } }
            }
            None => Parsed::Partial,
        }
    }
}

pub fn prefix(opcode: u8, len: u64) -> [u8; PREFIX] {
    let mut bytes = [opcode; PREFIX];
    bytes[1..].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// Opcode and length.
pub fn split(prefix: &[u8; PREFIX]) -> (u8, u64) {
    let [opcode, len @ ..] = prefix;
    (*opcode, u64::from_be_bytes(*len))
}
