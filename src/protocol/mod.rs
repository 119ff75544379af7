//! The scalability protocols as pure machines: [`Cmd`] in, [`Evt`] out (protocols.md). One file per pattern;
//! a new protocol is a file and a row of [`KINDS`].
//!
//! [`Cmd`]: crate::core::Cmd
//! [`Evt`]: crate::core::Evt

use crate::core::{Error, Kind, Result};

pub mod backtrace;
pub mod bus;
pub mod contexts;
pub mod drops;
pub mod matching;
pub mod pair;
pub mod pipeline;
pub mod pubsub;
pub mod raw;
pub mod reqrep;
pub mod routing;
pub mod survey;

#[cfg(test)]
mod tests;

/// Every socket type there is.
pub static KINDS: [Kind; 10] = [
    pair::PAIR,
    pubsub::PUB,
    pubsub::SUB,
    reqrep::REQ,
    reqrep::REP,
    pipeline::PUSH,
    pipeline::PULL,
    survey::SURVEYOR,
    survey::RESPONDENT,
    bus::BUS,
];

/// The kind with this endpoint type, as `nn_socket` and the handshake name it.
pub fn find(id: i32) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| i32::from(kind.id) == id)
}

/// The value of an option in milliseconds, a C `int`. A negative time crashes the reference at the next
/// send; here it is refused when it is set.
fn milliseconds(value: &[u8]) -> Result<u32> {
    let bytes = value.try_into().map_err(|_| Error::INVALID)?;
    u32::try_from(i32::from_ne_bytes(bytes)).map_err(|_| Error::INVALID)
}
