//! The dispatcher's table: from the token of an event to whom it concerns.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use slab::Slab;

use crate::transport::source::Source;

use super::poll::Poll;
use super::sync::Mutex;

/// A watched descriptor: a slot and its generation, so that an event fetched before the descriptor went
/// cannot hit its successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registration {
    slot: u32,
    generation: u32,
}

impl Registration {
    fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    fn of(token: u64) -> Registration {
        Registration { slot: token as u32, generation: (token >> 32) as u32 }
    }
}

#[derive(Default)]
pub struct Sources(Mutex<SourceTable>);

#[derive(Default)]
struct SourceTable {
    slots: Slab<SourceSlot>,
    made: u32,
}

struct SourceSlot {
    generation: u32,
    source: Arc<dyn Source>,
    key: u64,
    /// What is watched, for watching it anew.
    fd: RawFd,
    write: bool,
}

/// So many descriptors are watched anew before others have their turn with the table.
const CHUNK: usize = 64;

/// What the poll watches is changed under the table's lock: so whoever watches everything anew does it as it is.
impl Sources {
    pub fn insert(
        &self,
        poll: &Poll,
        fd: RawFd,
        write: bool,
        source: Arc<dyn Source>,
        key: u64,
    ) -> io::Result<Registration> {
        let mut table = self.0.lock();
        // The top bit stays clear, so no token is the bell's.
        table.made = (table.made + 1) & (u32::MAX >> 1);
        let generation = table.made;
        let slot = table.slots.insert(SourceSlot { generation, source, key, fd, write }) as u32;
        let registration = Registration { slot, generation };
        poll.add(fd, registration.token(), write).inspect_err(|_| drop(table.remove(registration)))?;
        Ok(registration)
    }

    pub fn watch_writable(&self, poll: &Poll, registration: Registration, write: bool) -> io::Result<()> {
        let mut table = self.0.lock();
        let Some(slot) = table.slot(registration) else { return Ok(()) };
        slot.write = write;
        poll.change(slot.fd, registration.token(), write)
    }

    pub fn remove(&self, poll: &Poll, registration: Registration) {
        let removed = {
            let mut table = self.0.lock();
            if let Some(slot) = table.slot(registration) {
                // The descriptor is ours and open, so there is nothing to fail.
                let _ = poll.remove(slot.fd);
            }
            table.remove(registration)
        };
        // The source may be the last of its kind; it went without the lock.
        drop(removed);
    }

    /// Has everything that is ready reported again.
    pub fn watch_anew(&self, poll: &Poll) {
        let mut next = 0;
        loop {
            let table = self.0.lock();
            let end = table.slots.capacity().min(next + CHUNK);
            for (index, slot) in (next..end).filter_map(|index| Some((index, table.slots.get(index)?))) {
                let registration = Registration { slot: index as u32, generation: slot.generation };
                // As when it was changed last: that has succeeded.
                let _ = poll.change(slot.fd, registration.token(), slot.write);
            }
            if end == table.slots.capacity() {
                return;
            }
            next = end;
        }
    }

    pub fn clear(&self) {
        let all = std::mem::take(&mut self.0.lock().slots);
        drop(all);
    }

    /// Everybody who is watched, with the key.
    pub fn all(&self) -> Vec<(Arc<dyn Source>, u64)> {
        self.0.lock().slots.iter().map(|(_, slot)| (Arc::clone(&slot.source), slot.key)).collect()
    }

    pub fn find(&self, token: u64) -> Option<(Arc<dyn Source>, u64)> {
        let wanted = Registration::of(token);
        let table = self.0.lock();
        let slot = table.slots.get(wanted.slot as usize)?;
        (slot.generation == wanted.generation).then(|| (Arc::clone(&slot.source), slot.key))
    }
}

impl SourceTable {
    fn slot(&mut self, registration: Registration) -> Option<&mut SourceSlot> {
        self.slots.get_mut(registration.slot as usize).filter(|slot| slot.generation == registration.generation)
    }

    fn remove(&mut self, registration: Registration) -> Option<SourceSlot> {
        self.slot(registration)?;
        self.slots.try_remove(registration.slot as usize)
    }
}
