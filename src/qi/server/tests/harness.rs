//! Connections without sockets, and a router whose objects run when the test says so.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;

use crate::core::Error;
use crate::qi::calls::channel::Channel;
use crate::qi::calls::requester::Requester;
use crate::qi::capability::{Capabilities, CapabilityMap};
use crate::qi::endpoint::Budget;
use crate::qi::endpoint::budget::Account;
use crate::qi::endpoint::{Reason, WhenFull};
use crate::qi::message::{Flags, Message, Type};
use crate::qi::payload::read_result;
use crate::qi::server::Object;
use crate::qi::server::auth::Authenticator;
use crate::qi::server::connection::{Connection, Policy, SendError};
use crate::qi::server::model::Peer;
use crate::qi::server::router::{Role, Router};
use crate::qi::signature::Signature;
use crate::qi::value::{Reader, Value, Writer, encode};
use crate::qi::workers::run_queue::Threads;
use crate::sys::sync::Mutex;

/// The service of most tests.
pub const SERVICE: u32 = 2;

pub fn signature(text: &str) -> Signature {
    Signature::parse(text).unwrap()
}

/// Everything announced, as a libqi client does.
pub const LIBQI: Capabilities = Capabilities::OURS;

#[derive(Debug)]
pub struct State {
    pub sent: Vec<Message>,
    /// How many answers and events there is room for.
    pub room: usize,
    pub control_room: usize,
    /// Who waits for room has waited long enough.
    pub out_of_time: bool,
    pub closed: bool,
    pub authenticated: Option<Capabilities>,
}

/// Connections count on over all servers of the process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A connection that remembers what was sent.
pub struct Fake {
    id: u64,
    /// Of its world's.
    number: u64,
    next: AtomicU32,
    pub state: Mutex<State>,
    requester: OnceLock<Arc<Requester>>,
    account: Arc<Account>,
    me: Weak<Fake>,
}

impl Connection for Fake {
    fn id(&self) -> u64 {
        self.id
    }

    fn next_id(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn send(&self, message: Message, policy: Policy) -> Result<(), SendError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(SendError::Closed);
        }
        // Somebody who waits is told by the test, at the latest by the end of the connection.
        while matches!(policy, Policy::Answer(wait) if !wait.is_zero()) && state.room == 0 {
            drop(state);
            std::thread::yield_now();
            state = self.state.lock();
            if state.closed {
                return Err(SendError::Closed);
            }
            if state.out_of_time {
                return Err(SendError::Full);
            }
        }
        let room = if policy == Policy::Control { &mut state.control_room } else { &mut state.room };
        if *room == 0 {
            state.closed |= policy == Policy::Control;
            return Err(SendError::Full);
        }
        *room -= 1;
        state.sent.push(message);
        Ok(())
    }

    fn close(&self) {
        self.state.lock().closed = true;
    }

    fn remote(&self) -> String {
        format!("tcp://10.0.0.{}:5000", self.number)
    }

    fn local(&self) -> Option<String> {
        Some(format!("tcp://10.0.1.{}:9559", self.number))
    }

    fn requester(&self) -> Arc<Requester> {
        let new = || Requester::over(self.me.upgrade().unwrap());
        Arc::clone(self.requester.get_or_init(new))
    }

    fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account)
    }

    fn authenticated(&self, shared: Capabilities) {
        self.state.lock().authenticated = Some(shared);
    }
}

impl Channel for Fake {
    fn next_id(&self) -> u32 {
        Connection::next_id(self)
    }

    fn send(&self, message: &Message, _full: WhenFull) -> Result<(), Error> {
        let sent = Connection::send(self, message.clone(), Policy::Answer(Duration::ZERO));
        sent.map_err(|error| if error == SendError::Full { Error::AGAIN } else { Error::NOT_CONNECTED })
    }

    fn send_control(&self, message: &Message) {
        let _ = Connection::send(self, message.clone(), Policy::Control);
    }

    fn is_open(&self) -> bool {
        !self.is_closed()
    }

    fn end(&self) -> Option<Reason> {
        self.is_closed().then_some(Reason::PeerClosed)
    }
}

impl Fake {
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }
}

/// A connection and what the router knows of it.
pub struct Client {
    pub fake: Arc<Fake>,
    pub peer: Arc<Peer>,
    router: Arc<Router>,
    next: AtomicU32,
}

impl Client {
    /// What was sent since the last look.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.fake.state.lock().sent)
    }

    /// The one message that was sent since the last look.
    pub fn only(&self) -> Message {
        let mut all = self.take();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub fn none(&self) {
        let all = self.take();
        assert!(all.is_empty(), "{all:?}");
    }

    pub fn message(&self, message: Message) {
        self.router.incoming(&self.peer, &message);
    }

    pub fn is_closed(&self) -> bool {
        self.fake.state.lock().closed
    }

    /// A Call; gives its id.
    pub fn call_at(&self, (service, object, action): (u32, u32, u32), payload: Bytes) -> u32 {
        self.call_flags((service, object, action), payload, Flags::NONE)
    }

    pub fn call_flags(&self, (service, object, action): (u32, u32, u32), payload: Bytes, flags: Flags) -> u32 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.message(Message::call(id, service, object, action, payload).with_flags(flags));
        id
    }

    /// A Call to the main object of [`SERVICE`].
    pub fn call(&self, action: u32, payload: Bytes) -> u32 {
        self.call_at((SERVICE, 1, action), payload)
    }

    pub fn post(&self, action: u32, payload: Bytes) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.message(Message::post(id, SERVICE, 1, action, payload));
    }

    pub fn cancel(&self, id: u32) {
        self.message(Message {
            header: crate::qi::message::Header::new(Type::Cancel, 9999, SERVICE, 1, 0),
            payload: Bytes::copy_from_slice(&id.to_le_bytes()),
        });
    }

    pub fn subscribe(&self, signal: u32, link: u64) {
        self.call(0, args("(IIL)", vec![SERVICE.into(), signal.into(), link.into()]));
        let reply = self.only();
        assert_eq!((reply.header.ty, reply.payload.len()), (Type::Reply, 8), "{:?}", reply.error_text());
    }

    pub fn end(&self) {
        self.fake.close();
        self.router.ended(&self.peer);
    }

    /// As many answers and events as this find room.
    pub fn room(&self, room: usize) {
        self.fake.state.lock().room = room;
    }
}

pub struct World {
    pub router: Arc<Router>,
    pub budget: Budget,
    connections: AtomicU64,
}

impl World {
    /// Without threads.
    pub fn new() -> World {
        World::with(0, None)
    }

    pub fn with(workers: usize, authenticator: Option<Arc<Authenticator>>) -> World {
        World::with_threads(Threads { at_once: workers, limit: workers }, authenticator)
    }

    pub fn with_threads(workers: Threads, authenticator: Option<Arc<Authenticator>>) -> World {
        World::patient(workers, Duration::ZERO, authenticator)
    }

    /// Answers wait for so long, if that is not zero: until the test says that it is over.
    pub fn patient(workers: Threads, answer_wait: Duration, authenticator: Option<Arc<Authenticator>>) -> World {
        let router = Router::new(workers, None, answer_wait, authenticator);
        World { router, budget: Budget::default(), connections: AtomicU64::new(1) }
    }

    /// With this object as [`SERVICE`].
    pub fn serving(object: &Object) -> World {
        let world = World::new();
        world.router.add_service(SERVICE, object);
        world
    }

    /// A connection that has said nothing yet.
    pub fn stranger(&self) -> Client {
        let (id, number) = (NEXT.fetch_add(1, Ordering::Relaxed), self.connections.fetch_add(1, Ordering::Relaxed));
        let state = State {
            sent: Vec::new(),
            room: usize::MAX,
            control_room: usize::MAX,
            out_of_time: false,
            closed: false,
            authenticated: None,
        };
        let (next, state) = (AtomicU32::new(500), Mutex::new(state));
        let (requester, account) = (OnceLock::new(), self.budget.account());
        let fake = Arc::new_cyclic(|me| Fake { id, number, next, state, requester, account, me: Weak::clone(me) });
        let peer = self.router.connected(Arc::clone(&fake) as _, Role::Accepted);
        Client { fake, peer, router: Arc::clone(&self.router), next: AtomicU32::new(1000) }
    }

    /// One that has authenticated with these capabilities.
    pub fn client_with(&self, capabilities: &Capabilities) -> Client {
        let client = self.stranger();
        client.call_at((0, 0, 8), capability_map(&CapabilityMap::announcing(capabilities)));
        assert_eq!(client.only().header.ty, Type::Reply);
        client
    }

    pub fn client(&self) -> Client {
        self.client_with(&LIBQI)
    }

    /// Runs objects until nothing is left to do.
    pub fn run(&self) {
        while self.router.step() {}
    }
}

pub fn capability_map(map: &CapabilityMap) -> Bytes {
    encode(&map.to_value(), &CapabilityMap::signature()).unwrap()
}

/// Arguments of this tuple signature, which the values have already.
pub fn args(tuple: &str, values: Vec<Value>) -> Bytes {
    let tuple = signature(tuple);
    encode(&Value::structure(tuple.clone(), values), &tuple).unwrap()
}

/// A single dynamic, as flagged payloads are.
pub fn dynamic(value: Value) -> Bytes {
    encode(&value.into_dynamic(), &signature("m")).unwrap()
}

/// As [`args`] for what holds objects.
pub fn args_shared(tuple: &str, values: Vec<Value>) -> Bytes {
    let tuple = signature(tuple);
    Writer::new(LIBQI).encode(&Value::structure(tuple.clone(), values), &tuple).unwrap()
}

/// As [`dynamic`] for what holds objects.
pub fn dynamic_shared(value: Value) -> Bytes {
    Writer::new(LIBQI).encode(&value.into_dynamic(), &signature("m")).unwrap()
}

/// The result in a Reply of this type.
pub fn result(reply: &Message, declared: &str) -> Value {
    assert_eq!(reply.header.ty, Type::Reply, "{:?}", reply.error_text());
    read_result(&mut Reader::new(&reply.payload).shared(LIBQI), reply.header.flags, &signature(declared)).unwrap()
}

/// The text of an Error.
pub fn error(message: &Message) -> String {
    assert_eq!(message.header.ty, Type::Error, "{message:?}");
    message.error_text().expect("a string in a dynamic").into_owned()
}

/// The map in a Reply to authenticate, or in a Capability message.
pub fn map_of(message: &Message) -> CapabilityMap {
    let value = Reader::new(&message.payload).read(&CapabilityMap::signature()).unwrap();
    CapabilityMap::from_value(&value).unwrap().unwrap()
}
