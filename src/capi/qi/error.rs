use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int};

use crate::capi::{errno, pointers};
use crate::core::Error;
use crate::core::text::lines_without_controls;
use crate::qi::client::CallError;
use crate::qi::server::{EmitError, ServerError};
use crate::sys::stack::with_enough;
use crate::sys::stderr;

use super::outcome::Returned;

/// What `EDEADLK` means here.
const DEADLOCK: &str = "this thread reads a connection (it is in a function of nnqi_call_then, a handler or the like), so it cannot wait for one: \
    use nnqi_call_then or nnqi_post, or let another thread wait";

/// Why a call failed: the number for errno, and a text for people.
#[derive(Debug)]
pub struct Failure {
    errno: Error,
    text: String,
}

pub type Result<T> = std::result::Result<T, Failure>;

thread_local! {
    /// The text of this thread's last failure.
    static LAST: RefCell<CString> = RefCell::default();
    /// The same while the thread is ending, and has let go of that. Never freed: nobody knows when its end is.
    static LATE: Cell<&'static CStr> = const { Cell::new(c"") };
}

impl Failure {
    pub fn new(errno: Error, text: impl ToString) -> Failure {
        Failure { errno, text: text.to_string() }
    }

    /// `EINVAL`
    pub fn invalid(text: impl ToString) -> Failure {
        Failure::new(Error::INVALID, text)
    }

    /// `ERANGE`
    pub fn range(text: impl ToString) -> Failure {
        Failure::new(Error::from_errno(libc::ERANGE), text)
    }

    /// For callbacks, which are told: the number and the text.
    pub fn into_parts(self) -> (c_int, CString) {
        (self.errno.errno(), c_text(&self.text))
    }

    /// The same, with what it is about in front.
    pub fn about(self, what: impl std::fmt::Display) -> Failure {
        Failure { errno: self.errno, text: format!("{what}: {}", self.text) }
    }
}

impl From<Error> for Failure {
    fn from(errno: Error) -> Failure {
        let text = match errno {
            Error::FAULT => "a pointer is NULL that must not be".to_owned(),
            Error::DEADLOCK => DEADLOCK.to_owned(),
            _ => errno.to_string(),
        };
        Failure { errno, text }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Failure {
        match error {
            CallError::System(errno) => errno.into(),
            error => Failure::new(error.errno(), error),
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Failure {
        match &error {
            ServerError::Listen(_, failure) => Failure::new(failure.error(), &error),
            ServerError::Refused(_) => Failure::invalid(error),
            ServerError::Lost => Failure::new(Error::NOT_CONNECTED, error),
        }
    }
}

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Failure {
        Failure::invalid(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}

/// Leaves the text of a panic for who asks.
struct Fuse;

impl Drop for Fuse {
    fn drop(&mut self) {
        if std::thread::panicking() {
            remember("the library has broken an assumption of its own");
        }
    }
}

/// A text with a zero in it came from a peer: it ends there, as C would read it.
fn c_text(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

fn remember(text: &str) {
    if LAST.try_with(|last| *last.borrow_mut() = c_text(text)).is_err() {
        LATE.set(Box::leak(c_text(text).into_boxed_c_str()));
    }
}

/// What was last said to this thread.
pub fn last() -> String {
    let last = LAST.try_with(|last| last.borrow().to_string_lossy().into_owned());
    last.unwrap_or_else(|_| LATE.get().to_string_lossy().into_owned())
}

/// Nothing has failed on this thread, as far as `nnqi_error` knows.
pub fn forget() {
    remember("");
}

/// Runs one call of the C interface: an error, or a panic, becomes the failure value, an errno and a text. A caller with little stack
/// lends its thread, and the call has a stack of its own.
pub fn boundary<T: Returned>(call: impl FnOnce() -> Result<T>) -> T {
    let returned = errno::slow_boundary(|| {
        let _fuse = Fuse;
        with_enough(call).map(T::ok).map_err(|failure| {
            remember(&failure.text);
            failure.errno
        })
    });
    T::from(returned)
}

/// Why this thread's last failing call of this header failed, as a text for people. Empty if none has failed. The text is
/// the library's, and valid until the next failing call of this thread. Never fails. Any thread. (17)
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_error() -> *const c_char {
    // The string's bytes stay where they are until it is replaced.
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or_else(|_| LATE.get().as_ptr())
}

/// Prints what, a colon and the text of nnqi_error() to standard error, as perror(3) does for errno; what may be NULL. Returns 1, which
/// is what main and exit want then. Never fails. Any thread. if (!session) return nnqi_perror("robot"); (17)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnqi_perror(what: *const c_char) -> c_int {
    let said = last();
    // SAFETY: a non-null `what` ends with a zero.
    let what = unsafe { pointers::text(what) }.unwrap_or_default();
    let colon = if what.is_empty() { "" } else { ": " };
    stderr::print_line(&format!("{}{colon}{}", String::from_utf8_lossy(what), lines_without_controls(&said)));
    1
}
