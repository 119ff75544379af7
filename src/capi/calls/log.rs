use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::Arc;

use crate::capi::errno::slow_boundary;
use crate::core::Error;
use crate::facade::{Level, Sink, set_logging};

/// A program's pointer, which it has promised to be good from any thread.
struct LogUser(*mut c_void);

// SAFETY: it is only handed back to the program's callback, which is called from any thread by contract.
unsafe impl Send for LogUser {}
// SAFETY: as above.
unsafe impl Sync for LogUser {}

/// Sets what is logged, one of NN_LOG_, and where it goes: callback is called for each line with user, or it is written to the
/// standard error output if callback is NULL. What is logged are the events of all sockets (millrace/monitor.h) as text. Without a
/// call, the environment variable MILLRACE_LOG (off, error, warn, info, debug, trace) says what is logged; by default nothing is,
/// and costs nothing. Control characters are escaped. The standard error output is what has the descriptor 2 now, or when the first
/// socket was opened: if that is closed or replaced later, nothing is written until this function is called again. A line that
/// cannot be written at once is lost; the next one is preceded by how many were. The callback gets the level of a line and the line,
/// without an end of line, which is good until it returns. It is called from any thread, also several at a time, and from the thread that
/// does the I/O of all sockets, which stands still meanwhile: it may call functions of the library, but nothing that waits
/// (nnx_wait_peers, nn_recv without NN_DONTWAIT). One that is replaced may be under way on another thread until shortly after. Returns
/// 0. Fails with EINVAL (no such level). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnx_log(
    level: c_int,
    callback: Option<unsafe extern "C" fn(level: c_int, text: *const c_char, user: *mut c_void)>,
    user: *mut c_void,
) -> c_int {
    slow_boundary(|| {
        let level = usize::try_from(level).ok().and_then(|level| Level::ALL.get(level)).ok_or(Error::INVALID)?;
        let user = LogUser(user);
        let sink = callback.map(|callback| -> Sink {
            Arc::new(move |level: Level, line: &str| {
                let LogUser(user) = &user;
                // Lines have no zeroes: control characters are escaped.
                let text = CString::new(line).unwrap_or_default();
                let text: *const c_char = text.as_ptr();
                // SAFETY: the program's function, called as its type says; the text lives as long as the call.
                unsafe { callback(level as c_int, text, *user) }
            })
        });
        set_logging(*level, sink);
        Ok(0)
    })
}
