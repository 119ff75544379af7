//! An object that others can call: its meta object, its code, its property values, its subscribers, its mailbox.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::qi::convert::{Conversion, convert};
use crate::qi::meta::{MetaObject, SIGNATURE};
use crate::qi::value::{self, Uid, Value, encode};
use crate::sys::random;
use crate::sys::sync::Mutex;

use super::mailbox::{Limits, Mailbox};
use super::model::{
    Audience, Core, Counters, Handler, MethodTypes, Object, Origin, PropertyType, PropertyValue, SetByPeer,
};
use super::statistics::Instrumentation;
use crate::qi::workers::latency::LatencyEstimate;

/// What an object does, and what it keeps.
pub(super) struct Code {
    /// Gets every call of a method that the meta object declares, with arguments of the declared types.
    pub handler: Box<Handler>,
    pub on_set: HashMap<u32, SetByPeer>,
    /// Of all properties.
    pub values: HashMap<u32, PropertyValue>,
    pub audiences: HashMap<u32, Audience>,
    pub origin: Option<Origin>,
    /// Of arguments that came as another type.
    pub conversion: Conversion,
    pub limits: Limits,
    /// Things that it may do at once.
    pub at_once: usize,
}

impl Code {
    /// One thing at a time, and nothing beside methods.
    pub fn of(handler: Box<Handler>) -> Code {
        let (on_set, values, audiences) = (HashMap::new(), HashMap::new(), HashMap::new());
        Code {
            handler,
            on_set,
            values,
            audiences,
            origin: None,
            conversion: convert,
            limits: Limits::default(),
            at_once: 1,
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What one object has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectStatistics {
    /// Messages that wait in the mailbox now.
    pub waiting: usize,
    /// Messages that its code, or its properties, have been asked about.
    pub handled: u64,
    /// Calls answered with an Error because the mailbox, or the caller's share of it, was full.
    pub refused_calls: u64,
    /// Posts dropped for the same reason.
    pub dropped_posts: u64,
    /// Events sent, counted once for each subscription.
    pub events_sent: u64,
    /// Events dropped because a subscriber does not read.
    pub events_dropped: u64,
}

impl Object {
    /// An object; the text says what is wrong with `meta`.
    pub(super) fn assemble(meta: MetaObject, code: Code) -> Result<Object, String> {
        meta.validate().map_err(|error| error.to_string())?;
        Ok(Object::of(meta, code))
    }

    /// One for tasks of the server's own, so many at once.
    pub(super) fn without_members(at_once: usize) -> Object {
        Object::of(MetaObject::default(), Code { at_once, ..Code::of(Box::new(drop)) })
    }

    /// An object whose code is elsewhere; what of `meta` may not be published has been left out.
    pub(super) fn passing(meta: MetaObject, origin: Origin) -> Object {
        Object::of(meta, Code { origin: Some(origin), ..Code::of(Box::new(drop)) })
    }

    /// Of a valid meta object: so every signature in it is one.
    fn of(meta: MetaObject, code: Code) -> Object {
        let Code { handler, on_set, values, audiences, origin, conversion, limits, at_once } = code;
        let encoded = encode(&meta.to_value(), &SIGNATURE).unwrap_or_default();
        let methods = meta.methods.values().filter_map(|method| {
            let (parameters, result) = (method.parameters_type().ok()?, method.return_type().ok()?);
            Some((
                method.uid,
                MethodTypes {
                    name: method.name.clone(),
                    parameters,
                    result,
                    latency: LatencyEstimate::default(),
                    looks_into: AtomicBool::new(false),
                },
            ))
        });
        let signals = meta.signals.values().filter_map(|signal| Some((signal.uid, signal.arguments_type().ok()?)));
        let properties = meta.properties.values().filter_map(|property| {
            let ty = property.value_type().ok()?;
            Some((property.uid, PropertyType { name: property.name.clone(), ty }))
        });
        Object(Arc::new(Core {
            encoded,
            // Objects keep their identity when they are passed on.
            uid: origin.as_ref().and_then(|origin| origin.remote().uid()).unwrap_or_else(new_uid),
            paid: AtomicBool::new(false),
            methods: methods.collect(),
            signals: signals.collect(),
            properties: properties.collect(),
            meta: Arc::new(meta),
            handler,
            origin,
            conversion,
            on_set,
            values: Mutex::new(values),
            mailbox: Mailbox::new(limits, at_once),
            audiences,
            subscriptions: Mutex::default(),
            order: Mutex::default(),
            instrumentation: Instrumentation::default(),
            latency: LatencyEstimate::default(),
            looks_into: AtomicBool::new(false),
            counters: Counters::default(),
        }))
    }

    /// What it can do.
    pub fn meta(&self) -> &Arc<MetaObject> {
        &self.0.meta
    }

    /// Its identity, the same on every connection.
    pub fn uid(&self) -> Uid {
        self.0.uid
    }

    /// A value of type `o` that stands for it in an [`Answer`](super::Answer), which must carry the object as well.
    pub fn to_value(&self) -> Value {
        Value::Object(self.reference())
    }

    /// A handle that does not keep it, for what belongs to the object itself.
    pub fn downgrade(&self) -> WeakObject {
        WeakObject(Arc::downgrade(&self.0))
    }

    /// Without an address, which it gets on its way.
    pub(super) fn reference(&self) -> Arc<value::Object> {
        let (service, object) = (0, 0);
        Arc::new(value::Object { meta: Arc::clone(&self.0.meta), service, object, uid: Some(self.0.uid) })
    }

    /// Counts so far.
    pub fn statistics(&self) -> ObjectStatistics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.0.counters;
        ObjectStatistics {
            waiting: self.0.mailbox.waiting(),
            handled: get(&counters.handled),
            refused_calls: get(&counters.refused_calls),
            dropped_posts: get(&counters.dropped_posts),
            events_sent: get(&counters.events_sent),
            events_dropped: get(&counters.events_dropped),
        }
    }

    /// The id of a signal or property.
    pub(super) fn signal_id(&self, name: &str) -> Option<u32> {
        self.0.meta.signal_named(name).map(|signal| signal.uid)
    }
}

/// An object, as long as somebody else keeps it: see [`Object::downgrade`].
#[derive(Clone)]
pub struct WeakObject(Weak<Core>);

impl WeakObject {
    /// The object, if it is still there.
    pub fn upgrade(&self) -> Option<Object> {
        self.0.upgrade().map(Object)
    }
}

impl fmt::Debug for WeakObject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "WeakObject({:?})", self.upgrade())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Object({} methods)", self.0.methods.len())
    }
}

/// Nothing of it is the process's, since a forked child goes on with what its parent had.
fn new_uid() -> Uid {
    random::bytes()
}

#[cfg(test)]
mod tests {
    use crate::qi::server::ObjectBuilder;

    /// Else a child has the ids that its parent gives to others.
    #[test]
    fn uids_have_nothing_in_common() {
        let [one, other] = [(), ()].map(|()| ObjectBuilder::new().build().unwrap().uid());
        let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
        assert!(same < 10, "{one:?} {other:?}");
    }
}
