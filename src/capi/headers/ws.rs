use std::ffi::c_int;

/// Transport id of ws: WebSocket. Level for the option below and of the opcode in control data.
pub const NN_WS: c_int = -4;

/// int, NN_WS_MSG_TYPE_TEXT or NN_WS_MSG_TYPE_BINARY (the default): how messages are framed. Also the
/// type of the control property that carries the opcode of one message.
pub const NN_WS_MSG_TYPE: c_int = 1;

/// A text frame: the body must be UTF-8.
pub const NN_WS_MSG_TYPE_TEXT: c_int = 1;
/// A binary frame.
pub const NN_WS_MSG_TYPE_BINARY: c_int = 2;
