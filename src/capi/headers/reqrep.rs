use std::ffi::{c_int, c_void};

/// The request/reply protocol.
pub const NN_PROTO_REQREP: c_int = 3;

/// Socket type: sends a request, then receives its reply.
pub const NN_REQ: c_int = 48;
/// Socket type: receives a request, then sends its reply.
pub const NN_REP: c_int = 49;

/// Option at level NN_REQ, int in milliseconds, 60000 by default: an unanswered request is sent again
/// after this time.
pub const NN_REQ_RESEND_IVL: c_int = 1;

/// Names a request, by number or by pointer.
#[repr(C)]
#[derive(Clone, Copy)]
pub union nn_req_handle {
    pub i: c_int,
    pub ptr: *mut c_void,
}
