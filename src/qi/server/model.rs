//! What a server consists of: objects, the calls of them, the connections they come by, and who listens. These know each other, so they
//! stand here together; what they do is in the files named after them, each in one direction above this.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use crate::qi::calls::requester::Requester;
use crate::qi::calls::{AtEnd, Received, RemoteObject};
use crate::qi::capability::Capabilities;
use crate::qi::convert::Conversion;
use crate::qi::endpoint::budget::{Account, Charge, Tab};
use crate::qi::message::{Flags, Header, Message};
use crate::qi::meta::MetaObject;
use crate::qi::payload::{Arguments, PayloadError};
use crate::qi::signature::Signature;
use crate::qi::value::{Text, Uid, Value};
use crate::sys::sync::Mutex;

use super::auth::Auth;
use super::connection::{Connection, Policy};
use super::mailbox::Mailbox;
use super::statistics::{Begun, Instrumentation};
use crate::qi::workers::Crew;
use crate::qi::workers::latency::LatencyEstimate;
use crate::qi::workers::run_queue::Threads;

/// Code that answers calls. It may keep the [`Call`] and answer later, from any thread.
pub type Handler = dyn Fn(Call) + Send + Sync;
/// Code that is asked before a property is set; its text becomes the Error.
pub type OnSet = dyn Fn(&Value) -> Result<(), String> + Send + Sync;

/// What is to do with the values that peers want a property to have.
pub(super) struct SetByPeer {
    pub code: Box<OnSet>,
    /// It judges values, so it is asked about those that are posted, which are told and not set. Else it is told what is set.
    pub is_check: bool,
}

/// Code that is told whether anybody listens to a signal.
pub type OnSubscribers = dyn Fn(&Object, bool) + Send + Sync;

/// Who is to be told about the subscribers of one signal.
pub(super) struct Audience {
    pub code: Box<OnSubscribers>,
    pub state: Mutex<AudienceState>,
}

#[derive(Default)]
pub(super) struct AudienceState {
    /// What it knows.
    pub told: bool,
    /// A thread is telling it, and looks again before it leaves if another one asks: so the last that it hears is true.
    pub telling: bool,
    pub again: bool,
}

/// Where an object is known on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub service: u32,
    pub object: u32,
}

/// An object of ours. Clones are the same object; it lives while anybody can reach it: a service, a peer that it was
/// sent to, or a handle.
#[derive(Clone)]
pub struct Object(pub(super) Arc<Core>);

/// An object that a peer was given, and the memory that it takes for that.
#[derive(Debug)]
pub(super) struct KeptForPeer {
    pub object: Object,
    /// This one pays for the object itself; others, on whatever connection, for an entry in a table.
    pub pays: bool,
    pub memory: Charge,
}

pub(super) struct MethodTypes {
    pub name: Text,
    pub parameters: Signature,
    pub result: Signature,
    pub latency: LatencyEstimate,
    /// Its code has looked into a large dynamic.
    pub looks_into: AtomicBool,
}

pub(super) struct PropertyType {
    pub name: Text,
    pub ty: Signature,
}

/// What a property has been set to.
pub(super) struct PropertyValue {
    /// Of its type.
    pub bytes: Bytes,
    pub _memory: Option<Charge>,
}

/// What all handles of an object share. Locks: see `server/mod.rs`.
pub(super) struct Core {
    pub meta: Arc<MetaObject>,
    /// The meta object as the Reply to `metaObject` carries it.
    pub encoded: Bytes,
    pub uid: Uid,
    /// A connection that it was sent to pays for its memory.
    pub paid: AtomicBool,
    pub methods: HashMap<u32, MethodTypes>,
    pub signals: HashMap<u32, Signature>,
    pub properties: BTreeMap<u32, PropertyType>,
    pub handler: Box<Handler>,
    /// Its code is not here but there.
    pub origin: Option<Origin>,
    pub conversion: Conversion,
    pub on_set: HashMap<u32, SetByPeer>,
    pub audiences: HashMap<u32, Audience>,
    pub values: Mutex<HashMap<u32, PropertyValue>>,
    pub mailbox: Mailbox<Task>,
    pub subscriptions: Mutex<Vec<Arc<Subscription>>>,
    /// Held while a change is made and told to subscribers, so that all of them see the same order.
    /// What of the last event has not been sent yet.
    pub order: Mutex<EventOrder>,
    pub instrumentation: Instrumentation,
    /// Of everything that is no method.
    pub latency: LatencyEstimate,
    pub looks_into: AtomicBool,
    pub counters: Counters,
}

#[derive(Default)]
pub(super) struct Counters {
    pub handled: AtomicU64,
    pub refused_calls: AtomicU64,
    pub dropped_posts: AtomicU64,
    pub events_sent: AtomicU64,
    pub events_dropped: AtomicU64,
}

/// A value on its way to a peer, with the objects that it refers to ([`Object::to_value`]).
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(super) value: Value,
    pub(super) objects: Vec<Object>,
}

/// One call, or post, of a method. It is answered exactly once: dropped without an answer, it answers with an Error. The
/// answer to a post goes nowhere.
#[derive(Debug)]
pub struct Call {
    /// The method's id.
    pub method: u32,
    /// Of the declared types; for parameters `m`, of any.
    pub arguments: Vec<Value>,
    /// Who calls.
    pub caller: Caller,
    pub(super) responder: Responder,
}

/// Who calls.
#[derive(Clone)]
pub struct Caller {
    pub(super) peer: Arc<Peer>,
    pub(super) address: Address,
}

/// A call that may be cancelled, for who cannot answer it.
#[derive(Clone, Debug)]
pub struct Cancellation(pub(super) Arc<InboundCall>);

/// The right, and the duty, to answer.
#[derive(Debug)]
pub(super) struct Responder {
    pub inbound: Arc<InboundCall>,
    pub declared: Signature,
    pub wanted: Option<Signature>,
    /// If it is measured.
    pub begun: Option<Begun>,
    /// What the call was traced with.
    pub traced: Option<u32>,
    /// The peer's objects among the arguments, until the answer: they may be in it.
    pub remotes: Vec<Remote>,
    pub answered: bool,
}

pub(super) enum Phase {
    /// In the mailbox.
    Queued,
    /// Its method may be running.
    Running,
    /// Answered, or nobody is there to answer to.
    Done,
}

pub(super) struct InboundState {
    pub phase: Phase,
    pub canceled: bool,
    pub notice: Option<Box<dyn FnOnce() + Send>>,
}

/// One call from its arrival to its answer, known to its connection so that it can be cancelled.
pub(super) struct InboundCall {
    pub peer: Arc<Peer>,
    pub object: Object,
    pub header: Header,
    pub post: bool,
    /// For its message and what is decoded of it, until it has its answer.
    pub memory: Arc<Tab>,
    pub state: Mutex<InboundState>,
}

/// The arguments of a message.
pub(super) struct ReadArguments {
    pub arguments: Arguments,
    /// References are among them.
    pub has_objects: bool,
}

/// Those that have been read, or could not be, apart from the object's turn.
pub(super) type AlreadyRead = Option<Box<Result<ReadArguments, PayloadError>>>;

/// What waits in a mailbox.
pub(super) enum Task {
    /// A Call or Post that has a meaning for the object.
    Message {
        inbound: Arc<InboundCall>,
        message: Message,
        /// Its arguments, if they have been read apart from the object's turn.
        read: AlreadyRead,
    },
    /// Something of the server's own, in turn with the rest; whose it is.
    Run { run: Box<dyn FnOnce() + Send>, crew: Arc<Crew<Object>> },
}

/// One registration of one connection.
#[derive(Debug)]
pub(super) struct Subscription {
    pub peer: Arc<Peer>,
    /// Where the subscriber knows the object.
    pub address: Address,
    pub signal: u32,
    pub link: u64,
    pub wanted: Option<Wanted>,
    /// Nothing is sent to it any more.
    pub ended: AtomicBool,
    /// Its last event was dropped, because there was no time to convert it: the next is converted for it first.
    pub overtaken: AtomicBool,
}

/// An event, encoded, by what makes the bytes differ between subscribers: capabilities, wanted type, service.
pub(super) type Encodings = HashMap<(Capabilities, Option<Arc<str>>, Option<u32>), (Bytes, Flags)>;

/// One event while it goes round.
pub(super) struct Emission {
    pub signal: u32,
    pub declared: Signature,
    pub answer: Answer,
    /// Ids for the objects that the arguments refer to, the same on all connections.
    pub ids: Vec<u32>,
    pub encodings: Encodings,
    pub policy: Policy,
    /// Who has not been told yet.
    pub left: std::vec::IntoIter<Arc<Subscription>>,
    /// Of those for whom it must be converted.
    pub to_convert: Vec<Arc<Subscription>>,
}

/// What is left to be told. The lock around it is what orders events.
#[derive(Default)]
pub(super) struct EventOrder {
    pub waiting: Option<Emission>,
    /// A worker converts the event before for somebody, without the lock.
    pub is_converting: bool,
}

/// The type in which a subscriber wants the arguments.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub ty: Signature,
    /// The type in words: types are equal without their names, but conversions are not.
    pub text: Arc<str>,
}

/// Where the code of an object is.
pub(super) struct Origin {
    /// Where it is now.
    pub remote: Mutex<Remote>,
    pub followed: Mutex<HashMap<u32, Followed>>,
    pub presence: Mutex<Presence>,
    /// Who is to know of that.
    pub lookers: Mutex<Vec<Arc<LookAgain>>>,
    /// What tells it, and has it told.
    pub watch: Option<Box<WatchOrigin>>,
    pub watched: OnceLock<Option<Box<dyn Any + Send + Sync>>>,
}

/// Whether what an object passes on to is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// As far as is known.
    There,
    /// It may come back.
    Lost,
    /// It will not.
    Gone,
}

/// Looks whether an object is there. False: it needs not look again.
pub(super) type LookAgain = dyn Fn(&Object) -> bool + Send + Sync;

/// Has an object told what becomes of what it passes on to, for as long as what it gives lives.
pub(in crate::qi) type WatchOrigin = dyn Fn(&Object) -> Option<Box<dyn Any + Send + Sync>> + Send + Sync;

/// A signal that somebody here has subscribed to.
pub(super) struct Followed {
    pub subscribers: usize,
    /// Our listener, and the registration that each subscriber has a share in.
    pub id: u64,
    pub link: u64,
}

/// An object that lives at a peer. Clones are the same object; with the last of them it is released. It can be passed on to
/// other peers: as an [`Object`](super::Object) it is one whose code is at its peer.
#[derive(Clone)]
pub struct Remote(pub(super) Arc<RemoteCore>);

pub(super) struct RemoteCore {
    pub peer: Arc<Peer>,
    pub meta: Arc<MetaObject>,
    pub address: Address,
    pub uid: Option<Uid>,
    /// The reference that we were given, and give back in the end. Without, the object stays: it is the main one of a service, or
    /// `_keep` sees to it.
    pub object: Option<Arc<RemoteObject>>,
    pub _keep: Option<Arc<dyn Any + Send + Sync>>,
    /// What ends with this, where there is no reference to end it.
    pub at_end: Mutex<Vec<AtEnd>>,
}

/// Called with the argument tuple of each event, on the thread that reads: it must not block.
pub(super) type Listener = Arc<dyn Fn(&Received) + Send + Sync>;

/// One that listens.
#[derive(Clone)]
pub(super) struct Listening {
    pub id: u64,
    pub declared: Signature,
    pub listener: Listener,
}

/// All that listen to the objects of one peer, by object and signal.
#[derive(Default)]
pub(super) struct Listeners {
    pub all: HashMap<(Address, u32), Vec<Listening>>,
    pub ids: u64,
}

/// What all connections of a server share.
pub(super) struct Common {
    /// On which its objects run.
    pub crew: Arc<Crew<Object>>,
    /// Returned objects; 1 is the main object, and libqi does not use 2.
    pub next_object: AtomicU32,
    /// Objects that we pass as arguments.
    pub next_passed: AtomicU32,
    /// How long answers wait for their peers to read.
    pub answer_wait: Duration,
    /// What sends those, and how many threads are at it.
    pub sender: Object,
    pub sending: AtomicUsize,
    /// What does that which no object is to wait for.
    pub helper: Object,
    /// What waits for it and counts in no budget.
    pub uncounted: AtomicUsize,
    /// Its threads, and how many of them are inside methods.
    pub threads: Threads,
    pub inside: AtomicUsize,
}

/// Answers to one connection for which there was no room.
#[derive(Default)]
pub(super) struct LateAnswers {
    pub waiting: Mutex<VecDeque<(Message, Charge)>>,
    /// Some wait, and a task is there that sends them.
    pub is_behind: AtomicBool,
    /// It has not taken in time what waited for it: nothing waits any more, until it takes something.
    pub has_stalled: AtomicBool,
}

/// The calls of one connection by their ids. libqi answers two calls of one id twice, and so do we.
pub(super) type Calls = HashMap<u32, VecDeque<Arc<InboundCall>>>;

/// One connection, from the first byte to the end.
pub(super) struct Peer {
    pub connection: Arc<dyn Connection>,
    /// What its calls count on.
    pub account: Arc<Account>,
    /// Threads that are inside methods for it.
    pub inside: AtomicUsize,
    /// What makes our calls of its objects.
    pub requester: Arc<Requester>,
    pub common: Arc<Common>,
    /// `None`: we have dialled, and service 0 is at the other end.
    pub auth: Mutex<Option<Auth>>,
    pub authenticated: AtomicBool,
    /// Something that it has asked for has been begun.
    pub is_known: AtomicBool,
    pub user: Mutex<Option<Text>>,
    pub calls: Mutex<(Calls, usize)>,
    pub exports: Mutex<HashMap<Address, KeptForPeer>>,
    pub listeners: Mutex<Listeners>,
    pub subscriptions: AtomicUsize,
    pub wanted: AtomicUsize,
    pub closed: AtomicBool,
    pub late: LateAnswers,
    pub events_dropped: AtomicU64,
}
