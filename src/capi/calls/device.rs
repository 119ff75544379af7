use std::ffi::c_int;
use std::sync::Arc;

use crate::capi::errno::slow_boundary;
use crate::capi::table;
use crate::core::{Error, Result};
use crate::facade::{self, EngineSocket};

/// Forwards every message of one raw socket to the other, both ways if they can; with a negative handle, every
/// message of the other socket back to itself. Returns only on failure, with -1 and EBADF (normally: a
/// socket was closed; also no such socket, or both negative), EINVAL (a socket is not raw, or the two do
/// not fit together), or what receiving or sending failed with, timeouts included. A two-way device returns
/// when both directions have failed. Any thread. (2.10)
#[unsafe(no_mangle)]
pub extern "C" fn nn_device(s1: c_int, s2: c_int) -> c_int {
    slow_boundary(|| {
        // The sockets are not held, or nn_close of the one would wait for the close of the other.
        match (s1 >= 0, s2 >= 0) {
            (true, true) => Err(facade::device(&socket(s1)?, &socket(s2)?)),
            (true, false) => Err(facade::loopback(&socket(s1)?)),
            (false, true) => Err(facade::loopback(&socket(s2)?)),
            (false, false) => Err(Error::BAD_FD),
        }
    })
}

fn socket(handle: c_int) -> Result<Arc<EngineSocket>> {
    table::with_socket(handle, |socket| Ok(Arc::clone(socket)))
}
