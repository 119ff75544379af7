//! `--stats`: what went, every second and at the end, on standard error.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nanomsg::internals::EngineSocket;
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);
/// NN_STAT_CURRENT_CONNECTIONS.
const PEERS: i32 = 201;

/// Messages and bytes, counted by who sends and receives.
#[derive(Default)]
pub struct Tally {
    pub sent: Count,
    pub received: Count,
}

#[derive(Default)]
pub struct Count {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    pub fn add(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    fn both(&self) -> [u64; 2] {
        [self.messages(), self.bytes.load(Ordering::Relaxed)]
    }
}

/// A thread that reports until it is dropped.
pub struct Reporter {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Reporter {
    /// Nothing without a thread to spare: statistics are not worth failing for.
    pub fn start(socket: Arc<EngineSocket>, tally: Arc<Tally>, json: bool) -> Reporter {
        let (stop, stopped) = mpsc::channel();
        let report = move || watch(&socket, &tally, json, &stopped);
        let thread = std::thread::Builder::new().name("stats".into()).spawn(report).ok();
        Reporter { stop: Some(stop), thread }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported, and has cost a line of statistics.
            let _ = thread.join();
        }
    }
}

fn watch(socket: &EngineSocket, tally: &Tally, json: bool, stopped: &Receiver<()>) {
    let live = stderr().is_terminal() && !json;
    let (mut then, mut before) = (Instant::now(), [[0; 2]; 2]);
    loop {
        let goes_on = stopped.recv_timeout(SECOND) == Err(RecvTimeoutError::Timeout);
        let now = [tally.sent.both(), tally.received.both()];
        let report =
            Report { now, before, seconds: then.elapsed().as_secs_f64(), peers: socket.statistic(PEERS).unwrap_or(0) };
        (then, before) = (Instant::now(), now);
        let line = if json { report.json() } else { report.text() };
        // On a terminal each line takes the place of the one before it.
        let line = match (live, goes_on) {
            (true, true) => format!("\r\x1b[K{line}"),
            (true, false) => format!("\r\x1b[K{line}\n"),
            (false, _) => line + "\n",
        };
        let mut err = stderr().lock();
        if err.write_all(line.as_bytes()).and_then(|()| err.flush()).is_err() || !goes_on {
            return;
        }
    }
}

/// Messages and bytes, sent and received: until now, and until the last report.
struct Report {
    now: [[u64; 2]; 2],
    before: [[u64; 2]; 2],
    seconds: f64,
    peers: u64,
}

impl Report {
    fn rate(&self, direction: usize, what: usize) -> u64 {
        let more = self.now[direction][what] - self.before[direction][what];
        (more as f64 / self.seconds.max(1e-3)).round() as u64
    }

    fn text(&self) -> String {
        let one = |name: &str, direction: usize| {
            let [messages, bytes] = self.now[direction];
            let (rate, byte_rate) = (self.rate(direction, 0), size(self.rate(direction, 1)));
            format!("{name} {messages} ({}), {rate}/s, {byte_rate}/s", size(bytes))
        };
        format!("{}; {}; peers {}", one("sent", 0), one("received", 1), self.peers)
    }

    fn json(&self) -> String {
        let one = |direction: usize| {
            let [messages, bytes] = self.now[direction];
            json!({ "messages": messages, "bytes": bytes, "messages_per_second": self.rate(direction, 0),
                    "bytes_per_second": self.rate(direction, 1) })
        };
        json!({ "sent": one(0), "received": one(1), "peers": self.peers }).to_string()
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 99.5 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        let shown = [0, 999, 1000, 1234, 99_400, 99_600, 999_600, 12_345_678].map(size);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.2 kB", "99.4 kB", "100 kB", "1.0 MB", "12.3 MB"]);
    }

    #[test]
    fn rates_are_those_since_the_last_report() {
        let report = Report { now: [[30, 3000], [0, 0]], before: [[10, 1000], [0, 0]], seconds: 2.0, peers: 3 };
        assert_eq!(report.text(), "sent 30 (3.0 kB), 10/s, 1.0 kB/s; received 0 (0 B), 0/s, 0 B/s; peers 3");
        assert!(report.json().contains("\"bytes_per_second\":1000"));
    }
}
