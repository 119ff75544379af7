//! What a socket tells its monitors, put together where it happens. Nothing is, where nobody monitors.

use std::os::fd::RawFd;
use std::time::{Duration, SystemTime};

use crate::core::lifecycle::Lifecycle;
use crate::core::text::without_controls;
use crate::core::{Error, PipeId};
use crate::protocol;
use crate::transport::framing::Parsed;
use crate::transport::pipe::StreamPipe;
use crate::transport::stream::Parting;

use super::endpoints::Failed;
use super::logging::{self, Level};
use super::monitor::{Event, EventKind};
use super::pipes::{Entry, Pipe};
use super::state::SocketState;
use super::work::Job;

impl SocketState {
    /// Tells of an endpoint. `reason` is asked only if somebody listens.
    pub fn tell(&mut self, kind: EventKind, endpoint: i32, reason: impl FnOnce() -> String) {
        if self.is_heard() {
            let event = Event { reason: reason(), ..self.event(kind, endpoint) };
            self.say(&event);
        }
    }

    /// Tells of an attempt that failed: `retry` is when the next one follows, unless it does at once with another address.
    pub fn tell_of_failure(&mut self, kind: EventKind, endpoint: i32, failed: &Failed, retry: Option<Duration>) {
        if self.is_heard() {
            let peer = failed.at.map_or_else(String::new, |at| at.to_string());
            let (error, reason) = (Some(failed.error), failed.text());
            let event = Event { reason, error, retry, peer, ..self.event(kind, endpoint) };
            self.say(&event);
        }
    }

    /// Tells of whoever is refused before there is a pipe. `peer` is asked only if somebody listens.
    pub fn tell_of_stranger(&mut self, endpoint: i32, peer: impl FnOnce() -> String, error: Error, why: &str) {
        self.endpoints.set_last_error(endpoint, Some(why));
        if self.is_heard() {
            let event = self.event(EventKind::Refused, endpoint);
            self.say(&Event { peer: peer(), error: Some(error), reason: why.to_owned(), ..event });
        }
    }

    /// Tells that a connection has come so far.
    pub fn tell_of_pipe(&mut self, kind: EventKind, id: PipeId) {
        if let Some(event) = self.event_of_pipe(kind, id) {
            self.say(&event);
        }
    }

    /// Tells that this side has ended a connection.
    pub fn tell_of_leaving(&mut self, id: PipeId) {
        let lifecycle = self.pipes.get(id).map(|entry| entry.lifecycle);
        if let Some(Lifecycle::Greeting | Lifecycle::Attached(_) | Lifecycle::HangingUp(_)) = lifecycle
            && let Some(event) = self.event_of_pipe(EventKind::Lost, id)
        {
            self.say(&Event { reason: "closed by this side".to_owned(), ..event });
        }
    }

    /// What is to be told of a connection that is about to end, once it is known when it is tried again. `None`: nobody
    /// listens, or nothing that was told of has ended.
    pub fn obituary(&mut self, id: PipeId, error: Error) -> Option<Event> {
        let entry = self.pipes.get(id)?;
        let kind = match entry.lifecycle {
            Lifecycle::Greeting | Lifecycle::Refused(_) => EventKind::Refused,
            Lifecycle::Attached(_) | Lifecycle::HangingUp(_) => EventKind::Lost,
            Lifecycle::Connecting | Lifecycle::HungUp(_) | Lifecycle::Leaving => return None,
        };
        let (error, reason) = entry.why(error);
        let broken =
            matches!(&entry.pipe, Pipe::Stream { pipe, .. } if pipe.stream().parting() == Some(Parting::Violation));
        // Whoever goes is no error.
        if kind == EventKind::Refused || broken || error != Error::CONN_RESET {
            let endpoint = entry.endpoint;
            self.endpoints.set_last_error(endpoint, Some(&reason));
        }
        Some(Event { error: Some(error), reason, ..self.event_of_pipe(kind, id)? })
    }

    /// Tells what [`SocketState::obituary`] had put together.
    pub fn publish(&mut self, obituary: Option<Event>, retry: Option<Duration>) {
        if let Some(event) = obituary {
            self.say(&Event { retry, ..event });
        }
    }

    /// Does anybody want to know?
    #[inline]
    fn is_heard(&self) -> bool {
        !self.monitors.is_empty() || logging::is_on()
    }

    fn say(&mut self, event: &Event) {
        if logging::is_on()
            && let Some((level, line)) = line(&String::from_utf8_lossy(&self.core.options.name), event)
        {
            self.pipes.work.push(Job::Log(level, line));
        }
        self.monitors.tell(event);
    }

    fn event_of_pipe(&mut self, kind: EventKind, id: PipeId) -> Option<Event> {
        if !self.is_heard() {
            return None;
        }
        let entry = self.pipes.get(id)?;
        let (endpoint, peer) = (entry.endpoint, entry.peer(id));
        Some(Event { pipe: peer.pipe, peer: peer.address.clone(), ..self.event(kind, endpoint) })
    }

    fn event(&self, kind: EventKind, endpoint: i32) -> Event {
        Event {
            kind,
            time: SystemTime::now(),
            dropped: 0,
            endpoint,
            address: self.endpoints.url(endpoint),
            pipe: 0,
            peer: String::new(),
            error: None,
            reason: String::new(),
            retry: None,
        }
    }
}

impl Entry {
    /// The descriptor of its connection, if it has one and it is ours.
    pub fn fd(&self) -> Option<RawFd> {
        match &self.pipe {
            Pipe::Stream { pipe, .. } if pipe.stream().is_ours() => Some(pipe.stream().fd()),
            _ => None,
        }
    }

    /// Why a connection ends, as a number and in words.
    fn why(&self, error: Error) -> (Error, String) {
        let Pipe::Stream { pipe, .. } = &self.pipe else {
            return (Error::CONN_RESET, "the peer closed the connection".to_owned());
        };
        if let Some(complaint) = pipe.stream().complaint() {
            return (pipe.stream().fault().unwrap_or(error), complaint);
        }
        let said = match self.lifecycle {
            Lifecycle::Refused(_) => Some(TAKEN.to_owned()),
            Lifecycle::Greeting => misfit(pipe, error),
            _ => None,
        };
        let error = pipe.fault().unwrap_or(error);
        let reason = said.unwrap_or_else(|| match (error, pipe.stream().parting()) {
            (_, Some(Parting::Goodbye)) => "the peer said that it goes".to_owned(),
            (_, Some(Parting::Violation)) => "one side told the other that it has broken the rules".to_owned(),
            (Error::CONN_RESET, _) => "the peer closed the connection".to_owned(),
            (Error::MSG_SIZE, _) => "a message is longer than NN_RCVMAXSIZE allows".to_owned(),
            (Error::PROTO, _) => "the peer does not follow the protocol".to_owned(),
            (error, _) => error.text(),
        });
        (error, reason)
    }
}

/// A protocol refuses a peer if it has one and wants no other.
pub const TAKEN: &str = "there is a peer already";

pub fn other_kind(name: &str) -> String {
    format!("the peer's socket is NN_{name}, which does not fit")
}

/// Why no peer came of a connection.
fn misfit(pipe: &StreamPipe, error: Error) -> Option<String> {
    match (pipe.heard(), error) {
        (Parsed::Whole { value, .. }, _) => Some(match protocol::find(i32::from(value)) {
            Some(kind) => other_kind(kind.name),
            None => format!("the peer's socket is of the unknown type {value:#x}"),
        }),
        (Parsed::Bad, _) => Some("the peer does not speak SP".to_owned()),
        (Parsed::Partial, Error::TIMED_OUT) => Some("the peer did not greet in time".to_owned()),
        (Parsed::Partial, Error::CONN_RESET) => Some("the peer closed the connection before it greeted".to_owned()),
        (Parsed::Partial, _) => None,
    }
}

/// The line of an event, if it is wanted.
fn line(socket: &str, event: &Event) -> Option<(Level, String)> {
    let level = level_of(event.kind);
    if !logging::wants(level) {
        return None;
    }
    let what = match event.kind {
        EventKind::Listening => "listens",
        EventKind::Stopped => "stopped",
        EventKind::Resolved => "resolved to",
        EventKind::Connected => "connected",
        EventKind::Accepted => "accepted",
        EventKind::Greeted => "is joined by",
        EventKind::Refused => "refused",
        EventKind::Lost => "lost",
        EventKind::ConnectFailed if event.peer.is_empty() => "cannot connect",
        EventKind::ConnectFailed => "cannot connect to",
        EventKind::AcceptFailed => "cannot accept",
    };
    let mut line = format!("socket {socket}, {}: {what}", String::from_utf8_lossy(&event.address));
    for (separator, part) in [(" ", &event.peer), (": ", &event.reason)] {
        if !part.is_empty() {
            line.push_str(separator);
            line.push_str(part);
        }
    }
    if let Some(retry) = event.retry {
        line.push_str(&format!("; tried again in {} ms", retry.as_millis()));
    }
    Some((level, without_controls(&line)))
}

fn level_of(kind: EventKind) -> Level {
    match kind {
        EventKind::AcceptFailed => Level::Error,
        EventKind::Refused | EventKind::ConnectFailed => Level::Warn,
        EventKind::Listening | EventKind::Stopped | EventKind::Greeted | EventKind::Lost => Level::Info,
        EventKind::Resolved | EventKind::Connected | EventKind::Accepted => Level::Debug,
    }
}
