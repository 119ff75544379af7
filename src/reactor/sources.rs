//! The dispatcher's table: from the token of an event to whom it concerns.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::transport::source::Source;

use super::sync::Mutex;

/// The poll's own waker. No slot ever has this token.
pub const WAKER: Token = Token(usize::MAX);

/// A watched descriptor: a slot and its generation, so that an event fetched before the descriptor went
/// cannot hit its successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registration {
    slot: u32,
    generation: u32,
}

impl Registration {
    fn token(self) -> Token {
        Token((self.generation as usize) << 32 | self.slot as usize)
    }

    fn of(token: Token) -> Registration {
        Registration { slot: token.0 as u32, generation: (token.0 >> 32) as u32 }
    }
}

#[derive(Default)]
pub struct Sources(Mutex<Table>);

#[derive(Default)]
struct Table {
    slots: Slab<Slot>,
    made: u32,
}

struct Slot {
    generation: u32,
    source: Arc<dyn Source>,
    key: u64,
}

impl Sources {
    pub fn insert(&self, source: Arc<dyn Source>, key: u64) -> Registration {
        let mut table = self.0.lock();
        // The top bit stays clear, so no token is the waker's.
        table.made = (table.made + 1) & (u32::MAX >> 1);
        let generation = table.made;
        let slot = table.slots.insert(Slot { generation, source, key }) as u32;
        Registration { slot, generation }
    }

    pub fn remove(&self, registration: Registration) {
        let mut table = self.0.lock();
        let index = registration.slot as usize;
        let current = table.slots.get(index).is_some_and(|slot| slot.generation == registration.generation);
        let removed = current.then(|| table.slots.remove(index));
        drop(table);
        // The source may be the last of its kind; let it go without the lock.
        drop(removed);
    }

    pub fn clear(&self) {
        let all = std::mem::take(&mut self.0.lock().slots);
        drop(all);
    }

    /// Everybody who is watched, with the key.
    pub fn all(&self) -> Vec<(Arc<dyn Source>, u64)> {
        self.0.lock().slots.iter().map(|(_, slot)| (Arc::clone(&slot.source), slot.key)).collect()
    }

    pub fn find(&self, token: Token) -> Option<(Arc<dyn Source>, u64)> {
        let wanted = Registration::of(token);
        let table = self.0.lock();
        let slot = table.slots.get(wanted.slot as usize)?;
        (slot.generation == wanted.generation).then(|| (Arc::clone(&slot.source), slot.key))
    }
}

pub fn watch(registry: &Registry, fd: RawFd, registration: Registration, write: bool) -> io::Result<()> {
    registry.register(&mut SourceFd(&fd), registration.token(), interest(write))
}

pub fn rewatch(registry: &Registry, fd: RawFd, registration: Registration, write: bool) -> io::Result<()> {
    registry.reregister(&mut SourceFd(&fd), registration.token(), interest(write))
}

pub fn unwatch(registry: &Registry, fd: RawFd) -> io::Result<()> {
    registry.deregister(&mut SourceFd(&fd))
}

/// Writability is watched only while somebody has something to write: a unix socket reports it every time
/// its peer reads, which would wake the poller for nothing.
fn interest(write: bool) -> Interest {
    if write { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE }
}
