use std::ffi::{c_char, c_int};

use crate::capi::errno::slow_boundary;
use crate::capi::{pointers, table};

/// Makes a socket reachable at addr: "inproc://name", "ipc://path", "abstract://name", "tcp://interface:port" (* for
/// all interfaces, 0 for a free port), "ws://interface:port", or "tls+tcp://" and "wss://", which are tcp and ws inside TLS. A socket can have any number of endpoints. Returns the endpoint's
/// id for nn_shutdown, 1 or more. NN_SNDPRIO and NN_RCVPRIO are taken over from the socket. Fails with -1
/// and EBADF, EINVAL (addr is NULL or malformed), ENAMETOOLONG (NN_SOCKADDR_MAX bytes or more),
/// EPROTONOSUPPORT (scheme), EADDRINUSE, EADDRNOTAVAIL, ENODEV (no such interface), or the system's reason,
/// leaving nothing behind. addr is not kept. Any thread. (2.3)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_bind(s: c_int, addr: *const c_char) -> c_int {
    slow_boundary(|| {
        table::with_socket(s, |socket| {
            // SAFETY: a non-null `addr` is a string that nobody changes meanwhile.
            socket.bind(unsafe { pointers::text(addr) }?)
        })
    })
}

/// Connects a socket to addr: "inproc://name", "ipc://path", "abstract://name", "tcp://[interface;]host:port",
/// "ws://[interface;]host:port[/path]", or "tls+tcp://" and "wss://", which are tcp and ws inside TLS. Never waits: the connection is made, and made again whenever it is
/// lost, in the background until nn_shutdown or nn_close; the pauses are NN_RECONNECT_IVL and
/// NN_RECONNECT_IVL_MAX. Returns the endpoint's id, 1 or more. NN_SNDPRIO and NN_RCVPRIO are taken over from
/// the socket. Fails with -1 and EBADF, EINVAL (addr is NULL or malformed), ENAMETOOLONG (NN_SOCKADDR_MAX
/// bytes or more), EPROTONOSUPPORT (scheme), ENODEV (no such interface). addr is not kept. Any
/// thread. (2.3)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nn_connect(s: c_int, addr: *const c_char) -> c_int {
    slow_boundary(|| {
        table::with_socket(s, |socket| {
            // SAFETY: a non-null `addr` is a string that nobody changes meanwhile.
            socket.connect(unsafe { pointers::text(addr) }?)
        })
    })
}

/// Removes an endpoint: how is what nn_bind or nn_connect returned. Its connections are closed; those of a
/// bound endpoint's peers are tried again by them. Does not wait. Returns 0, or -1 with EBADF or EINVAL
/// (no such endpoint). Any thread. (2.4)
#[unsafe(no_mangle)]
pub extern "C" fn nn_shutdown(s: c_int, how: c_int) -> c_int {
    slow_boundary(|| table::with_socket(s, |socket| socket.shutdown(how).map(|()| 0)))
}
