//! nanoqi: the QiMessaging bus on the command line. `nanoqi --help` says how.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod arguments;
mod commands;
mod log;
mod outcome;
mod path;
mod serve;
mod services;
mod top;
mod values;
mod watching;

use std::process::ExitCode;

use arguments::Command;

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => {
            outcome::note(text);
            outcome::note("nanoqi --help says how");
            return ExitCode::from(1);
        }
    };
    let outcome = match arguments.command {
        Command::Help => arguments::HELP.trim_end().lines().try_for_each(outcome::line),
        Command::Version => outcome::line(format_args!("nanoqi {}", env!("CARGO_PKG_VERSION"))),
        _ => commands::run(&arguments),
    };
    if let Err(failure) = outcome {
        if !failure.text.is_empty() {
            outcome::note(&failure.text);
        }
        return ExitCode::from(failure.code);
    }
    ExitCode::SUCCESS
}
