//! The objects that a value refers to, kept in being by who has the value.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::qi::client::{Proxy, Received, RemoteObject};
use crate::qi::server::{Call, Object, Remote};
use crate::qi::value::{Object as Reference, Value};

use super::error::{Failure, Result};

/// An object, and the reference that stands for it. References are told apart by where they are in memory: their ids mean
/// something on one connection only, and copies of a value share them.
#[derive(Clone, Debug)]
struct One {
    reference: Arc<Reference>,
    object: Thing,
}

#[derive(Clone, Debug)]
enum Thing {
    /// Of this process.
    Ours(Object),
    /// A peer's, in a result or an event.
    Received(Arc<RemoteObject>),
    /// A peer's, in the arguments of a request.
    Passed(Remote),
}

impl Thing {
    /// It, or an object of ours that stands for it.
    fn ours(&self) -> Result<Object> {
        match self {
            Thing::Ours(object) => Ok(object.clone()),
            Thing::Received(object) => Ok(Proxy::of_object(object)?.forwarded()?),
            Thing::Passed(remote) => Ok(Object::from(remote)),
        }
    }
}

/// Most values have none. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Held(Option<Arc<[One]>>);

impl Held {
    fn new(all: impl IntoIterator<Item = One>) -> Held {
        let all: SmallVec<[One; 4]> = all.into_iter().collect();
        Held((!all.is_empty()).then(|| all.into_iter().collect()))
    }

    fn all(&self) -> &[One] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The value of type o that stands for an object of ours.
    pub fn ours(object: &Object) -> (Value, Held) {
        let value = object.to_value();
        let held = Held::new(
            references(&value).into_iter().map(|reference| One { reference, object: Thing::Ours(object.clone()) }),
        );
        (value, held)
    }

    /// Those in a value from a peer.
    pub fn received(received: &Received) -> Held {
        if received.objects().is_empty() {
            return Held::default();
        }
        // Both are in the order in which they stand there, without those that are nowhere.
        let somewhere = references(received).into_iter().filter(|reference| reference.object != 0);
        let objects = received.objects().iter().map(|object| Thing::Received(Arc::clone(object)));
        Held::new(somewhere.zip(objects).map(|(reference, object)| One { reference, object }))
    }

    /// Those in the arguments of a request.
    pub fn passed(call: &Call, arguments: &Value) -> Held {
        let remote = |reference: Arc<Reference>| {
            let object = Thing::Passed(call.remote(&Value::Object(Arc::clone(&reference)))?);
            Some(One { reference, object })
        };
        Held::new(references(arguments).into_iter().filter_map(remote))
    }

    /// Those of this and of another value, for one that has both in it.
    pub fn and(self, other: Held) -> Held {
        match (&self.0, &other.0) {
            (_, None) => self,
            (None, _) => other,
            _ => Held::new(self.all().iter().chain(other.all()).cloned()),
        }
    }

    /// Those that this part of the value refers to.
    pub fn within(&self, part: &Value) -> Held {
        if self.0.is_none() {
            return Held::default();
        }
        let references = references(part);
        let is_there = |one: &&One| references.iter().any(|reference| Arc::ptr_eq(reference, &one.reference));
        Held::new(self.all().iter().filter(is_there).cloned())
    }

    /// The value as it can be sent to anybody, and the objects that it refers to, each once. One of a peer's is replaced by an
    /// object of ours that passes on what it is asked. `ENOTCONN`
    pub fn to_be_sent(&self, value: Value) -> Result<(Value, Vec<Object>)> {
        if self.0.is_none() {
            return Ok((value, Vec::new()));
        }
        let found =
            self.all().iter().map(|one| Ok((&one.reference, one.object.ours()?))).collect::<Result<Vec<_>>>()?;
        let value = value.map_objects(&mut |reference| match found
            .iter()
            .find(|(place, _)| Arc::ptr_eq(place, &reference))
            .map(|(_, object)| object.to_value())
        {
            Some(Value::Object(own)) => own,
            _ => reference,
        });
        let mut objects: Vec<Object> = Vec::new();
        for (_, object) in found {
            if objects.iter().all(|other| other.uid() != object.uid()) {
                objects.push(object);
            }
        }
        Ok((value, objects))
    }

    /// For a value that is to be kept where no object can be.
    pub fn refuse(&self) -> Result<()> {
        if self.0.is_some() { Err(Failure::invalid("a property cannot hold objects")) } else { Ok(()) }
    }

    /// What a value of type o refers to, for calls.
    pub fn proxy(&self, value: &Value) -> Result<Proxy> {
        let Value::Object(reference) = value else { return Err(Failure::invalid("a value that is no object")) };
        match self.all().iter().find(|one| Arc::ptr_eq(&one.reference, reference)).map(|one| &one.object) {
            Some(Thing::Received(object)) => Ok(Proxy::of_object(object)?),
            Some(Thing::Passed(remote)) => Ok(Proxy::of_remote(remote)?),
            Some(Thing::Ours(_)) => Err(Failure::invalid("an object of this process, which needs no proxy")),
            None => Err(Failure::invalid("an object that came through no connection")),
        }
    }
}

fn references(value: &Value) -> Vec<Arc<Reference>> {
    let mut found = Vec::new();
    value.each_reference(&mut |reference| found.push(Arc::clone(reference)));
    found
}
