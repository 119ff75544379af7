use std::ffi::c_int;

/// The one-to-one protocol.
pub const NN_PROTO_PAIR: c_int = 1;

/// Socket type: talks to exactly one other NN_PAIR, both ways.
pub const NN_PAIR: c_int = 16;
