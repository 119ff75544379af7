//! Objects whose code is at a peer: what of it was given to us, for other peers to use (qi-messaging.md 13). Calls, posts and
//! properties go there and their results come back; of each signal that anybody has subscribed to there is one
//! registration. It lives as long as anybody can reach it, and then is released there; when the peer is gone first, calls fail, and
//! who has it as a service knows (`presence.rs`).

use std::sync::{Arc, OnceLock};

use crate::qi::actions::TRACE;
use crate::qi::calls::{CallError, Received};
use crate::qi::message::Message;
use crate::qi::value::{Object as Reference, Value};
use crate::sys::sync::Mutex;

use super::model::{Address, Answer, Followed, InboundCall, Object, Origin, Peer, Presence, Remote, WatchOrigin};
use super::remote::Method;
use super::signals::SubscribeRequest;

impl From<&Remote> for Object {
    /// An object that passes on what it is asked. Members that are not as they should be are left out.
    fn from(remote: &Remote) -> Object {
        Object::passing_to(remote, None)
    }
}

impl From<&Remote> for Answer {
    fn from(remote: &Remote) -> Answer {
        Answer::from(&Object::from(remote))
    }
}

impl Object {
    /// One that passes on what it is asked, and is told by `watch` what becomes of that.
    pub(in crate::qi) fn passing_to(remote: &Remote, watch: Option<Box<WatchOrigin>>) -> Object {
        Object::passing(remote.meta().publishable(), Origin::new(remote, watch))
    }

    /// Passes on what was in the mailbox.
    pub(super) fn pass_on(&self, origin: &Origin, inbound: Arc<InboundCall>, message: &Message) {
        let action = message.header.action;
        let Some(types) = self.0.methods.get(&action) else { return self.pass_on_signal(origin, &inbound, message) };
        let Some((tuple, mut responder)) = self.open(inbound, message, types) else { return };
        responder.traced = self.trace_call(action, tuple.members().unwrap_or_default());
        let (remote, inbound) = (origin.remote(), Arc::clone(&responder.inbound));
        let arguments = Answer::from(Received::served(&inbound.peer.requester, &inbound.peer, tuple));
        if inbound.post {
            return responder.answer(remote.send_post(action, &types.parameters, arguments).map(|()| Answer::void()));
        }
        let method = Method { action, parameters: types.parameters.clone(), result: types.result.clone() };
        let done = Box::new(move |result: Result<Received, CallError>| responder.answer(result.map(Answer::from)));
        // How long it may take is the caller's business, who cancels it then.
        let Some(call) = remote.send_call(method, arguments, None, done) else { return };
        let there = Arc::clone(remote.peer());
        inbound.on_cancel(Box::new(move || there.requester.cancel(&call)));
    }

    /// A signal that was posted: the object itself emits it, to us as well.
    fn pass_on_signal(&self, origin: &Origin, inbound: &Arc<InboundCall>, message: &Message) {
        inbound.claim();
        let action = message.header.action;
        if let Some((declared, tuple)) = self.posted(inbound, message) {
            let arguments = Answer::from(Received::served(&inbound.peer.requester, &inbound.peer, tuple));
            // A Post is never answered.
            let _ = origin.remote().send_post(action, declared, arguments);
        }
    }

    /// Subscribes a peer; `done` is told when the events of the object's own peer come, too.
    pub(super) fn subscribe_through(
        &self,
        origin: &Origin,
        (peer, address): (&Arc<Peer>, Address),
        request: SubscribeRequest,
        done: impl FnOnce(Result<(), String>) + Send + 'static,
    ) {
        let (signal, link) = (request.signal, request.link);
        if origin.remote().peer().is_closed() {
            return done(Err("disconnected".to_owned()));
        }
        if let Err(text) = self.subscribe(peer, address, request) {
            return done(Err(text.to_owned()));
        }
        if signal == TRACE {
            return done(Ok(()));
        }
        let (object, peer) = (self.clone(), Arc::clone(peer));
        self.follow(origin, signal, move |outcome| {
            let outcome = outcome.map_err(|error| error.text_for_peer());
            if outcome.is_err() {
                // The connection may have ended, and this with it.
                let _ = object.unsubscribe(&peer, address, link);
            }
            done(outcome);
        });
    }

    fn follow(&self, origin: &Origin, signal: u32, done: impl FnOnce(Result<(), CallError>) + Send + 'static) {
        let Some(declared) = self.0.signals.get(&signal) else { return done(Ok(())) };
        let (remote, joined) = {
            let mut followed = origin.followed.lock();
            let remote = origin.remote();
            let hear =
                || Followed { subscribers: 0, id: remote.hear(signal, declared.clone(), self.echo(signal)), link: 0 };
            let here = followed.entry(signal).or_insert_with(hear);
            let joined = remote.share(signal, done);
            here.subscribers += 1;
            here.link = joined.1;
            (remote, joined)
        };
        remote.register(signal, joined);
    }

    /// What it passes on to is at another place from now on, and so are the registrations for its subscribers.
    pub(super) fn follow_to(&self, origin: &Origin, remote: &Remote) {
        let (mut left, mut joined) = (Vec::new(), Vec::new());
        let before = {
            let mut followed = origin.followed.lock();
            let before = std::mem::replace(&mut *origin.remote.lock(), remote.clone());
            for (signal, here) in followed.iter_mut() {
                let Some(declared) = self.0.signals.get(signal) else { continue };
                let id = remote.hear(*signal, declared.clone(), self.echo(*signal));
                left.push((*signal, std::mem::replace(&mut here.id, id), here.link, here.subscribers));
                for _ in 0..here.subscribers {
                    // They have been told that they are registered.
                    let share = remote.share(*signal, drop);
                    here.link = share.1;
                    joined.push((*signal, share));
                }
            }
            before
        };
        joined.into_iter().for_each(|(signal, share)| remote.register(signal, share));
        for (signal, id, link, subscribers) in left {
            (0..subscribers).for_each(|count| before.unhear(signal, (count == 0).then_some(id), link));
        }
    }

    /// Emits here what is emitted there.
    fn echo(&self, signal: u32) -> impl Fn(&Received) + Send + Sync + 'static {
        let me = Arc::downgrade(&self.0);
        move |event| {
            if let Some(core) = me.upgrade() {
                let object = Object(core);
                // What is of another type than declared is dropped.
                let _ = object.emit_answer(signal, event.clone().into());
            }
        }
    }
}

impl Origin {
    fn new(remote: &Remote, watch: Option<Box<WatchOrigin>>) -> Origin {
        let (remote, followed) = (Mutex::new(remote.clone()), Mutex::default());
        let (presence, lookers, watched) = (Mutex::new(Presence::There), Mutex::default(), OnceLock::new());
        Origin { remote, followed, presence, lookers, watch, watched }
    }

    /// Where the code is now.
    pub fn remote(&self) -> Remote {
        self.remote.lock().clone()
    }

    /// A subscriber of a signal has gone.
    pub fn unfollow(&self, signal: u32) {
        let (remote, link, last) = {
            let mut followed = self.followed.lock();
            let remote = self.remote();
            let Some(here) = followed.get_mut(&signal) else { return };
            here.subscribers -= 1;
            let (link, last) = (here.link, (here.subscribers == 0).then_some(here.id));
            if last.is_some() {
                followed.remove(&signal);
            }
            (remote, link, last)
        };
        remote.unhear(signal, last, link);
    }
}

impl Received {
    /// The peer's object that a value in it refers to, if it came to a server.
    pub fn remote(&self, reference: &Value) -> Option<Remote> {
        let Value::Object(reference) = reference else { return None };
        let is_it = |service, object| reference.service == service && reference.object == object;
        self.objects().iter().find(|object| is_it(object.service, object.object)).and_then(Remote::of)
    }
}

/// What came to a server takes its objects along to another peer.
impl From<Received> for Answer {
    fn from(received: Received) -> Answer {
        let (value, objects) = received.into_parts();
        let remotes: Vec<_> = objects.iter().filter_map(Remote::of).collect();
        Answer::from(value).passing_on(&remotes)
    }
}

impl Answer {
    /// With objects of our own in place of these objects of a peer's.
    pub(super) fn passing_on(self, remotes: &[Remote]) -> Answer {
        if remotes.is_empty() {
            return self;
        }
        let Answer { value, mut objects } = self;
        let mut passed: Vec<(Address, Object)> = Vec::new();
        let value = value.map_objects(&mut |reference| {
            let Some(remote) = find(remotes, &reference) else { return reference };
            let known = passed.iter().find(|(address, _)| *address == remote.address());
            let object = known.map_or_else(|| Object::from(remote), |(_, object)| object.clone());
            let reference = object.reference();
            passed.push((remote.address(), object));
            reference
        });
        passed.sort_by_key(|(address, _)| (address.service, address.object));
        passed.dedup_by_key(|(address, _)| *address);
        objects.extend(passed.into_iter().map(|(_, object)| object));
        Answer { value, objects }
    }
}

/// References to objects of our own name no address yet, and so none of these.
fn find<'r>(remotes: &'r [Remote], reference: &Reference) -> Option<&'r Remote> {
    let address = Address { service: reference.service, object: reference.object };
    remotes.iter().find(|remote| remote.address() == address)
}
