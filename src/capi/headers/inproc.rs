use std::ffi::c_int;

/// Transport id of inproc: messages between the threads of one process. It has no options of its own.
pub const NN_INPROC: c_int = -1;
