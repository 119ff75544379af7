//! Listening endpoints (transports.md 1.3).

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Instant;

use crate::core::{Error, Result};
use crate::transport::accepting::{self, Accepted, accept_all};
use crate::transport::pipe::{Ready, StreamPipe};

use super::endpoints::{EndpointKind, Failed, Listening, TransportRef};
use super::key::Key;
use super::monitor::EventKind;
use super::peers::address_of;
use super::state::SocketState;

impl SocketState {
    /// Has a listener watched.
    pub fn start_listening(&mut self, id: i32) -> Result<()> {
        let Some(me) = self.me.upgrade() else { return Err(Error::BAD_FD) };
        let runtime = self.runtime.clone();
        let Some(EndpointKind::Listen(listen)) = self.endpoints.get(id).map(|endpoint| &mut endpoint.kind) else {
            return Ok(());
        };
        let registration =
            runtime.reactor.register(listen.listener.socket().fd(), me, Key::Endpoint(id).pack(), false)?;
        listen.registration = Some(registration);
        Ok(())
    }

    pub fn stop_listening(&mut self, listen: Listening) {
        let reactor = &self.runtime.reactor;
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
        match accept_all(|| self.accept(id)) {
            Accepted::All => {}
            Accepted::Some => self.watch_anew(id),
            Accepted::Failed(error) => self.pause_accepting(id, error.into()),
        }
    }

    /// The next connection; `WouldBlock` when there is none, or nobody accepts any more.
    fn accept(&mut self, id: i32) -> io::Result<()> {
        let setup = self.setup();
        // `setup` borrows the socket, so the listener is asked through a second look-up.
        let Some(EndpointKind::Listen(listen)) = self.endpoints.peek(id) else { return nobody() };
        if listen.pause.is_some() {
            return nobody();
        }
        let (socket, from) = listen.listener.socket().accept()?;
        let (transport, remote) = (listen.transport, from.as_socket());
        if let Some(why) = listen.admission.refuses(&from, || self.pipes.of_endpoint(id).len()) {
            // Closed again at once.
            self.core.statistics.dropped_connections += 1;
            self.tell_of_stranger(id, || address_of(socket.as_raw_fd(), remote), Error::ACCESS, why);
            return Ok(());
        }
        let stream = listen.listener.stream(socket, &setup)?;
        self.core.statistics.accepted_connections += 1;
        self.endpoint_is_well(id);
        let pipe = StreamPipe::new(stream, transport.framing(), false);
        self.welcome(id, pipe, (transport, remote));
        Ok(())
    }

    fn watch_anew(&mut self, id: i32) {
        if let Some(EndpointKind::Listen(Listening { registration: Some(registration), .. })) = self.endpoints.peek(id)
        {
            // It is registered and open: nothing but memory could fail, and then the next connection reports it.
            let _ = self.runtime.reactor.watch_writable(*registration, false);
        }
    }

    /// A pause, or a dialer's wait, is over.
    pub fn resume_accepting(&mut self, id: i32) {
        if let Some(EndpointKind::Listen(listen)) = self.endpoints.get(id).map(|endpoint| &mut endpoint.kind) {
            listen.pause = None;
            self.accept_all(id);
        }
    }

    /// An accepted connection is watched, and greeted at once.
    fn welcome(&mut self, endpoint: i32, pipe: StreamPipe, from: (TransportRef, Option<SocketAddr>)) {
        let write = pipe.stream().needs_preparing();
        let pipe_id = match self.watch_pipe(endpoint, pipe, from, write) {
            None => return,
            Some(Ok(pipe_id)) => pipe_id,
            Some(Err(error)) => {
                self.core.statistics.broken_connections += 1;
                return self.endpoint_is_ill(endpoint, &Failed::of(error));
            }
        };
        self.tell_of_pipe(EventKind::Accepted, pipe_id);
        self.pipe_ready(pipe_id, Ready { writable: true, ..Ready::default() });
    }

    fn pause_accepting(&mut self, id: i32, error: Error) {
        self.core.statistics.accept_errors += 1;
        let failed = Failed::of(error);
        self.endpoint_is_ill(id, &failed);
        self.tell_of_failure(EventKind::AcceptFailed, id, &failed, Some(accepting::PAUSE));
        let Some(me) = self.me.upgrade() else { return };
        let timer = self.runtime.reactor.arm(Instant::now() + accepting::PAUSE, me, Key::Endpoint(id).pack());
        if let Some(EndpointKind::Listen(listen)) = self.endpoints.get(id).map(|endpoint| &mut endpoint.kind) {
            listen.pause = Some(timer);
        }
    }
}

fn nobody() -> io::Result<()> {
    Err(ErrorKind::WouldBlock.into())
}
