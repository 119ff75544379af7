use std::ffi::{c_char, c_int, c_void};
use std::time::{Duration, SystemTime};

use crate::capi::errno::slow_boundary;
use crate::capi::headers::monitor::*;
use crate::capi::{monitors, pointers, table};
use crate::core::{Error, Result};
use crate::facade::{Event, EventKind, metrics};

/// Begins to collect what happens on a socket from now on, and returns a handle for it, 1 or more, which is none of a socket. It
/// is to be closed with nnx_monitor_close, also after the socket was. Any number of them can be opened. Fails with EBADF, EMFILE. Any
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnx_monitor(s: c_int) -> c_int {
    slow_boundary(|| table::with_socket(s, |socket| monitors::add(socket.monitor()?)))
}

/// Stores the next event in event, whose size is size (sizeof *event); waits for it for at most timeout milliseconds, negative: for
/// ever. Returns 0. Fails with EAGAIN (there is none, and timeout is 0), ETIMEDOUT, EINTR (a signal), EBADF (no such monitor, also if it
/// is closed meanwhile; or the socket is closed, and all events have been read), EFAULT (event is NULL), EINVAL (size is smaller than in the first version of this
/// header). Any thread; several may share the events.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnx_monitor_next(m: c_int, event: *mut nnx_event, size: usize, timeout: c_int) -> c_int {
    slow_boundary(|| {
        if event.is_null() {
            return Err(Error::FAULT);
        }
        if size < size_of::<nnx_event>() {
            return Err(Error::INVALID);
        }
        let next = monitors::get(m)?.next(milliseconds(timeout))?;
        // SAFETY: a non-null `event` has room for one, as `size` says.
        unsafe { pointers::write(event, as_c(&next)) }.map(|()| 0)
    })
}

/// A descriptor for poll loops: readable while nnx_monitor_next would not wait. It is neither to be read nor to be closed, and
/// ends with the monitor. Fails with EBADF. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnx_monitor_fd(m: c_int) -> c_int {
    slow_boundary(|| monitors::get(m).map(|monitor| monitor.fd()))
}

/// Ends a monitor, and forgets its events. A thread that waits in nnx_monitor_next is woken, and gets EBADF. Returns 0, or -1 with
/// EBADF. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnx_monitor_close(m: c_int) -> c_int {
    slow_boundary(|| monitors::remove(m).map(|()| 0))
}

/// Waits until at least n peers of a socket are there, for at most timeout milliseconds, negative: for ever. A peer is there when it
/// has greeted and fits: what is published then, reaches it if it has subscribed. Returns 0. Fails with EBADF (also when the
/// socket is closed meanwhile), EINVAL (n is negative), ETIMEDOUT, EINTR (a signal). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnx_wait_peers(s: c_int, n: c_int, timeout: c_int) -> c_int {
    slow_boundary(|| {
        let count = u64::try_from(n).map_err(|_| Error::INVALID)?;
        table::with_socket(s, |socket| socket.wait_peers(count, milliseconds(timeout)).map(|()| 0))
    })
}

/// Stores the address of an endpoint in buf, which has room for len bytes: as it was given, but with the port that the system chose
/// for port 0. It is cut off where there is no room, and ends with a zero if len is not 0. Returns its length without the zero.
/// endpoint is what nn_bind or nn_connect returned. Fails with EBADF, EINVAL (no such endpoint), EFAULT (buf is NULL, len is not 0). Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnx_endpoint_address(s: c_int, endpoint: c_int, buf: *mut c_char, len: usize) -> c_int {
    slow_boundary(|| {
        let address = table::with_socket(s, |socket| socket.endpoint_address(endpoint))?;
        // SAFETY: `buf` has room for `len` bytes.
        unsafe { store_text(buf, len, &address) }
    })
}

/// Stores a description of a socket in buf, which has room for len bytes: a JSON object with its options, statistics, endpoints
/// (state, last error), contexts (time limits, messages that wait) and connections (peer, age, messages and bytes both ways, bytes that wait; of TCP, as the system counts them,
/// bytes acknowledged and round trip), and how many messages were dropped, by the reason, of all and of each connection. It is cut off where there is no room, and ends with a zero if len is not 0. Returns its length
/// without the zero, so that a call with len 0 tells how much room it needs at that moment. Fails with EBADF, EFAULT (buf is NULL, len
/// is not 0). Any thread.
#[cfg(feature = "json")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnx_describe(s: c_int, buf: *mut c_char, len: usize) -> c_int {
    slow_boundary(|| {
        let description = table::with_socket(s, |socket| socket.describe())?;
        // SAFETY: `buf` has room for `len` bytes.
        unsafe { store_text(buf, len, description.as_bytes()) }
    })
}

/// Stores the statistics of all open sockets of the process in buf, which has room for len bytes, in the text format of
/// Prometheus (0.0.4): what a program gives to whoever asks it for /metrics. Each socket is told by its handle, its NN_SOCKET_NAME and
/// its protocol, dropped messages also by the reason. Cut off, ended and returned as by nnx_describe. Fails with EFAULT (buf is NULL, len
/// is not 0). Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnx_metrics(buf: *mut c_char, len: usize) -> c_int {
    // SAFETY: `buf` has room for `len` bytes.
    slow_boundary(|| unsafe { store_text(buf, len, metrics(&table::all()).as_bytes()) })
}

/// As C gives it; negative is for ever.
fn milliseconds(timeout: c_int) -> Option<Duration> {
    u64::try_from(timeout).ok().map(Duration::from_millis)
}

/// Copies as much of a text as fits, with a zero behind it, and gives its whole length.
///
/// # Safety
/// `buf` has room for `len` bytes.
unsafe fn store_text(buf: *mut c_char, len: usize, text: &[u8]) -> Result<c_int> {
    let whole = c_int::try_from(text.len()).map_err(|_| Error::NO_BUFFERS)?;
    if let Some(room) = len.checked_sub(1) {
        let text = &text[..text.len().min(room)];
        let place: *mut c_void = buf.cast();
        // SAFETY: the text and its zero are at most `len` bytes.
        unsafe { pointers::store(place, &[text, &[0]].concat()) }?;
    }
    Ok(whole)
}

fn as_c(event: &Event) -> nnx_event {
    let since = event.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let saturated = |time: Duration| c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX);
    nnx_event {
        kind: number(event.kind),
        endpoint: event.endpoint,
        error: event.error.map_or(0, Error::errno),
        retry: event.retry.map_or(-1, saturated),
        time: since.as_millis() as u64,
        pipe: event.pipe,
        dropped: event.dropped,
        address: text(&event.address),
        peer: text(event.peer.as_bytes()),
        reason: text(event.reason.as_bytes()),
    }
}

/// The rest is zeroes, at least one.
fn text<const ROOM: usize>(text: &[u8]) -> [c_char; ROOM] {
    let mut room = [0; ROOM];
    for (place, byte) in room[..ROOM - 1].iter_mut().zip(text) {
        *place = *byte as c_char;
    }
    room
}

fn number(kind: EventKind) -> c_int {
    match kind {
        EventKind::Listening => NN_EVENT_LISTENING,
        EventKind::Stopped => NN_EVENT_STOPPED,
        EventKind::Resolved => NN_EVENT_RESOLVED,
        EventKind::Connected => NN_EVENT_CONNECTED,
        EventKind::Accepted => NN_EVENT_ACCEPTED,
        EventKind::Greeted => NN_EVENT_GREETED,
        EventKind::Refused => NN_EVENT_REFUSED,
        EventKind::Lost => NN_EVENT_LOST,
        EventKind::ConnectFailed => NN_EVENT_CONNECT_FAILED,
        EventKind::AcceptFailed => NN_EVENT_ACCEPT_FAILED,
    }
}
