//! A panic says nothing on the stderr of a program in C, which knows of none: it becomes an errno.
//!
//! The shared and the static library have a standard library of their own, so nobody else's panics are concerned there. The
//! crate shares it with a program in Rust: that hears of its own panics as before, and of all if it never calls the C interface.

use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::sync::Once;

use crate::sys::stderr;

/// From the first call of the C interface on, ours are told only to those who asked for errors (NN_PRINT_ERRORS).
#[inline]
pub fn silence() {
    static DONE: Once = Once::new();
    // (The hook cannot be changed while one is under way.)
    if !DONE.is_completed() && !std::thread::panicking() {
        DONE.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |panic| if is_ours(panic) { tell(panic) } else { before(panic) }));
        });
    }
}

/// The compiler names files of the program it compiles by relative paths, and those of its dependencies by absolute ones.
fn is_ours(panic: &PanicHookInfo<'_>) -> bool {
    const SOURCES: &str = file!().split_at(file!().len() - "capi/panics.rs".len()).0;
    let is_source = |file: &str| file.starts_with(SOURCES) && !cfg!(test);
    panic.location().is_none_or(|place| is_source(place.file()) || Path::new(place.file()).is_absolute())
}

fn tell(panic: &PanicHookInfo<'_>) {
    if std::env::var_os("NN_PRINT_ERRORS").is_none_or(|value| value.is_empty()) {
        return;
    }
    let text = panic.payload().downcast_ref::<&str>().copied();
    let text =
        text.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    stderr::write_line(&format!("nanomsg: internal error at {place}: {text}"));
}
