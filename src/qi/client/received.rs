//! What came from a peer, with the objects in it: a reference lives as long as somebody here holds it, then the peer
//! is told (qi-messaging.md 13).

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use crate::qi::convert::{ConvertError, convert};
use crate::qi::message::Message;
use crate::qi::meta::MetaObject;
use crate::qi::signature::Signature;
use crate::qi::value::{DecodeError, Object, Uid, Value};

use super::connection::Connection;
use super::proxy::Proxy;

/// Action that releases an object, on every object.
pub const TERMINATE: u32 = 3;
/// Id of the main object of every service, which nobody owns.
pub const MAIN_OBJECT: u32 = 1;

/// An object of the peer's that was handed to us. The peer keeps it until the last of these is dropped, or the connection
/// ends, which makes all of them useless.
pub struct RemoteObject {
    connection: Arc<Connection>,
    pub service: u32,
    pub object: u32,
    pub meta: Arc<MetaObject>,
    /// Equal for references to the same object, also on other connections.
    pub uid: Option<Uid>,
}

impl RemoteObject {
    /// The connection that it lives on, and on no other.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for RemoteObject {
    fn drop(&mut self) {
        self.connection.objects().released(&self.connection, self);
    }
}

impl fmt::Debug for RemoteObject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RemoteObject({}.{} of {})", self.service, self.object, self.connection.url())
    }
}

/// The references to a connection's objects that are held here.
#[derive(Debug, Default)]
pub struct Objects(crate::sys::sync::Mutex<HashMap<(u32, u32), Weak<RemoteObject>>>);

impl Objects {
    /// The handle of this object: the one that is there, or a new one.
    fn hold(&self, connection: &Arc<Connection>, object: &Object) -> Arc<RemoteObject> {
        let mut held = self.0.lock();
        let key = (object.service, object.object);
        if let Some(there) = held.get(&key).and_then(Weak::upgrade) {
            return there;
        }
        let new = Arc::new(RemoteObject {
            connection: Arc::clone(connection),
            service: object.service,
            object: object.object,
            meta: Arc::clone(&object.meta),
            uid: object.uid,
        });
        held.insert(key, Arc::downgrade(&new));
        new
    }

    /// The last handle has gone. Nothing is sent if a new one has come about meanwhile: that one will.
    fn released(&self, connection: &Connection, object: &RemoteObject) {
        let key = (object.service, object.object);
        {
            let mut held = self.0.lock();
            match held.get(&key) {
                Some(there) if there.strong_count() == 0 => held.remove(&key),
                _ => return,
            };
        }
        if object.object != MAIN_OBJECT {
            connection.metas().lock().remove(&key);
        }
        let endpoint = connection.endpoint();
        if object.object != MAIN_OBJECT && endpoint.is_open() {
            let payload = object.service.to_le_bytes().to_vec().into();
            let post = Message::post(endpoint.next_id(), object.service, object.object, TERMINATE, payload);
            connection.send_unanswered(&post);
        }
    }

    /// Objects that are held.
    pub fn len(&self) -> usize {
        self.0.lock().values().filter(|object| object.strong_count() > 0).count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value from a peer. It reads like a [`Value`]; dropping it releases the objects in it that nobody else holds.
#[derive(Clone, Debug)]
pub struct Received {
    value: Value,
    objects: Vec<Arc<RemoteObject>>,
}

impl Received {
    /// Takes the references in `value` into our keeping.
    pub(super) fn adopt(connection: &Arc<Connection>, value: Value) -> Received {
        let mut objects = Vec::new();
        value.each_object(&mut |object| objects.push(connection.objects().hold(connection, object)));
        Received { value, objects }
    }

    /// A value without objects, or whose objects have died with their connection.
    pub(super) fn plain(value: Value) -> Received {
        Received { value, objects: Vec::new() }
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value in another type, with the same objects.
    pub(super) fn converted(self, to: &Signature) -> std::result::Result<Received, ConvertError> {
        Ok(Received { value: convert(self.value, to)?, objects: self.objects })
    }

    /// What is inside, if it is a dynamic, with the same objects: one that is still bytes has none.
    pub(super) fn undynamic(self) -> std::result::Result<Received, DecodeError> {
        Ok(Received { value: self.value.undynamic()?, objects: self.objects })
    }

    /// The value alone: what objects were in it are released.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// All objects in it, in the order in which they stand there; they can be kept beyond this value.
    pub fn objects(&self) -> &[Arc<RemoteObject>] {
        &self.objects
    }

    /// A proxy of the first object in it: of the object itself where a method returns one.
    pub fn proxy(&self) -> Option<Proxy> {
        self.objects.first().map(Proxy::of_object)
    }
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
