//! nanocat: sockets on the command line, a drop-in for the tool of that name that comes with nanomsg. `nanocat --help` says
//! how; the rules it shares with that tool are in nanocat.md of the specification.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod chat;
mod check;
mod colour;
mod completions;
mod events;
mod feed;
mod format;
mod help;
mod outcome;
mod plan;
mod run;
mod statistics;
mod table;
mod words;

use std::io::Write;
use std::process::ExitCode;

use outcome::Failure;
use plan::Asked;

fn main() -> ExitCode {
    match act() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code)
        }
    }
}

fn act() -> Result<(), Failure> {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "nanocat".into()).to_string_lossy().into_owned();
    let text = match words::read(&name, arguments)? {
        Asked::Help => help::text(&name),
        Asked::Version => format!("nanocat (Millrace) {}\n", env!("CARGO_PKG_VERSION")),
        Asked::Completions(shell) => completions::script(shell),
        Asked::Run(plan) => return run::run(*plan),
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::from_output)
}
