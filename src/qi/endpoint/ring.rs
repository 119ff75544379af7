//! The bounded queue between a handler and its consumer: messages, who waits for them, and the descriptor.
//!
//! ```text
//!   Open ── end(reason) ──▶ Ended: what is queued can still be taken, then `End(reason)` for ever
//! ```
//!
//! Its lock is a leaf: nothing is called, woken or written to a peer under it (the eventfd is set under it, so that the
//! descriptor is exact at any moment). Whoever is to be woken is handed out. The rules of waking:
//!
//! 1. A message wakes one waiter and all who poll; the end wakes everybody.
//! 2. A waiter that is woken is no longer registered. It tries again before it returns, whatever ended its sleep,
//!    so a wake-up is never used up by somebody who leaves the message behind.
//! 3. Who takes a message and leaves more behind wakes the next waiter.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::qi::message::{HEADER_SIZE, Message};
use crate::reactor::parker::Parker;
use crate::sys::eventfd::EventFd;
use crate::sys::memory::give_back_free_memory;
use crate::sys::places::SparePlaces;
use crate::sys::sync::Mutex;

use super::budget::Account;
use super::failure::Reason;

/// Who must be woken once no lock is held.
pub type Wakes = SmallVec<[Arc<Parker>; 2]>;

/// Bytes that a queue holds, unless somebody says otherwise.
pub const DEFAULT_BYTES: usize = 64 * 1024 * 1024;

/// What has a weight in memory.
pub trait Weigh {
    /// Bytes, about.
    fn weight(&self) -> usize;
}

impl Weigh for Message {
    fn weight(&self) -> usize {
        place_of::<Message>() + HEADER_SIZE + self.payload.len()
    }
}

/// What waits takes a place in its queue, and that has between one and two places for each. Small events take more so than by their bytes:
/// counted by these, one client had 1,114 MiB of them with a budget of 256.
pub const fn place_of<T>() -> usize {
    size_of::<T>() * 3 / 2
}

/// Of messages for a handler; the layers above queue what else must arrive in order.
#[derive(Debug)]
pub struct Ring<T = Message>(Mutex<RingState<T>>);

#[derive(Debug)]
struct RingState<T> {
    messages: VecDeque<T>,
    length: usize,
    /// Of all that wait, and how many there may be.
    bytes: usize,
    most_bytes: usize,
    /// What it counts on.
    account: Arc<Account>,
    dropped: u64,
    end: Option<Reason>,
    waiters: VecDeque<Arc<Parker>>,
    descriptor: Option<EventFd>,
}

/// What a consumer finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<T = Message> {
    Message(T),
    /// The handler has ended and its queue is empty.
    End(Reason),
}

impl<T: Clone + Weigh> Ring<T> {
    /// For `length` messages, at least one, of [`DEFAULT_BYTES`].
    pub fn new(length: usize, account: Arc<Account>) -> Ring<T> {
        Ring::bounded(length, DEFAULT_BYTES, account)
    }

    /// For `length` messages of so many bytes together; a single one of any size has room in an empty queue, as far as this account
    /// has room. That should be its own.
    pub fn bounded(length: usize, most_bytes: usize, account: Arc<Account>) -> Ring<T> {
        Ring(Mutex::new(RingState {
            messages: VecDeque::new(),
            length: length.max(1),
            bytes: 0,
            most_bytes,
            account,
            dropped: 0,
            end: None,
            waiters: VecDeque::new(),
            descriptor: None,
        }))
    }

    /// False: it is full, or has ended; the message is dropped and counted.
    pub fn push(&self, message: &T, wakes: &mut Wakes) -> bool {
        let mut state = self.0.lock();
        let weight = message.weight();
        if !state.has_room(weight) || state.end.is_some() || !state.account.take(weight) {
            state.dropped += 1;
            return false;
        }
        state.bytes += weight;
        state.messages.push_back(message.clone());
        state.settle();
        wakes.extend(state.waiters.pop_front());
        true
    }

    /// Takes out the oldest until one of this weight has room. They count as dropped.
    pub fn make_room(&self, weight: usize) -> Vec<T> {
        let mut state = self.0.lock();
        let mut gone = Vec::new();
        while !(state.has_room(weight) && state.account.has_room(weight))
            && let Some(oldest) = state.messages.pop_front()
        {
            state.took(oldest.weight());
            state.dropped += 1;
            gone.push(oldest);
        }
        state.settle();
        gone
    }

    /// Nothing is queued from now on. Only the first reason counts.
    pub fn end(&self, reason: Reason, wakes: &mut Wakes) {
        let mut state = self.0.lock();
        if state.end.is_none() {
            state.end = Some(reason);
            state.settle();
            wakes.extend(state.waiters.drain(..));
        }
    }

    /// The next message, or the end. `None`: not yet.
    pub fn take(&self, wakes: &mut Wakes) -> Option<Next<T>> {
        self.with_given_back(|state| state.take(wakes))
    }

    /// Takes something out; if that was the most of very much, what it has left free in the heap goes back to the system.
    fn with_given_back<R>(&self, take: impl FnOnce(&mut RingState<T>) -> R) -> R {
        let (taken, ebbed) = {
            let mut state = self.0.lock();
            let taken = take(&mut state);
            (taken, state.account.budget().has_ebbed())
        };
        if ebbed {
            give_back_free_memory();
        }
        taken
    }

    /// The same for the rest of it, when nothing more will be taken.
    pub fn give_back_memory(&self) {
        let ebbed = self.0.lock().account.budget().has_ebbed_lately();
        if ebbed {
            give_back_free_memory();
        }
    }

    /// The same for who waits: if there is nothing yet and it is to `stay`, it will be woken when it is worth trying again. Else it waits
    /// no more; to be taken out later would be too late, for a message that comes until then would wake it and nobody else.
    pub fn take_or_wait(&self, me: &Arc<Parker>, stay: bool, wakes: &mut Wakes) -> Option<Next<T>> {
        self.with_given_back(|state| {
            state.waiters.retain(|other| !Arc::ptr_eq(other, me));
            let next = state.take(wakes);
            if next.is_none() && stay {
                state.waiters.push_back(Arc::clone(me));
            }
            next
        })
    }

    /// An eventfd that is readable while there is something to take. The second value: it is new.
    pub fn descriptor(&self) -> io::Result<(RawFd, bool)> {
        let mut state = self.0.lock();
        if let Some(descriptor) = &state.descriptor {
            return Ok((descriptor.fd(), false));
        }
        let descriptor = EventFd::new()?;
        let fd = descriptor.fd();
        state.descriptor = Some(descriptor);
        state.settle();
        Ok((fd, true))
    }

    /// Messages that wait, and messages dropped because the queue was full.
    pub fn counts(&self) -> (usize, u64) {
        let state = self.0.lock();
        (state.messages.len(), state.dropped)
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.messages = VecDeque::new();
        let bytes = std::mem::take(&mut state.bytes);
        state.account.give(bytes);
        if state.account.budget().has_ebbed_lately() {
            give_back_free_memory();
        }
    }
}

impl<T: Weigh> RingState<T> {
    fn has_room(&self, weight: usize) -> bool {
        let fits = self.bytes.saturating_add(weight) <= self.most_bytes;
        self.messages.is_empty() || (self.messages.len() < self.length && fits)
    }

    fn take(&mut self, wakes: &mut Wakes) -> Option<Next<T>> {
        let Some(message) = self.messages.pop_front() else { return self.end.clone().map(Next::End) };
        self.took(message.weight());
        self.settle();
        if !self.messages.is_empty() {
            wakes.extend(self.waiters.pop_front());
        }
        Some(Next::Message(message))
    }

    fn took(&mut self, weight: usize) {
        self.bytes -= weight;
        self.account.give(weight);
        self.messages.give_places_back();
    }

    fn is_ready(&self) -> bool {
        !self.messages.is_empty() || self.end.is_some()
    }

    /// Makes the descriptor tell the truth.
    fn settle(&mut self) {
        let ready = self.is_ready();
        if let Some(descriptor) = &mut self.descriptor {
            descriptor.set(ready);
        }
    }
}
