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
