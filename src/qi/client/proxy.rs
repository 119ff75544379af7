//! A proxy: an object of a peer's as it looks from here. Calls, properties; signals are in `subscribe.rs`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};

use crate::qi::convert::resolve;
use crate::qi::endpoint::Reason;
use crate::qi::message::Flags;
use crate::qi::meta::{MetaMethod, MetaObject, SIGNATURE};
use crate::qi::payload::{PayloadError, write_arguments};
use crate::qi::server::{Answer, Object, Remote, Server, passing};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{Text, Uid, Value, Writer};
use crate::sys::sync::Mutex;

use super::call::{CallOptions, Canceler, Expected, PendingCall};
use super::connection::{Connection, Target, Waiter};
use super::error::{ClientError, Result};
use super::news::News;
use super::received::{MAIN_OBJECT, Received, RemoteObject};
use super::retry::Retry;
use super::shared::shared_server;
use super::subscribe::Feed;
use super::typed::{FromValue, typed};
use super::waiting::{Slot, deadline_in};

/// Generic actions of every object (section 9).
const META_OBJECT: u32 = 2;
const PROPERTY: u32 = 5;
const SET_PROPERTY: u32 = 6;
const PROPERTIES: u32 = 7;

/// Meta objects that one connection remembers; when there are more, it begins anew.
const MAX_METAS: usize = 4096;

/// Told how a call ended, on the thread that reads the connection: it must not block. A panic ends there.
pub type Completion = Box<dyn FnOnce(Result<Received>) + Send>;

/// An object on a connection.
pub(in crate::qi) struct Place {
    pub connection: Arc<Connection>,
    pub service: u32,
    pub object: u32,
    pub meta: Arc<MetaObject>,
    /// What keeps the object there, if it was handed to us.
    pub held: Option<Held>,
}

/// An object that was handed to us: as a result or in an event, or as an argument of a call to an object of ours.
#[derive(Clone)]
pub(in crate::qi) enum Held {
    Received(Arc<RemoteObject>),
    Passed(Remote),
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Place({}.{} of {})", self.service, self.object, self.connection.url())
    }
}

impl Held {
    /// Its identity, if its peer has told it.
    pub fn uid(&self) -> Option<Uid> {
        match self {
            Held::Received(object) => object.uid,
            Held::Passed(remote) => remote.uid(),
        }
    }
}

/// What all clones of a proxy share. After a reconnection its object is in another place.
pub(super) struct Cell {
    pub name: String,
    place: Mutex<Arc<Place>>,
    feeds: Mutex<Vec<Weak<Feed>>>,
    timeout: Option<Duration>,
    /// Tells the keeper of its session, which finds it again after a loss.
    keeper: Option<Arc<News>>,
    /// When to look for it again.
    pub retry: Mutex<Retry>,
    /// The directory has said that the service is no more.
    pub removed: AtomicBool,
    /// Nobody finds it again.
    closed: AtomicBool,
}

impl Cell {
    pub fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place.lock())
    }

    /// Its object is there, as far as is known.
    pub fn is_current(&self) -> bool {
        !self.removed.load(Ordering::Acquire) && self.place().connection.is_open()
    }

    /// What calls have that say nothing else.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub fn survives(&self) -> bool {
        self.keeper.is_some()
    }

    /// A subscription that has begun follows the object from now on.
    pub fn enrol(&self, feed: &Arc<Feed>) {
        {
            let mut feeds = self.feeds.lock();
            feeds.retain(|feed| feed.strong_count() > 0);
            feeds.push(Arc::downgrade(feed));
        }
        if self.closed.load(Ordering::Acquire) {
            return feed.end(&Reason::Closed);
        }
        // The object may have moved since it began, and who moved it knew nothing of this.
        if let Some(keeper) = self.keeper.as_ref().filter(|_| !feed.is_attached(&self.place())) {
            keeper.tell();
        }
    }

    /// The session is closed: subscriptions that wait for another connection wait in vain.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.live_feeds().iter().for_each(|feed| feed.end(&Reason::Closed));
    }

    /// The subscriptions that somebody still holds.
    pub fn live_feeds(&self) -> Vec<Arc<Feed>> {
        let held: Vec<_> = self.feeds.lock().iter().filter_map(Weak::upgrade).collect();
        held.into_iter().filter(|feed| !feed.is_over()).collect()
    }

    /// The object is here now.
    pub fn move_to(&self, place: Place) {
        self.removed.store(false, Ordering::Release);
        let before = std::mem::replace(&mut *self.place.lock(), Arc::new(place));
        // Under no lock: it may be the last that holds a connection.
        drop(before);
    }
}

/// An object of a peer's: its methods, properties and signals by name. Clones are the same proxy. All methods may be called
/// from any thread; those that wait fail with `EDEADLK` on a thread that reads a connection.
#[derive(Clone)]
pub struct Proxy(pub(super) Arc<Cell>);

impl Proxy {
    /// The object (`service`, `object`) of the peer, which is asked for its meta object unless the connection knows it.
    /// Fails like a call.
    pub fn new(connection: &Arc<Connection>, service: u32, object: u32, timeout: Option<Duration>) -> Result<Proxy> {
        let meta = meta_object(connection, service, object, timeout)?;
        let place = Place { connection: Arc::clone(connection), service, object, meta, held: None };
        Ok(Proxy::at(place, format!("{service}.{object}"), timeout, None))
    }

    /// An object that was handed to us; the proxy keeps it.
    pub fn of_object(object: &Arc<RemoteObject>) -> Proxy {
        let place = Place {
            connection: Arc::clone(object.connection()),
            service: object.service,
            object: object.object,
            meta: Arc::clone(&object.meta),
            held: Some(Held::Received(Arc::clone(object))),
        };
        Proxy::at(place, format!("{}.{}", object.service, object.object), None, None)
    }

    /// An object that a peer has passed to a method of ours ([`Call::remote`](crate::qi::server::Call::remote)); the proxy
    /// keeps it. [`ClientError::Disconnected`].
    pub fn of_remote(remote: &Remote) -> Result<Proxy> {
        let (connection, (service, object)) = (remote.connection()?, remote.ids());
        let place = Place {
            connection,
            service,
            object,
            meta: Arc::clone(remote.meta()),
            held: Some(Held::Passed(remote.clone())),
        };
        Ok(Proxy::at(place, format!("{service}.{object}"), None, None))
    }

    /// `keeper`: who finds the object again when its connection is lost, if anybody does.
    pub(super) fn at(place: Place, name: String, timeout: Option<Duration>, keeper: Option<Arc<News>>) -> Proxy {
        let (place, removed) = (Mutex::new(Arc::new(place)), AtomicBool::new(false));
        let (feeds, retry) = (Mutex::default(), Mutex::default());
        let closed = AtomicBool::new(false);
        Proxy(Arc::new(Cell { name, place, feeds, timeout, keeper, retry, removed, closed }))
    }

    /// Where the object is now.
    pub(in crate::qi) fn place(&self) -> Arc<Place> {
        self.0.place()
    }

    /// An object of ours that stands for this one, to be passed to anybody: it passes on what it is asked
    /// ([`Server::forward`]).
    pub fn forwarded(&self) -> Result<Object> {
        Ok(shared_server()?.forward(self)?)
    }

    /// What the object can do.
    pub fn meta(&self) -> Arc<MetaObject> {
        Arc::clone(&self.0.place().meta)
    }

    /// The service's name, or the object's ids.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Ids of service and object, as messages carry them.
    pub fn ids(&self) -> (u32, u32) {
        let place = self.0.place();
        (place.service, place.object)
    }

    /// The connection that its messages go through.
    pub fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.0.place().connection)
    }

    /// The object's handle, if we have received it.
    pub fn object(&self) -> Option<Arc<RemoteObject>> {
        match &self.0.place().held {
            Some(Held::Received(object)) => Some(Arc::clone(object)),
            _ => None,
        }
    }

    /// Calls a method and waits for its result. `name` is a method's name, chosen among overloads by the arguments (section
    /// 18), or a full name like `add::(ii)`. Arguments are converted to what is declared (19); those that cannot be are left
    /// to the server if it can do that. Fails as [`PendingCall::wait`] does, or with what is wrong about name and arguments.
    pub fn call(&self, name: &str, arguments: &[Value]) -> Result<Received> {
        self.call_with(name, arguments, &CallOptions::default())
    }

    /// [`Proxy::call`] with a result of this type.
    pub fn call_as(&self, name: &str, arguments: &[Value], wanted: &Signature) -> Result<Received> {
        self.call_with(name, arguments, &CallOptions { wanted: Some(wanted.clone()), ..CallOptions::default() })
    }

    /// [`Proxy::call`] with a result of a Rust type.
    pub fn call_to<T: FromValue>(&self, name: &str, arguments: &[Value]) -> Result<T> {
        typed(self.call(name, arguments)?)
    }

    /// [`Proxy::call`] with options.
    pub fn call_with(&self, name: &str, arguments: &[Value], options: &CallOptions) -> Result<Received> {
        self.start_call(name, arguments, options)?.wait()
    }

    /// Sends the call and gives a handle to wait with.
    pub fn start_call(&self, name: &str, arguments: &[Value], options: &CallOptions) -> Result<PendingCall> {
        let place = self.0.place();
        let (target, parameters, expected) = method_call(&place, name, arguments, options)?;
        let deadline = deadline_in(options.timeout.or(self.0.timeout));
        let wanted = options.wanted.as_ref();
        place.begin(target, expected, deadline, |writer| {
            encode_arguments(writer, &place, name, arguments, &parameters, wanted)
        })
    }

    /// Sends the call; `done` is told how it ends, exactly once unless this fails. Until then the call keeps its connection, and
    /// what is returned can cancel it.
    pub fn call_then(
        &self,
        name: &str,
        arguments: &[Value],
        options: &CallOptions,
        done: Completion,
    ) -> Result<Canceler> {
        let place = self.0.place();
        let (target, parameters, expected) = method_call(&place, name, arguments, options)?;
        let deadline = deadline_in(options.timeout.or(self.0.timeout));
        let keep = Arc::clone(&place.connection);
        let waiter = Waiter::Callback(Box::new(move |connection, outcome| {
            done(outcome.and_then(|reply| expected.read(connection, reply)));
            drop(keep);
        }));
        let wanted = options.wanted.as_ref();
        let encode = |writer: &mut Writer<'_>| encode_arguments(writer, &place, name, arguments, &parameters, wanted);
        let call = place.connection.start(target, waiter, deadline, encode)?;
        // Nobody may wait for this soon, so nobody else flushes.
        place.connection.endpoint().flush();
        Ok(Canceler::new(&place.connection, call))
    }

    /// Posts: a call without an answer, not even on failure. The name may be a method's, or a signal's: then the object
    /// emits it to all who listen (section 15).
    pub fn post(&self, name: &str, arguments: &[Value]) -> Result<()> {
        let place = self.0.place();
        if let (None, Some(signal)) = (place.meta.methods_named(name).next(), place.meta.signal_named(name)) {
            let (target, declared) = (place.target(signal.uid, None), signal.arguments_type()?);
            return place
                .connection
                .post(&target, |writer| encode_arguments(writer, &place, name, arguments, &declared, None));
        }
        let method = resolve(&place.meta, name, arguments)?;
        let (target, declared) = (place.target(method.uid, None), method.parameters_type()?);
        place.connection.post(&target, |writer| encode_arguments(writer, &place, name, arguments, &declared, None))
    }

    /// The value of a property.
    pub fn property(&self, name: &str) -> Result<Received> {
        if self.0.place().meta.property_named(name).is_none() {
            return Err(ClientError::NoMember { what: "property", name: name.into() });
        }
        self.property_of_key(name.into(), name)
    }

    /// The value of the property of this id.
    pub fn property_by_id(&self, id: u32) -> Result<Received> {
        self.property_of_key(id.into(), &format!("property {id}"))
    }

    /// [`Proxy::property`] as a Rust type.
    pub fn property_to<T: FromValue>(&self, name: &str) -> Result<T> {
        typed(self.property(name)?)
    }

    /// Sets a property; the server converts the value.
    pub fn set_property(&self, name: &str, value: Value) -> Result<()> {
        if self.0.place().meta.property_named(name).is_none() {
            return Err(ClientError::NoMember { what: "property", name: name.into() });
        }
        self.set_property_of_key(name.into(), name, value)
    }

    /// Sets the property of this id.
    pub fn set_property_by_id(&self, id: u32, value: Value) -> Result<()> {
        self.set_property_of_key(id.into(), &format!("property {id}"), value)
    }

    /// Hands an object of ours to the peer: gives the value to put into an argument of a call of *this* proxy. `server` serves
    /// it; one made by [`Server::provider`] without addresses will do. When that closes, it closes this connection too.
    pub fn pass(&self, server: &Server, object: &Object) -> Result<Value> {
        let place = self.0.place();
        let connection = &place.connection;
        let passed = server.pass(connection.endpoint(), connection.shared(), place.service, object);
        passed.map_err(|error| connection.gone(error))
    }

    /// Has `send` make a call of this proxy whose arguments refer to objects of ours ([`Object::to_value`]), which are all of
    /// `objects`; it gets the arguments with the addresses that the objects have on this connection. The peer keeps each of them
    /// until it releases it or the connection ends; if `send` fails it has never had them. Calls of them come on this
    /// connection, and are served by a server that the process has for that, unless one is there ([`Proxy::pass`]).
    pub fn passing<T>(
        &self,
        arguments: Vec<Value>,
        objects: &[Object],
        send: impl FnOnce(&[Value]) -> Result<T>,
    ) -> Result<T> {
        if objects.is_empty() {
            return send(&arguments);
        }
        let place = self.0.place();
        let (connection, endpoint) = (&place.connection, place.connection.endpoint());
        let served = shared_server()?.serve_unless_served(endpoint, connection.shared());
        served.map_err(|error| connection.gone(error))?;
        let arguments = objects.iter().fold(Answer::from(Value::tuple(arguments)), Answer::carrying);
        passing(endpoint, place.service, &arguments, send)
    }

    /// The names of all properties, as the server says them now.
    pub fn property_names(&self) -> Result<Vec<Text>> {
        let text = Signature::list(Kind::String.into());
        let names = self.generic(PROPERTIES, "properties", Vec::new(), text)?;
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        };
        Ok(names.items().unwrap_or_default().iter().filter_map(text).collect())
    }

    fn property_of_key(&self, key: Value, name: &str) -> Result<Received> {
        let value = self.generic(PROPERTY, name, vec![key.into_dynamic()], Kind::Dynamic.into())?;
        let failed = |error| ClientError::Payload { member: name.into(), error: Box::new(PayloadError::Decode(error)) };
        value.undynamic().map_err(failed)
    }

    fn set_property_of_key(&self, key: Value, name: &str, value: Value) -> Result<()> {
        let arguments = vec![key.into_dynamic(), value.into_dynamic()];
        self.generic(SET_PROPERTY, name, arguments, Kind::Void.into()).map(drop)
    }

    /// A generic method, whatever the meta object says about it.
    pub(super) fn generic(
        &self,
        action: u32,
        member: &str,
        arguments: Vec<Value>,
        result: Signature,
    ) -> Result<Received> {
        let place = self.0.place();
        let expected = Expected { member: member.into(), declared: result.clone(), wanted: None };
        let deadline = deadline_in(self.0.timeout);
        let tuple = Value::tuple(arguments);
        place
            .begin(place.target(action, Some(result)), expected, deadline, |writer| {
                let payload = writer.encode(&tuple, &tuple.signature());
                let encoding = |error| Box::new(PayloadError::Encode(error));
                let failed = |error| ClientError::Payload { member: member.into(), error: encoding(error) };
                Ok((payload.map_err(failed)?, Flags::NONE))
            })?
            .wait()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proxy({})", self.0.name)
    }
}

impl Place {
    pub fn target(&self, action: u32, result: Option<Signature>) -> Target {
        Target { service: self.service, object: self.object, action, result }
    }

    fn begin(
        &self,
        target: Target,
        expected: Expected,
        deadline: Option<Instant>,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) -> Result<PendingCall> {
        let slot = Arc::new(Slot::default());
        let call = self.connection.start(target, Waiter::Slot(Arc::clone(&slot)), deadline, encode)?;
        Ok(PendingCall::new(Arc::clone(&self.connection), call, slot, expected, deadline))
    }
}

/// What a call by name needs: where to, what it takes, and what comes back.
fn method_call(
    place: &Place,
    name: &str,
    arguments: &[Value],
    options: &CallOptions,
) -> Result<(Target, Signature, Expected)> {
    let method: &MetaMethod = resolve(&place.meta, name, arguments)?;
    let (parameters, declared) = (method.parameters_type()?, method.return_type()?);
    let target = place.target(method.uid, Some(declared.clone()));
    Ok((target, parameters, Expected { member: method.full_name(), declared, wanted: options.wanted.clone() }))
}

fn encode_arguments(
    writer: &mut Writer<'_>,
    place: &Place,
    name: &str,
    arguments: &[Value],
    parameters: &Signature,
    wanted: Option<&Signature>,
) -> Result<(Bytes, Flags)> {
    let message_flags = place.connection.shared().message_flags;
    let failed =
        |error: PayloadError| ClientError::Payload { member: format!("arguments of {name}"), error: Box::new(error) };
    let (payload, flags) = write_arguments(writer, arguments.to_vec(), parameters, message_flags).map_err(failed)?;
    let Some(wanted) = wanted.filter(|_| message_flags) else { return Ok((payload, flags)) };
    // The signature follows as a string of its own.
    let text = wanted.to_string();
    let mut with_type = BytesMut::with_capacity(payload.len() + 4 + text.len());
    with_type.put_slice(&payload);
    with_type.put_u32_le(text.len() as u32); // signatures are at most 64 KiB
    with_type.put_slice(text.as_bytes());
    Ok((with_type.freeze(), flags | Flags::RETURN_TYPE))
}

/// The meta object of an object of the peer's: the one the connection knows, or asked for now. A member that is nonsense
/// is complained of by who uses it.
pub(super) fn meta_object(
    connection: &Arc<Connection>,
    service: u32,
    object: u32,
    timeout: Option<Duration>,
) -> Result<Arc<MetaObject>> {
    let key = (service, object);
    if let Some(meta) = connection.metas().lock().get(&key) {
        return Ok(Arc::clone(meta));
    }
    let place = Place { connection: Arc::clone(connection), service, object, meta: Arc::default(), held: None };
    let expected = Expected { member: "metaObject".into(), declared: SIGNATURE.clone(), wanted: None };
    let encode = |_: &mut Writer<'_>| Ok((Bytes::from_static(&[0; 4]), Flags::NONE));
    let target = place.target(META_OBJECT, Some(SIGNATURE.clone()));
    let received = place.begin(target, expected, deadline_in(timeout), encode)?.wait()?;
    // A Reply with flags brings its own type along, which may be another.
    let Some(meta) = MetaObject::from_value(received.value()) else {
        return Err(ClientError::Protocol(format!("a meta object of type {}", received.value().signature())));
    };
    let meta = Arc::new(meta);
    let mut metas = connection.metas().lock();
    if metas.len() >= MAX_METAS {
        *metas = HashMap::new();
    }
    metas.insert(key, Arc::clone(&meta));
    Ok(meta)
}

/// Where the main object of a service is on this connection.
pub(super) fn main_object(connection: &Arc<Connection>, service: u32, timeout: Option<Duration>) -> Result<Place> {
    let meta = meta_object(connection, service, MAIN_OBJECT, timeout)?;
    Ok(Place { connection: Arc::clone(connection), service, object: MAIN_OBJECT, meta, held: None })
}
