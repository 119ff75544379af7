//! What all clones of a proxy share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::qi::calls::Result;
use crate::qi::endpoint::Reason;
use crate::sys::sync::Mutex;

use super::changes::ChangeCounter;
use super::notices::{Notice, Notices};
use super::place::Place;
use super::retry::Retry;
use super::subscription_state::SubscriptionState;
use super::watch::Watch;

/// What all clones of a proxy share. After a reconnection its object is in another place.
pub(super) struct ProxyState {
    pub name: String,
    place: Mutex<Arc<Place>>,
    subscriptions: Mutex<Vec<Weak<SubscriptionState>>>,
    timeout: Option<Duration>,
    /// Tells the reconnector of its session, which finds it again after a loss.
    reconnector: Option<Arc<ChangeCounter>>,
    /// When to look for it again.
    pub retry: Mutex<Retry>,
    /// The directory has said that the service is no more.
    pub removed: AtomicBool,
    /// Nobody finds it again.
    closed: AtomicBool,
    notices: Notices,
    /// Somebody wants them, so the ends of its connections must be told.
    noticed: AtomicBool,
}

impl ProxyState {
    /// `reconnector`: who finds the object again when its connection is lost, if anybody does.
    pub fn new(
        place: Place,
        name: String,
        timeout: Option<Duration>,
        reconnector: Option<Arc<ChangeCounter>>,
    ) -> ProxyState {
        let (place, removed) = (Mutex::new(Arc::new(place)), AtomicBool::new(false));
        let (subscriptions, retry) = (Mutex::default(), Mutex::default());
        let (closed, noticed, notices) = (AtomicBool::new(false), AtomicBool::new(false), Notices::default());
        ProxyState { name, place, subscriptions, timeout, reconnector, retry, removed, closed, notices, noticed }
    }

    /// Where it is now.
    pub fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place.lock())
    }

    /// Its object is there, as far as is known.
    pub fn is_current(&self) -> bool {
        !self.removed.load(Ordering::Acquire) && self.place().connection.is_open()
    }

    /// What calls have that say nothing else.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub fn survives(&self) -> bool {
        self.reconnector.is_some()
    }

    /// If it is lost, somebody finds it again as soon as that is possible.
    pub fn may_come_back(&self) -> bool {
        self.survives() && !self.closed.load(Ordering::Acquire)
    }

    /// Nobody looks for it any more.
    pub fn give_up(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// A subscription that has begun follows the object from now on.
    pub fn enrol(&self, subscription: &Arc<SubscriptionState>) {
        {
            let mut subscriptions = self.subscriptions.lock();
            subscriptions.retain(|subscription| subscription.strong_count() > 0);
            subscriptions.push(Arc::downgrade(subscription));
        }
        if self.closed.load(Ordering::Acquire) {
            return subscription.end(&Reason::Closed);
        }
        // The object may have moved since it began, and who moved it knew nothing of this.
        if let Some(reconnector) = self.reconnector.as_ref().filter(|_| !subscription.is_attached(&self.place())) {
            reconnector.tell();
        }
    }

    /// The session is closed: subscriptions that wait for another connection wait in vain.
    pub fn close(&self) {
        self.give_up();
        self.live_subscriptions().iter().for_each(|subscription| subscription.end(&Reason::Closed));
    }

    /// The subscriptions that somebody still holds.
    pub fn live_subscriptions(&self) -> Vec<Arc<SubscriptionState>> {
        let held: Vec<_> = self.subscriptions.lock().iter().filter_map(Weak::upgrade).collect();
        held.into_iter().filter(|subscription| !subscription.is_over()).collect()
    }

    /// The object is here now.
    pub fn move_to(self: &Arc<Self>, place: Place) {
        // Where it was it may be lost without anybody having noticed.
        self.look(&Reason::Closed);
        self.removed.store(false, Ordering::Release);
        let before = std::mem::replace(&mut *self.place.lock(), Arc::new(place));
        // Under no lock: it may be the last that holds a connection.
        drop(before);
        if self.noticed.load(Ordering::SeqCst) {
            self.follow();
        }
        self.look(&Reason::Closed);
    }

    /// Has somebody told when the object is lost, and when it is back.
    pub fn on_notice(self: &Arc<Self>, callback: impl FnMut(Notice) + Send + 'static) -> Result<Watch> {
        if !self.noticed.swap(true, Ordering::SeqCst) {
            self.follow();
        }
        self.look(&Reason::Closed);
        self.notices.listen(callback)
    }

    /// The directory says, or it is to be assumed, that the service is no more.
    pub fn remove(&self) {
        self.removed.store(true, Ordering::Release);
        self.look(&Reason::Removed);
    }

    /// The directory says that there is a service of this name and id. It was only hidden if it is the one that was here, and nobody is to
    /// find it again.
    pub fn added(&self, id: u32) {
        if !self.survives() && self.place().service == id {
            self.removed.store(false, Ordering::Release);
            self.look(&Reason::Removed);
        }
    }

    /// Tells if the object has gone, or come; `why` it would have gone.
    fn look(&self, why: &Reason) {
        self.notices.look(|| self.is_current(), why);
    }

    /// Looks again when the connection ends. If that has happened, whoever calls this looks by itself.
    fn follow(self: &Arc<Self>) {
        let me = Arc::downgrade(self);
        let told = move |why: &Reason| {
            if let Some(me) = me.upgrade() {
                me.look(why);
            }
        };
        let _ = self.place().connection.endpoint().on_close(told);
    }
}
