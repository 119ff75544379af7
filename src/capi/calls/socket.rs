use std::ffi::c_int;

use crate::capi::errno::slow_boundary;
use crate::capi::headers::nn::{AF_SP, AF_SP_RAW};
use crate::capi::table;
use crate::core::Error;

/// Opens a socket. domain is AF_SP or AF_SP_RAW, protocol one of the socket types NN_PAIR, NN_PUB, NN_SUB,
/// NN_REQ, NN_REP, NN_PUSH, NN_PULL, NN_SURVEYOR, NN_RESPONDENT, NN_BUS. Returns a handle, the smallest free
/// number or the one freed last; it is no file descriptor. Close it with nn_close. At most 65536 sockets
/// can be open. The first one starts the library's thread, which has all signals blocked. After a fork
/// the child's inherited handles are EBADF, and it can open sockets of its own. Fails with -1 and ETERM
/// (after nn_term), EAFNOSUPPORT (domain), EMFILE (too many sockets, or no descriptors left), EINVAL
/// (protocol). Any thread. (2.1)
#[unsafe(no_mangle)]
pub extern "C" fn nn_socket(domain: c_int, protocol: c_int) -> c_int {
    slow_boundary(|| {
        let raw = match domain {
            AF_SP => Ok(false),
            AF_SP_RAW => Ok(true),
            _ => Err(Error::AF_NO_SUPPORT),
        };
        table::open(raw, protocol)
    })
}

/// Closes a socket and all its endpoints. Other threads' calls on it return EBADF, and NN_SNDFD and NN_RCVFD
/// become readable before they are closed. Waits, for at most NN_LINGER milliseconds, until the messages
/// accepted by send calls are handed to the kernel. Afterwards the handle and the addresses are free
/// again; the last socket's close also ends the library's thread. Returns 0, or -1 with EBADF (no such
/// socket, or another thread is closing it). Any thread. (2.2)
#[unsafe(no_mangle)]
pub extern "C" fn nn_close(s: c_int) -> c_int {
    slow_boundary(|| table::close(s).map(|()| 0))
}

/// Closes all sockets as nn_close does, and makes every later nn_socket fail with ETERM. Returns when all are
/// closed. Does nothing if nn_socket has never been called. Messages and symbols stay usable. Any
/// thread. (2.11)
#[unsafe(no_mangle)]
pub extern "C" fn nn_term() {
    // It has nothing to say: a failure is in errno only.
    let _: c_int = slow_boundary(|| {
        table::terminate();
        Ok(0)
    });
}
