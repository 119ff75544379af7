//! The life of a pipe within its socket, with the accounts kept along the way (nanomsg-api.md 4).
//!
//! ```text
//!   Connecting ─▶ Greeting ─▶ Attached ─▶ HangingUp ─▶ HungUp ─▶ (detached, gone)
//!        └────────────┴──────────┴─ lost / refused ──▶ (gone; a dialer tries again)
//!                                └─ leave ─▶ Leaving ─▶ (gone)
//! ```

use std::time::{Duration, Instant};

use crate::core::{Cmd, Error, PipeId};
use crate::transport::inproc::Peer;
use crate::transport::pipe::{Change, Manner, Ready};
use crate::transport::stream::Parting;

use super::key::Key;
use super::monitor::EventKind;
use super::pipes::{Entry, Pipe, Stage};
use super::socket::State;
use super::work::Job;

/// Time for a flush that is under way when a socket closes, also if it does not linger.
pub const FLUSH: Duration = Duration::from_millis(100);

impl State {
    /// Carries on after a pipe said what became of it.
    pub fn apply(&mut self, id: PipeId, change: Change) {
        if change.connected {
            self.connected(id);
        }
        if change.greeted {
            self.attach(id);
        }
        let Some(entry) = self.pipes.get(id) else { return };
        match entry.stage {
            Stage::Attached | Stage::HungUp => {
                if change.readable {
                    self.feed(Cmd::Readable(id));
                }
                if change.writable {
                    self.feed(Cmd::Writable(id));
                }
                if change.hung_up
                    && let Some(entry) = self.pipes.get(id)
                    && entry.stage == Stage::Attached
                {
                    entry.stage = Stage::HangingUp;
                    self.pipes.changed.push(id);
                }
            }
            Stage::Leaving if change.gone => {
                self.pipes.remove(id);
            }
            _ => {}
        }
        self.pipes.settle_writing(id);
    }

    /// A fault of the connection or of the peer: the pipe is gone, and it is never the user's error.
    pub fn lose(&mut self, id: PipeId, error: Error) {
        let Some(entry) = self.pipes.get(id) else { return };
        let (stage, endpoint) = (entry.stage, entry.endpoint);
        let obituary = self.obituary(id, error);
        self.uncount(id);
        if stage == Stage::Attached {
            self.feed(Cmd::Hangup(id));
        }
        self.feed(Cmd::Detach(id));
        let Some(entry) = self.pipes.remove(id) else { return };
        match stage {
            Stage::Connecting => self.connect_failed(endpoint, error),
            Stage::Greeting | Stage::Attached | Stage::HangingUp | Stage::Refused => {
                let retry = self.connection_over(End::of(&entry));
                self.publish(obituary, retry);
            }
            Stage::HungUp | Stage::Leaving => {}
        }
    }

    /// A command changed this pipe; called once the command is done.
    pub fn settle_pipe(&mut self, id: PipeId) {
        let Some(entry) = self.pipes.get(id) else { return };
        let is_stream = matches!(entry.pipe, Pipe::Stream { .. });
        match entry.stage {
            Stage::Refused if is_stream => self.lose(id, Error::PROTO),
            Stage::HangingUp => {
                let obituary = self.obituary(id, Error::CONN_RESET);
                let Some(entry) = self.pipes.get(id) else { return };
                entry.stage = Stage::HungUp;
                let end = End::of(entry);
                self.feed(Cmd::Hangup(id));
                let retry = if is_stream { self.connection_over(end) } else { None };
                self.publish(obituary, retry);
                self.detach_if_empty(id);
            }
            Stage::HungUp => self.detach_if_empty(id),
            Stage::Attached if entry.is_closed_under_us() => {
                self.pipe_ready(id, Ready { readable: true, closed: true, ..Ready::default() });
            }
            // An inproc pipe that is refused is the business of whoever pairs.
            _ => {}
        }
    }

    /// Ends every pipe of an endpoint by our own wish.
    pub fn leave_all(&mut self, ids: Vec<PipeId>) {
        for id in ids {
            self.uncount(id);
            let Some(entry) = self.pipes.get(id) else { continue };
            let (stage, is_stream) = (entry.stage, matches!(entry.pipe, Pipe::Stream { .. }));
            if stage == Stage::Leaving {
                continue;
            }
            if is_stream && matches!(stage, Stage::Greeting | Stage::Attached | Stage::HangingUp) {
                self.core.statistics.dropped_connections += 1;
            }
            if stage == Stage::Attached {
                self.feed(Cmd::Hangup(id));
            }
            self.feed(Cmd::Detach(id));
            self.leave(id);
        }
    }

    /// Attaches an inproc pipe. False if the protocol does not want it.
    pub fn attach(&mut self, id: PipeId) -> bool {
        let Some(entry) = self.pipes.get(id) else { return false };
        entry.stage = Stage::Attached;
        entry.attached_at = Some(Instant::now());
        let (send_priority, recv_priority) = (entry.send_priority, entry.recv_priority);
        if let Some(timer) = entry.timer.take() {
            self.session.reactor.disarm(timer);
        }
        self.feed(Cmd::Attach { pipe: id, send_priority, recv_priority });
        match self.pipes.get(id) {
            Some(entry) if entry.stage == Stage::Attached => {
                entry.counted = true;
                self.core.statistics.current_connections += 1;
                let peers = self.core.statistics.current_connections;
                self.waiters.peer_came(peers, &mut self.pipes.work);
                self.tell_of_pipe(EventKind::Greeted, id);
                true
            }
            _ => false,
        }
    }

    /// The OS connection of a pipe came about.
    fn connected(&mut self, id: PipeId) {
        let Some(entry) = self.pipes.get(id) else { return };
        entry.stage = Stage::Greeting;
        let endpoint = entry.endpoint;
        let Pipe::Stream { pipe, transport, .. } = &entry.pipe else { return };
        let (dialed, time) = (pipe.is_dialed(), transport.greeting_time());
        self.start_timer(id, time);
        if dialed {
            self.dial_connected(endpoint);
            self.tell_of_pipe(EventKind::Connected, id);
        }
    }

    /// A connection over the OS ended, and not by our wish. It is broken if it ended without a word, and a dialer replaces
    /// it unless the same would come of that: after how long, is given.
    fn connection_over(&mut self, end: End) -> Option<Duration> {
        if end.parting.is_none() {
            self.core.statistics.broken_connections += 1;
        }
        match end.parting {
            Some(Parting::Violation) => None,
            _ => self.connection_lost(end.endpoint, end.attached_at),
        }
    }

    /// CURRENT_CONNECTIONS counts a pipe from its attachment until it is detached.
    fn uncount(&mut self, id: PipeId) {
        if let Some(entry) = self.pipes.get(id)
            && std::mem::take(&mut entry.counted)
        {
            self.core.statistics.current_connections -= 1;
        }
    }

    fn detach_if_empty(&mut self, id: PipeId) {
        let can_recv = self.core.kind().can_recv;
        if self.pipes.get(id).is_some_and(|entry| !can_recv || !entry.is_readable()) {
            self.feed(Cmd::Detach(id));
            self.uncount(id);
            self.pipes.remove(id);
        }
    }

    fn leave(&mut self, id: PipeId) {
        let linger = self.core.options.linger();
        let Some((entry, terms)) = self.pipes.with_terms(id) else { return };
        let gone = match &mut entry.pipe {
            Pipe::Inproc(pipe) => {
                pipe.leave();
                if let Some(peer) = pipe.peer() {
                    let job = Job::Tell(Peer::clone(peer), Ready { closed: true, ..Ready::default() });
                    self.pipes.work.push(job);
                }
                true
            }
            Pipe::Stream { pipe, transport, .. } => {
                let manner = match transport.half_close() {
                    _ if linger.is_zero() => Manner::AtOnce,
                    true => Manner::HalfClose,
                    false => Manner::Close,
                };
                pipe.leave(manner, &terms)
            }
        };
        if gone {
            self.pipes.remove(id);
            return;
        }
        if let Some(entry) = self.pipes.get(id) {
            entry.stage = Stage::Leaving;
        }
        // Somebody is writing at this moment, which is never long.
        self.start_timer(id, linger.max(FLUSH));
        self.pipes.settle_writing(id);
        self.pipes.flush(id);
    }

    /// One timer per pipe: that of connecting, then the greeting's, later that of lingering.
    pub fn start_timer(&mut self, id: PipeId, after: Duration) {
        let (session, me) = (self.session.clone(), self.me.upgrade());
        let (Some(entry), Some(me)) = (self.pipes.get(id), me) else { return };
        if let Some(timer) = entry.timer.take() {
            session.reactor.disarm(timer);
        }
        let key = Key::Pipe(id, entry.generation).pack();
        entry.timer = Some(session.reactor.arm(Instant::now() + after, me, key));
    }
}

/// What remains to be known of a connection that is over.
struct End {
    endpoint: i32,
    attached_at: Option<Instant>,
    parting: Option<Parting>,
}

impl End {
    fn of(entry: &Entry) -> End {
        End { endpoint: entry.endpoint, attached_at: entry.attached_at, parting: entry.parting() }
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
        matches!(self.stage, Stage::Connecting | Stage::Greeting | Stage::Leaving).then_some(Error::TIMED_OUT)
    }
}
