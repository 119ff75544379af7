//! Values that a peer gave us, with its objects in them; and passing those on to other peers (qi-messaging.md 13).

use std::ops::Deref;
use std::sync::Arc;

use crate::qi::value::{Object as Reference, Value};

use super::call::Answer;
use super::object::{Address, Object};
use super::peer::Peer;
use super::remote::Remote;

/// A value from a peer: a result, or the argument tuple of an event. It reads like a [`Value`]; dropping it releases the
/// objects in it that nobody else holds. As an [`Answer`] it takes its objects along to another peer.
#[derive(Clone, Debug)]
pub struct Given {
    value: Value,
    remotes: Vec<Remote>,
}

impl Given {
    /// Takes the references in `value` into our keeping.
    pub(super) fn by(peer: &Arc<Peer>, value: Value) -> Given {
        let remotes = Remote::all_in(peer, &value);
        Given { value, remotes }
    }

    /// The peer's object that a value in it refers to.
    pub fn remote(&self, reference: &Value) -> Option<Remote> {
        let Value::Object(reference) = reference else { return None };
        find(&self.remotes, reference).cloned()
    }
}

impl Deref for Given {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

impl PartialEq<Value> for Given {
    fn eq(&self, other: &Value) -> bool {
        self.value == *other
    }
}

impl From<Given> for Answer {
    fn from(given: Given) -> Answer {
        Answer::from(given.value).passing_on(&given.remotes)
    }
}

impl Remote {
    /// The objects that a value refers to. The null object is none.
    pub(super) fn all_in(peer: &Arc<Peer>, value: &Value) -> Vec<Remote> {
        let mut found = Vec::new();
        value.each_object(&mut |reference| found.push(Remote::of(peer, reference)));
        found
    }
}

impl Answer {
    /// With objects of our own in place of these objects of a peer's.
    pub(super) fn passing_on(self, remotes: &[Remote]) -> Answer {
        if remotes.is_empty() {
            return self;
        }
        let Answer { value, mut objects } = self;
        let mut passed: Vec<(Address, Object)> = Vec::new();
        let value = value.map_objects(&mut |reference| {
            let Some(remote) = find(remotes, &reference) else { return reference };
            let known = passed.iter().find(|(address, _)| *address == remote.address());
            let object = known.map_or_else(|| Object::from(remote), |(_, object)| object.clone());
            let reference = object.reference();
            passed.push((remote.address(), object));
            reference
        });
        passed.sort_by_key(|(address, _)| (address.service, address.object));
        passed.dedup_by_key(|(address, _)| *address);
        objects.extend(passed.into_iter().map(|(_, object)| object));
        Answer { value, objects }
    }
}

/// References to objects of our own name no address yet, and so none of these.
fn find<'r>(remotes: &'r [Remote], reference: &Reference) -> Option<&'r Remote> {
    let address = Address { service: reference.service, object: reference.object };
    remotes.iter().find(|remote| remote.address() == address)
}
