//! A panic of the library is an errno and not a word on stderr, unless errors are to be printed; a program in Rust hears of its
//! own panics all the same. Each case is this program once more, because the panic hook belongs to a process.

use std::panic::catch_unwind;
use std::process::Command;
use std::time::{Duration, Instant};

use nanomsg::internals::capi::nn_close;

/// Set in the child.
const CHILD: &str = "PANICS_CHILD";

/// What the child says on stderr.
fn child(prints_errors: &str) -> String {
    let mut command = Command::new(std::env::current_exe().expect("path of the test executable"));
    command.args(["--exact", "child_with_panics", "--nocapture"]).env(CHILD, "1");
    command.env("NN_PRINT_ERRORS", prints_errors).env("RUST_BACKTRACE", "0");
    let output = command.output().expect("the child runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the tests below look at, in a process of its own.
#[test]
fn child_with_panics() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    assert_eq!(nn_close(-1), -1);
    // Beneath the library there is only code that the compiler names by absolute paths: here the standard library's.
    assert!(catch_unwind(|| Instant::now() + Duration::MAX).is_err());
    assert!(catch_unwind(|| panic!("of the program")).is_err());
}

#[test]
fn panics_of_the_library_are_not_heard_of() {
    let said = child("");
    assert!(!said.contains("overflow") && said.contains("of the program"), "{said}");
}

#[test]
fn who_asks_for_errors_is_told_in_one_line() {
    let said = child("1");
    let line = said.lines().find(|line| line.contains("overflow")).unwrap_or_default();
    assert!(line.starts_with("nanomsg: internal error at /"), "{said}");
    assert!(said.contains("of the program"), "{said}");
}
