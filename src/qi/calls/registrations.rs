//! Who listens to which signal through a connection: one registration on the wire for all on this side, whichever part
//! they belong to, because two make the peer send every event twice (qi-design-notes.md 5.2, qi-messaging.md 15). A pure machine;
//! `W` waits for a registration.
//!
//! ```text
//!   join ──▶ Registering ── answered ──▶ Registered ── the last leaves ──▶ gone (unregister)
//!                 │  └───── Error ──▶ gone (all who wait are told)
//!                 └──────── the last leaves ──▶ gone (unregister; the peer does both in order)
//! ```

use std::collections::HashMap;

use crate::qi::actions::{REGISTER_EVENT, UNREGISTER_EVENT};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Value;

/// A signal or property of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub service: u32,
    pub object: u32,
    pub signal: u32,
}

/// A Call of a generic method: action, arguments, and the type of the result.
pub type Generic = (u32, Value, Signature);

impl Key {
    /// What registers it. What comes back is of no use to anybody (section 15).
    pub fn registration(&self, link: u64) -> Generic {
        (REGISTER_EVENT, Value::tuple(self.arguments(link)), Kind::UInt64.into())
    }

    /// What takes that back.
    pub fn unregistration(&self, link: u64) -> Generic {
        (UNREGISTER_EVENT, Value::tuple(self.arguments(link)), Kind::Void.into())
    }

    /// The first is said to be the object's id: libqi sends the service's and takes anything, qiloop takes nothing else.
    fn arguments(&self, link: u64) -> Vec<Value> {
        vec![self.object.into(), self.signal.into(), link.into()]
    }
}

/// What who joins must do.
#[derive(Debug, PartialEq, Eq)]
pub enum Join<W> {
    /// Send registerEvent, and say what came of it.
    Register,
    /// Wait: somebody else has sent it. `W` was kept.
    Wait,
    /// It is registered; `W` is not needed.
    Ready(W),
}

#[derive(Debug)]
struct RegistrationState<W> {
    link: u64,
    listeners: usize,
    registered: bool,
    waiting: Vec<W>,
}

#[derive(Debug)]
pub struct Registrations<W> {
    states: HashMap<Key, RegistrationState<W>>,
    links: u32,
}

impl<W> Default for Registrations<W> {
    fn default() -> Self {
        Registrations { states: HashMap::new(), links: 0 }
    }
}

impl<W> Registrations<W> {
    /// One more listens, with this link.
    pub fn join(&mut self, key: &Key, waiter: W) -> (Join<W>, u64) {
        if let Some(state) = self.states.get_mut(key) {
            state.listeners += 1;
            if state.registered {
                return (Join::Ready(waiter), state.link);
            }
            state.waiting.push(waiter);
            return (Join::Wait, state.link);
        }
        // Like libqi's: the signal in the upper half, so that whoever reads a capture sees which it is.
        self.links = self.links.wrapping_add(1);
        let link = u64::from(key.signal) << 32 | u64::from(self.links);
        self.states.insert(*key, RegistrationState { link, listeners: 1, registered: false, waiting: vec![waiter] });
        (Join::Register, link)
    }

    /// The answer to registerEvent; who is to be told. After an Error nobody listens any more.
    pub fn answered(&mut self, key: &Key, link: u64, accepted: bool) -> Vec<W> {
        let Some(state) = self.states.get_mut(key).filter(|state| state.link == link) else { return Vec::new() };
        state.registered = accepted;
        let waiting = std::mem::take(&mut state.waiting);
        if !accepted {
            self.states.remove(key);
        }
        waiting
    }

    /// One less listens to the registration of this link. If it was the last, the caller must unregister it, and tell those who
    /// have not heard yet that they are registered: the peer does both in order.
    pub fn leave(&mut self, key: &Key, link: u64) -> Option<Vec<W>> {
        let state = self.states.get_mut(key).filter(|state| state.link == link)?;
        state.listeners -= 1;
        if state.listeners > 0 {
            return None;
        }
        self.states.remove(key).map(|state| state.waiting)
    }
}

#[cfg(test)]
#[path = "tests/registrations.rs"]
mod tests;
