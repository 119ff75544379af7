//! The table, and its rows as JSON.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use crate::measure::{MeasuredTransport, RoundTrip, one_way, round_trip};

/// Of round trips, in bytes.
const SMALL: usize = 64;
/// One way.
const SIZES: [(usize, &str); 3] = [(64, "64 B"), (1024, "1 KiB"), (65536, "64 KiB")];

pub fn print(transports: &[MeasuredTransport], time: Duration, json: bool) -> Result<(), String> {
    if !json {
        line(&machine())?;
        let sizes: String = SIZES.iter().map(|(_, name)| format!("{:>24}", format!("one way, {name}"))).collect();
        line(&format!("{:<8}{:>24}{sizes}", "", "round trip (99 %)"))?;
    }
    for &transport in transports {
        let trip = round_trip(transport, SMALL, time)?;
        let mut rates = [0.0; SIZES.len()];
        for (rate, (size, _)) in rates.iter_mut().zip(SIZES) {
            *rate = one_way(transport, size, time)?;
        }
        line(&if json { as_json(transport, &trip, rates) } else { as_text(transport, &trip, rates) })?;
    }
    Ok(())
}

/// Whoever reads has gone: nothing more to do, and nothing to say that they would hear.
fn line(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| format!("cannot write: {error}"))
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Millrace {}, {cores} cores, Linux {}", env!("CARGO_PKG_VERSION"), kernel.trim_end())
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn as_text(transport: MeasuredTransport, trip: &RoundTrip, rates: [f64; SIZES.len()]) -> String {
    let trip = format!("{:.1} µs ({:.1})", microseconds(trip.median), microseconds(trip.late));
    let rates = rates
        .iter()
        .zip(SIZES)
        .map(|(rate, (size, _))| format!("{}/s, {}B/s", scaled(*rate), scaled(rate * size as f64)));
    let rates: String = rates.map(|text| format!("{text:>24}")).collect();
    format!("{:<8}{trip:>24}{rates}", transport.name())
}

fn as_json(transport: MeasuredTransport, trip: &RoundTrip, rates: [f64; SIZES.len()]) -> String {
    let one_way: Vec<_> = rates
        .iter()
        .zip(SIZES)
        .map(|(rate, (size, _))| json!({ "bytes": size, "messages_per_second": rate.round() }))
        .collect();
    let trip = json!({ "bytes": SMALL, "median_us": microseconds(trip.median), "p99_us": microseconds(trip.late) });
    json!({ "transport": transport.name(), "round_trip": trip, "one_way": one_way }).to_string()
}

/// Three digits and a unit, a blank before it.
fn scaled(number: f64) -> String {
    let (divisor, unit) = match number {
        number if number >= 999.5e6 => (1e9, "G"),
        number if number >= 999.5e3 => (1e6, "M"),
        number if number >= 999.5 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let value = number / divisor;
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.0, 12.34, 999.4, 1234.0, 99_960.0, 4_730_000.0, 2.9e9].map(scaled);
        assert_eq!(shown, ["0.00 ", "12.3 ", "999 ", "1.23 k", "100 k", "4.73 M", "2.90 G"]);
    }
}
