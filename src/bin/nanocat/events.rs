//! `--events`: what becomes of endpoints and connections, a line each on standard error.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

use nanomsg::internals::{EngineSocket, without_controls};
use nanomsg::{Error, Event, EventKind, Monitor};
use serde_json::json;

use crate::colour;
use crate::outcome::Failure;

/// A thread that tells of them until the socket is closed, and of all that were until then.
pub struct Events(Option<JoinHandle<()>>);

impl Events {
    /// `beside_statistics`: a live line may have to give way.
    pub fn start(socket: &EngineSocket, json: bool, beside_statistics: bool) -> Result<Events, Failure> {
        let monitor = socket.monitor().map_err(|error| Failure::call("watch the socket", error))?;
        let tell = move || watch(&monitor, json, beside_statistics);
        let thread = std::thread::Builder::new().name("events".into()).spawn(tell);
        thread.map(|thread| Events(Some(thread))).map_err(|error| Failure::call("create thread", error.into()))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic there has been reported, and has cost some events.
            let _ = thread.join();
        }
    }
}

fn watch(monitor: &Arc<Monitor>, json: bool, beside_statistics: bool) {
    let clear = if beside_statistics && !json && stderr().is_terminal() { "\r\x1b[K" } else { "" };
    loop {
        let event = match monitor.next(None) {
            Ok(event) => event,
            Err(Error::INTERRUPTED) => continue,
            Err(_) => return,
        };
        let mut err = stderr().lock();
        let (on, off) =
            if is_failure(&event) && !json && colour::wanted(&err) { (colour::RED, colour::PLAIN) } else { ("", "") };
        let line = if json { as_json(&event) } else { as_text(&event) };
        if writeln!(err, "{clear}{on}{line}{off}").is_err() {
            return;
        }
    }
}

fn is_failure(event: &Event) -> bool {
    matches!(event.kind, EventKind::Refused | EventKind::ConnectFailed | EventKind::AcceptFailed)
}

/// What it is, at which address, with whom, why, and what follows.
fn as_text(event: &Event) -> String {
    let text = match event.dropped {
        0 => String::new(),
        dropped => format!("({dropped} events were dropped)\n"),
    };
    text + &without_controls(&what_happened(event))
}

fn what_happened(event: &Event) -> String {
    let mut text = format!("{} {}", event.kind.name().replace('_', " "), String::from_utf8_lossy(&event.address));
    if !event.peer.is_empty() {
        // Who cannot be reached is with nobody.
        let link = if event.kind == EventKind::ConnectFailed { "at" } else { "with" };
        text += &format!(" {link} {}", event.peer);
    }
    let reason = match (&*event.reason, event.error) {
        ("", Some(error)) => error.to_string(),
        (reason, _) => reason.to_owned(),
    };
    if !reason.is_empty() {
        text += &format!(": {reason}");
    }
    if let Some(retry) = event.retry.filter(|retry| !retry.is_zero()) {
        text += &format!("; again in {} ms", retry.as_millis());
    }
    text
}

/// What there is of it; times in milliseconds.
fn as_json(event: &Event) -> String {
    let time = event.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut object = json!({ "event": event.kind.name(), "time": time.as_millis() as u64,
                             "address": String::from_utf8_lossy(&event.address) });
    let mut put = |key: &str, value: serde_json::Value| object[key] = value;
    if event.pipe != 0 {
        put("pipe", event.pipe.into());
    }
    if !event.peer.is_empty() {
        put("peer", (&*event.peer).into());
    }
    if let Some(error) = event.error {
        put("error", error.to_string().into());
    }
    if !event.reason.is_empty() {
        put("reason", (&*event.reason).into());
    }
    if let Some(retry) = event.retry {
        put("retry", (retry.as_millis() as u64).into());
    }
    if event.dropped != 0 {
        put("dropped", event.dropped.into());
    }
    object.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn event(kind: EventKind) -> Event {
        Event {
            kind,
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(7),
            dropped: 0,
            endpoint: 1,
            address: b"tcp://127.0.0.1:5555".to_vec(),
            pipe: 0,
            peer: String::new(),
            error: None,
            reason: String::new(),
            retry: None,
        }
    }

    #[test]
    fn a_line_for_people() {
        assert_eq!(as_text(&event(EventKind::Listening)), "listening tcp://127.0.0.1:5555");
        let refused = Event {
            peer: "127.0.0.1:4000".into(),
            pipe: 9,
            reason: "the peer's socket is NN_PUB, which does not fit".into(),
            ..event(EventKind::Refused)
        };
        assert_eq!(
            as_text(&refused),
            "refused tcp://127.0.0.1:5555 with 127.0.0.1:4000: the peer's socket is NN_PUB, which does not fit"
        );
        let failed = Event {
            peer: "127.0.0.1:5555".into(),
            error: Some(Error::CONN_RESET),
            retry: Some(Duration::from_millis(100)),
            dropped: 2,
            ..event(EventKind::ConnectFailed)
        };
        assert_eq!(
            as_text(&failed),
            format!(
                "(2 events were dropped)\nconnect failed tcp://127.0.0.1:5555 at 127.0.0.1:5555: {}; again in 100 ms",
                Error::CONN_RESET
            )
        );
    }

    #[test]
    fn what_a_peer_says_does_nothing_to_a_terminal() {
        let refused = Event { reason: "for \x1b[2Jnobody\nconnected".into(), ..event(EventKind::Refused) };
        assert_eq!(as_text(&refused), "refused tcp://127.0.0.1:5555: for \\u{1b}[2Jnobody\\nconnected");
    }

    #[test]
    fn a_line_for_programs() {
        let lost = Event { pipe: 9, peer: "pid 1".into(), reason: "gone".into(), ..event(EventKind::Lost) };
        let value: serde_json::Value = serde_json::from_str(&as_json(&lost)).expect("JSON");
        let expected = json!({ "event": "lost", "time": 7, "address": "tcp://127.0.0.1:5555", "pipe": 9, "peer": "pid 1",
                               "reason": "gone" });
        assert_eq!(value, expected);
    }
}
