//! How many instructions a call costs, in user space: they do not depend on how busy the machine is, so a change that makes a
//! hot path longer shows at once. A count more than 10 % off its baseline is news, whichever way: after a look at what did it, write the new
//! number into `tests/instructions/baseline.txt`. What a call cost before the order of the house was worked on (29 November 2026) it may never
//! exceed by more than 3 %.

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::{Lib, ScratchDir, c_program, free_port, our_lib_dir, repo_root, require_tool, run};

/// Bursts of 300 messages of 64 bytes as the continuation of a stream, or of 250 by themselves: no stream begins before the 256th, so each is
/// written by itself, whatever the machine does.
const BURSTS: u64 = 2;
const BURST: u64 = 300;
const LONE: u64 = 250;

const TOLERANCE: f64 = 0.1;

/// So much more than before the work on the order of the house may a call cost.
const MOST: f64 = 1.03;

/// So often is counted again what is off.
const AGAIN: usize = 12;

#[test]
fn calls_cost_what_they_did() {
    // Without optimisation the numbers mean something else.
    if cfg!(debug_assertions) {
        return;
    }
    require_tool("valgrind", "valgrind");
    let baseline = fs::read_to_string(repo_root().join("tests/instructions/baseline.txt")).expect("the baseline");
    let rows: Vec<_> = baseline.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rows.len(), 7, "a stream over three transports, sending and receiving, and two kinds of bursts");
    let mut report = String::new();
    let mut off = Vec::new();
    for row in rows {
        let [manner, transport, function, expected, before] = row.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("not a row of the baseline: {row}");
        };
        let expected: f64 = expected.parse().expect("a number");
        let most = if before == "-" { f64::MAX } else { before.parse::<f64>().expect("a number") * MOST };
        assert!(expected <= most, "a baseline that is too high: {row}");
        let is_off = |counted: f64| (counted / expected - 1.0).abs() > TOLERANCE || counted > most;
        let mut counted = f64::MAX;
        // On a busy machine a stream pauses, and more of it is written one by one, which is no news.
        for _ in 0..=AGAIN {
            counted = instructions(manner, transport, function).min(counted);
            if !is_off(counted) {
                break;
            }
        }
        report += &format!("{manner} {transport} {function} {counted:.0}\n");
        if is_off(counted) {
            off.push(format!(
                "{manner} {transport} {function}: {counted:.0} instructions instead of {expected}, {before} before"
            ));
        }
    }
    println!("{report}");
    assert!(off.is_empty(), "{off:#?}\nAll of them:\n{report}");
}

/// Instructions per call. Nothing but the calls is counted.
fn instructions(manner: &str, transport: &str, function: &str) -> f64 {
    let burst = if manner == "burst" { LONE } else { BURST };
    collected(manner, transport, function) as f64 / (BURSTS * burst) as f64
}

fn collected(manner: &str, transport: &str, function: &str) -> u64 {
    let scratch = ScratchDir::new();
    let address = match transport {
        "tcp" => format!("tcp://127.0.0.1:{}", free_port()),
        "ipc" => scratch.ipc_address(),
        other => format!("{other}://instructions"),
    };
    let program = c_program("tests/instructions/count.c", Lib::Ours);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(format!("--toggle-collect=counted_{function}"));
    valgrind.arg(program).arg(address).arg(BURSTS.to_string()).arg(manner);
    valgrind.env("LD_LIBRARY_PATH", our_lib_dir());
    let outcome = run(&mut valgrind, Duration::from_secs(60));
    assert!(outcome.code == Some(0), "{transport} {function}: {outcome:?}");
    let collected = outcome.stderr.lines().find_map(|line| line.split("Collected : ").nth(1));
    let collected = collected.and_then(|count| count.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("callgrind of {transport} {function}: {outcome:?}"))
}
