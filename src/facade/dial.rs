//! Connecting endpoints: resolve, connect, and again after every failure (transports.md 1.2).
//!
//! ```text
//!        ┌────────────────────────────── wait is over ─────────────────────────────┐
//!        ▼                                                                         │
//!   Resolving ──▶ Connecting ──▶ Connected (a pipe greets, lives, ends) ──▶ Waiting┘
//!        └── no such name ──────────────┴── refused, unreachable ──────────────▲
//! ```

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::core::{Backoff, Error, Result};
use crate::reactor::timers::TimerId;
use crate::transport::pipe::StreamPipe;
use crate::transport::{Dialer, resolve};

use super::endpoint::{Means, TransportRef};
use super::key::Key;
use super::pipes::{Pipe, Stage};
use super::socket::State;

pub struct Dial {
    dialer: Box<dyn Dialer>,
    transport: TransportRef,
    backoff: Backoff,
    /// A connection that lasted this long is replaced at once when it is lost.
    steady: Duration,
    state: DialState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DialState {
    /// Nothing under way yet, or a wait is over.
    Idle,
    Resolving,
    Connecting,
    Connected,
    Waiting(TimerId),
}

impl Dial {
    pub fn new(dialer: Box<dyn Dialer>, transport: TransportRef, interval: i32, max: i32) -> Dial {
        let steady = Duration::from_millis(interval.max(0) as u64);
        Dial { dialer, transport, backoff: Backoff::new(interval, max), steady, state: DialState::Idle }
    }
}

impl State {
    /// Begins an attempt: the endpoint is new, or its wait is over. For a listener: its pause is.
    pub fn try_again(&mut self, id: i32) {
        let me = self.me.upgrade();
        let (Some(dial), Some(me)) = (self.dial(id), me) else { return self.resume_accepting(id) };
        match dial.dialer.query() {
            None => self.dial_address(id, None),
            Some(query) => {
                dial.state = DialState::Resolving;
                self.core.statistics.inprogress_connections += 1;
                if let Err(error) = resolve::start(query, me, Key::Endpoint(id).pack()) {
                    self.resolved(id, Err(error));
                }
            }
        }
    }

    pub fn resolved(&mut self, id: i32, outcome: Result<IpAddr>) {
        if self.dial(id).is_none_or(|dial| dial.state != DialState::Resolving) {
            return;
        }
        self.core.statistics.inprogress_connections -= 1;
        match outcome {
            Ok(ip) => self.dial_address(id, Some(ip)),
            Err(error) => {
                self.endpoint_is_ill(id, error);
                self.wait_to_retry(id);
            }
        }
    }

    /// A connect failed: nothing listens there, or it cannot be reached.
    pub fn connect_failed(&mut self, id: i32, error: Error) {
        let Some(dial) = self.dial(id) else { return };
        if dial.state == DialState::Connecting {
            self.core.statistics.inprogress_connections -= 1;
        }
        self.core.statistics.connect_errors += 1;
        self.endpoint_is_ill(id, error);
        self.wait_to_retry(id);
    }

    /// An established connection ended. For a listener there is nothing to do.
    pub fn connection_lost(&mut self, id: i32, attached_at: Option<Instant>) {
        let Some(dial) = self.dial(id) else { return };
        if let Some(at) = attached_at {
            dial.backoff.succeeded(at.elapsed() >= dial.steady);
        }
        self.wait_to_retry(id);
    }

    pub fn stop_dialing(&mut self, dial: Dial) {
        match dial.state {
            DialState::Resolving | DialState::Connecting => self.core.statistics.inprogress_connections -= 1,
            DialState::Waiting(timer) => self.session.reactor.disarm(timer),
            DialState::Idle | DialState::Connected => {}
        }
    }

    /// The connect of a pipe succeeded.
    pub fn dial_connected(&mut self, id: i32) {
        self.core.statistics.established_connections += 1;
        self.core.statistics.inprogress_connections -= 1;
        self.endpoint_is_well(id);
        if let Some(dial) = self.dial(id) {
            dial.state = DialState::Connected;
        }
    }

    fn dial_address(&mut self, id: i32, resolved: Option<IpAddr>) {
        let setup = self.setup();
        let Some(Means::Dial(dial)) = self.endpoints.peek(id) else { return };
        let transport = dial.transport;
        match dial.dialer.dial(resolved, &setup) {
            Ok(stream) => {
                let pipe = StreamPipe::new(stream, transport.framing(), true);
                self.watch_connecting(id, pipe, transport);
            }
            Err(error) => self.connect_failed(id, error.into()),
        }
    }

    fn watch_connecting(&mut self, id: i32, pipe: StreamPipe, transport: TransportRef) {
        let Some(me) = self.me.upgrade() else { return };
        let Some(priorities) = self.endpoints.get(id).map(|endpoint| endpoint.priorities) else { return };
        if let Some(dial) = self.dial(id) {
            dial.state = DialState::Connecting;
            self.core.statistics.inprogress_connections += 1;
        }
        let fd = pipe.stream().fd();
        let pipe = Pipe::Stream { pipe, registration: None, transport };
        let (pipe_id, key) = self.pipes.insert(pipe, id, priorities, Stage::Connecting);
        let session = self.session.clone();
        match session.reactor.register(fd, me, key, true) {
            Ok(registration) => self.pipes.registered(pipe_id, registration, true),
            Err(error) => {
                self.pipes.remove(pipe_id);
                self.connect_failed(id, error.into());
            }
        }
    }

    fn wait_to_retry(&mut self, id: i32) {
        let (me, session) = (self.me.upgrade(), self.session.clone());
        let (Some(dial), Some(me)) = (self.dial(id), me) else { return };
        let wait = dial.backoff.next_wait();
        let timer = session.reactor.arm(Instant::now() + wait, me, Key::Endpoint(id).pack());
        dial.state = DialState::Waiting(timer);
    }

    fn dial(&mut self, id: i32) -> Option<&mut Dial> {
        match &mut self.endpoints.get(id)?.means {
            Means::Dial(dial) => Some(dial),
            _ => None,
        }
    }
}
