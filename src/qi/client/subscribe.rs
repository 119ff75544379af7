//! Subscriptions to signals and properties (qi-messaging.md 15).
//!
//! Each subscription is a handler of its own on the end point, which finds it by hash; the peer is asked once for all of
//! them (`registrations.rs`). The handler is there before the peer is asked, because events may overtake the answer.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::core::Error;
use crate::qi::calls::{CallError, Result};
use crate::qi::endpoint::ring::DEFAULT_BYTES;
use crate::qi::endpoint::{Reason, contained};
use crate::qi::signature::Signature;
use crate::qi::typed::FromValue;
use crate::reactor::deadline_in;
use crate::sys::sync::Mutex;

use super::origin::check_wanted;
use super::place::Place;
use super::proxy::Proxy;
use super::strand::Strand;
use super::subscription_state::{Event, Keep, Overflow, SubscriptionState};
use super::watch::{Watch, Watched};

/// Events that wait, unless somebody says otherwise.
const DEFAULT_QUEUE: usize = 100;

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Events that may wait to be taken, at least 1; 100.
    pub queue: usize,
    /// Bytes that they take in memory, which are some 150 beside their arguments; 64 MiB. One event of any size may wait.
    pub bytes: usize,
    /// What happens to events when the queue is full; [`Overflow::KeepOldest`].
    pub when_full: Overflow,
    /// How long to wait for the peer to accept; `None`: as long as for a call of the proxy.
    pub timeout: Option<Duration>,
    /// The type, a tuple, that the arguments are wanted in. They are converted here; an event that cannot be had in it is an error of
    /// its own, and a type that none can be had in is [`CallError::Payload`] of subscribing.
    pub wanted: Option<Signature>,
}

impl Default for SubscribeOptions {
    fn default() -> SubscribeOptions {
        SubscribeOptions {
            queue: DEFAULT_QUEUE,
            bytes: DEFAULT_BYTES,
            when_full: Overflow::default(),
            timeout: None,
            wanted: None,
        }
    }
}

/// Listens to a signal until it is dropped. Any number of threads may take events; each goes to one of them.
pub struct Subscription {
    subscription: Arc<SubscriptionState>,
    /// It has a descriptor, so the I/O thread must serve it without being asked.
    keeps_polling: Mutex<bool>,
}

impl Proxy {
    /// Listens to a signal, or to the changes of a property. When this returns the peer has accepted, and no event after
    /// that is lost but by overflow. Fails with [`CallError::NoMember`], with [`CallError::Disconnected`] also while the service is gone, or like a call.
    pub fn subscribe(&self, name: &str) -> Result<Subscription> {
        self.subscribe_with(name, SubscribeOptions::default())
    }

    /// [`Proxy::subscribe`] with options.
    pub fn subscribe_with(&self, name: &str, options: SubscribeOptions) -> Result<Subscription> {
        let subscription = self.subscription(name, options)?;
        Ok(Subscription { subscription, keeps_polling: Mutex::new(false) })
    }

    /// Has `callback` called with each event, in order and never twice at once, on a thread that it shares with other callbacks and
    /// where it may do as it likes, wait and call too: while it does, others have their threads, as long as there are not more than 256
    /// that wait. After a panic in it comes the next event. Dropping the [`Watch`] does not wait for a callback under way; none
    /// begins after it.
    pub fn watch(
        &self,
        name: &str,
        options: SubscribeOptions,
        mut callback: impl FnMut(Result<Event>) + Send + 'static,
    ) -> Result<Watch> {
        let (place, timeout) = (self.0.place(), options.timeout.or(self.0.timeout()));
        let subscription = self.new_subscription(&place, name, options)?;
        let (source, mut ended) = (Arc::clone(&subscription), false);
        let strand = Strand::new(move || {
            let Some(event) = source.take().filter(|_| !ended && !source.closed.load(Ordering::Acquire)) else {
                return false;
            };
            ended = matches!(event, Err(CallError::Disconnected(_)));
            contained(|| callback(event));
            !ended
        })?;
        // Before the first event can come.
        let _ = subscription.watcher.set(Arc::downgrade(&strand));
        let watch = Watch::new(Arc::clone(&subscription) as _, strand);
        self.listen(&subscription, &place, timeout)?;
        Ok(watch)
    }

    /// [`Proxy::watch`] for the arguments as a Rust type, a tuple with a member for each (of a property, one with its value), a
    /// [`Value`](crate::qi::value::Value) for any, or `()`. [`CallError::Payload`] for a type that no event can be had in, as a plain number. Single events that cannot are passed over, and the end
    /// of the connection is not told.
    ///
    /// ```no_run
    /// # fn listen(greeter: &nanomsg::qi::client::Proxy) -> nanomsg::qi::client::Result<()> {
    /// let _said = greeter.on("said", |(text,): (String,)| println!("{text}"))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on<T: FromValue>(&self, name: &str, mut callback: impl FnMut(T) + Send + 'static) -> Result<Watch> {
        check_wanted(&self.0.place().meta, name, &T::signature())?;
        self.watch(name, SubscribeOptions::default(), move |event| {
            if let Ok(arguments) = event.and_then(|event| event.to()) {
                callback(arguments);
            }
        })
    }

    fn subscription(&self, name: &str, options: SubscribeOptions) -> Result<Arc<SubscriptionState>> {
        let (place, timeout) = (self.0.place(), options.timeout.or(self.0.timeout()));
        let subscription = self.new_subscription(&place, name, options)?;
        self.listen(&subscription, &place, timeout)?;
        Ok(subscription)
    }

    fn listen(
        &self,
        subscription: &Arc<SubscriptionState>,
        place: &Arc<Place>,
        timeout: Option<Duration>,
    ) -> Result<()> {
        // Who listens there already has a registration, so the peer would not be asked, and nothing would ever come.
        if self.0.removed.load(Ordering::Acquire) {
            return Err(CallError::Disconnected(Reason::Removed));
        }
        subscription.attach(place, deadline_in(timeout))?;
        self.0.enrol(subscription);
        Ok(())
    }

    /// One that does not listen yet.
    pub(super) fn new_subscription(
        &self,
        place: &Place,
        name: &str,
        options: SubscribeOptions,
    ) -> Result<Arc<SubscriptionState>> {
        if options.wanted.as_ref().is_some_and(|wanted| !wanted.is_arguments()) {
            return Err(Error::INVALID.into());
        }
        let (reactor, survives) = (place.connection.reactor(), self.0.survives());
        let budget = place.connection.endpoint().budget().clone();
        let SubscribeOptions { queue: events, bytes, when_full, .. } = options;
        let keep = Keep { events, bytes, budget, when_full };
        Ok(Arc::new(SubscriptionState::new(reactor, name, options.wanted, keep, survives)))
    }
}

impl Subscription {
    /// The next event; waits for it for at most `timeout` (`None`: for ever), then [`CallError::TimedOut`]. After the last
    /// event of a connection that has ended: [`CallError::Disconnected`]. An event that cannot be decoded is an error of
    /// its own, and the next one comes after it.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Event> {
        self.subscription.next(timeout)
    }

    /// The next event if it is there.
    pub fn try_next(&self) -> Option<Result<Event>> {
        match self.subscription.next(Some(Duration::ZERO)) {
            Err(CallError::TimedOut | CallError::System(Error::DEADLOCK)) => None,
            next => Some(next),
        }
    }

    /// A descriptor that is readable exactly while there is something to take, for `poll(2)` and its like. It belongs to the
    /// subscription and must be neither read nor closed.
    pub fn descriptor(&self) -> Result<RawFd> {
        let (fd, is_new) = self.subscription.ring.descriptor().map_err(Error::from)?;
        if is_new {
            *self.keeps_polling.lock() = true;
            self.subscription.reactor.keep_polling(true);
        }
        Ok(fd)
    }

    /// Listens no more: who waits for an event, and whoever asks later, gets [`CallError::Disconnected`]. Waits for nobody.
    pub fn close(&self) {
        self.subscription.close();
    }

    /// Events that can be taken now.
    pub fn len(&self) -> usize {
        self.subscription.ring.counts().0
    }

    /// Whether no event waits to be read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events dropped so far because the queue was full.
    pub fn missed(&self) -> u64 {
        self.subscription.missed.load(Ordering::Relaxed)
    }

    /// How often the connection, or the service on it, was lost. Events may be missing that nobody counted.
    pub fn interruptions(&self) -> u64 {
        self.subscription.interruptions.load(Ordering::Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if *self.keeps_polling.lock() {
            self.subscription.reactor.keep_polling(false);
        }
        self.close();
    }
}

impl Watched for SubscriptionState {
    fn close(&self) {
        SubscriptionState::close(self);
    }

    fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Subscription({})", self.subscription.signal)
    }
}
