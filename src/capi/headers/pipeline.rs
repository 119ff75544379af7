use std::ffi::c_int;

/// The pipeline protocol.
pub const NN_PROTO_PIPELINE: c_int = 5;

/// Socket type: sends each message to one of the peers that can take it.
pub const NN_PUSH: c_int = 80;
/// Socket type: receives from all its peers in turn.
pub const NN_PULL: c_int = 81;
