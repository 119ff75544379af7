//! What reaches a socket from outside its callers: readiness, timers, resolved names, and the word of the other
//! end of an inproc pipe.

use std::net::IpAddr;

use crate::core::{Error, PipeId, Result};
use crate::reactor::Request;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::key::Key;
use super::pipes::{Pipe, Stage};
use super::socket::{Socket, State};

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

    fn flush(&self, key: u64) {
        self.flush_pipe(key);
    }

    fn resolved(&self, key: u64, outcome: Result<IpAddr>) {
        if let Key::Endpoint(id) = Key::unpack(key) {
            self.visit().resolved(id, outcome);
        }
    }
}

impl State {
    /// Something happened to a pipe: let it go on, and carry on from what it says.
    pub fn pipe_ready(&mut self, id: PipeId, ready: Ready) {
        let Some((entry, terms)) = self.pipes.with_terms(id) else { return };
        let (change, outcome) = match &mut entry.pipe {
            Pipe::Stream { pipe, .. } => pipe.advance(ready, &terms),
            // Until it is attached, whoever pairs looks after it.
            Pipe::Inproc(pipe) if entry.stage == Stage::Attached => (pipe.advance(ready), Ok(())),
            Pipe::Inproc(_) => return,
        };
        self.apply(id, change);
        if let Err(error) = outcome {
            self.lose(id, error);
        }
    }
}

impl Socket {
    /// Has the I/O thread write what a pipe has pending.
    pub(super) fn request_flush(&self, key: u64) {
        let me = self.visit().me.upgrade();
        if let Some(me) = me {
            self.session.reactor.request(Request::Flush(me, key));
        }
    }

    /// Writes what a pipe has pending, without holding the lock while writing.
    pub(super) fn flush_pipe(&self, key: u64) {
        let Key::Pipe(id, generation) = Key::unpack(key) else { return };
        loop {
            let (stream, mut batch) = {
                let mut visit = self.visit();
                let Some(entry) = visit.pipes.find(id, generation) else { return };
                let Pipe::Stream { pipe, .. } = &mut entry.pipe else { return };
                let Some(batch) = pipe.start_flush() else { return };
                (pipe.stream().clone(), batch)
            };
            let outcome = batch.write(&*stream);
            let mut visit = self.visit();
            if visit.pipes.find(id, generation).is_none() {
                return;
            }
            let Some((entry, terms)) = visit.pipes.with_terms(id) else { return };
            let Pipe::Stream { pipe, .. } = &mut entry.pipe else { return };
            match pipe.finish_flush(batch, outcome, &terms) {
                // More that came meanwhile is flushed by this visit's own end (see `settle_writing`).
                Ok((change, _more)) => return visit.apply(id, change),
                Err(error) => return visit.lose(id, Error::from(error)),
            }
        }
    }
}
