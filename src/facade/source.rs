//! What reaches a socket from outside its callers: readiness, timers, resolved names, and the word of the other
//! end of an inproc pipe.

use std::io;
use std::net::IpAddr;

use crate::core::{PipeId, Result};
use crate::reactor::{Request, Watched};
use crate::transport::coalescing::pulse::Pulse;
use crate::transport::outbox::Batch;
use crate::transport::pipe::Ready;
use crate::transport::source::{Source, Unsent};

use super::key::Key;
use super::pipes::{Entry, Pipe, Stage};
use super::socket::{Socket, State};

/// Flushes of one pipe in a row when the process ends: they write a megabyte each.
const TURNS: usize = 16;

impl Source for Socket {
    fn ready(&self, key: u64, ready: Ready) {
        let mut visit = self.visit();
        match Key::unpack(key) {
            Key::Pipe(id, generation) => {
                if visit.pipes.find(id, generation).is_some() {
                    visit.pipe_ready(id, ready);
                }
            }
            Key::Endpoint(id) => visit.accept_all(id),
            Key::Protocol => {}
        }
    }

    fn is_busy(&self) -> bool {
        self.is_locked()
    }

    fn expired(&self, key: u64) {
        let mut visit = self.visit();
        match Key::unpack(key) {
            Key::Pipe(id, generation) => {
                if let Some(error) = visit.pipes.find(id, generation).and_then(|entry| entry.out_of_time()) {
                    visit.lose(id, error);
                }
            }
            Key::Endpoint(id) => visit.try_again(id),
            Key::Protocol => visit.alarm(),
        }
    }

    fn flush(&self, key: u64) -> bool {
        if self.flush_pipe(key) {
            return true;
        }
        let Key::Pipe(id, generation) = Key::unpack(key) else { return false };
        let mut visit = self.visit();
        match visit.pipes.find(id, generation).map(|entry| &mut entry.pipe) {
            Some(Pipe::Stream { pipe, .. }) => !pipe.unwatch(),
            _ => false,
        }
    }

    fn flush_before_wait(&self, key: u64) -> bool {
        self.flush_pipe(key);
        let Key::Pipe(id, generation) = Key::unpack(key) else { return false };
        match self.visit().pipes.find(id, generation).map(|entry| &entry.pipe) {
            Some(Pipe::Stream { pipe, .. }) => pipe.is_watched(),
            _ => false,
        }
    }

    fn hand_over(&self, key: u64) -> Unsent {
        let Key::Pipe(id, generation) = Key::unpack(key) else { return Unsent::default() };
        if let Some(Entry { pipe: Pipe::Stream { pipe, .. }, .. }) = self.visit().pipes.find(id, generation) {
            pipe.try_anew();
        }
        // A flush ends when the kernel is full, or after a while, so that others have their turn.
        let _ = (0..TURNS).find(|_| !self.flush_pipe(key));
        let mut visit = self.visit();
        let linger = visit.core.options.linger();
        match visit.pipes.find(id, generation).map(|entry| &entry.pipe) {
            Some(Pipe::Stream { pipe, .. }) => Unsent { bytes: pipe.unsent() as u64, linger },
            _ => Unsent::default(),
        }
    }

    fn resolved(&self, key: u64, outcome: Result<Vec<IpAddr>>) {
        if let Key::Endpoint(id) = Key::unpack(key) {
            self.visit().resolved(id, outcome);
        }
    }

    fn prepared(&self, key: u64, outcome: Result<()>) {
        self.visit().prepared(key, outcome);
    }
}

impl State {
    /// Something happened to a pipe: let it go on, and carry on from what it says.
    pub fn pipe_ready(&mut self, id: PipeId, ready: Ready) {
        if ready.writable {
            self.pipes.heard_of_room(id);
        }
        let Some((entry, terms)) = self.pipes.with_terms(id) else { return };
        let (change, outcome) = match &mut entry.pipe {
            Pipe::Stream { pipe, .. } => pipe.advance(ready, &terms),
            // Until it is attached, whoever pairs looks after it.
            Pipe::Inproc(pipe) if entry.stage == Stage::Attached => (pipe.advance(ready), Ok(())),
            Pipe::Inproc(_) => return,
        };
        self.apply(id, change);
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
}

impl Socket {
    /// Has the I/O thread write what a pipe has pending, and look after it.
    pub(super) fn have_watched(&self, key: u64, pulse: Pulse) {
        if let Some(source) = self.me.upgrade() {
            self.session.reactor.request(Request::Watch(Watched { source, key, pulse }));
        }
    }

    /// Writes what a pipe has pending, without holding the lock while writing. False if there was nothing.
    pub(super) fn flush_pipe(&self, key: u64) -> bool {
        let Key::Pipe(id, generation) = Key::unpack(key) else { return false };
        let (stream, mut batch) = {
            let mut visit = self.visit();
            let Some(entry) = visit.pipes.find(id, generation) else { return false };
            let Pipe::Stream { pipe, .. } = &mut entry.pipe else { return false };
            let Some(batch) = pipe.start_flush() else { return false };
            (pipe.stream().clone(), batch)
        };
        let outcome = batch.write(&*stream);
        let mut visit = self.visit();
        if visit.pipes.find(id, generation).is_some() {
            visit.flushed(id, batch, outcome);
        }
        true
    }
}

impl State {
    /// A flush has ended.
    fn flushed(&mut self, id: PipeId, batch: Batch, outcome: io::Result<(usize, bool)>) {
        let Some((entry, terms)) = self.pipes.with_terms(id) else { return };
        let Pipe::Stream { pipe, .. } = &mut entry.pipe else { return };
        let written = outcome.as_ref().map_or(0, |(written, _)| *written);
        match pipe.finish_flush(batch, outcome, &terms) {
            Ok((change, more)) => {
                self.pipes.coalescing.flushed(written);
                self.apply(id, change);
                if more {
                    self.pipes.flush(id);
                }
            }
            Err(error) if entry.stage == Stage::Leaving => self.lose(id, error),
            // The peer is gone or as good as that, but what it sent before is the user's: read to the end.
            Err(_) => self.pipe_ready(id, Ready { readable: true, closed: true, ..Ready::default() }),
        }
    }
}
