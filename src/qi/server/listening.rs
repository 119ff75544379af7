//! Listening to the signals of a peer's objects (qi-messaging.md 15): who is told here, and the one registration there.

use std::sync::Arc;

use crate::qi::calls::registering::{leave, register, share};
use crate::qi::calls::registrations::{Join, Key};
use crate::qi::calls::requester::Told;
use crate::qi::calls::{CallError, Received};
use crate::qi::endpoint::{WhenFull, contained};
use crate::qi::message::{Header, Message};
use crate::qi::payload::read_arguments;
use crate::qi::signature::Signature;
use crate::qi::value::Reader;

use super::model::{Address, Listening, Peer, Remote};

impl Remote {
    /// Has `listener` called for each event of a signal or property, on the thread that reads, as long as the reference lives
    /// that this is a handle of. `done` is told whether the peer has registered it.
    pub fn listen(
        &self,
        signal: &str,
        listener: impl Fn(&Received) + Send + Sync + 'static,
        done: impl FnOnce(Result<(), CallError>) + Send + 'static,
    ) -> Result<(), CallError> {
        let known = self.meta().signal_named(signal).ok_or_else(|| format!("no such signal: {signal}"))?;
        let declared = known.arguments_type().map_err(|error| error.to_string())?;
        let (signal, id) = (known.uid, self.hear(known.uid, declared, listener));
        let joined = self.share(signal, done);
        let (peer, address, link) = (Arc::clone(self.peer()), self.address(), joined.1);
        // What is released needs no unregistering.
        let at_end = move |released: bool| {
            unhear(&peer, address, signal, id);
            leave(&peer.requester, &key(address, signal), link, !released);
        };
        match self.object() {
            Some(object) => object.at_end(at_end),
            None => self.0.at_end.lock().push(Box::new(at_end)),
        }
        self.register(signal, joined);
        Ok(())
    }

    /// A listener more, for events that come anyway; gives its number.
    pub(super) fn hear(
        &self,
        signal: u32,
        declared: Signature,
        listener: impl Fn(&Received) + Send + Sync + 'static,
    ) -> u64 {
        let mut listeners = self.peer().listeners.lock();
        listeners.ids += 1;
        let id = listeners.ids;
        let listening = Listening { id, declared, listener: Arc::new(listener) };
        listeners.all.entry((self.address(), signal)).or_default().push(listening);
        id
    }

    /// Takes a share in the registration of a signal: what is to be done about it, and its link.
    pub(super) fn share(
        &self,
        signal: u32,
        done: impl FnOnce(Result<(), CallError>) + Send + 'static,
    ) -> (Join<Told>, u64) {
        share(&self.peer().requester, &key(self.address(), signal), Box::new(done))
    }

    /// Does it.
    pub(super) fn register(&self, signal: u32, joined: (Join<Told>, u64)) {
        register(&self.peer().requester, &key(self.address(), signal), joined, WhenFull::Fail);
    }

    /// A listener goes, and gives back its share in the registration.
    pub(super) fn unhear(&self, signal: u32, id: Option<u64>, link: u64) {
        id.into_iter().for_each(|id| unhear(self.peer(), self.address(), signal, id));
        leave(&self.peer().requester, &key(self.address(), signal), link, true);
    }
}

fn key(address: Address, signal: u32) -> Key {
    Key { service: address.service, object: address.object, signal }
}

fn unhear(peer: &Peer, address: Address, signal: u32, id: u64) {
    let place = (address, signal);
    let mut all = peer.listeners.lock();
    let Some(listeners) = all.all.get_mut(&place) else { return };
    let gone = listeners.extract_if(.., |listening| listening.id == id).next();
    if listeners.is_empty() {
        all.all.remove(&place);
    }
    // Under no lock: what the listener holds may be the last of its kind.
    drop(all);
    drop(gone);
}

/// An Event of an object of the peer.
pub(super) fn event(peer: &Arc<Peer>, message: &Message) {
    let Header { service, object, action, flags, .. } = message.header;
    let listeners = peer.listeners.lock().all.get(&(Address { service, object }, action)).cloned();
    for Listening { declared, listener, .. } in listeners.unwrap_or_default() {
        let mut reader = Reader::new(&message.payload).shared(peer.shared());
        // What cannot be read is dropped, as libqi does.
        if let Ok(arguments) = read_arguments(&mut reader, flags, &declared) {
            contained(|| listener(&Received::served(&peer.requester, peer, arguments.tuple)));
        }
    }
}
