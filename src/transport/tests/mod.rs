//! Tests of the transports' parts, none of which needs a network.

mod inproc;
