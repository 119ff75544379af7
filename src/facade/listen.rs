//! Listening endpoints (transports.md 1.3).

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::core::{Error, Result};
use crate::reactor::Registration;
use crate::reactor::timers::TimerId;
use crate::transport::Listener;
use crate::transport::pipe::{Ready, StreamPipe};
use crate::transport::system::Admission;

use super::endpoint::{Means, TransportRef};
use super::key::Key;
use super::monitor::EventKind;
use super::pipes::{Pipe, Stage};
use super::socket::State;

/// When descriptors or memory ran out, accepting is tried again after this long, not at once: the
/// connection that could not be accepted would be reported again and again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted before others have their turn.
const ACCEPTED_AT_ONCE: usize = 64;

pub struct Listen {
    listener: Box<dyn Listener>,
    transport: TransportRef,
    /// Whom it lets in.
    admission: Admission,
    registration: Option<Registration>,
    /// Running while accepting pauses.
    pause: Option<TimerId>,
}

impl Listen {
    pub fn new(listener: Box<dyn Listener>, transport: TransportRef, admission: Admission) -> Listen {
        Listen { listener, transport, admission, registration: None, pause: None }
    }
}

impl State {
    /// Has a listener watched.
    pub fn start_listening(&mut self, id: i32) -> Result<()> {
        let Some(me) = self.me.upgrade() else { return Err(Error::BAD_FD) };
        let session = self.session.clone();
        let Some(Means::Listen(listen)) = self.endpoints.get(id).map(|endpoint| &mut endpoint.means) else {
            return Ok(());
        };
        let registration = session.reactor.register(listen.listener.fd(), me, Key::Endpoint(id).pack(), false)?;
        listen.registration = Some(registration);
        Ok(())
    }

    pub fn stop_listening(&mut self, listen: Listen) {
        let reactor = &self.session.reactor;
        if let Some(registration) = listen.registration {
            reactor.deregister(registration);
        }
        if let Some(timer) = listen.pause {
            reactor.disarm(timer);
        }
    }

    /// Takes the connections that wait: not endlessly, or a storm of them would keep everybody else out. What is left
    /// is reported again, because the listener is watched anew (readiness is edge-triggered).
    pub fn accept_all(&mut self, id: i32) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let setup = self.setup();
            // `setup` borrows the socket, so the listener is asked through a second look-up.
            let accepted = match self.endpoints.peek(id) {
                Some(Means::Listen(listen)) if listen.pause.is_none() => {
                    let admission = &listen.admission;
                    let there = || self.pipes.of_endpoint(id).len();
                    listen.listener.accept(&setup).map(|stream| {
                        let is_welcome = admission.has_room(there) && admission.admits(stream.fd());
                        (stream, listen.transport, is_welcome)
                    })
                }
                _ => return,
            };
            match accepted {
                // Closed again at once.
                Ok((_, _, false)) => self.core.statistics.dropped_connections += 1,
                Ok((stream, transport, true)) => {
                    self.core.statistics.accepted_connections += 1;
                    self.endpoint_is_well(id);
                    let pipe = StreamPipe::new(stream, transport.framing(), false);
                    self.welcome(id, pipe, transport);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return self.pause_accepting(id, error.into()),
            }
        }
        if let Some(Means::Listen(Listen { registration: Some(registration), .. })) = self.endpoints.peek(id) {
            // It is registered and open: nothing but memory could fail, and then the next connection reports it.
            let _ = self.session.reactor.watch_writable(*registration, false);
        }
    }

    /// A pause, or a dialer's wait, is over.
    pub fn resume_accepting(&mut self, id: i32) {
        if let Some(Means::Listen(listen)) = self.endpoints.get(id).map(|endpoint| &mut endpoint.means) {
            listen.pause = None;
            self.accept_all(id);
        }
    }

    /// An accepted connection is watched, and greeted at once.
    fn welcome(&mut self, endpoint: i32, pipe: StreamPipe, transport: TransportRef) {
        let Some(me) = self.me.upgrade() else { return };
        let Some(priorities) = self.endpoints.get(endpoint).map(|endpoint| endpoint.priorities) else { return };
        let fd = pipe.stream().fd();
        let pipe = Pipe::Stream { pipe, registration: None, transport };
        let (pipe_id, key) = self.pipes.insert(pipe, endpoint, priorities, Stage::Connecting);
        let session = self.session.clone();
        match session.reactor.register(fd, me, key, false) {
            Ok(registration) => self.pipes.registered(pipe_id, registration, false),
            Err(error) => {
                self.pipes.remove(pipe_id);
                self.core.statistics.broken_connections += 1;
                return self.endpoint_is_ill(endpoint, error.into());
            }
        }
        self.tell_of_pipe(EventKind::Accepted, pipe_id);
        self.pipe_ready(pipe_id, Ready { writable: true, ..Ready::default() });
    }

    fn pause_accepting(&mut self, id: i32, error: Error) {
        self.core.statistics.accept_errors += 1;
        self.endpoint_is_ill(id, error);
        self.tell_of_failure(EventKind::AcceptFailed, id, error, Some(ACCEPT_PAUSE));
        let Some(me) = self.me.upgrade() else { return };
        let timer = self.session.reactor.arm(Instant::now() + ACCEPT_PAUSE, me, Key::Endpoint(id).pack());
        if let Some(Means::Listen(listen)) = self.endpoints.get(id).map(|endpoint| &mut endpoint.means) {
            listen.pause = Some(timer);
        }
    }
}
