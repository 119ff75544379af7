//! Objects whose code is at a peer: what of it was given to us, for other peers to use (qi-messaging.md 13). Calls, posts and
//! properties go there and their results come back; of each signal that anybody has subscribed to there is one
//! registration. It lives as long as anybody can reach it, and then is released there; when the peer is gone first, calls fail.

use std::collections::HashMap;
use std::sync::Arc;

use crate::qi::message::Message;
use crate::sys::sync::Mutex;

use super::call::{Answer, CallError, Ticket};
use super::given::Given;
use super::object::{Address, Object};
use super::peer::Peer;
use super::remote::{Method, Remote};
use super::signals::Wish;
use super::watch::TRACE;

/// Where the code of an object is.
pub(super) struct Origin {
    pub remote: Remote,
    followed: Mutex<HashMap<u32, Followed>>,
}

/// A signal that somebody here has subscribed to.
struct Followed {
    subscribers: usize,
    /// Our listener, and the registration that each subscriber has a share in.
    id: u64,
    link: u64,
}

impl From<&Remote> for Object {
    /// An object that passes on what it is asked. Members that are not as they should be are left out.
    fn from(remote: &Remote) -> Object {
        let origin = Origin { remote: remote.clone(), followed: Mutex::default() };
        Object::passing(remote.meta().publishable(), origin)
    }
}

impl From<&Remote> for Answer {
    fn from(remote: &Remote) -> Answer {
        Answer::from(&Object::from(remote))
    }
}

impl Object {
    /// Passes on what was in the mailbox.
    pub(super) fn pass_on(&self, origin: &Origin, ticket: Arc<Ticket>, message: &Message) {
        let action = message.header.action;
        let Some(types) = self.0.methods.get(&action) else { return self.pass_on_signal(origin, &ticket, message) };
        let Some((tuple, mut token)) = self.open(ticket, message, types) else { return };
        token.traced = self.0.watch.started(self, action, tuple.members().unwrap_or_default());
        let ticket = Arc::clone(&token.ticket);
        let arguments = Answer::from(Given::by(&ticket.peer, tuple));
        if ticket.post {
            return token
                .answer(origin.remote.send_post(action, &types.parameters, arguments).map(|()| Answer::void()));
        }
        let method = Method { action, parameters: types.parameters.clone(), result: types.result.clone() };
        let done = Box::new(move |result: Result<Given, CallError>| token.answer(result.map(Answer::from)));
        let Some(call) = origin.remote.send_call(method, arguments, done) else { return };
        let there = Arc::clone(origin.remote.peer());
        ticket.on_cancel(Box::new(move || there.ask_to_cancel(&call)));
    }

    /// A signal that was posted: the object itself emits it, to us as well.
    fn pass_on_signal(&self, origin: &Origin, ticket: &Arc<Ticket>, message: &Message) {
        ticket.claim();
        let action = message.header.action;
        if let Some((declared, tuple)) = self.posted(ticket, message) {
            let arguments = Answer::from(Given::by(&ticket.peer, tuple));
            // A Post is never answered.
            let _ = origin.remote.send_post(action, declared, arguments);
        }
    }

    /// Subscribes a peer; `done` is told when the events of the object's own peer come, too.
    pub(super) fn subscribe_through(
        &self,
        origin: &Origin,
        (peer, address): (&Arc<Peer>, Address),
        wish: Wish,
        done: impl FnOnce(Result<(), String>) + Send + 'static,
    ) {
        let (signal, link) = (wish.signal, wish.link);
        if origin.remote.peer().is_closed() {
            return done(Err(CallError::Disconnected.to_string()));
        }
        if let Err(text) = self.subscribe(peer, address, wish) {
            return done(Err(text.to_owned()));
        }
        if signal == TRACE {
            return done(Ok(()));
        }
        let (object, peer) = (self.clone(), Arc::clone(peer));
        self.follow(origin, signal, move |outcome| {
            let outcome = outcome.map_err(|error| error.to_string());
            if outcome.is_err() {
                // The connection may have ended, and this with it.
                let _ = object.unsubscribe(&peer, address, link);
            }
            done(outcome);
        });
    }

    fn follow(&self, origin: &Origin, signal: u32, done: impl FnOnce(Result<(), CallError>) + Send + 'static) {
        let Some(declared) = self.0.signals.get(&signal) else { return done(Ok(())) };
        let remote = &origin.remote;
        let joined = {
            let mut followed = origin.followed.lock();
            let hear =
                || Followed { subscribers: 0, id: remote.hear(signal, declared.clone(), self.echo(signal)), link: 0 };
            let here = followed.entry(signal).or_insert_with(hear);
            let joined = remote.join(signal, done);
            here.subscribers += 1;
            here.link = joined.1;
            joined
        };
        remote.register(signal, joined);
    }

    /// Emits here what is emitted there.
    fn echo(&self, signal: u32) -> impl Fn(&Given) + Send + Sync + 'static {
        let me = Arc::downgrade(&self.0);
        move |event| {
            if let Some(core) = me.upgrade() {
                let object = Object(core);
                let _order = object.0.order.lock();
                // What is of another type than declared is dropped.
                let _ = object.emit_in_order(signal, event.clone().into());
            }
        }
    }
}

impl Origin {
    /// A subscriber of a signal has gone.
    pub fn unfollow(&self, signal: u32) {
        let (link, last) = {
            let mut followed = self.followed.lock();
            let Some(here) = followed.get_mut(&signal) else { return };
            here.subscribers -= 1;
            let (link, last) = (here.link, (here.subscribers == 0).then_some(here.id));
            if last.is_some() {
                followed.remove(&signal);
            }
            (link, last)
        };
        let core = &self.remote.0;
        last.into_iter().for_each(|id| core.unhear(signal, id));
        core.leave(signal, link, true);
    }
}
