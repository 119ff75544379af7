//! A socket as a party of the inproc registry.

use std::sync::Arc;

use crate::core::{Error, Kind, PipeId};
use crate::transport::inproc::{InprocPipe, Peer};
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::inproc_registry::{Pairing, Party};
use super::pipes::Pipe;
use super::report::{TAKEN, other_kind};
use super::socket::EngineSocket;
use crate::core::lifecycle::Lifecycle;

impl Party for EngineSocket {
    fn kind(&self) -> &'static Kind {
        EngineSocket::kind(self)
    }

    fn receive_limit(&self) -> usize {
        self.with(|state| state.core.options.rcvbuf as usize)
    }

    fn attach(&self, endpoint: i32, pipe: InprocPipe) -> Option<(PipeId, u64)> {
        let source: Arc<dyn Source> = self.source()?;
        self.with(|state| {
            if !state.is_open() {
                return None;
            }
            let priorities = state.endpoints.get(endpoint)?.priorities;
            let (id, key) = state.pipes.insert(Pipe::Inproc(pipe), endpoint, priorities, Lifecycle::Greeting);
            if !state.attach(id) {
                state.forget(id);
                return None;
            }
            if let Some(Pipe::Inproc(pipe)) = state.pipes.get(id).map(|entry| &entry.pipe) {
                pipe.own(Peer { source, key });
            }
            Some((id, key))
        })
    }

    fn refused(&self, endpoint: i32, other: &'static Kind) {
        self.with(|state| {
            let why = match state.core.kind().peer == other.id {
                true => TAKEN.to_owned(),
                false => other_kind(other.name),
            };
            state.tell_of_stranger(endpoint, String::new, Error::PROTO, &why);
        });
    }

    fn detach(&self, pipe: PipeId) {
        self.with(|state| {
            state.tell_of_leaving(pipe);
            state.leave_all(vec![pipe]);
        });
    }

    fn count(&self, pairing: Pairing) {
        self.with(|state| {
            let statistics = &mut state.core.statistics;
            match pairing {
                Pairing::Established => {
                    statistics.inprogress_connections -= 1;
                    statistics.established_connections += 1;
                }
                Pairing::Accepted => statistics.accepted_connections += 1,
                Pairing::WaitsAgain => statistics.inprogress_connections += 1,
            }
        });
    }

    fn start(&self, key: u64) {
        self.ready(key, Ready { readable: true, writable: true, closed: false });
    }
}
