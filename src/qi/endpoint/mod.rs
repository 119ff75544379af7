//! The end point: one established connection, shared by parties that know nothing of each other (qi-design-notes.md 5.1).
//!
//! ```text
//!   stream ──▶ decoder ──▶ handler table ──▶ queue of a handler ──▶ thread, poll loop
//!                               └──────────▶ sink (called at once)       handlers ──closer──▶ told why it ended
//!   stream ◀── outgoing ◀── send: any thread; answers of the table itself: from a reserve
//! ```
//!
//! A party makes a handler: a filter, a bounded queue, a closer. The reader never waits for a party: a full queue drops the
//! newest message, and a Call that nobody took is answered with an Error.
//!
//! # Threads and locks
//!
//! The connection is read by whoever polls: the I/O thread, or a caller that waits (`reactor/leadership.rs`). It is written
//! by whoever sends. The rules:
//!
//! 1. Locks: `table`, `output`, `input` and `calls` of an end point, and that of each ring. Never two of them at once, but
//!    for one pair: a ring's inside `table`. That is why no message is queued once a handler has left the table.
//!    The reactor's own locks and the eventfd are leaves and may be taken under any of them.
//! 2. Code of others (filters, sinks, closers, welcomes), wake-ups and writes to a peer happen under none of them. What the
//!    table leaves to be done is handed out as [`Aftermath`].
//! 3. One thread reads at a time, not by holding `input` but by having taken the decoder out of it. Hence filters and
//!    sinks of one connection are never called by two threads at once, and a message is delivered before the next.
//! 4. One thread writes at a time: `output.turn`. It takes a batch out, writes it without the lock, and puts back what
//!    the kernel did not take. Others append meanwhile and leave; the writer looks again before it stops.
//!    What is sent on the reading thread is written when all messages of the read have been delivered. Messages in a
//!    stream are left to the I/O thread, which looks every 50 µs, or to who fills 64 KiB; what follows a message of the
//!    peer's is no stream.
//! 5. A connection ends once (`EndPoint::finish`): `output.phase` says who does it. The descriptor is deregistered before it
//!    can be closed. Handlers end in the order of their creation, on the thread that ended the connection; one whose
//!    filter or sink is being called ends when that call has come back.
//! 6. The thread knows where it is (`reentrancy.rs`): no waiting on the reading thread, no changes from a filter.

mod attempt;
pub mod budget;
mod calls;
mod closing;
mod config;
pub mod decoder;
mod dial;
pub mod failure;
pub mod filter;
pub mod handlers;
mod index;
mod input;
mod listen;
pub mod outgoing;
mod output;
mod queue;
mod race;
mod reading;
pub(in crate::qi) mod reentrancy;
pub mod ring;
mod sending;
pub(in crate::qi) mod turn;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use crate::core::{Error, Result};
use crate::qi::message::Message;
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;
use crate::transport::coalescing::counters::WriteCounters;
use crate::transport::stream::Stream;

use budget::{Account, QUANTUM};
use calls::Calls;
use config::Counters;
use handlers::{Aftermath, Closer, Table, Target};
use input::InputSlot;
use output::Output;

pub use crate::transport::tls::{TlsClient, TlsServer};
pub use budget::Budget;
pub use config::{Config, Statistics};
pub use dial::{Handshake, Handshaking, NotReached, Until};
pub use failure::{Failure, Reason};
pub use filter::{Filter, Pattern, Types, Verdict};
pub use handlers::Taken;
pub use listen::Listener;
pub use queue::Queue;
pub use reentrancy::{contained, may_change, may_wait};
pub use ring::Next;
pub use sending::{Sent, WhenFull};

/// Keys under which the reactor knows an end point: its stream, and its timers.
const STREAM: u64 = 0;
const LINGER: u64 = 1;
const AUTHENTICATION: u64 = 2;
const RESUMED: u64 = 3;
const STALLED: u64 = 4;

/// An internal consumer: called with each message on the thread that reads the connection, without a queue in between.
///
/// It is called under no lock and by one thread at a time per connection, in order of arrival. It may send, make and remove
/// handlers, close; it must not block (waiting is `EDEADLK`), and what it sends to the connection it reads from is
/// written when the messages that came together have all been delivered.
pub trait Sink: Send + Sync {
    /// [`Taken::Full`] drops the message here; a Call that no handler takes gets an Error.
    fn take(&self, endpoint: &EndPoint, message: &Message) -> Taken;
}

impl<F: Fn(&EndPoint, &Message) -> Taken + Send + Sync> Sink for F {
    fn take(&self, endpoint: &EndPoint, message: &Message) -> Taken {
        self(endpoint, message)
    }
}

/// One connection. It lives, and its handlers are served, until one side closes it, whether anybody holds it or not.
/// All methods may be called from any thread; where not, they say so. In a callback filter all that change something
/// fail with `EDEADLK`.
pub struct EndPoint {
    me: Weak<EndPoint>,
    reactor: Arc<Reactor>,
    /// Shared by all that one listener accepts.
    config: Arc<Config>,
    peer: String,
    local: OnceLock<String>,
    table: Mutex<Table<Arc<dyn Sink>>>,
    input: Mutex<InputSlot>,
    output: Mutex<Output>,
    calls: Mutex<Calls>,
    counters: Counters,
    /// What waits in memory because of it.
    account: Arc<Account>,
    /// Messages are delivered. What `output.phase` says, for the reader to see without the lock.
    open: AtomicBool,
    authenticated: AtomicBool,
    /// Its peer sends more than there is room for.
    overrun: AtomicBool,
    /// Beats with every write, for the I/O thread to see without a lock.
    write_counters: WriteCounters,
    attachment: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    /// The part above that makes calls for all parties, while there is one.
    caller: Mutex<Weak<dyn Any + Send + Sync>>,
}

impl EndPoint {
    /// Over a stream that is connected. Nothing is read before [`EndPoint::start`].
    pub(super) fn new(
        reactor: &Arc<Reactor>,
        stream: Arc<dyn Stream>,
        config: Arc<Config>,
        peer: String,
    ) -> Arc<EndPoint> {
        let account = config.budget.account();
        // For itself, and for what it has below the first step of the account; until its end.
        account.charge(QUANTUM);
        Arc::new_cyclic(|me| EndPoint {
            me: Weak::clone(me),
            reactor: Arc::clone(reactor),
            peer,
            local: OnceLock::new(),
            table: Mutex::default(),
            input: Mutex::new(InputSlot::new(Arc::clone(&stream), Arc::clone(&account))),
            output: Mutex::new(Output::new(stream, &config, Arc::clone(&account))),
            account,
            calls: Mutex::default(),
            counters: Counters::default(),
            open: AtomicBool::new(true),
            authenticated: AtomicBool::new(false),
            overrun: AtomicBool::new(false),
            write_counters: WriteCounters::default(),
            attachment: Mutex::default(),
            caller: Mutex::new(Weak::<()>::new()),
            config,
        })
    }

    /// Has the stream watched: from now on messages are read. The handlers are there.
    pub(super) fn start(self: &Arc<Self>) -> Result<()> {
        // Before the end can come, which takes it back.
        self.keep_polling(true);
        if let Err(error) = self.start_watching() {
            self.keep_polling(false);
            return Err(error);
        }
        self.flush();
        Ok(())
    }

    fn start_watching(self: &Arc<Self>) -> Result<()> {
        let mut output = self.output.lock();
        if !output.is_open() {
            return Err(Error::NOT_CONNECTED);
        }
        output.watch(&self.reactor, Arc::clone(self) as _, STREAM)?;
        if let Some(time) = self.config.authentication_time {
            let timer = self.reactor.arm(Instant::now() + time, Arc::clone(self) as _, AUTHENTICATION);
            output.timers.push(timer);
        }
        Ok(())
    }

    fn keep_polling(&self, more: bool) {
        if self.config.keeps_polling {
            self.reactor.keep_polling(more);
        }
    }

    /// What it is read by.
    pub(in crate::qi) fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }

    /// What all connections of its kind may keep in memory together.
    pub(in crate::qi) fn budget(&self) -> &Budget {
        &self.config.budget
    }

    /// Its share in that.
    pub(in crate::qi) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Makes a handler whose messages go to `sink` at once; otherwise like [`EndPoint::make_handler`].
    pub fn make_sink(&self, filter: impl Into<Filter>, sink: Arc<dyn Sink>, closer: Option<Closer>) -> Result<u64> {
        self.add(filter.into(), Target::Sink(sink), closer)
    }

    /// Has `closer` called when the connection ends, or the id is removed; no message is looked at for it.
    pub fn on_close(&self, closer: impl FnOnce(&Reason) + Send + 'static) -> Result<u64> {
        self.add(Filter::Nothing, Target::Nothing, Some(Box::new(closer)))
    }

    /// Ends a handler. Its closer has been called when this returns, unless its filter or sink is just being called: then it
    /// is when that call has come back. `EINVAL` if there is no such handler, or it has ended; also in its own closer.
    pub fn remove_handler(&self, id: u64) -> Result<()> {
        reentrancy::may_change()?;
        let mut out = Aftermath::default();
        let outcome = self.table.lock().remove(id, &mut out);
        self.settle(out);
        outcome
    }

    fn add(&self, filter: Filter, target: Target<Arc<dyn Sink>>, closer: Option<Closer>) -> Result<u64> {
        reentrancy::may_change()?;
        let mut table = self.table.lock();
        if table.ended().is_some() {
            // What was given is code of others, whose end must not be under the lock either.
            drop(table);
            return Err(Error::NOT_CONNECTED);
        }
        table.add(filter, target, closer)
    }

    /// A new message id: not 0, not that of a pending call.
    pub fn next_id(&self) -> u32 {
        self.calls.lock().next()
    }

    /// A new message id for a Call, not given again until [`EndPoint::end_call`]. All parties share the numbers.
    pub fn begin_call(&self) -> u32 {
        self.calls.lock().begin()
    }

    /// The call has its answer, or nobody waits for that any more and it would be recognised as late.
    /// False: it was not pending.
    pub fn end_call(&self, id: u32) -> bool {
        self.calls.lock().end(id)
    }

    /// Calls that are pending.
    pub fn pending_calls(&self) -> usize {
        self.calls.lock().pending()
    }

    /// The peer has proved who it is: the large payload limit holds from the next message on, and no time limit any more.
    pub fn set_authenticated(&self) {
        self.authenticated.store(true, Ordering::Release);
    }

    /// Whether the peer has been believed.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Acquire)
    }

    /// For sinks, about a peer that sends more than there is room for: after this turn nothing of it is read for 2 ms. To refuse
    /// costs as much as to serve, and that time belongs to others.
    pub fn hold_back(&self) {
        self.overrun.store(true, Ordering::Relaxed);
    }

    /// What the layers above keep with the connection; gives what was there.
    pub fn attach(&self, attachment: Option<Arc<dyn Any + Send + Sync>>) -> Option<Arc<dyn Any + Send + Sync>> {
        std::mem::replace(&mut *self.attachment.lock(), attachment)
    }

    /// What was attached, if it is a `T`.
    pub fn attachment<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let attachment = self.attachment.lock().clone();
        attachment?.downcast().ok()
    }

    /// What makes calls for all parties, if it is there and a `T`.
    pub(in crate::qi) fn caller<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let caller = self.caller.lock().upgrade();
        caller?.downcast().ok()
    }

    /// The same; this one, if there is none.
    pub(in crate::qi) fn caller_or<T: Any + Send + Sync>(&self, new: Arc<T>) -> Arc<T> {
        let mut caller = self.caller.lock();
        if let Some(there) = caller.upgrade().and_then(|there| there.downcast().ok()) {
            drop(caller);
            return there;
        }
        *caller = Arc::downgrade(&new) as _;
        new
    }

    /// The peer's address: `tcp://127.0.0.1:9559`, `unix://` for who has no path.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The address by which the peer has reached us, in numbers as the peer writes it, if we have accepted it.
    pub fn local(&self) -> Option<&str> {
        self.local.get().map(String::as_str)
    }

    /// Its counters now.
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    /// Not closed by either side.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Why the connection ended, if it has.
    pub fn end(&self) -> Option<Reason> {
        self.table.lock().ended().cloned()
    }

    /// Its identity, for `reentrancy`.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Drop for EndPoint {
    /// One that was never watched, or whose session has stopped: handlers are told all the same.
    fn drop(&mut self) {
        self.finish(Reason::Closed);
    }
}

impl fmt::Debug for EndPoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "EndPoint({})", self.peer)
    }
}
