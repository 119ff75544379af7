//! Subscriptions to signals and properties (qi-messaging.md 15).
//!
//! Each subscription is a handler of its own on the end point, which finds it by hash; the peer is asked once for all of
//! them (`registrations.rs`). The handler is there before the peer is asked, because events may overtake the answer.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::qi::endpoint::ring::{Ring, Wakes};
use crate::qi::endpoint::{EndPoint, Next, Pattern, Reason, Taken, contained};
use crate::qi::message::Message;
use crate::qi::payload::PayloadError;
use crate::qi::registrations::Key;
use crate::qi::signature::Signature;
use crate::reactor::Reactor;
use crate::reactor::parker::Parker;
use crate::sys::signals::spawn_without_signals;
use crate::sys::sync::Mutex;

use super::connection::Connection;
use super::error::{ClientError, Result};
use super::origin::Origin;
use super::proxy::{Place, Proxy};
use super::received::Received;
use super::registering::{join, leave};
use super::retry::Retry;
use super::waiting::{deadline_in, wait_for};

/// Events that wait, unless somebody says otherwise.
const DEFAULT_QUEUE: usize = 100;

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Events that may wait to be taken, at least 1; 100. Later ones are dropped and counted.
    pub queue: usize,
    /// How long to wait for the peer to accept; `None`: as long as for a call of the proxy.
    pub timeout: Option<Duration>,
    /// The type, a tuple, that the arguments are wanted in. They are converted here, or by the peer where the two types are
    /// built differently; an event of which neither can be had is an error of its own. An event that the peer was asked to
    /// convert and cannot comes once more to those who listen to the same signal, on the same connection, without this.
    pub wanted: Option<Signature>,
}

impl Default for SubscribeOptions {
    fn default() -> SubscribeOptions {
        SubscribeOptions { queue: DEFAULT_QUEUE, timeout: None, wanted: None }
    }
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// The argument tuple; of a property, its value as the only member.
    pub arguments: Received,
    /// Events that were dropped just before this one because the queue was full.
    pub missed: u64,
}

/// An event that waits.
#[derive(Clone, Debug)]
struct Arrived {
    message: Message,
    origin: Arc<Origin>,
    missed: u64,
    /// Where the order of decoding counts, it has happened.
    decoded: Option<std::result::Result<Received, PayloadError>>,
}

/// A registration that this feed has a share in.
#[derive(Debug)]
struct Attached {
    place: Arc<Place>,
    key: Key,
    link: u64,
    handler: u64,
}

/// What a subscription and its handler share. It outlives a connection if its session reconnects.
#[derive(Debug)]
pub(super) struct Feed {
    reactor: Arc<Reactor>,
    signal: String,
    wanted: Option<Signature>,
    ring: Ring<Arrived>,
    attached: Mutex<Option<Attached>>,
    /// Events lost since the last one that was queued, and ever.
    lost: AtomicU64,
    missed: AtomicU64,
    interruptions: AtomicU64,
    /// The end of a connection is not the end.
    survives: bool,
    closed: AtomicBool,
    /// No more events will come.
    ended: AtomicBool,
    /// When its session is to attach it again.
    pub retry: Mutex<Retry>,
}

/// Listens to a signal until it is dropped. Any number of threads may take events; each goes to one of them.
pub struct Subscription {
    feed: Arc<Feed>,
    /// It has a descriptor, so the I/O thread must serve it without being asked.
    attended: Mutex<bool>,
}

/// Listens to a signal with a callback, until it is dropped.
pub struct Watch(Arc<Feed>);

impl Proxy {
    /// Listens to a signal, or to the changes of a property. When this returns the peer has accepted, and no event after
    /// that is lost but by overflow. Fails with [`ClientError::NoMember`], or like a call.
    pub fn subscribe(&self, name: &str) -> Result<Subscription> {
        self.subscribe_with(name, SubscribeOptions::default())
    }

    /// [`Proxy::subscribe`] with options.
    pub fn subscribe_with(&self, name: &str, options: SubscribeOptions) -> Result<Subscription> {
        let feed = self.feed(name, options)?;
        Ok(Subscription { feed, attended: Mutex::new(false) })
    }

    /// Has `callback` called with each event, in order, on a thread of its own, where it may do as it likes; after a
    /// panic in it comes the next event. Dropping the [`Watch`] does not wait for a callback under way; none begins after it.
    pub fn watch(
        &self,
        name: &str,
        options: SubscribeOptions,
        mut callback: impl FnMut(Result<Event>) + Send + 'static,
    ) -> Result<Watch> {
        let feed = self.feed(name, options)?;
        let watch = Watch(Arc::clone(&feed));
        spawn_without_signals("millrace-qi-watch", move || {
            loop {
                let event = feed.next(None);
                if feed.closed.load(Ordering::Acquire) {
                    return;
                }
                let end = matches!(event, Err(ClientError::Disconnected(_) | ClientError::System(_)));
                contained(|| callback(event));
                if end {
                    return;
                }
            }
        })
        .map_err(crate::core::Error::from)?;
        Ok(watch)
    }

    fn feed(&self, name: &str, options: SubscribeOptions) -> Result<Arc<Feed>> {
        let (place, timeout) = (self.0.place(), options.timeout.or(self.0.timeout()));
        let feed = self.new_feed(&place, name, options)?;
        feed.attach(&place, deadline_in(timeout))?;
        self.0.enrol(&feed);
        Ok(feed)
    }

    /// One that does not listen yet.
    pub(super) fn new_feed(&self, place: &Place, name: &str, options: SubscribeOptions) -> Result<Arc<Feed>> {
        if options.wanted.as_ref().is_some_and(|wanted| !wanted.is_arguments()) {
            return Err(crate::core::Error::INVALID.into());
        }
        Ok(Arc::new(Feed {
            reactor: Arc::clone(place.connection.reactor()),
            signal: name.to_owned(),
            wanted: options.wanted,
            ring: Ring::new(options.queue),
            attached: Mutex::new(None),
            lost: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            interruptions: AtomicU64::new(0),
            survives: self.0.survives(),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            retry: Mutex::default(),
        }))
    }
}

impl Feed {
    /// Listens at this place from now on, and at no other.
    pub fn attach(self: &Arc<Self>, place: &Arc<Place>, deadline: Option<Instant>) -> Result<()> {
        // Before: the object may have come back on the same connection, where a registration of old is none of it.
        if self.detach() {
            self.interruptions.fetch_add(1, Ordering::Relaxed);
        }
        let connection = &place.connection;
        let origin = Arc::new(Origin::new(place, &self.signal, self.wanted.as_ref())?);
        let (key, from) = (origin.key.clone(), Weak::clone(&origin.connection));
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
        if connection.as_ref().is_some_and(|connection| !origin.is_for_us(connection, message)) {
            return Taken::Yes;
        }
        let in_order = connection.as_ref().filter(|connection| connection.shared().meta_object_cache);
        let decoded = in_order.map(|connection| connection.decode_event(message, origin.sent_as(message)));
        let missed = self.lost.swap(0, Ordering::Relaxed);
        let arrived = Arrived { message: message.clone(), origin: Arc::clone(origin), missed, decoded };
        let mut wakes = Wakes::new();
        if self.ring.push(&arrived, &mut wakes) {
            wakes.iter().for_each(|waiter| self.reactor.notify(waiter));
            return Taken::Yes;
        }
        self.lost.fetch_add(missed + 1, Ordering::Relaxed);
        self.missed.fetch_add(1, Ordering::Relaxed);
        // What objects were in it must be released.
        if let Some(connection) = connection.filter(|_| may_hold_objects(&origin.declared)) {
            drop(connection.decode_event(message, origin.sent_as(message)));
        }
        Taken::Full
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
        wakes.iter().for_each(|waiter| self.reactor.notify(waiter));
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

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.detach();
        self.end(&Reason::Removed);
        // What waits may hold objects.
        let mut wakes = Wakes::new();
        while let Some(Next::Message(arrived)) = self.ring.take(None, &mut wakes) {
            if may_hold_objects(&arrived.origin.declared) {
                drop(event(arrived));
            }
        }
    }

    fn next(&self, timeout: Option<Duration>) -> Result<Event> {
        let mut wakes = Wakes::new();
        let look = |me: &Arc<Parker>| self.ring.take(Some(me), &mut wakes);
        let connection = self.attached.lock().as_ref().map(|attached| Arc::clone(&attached.place.connection));
        let endpoint = connection.as_ref().map(|connection| &**connection.endpoint());
        let next = wait_for(&self.reactor, endpoint, deadline_in(timeout), look, |me| self.ring.forget(me));
        wakes.iter().for_each(|waiter| self.reactor.notify(waiter));
        match next? {
            Next::Message(arrived) => event(arrived),
            Next::End(reason) => Err(ClientError::Disconnected(reason)),
        }
    }
}

impl Attached {
    fn leave(self) {
        let Attached { place, key, link, handler } = self;
        // It may have ended with the connection.
        let _ = place.connection.endpoint().remove_handler(handler);
        leave(&place.connection, &key, link);
    }
}

/// Could a value of this type have objects in it?
fn may_hold_objects(signature: &Signature) -> bool {
    let text = signature.bare();
    text.contains(['o', 'm'])
}

fn event(arrived: Arrived) -> Result<Event> {
    let Arrived { message, origin, missed, decoded } = arrived;
    let arguments = match (decoded, origin.connection.upgrade()) {
        (Some(decoded), _) => decoded,
        (None, Some(connection)) => connection.decode_event(&message, origin.sent_as(&message)),
        // Objects in it died with the connection.
        (None, None) => {
            let mut reader = crate::qi::value::Reader::new(&message.payload);
            let arguments =
                crate::qi::payload::read_arguments(&mut reader, message.header.flags, origin.sent_as(&message));
            arguments.map(|arguments| Received::plain(arguments.tuple))
        }
    };
    let failed = |error| ClientError::Payload { member: origin.member.clone(), error: Box::new(error) };
    let arguments = arguments.and_then(|arguments| origin.finish(arguments));
    Ok(Event { arguments: arguments.map_err(failed)?, missed })
}

impl Subscription {
    /// The next event; waits for it for at most `timeout` (`None`: for ever), then [`ClientError::TimedOut`]. After the last
    /// event of a connection that has ended: [`ClientError::Disconnected`]. An event that cannot be decoded is an error of
    /// its own, and the next one comes after it.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Event> {
        self.feed.next(timeout)
    }

    /// The next event if it is there.
    pub fn try_next(&self) -> Option<Result<Event>> {
        match self.feed.next(Some(Duration::ZERO)) {
            Err(ClientError::TimedOut | ClientError::System(crate::core::Error::DEADLOCK)) => None,
            next => Some(next),
        }
    }

    /// A descriptor that is readable exactly while there is something to take, for `poll(2)` and its like. It belongs to the
    /// subscription and must be neither read nor closed.
    pub fn descriptor(&self) -> Result<RawFd> {
        let (fd, is_new) = self.feed.ring.descriptor().map_err(crate::core::Error::from)?;
        if is_new {
            *self.attended.lock() = true;
            self.feed.reactor.attend(true);
        }
        Ok(fd)
    }

    /// Listens no more: who waits for an event, and whoever asks later, gets [`ClientError::Disconnected`]. Waits for nobody.
    pub fn close(&self) {
        self.feed.close();
    }

    /// Events that can be taken now.
    pub fn len(&self) -> usize {
        self.feed.ring.counts().0
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events dropped so far because the queue was full.
    pub fn missed(&self) -> u64 {
        self.feed.missed.load(Ordering::Relaxed)
    }

    /// How often the connection, or the service on it, was lost. Events may be missing that nobody counted.
    pub fn interruptions(&self) -> u64 {
        self.feed.interruptions.load(Ordering::Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if *self.attended.lock() {
            self.feed.reactor.attend(false);
        }
        self.close();
    }
}

impl Watch {
    /// Listens no more; no call begins after this. One that is under way is not waited for.
    pub fn close(&self) {
        self.0.close();
    }

    /// Events dropped so far because the callback was too slow.
    pub fn missed(&self) -> u64 {
        self.0.missed.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Subscription({})", self.feed.signal)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Watch({})", self.0.signal)
    }
}
