//! nanoqi: the QiMessaging bus on the command line. `nanoqi --help` says how.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod arguments;
mod commands;
mod outcome;
mod serve;

use std::process::ExitCode;

use arguments::Command;

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("nanoqi: {text}\nnanoqi --help says how");
            return ExitCode::from(1);
        }
    };
    match arguments.command {
        Command::Help => print!("{}", arguments::HELP),
        Command::Version => println!("nanoqi {}", env!("CARGO_PKG_VERSION")),
        _ => {
            if let Err(failure) = commands::run(&arguments) {
                eprintln!("nanoqi: {}", failure.text);
                return ExitCode::from(failure.code);
            }
        }
    }
    ExitCode::SUCCESS
}
