//! Carries out what the [`Lifecycle`] of a pipe says, which tells the states, and keeps the counters along the way
//! (nanomsg-api.md 4).

use std::io;
use std::time::{Duration, Instant};

use crate::core::lifecycle::{Connection, Ending, Lifecycle, Settling};
use crate::core::{Cmd, ContextId, Error, PipeId, Result};
use crate::transport::inproc::Peer;
use crate::transport::outbox::Batch;
use crate::transport::pipe::{PipeEvent, PipeEvents, Ready};
use crate::transport::stream::Parting;

use super::endpoints::EndpointKind;
use super::handshakes;
use super::key::Key;
use super::monitor::EventKind;
use super::pipes::{AlarmRequest, Entry, Pipe};
use super::state::SocketState;
use super::waiters::Phase;
use super::work::Job;

impl SocketState {
    /// What must be done after commands before the lock is let go. Not inlined, for the stack of who carries out work after it.
    #[inline(never)]
    pub fn settle(&mut self) {
        while let Some(id) = self.pipes.changed.pop() {
            self.settle_pipe(id);
        }
        self.pipes.end_of_turn();
        match std::mem::take(&mut self.pipes.alarm) {
            AlarmRequest::Unchanged => {}
            AlarmRequest::Off => self.set_alarm(ContextId::SOCKET, None),
            AlarmRequest::After(time) => self.set_alarm(ContextId::SOCKET, Some(time)),
        }
        if !self.pipes.context_alarms.is_empty() {
            for (context, after) in std::mem::take(&mut self.pipes.context_alarms) {
                self.set_alarm(context, after);
            }
        }
        if self.phase == Phase::Closing && self.pipes.is_empty() {
            self.phase = Phase::Drained;
        }
    }

    /// Something happened to a pipe: let it go on, and carry on from what it says.
    pub fn pipe_ready(&mut self, id: PipeId, ready: Ready) {
        if ready.writable {
            self.pipes.heard_of_room(id);
        }
        let Some((entry, context)) = self.pipes.with_context(id) else { return };
        let (events, outcome) = match &mut entry.pipe {
            Pipe::Stream { pipe, .. } => pipe.advance(ready, &context),
            // Until it is attached, whoever pairs looks after it.
            Pipe::Inproc(pipe) if entry.lifecycle.is_attached() => (pipe.advance(ready), Ok(())),
            Pipe::Inproc(_) => return,
        };
        self.apply(id, events);
        if let Err(error) = outcome {
            return self.lose(id, error);
        }
        if ready.writable
            && let Some(Entry { pipe: Pipe::Stream { pipe, .. }, .. }) = self.pipes.get(id)
            && pipe.wants_flush()
        {
            self.pipes.flush(id);
        }
    }

    /// A flush has ended.
    pub fn flushed(&mut self, id: PipeId, batch: Batch, outcome: io::Result<(usize, bool)>) {
        let Some((entry, context)) = self.pipes.with_context(id) else { return };
        let Pipe::Stream { pipe, .. } = &mut entry.pipe else { return };
        let written = outcome.as_ref().map_or(0, |(written, _)| *written);
        match pipe.finish_flush(batch, outcome, &context) {
            Ok((events, more)) => {
                self.pipes.coalescing.flushed(written);
                self.apply(id, events);
                if more {
                    self.pipes.flush(id);
                }
            }
            Err(error) if entry.lifecycle.is_leaving() => self.lose(id, error),
            // The peer is gone or as good as that, but what it sent before is the user's: read to the end.
            Err(_) => self.pipe_ready(id, Ready { readable: true, closed: true, ..Ready::default() }),
        }
    }

    /// Carries on after a pipe said what became of it.
    pub fn apply(&mut self, id: PipeId, events: PipeEvents) {
        for event in events {
            self.apply_one(id, event);
        }
        self.pipes.settle_writing(id);
    }

    fn apply_one(&mut self, id: PipeId, event: PipeEvent) {
        let Some(entry) = self.pipes.get(id) else { return };
        let is_heard = entry.lifecycle.is_heard();
        match event {
            PipeEvent::Connected => self.connected(id),
            PipeEvent::Preparing => self.pipes.prepare(id),
            PipeEvent::Greeted => {
                self.attach(id);
            }
            PipeEvent::Readable if is_heard => self.feed(Cmd::Readable(id)),
            PipeEvent::Writable if is_heard => self.feed(Cmd::Writable(id)),
            PipeEvent::HungUp if is_heard => {
                if entry.lifecycle.hang_up() {
                    self.pipes.changed.push(id);
                }
            }
            PipeEvent::Gone if entry.lifecycle.is_leaving() => {
                self.forget(id);
            }
            // Of a pipe that the protocol does not have, or has no more.
            PipeEvent::Readable | PipeEvent::Writable | PipeEvent::HungUp | PipeEvent::Gone => {}
        }
    }

    /// A fault of the connection or of the peer: the pipe is gone, and it is never the user's error.
    pub fn lose(&mut self, id: PipeId, error: Error) {
        let Some(entry) = self.pipes.get(id) else { return };
        let (end, endpoint) = (entry.lifecycle.lost(), entry.endpoint);
        let obituary = self.obituary(id, error);
        if end.hang_up {
            self.feed(Cmd::Hangup(id));
        }
        self.feed(Cmd::Detach(id));
        let Some(entry) = self.forget(id) else { return };
        match end.connection {
            Connection::Failed => self.connect_failed(endpoint, error),
            Connection::Over(since) => {
                let retry = self.connection_over(endpoint, since, entry.parting());
                self.publish(obituary, retry);
            }
            Connection::Gone => {}
        }
    }

    /// A command changed this pipe; called once the command is done.
    fn settle_pipe(&mut self, id: PipeId) {
        let obituary = match self.pipes.get(id).map(|entry| entry.lifecycle) {
            Some(Lifecycle::HangingUp(_)) => self.obituary(id, Error::CONN_RESET),
            _ => None,
        };
        let Some(entry) = self.pipes.get(id) else { return };
        let is_stream = matches!(entry.pipe, Pipe::Stream { .. });
        match entry.lifecycle.settle() {
            // An inproc pipe that is refused is the business of whoever pairs.
            Settling::Lose if is_stream => self.lose(id, Error::PROTO),
            Settling::Lose => {}
            Settling::HangUp(since) => {
                let (endpoint, parting) = (entry.endpoint, entry.parting());
                self.feed(Cmd::Hangup(id));
                let retry = if is_stream { self.connection_over(endpoint, Some(since), parting) } else { None };
                self.publish(obituary, retry);
                self.detach_if_read(id);
            }
            Settling::DetachIfRead => self.detach_if_read(id),
            Settling::Nothing if entry.lifecycle.is_attached() && entry.is_closed_under_us() => {
                self.pipe_ready(id, Ready { readable: true, closed: true, ..Ready::default() });
            }
            Settling::Nothing => {}
        }
    }

    /// Ends every pipe of an endpoint by our own wish.
    pub fn leave_all(&mut self, ids: Vec<PipeId>) {
        for id in ids {
            let Some(entry) = self.pipes.get(id) else { continue };
            let (was_counted, is_stream) = (entry.lifecycle.is_counted(), matches!(entry.pipe, Pipe::Stream { .. }));
            let Some(end) = entry.lifecycle.leave() else { continue };
            if was_counted {
                self.core.statistics.current_connections -= 1;
            }
            if is_stream && matches!(end.connection, Connection::Over(_)) {
                self.core.statistics.dropped_connections += 1;
            }
            if end.hang_up {
                self.feed(Cmd::Hangup(id));
            }
            self.feed(Cmd::Detach(id));
            self.leave(id);
        }
    }

    /// Attaches a pipe. False if the protocol does not want it.
    pub fn attach(&mut self, id: PipeId) -> bool {
        let Some(entry) = self.pipes.get(id) else { return false };
        entry.lifecycle.attach(Instant::now());
        let (endpoint, send_priority, recv_priority) = (entry.endpoint, entry.send_priority, entry.recv_priority);
        if let Some(timer) = entry.timer.take() {
            self.runtime.reactor.disarm(timer);
        }
        entry.greeted();
        if self.pipes.tells_peers
            && let Some(entry) = self.pipes.get(id)
        {
            entry.peer(id);
        }
        self.core.statistics.current_connections += 1;
        self.feed(Cmd::Attach { pipe: id, send_priority, recv_priority });
        if !self.pipes.get(id).is_some_and(|entry| entry.lifecycle.is_attached()) {
            return false;
        }
        let peers = self.core.statistics.current_connections;
        self.waiters.peer_came(peers, &mut self.pipes.work);
        self.endpoints.set_last_error(endpoint, None);
        self.tell_of_pipe(EventKind::Greeted, id);
        true
    }

    /// Lets go of a pipe, at whatever point of its life.
    pub fn forget(&mut self, id: PipeId) -> Option<Entry> {
        let entry = self.pipes.remove(id)?;
        if entry.lifecycle.is_counted() {
            self.core.statistics.current_connections -= 1;
        }
        Some(entry)
    }

    /// The OS connection of a pipe came about.
    fn connected(&mut self, id: PipeId) {
        let Some(entry) = self.pipes.get(id) else { return };
        entry.lifecycle.connected();
        let endpoint = entry.endpoint;
        let Pipe::Stream { pipe, transport, .. } = &entry.pipe else { return };
        let (time, prepares) = (transport.greeting_time(), pipe.is_preparing());
        let dialed =
            self.endpoints.get(endpoint).is_some_and(|endpoint| matches!(endpoint.kind, EndpointKind::Dial(_)));
        self.start_timer(id, time);
        if prepares {
            self.limit_handshakes(id);
        }
        if dialed {
            self.dial_connected(endpoint);
            self.tell_of_pipe(EventKind::Connected, id);
        }
    }

    /// Of too many handshakes the oldest is given up.
    fn limit_handshakes(&mut self, id: PipeId) {
        let Some(entry) = self.pipes.get(id) else { return };
        self.handshakes.push_back(Key::Pipe(id, entry.generation).pack());
        if self.handshakes.len() <= handshakes::MOST {
            return;
        }
        let SocketState { handshakes, pipes, .. } = self;
        handshakes.retain(|key| pipes.preparing(*key).is_some());
        if self.handshakes.len() > handshakes::MOST
            && let Some(oldest) = self.handshakes.pop_front().and_then(|key| self.pipes.preparing(key))
        {
            self.lose(oldest, Error::TIMED_OUT);
        }
    }

    /// The handshake of a pipe is over.
    pub fn prepared(&mut self, key: u64, outcome: Result<()>) {
        let Some(id) = self.pipes.preparing(key) else { return };
        let Some((entry, context)) = self.pipes.with_context(id) else { return };
        let Pipe::Stream { pipe, .. } = &mut entry.pipe else { return };
        let (events, outcome) = match outcome {
            Ok(()) => pipe.prepared(&context),
            Err(error) => (PipeEvents::new(), Err(error)),
        };
        self.apply(id, events);
        if let Err(error) = outcome {
            self.lose(id, error);
        }
    }

    /// A connection over the OS ended, and not by our wish; the protocol had it `since` then, if at all. It is broken if it ended
    /// without a word, and a dialer replaces it unless the same would come of that: after how long, is given.
    fn connection_over(&mut self, endpoint: i32, since: Option<Instant>, parting: Option<Parting>) -> Option<Duration> {
        if parting.is_none() {
            self.core.statistics.broken_connections += 1;
        }
        match parting {
            Some(Parting::Violation) => {
                self.give_up_dialing(endpoint);
                None
            }
            _ => self.connection_lost(endpoint, since),
        }
    }

    fn detach_if_read(&mut self, id: PipeId) {
        let can_recv = self.core.kind().can_recv;
        if self.pipes.get(id).is_some_and(|entry| !can_recv || !entry.is_readable()) {
            self.feed(Cmd::Detach(id));
            self.forget(id);
        }
    }

    fn leave(&mut self, id: PipeId) {
        let linger = self.core.options.linger();
        let Some((entry, context)) = self.pipes.with_context(id) else { return };
        let half_close = matches!(&entry.pipe, Pipe::Stream { transport, .. } if transport.half_close());
        let (ending, within) = Ending::within(linger, half_close);
        let gone = match &mut entry.pipe {
            Pipe::Inproc(pipe) => {
                pipe.leave();
                if let Some(peer) = pipe.peer() {
                    let job = Job::Tell(Peer::clone(peer), Ready { closed: true, ..Ready::default() });
                    self.pipes.work.push(job);
                }
                true
            }
            Pipe::Stream { pipe, .. } => pipe.leave(ending, &context),
        };
        if gone {
            self.forget(id);
            return;
        }
        self.start_timer(id, within);
        self.pipes.settle_writing(id);
        self.pipes.flush(id);
    }
}

impl Entry {
    /// Has the program closed its descriptor?
    fn is_closed_under_us(&self) -> bool {
        matches!(&self.pipe, Pipe::Stream { pipe, .. } if pipe.is_closed_under_us())
    }

    /// The timer of a pipe expired: is that the end of it, and which?
    pub fn out_of_time(&mut self) -> Option<Error> {
        self.timer = None;
        self.lifecycle.is_out_of_time().then_some(Error::TIMED_OUT)
    }
}
