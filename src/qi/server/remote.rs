//! Objects of a peer: calling them on its connection, and letting them go (qi-messaging.md 13). Listening is in
//! `listening.rs`.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak, mpsc};
use std::time::Duration;

use bytes::Bytes;

use crate::core::Error;
use crate::qi::client::{self, ClientError, Place};
use crate::qi::convert::resolve;
use crate::qi::endpoint::{contained, may_wait};
use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::meta::{MetaMethod, MetaObject, SIGNATURE};
use crate::qi::payload::{read_result, write_arguments};
use crate::qi::registrations::Generic;
use crate::qi::signature::Signature;
use crate::qi::value::{Object as Reference, Reader, Uid, Value, Writer};

use super::call::{Answer, CallError};
use super::connection::{Policy, SendError};
use super::export::Exported;
use super::generic::{META_OBJECT, TERMINATE};
use super::given::Given;
use super::glue::as_client;
use super::listening::{Heard, Listeners};
use super::object::Address;
use super::peer::Peer;
use super::run::members;
use crate::sys::sync::Mutex;

/// Called with the answer to a call of ours, on the thread that reads: it must not block.
pub type Done = Box<dyn FnOnce(Result<Given, CallError>) + Send>;

/// What a call needs to know of its method.
pub(super) struct Method {
    pub action: u32,
    pub parameters: Signature,
    pub result: Signature,
}

impl Method {
    fn declared(method: &MetaMethod) -> Result<Method, CallError> {
        let text = |error: crate::qi::meta::MetaError| error.to_string();
        let (parameters, result) = (method.parameters_type().map_err(text)?, method.return_type().map_err(text)?);
        Ok(Method { action: method.uid, parameters, result })
    }
}

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
    pub listeners: Listeners,
}

/// What keeps an object at its peer.
pub(super) enum Hold {
    /// Nothing: the main object of a service stays.
    Nothing,
    /// We were given a reference, and give it back in the end.
    Reference,
    /// What the client on this connection holds.
    Place { _place: Arc<Place> },
}

pub(super) struct RemoteCore {
    pub peer: Arc<Peer>,
    meta: Arc<MetaObject>,
    pub address: Address,
    uid: Option<Uid>,
    hold: Hold,
    pub heard: Mutex<Vec<Heard>>,
}

impl Drop for RemoteCore {
    fn drop(&mut self) {
        let owned = matches!(self.hold, Hold::Reference);
        self.hear_no_more(owned);
        let peer = &self.peer;
        let known = {
            let mut outgoing = peer.outgoing.lock();
            // Not if the address has been given to another object meanwhile.
            let dead = outgoing.known.get(&self.address).is_some_and(|known| known.strong_count() == 0);
            if dead { outgoing.known.remove(&self.address) } else { None }
        };
        drop(known);
        if owned && !peer.is_closed() {
            let payload = Bytes::copy_from_slice(&self.address.service.to_le_bytes());
            let Address { service, object } = self.address;
            peer.control(Message::post(peer.connection.next_id(), service, object, TERMINATE, payload));
        }
    }
}

/// An object that lives at a peer. Clones are the same object; with the last of them it is released. It can be passed on to
/// other peers: as an [`Object`](super::Object) it is one whose code is at its peer.
#[derive(Clone)]
pub struct Remote(pub(super) Arc<RemoteCore>);

impl fmt::Debug for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { service, object } = self.0.address;
        write!(out, "Remote({service}.{object})")
    }
}

impl Remote {
    /// The object of a reference that came through this connection.
    pub(super) fn of(peer: &Arc<Peer>, reference: &Reference) -> Remote {
        let address = Address { service: reference.service, object: reference.object };
        let mut outgoing = peer.outgoing.lock();
        if let Some(known) = outgoing.known.get(&address).and_then(Weak::upgrade) {
            return Remote(known);
        }
        // Zeros are written for what has no identity.
        let uid = reference.uid.filter(|uid| uid.iter().any(|byte| *byte != 0));
        let new = Remote::new(peer, address, &reference.meta, uid, Hold::Reference);
        outgoing.known.insert(address, Arc::downgrade(&new.0));
        new
    }

    /// An object at this address; `hold` keeps it there.
    pub(super) fn new(
        peer: &Arc<Peer>,
        address: Address,
        meta: &Arc<MetaObject>,
        uid: Option<Uid>,
        hold: Hold,
    ) -> Remote {
        let (peer, meta, heard) = (Arc::clone(peer), Arc::clone(meta), Mutex::default());
        Remote(Arc::new(RemoteCore { peer, meta, address, uid, hold, heard }))
    }

    /// The main object of a service at a peer, whose meta object is asked for. Waits for at most `timeout`; not on the thread
    /// that reads.
    pub(super) fn fetch_main(peer: &Arc<Peer>, service: u32, timeout: Duration) -> Result<Remote, CallError> {
        let address = Address { service, object: 1 };
        let nameless = Remote::new(peer, address, &Arc::default(), None, Hold::Nothing);
        let (done, result) = mpsc::channel();
        let question = (META_OBJECT, Value::tuple(vec![Value::UInt32(0)]), SIGNATURE.clone());
        nameless.send_generic(question, Box::new(move |answer| drop(done.send(answer))));
        let value = result.recv_timeout(timeout).unwrap_or(Err(CallError::TimedOut))?;
        let meta = MetaObject::from_value(&value).ok_or_else(|| CallError::from("not a meta object"))?;
        Ok(Remote::new(peer, address, &Arc::new(meta), None, Hold::Nothing))
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

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.0.peer
    }

    /// Its identity, if its peer has told it.
    pub fn uid(&self) -> Option<Uid> {
        self.0.uid
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
        done: impl FnOnce(Result<Given, CallError>) + Send + 'static,
    ) {
        match self.method(name, &arguments) {
            Ok(method) => drop(self.send_call(method, Answer::tuple(arguments), Box::new(done))),
            Err(error) => done(Err(error)),
        }
    }

    /// Calls a method and waits for the result for at most `timeout`. On the thread that reads it fails at once instead; on a
    /// worker it keeps one of them from other objects.
    pub fn call(&self, name: &str, arguments: Vec<Answer>, timeout: Duration) -> Result<Given, CallError> {
        may_wait().map_err(|error| error.to_string())?;
        let (done, result) = mpsc::channel();
        // Who has stopped waiting is not told.
        self.call_then(name, arguments, move |answer| drop(done.send(answer)));
        result.recv_timeout(timeout).unwrap_or(Err(CallError::TimedOut))
    }

    /// Calls a method without an answer. Dropped if the peer does not read.
    pub fn post(&self, name: &str, arguments: Vec<Answer>) -> Result<(), CallError> {
        let method = self.method(name, &arguments)?;
        self.send_post(method.action, &method.parameters, Answer::tuple(arguments))
    }

    fn method(&self, name: &str, arguments: &[Answer]) -> Result<Method, CallError> {
        let values: Vec<_> = arguments.iter().map(|argument| argument.value.clone()).collect();
        Method::declared(resolve(&self.0.meta, name, &values).map_err(|error| error.to_string())?)
    }

    /// `arguments` is the tuple of all. Gives what was sent, if anything was; `done` is told in any case.
    pub(super) fn send_call(&self, method: Method, arguments: Answer, done: Done) -> Option<Header> {
        let peer = &self.0.peer;
        let Address { service, object } = self.0.address;
        let (payload, flags, ids) = match self.encode(&method.parameters, arguments) {
            Ok(encoded) => encoded,
            Err(text) => {
                done(Err(text.into()));
                return None;
            }
        };
        let id = peer.connection.begin_call();
        let call = Message::call(id, service, object, method.action, payload).with_flags(flags);
        let header = call.header;
        // Before it is sent: the answer may come at once.
        let waiting = Waiting { address: self.0.address, action: method.action, result: method.result, done };
        let old = peer.outgoing.lock().waiting.insert(id, waiting);
        drop(old);
        let sent = peer.connection.send(call, Policy::Answer(Duration::ZERO));
        let failure = match sent {
            // The end of the connection may have come between.
            Ok(()) if peer.is_closed() => CallError::Disconnected,
            Ok(()) => return Some(header),
            Err(error) => error.into(),
        };
        for object in ids {
            peer.release(Address { service, object });
        }
        finish(peer, id, Err(failure));
        None
    }

    /// A generic method, whatever the meta object says about it.
    pub(super) fn send_generic(&self, (action, arguments, result): Generic, done: Done) {
        self.send_call(Method { action, parameters: arguments.signature(), result }, arguments.into(), done);
    }

    pub(super) fn send_post(&self, action: u32, parameters: &Signature, arguments: Answer) -> Result<(), CallError> {
        let (payload, flags, ids) = self.encode(parameters, arguments)?;
        let Address { service, object } = self.0.address;
        let peer = &self.0.peer;
        let post = Message::post(peer.connection.next_id(), service, object, action, payload).with_flags(flags);
        peer.connection.send(post, Policy::Answer(Duration::ZERO)).map_err(|error| {
            for object in ids {
                peer.release(Address { service, object });
            }
            error.into()
        })
    }

    fn encode(&self, parameters: &Signature, arguments: Answer) -> Result<Encoded, String> {
        let peer = &self.0.peer;
        let shared = peer.shared();
        let ids: Vec<_> = arguments.objects.iter().map(|_| peer.new_passed_id()).collect();
        let (value, granted) = Exported::with_ids(peer, self.0.address.service, &arguments, &ids)?.into_parts();
        let written = write_arguments(&mut Writer::new(shared), members(value), parameters, shared.message_flags);
        let (payload, flags) = written.map_err(|error| error.to_string())?;
        granted.keep();
        Ok((payload, flags, ids))
    }
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> CallError {
        match error {
            SendError::Full => "The peer does not read.".into(),
            SendError::Closed => CallError::Disconnected,
        }
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
            let value = read_result(&mut reader, header.flags, &waiting.result);
            value.map(|value| Given::by(peer, value)).map_err(|error| error.to_string().into())
        }
        Type::Canceled => Err(CallError::Canceled),
        _ => Err(message.error_text().map_or_else(|| "The call failed.".to_owned(), |text| text.into_owned()).into()),
    };
    contained(|| (waiting.done)(result));
}

fn finish(peer: &Peer, id: u32, result: Result<Given, CallError>) {
    let waiting = peer.outgoing.lock().waiting.remove(&id);
    if let Some(waiting) = waiting {
        peer.connection.end_call(id);
        contained(|| (waiting.done)(result));
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
        contained(|| (waiting.done)(Err(CallError::Disconnected)));
    }
}
