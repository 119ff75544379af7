//! The codec as a whole: against what libqi has said on the wire, and against what nobody should say.

mod fuzz;
mod hostile;
pub mod vectors;

use bytes::Bytes;

use super::message::{HeaderError, Message};

impl Message {
    /// Header and payload in one buffer. Fails like [`size`](Message::size).
    pub fn encode(&self) -> Result<Bytes, HeaderError> {
        Ok([&self.header.encode(self.size()?)[..], &self.payload].concat().into())
    }
}
