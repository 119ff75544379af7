//! What came from a peer, with the objects in it: a reference lives as long as somebody here holds it, then the peer
//! is told (qi-messaging.md 13).

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::qi::actions::MAIN_OBJECT;
use crate::qi::convert::{ConvertError, convert};
use crate::qi::meta::MetaObject;
use crate::qi::signature::Signature;
use crate::qi::value::{DecodeError, Object, Uid, Value};
use crate::sys::sync::Mutex;

use super::connection::Connection;
use super::requester::Requester;

/// By whom an object came to us; held as long as it.
#[derive(Clone)]
pub(in crate::qi) enum Via {
    /// A client's connection.
    Client(Arc<Connection>),
    /// What a server knows of the connection.
    Server(Arc<dyn Any + Send + Sync>),
}

/// Done with the object; told whether the peer releases it now, and with it all that belongs to it.
pub type AtEnd = Box<dyn FnOnce(bool) + Send>;

/// An object of the peer's that was handed to us. The peer keeps it until the last handle of it is dropped, or the connection
/// ends, which makes all of them useless.
pub struct RemoteObject {
    requester: Arc<Requester>,
    via: Via,
    /// The service under whose id it lives.
    pub service: u32,
    /// Its own id there.
    pub object: u32,
    /// What it can do.
    pub meta: Arc<MetaObject>,
    /// Equal for references to the same object, also on other connections.
    pub uid: Option<Uid>,
    at_end: Mutex<Vec<AtEnd>>,
}

impl RemoteObject {
    fn new(requester: &Arc<Requester>, via: &Via, object: &Object) -> Arc<RemoteObject> {
        requester.hold((object.service, object.object));
        Arc::new(RemoteObject {
            requester: Arc::clone(requester),
            via: via.clone(),
            service: object.service,
            object: object.object,
            meta: Arc::clone(&object.meta),
            uid: object.uid,
            at_end: Mutex::default(),
        })
    }

    /// The connection that it lives on, and on no other, if it came in a result or an event to a client.
    pub fn connection(&self) -> Option<&Arc<Connection>> {
        match &self.via {
            Via::Client(connection) => Some(connection),
            Via::Server(_) => None,
        }
    }

    /// What the server that it came to knows of its connection.
    pub(in crate::qi) fn server<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        match &self.via {
            Via::Client(_) => None,
            Via::Server(server) => Arc::clone(server).downcast().ok(),
        }
    }

    /// Has this done when the handle is dropped.
    pub(in crate::qi) fn at_end(&self, done: impl FnOnce(bool) + Send + 'static) {
        self.at_end.lock().push(Box::new(done));
    }
}

impl Drop for RemoteObject {
    fn drop(&mut self) {
        let key = (self.service, self.object);
        let at_end = std::mem::take(&mut *self.at_end.lock());
        if !at_end.is_empty() {
            let released = self.object != MAIN_OBJECT && self.requester.handles(key) == 1;
            at_end.into_iter().for_each(|done| done(released));
        }
        self.requester.release(key);
    }
}

impl fmt::Debug for RemoteObject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RemoteObject({}.{})", self.service, self.object)
    }
}

/// A value from a peer: a result, or the argument tuple of an event. It reads like a [`Value`]; dropping it releases the objects in
/// it that nobody else holds.
#[derive(Clone, Debug)]
pub struct Received {
    value: Value,
    objects: Vec<Arc<RemoteObject>>,
}

impl Received {
    /// Takes the references in `value` into our keeping.
    pub(in crate::qi) fn adopt(connection: &Arc<Connection>, value: Value) -> Received {
        Received::with(connection.requester(), || Via::Client(Arc::clone(connection)), value)
    }

    /// The same for a server, which knows this of the connection.
    pub(in crate::qi) fn served(
        requester: &Arc<Requester>,
        server: &Arc<impl Any + Send + Sync>,
        value: Value,
    ) -> Received {
        Received::with(requester, || Via::Server(Arc::clone(server) as _), value)
    }

    fn with(requester: &Arc<Requester>, via: impl Fn() -> Via, value: Value) -> Received {
        Received { objects: all_in(requester, via, &value), value }
    }

    /// The objects alone, of a value that came to a server.
    pub(in crate::qi) fn objects_in(
        requester: &Arc<Requester>,
        server: &Arc<impl Any + Send + Sync>,
        value: &Value,
    ) -> Vec<Arc<RemoteObject>> {
        all_in(requester, || Via::Server(Arc::clone(server) as _), value)
    }

    /// A value without objects, or whose objects have died with their connection.
    pub(in crate::qi) fn plain(value: Value) -> Received {
        Received { value, objects: Vec::new() }
    }

    /// The value itself.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value in another type, with the same objects.
    pub(in crate::qi) fn converted(self, to: &Signature) -> Result<Received, ConvertError> {
        Ok(Received { value: convert(self.value, to)?, objects: self.objects })
    }

    /// What is inside, if it is a dynamic, with the same objects: one that is still bytes has none.
    pub(in crate::qi) fn undynamic(self) -> Result<Received, DecodeError> {
        Ok(Received { value: self.value.undynamic()?, objects: self.objects })
    }

    /// The value alone: what objects were in it are released.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Both.
    pub(in crate::qi) fn into_parts(self) -> (Value, Vec<Arc<RemoteObject>>) {
        (self.value, self.objects)
    }

    /// All objects in it, in the order in which they stand there; they can be kept beyond this value.
    pub fn objects(&self) -> &[Arc<RemoteObject>] {
        &self.objects
    }
}

fn all_in(requester: &Arc<Requester>, via: impl Fn() -> Via, value: &Value) -> Vec<Arc<RemoteObject>> {
    let mut objects = Vec::new();
    value.each_object(&mut |object| objects.push(RemoteObject::new(requester, &via(), object)));
    objects
}

impl Deref for Received {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

impl PartialEq<Value> for Received {
    fn eq(&self, other: &Value) -> bool {
        self.value == *other
    }
}
