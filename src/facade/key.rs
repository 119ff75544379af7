//! What a readiness event, a timer or a peer's word is about, packed into a [`Source`] key.
//!
//! [`Source`]: crate::transport::source::Source

use crate::core::{ContextId, PipeId};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A pipe; the generation tells it from those that had the slot before.
    Pipe(PipeId, u32),
    Endpoint(i32),
    /// The protocol's timer, of the socket itself or of a context.
    Protocol(ContextId),
}

const KIND_SHIFT: u32 = 62;
/// Generations wrap at this.
pub const GENERATIONS: u32 = 1 << 30;

impl Key {
    pub fn pack(self) -> u64 {
        match self {
            Key::Pipe(pipe, generation) => {
                1 << KIND_SHIFT | u64::from(generation % GENERATIONS) << 32 | u64::from(pipe.0)
            }
            Key::Endpoint(id) => 2 << KIND_SHIFT | u64::from(id as u32),
            Key::Protocol(context) => u64::from(context.0),
        }
    }

    pub fn unpack(key: u64) -> Key {
        match key >> KIND_SHIFT {
            1 => Key::Pipe(PipeId(key as u32), (key >> 32) as u32 % GENERATIONS),
            2 => Key::Endpoint(key as u32 as i32),
            _ => Key::Protocol(ContextId(key as u32)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again() {
        for key in [
            Key::Protocol(ContextId::SOCKET),
            Key::Protocol(ContextId(u32::MAX)),
            Key::Endpoint(1),
            Key::Endpoint(i32::MAX),
            Key::Pipe(PipeId(7), 9),
            Key::Pipe(PipeId(u32::MAX), GENERATIONS - 1),
        ] {
            assert_eq!(Key::unpack(key.pack()), key);
        }
    }
}
