//! Tests of the transports' parts, none of which needs a network: `fake` is the stream under a pipe.

mod ends;
pub mod fake;
mod faults;
mod greeting;
mod inbox;
mod inproc;
mod outbox;
mod random;
mod receiving;
mod sending;

impl crate::transport::framing::Prefix {
    /// Of a message of the usual kind.
    pub fn of_length(len: usize) -> Self {
        Self { len: len as u64, kind: 0 }
    }
}
