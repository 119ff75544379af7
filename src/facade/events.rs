//! What reaches a socket from outside its callers: readiness, timers, resolved names, and the word of the other
//! end of an inproc pipe.

use std::net::IpAddr;

use crate::core::Result;
use crate::transport::pipe::Ready;
use crate::transport::source::{Source, Unsent};

use super::key::Key;
use super::pipes::{Entry, Pipe};
use super::socket::EngineSocket;
use super::turning;

/// Flushes of one pipe in a row when the process ends: they write a megabyte each.
const TURNS: usize = 16;

impl Source for EngineSocket {
    fn prepared(&self, key: u64, outcome: Result<()>) {
        let mut guard = self.lock();
        guard.prepared(key, outcome);
        guard.finish();
    }

    fn ready(&self, key: u64, ready: Ready) {
        let mut guard = self.lock();
        match Key::unpack(key) {
            Key::Pipe(id, generation) => {
                if guard.pipes.find(id, generation).is_some() {
                    guard.pipe_ready(id, ready);
                    turning::moved(|| (guard.core.options.spin != 0, guard.pipes.under_way(id)));
                }
            }
            Key::Endpoint(id) => guard.accept_all(id),
            Key::Protocol(_) => {}
        }
        guard.finish();
    }

    fn is_busy(&self) -> bool {
        self.state_lock().is_locked()
    }

    fn expired(&self, key: u64) {
        let mut guard = self.lock();
        match Key::unpack(key) {
            Key::Pipe(id, generation) => {
                if let Some(error) = guard.pipes.find(id, generation).and_then(|entry| entry.out_of_time()) {
                    guard.lose(id, error);
                }
            }
            Key::Endpoint(id) => guard.try_again(id),
            Key::Protocol(context) => guard.alarm(context),
        }
        guard.finish();
    }

    fn flush(&self, key: u64) -> bool {
        if self.state_lock().flush(key) {
            return true;
        }
        let Key::Pipe(id, generation) = Key::unpack(key) else { return false };
        self.with(|state| match state.pipes.find(id, generation).map(|entry| &mut entry.pipe) {
            Some(Pipe::Stream { pipe, .. }) => !pipe.unwatch(),
            _ => false,
        })
    }

    fn flush_before_wait(&self, key: u64) -> bool {
        self.state_lock().flush(key);
        let Key::Pipe(id, generation) = Key::unpack(key) else { return false };
        self.with(|state| match state.pipes.find(id, generation).map(|entry| &entry.pipe) {
            Some(Pipe::Stream { pipe, .. }) => pipe.is_watched(),
            _ => false,
        })
    }

    fn hand_over(&self, key: u64) -> Unsent {
        let Key::Pipe(id, generation) = Key::unpack(key) else { return Unsent::default() };
        self.with(|state| {
            if let Some(Entry { pipe: Pipe::Stream { pipe, .. }, .. }) = state.pipes.find(id, generation) {
                pipe.try_anew();
            }
        });
        // A flush ends when the kernel is full, or after a while, so that others have their turn.
        let _ = (0..TURNS).find(|_| !self.state_lock().flush(key));
        self.with(|state| {
            let linger = state.core.options.linger();
            match state.pipes.find(id, generation).map(|entry| &entry.pipe) {
                Some(Pipe::Stream { pipe, .. }) => Unsent { bytes: pipe.unsent() as u64, linger },
                _ => Unsent::default(),
            }
        })
    }

    fn resolved(&self, key: u64, outcome: Result<Vec<IpAddr>>) {
        if let Key::Endpoint(id) = Key::unpack(key) {
            self.with(|state| state.resolved(id, outcome));
        }
    }
}
