//! Tests of the end point. The machines alone; then whole connections over loopback, waiting for states.

mod connection;
mod decoder;
mod ends;
mod faults;
mod flood;
mod handlers;
mod memory;
mod outgoing;
mod random;
#[cfg(feature = "tls")]
mod secure;

use super::filter::{Pattern, Types};
use crate::qi::message::{Header, Type};

/// What concerns objects on this side.
fn requests() -> Types {
    Types::of(Type::Call).or(Types::of(Type::Post)).or(Types::of(Type::Cancel))
}

impl Pattern {
    /// The one answer to a call: equal id, service, object and action (section 3). Once and exclusive.
    fn answer_to(call: &Header) -> Pattern {
        let same = Pattern::events(call.service, call.object, call.action);
        Pattern { types: Types::ANSWERS, id: Some(call.id), once: true, exclusive: true, ..same }
    }
}
