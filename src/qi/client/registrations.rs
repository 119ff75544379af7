//! Who listens to which signal of a connection: one registration on the wire for all who listen here (design notes
//! 5.2, qi-messaging.md 15). A pure machine; `W` waits for a registration.
//!
//! ```text
//!   join ──▶ Registering ── answered ──▶ Registered ── the last leaves ──▶ gone (unregister)
//!                 │  └───── Error ──▶ gone (all who wait are told)
//!                 └──────── the last leaves ──▶ gone (unregister; the peer does both in order)
//! ```

use std::collections::HashMap;

/// A signal or property of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub service: u32,
    pub object: u32,
    pub signal: u32,
}

/// What who joins must do.
#[derive(Debug, PartialEq, Eq)]
pub enum Join<W> {
    /// Send registerEvent with this link, and say what came of it.
    Register(u64),
    /// Wait: somebody else has sent it. `W` was kept.
    Wait,
    /// It is registered; `W` is not needed.
    Ready(W),
}

#[derive(Debug)]
struct State<W> {
    link: u64,
    listeners: usize,
    registered: bool,
    waiting: Vec<W>,
}

#[derive(Debug)]
pub struct Registrations<W> {
    states: HashMap<Key, State<W>>,
    links: u32,
}

impl<W> Default for Registrations<W> {
    fn default() -> Self {
        Registrations { states: HashMap::new(), links: 0 }
    }
}

impl<W> Registrations<W> {
    /// One more listens.
    pub fn join(&mut self, key: Key, waiter: W) -> Join<W> {
        if let Some(state) = self.states.get_mut(&key) {
            state.listeners += 1;
            if state.registered {
                return Join::Ready(waiter);
            }
            state.waiting.push(waiter);
            return Join::Wait;
        }
        // Like libqi's: the signal in the upper half, so that whoever reads a capture sees which it is.
        self.links = self.links.wrapping_add(1);
        let link = u64::from(key.signal) << 32 | u64::from(self.links);
        self.states.insert(key, State { link, listeners: 1, registered: false, waiting: vec![waiter] });
        Join::Register(link)
    }

    /// The answer to registerEvent; who is to be told. After an Error nobody listens any more.
    pub fn answered(&mut self, key: Key, link: u64, accepted: bool) -> Vec<W> {
        let Some(state) = self.states.get_mut(&key).filter(|state| state.link == link) else { return Vec::new() };
        state.registered = accepted;
        let waiting = std::mem::take(&mut state.waiting);
        if !accepted {
            self.states.remove(&key);
        }
        waiting
    }

    /// One less listens to the registration of this link. The link to unregister, if it was the last.
    pub fn leave(&mut self, key: Key, link: u64) -> Option<u64> {
        let state = self.states.get_mut(&key).filter(|state| state.link == link)?;
        state.listeners -= 1;
        if state.listeners > 0 {
            return None;
        }
        self.states.remove(&key).map(|state| state.link)
    }

    /// The link of a signal that is listened to.
    pub fn link(&self, key: Key) -> Option<u64> {
        self.states.get(&key).map(|state| state.link)
    }
}
