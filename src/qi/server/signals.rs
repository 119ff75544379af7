//! Signals and properties: who has subscribed, and telling them (qi-messaging.md 15).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::qi::actions::TRACE;
use crate::qi::capability::Capabilities;
use crate::qi::convert::convert;
use crate::qi::message::{Flags, HEADER_SIZE, Message};
use crate::qi::payload::write_event;
use crate::qi::signature::Signature;
use crate::qi::value::{Reader, Value, Writer, encode};
use crate::transport::coalescing::Coalescing;

use super::connection::Policy;
use super::export::{Exported, refer};
use super::model::{Address, Answer, Object, Peer, Subscription, Wanted};
use super::object::count;

/// Registrations that one connection may have for one signal of an object: each is an event more, and all of them are sent before the
/// emitter goes on.
const MAX_SAME: usize = 100;

/// The link whose end always succeeds and does nothing.
const NO_LINK: u64 = u64::MAX;

impl Subscription {
    pub fn is_of(&self, peer: &Peer, address: Address) -> bool {
        self.address == address && std::ptr::eq(&raw const *self.peer, peer)
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

/// How an emission went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emitted {
    /// Events sent.
    pub sent: usize,
    /// Events dropped because the subscriber does not read.
    pub dropped: usize,
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

/// An event, encoded, by what makes the bytes differ between subscribers: capabilities, wanted type, service.
type Encodings = HashMap<(Capabilities, Option<Arc<str>>, Option<u32>), (Bytes, Flags)>;

/// One emission while it goes round.
struct Emission {
    signal: u32,
    declared: Signature,
    answer: Answer,
    /// Ids for the objects that the arguments refer to, the same on all connections.
    ids: Vec<u32>,
    encodings: Encodings,
    policy: Policy,
}

impl Object {
    /// Emits a signal to all subscribers. One that does not read loses the event, which is counted.
    pub fn emit(&self, signal: &str, arguments: Vec<Value>) -> Result<Emitted, EmitError> {
        self.emit_with(signal, arguments, &[])
    }

    /// The same with objects that the arguments refer to ([`Object::to_value`]).
    pub fn emit_with(&self, signal: &str, arguments: Vec<Value>, objects: &[Object]) -> Result<Emitted, EmitError> {
        let id = self.signal_id(signal).ok_or_else(|| EmitError::Unknown(signal.to_owned()))?;
        let answer = Answer { value: Value::tuple(arguments), objects: objects.to_vec() };
        let _order = self.0.order.lock();
        self.emit_in_order(id, answer)
    }

    /// Emits what a peer has posted, or a property's new value. The caller holds `order`, or does not mind.
    pub(super) fn emit_in_order(&self, signal: u32, answer: Answer) -> Result<Emitted, EmitError> {
        let declared = self.0.signals.get(&signal).ok_or_else(|| EmitError::Unknown(signal.to_string()))?.clone();
        // Also if nobody listens: a mistake should not wait for the first subscriber.
        let value = convert(answer.value, &declared).map_err(|error| EmitError::Type(error.to_string()))?;
        if signal != TRACE {
            self.trace_signal(signal, &value);
        }
        let subscriptions = self.0.subscriptions.lock().clone();
        // It is the thread that streams, if anybody does. Its connections cannot know: with a few subscribers there is too much time
        // between two events of one of them.
        let mut coalescing = Coalescing::default();
        let in_stream = coalescing.in_stream(0);
        let mut emission = Emission {
            signal,
            declared,
            answer: Answer { value, objects: answer.objects },
            ids: Vec::new(),
            encodings: HashMap::new(),
            policy: Policy::Event { in_stream },
        };
        let mut emitted = Emitted::default();
        for subscription in subscriptions.iter().filter(|subscription| subscription.signal == signal) {
            let sent = emission.send(subscription).map_err(EmitError::Type)?;
            if sent {
                emitted.sent += 1;
                count(&self.0.counters.events_sent);
            } else if !subscription.peer.is_closed() {
                emitted.dropped += 1;
                count(&self.0.counters.events_dropped);
                count(&subscription.dropped);
                subscription.peer.count_dropped_event();
            }
        }
        if emitted.sent > 0 {
            let size = emission.size();
            coalescing.set_size(size);
            coalescing.wrote(size);
        }
        Ok(emitted)
    }

    /// The value of a property.
    pub fn get(&self, property: &str) -> Option<Value> {
        let id = self.0.meta.property_named(property)?.uid;
        self.0.values.lock().get(&id).cloned()
    }

    /// Sets a property and tells its subscribers, also if the value is what it was. The code that judges what peers set is
    /// not asked.
    pub fn set(&self, property: &str, value: impl Into<Value>) -> Result<Emitted, EmitError> {
        let unknown = || EmitError::Unknown(property.to_owned());
        let id = self.0.meta.property_named(property).ok_or_else(unknown)?.uid;
        let ty = &self.0.properties.get(&id).ok_or_else(unknown)?.ty;
        let value = convert(value.into(), ty).map_err(|error| EmitError::Type(error.to_string()))?;
        self.set_converted(id, ty, value)
    }

    pub(super) fn set_converted(&self, id: u32, ty: &Signature, value: Value) -> Result<Emitted, EmitError> {
        // What came off the wire is a view into its message, which may be large and must not be kept for it.
        let bytes = encode(&value, ty).map_err(|error| EmitError::Type(error.to_string()))?;
        let kept = Reader::new(&bytes).read(ty).map_err(|error| EmitError::Type(error.to_string()))?;
        let _order = self.0.order.lock();
        let old = self.0.values.lock().insert(id, kept);
        drop(old);
        self.emit_in_order(id, Value::tuple(vec![value]).into())
    }

    /// Registrations for a signal or property, of all connections.
    pub fn subscribers(&self, signal: &str) -> usize {
        let id = self.signal_id(signal);
        self.0.subscriptions.lock().iter().filter(|subscription| Some(subscription.signal) == id).count()
    }

    /// Events that one connection has lost, for each of its registrations here: link and count.
    pub fn lost_events(&self, connection: u64) -> Vec<(u64, u64)> {
        let subscriptions = self.0.subscriptions.lock();
        let own = subscriptions.iter().filter(|subscription| subscription.peer.id() == connection);
        own.map(|subscription| (subscription.link, subscription.dropped.load(Ordering::Relaxed))).collect()
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
        let dropped = AtomicU64::new(0);
        let subscription = Arc::new(Subscription { peer: Arc::clone(peer), address, signal, link, wanted, dropped });
        if !peer.begin_subscription(subscription.wanted_size()) {
            return Err("Too many subscriptions on this connection");
        }
        {
            let mut subscriptions = self.0.subscriptions.lock();
            let same =
                subscriptions.iter().filter(|other| other.signal == signal && other.is_of(peer, address)).count();
            if same >= MAX_SAME {
                drop(subscriptions);
                peer.end_subscription(subscription.wanted_size());
                return Err("Too many subscriptions of this connection to this signal");
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

impl Emission {
    /// Whether it was sent. An error concerns all subscribers.
    fn send(&mut self, to: &Subscription) -> Result<bool, String> {
        let (peer, address) = (&to.peer, to.address);
        let shared = peer.shared();
        if self.ids.is_empty() {
            self.ids = self.answer.objects.iter().map(|_| peer.new_object_id()).collect();
        }
        let wanted = to.wanted.as_ref().filter(|_| shared.message_flags);
        let ty = wanted.map(|wanted| &wanted.ty);
        let objects = !self.ids.is_empty();
        let taken = |&object: &u32| peer.exported(Address { service: address.service, object }).is_some();
        // A second registration of one connection gets objects of its own, since it releases them by itself.
        if objects && self.ids.iter().all(taken) {
            let ids: Vec<_> = self.ids.iter().map(|_| peer.new_object_id()).collect();
            let (payload, flags) = self.encode(shared, address.service, &ids, ty)?;
            return Ok(self.deliver(to, payload, flags, &ids));
        }
        let key = (shared, wanted.map(|wanted| Arc::clone(&wanted.text)), objects.then_some(address.service));
        let (payload, flags) = match self.encodings.get(&key) {
            Some(encoded) => encoded.clone(),
            None => {
                let written = self.encode(shared, address.service, &self.ids, ty)?;
                self.encodings.insert(key, written.clone());
                written
            }
        };
        Ok(self.deliver(to, payload, flags, &self.ids))
    }

    /// Bytes of the event as it was sent, to one of the subscribers.
    fn size(&self) -> usize {
        self.encodings.values().next().map_or(0, |(payload, _)| HEADER_SIZE + payload.len())
    }

    fn encode(
        &self,
        shared: Capabilities,
        service: u32,
        ids: &[u32],
        wanted: Option<&Signature>,
    ) -> Result<(Bytes, Flags), String> {
        let value = refer(&self.answer, service, ids);
        write_event(&mut Writer::new(shared), value, &self.declared, wanted).map_err(|error| error.to_string())
    }

    fn deliver(&self, to: &Subscription, payload: Bytes, flags: Flags, ids: &[u32]) -> bool {
        let (peer, address) = (&to.peer, to.address);
        let message = Message::event(peer.connection.next_id(), address.service, address.object, self.signal, payload);
        let message = message.with_flags(flags);
        if ids.is_empty() {
            return peer.connection.send(message, self.policy).is_ok();
        }
        // Before the event is sent: the answer to it may come at once.
        let Ok(exported) = Exported::with_ids(peer, address.service, &self.answer, ids) else { return false };
        let (_, granted) = exported.into_parts();
        let sent = peer.connection.send(message, self.policy).is_ok();
        if sent {
            granted.keep();
        }
        sent
    }
}
