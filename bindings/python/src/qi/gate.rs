//! Threads that are not Python's and run Python code: they pass here, so that the end of the interpreter can wait for them.
//!
//! A thread that wants the interpreter when that is gone would be stopped in the middle of our frames, and libqi's binding dies of
//! just that. So when the program ends the gate is closed first, and who is inside is waited for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

static CLOSED: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// How long the end of the program waits for code of its own that does not return.
pub const PATIENCE: Duration = Duration::from_secs(5);

struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs this with the interpreter; `None` if there is none any more.
pub fn with_python<T>(run: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    INSIDE.fetch_add(1, Ordering::SeqCst);
    let _inside = Inside;
    if CLOSED.load(Ordering::SeqCst) {
        return None;
    }
    Python::try_attach(run)
}

/// Nobody passes any more.
pub fn close() {
    CLOSED.store(true, Ordering::SeqCst);
}

/// Waits until then, without the interpreter, for who is inside. Is nobody any more?
pub fn empties_until(end: Instant) -> bool {
    while INSIDE.load(Ordering::SeqCst) > 0 {
        if Instant::now() >= end {
            return false;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "once, at the end; a count that threads wake somebody with would cost each call"
        )]
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// In the child of a fork: the threads that were inside are not there.
pub fn after_fork() {
    INSIDE.store(0, Ordering::SeqCst);
}
