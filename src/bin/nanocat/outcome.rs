//! Why the program fails: its exit code, and what it says.

use std::io::{self, ErrorKind, Write};

use nanomsg::Error;

use crate::colour;

/// Exit codes of nanocat.
const USAGE: u8 = 1;
const FILE: u8 = 2;
const CALL: u8 = 3;
/// What a shell shows of a program that SIGPIPE ended.
const PIPE: u8 = 128 + 13;

#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: u8,
    /// Empty: nothing to say.
    text: String,
}

impl Failure {
    /// The command line is wrong.
    pub fn usage(program: &str, text: &str) -> Failure {
        Failure { code: USAGE, text: format!("{program}: {text}") }
    }

    /// A file of data cannot be read.
    pub fn file(doing: &str, path: &str, error: &io::Error) -> Failure {
        let reason = Error::from_errno(error.raw_os_error().unwrap_or_default()).text();
        Failure { code: FILE, text: format!("Error {doing} file ``{path}'': {reason}") }
    }

    /// A nanomsg call failed: `Can't <what>`.
    pub fn call(what: &str, error: Error) -> Failure {
        Failure { code: CALL, text: format!("Can't {what}: {error}") }
    }

    pub fn with_hint(self, hint: &str) -> Failure {
        Failure { text: format!("{} ({hint})", self.text), ..self }
    }

    /// Output cannot be written. Whoever read it has gone: then there is nothing to say.
    pub fn from_output(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure { code: PIPE, text: String::new() },
            _ => Failure { code: FILE, text: format!("Can't write: {error}") },
        }
    }

    pub fn report(&self) {
        if !self.text.is_empty() {
            note(&self.text);
        }
    }
}

/// A line on standard error, red on a terminal. Where nobody listens there is nothing to be done about it.
pub fn note(text: &str) {
    let mut err = io::stderr().lock();
    let (on, off) = if colour::wanted(&err) { (colour::RED, colour::PLAIN) } else { ("", "") };
    let _ = writeln!(err, "{on}{text}{off}");
}
