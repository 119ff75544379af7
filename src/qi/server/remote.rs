//! Objects of a peer: calling them on its connection, and letting them go (qi-messaging.md 13). Listening is in
//! `listening.rs`.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::qi::actions::{MAIN_OBJECT, META_OBJECT, takes_turn};
use crate::qi::calls::coding::encode_arguments;
use crate::qi::calls::requester::{Outcome, Requester, Target};
use crate::qi::calls::{CALL_TIMEOUT, CallError, Received, RemoteObject};
use crate::qi::convert::resolve;
use crate::qi::endpoint::{EndPoint, WhenFull, may_wait};
use crate::qi::message::{Flags, Header};
use crate::qi::meta::{MetaError, MetaMethod, MetaObject, SIGNATURE};
use crate::qi::signature::Signature;
use crate::qi::value::{Uid, Value, Writer};
use crate::qi::workers::own_turn::is_in_turn_of;
use crate::reactor::deadline_in;
use crate::sys::sync::Mutex;

use super::export::{Exported, Granted};
use super::model::{Address, Answer, Peer, Remote, RemoteCore};
use super::reading::members;

/// Called with the answer to a call of ours, on the thread that reads: it must not block.
pub type Done = Box<dyn FnOnce(Result<Received, CallError>) + Send>;

/// What a call needs to know of its method.
pub(super) struct Method {
    pub action: u32,
    pub parameters: Signature,
    pub result: Signature,
}

impl Method {
    fn declared(method: &MetaMethod) -> Result<Method, CallError> {
        let text = |error: MetaError| error.to_string();
        let (parameters, result) = (method.parameters_type().map_err(text)?, method.return_type().map_err(text)?);
        Ok(Method { action: method.uid, parameters, result })
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { service, object } = self.0.address;
        write!(out, "Remote({service}.{object})")
    }
}

impl Drop for RemoteCore {
    fn drop(&mut self) {
        let at_end = std::mem::take(&mut *self.at_end.lock());
        at_end.into_iter().for_each(|done| done(false));
    }
}

impl Remote {
    /// The object that this reference, which came to a server, keeps.
    pub(in crate::qi) fn of(object: &Arc<RemoteObject>) -> Option<Remote> {
        let address = Address { service: object.service, object: object.object };
        Some(Remote(Arc::new(RemoteCore {
            peer: object.server()?,
            meta: Arc::clone(&object.meta),
            address,
            uid: identity(object.uid),
            object: Some(Arc::clone(object)),
            _keep: None,
            at_end: Mutex::default(),
        })))
    }

    /// The objects that a value refers to. The null object is none.
    pub(super) fn all_in(peer: &Arc<Peer>, value: &Value) -> Vec<Remote> {
        Received::objects_in(&peer.requester, peer, value).iter().filter_map(Remote::of).collect()
    }

    /// An object at this address, which stays there, or is kept there by `keep`.
    pub(super) fn at(
        peer: &Arc<Peer>,
        address: Address,
        meta: &Arc<MetaObject>,
        uid: Option<Uid>,
        keep: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Remote {
        let (peer, meta, at_end) = (Arc::clone(peer), Arc::clone(meta), Mutex::default());
        Remote(Arc::new(RemoteCore { peer, meta, address, uid: identity(uid), object: None, _keep: keep, at_end }))
    }

    /// The main object of a service at a peer, whose meta object is asked for. Waits for at most `timeout`; not on the thread
    /// that reads.
    pub(super) fn fetch_main(peer: &Arc<Peer>, service: u32, timeout: Duration) -> Result<Remote, CallError> {
        let address = Address { service, object: MAIN_OBJECT };
        let nameless = Remote::at(peer, address, &Arc::default(), None, None);
        let value = nameless.wait(timeout, |done| {
            let question = Value::tuple(vec![Value::UInt32(0)]);
            let method = Method { action: META_OBJECT, parameters: question.signature(), result: SIGNATURE.clone() };
            nameless.send_call(method, question.into(), None, done)
        })?;
        let meta = MetaObject::from_value(&value).ok_or_else(|| CallError::from("not a meta object"))?;
        Ok(Remote::at(peer, address, &Arc::new(meta), None, None))
    }

    /// The reference that keeps the object at its peer, if we were given one.
    pub(in crate::qi) fn object(&self) -> Option<&Arc<RemoteObject>> {
        self.0.object.as_ref()
    }

    /// The end point that it is reached through, if there is one.
    pub(in crate::qi) fn endpoint(&self) -> Option<Arc<EndPoint>> {
        self.0.peer.connection.endpoint()
    }

    pub(super) fn address(&self) -> Address {
        self.0.address
    }

    /// Ids of service and object, as messages carry them.
    pub fn ids(&self) -> (u32, u32) {
        (self.0.address.service, self.0.address.object)
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

    /// Calls a method (`name`, or `name::(signature)` for one of several) and has `done` called with the result, or after 5 minutes
    /// with [`CallError::TimedOut`].
    pub fn call_then(
        &self,
        name: &str,
        arguments: Vec<Answer>,
        done: impl FnOnce(Result<Received, CallError>) + Send + 'static,
    ) {
        self.start_call(name, arguments, deadline_in(Some(CALL_TIMEOUT)), Box::new(done));
    }

    /// Calls a method and waits for the result for at most `timeout`; then the peer is asked to end the call, and it is given up.
    /// On the thread that reads, and for an object in whose turn the thread is ([`CallError::OwnTurn`]), it fails at once instead; on a
    /// worker it keeps one of them from other objects.
    pub fn call(&self, name: &str, arguments: Vec<Answer>, timeout: Duration) -> Result<Received, CallError> {
        may_wait().map_err(|error| error.to_string())?;
        let takes_turn = || self.method(name, &arguments).is_ok_and(|method| takes_turn(method.action));
        if self.0.uid.is_some_and(|uid| is_in_turn_of(&uid)) && takes_turn() {
            return Err(CallError::OwnTurn);
        }
        self.wait(timeout, |done| self.start_call(name, arguments, None, done))
    }

    fn start_call(&self, name: &str, arguments: Vec<Answer>, deadline: Option<Instant>, done: Done) -> Option<Header> {
        match self.method(name, &arguments) {
            Ok(method) => self.send_call(method, Answer::tuple(arguments), deadline, done),
            Err(error) => {
                done(Err(error));
                None
            }
        }
    }

    /// Waits for a call that `start` makes.
    fn wait(&self, timeout: Duration, start: impl FnOnce(Done) -> Option<Header>) -> Result<Received, CallError> {
        let (done, result) = mpsc::channel();
        // Who has stopped waiting is not told: what came for him is dropped.
        let call = start(Box::new(move |answer| drop(done.send(answer))));
        if let Ok(result) = result.recv_timeout(timeout) {
            return result;
        }
        if let Some(call) = call {
            self.0.peer.requester.cancel(&call);
            self.0.peer.requester.give_up(call.id);
        }
        // It may have come in that moment.
        result.try_recv().unwrap_or(Err(CallError::TimedOut))
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

    /// `arguments` is the tuple of all. Gives what was sent, if anything was; `done` is told in any case. Without a deadline the caller
    /// sees to it that there is an end.
    pub(super) fn send_call(
        &self,
        method: Method,
        arguments: Answer,
        deadline: Option<Instant>,
        done: Done,
    ) -> Option<Header> {
        let (value, granted) = match self.grant(&arguments) {
            Ok(granted) => granted,
            Err(text) => {
                done(Err(text.into()));
                return None;
            }
        };
        let Method { action, parameters, result } = method;
        let (peer, target) = (Arc::clone(&self.0.peer), self.target(action, Some(result.clone())));
        let done = move |requester: &Arc<Requester>, outcome: Outcome| {
            let read = |reply| -> Result<Received, CallError> {
                let value = requester.result(reply, &result).map_err(|error| error.to_string())?;
                Ok(Received::served(requester, &peer, value))
            };
            done(outcome.map_err(unsent).and_then(read));
        };
        let encode = |writer: &mut Writer<'_>| self.encode(writer, value, &parameters);
        let call = self.0.peer.requester.start_then(target, (deadline, WhenFull::Fail), encode, Box::new(done));
        if call.is_some() {
            granted.keep();
        }
        call
    }

    pub(super) fn send_post(&self, action: u32, parameters: &Signature, arguments: Answer) -> Result<(), CallError> {
        let (value, granted) = self.grant(&arguments)?;
        let encode = |writer: &mut Writer<'_>| self.encode(writer, value, parameters);
        self.0.peer.requester.post(&self.target(action, None), WhenFull::Fail, encode).map_err(unsent)?;
        granted.keep();
        Ok(())
    }

    fn target(&self, action: u32, result: Option<Signature>) -> Target {
        let Address { service, object } = self.0.address;
        Target { service, object, action, result }
    }

    /// The arguments with the addresses that objects of ours among them get.
    fn grant(&self, arguments: &Answer) -> Result<(Value, Granted<'_>), String> {
        let peer = &self.0.peer;
        let ids: Vec<_> = arguments.objects.iter().map(|_| peer.new_passed_id()).collect();
        Ok(Exported::with_ids(peer, self.0.address.service, arguments, &ids)?.into_parts())
    }

    fn encode(
        &self,
        writer: &mut Writer<'_>,
        value: Value,
        parameters: &Signature,
    ) -> Result<(Bytes, Flags), CallError> {
        let message_flags = self.0.peer.shared().message_flags;
        encode_arguments(writer, members(value), parameters, message_flags, None)
            .map_err(|error| error.to_string().into())
    }
}

/// Zeros are written for what has no identity.
fn identity(uid: Option<Uid>) -> Option<Uid> {
    uid.filter(|uid| uid.iter().any(|byte| *byte != 0))
}

/// A message that the connection does not take.
fn unsent(error: CallError) -> CallError {
    match error {
        CallError::System(_) => "The peer does not read.".into(),
        other => other,
    }
}
