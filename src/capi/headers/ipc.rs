use std::ffi::c_int;

/// Transport id of ipc: UNIX domain sockets. Level for the options below.
pub const NN_IPC: c_int = -2;

/// Windows security attributes, a pointer, NULL by default. Stored and given back, without effect here.
pub const NN_IPC_SEC_ATTR: c_int = 1;
/// Windows pipe buffer in bytes, 4096 by default. Stored and given back, without effect here.
pub const NN_IPC_OUTBUFSZ: c_int = 2;
/// Windows pipe buffer in bytes, 4096 by default. Stored and given back, without effect here.
pub const NN_IPC_INBUFSZ: c_int = 3;
