use std::ffi::c_int;

/// The bus protocol.
pub const NN_PROTO_BUS: c_int = 7;

/// Socket type: sends every message to all directly connected peers, receives from all of them.
pub const NN_BUS: c_int = 112;
