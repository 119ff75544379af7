//! What a socket is doing: its events, its peers, its endpoints, and its statistics as metrics (docs/monitor.md).

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::core::statistics::Statistics;
use crate::core::{Error, Result};
use crate::reactor::{WaitMode, deadline_in};

use super::monitor::Monitor;
use super::socket::EngineSocket;
use super::state::SocketState;

impl EngineSocket {
    /// The events of this socket from now on. Dropping it ends that. `EMFILE` without a descriptor for it.
    pub fn monitor(&self) -> Result<Arc<Monitor>> {
        self.now_polls();
        self.with_open(|state| state.monitors.add())
    }

    /// Waits until at least `count` peers are there (greeted, and taken by the protocol), for at most `timeout` (`None`: for
    /// ever). `ETIMEDOUT`, `EINTR`, `EBADF` when the socket is closed.
    pub fn wait_peers(&self, count: u64, timeout: Option<Duration>) -> Result<()> {
        let deadline = deadline_in(timeout);
        let mode = WaitMode { polls: self.polls(), spins: false, ..WaitMode::POLLING };
        self.runtime().reactor.wait_for(deadline, mode, |me, stay| {
            self.with(|state| {
                state.waiters.remove_for_peers(me);
                if !state.is_open() {
                    return Some(Err(Error::BAD_FD));
                }
                if state.core.statistics.current_connections >= count {
                    return Some(Ok(()));
                }
                if stay {
                    state.waiters.add_for_peers(me, count);
                }
                None
            })
        })?
    }

    /// The address of an endpoint as it was given, but with the port that the system chose for a 0. `EINVAL` if there is no such
    /// endpoint.
    pub fn endpoint_address(&self, endpoint: i32) -> Result<Vec<u8>> {
        self.with_open(|state| match state.endpoints.peek(endpoint) {
            Some(_) => Ok(state.endpoints.url(endpoint)),
            None => Err(Error::INVALID),
        })
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A statistic, as the description and the metrics have it.
pub(super) struct Row {
    #[cfg_attr(not(feature = "json"), expect(dead_code, reason = "the description's"))]
    pub name: &'static str,
    /// Of the metric, without its prefix. What counts up ends with `_total`.
    metric: &'static str,
    help: &'static str,
    pub value: fn(&Statistics) -> u64,
}

macro_rules! rows {
    ($($name:ident $metric:literal $help:literal;)*) => {
        [$(Row { name: stringify!($name), metric: $metric, help: $help, value: |statistics| statistics.$name }),*]
    };
}

pub(super) static STATISTICS: [Row; 14] = rows! {
    established_connections "connections_established_total" "Connections that were made.";
    accepted_connections "connections_accepted_total" "Connections that were accepted.";
    dropped_connections "connections_dropped_total" "Connections that this side ended.";
    broken_connections "connections_broken_total" "Connections that ended otherwise.";
    connect_errors "connect_errors_total" "Attempts to connect that failed.";
    bind_errors "bind_errors_total" "Attempts to bind that failed.";
    accept_errors "accept_errors_total" "Connections that could not be accepted.";
    current_connections "connections" "Peers that are there.";
    inprogress_connections "connections_in_progress" "Endpoints that are connecting.";
    current_ep_errors "endpoint_errors" "Endpoints that have failed and not recovered.";
    messages_sent "sent_messages_total" "Messages that were sent.";
    messages_received "received_messages_total" "Messages that were received.";
    bytes_sent "sent_bytes_total" "Bytes of the messages that were sent.";
    bytes_received "received_bytes_total" "Bytes of the messages that were received.";
};

/// The statistics of sockets in the text format of Prometheus (version 0.0.4), each socket under the number given with it.
pub fn metrics(sockets: &[(i32, Arc<EngineSocket>)]) -> String {
    let snapshots = sockets.iter().filter_map(|(number, socket)| {
        let read = |state: &mut SocketState| {
            let core = &state.core;
            Ok((text(&core.options.name), core.statistics.clone(), core.drops(None)))
        };
        let (name, statistics, drops) = socket.with_open(read).ok()?;
        let name = escaped(&name);
        let labels = format!("socket=\"{number}\",name=\"{name}\",protocol=\"{}\"", socket.kind().name);
        Some((labels, statistics, drops))
    });
    let snapshots: Vec<_> = snapshots.collect();
    let mut out = String::new();
    for row in &STATISTICS {
        let kind = if row.metric.ends_with("_total") { "counter" } else { "gauge" };
        // (Writing to a string cannot fail.)
        let _ = writeln!(out, "# HELP millrace_{} {}\n# TYPE millrace_{} {kind}", row.metric, row.help, row.metric);
        for (labels, statistics, _) in &snapshots {
            let _ = writeln!(out, "millrace_{}{{{labels}}} {}", row.metric, (row.value)(statistics));
        }
    }
    out += "# HELP millrace_dropped_messages_total Messages that were dropped instead of sent or received, by the reason.\n";
    out += "# TYPE millrace_dropped_messages_total counter\n";
    for (labels, _, drops) in &snapshots {
        for (reason, count) in drops.iter() {
            let _ = writeln!(out, "millrace_dropped_messages_total{{{labels},reason=\"{reason}\"}} {count}");
        }
    }
    out
}

/// The value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facade::Session;

    #[test]
    fn a_label_is_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn a_socket_is_counted() {
        let session = Session::start().unwrap();
        let socket = session.socket(false, 0x10, "me").unwrap();
        let id = socket.bind(b"tcp://127.0.0.1:0").unwrap();
        let address = String::from_utf8(socket.endpoint_address(id).unwrap()).unwrap();
        assert!(!address.ends_with(":0"), "{address}");
        assert_eq!(socket.endpoint_address(id + 1), Err(Error::INVALID));
        let metrics = metrics(&[(7, Arc::clone(&socket))]);
        assert!(metrics.contains("millrace_connections{socket=\"7\",name=\"me\",protocol=\"PAIR\"} 0\n"), "{metrics}");
        assert_eq!(metrics.matches("# TYPE").count(), STATISTICS.len() + 1);
        assert_eq!(socket.wait_peers(1, Some(Duration::ZERO)), Err(Error::TIMED_OUT));
        session.stop();
    }
}
