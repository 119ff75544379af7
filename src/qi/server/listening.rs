//! Listening to the signals of a peer's objects (qi-messaging.md 15): who is told here, and the one registration there.

use std::collections::HashMap;
use std::sync::Arc;

use crate::qi::client::ClientError;
use crate::qi::endpoint::contained;
use crate::qi::message::{Header, Message};
use crate::qi::payload::read_arguments;
use crate::qi::registrations::{Join, Key, Told};
use crate::qi::signature::Signature;
use crate::qi::value::Reader;

use super::call::CallError;
use super::given::Given;
use super::object::Address;
use super::peer::Peer;
use super::remote::{Hold, Remote, RemoteCore};

/// Called with the argument tuple of each event, on the thread that reads: it must not block.
type Listener = Arc<dyn Fn(&Given) + Send + Sync>;

/// One that listens.
#[derive(Clone)]
struct Listening {
    id: u64,
    declared: Signature,
    listener: Listener,
}

/// All that listen to the objects of one peer, by object and signal.
#[derive(Default)]
pub(super) struct Listeners {
    all: HashMap<(Address, u32), Vec<Listening>>,
    ids: u64,
}

/// What a listener has to give back.
pub(super) struct Heard {
    signal: u32,
    id: u64,
    link: u64,
}

impl Remote {
    /// Has `listener` called for each event of a signal or property, on the thread that reads, while a handle of the object
    /// lives. `done` is told whether the peer has registered it.
    pub fn listen(
        &self,
        signal: &str,
        listener: impl Fn(&Given) + Send + Sync + 'static,
        done: impl FnOnce(Result<(), CallError>) + Send + 'static,
    ) -> Result<(), CallError> {
        let known = self.meta().signal_named(signal).ok_or_else(|| format!("no such signal: {signal}"))?;
        let declared = known.arguments_type().map_err(|error| error.to_string())?;
        let (signal, id) = (known.uid, self.hear(known.uid, declared, listener));
        let joined = self.join(signal, done);
        self.0.heard.lock().push(Heard { signal, id, link: joined.1 });
        self.register(signal, joined);
        Ok(())
    }

    /// A listener more, for events that come anyway; gives its number.
    pub(super) fn hear(
        &self,
        signal: u32,
        declared: Signature,
        listener: impl Fn(&Given) + Send + Sync + 'static,
    ) -> u64 {
        let mut outgoing = self.peer().outgoing.lock();
        outgoing.listeners.ids += 1;
        let id = outgoing.listeners.ids;
        let listening = Listening { id, declared, listener: Arc::new(listener) };
        outgoing.listeners.all.entry((self.address(), signal)).or_default().push(listening);
        id
    }

    /// Takes a share in the registration of a signal: what is to be done about it, and its link.
    pub(super) fn join(
        &self,
        signal: u32,
        done: impl FnOnce(Result<(), CallError>) + Send + 'static,
    ) -> (Join<Told>, u64) {
        let told: Told = Box::new(move |outcome| done(outcome.map_err(CallError::from)));
        self.peer().connection.registrations().lock().join(&self.0.key(signal), told)
    }

    /// Does it.
    pub(super) fn register(&self, signal: u32, (joined, link): (Join<Told>, u64)) {
        match joined {
            Join::Ready(told) => told(Ok(())),
            Join::Wait => {}
            Join::Register => {
                let (peer, key) = (Arc::clone(self.peer()), self.0.key(signal));
                let registration = key.registration(link);
                let done = Box::new(move |answer: Result<Given, CallError>| {
                    let outcome = answer.map(drop).map_err(ClientError::from);
                    let waiting = peer.connection.registrations().lock().answered(&key, link, outcome.is_ok());
                    waiting.into_iter().for_each(|told| told(outcome.clone()));
                });
                self.send_generic(registration, done);
            }
        }
    }
}

impl RemoteCore {
    fn key(&self, signal: u32) -> Key {
        Key { service: self.address.service, object: self.address.object, signal, wanted: None }
    }

    /// All that were given for as long as the object is held. What is released needs no unregistering.
    pub fn hear_no_more(&self, released: bool) {
        let all = std::mem::take(&mut *self.heard.lock());
        for Heard { signal, id, link } in all {
            self.unhear(signal, id);
            self.leave(signal, link, !released);
        }
    }

    /// A listener goes.
    pub fn unhear(&self, signal: u32, id: u64) {
        let place = (self.address, signal);
        let mut outgoing = self.peer.outgoing.lock();
        let Some(listeners) = outgoing.listeners.all.get_mut(&place) else { return };
        let gone = listeners.extract_if(.., |listening| listening.id == id).next();
        if listeners.is_empty() {
            outgoing.listeners.all.remove(&place);
        }
        // Under no lock: what the listener holds may be the last of its kind.
        drop(outgoing);
        drop(gone);
    }

    /// Gives back a share in a registration.
    pub fn leave(&self, signal: u32, link: u64, unregister: bool) {
        let key = self.key(signal);
        let last = self.peer.connection.registrations().lock().leave(&key, link);
        let Some(waiting) = last else { return };
        waiting.into_iter().for_each(|told| told(Ok(())));
        if unregister && !self.peer.is_closed() {
            // Nobody waits for what comes of it.
            let remote = Remote::new(&self.peer, self.address, &Arc::default(), None, Hold::Nothing);
            remote.send_generic(key.unregistration(link), Box::new(drop));
        }
    }
}

/// An Event of an object of the peer.
pub(super) fn event(peer: &Arc<Peer>, message: &Message) {
    let Header { service, object, action, flags, .. } = message.header;
    let listeners = peer.outgoing.lock().listeners.all.get(&(Address { service, object }, action)).cloned();
    for Listening { declared, listener, .. } in listeners.unwrap_or_default() {
        let mut reader = Reader::new(&message.payload).shared(peer.shared());
        // What cannot be read is dropped, as libqi does.
        if let Ok(arguments) = read_arguments(&mut reader, flags, &declared) {
            contained(|| listener(&Given::by(peer, arguments.tuple)));
        }
    }
}
