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
mod secure;
