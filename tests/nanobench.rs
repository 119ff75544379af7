//! nanobench says something for each transport, whatever it is; how fast is not a matter of tests.

mod support;

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::{Outcome, run};

fn nanobench(line: &str) -> Outcome {
    run(Command::new(env!("CARGO_BIN_EXE_nanobench")).args(line.split_whitespace()), Duration::from_secs(120))
}

#[test]
fn a_row_for_each_transport() {
    let outcome = nanobench("--time 0.02");
    outcome.expect_success("nanobench");
    let rows: Vec<_> = outcome.stdout.lines().collect();
    assert!(
        rows.len() == 6 && rows[0].starts_with("Millrace ") && rows[1].contains("round trip"),
        "{}",
        outcome.stdout
    );
    for (row, name) in rows[2..].iter().zip(["inproc", "ipc", "tcp", "ws"]) {
        assert!(row.starts_with(name) && row.contains(" µs (") && row.matches("B/s").count() == 3, "{row}");
    }
}

#[test]
fn rows_as_json() {
    let outcome = nanobench("--json --time 0.02 ipc inproc");
    outcome.expect_success("nanobench");
    let rows: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<_> = rows.iter().map(|row| row["transport"].as_str()).collect();
    assert_eq!(names, [Some("ipc"), Some("inproc")]);
    for row in &rows {
        assert!(row["round_trip"]["median_us"].as_f64().is_some_and(|time| time > 0.0), "{row}");
        let sizes = row["one_way"].as_array().expect("sizes");
        assert!(sizes.len() == 3 && sizes.iter().all(|size| size["messages_per_second"].as_f64() > Some(0.0)), "{row}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for line in ["udp", "--time 0", "--time x", "--frob", "--time"] {
        let outcome = nanobench(line);
        assert!(outcome.code == Some(1) && outcome.stderr.contains("nanobench --help says how"), "{line}: {outcome:?}");
    }
}
