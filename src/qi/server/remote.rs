//! Objects of a peer that it passed to us: calling them back on the same connection, and letting them go
//! (qi-messaging.md 13).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::time::Duration;

use bytes::Bytes;

use crate::core::Error;
use crate::qi::client::{self, ClientError};
use crate::qi::convert::resolve;
use crate::qi::message::{Flags, Message, Type};
use crate::qi::meta::{MetaObject, SIGNATURE};
use crate::qi::payload::{read_arguments, read_result, write_arguments};
use crate::qi::signature::Signature;
use crate::qi::value::{Object as Reference, Reader, Value, Writer, each_object};

use super::call::{Answer, CallError};
use super::connection::{Policy, SendError};
use super::export::Exported;
use super::generic::{META_OBJECT, TERMINATE};
use super::glue::as_client;
use super::object::Address;
use super::peer::Peer;
use super::run::{constant, members};

/// Called with the answer to a call of ours, on the I/O thread: it must not block.
pub type Done = Box<dyn FnOnce(Result<Value, CallError>) + Send>;
/// Called with the arguments of each event, on the I/O thread: it must not block.
type Listener = Arc<dyn Fn(&[Value]) + Send + Sync>;

/// The link, the declared arguments, and who is called.
type Listening = (u64, Signature, Listener);

/// A call of ours that has no answer yet.
struct Waiting {
    address: Address,
    action: u32,
    result: Signature,
    done: Done,
}

/// Arguments as they are sent, and the ids of our objects among them.
type Encoded = (Bytes, Flags, Vec<u32>);

/// What we have going on at one peer.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: HashMap<u32, Waiting>,
    known: HashMap<Address, Weak<RemoteCore>>,
    /// By object and signal, with the link.
    listeners: HashMap<(Address, u32), Vec<Listening>>,
}

struct RemoteCore {
    peer: Arc<Peer>,
    meta: Arc<MetaObject>,
    address: Address,
    next_link: AtomicU64,
    /// We were given a reference, and give it back in the end.
    owned: bool,
}

impl Drop for RemoteCore {
    fn drop(&mut self) {
        let peer = &self.peer;
        let (listeners, known) = {
            let mut outgoing = peer.outgoing.lock();
            let own = |(address, _): &&(Address, u32)| *address == self.address;
            let gone: Vec<_> = outgoing.listeners.keys().filter(own).copied().collect();
            let listeners: Vec<_> = gone.iter().filter_map(|key| outgoing.listeners.remove(key)).collect();
            // Not if the address has been given to another object meanwhile.
            let dead = outgoing.known.get(&self.address).is_some_and(|known| known.strong_count() == 0);
            (listeners, if dead { outgoing.known.remove(&self.address) } else { None })
        };
        drop((listeners, known));
        if self.owned && !peer.is_closed() {
            let payload = Bytes::copy_from_slice(&self.address.service.to_le_bytes());
            let Address { service, object } = self.address;
            peer.control(Message::post(peer.connection.next_id(), service, object, TERMINATE, payload));
        }
    }
}

/// An object that lives at a peer. Clones are the same object; with the last of them it is released.
#[derive(Clone)]
pub struct Remote(Arc<RemoteCore>);

impl fmt::Debug for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { service, object } = self.0.address;
        write!(out, "Remote({service}.{object})")
    }
}

impl Remote {
    /// Objects that the values refer to. The null object is none.
    pub(super) fn all_in(peer: &Arc<Peer>, values: &[Value]) -> Vec<Remote> {
        let mut found = Vec::new();
        for value in values {
            each_object(value, &mut |reference| {
                if !reference.is_nowhere() {
                    found.push(Remote::of(peer, reference));
                }
            });
        }
        found
    }

    /// The object of a reference that came through this connection.
    fn of(peer: &Arc<Peer>, reference: &Reference) -> Remote {
        let address = Address { service: reference.service, object: reference.object };
        let mut outgoing = peer.outgoing.lock();
        if let Some(known) = outgoing.known.get(&address).and_then(Weak::upgrade) {
            return Remote(known);
        }
        let core = RemoteCore {
            peer: Arc::clone(peer),
            meta: Arc::clone(&reference.meta),
            address,
            next_link: AtomicU64::new(1),
            owned: true,
        };
        let core = Arc::new(core);
        outgoing.known.insert(address, Arc::downgrade(&core));
        Remote(core)
    }

    /// The main object of a service at a peer, which is not ours to release.
    pub(super) fn main(peer: &Arc<Peer>, service: u32, meta: Arc<MetaObject>) -> Remote {
        let address = Address { service, object: 1 };
        let next_link = AtomicU64::new(1);
        Remote(Arc::new(RemoteCore { peer: Arc::clone(peer), meta, address, next_link, owned: false }))
    }

    /// The same; its meta object is asked for. Waits for at most `timeout`; not on the I/O thread.
    pub(super) fn fetch_main(peer: &Arc<Peer>, service: u32, timeout: Duration) -> Result<Remote, CallError> {
        let nameless = Remote::main(peer, service, Arc::default());
        let (done, result) = mpsc::channel();
        let done: Done = Box::new(move |answer| drop(done.send(answer)));
        let types = (META_OBJECT, constant("(I)"), SIGNATURE.clone());
        nameless.send_call(types, vec![Value::UInt32(0).into()], done);
        let value = result.recv_timeout(timeout).unwrap_or(Err(CallError::TimedOut))?;
        let meta = MetaObject::from_value(&value).ok_or_else(|| CallError::from("not a meta object"))?;
        Ok(Remote::main(peer, service, Arc::new(meta)))
    }

    pub(super) fn address(&self) -> Address {
        self.0.address
    }

    /// Ids of service and object, as messages carry them.
    pub fn ids(&self) -> (u32, u32) {
        (self.0.address.service, self.0.address.object)
    }

    /// The connection that it came by, as its client side; `ENOTCONN`.
    pub(in crate::qi) fn connection(&self) -> Result<Arc<client::Connection>, ClientError> {
        let endpoint = self.0.peer.connection.endpoint().ok_or(Error::NOT_CONNECTED)?;
        as_client(&endpoint, self.0.peer.shared())
    }

    /// What it can do, as it came with the reference.
    pub fn meta(&self) -> &Arc<MetaObject> {
        &self.0.meta
    }

    /// Calls a method (`name`, or `name::(signature)` for one of several) and has `done` called with the result.
    pub fn call_then(
        &self,
        name: &str,
        arguments: Vec<Answer>,
        done: impl FnOnce(Result<Value, CallError>) + Send + 'static,
    ) {
        let values: Vec<_> = arguments.iter().map(|argument| argument.value.clone()).collect();
        let found = resolve(&self.0.meta, name, &values).map_err(|error| error.to_string());
        let types = found.and_then(|method| {
            let text = |error: crate::qi::meta::MetaError| error.to_string();
            Ok((method.uid, method.parameters_type().map_err(text)?, method.return_type().map_err(text)?))
        });
        match types {
            Ok(method) => self.send_call(method, arguments, Box::new(done)),
            Err(text) => done(Err(text.into())),
        }
    }

    /// Calls a method and waits for the result for at most `timeout`. Not on the I/O thread; on a worker it keeps one of
    /// them from other objects.
    pub fn call(&self, name: &str, arguments: Vec<Answer>, timeout: Duration) -> Result<Value, CallError> {
        let (done, result) = mpsc::channel();
        // Who has stopped waiting is not told.
        self.call_then(name, arguments, move |answer| drop(done.send(answer)));
        result.recv_timeout(timeout).unwrap_or(Err(CallError::TimedOut))
    }

    fn send_call(&self, (action, parameters, result): (u32, Signature, Signature), arguments: Vec<Answer>, done: Done) {
        let peer = &self.0.peer;
        let Address { service, object } = self.0.address;
        let id = peer.connection.begin_call();
        let (payload, flags, ids) = match self.encode(&parameters, arguments) {
            Ok(encoded) => encoded,
            Err(text) => {
                peer.connection.end_call(id);
                return done(Err(text.into()));
            }
        };
        let call = Message::call(id, service, object, action, payload).with_flags(flags);
        // Before it is sent: the answer may come at once.
        let waiting = Waiting { address: self.0.address, action, result, done };
        let old = peer.outgoing.lock().waiting.insert(id, waiting);
        drop(old);
        let sent = peer.connection.send(call, Policy::Answer(Duration::ZERO));
        let failure = match sent {
            // The end of the connection may have come between.
            Ok(()) if peer.is_closed() => CallError::Disconnected,
            Ok(()) => return,
            Err(SendError::Full) => "The peer does not read.".into(),
            Err(SendError::Closed) => CallError::Disconnected,
        };
        for object in ids {
            peer.release(Address { service, object });
        }
        finish(peer, id, Err(failure));
    }

    fn encode(&self, parameters: &Signature, arguments: Vec<Answer>) -> Result<Encoded, String> {
        let peer = &self.0.peer;
        let shared = peer.shared();
        let mut objects = Vec::new();
        let mut values = Vec::new();
        for argument in arguments {
            values.push(argument.value);
            objects.extend(argument.objects);
        }
        let ids: Vec<_> = objects.iter().map(|_| peer.new_passed_id()).collect();
        let answer = Answer { value: Value::tuple(values), objects };
        let (value, granted) = Exported::with_ids(peer, self.0.address.service, &answer, &ids)?.into_parts();
        let written = write_arguments(&mut Writer::new(shared), members(value), parameters, shared.message_flags);
        let (payload, flags) = written.map_err(|error| error.to_string())?;
        granted.keep();
        Ok((payload, flags, ids))
    }

    /// Calls a method without an answer. Dropped if the peer does not read.
    pub fn post(&self, name: &str, arguments: Vec<Answer>) -> Result<(), CallError> {
        let values: Vec<_> = arguments.iter().map(|argument| argument.value.clone()).collect();
        let method = resolve(&self.0.meta, name, &values).map_err(|error| error.to_string())?;
        let parameters = method.parameters_type().map_err(|error| error.to_string())?;
        let (payload, flags, _) = self.encode(&parameters, arguments)?;
        let Address { service, object } = self.0.address;
        let peer = &self.0.peer;
        let post = Message::post(peer.connection.next_id(), service, object, method.uid, payload).with_flags(flags);
        match peer.connection.send(post, Policy::Answer(Duration::ZERO)) {
            Ok(()) => Ok(()),
            Err(SendError::Full) => Err("The peer does not read.".into()),
            Err(SendError::Closed) => Err(CallError::Disconnected),
        }
    }

    /// Has `listener` called for each event of a signal or property, on the I/O thread, while a handle of the object
    /// lives. `done` is told whether the peer has registered it.
    pub fn listen(
        &self,
        signal: &str,
        listener: impl Fn(&[Value]) + Send + Sync + 'static,
        done: impl FnOnce(Result<(), CallError>) + Send + 'static,
    ) -> Result<(), CallError> {
        let known = self.0.meta.signal_named(signal).ok_or_else(|| format!("no such signal: {signal}"))?;
        let declared = known.arguments_type().map_err(|error| error.to_string())?;
        let link = (u64::from(known.uid) << 32) | self.0.next_link.fetch_add(1, Ordering::Relaxed);
        let key = (self.0.address, known.uid);
        let mut outgoing = self.0.peer.outgoing.lock();
        outgoing.listeners.entry(key).or_default().push((link, declared, Arc::new(listener)));
        drop(outgoing);
        let arguments = [Value::from(self.0.address.service), known.uid.into(), link.into()];
        let arguments = arguments.into_iter().map(Answer::from).collect();
        self.call_then("registerEvent", arguments, move |result| done(result.map(drop)));
        Ok(())
    }
}

/// A Reply, Error or Canceled. One that matches no call of ours is somebody else's, or late.
pub(super) fn answered(peer: &Arc<Peer>, message: &Message) {
    let header = &message.header;
    let address = Address { service: header.service, object: header.object };
    let matches = |waiting: &Waiting| waiting.address == address && waiting.action == header.action;
    let waiting = {
        let mut outgoing = peer.outgoing.lock();
        match outgoing.waiting.get(&header.id).is_some_and(matches) {
            true => outgoing.waiting.remove(&header.id),
            false => None,
        }
    };
    let Some(waiting) = waiting else { return };
    peer.connection.end_call(header.id);
    let result = match header.ty {
        Type::Reply => {
            let mut reader = Reader::new(&message.payload).shared(peer.shared());
            read_result(&mut reader, header.flags, &waiting.result).map_err(|error| error.to_string().into())
        }
        Type::Canceled => Err(CallError::Canceled),
        _ => Err(message.error_text().map_or_else(|| "The call failed.".to_owned(), |text| text.into_owned()).into()),
    };
    (waiting.done)(result);
}

/// An Event of an object of the peer.
pub(super) fn event(peer: &Arc<Peer>, message: &Message) {
    let header = &message.header;
    let key = (Address { service: header.service, object: header.object }, header.action);
    let listeners = peer.outgoing.lock().listeners.get(&key).cloned().unwrap_or_default();
    for (_, declared, listener) in listeners {
        let mut reader = Reader::new(&message.payload).shared(peer.shared());
        // What cannot be read is dropped, as libqi does.
        if let Ok(arguments) = read_arguments(&mut reader, header.flags, &declared) {
            listener(&members(arguments.tuple));
        }
    }
}

fn finish(peer: &Peer, id: u32, result: Result<Value, CallError>) {
    let waiting = peer.outgoing.lock().waiting.remove(&id);
    if let Some(waiting) = waiting {
        peer.connection.end_call(id);
        (waiting.done)(result);
    }
}

/// The connection has ended: no answer will come.
pub(super) fn end(peer: &Peer) {
    let (waiting, listeners) = {
        let mut outgoing = peer.outgoing.lock();
        (std::mem::take(&mut outgoing.waiting), std::mem::take(&mut outgoing.listeners))
    };
    drop(listeners);
    for waiting in waiting.into_values() {
        (waiting.done)(Err(CallError::Disconnected));
    }
}
