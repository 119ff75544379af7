//! What the program says: lines, and why it fails.

use std::io::{self, Write};

use nanomsg::internals::without_controls;
use nanomsg::qi::client::CallError;

/// Why the program fails: its exit code, and a line for people.
pub struct Failure {
    pub code: u8,
    pub text: String,
}

pub type Outcome = Result<(), Failure>;

impl From<CallError> for Failure {
    fn from(error: CallError) -> Failure {
        let code = match &error {
            CallError::Address { .. } => 1,
            CallError::Connect { .. }
            | CallError::Rejected { .. }
            | CallError::Authentication { .. }
            | CallError::Unreachable { .. } => 2,
            CallError::NoService { .. } | CallError::NoMember { .. } | CallError::Resolve(_) => 3,
            CallError::TimedOut => 5,
            CallError::Disconnected(_) => 6,
            _ => 4,
        };
        Failure { code, text: error.to_string() }
    }
}

/// What a shell shows of a program that SIGPIPE ended.
const PIPE: u8 = 128 + 13;

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            // Whoever reads our output has gone: nothing more to do, and nothing to say.
            io::ErrorKind::BrokenPipe => Failure { code: PIPE, text: String::new() },
            // What was asked of the bus may have been done.
            _ => Failure { code: 7, text: format!("cannot write: {error}") },
        }
    }
}

/// The command line is wrong.
pub fn usage(text: impl ToString) -> Failure {
    Failure { code: 1, text: text.to_string() }
}

/// What a file that the command line names holds.
pub fn file(path: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| usage(format!("{path}: {error}")))
}

pub fn refused(text: impl ToString) -> Failure {
    Failure { code: 4, text: text.to_string() }
}

/// Tells what is wrong, in one line. If nobody reads that, the exit code still tells.
pub fn note(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "nanoqi: {}", without_controls(&text.to_string()));
}

/// Prints a line that is not held back. What a peer says does nothing to a terminal, and makes no lines of its own, which would look like ours.
pub fn line(text: impl std::fmt::Display) -> Outcome {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", without_controls(&text.to_string()))?;
    Ok(out.flush()?)
}
