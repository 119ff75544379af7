//! What the server knows of one connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::qi::capability::Capabilities;
use crate::qi::endpoint::budget::{Account, Charge};
use crate::qi::endpoint::{Budget, Reason};
use crate::qi::message::{Header, Message};
use crate::qi::share::is_fair;
use crate::qi::value::Text;
use crate::sys::memory::give_back_free_memory;
use crate::sys::places::SparePlaces;
use crate::sys::sync::Mutex;

use super::apart::helper;
use super::auth::Auth;
use super::connection::{Connection, Policy};
use super::inbound::Found;
use super::mailbox::Origin;
use super::model::{Address, Common, InboundCall, KeptForPeer, LateAnswers, Object, Peer, Task};
use super::object::count;
use crate::qi::workers::Crew;
use crate::qi::workers::latency;
use crate::qi::workers::run_queue::Threads;

/// How long after that it is looked whether there is memory to be given back.
const EBB: Duration = Duration::from_millis(100);
/// Calls of one connection that may be without an answer.
pub(super) const MAX_CALLS: usize = 64 * 1024;
/// Objects that one connection may have been given and not released.
const MAX_EXPORTS: usize = 64 * 1024;
/// Subscriptions of one connection, and characters of the types that they want.
const MAX_SUBSCRIPTIONS: usize = 64 * 1024;
const MAX_WANTED: usize = 256 * 1024;
/// What a call takes beside its message from its arrival to its answer: what is noted of it here, and the request that the program may keep
/// of it, with who is told when it is cancelled. As measured in C: 921,510 that were kept took 1,080 each (`tests/charges.rs`).
pub(super) const CALL: usize = 1024;
/// What a subscription takes, and each character of the type that it wants.
const SUBSCRIPTION: usize = 192;
const WANTED: usize = 50;

fn subscription_memory(wanted: usize) -> usize {
    SUBSCRIPTION + WANTED * wanted
}

impl Common {
    pub fn new(crew: &Arc<Crew<Object>>, threads: Threads, answer_wait: Duration) -> Common {
        Common {
            crew: Arc::clone(crew),
            next_object: AtomicU32::new(3),
            next_passed: AtomicU32::new(FIRST_PASSED),
            answer_wait,
            sender: Object::without_members(usize::MAX),
            sending: AtomicUsize::new(0),
            helper: helper(threads),
            uncounted: AtomicUsize::new(0),
            threads,
            inside: AtomicUsize::new(0),
        }
    }

    /// A connection has ended, or the program has answered what it had kept: what that leaves in the heap is not free yet. A worker gives
    /// it back in some time.
    pub fn give_back_later(self: &Arc<Self>, budget: &Budget) {
        if !budget.was_high() {
            return;
        }
        let (common, budget) = (Arc::clone(self), budget.clone());
        self.crew.after(EBB, move || {
            let task = Task::Run { run: Box::new(move || give_back_the_rest(&budget)), crew: Arc::clone(&common.crew) };
            if let Ok(true) = common.sender.0.mailbox.push(Origin::Server { about: 0 }, task) {
                common.crew.submit(0, common.sender.clone());
            }
        });
    }
}

/// The same some time after that, when all of it is free.
fn give_back_the_rest(budget: &Budget) {
    if budget.has_ebbed_lately() {
        give_back_free_memory();
    }
}

/// What a call ends with whose connection has others inside methods: so many that more would leave nothing for others.
const ITS_SHARE: &str = "The call was dropped: other calls of this connection are inside methods, on its share of the server's threads \
    (as many as it leaves for the others of max_workers).";

/// What one ends with whose connection has none inside.
const NO_THREAD: &str = "The call was dropped: calls of other connections are inside methods, on all threads that the server has for methods (max_workers).";

/// A thread that is inside a method for a connection, until this is dropped.
///
/// Beyond the threads that work at once, each connection may have its share of them inside methods ([`share`](crate::qi::share)): one
/// thread at least, while there is one, and one is always left for what is no method of the program's.
pub(super) struct InsideMethod(Arc<Peer>);

impl InsideMethod {
    /// Or what the caller is told who cannot have one.
    pub fn begin(peer: &Arc<Peer>) -> Result<InsideMethod, &'static str> {
        let common = &peer.common;
        let all = common.inside.fetch_add(1, Ordering::Relaxed) + 1;
        let own = peer.inside.fetch_add(1, Ordering::Relaxed) + 1;
        let begun = InsideMethod(Arc::clone(peer));
        let Threads { at_once, limit } = common.threads;
        let is_let_in = all <= at_once.max(1) || (is_fair(own, all, limit, 1) && all < limit);
        if is_let_in { Ok(begun) } else { Err(if own > 1 { ITS_SHARE } else { NO_THREAD }) }
    }
}

impl Drop for InsideMethod {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
        self.0.common.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an entry takes.
const ENTRY: usize = 256;
/// What an object is charged beside its description, and for each byte that this is encoded in: it is kept decoded, too, with types taken
/// apart and statistics for each method. As measured: 6,200 objects of six methods took 28 KiB each.
const OBJECT: usize = 4 * 1024;
const DESCRIPTION: usize = 15;

impl KeptForPeer {
    /// `None`: there is no memory for it now.
    fn of(object: &Object, account: &Arc<Account>) -> Option<KeptForPeer> {
        let pays = !object.0.paid.swap(true, Ordering::Relaxed);
        let own = if pays { OBJECT + DESCRIPTION * object.0.encoded.len() } else { 0 };
        let mut kept = KeptForPeer { object: object.clone(), pays, memory: Charge::on(account) };
        kept.memory.grow_to(ENTRY + own).then_some(kept)
    }
}

impl Drop for KeptForPeer {
    fn drop(&mut self) {
        if self.pays {
            self.object.0.paid.store(false, Ordering::Relaxed);
        }
    }
}

/// Ids from here up belong to objects that were passed as arguments (qi-messaging.md 13).
pub(super) const FIRST_PASSED: u32 = 0x8000_0000;

impl fmt::Debug for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Peer({})", self.id())
    }
}

impl Peer {
    pub fn new(connection: Arc<dyn Connection>, common: &Arc<Common>, auth: Option<Auth>) -> Peer {
        Peer {
            requester: connection.requester(),
            account: connection.account(),
            inside: AtomicUsize::new(0),
            connection,
            common: Arc::clone(common),
            auth: Mutex::new(auth),
            authenticated: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
            user: Mutex::default(),
            calls: Mutex::default(),
            exports: Mutex::default(),
            listeners: Mutex::default(),
            subscriptions: AtomicUsize::new(0),
            wanted: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            late: LateAnswers::default(),
            events_dropped: AtomicU64::new(0),
        }
    }

    pub fn id(&self) -> u64 {
        self.connection.id()
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Something that it has asked for has been begun: it has turns of its own ([`Turns`](crate::qi::workers::turns::Turns)).
    pub fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    pub fn become_known(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Acquire)
    }

    /// What both sides have announced.
    pub fn shared(&self) -> Capabilities {
        self.requester.shared()
    }

    pub fn set_shared(&self, shared: Capabilities) {
        self.requester.set_shared(shared);
    }

    pub fn user(&self) -> Option<Text> {
        self.user.lock().clone()
    }

    /// The peer is let in.
    pub fn let_in(&self, user: Option<Text>) {
        *self.user.lock() = user;
        self.authenticated.store(true, Ordering::Release);
        self.connection.authenticated(self.shared());
    }

    /// Sends the one answer to a call. If the peer leaves no room for it for long, it gets a small Error instead; if it does not
    /// even take those, the connection ends. Never waits.
    pub fn answer(self: &Arc<Self>, message: Message) {
        latency::apart(|| self.send_answer(message));
    }

    /// Sends a small answer that must get through. Where there is no connection any more, nobody waits for it.
    pub fn control(&self, message: Message) {
        let _ = self.connection.send(message, Policy::Control);
    }

    /// What a call ends with that was cancelled (qi-messaging.md 16).
    pub fn canceled(&self, call: &Header) -> Message {
        match self.shared().remote_cancelable_calls {
            true => Message::canceled_to(call),
            false => Message::error_to(call, "canceled"),
        }
    }

    /// Notes a call that can be cancelled. False: there are too many.
    pub fn remember(&self, inbound: &Arc<InboundCall>) -> bool {
        let mut calls = self.calls.lock();
        if calls.1 == MAX_CALLS {
            return false;
        }
        calls.0.entry(inbound.header.id).or_default().push_back(Arc::clone(inbound));
        calls.1 += 1;
        true
    }

    /// A call has its answer. After very many of them their memory is given back by a worker, whoever has answered.
    pub fn answered(&self) {
        let budget = self.account.budget();
        if budget.has_ebbed() {
            self.common.give_back_later(budget);
        }
    }

    /// Something of it is done: what very much of that has left free in the heap goes back to the system. That takes some time.
    pub fn give_back_memory(&self) {
        if self.account.budget().has_ebbed() {
            self.common.apart(self.id(), give_back_free_memory);
        }
    }

    /// A call has its answer, or needs none.
    pub fn forget(&self, inbound: &InboundCall) {
        let mut calls = self.calls.lock();
        let Some(same) = calls.0.get_mut(&inbound.header.id) else { return };
        let Some(at) = same.iter().position(|other| std::ptr::eq(&raw const **other, inbound)) else { return };
        let gone = same.remove(at);
        if same.is_empty() {
            calls.0.remove(&inbound.header.id);
        }
        calls.0.give_places_back();
        calls.1 -= 1;
        drop(calls);
        drop(gone);
    }

    /// Cancels the oldest call of this id, if there is one.
    pub fn cancel(self: &Arc<Self>, id: u32) {
        let inbound = self.calls.lock().0.get(&id).and_then(|same| same.front().cloned());
        let Some(inbound) = inbound else { return };
        if inbound.cancel() == Found::Queued {
            let task = inbound.object.0.mailbox.remove(|task| task.is_of(&inbound));
            if let Some(Task::Message { message, .. }) = task {
                inbound.object.release_unused(self, &message);
            }
            self.forget(&inbound);
            self.answer(self.canceled(&inbound.header));
        }
    }

    /// Calls that wait for an answer of ours.
    pub fn pending_calls(&self) -> usize {
        self.calls.lock().1
    }

    pub fn new_object_id(&self) -> u32 {
        let next = |id: u32| Some(if id + 1 < FIRST_PASSED { id + 1 } else { 3 });
        let id = self.common.next_object.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        id.unwrap_or(3)
    }

    pub fn new_passed_id(&self) -> u32 {
        self.common
            .next_passed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |id| Some(id.wrapping_add(1).max(FIRST_PASSED)))
            .unwrap_or(FIRST_PASSED)
    }

    /// Lets the peer reach an object here. False: it has too many, or no memory for them, or is gone.
    pub fn export(&self, address: Address, object: &Object) -> bool {
        let Some(kept) = KeptForPeer::of(object, &self.account) else { return false };
        let mut exports = self.exports.lock();
        if exports.len() >= MAX_EXPORTS || self.is_closed() {
            return false;
        }
        // An id comes again after 2^31 others; who still holds the object of that time loses it.
        let old = exports.insert(address, kept);
        drop(exports);
        drop(old);
        true
    }

    /// The object that this peer, and no other, reaches here.
    pub fn exported(&self, address: Address) -> Option<Object> {
        self.exports.lock().get(&address).map(|kept| kept.object.clone())
    }

    /// The peer needs the object no more. False: there is none.
    pub fn release(&self, address: Address) -> bool {
        let kept = {
            let mut exports = self.exports.lock();
            let kept = exports.remove(&address);
            exports.give_places_back();
            kept
        };
        if let Some(kept) = &kept {
            kept.object.unsubscribe_all(|subscription| subscription.is_of(self, address));
        }
        kept.is_some()
    }

    /// Objects that the peer has been given and not released.
    pub fn exports(&self) -> usize {
        self.exports.lock().len()
    }

    /// Room for another subscription, for a wanted type of so many characters; counted, and paid for, if there is.
    pub fn begin_subscription(&self, wanted: usize) -> bool {
        if !self.account.take(subscription_memory(wanted)) {
            return false;
        }
        let is_wanted = take(&self.wanted, wanted, MAX_WANTED);
        let begun = is_wanted && take(&self.subscriptions, 1, MAX_SUBSCRIPTIONS);
        if !begun {
            self.account.give(subscription_memory(wanted));
        }
        if is_wanted && !begun {
            self.wanted.fetch_sub(wanted, Ordering::Relaxed);
        }
        begun
    }

    pub fn end_subscription(&self, wanted: usize) {
        self.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.wanted.fetch_sub(wanted, Ordering::Relaxed);
        self.account.give(subscription_memory(wanted));
    }

    pub fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed)
    }

    pub fn count_dropped_event(&self) {
        count(&self.events_dropped);
    }

    /// What `Router::ended` does with the connection itself: nothing of it is reachable any more. Its calls that wait are made in the turn of all that have ended.
    /// Gives the objects that it could reach alone. `None` if this has been done.
    pub fn cut_off(&self) -> Option<Vec<Object>> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return None;
        }
        let (calls, _) = std::mem::take(&mut *self.calls.lock());
        for inbound in calls.into_values().flatten() {
            if inbound.disconnect() == Found::Queued {
                // With the first of them, all that wait for the same object.
                inbound.object.left_by(self.id());
            }
        }
        let exports = std::mem::take(&mut *self.exports.lock());
        // Where there is an end point, it knows why, and has told them.
        self.requester.ended(&Reason::PeerClosed);
        let listeners = std::mem::take(&mut *self.listeners.lock());
        drop(listeners);
        Some(exports.into_values().map(|kept| kept.object.clone()).collect())
    }
}

/// Counts `more`, if that is at most `limit` then.
fn take(counter: &AtomicUsize, more: usize, limit: usize) -> bool {
    let taken = |count: usize| count.checked_add(more).filter(|sum| *sum <= limit);
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
}
