//! A descriptor in the poll, and what is reported of it.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use crate::transport::source::Source;

use super::{Reactor, Registration};

/// Whoever holds it takes it out again ([`Polled::take`]) before the descriptor is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Polled {
    /// It is not in the poll: not yet, or not any more.
    #[default]
    Not,
    /// That there is something to read.
    Input(Registration),
    /// The same, and that there is room to write.
    InputAndRoom(Registration),
}

impl Polled {
    /// Puts a descriptor into the poll; room to write is reported if asked.
    pub fn register(reactor: &Reactor, fd: RawFd, source: Arc<dyn Source>, key: u64, room: bool) -> io::Result<Polled> {
        let registration = reactor.register(fd, source, key, room)?;
        Ok(if room { Polled::InputAndRoom(registration) } else { Polled::Input(registration) })
    }

    pub fn registration(self) -> Option<Registration> {
        match self {
            Polled::Not => None,
            Polled::Input(registration) | Polled::InputAndRoom(registration) => Some(registration),
        }
    }

    /// Is room to write reported?
    #[inline]
    pub fn reports_room(self) -> bool {
        matches!(self, Polled::InputAndRoom(_))
    }

    /// Has room to write reported from now on, or not any more. What is ready already is reported again.
    pub fn report_room(&mut self, reactor: &Reactor, wanted: bool) {
        let Some(registration) = self.registration() else { return };
        *self = if wanted { Polled::InputAndRoom(registration) } else { Polled::Input(registration) };
        self.report_again(reactor);
    }

    /// Has what is ready now reported again (readiness is edge-triggered).
    pub fn report_again(self, reactor: &Reactor) {
        if let Some(registration) = self.registration() {
            // It is registered and open, so only memory could fail; then the next event or change reports the rest.
            let _ = reactor.watch_writable(registration, self.reports_room());
        }
    }

    /// It is polled no more, for whoever deregisters it.
    pub fn take(&mut self) -> Option<Registration> {
        std::mem::take(self).registration()
    }
}
