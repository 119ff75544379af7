use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::Arc;

use crate::capi::errno::guard_slow;
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
/// and costs nothing. The callback gets the level of a line and the line, without an end of line, which is good until it returns. It is
/// called from any thread, also several at a time; it may call any function of the library, but must not wait for another thread
/// that does. One that is replaced may be under way on another thread until shortly after. Returns 0. Fails with EINVAL (no such
/// level). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnx_log(
    level: c_int,
    callback: Option<unsafe extern "C" fn(level: c_int, text: *const c_char, user: *mut c_void)>,
    user: *mut c_void,
) -> c_int {
    guard_slow(|| {
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
