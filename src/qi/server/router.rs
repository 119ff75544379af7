//! From a message to the object it is for: by service and object, on the thread that reads the connection, straight into
//! one mailbox (qi-design-notes.md 5.3).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::qi::actions::MAIN_OBJECT;
use crate::qi::capability::Capabilities;
use crate::qi::message::{Header, Message, Type};
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

use super::apart::mailbox_bytes;
use super::auth::{Auth, Authenticator};
use super::connection::Connection;
use super::generic;
use super::listening;
use super::mailbox::Origin;
use super::model::{Address, Common, InboundCall, Object, Peer, Task};
use super::object::count;
use super::peer::CALL;
use crate::qi::workers::run_queue::Threads;
use crate::qi::workers::turns::GONE;
use crate::qi::workers::{Crew, Left, Workers};

/// libqi's text for what is not there, or not yet (qi-messaging.md 17).
pub(super) const NOBODY: &str = "The call request could not be handled.";
const FULL: &str = "The call was dropped: the object is busy and its queue is full.";
const NO_MEMORY: &str = "The call was dropped: the server has no memory for it now.";
const TOO_MANY: &str = "The call was dropped: too many of this connection have no answer yet.";

/// Told of each connection that has ended, on the thread that ended it.
type OnEnd = Box<dyn Fn(u64) + Send + Sync>;

/// Which side has dialled.
pub(super) enum Role {
    /// The peer: service 0 is here.
    Accepted,
    /// We, and have authenticated; what both sides have announced.
    Dialled(Capabilities),
}

/// Services, connections, and the threads that objects run on.
pub(super) struct Router {
    pub ours: Capabilities,
    authenticator: Option<Arc<Authenticator>>,
    services: Mutex<HashMap<u32, Object>>,
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
    workers: Workers<Object>,
    common: Arc<Common>,
    on_end: Mutex<Vec<Arc<OnEnd>>>,
    stopped: AtomicBool,
}

impl Router {
    /// Without a reactor the workers leave the polling to others.
    pub fn new(
        workers: Threads,
        reactor: Option<Arc<Reactor>>,
        answer_wait: Duration,
        authenticator: Option<Arc<Authenticator>>,
    ) -> Arc<Router> {
        let run =
            |object: Object, crew: &Arc<Crew<Object>>| object.run_one(|| crew.busy()).map(|whose| (whose, object));
        let leave = |object: Object, why: Left, crew: &Arc<Crew<Object>>| match why {
            Left::Stopped => object.abandon(),
            Left::Stuck => object.refuse_waiting(crew),
        };
        let pool = Workers::new(workers, reactor, run, leave);
        Arc::new(Router {
            ours: Capabilities::OURS,
            authenticator,
            services: Mutex::default(),
            peers: Mutex::default(),
            common: Arc::new(Common::new(pool.crew(), workers, answer_wait)),
            workers: pool,
            on_end: Mutex::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// Has `told` called for each connection that ends from now on.
    pub fn on_end(&self, told: impl Fn(u64) + Send + Sync + 'static) {
        self.on_end.lock().push(Arc::new(Box::new(told)));
    }

    /// A new connection, before its first message.
    pub fn connected(&self, connection: Arc<dyn Connection>, role: Role) -> Arc<Peer> {
        let auth = match role {
            Role::Accepted => Some(Auth::new(self.ours, self.authenticator.clone())),
            Role::Dialled(_) => None,
        };
        let peer = Arc::new(Peer::new(connection, &self.common, auth));
        if let Role::Dialled(shared) = role {
            peer.set_shared(shared);
            peer.let_in(None);
        }
        self.peers.lock().insert(peer.id(), Arc::clone(&peer));
        peer
    }

    /// The connection has ended. May be said more than once.
    pub fn ended(&self, peer: &Arc<Peer>) {
        let Some(alone) = peer.cut_off() else { return };
        let services: Vec<_> = self.services.lock().values().cloned().collect();
        for object in services.iter().chain(&alone) {
            object.left_by(peer.id());
            object.unsubscribe_all(|subscription| Arc::ptr_eq(&subscription.peer, peer));
        }
        self.workers.crew().owner_gone(peer.id(), |object| object.0.mailbox.next_owner());
        // It counts until nothing of it is left.
        self.peers.lock().remove(&peer.id());
        self.common.give_back_later(peer.account.budget());
        let told = self.on_end.lock().clone();
        told.iter().for_each(|told| told(peer.id()));
    }

    /// The connection of this id, while it lasts.
    pub fn peer(&self, id: u64) -> Option<Arc<Peer>> {
        self.peers.lock().get(&id).cloned()
    }

    pub fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.lock().values().cloned().collect()
    }

    /// Makes an object the main object of a service. The caller has the id from a directory.
    pub fn add_service(&self, id: u32, object: &Object) {
        let old = self.services.lock().insert(id, object.clone());
        drop(old);
    }

    /// Calls of it end with an Error from now on; its subscribers hear no more.
    pub fn remove_service(&self, id: u32) -> Option<Object> {
        let object = self.services.lock().remove(&id)?;
        object.unsubscribe_all(|subscription| subscription.address == Address { service: id, object: MAIN_OBJECT });
        Some(object)
    }

    pub fn service(&self, id: u32) -> Option<Object> {
        self.services.lock().get(&id).cloned()
    }

    /// Has an object do something of ours about a connection that has ended, when what that has left for it is done.
    pub fn run_at_end(&self, object: &Object, run: impl FnOnce() + Send + 'static) {
        let crew = self.workers.crew();
        let task = Task::Run { run: Box::new(run), crew: Arc::clone(crew) };
        if let Ok(true) = object.0.mailbox.push(Origin::Server { about: GONE }, task) {
            crew.submit(GONE, object.clone());
        }
    }

    /// No connection is wanted any more. Those that come all the same are closed by who brings them, if this comes first,
    /// or are among [`Router::peers`] then.
    pub fn stop_accepting(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Lets one object do one thing, in a test without threads.
    #[cfg(test)]
    pub fn step(&self) -> bool {
        self.workers.step()
    }

    /// As much time has passed as the workers look at ([`crate::qi::workers::TICK`]), in a test without a reactor.
    #[cfg(test)]
    pub fn tick(&self) -> bool {
        self.workers.crew().tick()
    }

    /// Threads that objects work on now.
    pub fn threads(&self) -> usize {
        self.workers.crew().threads()
    }

    /// Ends the workers, after what they are doing now. Connections have been closed before: nobody waits for answers.
    pub fn stop(&self) {
        self.workers.stop();
        let services = std::mem::take(&mut *self.services.lock());
        drop(services);
    }

    /// A message of the connection, in order of arrival, by one thread at a time. Never blocks.
    pub fn incoming(&self, peer: &Arc<Peer>, message: &Message) {
        let header = &message.header;
        if header.ty == Type::Capability || (header.service == 0 && header.object == 0) {
            return self.service_0(peer, message);
        }
        if !peer.is_authenticated() {
            return refuse(peer, header, NOBODY);
        }
        match header.ty {
            Type::Call | Type::Post => self.request(peer, message),
            Type::Cancel => peer.cancel(message.canceled_id()),
            Type::Reply | Type::Error | Type::Canceled => peer.requester.answered(message),
            Type::Event => listening::event(peer, message),
            Type::None | Type::Capability | Type::Unknown(_) => {}
        }
    }

    fn service_0(&self, peer: &Arc<Peer>, message: &Message) {
        let mut auth = peer.auth.lock();
        let Some(machine) = auth.as_mut() else {
            // Of an outgoing connection the other side is the server. Whoever dialled reads its answers.
            drop(auth);
            return refuse(peer, &message.header, NOBODY);
        };
        let remote = peer.connection.remote();
        let reaction = machine.incoming(message, &remote, peer.connection.next_id());
        peer.set_shared(machine.shared());
        let user = machine.user();
        drop(auth);
        if reaction.let_in {
            peer.let_in(user);
        }
        for message in reaction.send.into_iter().chain(reaction.error) {
            peer.control(message);
        }
        if reaction.close {
            peer.connection.close();
        }
    }

    fn find(&self, peer: &Peer, address: Address) -> Option<Object> {
        let own = peer.exported(address);
        own.or_else(|| self.service(address.service).filter(|_| address.object == MAIN_OBJECT))
    }

    fn request(&self, peer: &Arc<Peer>, message: &Message) {
        let header = &message.header;
        if peer.late.is_behind.load(Ordering::Relaxed) {
            peer.connection.hold_back();
        }
        let address = Address { service: header.service, object: header.object };
        let Some(object) = self.find(peer, address) else { return refuse(peer, header, NOBODY) };
        if generic::is_immediate(header.action) {
            generic::handle(peer, &object, message);
            // It may have been taken away meanwhile; who is later sweeps.
            if generic::registers(header.action) && self.find(peer, address).is_none() {
                object.unsubscribe_all(|subscription| subscription.is_of(peer, address));
            }
            return;
        }
        let is_post = header.ty == Type::Post;
        if !object.takes(header.action, is_post) {
            let Header { service, object, action, id, .. } = header;
            return refuse(peer, header, &format!("No such method {{{service}.{object}.{action}, id:{id}}}"));
        }
        let Some(inbound) = InboundCall::new((peer, &object), *header, is_post, message.payload.len() + CALL) else {
            object.count_refused(is_post);
            object.release_unused(peer, message);
            return refuse(peer, header, NO_MEMORY);
        };
        // Before it is queued: a worker may be done with it before we are.
        if !is_post && !peer.remember(&inbound) {
            count(&object.0.counters.refused_calls);
            object.release_unused(peer, message);
            return refuse(peer, header, TOO_MANY);
        }
        let origin = Origin::Connection { id: peer.id(), bytes: mailbox_bytes(message), is_new: !peer.is_known() };
        let task = Task::Message { inbound: Arc::clone(&inbound), message: message.clone(), read: None };
        match object.0.mailbox.push(origin, task) {
            Ok(false) => {}
            Ok(true) => self.workers.crew().submit(peer.id(), object),
            Err(task) => {
                drop(task);
                peer.connection.hold_back();
                object.release_unused(peer, message);
                if is_post {
                    count(&object.0.counters.dropped_posts);
                } else if inbound.claim() {
                    count(&object.0.counters.refused_calls);
                    refuse(peer, header, FULL);
                }
            }
        }
    }
}

/// An Error for a Call; nothing for anything else.
fn refuse(peer: &Peer, header: &Header, text: &str) {
    if header.ty == Type::Call {
        peer.control(Message::error_to(header, text));
    }
}
