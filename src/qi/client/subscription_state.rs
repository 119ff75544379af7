//! What a subscription and its handler at the end point share: the events that wait, and where they come from.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use crate::qi::calls::registering::{join, leave};
use crate::qi::calls::registrations::Key;
use crate::qi::calls::waiting::wait_for;
use crate::qi::calls::{CallError, Connection, Received, Result};
use crate::qi::endpoint::ring::{Ring, Wakes, Weigh, place_of};
use crate::qi::endpoint::{Budget, EndPoint, Next, Pattern, Reason, Taken};
use crate::qi::message::{HEADER_SIZE, Message};
use crate::qi::payload::{PayloadError, may_hold_objects, read_arguments};
use crate::qi::signature::Signature;
use crate::qi::typed::{FromValue, value_to};
use crate::qi::value::Reader;
use crate::reactor::{Reactor, deadline_in};
use crate::sys::sync::Mutex;

use super::origin::Origin;
use super::place::Place;
use super::retry::Retry;
use super::strand::Strand;

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// The argument tuple; of a property, its value as the only member.
    pub arguments: Received,
    /// Events that were dropped just before this one because the queue was full.
    pub missed: u64,
}

impl Event {
    /// The arguments as a Rust type: a tuple with a member for each, of a property the value alone in a tuple. Fails if they cannot
    /// be had in it.
    pub fn to<T: FromValue>(&self) -> Result<T> {
        let arguments = value_to(self.arguments.value().clone());
        arguments.map_err(|error| CallError::Result(Box::new(error)))
    }
}

/// An event that waits.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    message: Message,
    origin: Arc<Origin>,
    missed: u64,
    /// Where the order of decoding counts, it has happened. Elsewhere it is to take no room.
    decoded: Option<Box<std::result::Result<Received, PayloadError>>>,
}

impl Weigh for Arrived {
    fn weight(&self) -> usize {
        place_of::<Arrived>() + HEADER_SIZE + self.message.payload.len()
    }
}

/// What happens to events when a subscription's queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Those that come are dropped and counted. The default.
    #[default]
    KeepOldest,
    /// The oldest are dropped and counted until there is room: for who wants the latest image of a camera.
    KeepNewest,
    /// The subscription ends, after what is queued: for who must not miss any.
    End,
}

/// What a subscription keeps of events that nobody has taken yet.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    pub events: usize,
    pub bytes: usize,
    /// Of which all of it is a part.
    pub budget: Budget,
    pub when_full: Overflow,
}

/// A registration that this subscription has a share in.
#[derive(Debug)]
struct Attached {
    place: Arc<Place>,
    key: Key,
    link: u64,
    handler: u64,
}

/// What a subscription and its handler share. It outlives a connection if its session reconnects.
#[derive(Debug)]
pub(super) struct SubscriptionState {
    pub reactor: Arc<Reactor>,
    pub signal: String,
    wanted: Option<Signature>,
    pub ring: Ring<Arrived>,
    attached: Mutex<Option<Attached>>,
    /// Events lost since the last one that was queued, and ever.
    lost: AtomicU64,
    pub missed: AtomicU64,
    pub interruptions: AtomicU64,
    when_full: Overflow,
    /// Lost before what is taken next.
    skipped: AtomicU64,
    /// The end of a connection is not the end.
    survives: bool,
    pub closed: AtomicBool,
    /// No more events will come.
    ended: AtomicBool,
    /// When its session is to attach it again.
    pub retry: Mutex<Retry>,
    /// What takes events as they come, if nobody waits for them.
    pub watcher: OnceLock<Weak<Strand>>,
}

impl SubscriptionState {
    /// One that does not listen yet. It `survives` the end of a connection, or not.
    pub fn new(
        reactor: &Arc<Reactor>,
        signal: &str,
        wanted: Option<Signature>,
        keep: Keep,
        survives: bool,
    ) -> SubscriptionState {
        SubscriptionState {
            reactor: Arc::clone(reactor),
            signal: signal.to_owned(),
            wanted,
            ring: Ring::bounded(keep.events, keep.bytes, keep.budget.account()),
            attached: Mutex::new(None),
            lost: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            interruptions: AtomicU64::new(0),
            when_full: keep.when_full,
            skipped: AtomicU64::new(0),
            survives,
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            retry: Mutex::default(),
            watcher: OnceLock::new(),
        }
    }

    /// Listens at this place from now on, and at no other.
    pub fn attach(self: &Arc<Self>, place: &Arc<Place>, deadline: Option<Instant>) -> Result<()> {
        // Before: the object may have come back on the same connection, where a registration of old is none of it.
        if self.detach() {
            self.interruptions.fetch_add(1, Ordering::Relaxed);
        }
        let connection = &place.connection;
        let origin = Arc::new(Origin::new(place, &self.signal, self.wanted.as_ref())?);
        let (key, from) = (origin.key, Weak::clone(&origin.connection));
        let (sink, closer) = (Arc::clone(self), Arc::clone(self));
        let handler = connection.endpoint().make_sink(
            Pattern::events(key.service, key.object, key.signal),
            Arc::new(move |_: &EndPoint, message: &Message| sink.arrived(message, &origin)),
            Some(Box::new(move |reason: &Reason| closer.detached(&from, reason))),
        );
        let handler = handler.map_err(|error| connection.gone(error))?;
        let link = match join(connection, &key, deadline) {
            Ok(link) => link,
            Err(error) => {
                // It may have ended with the connection.
                let _ = connection.endpoint().remove_handler(handler);
                return Err(error);
            }
        };
        let before = self.attached.lock().replace(Attached { place: Arc::clone(place), key, link, handler });
        if let Some(before) = before {
            before.leave();
        }
        // The end, or the subscriber's leave, may have come in between.
        if (self.is_over() || !connection.is_open()) && self.detach() {
            self.interruptions.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// It listens there.
    pub fn is_attached(&self, place: &Arc<Place>) -> bool {
        self.attached.lock().as_ref().is_some_and(|attached| Arc::ptr_eq(&attached.place, place))
    }

    /// It listens no more, and never will.
    pub fn is_over(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.ended.load(Ordering::Acquire)
    }

    /// Called by the reader for each event.
    fn arrived(&self, message: &Message, origin: &Arc<Origin>) -> Taken {
        let connection = origin.connection.upgrade();
        let in_order = connection.as_ref().filter(|connection| connection.shared().meta_object_cache);
        let decoded = in_order.map(|connection| Box::new(event_of(connection, message, origin)));
        let missed = self.lost.swap(0, Ordering::Relaxed);
        let arrived = Arrived { message: message.clone(), origin: Arc::clone(origin), missed, decoded };
        if self.when_full == Overflow::KeepNewest {
            self.skip(self.ring.make_room(arrived.weight()));
        }
        let mut wakes = Wakes::new();
        if self.ring.push(&arrived, &mut wakes) {
            self.wake(&wakes);
            return Taken::Yes;
        }
        self.lost.fetch_add(missed + 1, Ordering::Relaxed);
        self.missed.fetch_add(1, Ordering::Relaxed);
        // What objects were in it must be released.
        if let Some(connection) = connection.filter(|_| may_hold_objects(message, &origin.declared)) {
            drop(event_of(&connection, message, origin));
        }
        if self.when_full == Overflow::End {
            self.detach();
            self.end(&Reason::QueueFull);
        }
        Taken::Full
    }

    /// These have been dropped to make room.
    fn skip(&self, gone: Vec<Arrived>) {
        for arrived in gone {
            self.skipped.fetch_add(arrived.missed + 1, Ordering::Relaxed);
            self.missed.fetch_add(1, Ordering::Relaxed);
            if may_hold_objects(&arrived.message, &arrived.origin.declared) {
                drop(event(arrived));
            }
        }
    }

    /// The handler has ended: with its connection, or because nobody listens there any more.
    fn detached(&self, from: &Weak<Connection>, reason: &Reason) {
        if *reason == Reason::Removed {
            return;
        }
        let attached = {
            let mut attached = self.attached.lock();
            let is_this = attached
                .as_ref()
                .is_some_and(|there| std::ptr::eq(Arc::as_ptr(&there.place.connection), from.as_ptr()));
            if is_this { attached.take() } else { None }
        };
        // Else it listens elsewhere already.
        if attached.is_some() {
            self.interruptions.fetch_add(1, Ordering::Relaxed);
        }
        drop(attached);
        if !self.survives {
            self.end(reason);
        }
    }

    pub fn end(&self, reason: &Reason) {
        self.ended.store(true, Ordering::Release);
        let mut wakes = Wakes::new();
        self.ring.end(reason.clone(), &mut wakes);
        self.wake(&wakes);
    }

    /// There is something to take.
    fn wake(&self, wakes: &Wakes) {
        wakes.iter().for_each(|waiter| self.reactor.notify(waiter));
        if let Some(watcher) = self.watcher.get().and_then(Weak::upgrade) {
            watcher.wake();
        }
    }

    /// Listens no more, and tells the peer if nobody else here does. Does not wait for anybody. False: it did not listen.
    fn detach(&self) -> bool {
        let attached = self.attached.lock().take();
        let listened = attached.is_some();
        if let Some(attached) = attached {
            attached.leave();
        }
        listened
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.detach();
        self.end(&Reason::Removed);
        // What waits may hold objects.
        let mut wakes = Wakes::new();
        while let Some(Next::Message(arrived)) = self.ring.take(&mut wakes) {
            if may_hold_objects(&arrived.message, &arrived.origin.declared) {
                drop(event(arrived));
            }
        }
        self.ring.give_back_memory();
    }

    pub fn next(&self, timeout: Option<Duration>) -> Result<Event> {
        let mut wakes = Wakes::new();
        let connection = self.attached.lock().as_ref().map(|attached| Arc::clone(&attached.place.connection));
        let endpoint = connection.as_ref().map(|connection| &**connection.endpoint());
        let next = wait_for(&self.reactor, endpoint, deadline_in(timeout), |me, stay| {
            self.ring.take_or_wait(me, stay, &mut wakes)
        });
        wakes.iter().for_each(|waiter| self.reactor.notify(waiter));
        self.told(next?)
    }

    /// The next event, or the end, if it is there.
    pub fn take(&self) -> Option<Result<Event>> {
        let mut wakes = Wakes::new();
        let next = self.ring.take(&mut wakes);
        wakes.iter().for_each(|waiter| self.reactor.notify(waiter));
        next.map(|next| self.told(next))
    }

    fn told(&self, next: Next<Arrived>) -> Result<Event> {
        match next {
            Next::Message(mut arrived) => {
                arrived.missed += self.skipped.swap(0, Ordering::Relaxed);
                event(arrived)
            }
            Next::End(reason) => Err(CallError::Disconnected(reason)),
        }
    }
}

impl Attached {
    fn leave(self) {
        let Attached { place, key, link, handler } = self;
        // It may have ended with the connection.
        let _ = place.connection.endpoint().remove_handler(handler);
        leave(place.connection.requester(), &key, link, true);
    }
}

/// The arguments of an event.
fn event_of(
    connection: &Arc<Connection>,
    message: &Message,
    origin: &Origin,
) -> std::result::Result<Received, PayloadError> {
    let value = connection.decode_event(message, &origin.declared)?;
    Ok(Received::adopt(connection, value))
}

fn event(arrived: Arrived) -> Result<Event> {
    let Arrived { message, origin, missed, decoded } = arrived;
    let arguments = match (decoded, origin.connection.upgrade()) {
        (Some(decoded), _) => *decoded,
        (None, Some(connection)) => event_of(&connection, &message, &origin),
        // Objects in it died with the connection.
        (None, None) => {
            let mut reader = Reader::new(&message.payload);
            let arguments = read_arguments(&mut reader, message.header.flags, &origin.declared);
            arguments.map(|arguments| Received::plain(arguments.tuple))
        }
    };
    let failed = |error| CallError::Payload { member: origin.member.clone(), error: Box::new(error) };
    let arguments = arguments.and_then(|arguments| origin.finish(arguments));
    Ok(Event { arguments: arguments.map_err(failed)?, missed })
}
