//! nanobench: how fast the library is on this machine, as one table. Two processes, or over inproc two threads, exchange
//! messages over PAIR sockets; the process that is started is the measuring one and starts its peer.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod measure;
mod peer;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use measure::MeasuredTransport;
use peer::PeerRole;

const HELP: &str = "\
nanobench: how fast Scalability Protocols are on this machine

usage: nanobench [options] [TRANSPORT...]

Prints a row for each transport: inproc, ipc, tcp, ws; all of them without. Round trips are of 64 bytes, median and 99th
percentile; one way, messages and bytes a second for three sizes.

options:
  --time SECS   how long each number is measured; 0.5
  --json        one JSON object a row, in place of the table
  --help        this
  --version     which version this is

The exit status is 0, 1 for wrong usage, 3 if something failed.
";

/// What the command line asks for.
struct BenchArguments {
    transports: Vec<MeasuredTransport>,
    time: Duration,
    json: bool,
}

enum BenchRequest {
    Text(String),
    Table(BenchArguments),
    /// What the measuring process asks of its peer.
    Peer(PeerRole, String, usize),
}

fn main() -> ExitCode {
    let asked = match read(Parser::from_env()) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("nanobench: {error}\nnanobench --help says how");
            return ExitCode::from(1);
        }
    };
    let outcome = match asked {
        BenchRequest::Text(text) => {
            print!("{text}");
            Ok(())
        }
        BenchRequest::Table(arguments) => table::print(&arguments.transports, arguments.time, arguments.json),
        BenchRequest::Peer(role, address, size) => peer::run(role, &address, size),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("nanobench: {text}");
            ExitCode::from(3)
        }
    }
}

fn read(mut parser: Parser) -> Result<BenchRequest, lexopt::Error> {
    let mut arguments = BenchArguments { transports: Vec::new(), time: Duration::from_millis(500), json: false };
    while let Some(word) = parser.next()? {
        match word {
            Arg::Long("help") => return Ok(BenchRequest::Text(HELP.into())),
            Arg::Long("version") => {
                return Ok(BenchRequest::Text(format!("nanobench (Millrace) {}\n", env!("CARGO_PKG_VERSION"))));
            }
            Arg::Long("json") => arguments.json = true,
            Arg::Long("time") => {
                let seconds: f64 = parser.value()?.parse()?;
                let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
                arguments.time = time.ok_or("--time needs a number of seconds above 0")?;
            }
            Arg::Long("peer") => {
                let role = parser.value()?.parse_with(PeerRole::named)?;
                return Ok(BenchRequest::Peer(role, parser.value()?.string()?, parser.value()?.parse()?));
            }
            Arg::Value(name) => arguments.transports.push(name.parse_with(MeasuredTransport::named)?),
            other => return Err(other.unexpected()),
        }
    }
    if arguments.transports.is_empty() {
        arguments.transports = MeasuredTransport::ALL.to_vec();
    }
    Ok(BenchRequest::Table(arguments))
}
