//! A proxy: an object of a peer's as it looks from here. Calls, properties; signals are in `subscribe.rs`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::qi::actions::{PROPERTIES, PROPERTY, SET_PROPERTY};
use crate::qi::calls::coding;
use crate::qi::calls::requester::{Outcome, Target, Waiter};
use crate::qi::calls::waiting::Slot;
use crate::qi::calls::{CallError, Connection, Received, RemoteObject, Result};
use crate::qi::convert::{ConvertError, convert, resolve};
use crate::qi::endpoint::WhenFull;
use crate::qi::message::Flags;
use crate::qi::meta::{MetaMethod, MetaObject};
use crate::qi::payload::PayloadError;
use crate::qi::signature::{Kind, Signature};
use crate::qi::typed::{Arguments, FromValue, value_to};
use crate::qi::value::{Text, Value, Writer};
use crate::reactor::{deadline_in, time_left};

use super::call::{CallOptions, Canceler, Expected, PendingCall};
use super::changes::ChangeCounter;
use super::notices::Notice;
use super::place::{Place, meta_object};
use super::state::ProxyState;
use super::watch::Watch;

/// Told how a call ended, on the thread that reads the connection: it must not block. A panic ends there.
pub type Completion = Box<dyn FnOnce(Result<Received>) + Send>;

/// An object of a peer's: its methods, properties and signals by name. Clones are the same proxy. All methods may be called
/// from any thread; those that wait fail with `EDEADLK` on a thread that reads a connection, and with [`CallError::OwnTurn`] in a method of the very
/// object that does one thing at a time.
#[derive(Clone)]
pub struct Proxy(pub(super) Arc<ProxyState>);

impl Proxy {
    /// The object (`service`, `object`) of the peer, which is asked for its meta object unless the connection knows it.
    /// Fails like a call.
    pub fn new(connection: &Arc<Connection>, service: u32, object: u32, timeout: Option<Duration>) -> Result<Proxy> {
        let meta = meta_object(connection, service, object, timeout)?;
        let place = Place { connection: Arc::clone(connection), service, object, meta, uid: None, held: None };
        Ok(Proxy::at(place, format!("{service}.{object}"), timeout, None))
    }

    /// An object that was handed to us on this connection; the proxy keeps it.
    pub(in crate::qi) fn of(connection: &Arc<Connection>, object: &Arc<RemoteObject>) -> Proxy {
        let place = Place {
            connection: Arc::clone(connection),
            service: object.service,
            object: object.object,
            meta: Arc::clone(&object.meta),
            uid: object.uid,
            held: Some(Arc::clone(object)),
        };
        Proxy::at(place, format!("{}.{}", object.service, object.object), connection.call_timeout(), None)
    }

    /// `reconnector`: who finds the object again when its connection is lost, if anybody does.
    pub(in crate::qi) fn at(
        place: Place,
        name: String,
        timeout: Option<Duration>,
        reconnector: Option<Arc<ChangeCounter>>,
    ) -> Proxy {
        Proxy(Arc::new(ProxyState::new(place, name, timeout, reconnector)))
    }

    /// Where the object is now.
    pub(in crate::qi) fn place(&self) -> Arc<Place> {
        self.0.place()
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
        self.0.place().held.clone()
    }

    /// Has `callback` told when the object is lost ([`Notice::Lost`]: its connection has ended, or its service has gone), and, if the
    /// session reconnects, when it is there again ([`Notice::Restored`]). What is lost already is told at once. It is called as that of
    /// [`Proxy::watch`] is.
    pub fn on_notice(&self, callback: impl FnMut(Notice) + Send + 'static) -> Result<Watch> {
        self.0.on_notice(callback)
    }

    /// If it is lost, its session finds it again.
    pub(in crate::qi) fn may_come_back(&self) -> bool {
        self.0.may_come_back()
    }

    /// The object is there, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.0.is_current()
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

    /// Calls a method with arguments and a result of Rust types; otherwise as [`Proxy::call`].
    ///
    /// ```no_run
    /// # fn sum(calculator: &nanomsg::qi::client::Proxy) -> nanomsg::qi::client::Result<i32> {
    /// calculator.invoke("add", (1, 2))
    /// # }
    /// ```
    pub fn invoke<T: FromValue>(&self, name: &str, arguments: impl Arguments) -> Result<T> {
        self.call_to(name, &arguments.into_values())
    }

    /// [`Proxy::call`] with options.
    pub fn call_with(&self, name: &str, arguments: &[Value], options: &CallOptions) -> Result<Received> {
        self.start_awaited(name, arguments, options)?.wait()
    }

    /// Sends the call and gives a handle to wait with.
    pub fn start_call(&self, name: &str, arguments: &[Value], options: &CallOptions) -> Result<PendingCall> {
        self.start(name, arguments, options, Slot::default())
    }

    /// [`Proxy::start_call`] by who waits for it at once: there is room for the result however many others wait to be taken.
    pub fn start_awaited(&self, name: &str, arguments: &[Value], options: &CallOptions) -> Result<PendingCall> {
        self.start(name, arguments, options, Slot::awaited())
    }

    fn start(
        &self,
        name: &str,
        arguments: &[Value],
        options: &CallOptions,
        slot: Slot<Outcome>,
    ) -> Result<PendingCall> {
        let place = self.0.place();
        let (target, parameters, expected) = method_call(&place, name, arguments, options)?;
        let deadline = deadline_in(options.timeout.or(self.0.timeout()));
        let wanted = options.wanted.as_ref();
        place.begin((target, slot), expected, deadline, |writer| {
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
        let wanted = options.wanted.as_ref();
        let encode = |writer: &mut Writer<'_>| encode_arguments(writer, &place, name, arguments, &parameters, wanted);
        self.begin_then(&place, target, expected, options, encode, done)
    }

    /// Sends a Call; `done` is told how it ends, unless this fails.
    fn begin_then(
        &self,
        place: &Place,
        target: Target,
        expected: Expected,
        options: &CallOptions,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
        done: Completion,
    ) -> Result<Canceler> {
        let deadline = deadline_in(options.timeout.or(self.0.timeout()));
        let waiter = told(place, expected, done);
        let call = place.connection.start_when(target, waiter, (deadline, options.when_full(deadline)), encode)?;
        // Nobody may wait for this soon, so nobody else flushes.
        place.connection.endpoint().flush();
        Ok(Canceler::new(&place.connection, call))
    }

    /// [`Proxy::call_then`] for what counts though the caller has gone: it has no time limit, but waits for room until `deadline`.
    pub(super) fn call_lasting(
        &self,
        name: &str,
        arguments: &[Value],
        deadline: Option<Instant>,
        done: Completion,
    ) -> Result<Canceler> {
        let place = self.0.place();
        let (target, parameters, expected) = method_call(&place, name, arguments, &CallOptions::default())?;
        let encode = |writer: &mut Writer<'_>| encode_arguments(writer, &place, name, arguments, &parameters, None);
        let times = (None, WhenFull::Block(time_left(deadline)));
        let call = place.connection.start_when(target, told(&place, expected, done), times, encode)?;
        Ok(Canceler::new(&place.connection, call))
    }

    /// A call that takes something back: it has no time limit, does not wait for room, and `done` is told in any case.
    pub(super) fn call_anyway(&self, name: &str, arguments: &[Value], done: Completion) {
        let place = self.0.place();
        let (target, parameters, expected) = match method_call(&place, name, arguments, &CallOptions::default()) {
            Ok(call) => call,
            Err(error) => return done(Err(error)),
        };
        let encode = |writer: &mut Writer<'_>| encode_arguments(writer, &place, name, arguments, &parameters, None);
        place.connection.requester().start_anyway(target, told(&place, expected, done), encode);
        place.connection.endpoint().flush();
    }

    /// Posts: a call without an answer, not even on failure. The name may be a method's, or a signal's: then the object
    /// emits it to all who listen (section 15). Waits for room to send at most as long as a call would.
    pub fn post(&self, name: &str, arguments: &[Value]) -> Result<()> {
        self.post_when(name, arguments, WhenFull::Block(self.0.timeout()))
    }

    /// [`Proxy::post`], with what to do about a full connection: `EAGAIN` of [`WhenFull::Fail`] says that nothing was sent.
    pub fn post_when(&self, name: &str, arguments: &[Value], full: WhenFull) -> Result<()> {
        let place = self.0.place();
        if let (None, Some(signal)) = (place.meta.methods_named(name).next(), place.meta.signal_named(name)) {
            let (target, declared) = (place.target(signal.uid, None), signal.arguments_type()?);
            // Nobody would get an event of another type, and nobody would tell us.
            let failed = |error: ConvertError| CallError::Payload {
                member: format!("arguments of {name}"),
                error: Box::new(error.into()),
            };
            let tuple = convert(Value::tuple(arguments.to_vec()), &declared).map_err(failed)?;
            let arguments = tuple.members().unwrap_or(arguments);
            return place
                .connection
                .post(&target, full, |writer| encode_arguments(writer, &place, name, arguments, &declared, None));
        }
        let method = resolve(&place.meta, name, arguments)?;
        let (target, declared) = (place.target(method.uid, None), method.parameters_type()?);
        place
            .connection
            .post(&target, full, |writer| encode_arguments(writer, &place, name, arguments, &declared, None))
    }

    /// The value of a property.
    pub fn property(&self, name: &str) -> Result<Received> {
        self.property_with(name, &CallOptions::default())
    }

    /// [`Proxy::property`] with options, of which the time matters.
    pub fn property_with(&self, name: &str, options: &CallOptions) -> Result<Received> {
        self.property_exists(name)?;
        self.property_of_key(name.into(), name, options)
    }

    /// [`Proxy::property`] for who is told how it ends, as by [`Proxy::call_then`].
    pub fn property_then(&self, name: &str, options: &CallOptions, done: Completion) -> Result<Canceler> {
        self.property_exists(name)?;
        let told = name.to_owned();
        let done = Box::new(move |outcome: Result<Received>| done(outcome.and_then(|value| content(value, &told))));
        let arguments = vec![Value::from(name).into_dynamic()];
        self.generic_then((PROPERTY, name), arguments, Kind::Dynamic.into(), options, done)
    }

    /// [`Proxy::set_property`] for who is told how it ends.
    pub fn set_property_then(
        &self,
        name: &str,
        value: Value,
        options: &CallOptions,
        done: Completion,
    ) -> Result<Canceler> {
        self.property_exists(name)?;
        let arguments = vec![Value::from(name).into_dynamic(), value.into_dynamic()];
        self.generic_then((SET_PROPERTY, name), arguments, Kind::Void.into(), options, done)
    }

    fn property_exists(&self, name: &str) -> Result<()> {
        match self.0.place().meta.property_named(name) {
            Some(_) => Ok(()),
            None => Err(CallError::NoMember { what: "property", name: name.into() }),
        }
    }

    /// The value of the property of this id.
    pub fn property_by_id(&self, id: u32) -> Result<Received> {
        self.property_of_key(id.into(), &format!("property {id}"), &CallOptions::default())
    }

    /// [`Proxy::property`] as a Rust type.
    pub fn property_to<T: FromValue>(&self, name: &str) -> Result<T> {
        typed(self.property(name)?)
    }

    /// Sets a property; the server converts the value.
    pub fn set_property(&self, name: &str, value: Value) -> Result<()> {
        self.set_property_with(name, value, &CallOptions::default())
    }

    /// [`Proxy::set_property`] with options, of which the time matters.
    pub fn set_property_with(&self, name: &str, value: Value, options: &CallOptions) -> Result<()> {
        self.property_exists(name)?;
        self.set_property_of_key(name.into(), name, value, options)
    }

    /// Sets the property of this id.
    pub fn set_property_by_id(&self, id: u32, value: Value) -> Result<()> {
        self.set_property_of_key(id.into(), &format!("property {id}"), value, &CallOptions::default())
    }

    /// The names of all properties, as the server says them now.
    pub fn property_names(&self) -> Result<Vec<Text>> {
        let text = Signature::list(Kind::String.into());
        let names = self.generic(PROPERTIES, "properties", Vec::new(), text, &CallOptions::default())?;
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        };
        Ok(names.items().unwrap_or_default().iter().filter_map(text).collect())
    }

    fn property_of_key(&self, key: Value, name: &str, options: &CallOptions) -> Result<Received> {
        content(self.generic(PROPERTY, name, vec![key.into_dynamic()], Kind::Dynamic.into(), options)?, name)
    }

    fn set_property_of_key(&self, key: Value, name: &str, value: Value, options: &CallOptions) -> Result<()> {
        let arguments = vec![key.into_dynamic(), value.into_dynamic()];
        self.generic(SET_PROPERTY, name, arguments, Kind::Void.into(), options).map(drop)
    }

    /// A generic method, whatever the meta object says about it.
    pub(super) fn generic(
        &self,
        action: u32,
        member: &str,
        arguments: Vec<Value>,
        result: Signature,
        options: &CallOptions,
    ) -> Result<Received> {
        let place = self.0.place();
        let expected = Expected { member: member.into(), declared: result.clone(), wanted: None };
        let deadline = deadline_in(options.timeout.or(self.0.timeout()));
        let target = place.target(action, Some(result));
        place.begin((target, Slot::awaited()), expected, deadline, generic_arguments(member, arguments))?.wait()
    }

    fn generic_then(
        &self,
        (action, member): (u32, &str),
        arguments: Vec<Value>,
        result: Signature,
        options: &CallOptions,
        done: Completion,
    ) -> Result<Canceler> {
        let place = self.0.place();
        let expected = Expected { member: member.into(), declared: result.clone(), wanted: None };
        let target = place.target(action, Some(result));
        self.begin_then(&place, target, expected, options, generic_arguments(member, arguments), done)
    }
}

/// Who is told of a call keeps its connection until then.
fn told(place: &Place, expected: Expected, done: Completion) -> Waiter {
    let keep = Arc::clone(&place.connection);
    Waiter::Callback(Box::new(move |_, outcome| done(outcome.and_then(|reply| expected.read(&keep, reply)))))
}

/// Writes the arguments of a generic method with the types that they have.
fn generic_arguments(
    member: &str,
    arguments: Vec<Value>,
) -> impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)> + use<> {
    let (member, tuple) = (member.to_owned(), Value::tuple(arguments));
    move |writer| {
        let payload = writer.encode(&tuple, &tuple.signature());
        let failed = |error| CallError::Payload { member, error: Box::new(PayloadError::Encode(error)) };
        Ok((payload.map_err(failed)?, Flags::NONE))
    }
}

/// The value of a property, which came in a dynamic.
fn content(value: Received, name: &str) -> Result<Received> {
    let failed = |error| CallError::Payload { member: name.into(), error: Box::new(PayloadError::Decode(error)) };
    value.undynamic().map_err(failed)
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proxy({})", self.0.name)
    }
}

/// The result as a Rust type; fails if it cannot be had in it.
pub(super) fn typed<T: FromValue>(received: Received) -> Result<T> {
    value_to(received.into_value()).map_err(|error| CallError::Result(Box::new(error)))
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
    let failed =
        |error: PayloadError| CallError::Payload { member: format!("arguments of {name}"), error: Box::new(error) };
    let message_flags = place.connection.shared().message_flags;
    coding::encode_arguments(writer, arguments.to_vec(), parameters, message_flags, wanted).map_err(failed)
}

impl Received {
    /// A proxy of the first object in it, if that came to a client: of the object itself where a method returns one.
    pub fn proxy(&self) -> Option<Proxy> {
        let object = self.objects().first()?;
        Some(Proxy::of(object.connection()?, object))
    }
}
