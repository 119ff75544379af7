//! Signals and properties: who has subscribed, and telling them (qi-messaging.md 15).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use crate::qi::actions::TRACE;
use crate::qi::convert::{ConvertError, convert};
use crate::qi::endpoint::budget::Account;
use crate::qi::signature::Signature;
use crate::qi::typed::{FromValue, IntoValue, value_to};
use crate::qi::value::Value;

use super::model::{Address, Answer, Object, Peer, PropertyValue, Subscription, Wanted};

/// Registrations that one connection may have for one signal of an object: each is an event more, and all of them are sent before the
/// emitter goes on.
const MAX_SAME: usize = 100;

/// Types in which one connection may have the events of one signal. Each is a conversion of every event.
const MAX_WANTED: usize = 4;

/// The link whose end always succeeds and does nothing.
const NO_LINK: u64 = u64::MAX;

impl Subscription {
    pub fn is_of(&self, peer: &Peer, address: Address) -> bool {
        self.address == address && std::ptr::eq(&raw const *self.peer, peer)
    }

    /// Why there can be no more, beside these of the same connection and signal.
    fn refusal<'a>(&self, same: impl Iterator<Item = &'a Arc<Subscription>>) -> Option<&'static str> {
        let (mut count, mut types) = (0, SmallVec::<[&Signature; MAX_WANTED]>::new());
        for other in same {
            count += usize::from(other.address == self.address);
            if let Some(wanted) = &other.wanted
                && !types.contains(&&wanted.ty)
            {
                types.push(&wanted.ty);
            }
        }
        let is_new = self.wanted.as_ref().is_some_and(|wanted| !types.contains(&&wanted.ty));
        match () {
            () if count >= MAX_SAME => Some("Too many subscriptions of this connection to this signal"),
            () if is_new && types.len() >= MAX_WANTED => {
                Some("Too many types of events of this signal on this connection")
            }
            () => None,
        }
    }

    fn wanted_size(&self) -> usize {
        self.wanted.as_ref().map_or(0, |wanted| wanted.text.len())
    }
}

/// What a registration asks for.
pub(super) struct SubscribeRequest {
    pub signal: u32,
    pub link: u64,
    pub wanted: Option<Wanted>,
}

/// How an emission went, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emitted {
    /// Events sent.
    pub sent: usize,
    /// Subscribers that are told later, by workers: there are so many that the emitter would be held up for long.
    pub waiting: usize,
    /// Events dropped because the subscriber does not read.
    pub dropped: usize,
}

impl Emitted {
    /// To how many subscribers it goes: to those that have it, and to those that are told later. Who has lost it already is not among
    /// them.
    pub fn listeners(&self) -> usize {
        self.sent + self.waiting
    }
}

/// Why nothing was emitted, or a property not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmitError {
    /// There is no signal, or no property, of this name.
    Unknown(String),
    /// The arguments cannot be had in the declared type.
    Type(String),
}

impl fmt::Display for EmitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmitError::Unknown(name) => write!(out, "no signal or property {name}"),
            EmitError::Type(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for EmitError {}

impl Object {
    /// Emits a signal to all subscribers. One that does not read loses the event, which is counted. After a millisecond, or 512
    /// subscribers, the rest is told in turn with what else the object has to do, and before the next event.
    pub fn emit(&self, signal: &str, arguments: Vec<Value>) -> Result<Emitted, EmitError> {
        self.emit_with(signal, arguments, &[])
    }

    /// The same with objects that the arguments refer to ([`Object::to_value`]).
    pub fn emit_with(&self, signal: &str, arguments: Vec<Value>, objects: &[Object]) -> Result<Emitted, EmitError> {
        let id = self.signal_id(signal).ok_or_else(|| EmitError::Unknown(signal.to_owned()))?;
        self.emit_answer(id, Answer { value: Value::tuple(arguments), objects: objects.to_vec() })
    }

    /// The value of a property.
    pub fn get(&self, property: &str) -> Option<Value> {
        let (id, ty) = self.property_named(property).ok()?;
        self.value_of(id, ty)
    }

    /// Sets a property and tells its subscribers, also if the value is what it was. The code that judges what peers set is
    /// not asked.
    pub fn set(&self, property: &str, value: impl Into<Value>) -> Result<Emitted, EmitError> {
        let (id, ty) = self.property_named(property)?;
        let value = convert(value.into(), ty).map_err(|error| EmitError::Type(error.to_string()))?;
        self.set_converted(id, ty, value, None)
    }

    /// Sets a property to what `change` makes of its value, tells its subscribers, and returns the new value. Nobody else sets it or
    /// emits in between: `change` must not use the object, which waits for it.
    ///
    /// ```
    /// use nanomsg::qi::server::ObjectBuilder;
    ///
    /// let mut builder = ObjectBuilder::new();
    /// builder.property("count", "i", 41);
    /// let object = builder.build()?;
    /// assert_eq!(object.update("count", |count: i32| count + 1), Ok(42));
    /// # Ok::<(), String>(())
    /// ```
    pub fn update<T>(&self, property: &str, change: impl FnOnce(T) -> T) -> Result<T, EmitError>
    where
        T: FromValue + IntoValue + Clone,
    {
        let (id, ty) = self.property_named(property)?;
        let wrong = |error: ConvertError| EmitError::Type(error.to_string());
        let mut now = None;
        self.emit_after(id, || {
            let before = self.value_of(id, ty).ok_or_else(|| EmitError::Unknown(property.to_owned()))?;
            let after = change(value_to(before).map_err(wrong)?);
            now = Some(after.clone());
            self.changed(id, ty, convert(after.into_value(), ty).map_err(wrong)?, None)
        })?;
        now.ok_or_else(|| EmitError::Unknown(property.to_owned()))
    }

    fn property_named(&self, property: &str) -> Result<(u32, &Signature), EmitError> {
        let unknown = || EmitError::Unknown(property.to_owned());
        let id = self.0.meta.property_named(property).ok_or_else(unknown)?.uid;
        Ok((id, &self.0.properties.get(&id).ok_or_else(unknown)?.ty))
    }

    /// The value of a property of this type.
    pub(super) fn value_of(&self, id: u32, ty: &Signature) -> Option<Value> {
        let bytes = self.0.values.lock().get(&id)?.bytes();
        Some(PropertyValue::read(&bytes, ty))
    }

    pub(super) fn set_converted(
        &self,
        id: u32,
        ty: &Signature,
        value: Value,
        payer: Option<&Arc<Account>>,
    ) -> Result<Emitted, EmitError> {
        self.emit_after(id, || self.changed(id, ty, value, payer))
    }

    /// Sets a property, and returns what is to be told and the value that was there.
    fn changed(
        &self,
        id: u32,
        ty: &Signature,
        value: Value,
        payer: Option<&Arc<Account>>,
    ) -> Result<(Answer, Option<PropertyValue>), EmitError> {
        let kept = PropertyValue::new(&value, ty, payer).map_err(EmitError::Type)?;
        let before = self.0.values.lock().insert(id, kept);
        Ok((Value::tuple(vec![value]).into(), before))
    }

    /// Registrations for a signal or property, of all connections.
    pub fn subscribers(&self, signal: &str) -> usize {
        let id = self.signal_id(signal);
        self.0.subscriptions.lock().iter().filter(|subscription| Some(subscription.signal) == id).count()
    }

    /// The text is for the caller.
    pub(super) fn subscribe(
        &self,
        peer: &Arc<Peer>,
        address: Address,
        SubscribeRequest { signal, link, wanted }: SubscribeRequest,
    ) -> Result<(), &'static str> {
        if !self.0.signals.contains_key(&signal) {
            return Err("No such signal");
        }
        let (peer, ended, overtaken) = (Arc::clone(peer), AtomicBool::new(false), AtomicBool::new(false));
        let subscription = Arc::new(Subscription { peer, address, signal, link, wanted, ended, overtaken });
        let peer = &subscription.peer.clone();
        if !peer.begin_subscription(subscription.wanted_size()) {
            return Err("Too many subscriptions on this connection");
        }
        {
            let mut subscriptions = self.0.subscriptions.lock();
            let is_same = |other: &&Arc<Subscription>| other.signal == signal && Arc::ptr_eq(&other.peer, peer);
            let same = subscriptions.iter().filter(is_same);
            if let Some(refusal) = subscription.refusal(same) {
                drop(subscriptions);
                peer.end_subscription(subscription.wanted_size());
                return Err(refusal);
            }
            subscriptions.push(Arc::clone(&subscription));
        }
        self.audience_changed(&subscription);
        // The end of the connection may have come between; whoever is later sweeps.
        if peer.is_closed() {
            self.unsubscribe_all(|subscription| Arc::ptr_eq(&subscription.peer, peer));
        }
        if signal == TRACE {
            self.0.instrumentation.set_tracing(true);
        }
        Ok(())
    }

    /// Ends one registration of this link, the oldest. The text is for the caller.
    pub(super) fn unsubscribe(&self, peer: &Arc<Peer>, address: Address, link: u64) -> Result<(), &'static str> {
        if link == NO_LINK {
            return Ok(());
        }
        let mut subscriptions = self.0.subscriptions.lock();
        let is_it = |other: &Arc<Subscription>| {
            other.link == link && other.address == address && Arc::ptr_eq(&other.peer, peer)
        };
        let at = subscriptions.iter().position(is_it).ok_or("Unregister request failed")?;
        let gone = subscriptions.remove(at);
        drop(subscriptions);
        self.ended(&[gone]);
        Ok(())
    }

    pub(super) fn unsubscribe_all(&self, which: impl Fn(&Subscription) -> bool) {
        let gone: Vec<_> = {
            let mut subscriptions = self.0.subscriptions.lock();
            if !subscriptions.iter().any(|subscription| which(subscription)) {
                return;
            }
            let (gone, kept) = subscriptions.drain(..).partition(|subscription| which(subscription));
            *subscriptions = kept;
            gone
        };
        self.ended(&gone);
    }

    fn ended(&self, gone: &[Arc<Subscription>]) {
        for subscription in gone {
            subscription.ended.store(true, Ordering::Relaxed);
            subscription.peer.end_subscription(subscription.wanted_size());
            self.audience_changed(subscription);
        }
        if let Some(origin) = &self.0.origin {
            gone.iter().for_each(|subscription| origin.unfollow(subscription.signal));
        }
        if gone.iter().any(|subscription| subscription.signal == TRACE) {
            let left = self.0.subscriptions.lock().iter().any(|subscription| subscription.signal == TRACE);
            self.0.instrumentation.set_tracing(left);
        }
    }
}
