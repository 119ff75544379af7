//! A connection: an end point, what authentication agreed on, and the reply table (qi-messaging.md 10, 14, 16).
//!
//! ```text
//!   EndPoint ── answers ──▶ reply table ──▶ slot of a thread that waits, or callback
//!            ── events ───▶ inboxes of subscriptions (subscribe.rs)
//!            ── the end ──▶ all of them are told
//! ```
//!
//! Locks: `replies`, those of the metas, `objects`, the end point's `registrations` and that of each slot and inbox. None is held while
//! another is taken, code of others runs, or something is sent; but `sent` is while the message is handed over that was
//! encoded with it, because such messages must leave in that order, and then the send does not wait. `alarm` is while the
//! reactor is given a timer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use bytes::Bytes;

use crate::core::Error;
use crate::qi::capability::{Announced, Capabilities, CapabilityMap};
use crate::qi::endpoint::{EndPoint, Pattern, Reason, Taken, Types, WhenFull, contained};
use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::meta::MetaObject;
use crate::qi::payload::{PayloadError, read_arguments, read_result};
use crate::qi::signature::Signature;
use crate::qi::value::{Reader, ReceivedMetas, SentMetas, Value, Writer};
use crate::reactor::timers::TimerId;
use crate::reactor::{Reactor, time_left};
use crate::sys::sync::Mutex;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::alarm::Alarm;
use super::error::{ClientError, Result};
use super::received::{Objects, Received};
use super::replies::{Counts, Entry, Match, Replies};
use super::waiting::Slot;

/// Text of an Error whose payload is not what it should be.
const NO_TEXT: &str = "the peer gives an error without a text";

/// How a call ended.
pub type Outcome = Result<Reply>;

/// A Reply, decoded already if the connection remembers meta objects: then the order of decoding counts.
#[derive(Debug)]
pub struct Reply {
    pub flags: Flags,
    pub payload: Bytes,
    decoded: Option<std::result::Result<Received, PayloadError>>,
}

/// Told how a call ended, on the thread that reads the connection: it must not block. A panic ends there.
pub type Callback = Box<dyn FnOnce(&Arc<Connection>, Outcome) + Send>;

/// Who is told.
pub enum Waiter {
    Slot(Arc<Slot<Outcome>>),
    Callback(Callback),
    Nobody,
}

/// A Call to be made.
#[derive(Clone, Debug)]
pub struct Target {
    pub service: u32,
    pub object: u32,
    pub action: u32,
    /// What an unflagged Reply consists of, if known: needed to release objects in an answer that comes too late.
    pub result: Option<Signature>,
}

/// One connection to a peer, authenticated. All methods may be called from any thread. It closes when the last of its
/// handles is dropped: proxies, objects and subscriptions hold it.
pub struct Connection {
    me: Weak<Connection>,
    reactor: Arc<Reactor>,
    endpoint: Arc<EndPoint>,
    url: String,
    replies: Mutex<Replies<Waiter>>,
    /// What the peer announced by Capability messages while authentication was under way; `None` after it.
    announced: Mutex<Option<Announced>>,
    shared: OnceLock<Capabilities>,
    received: Mutex<ReceivedMetas>,
    sent: Mutex<SentMetas>,
    metas: Mutex<HashMap<(u32, u32), Arc<MetaObject>>>,
    objects: Objects,
    alarm: Mutex<Alarm<TimerId>>,
    /// Our handler on an end point that is not ours to close.
    beside: OnceLock<u64>,
}

impl Connection {
    /// The connection of an end point that has not begun to read.
    pub(super) fn new(reactor: &Arc<Reactor>, endpoint: &Arc<EndPoint>, url: &str) -> Result<Arc<Connection>> {
        let connection = Connection::over(reactor, endpoint, url);
        connection.hear_answers()?;
        let announcements = Weak::clone(&connection.me);
        let sink = move |_: &EndPoint, message: &Message| {
            if let Some(connection) = announcements.upgrade() {
                connection.announced(message);
            }
            Taken::Yes
        };
        endpoint.make_sink(Pattern::types(Types::of(Type::Capability)), Arc::new(sink), None)?;
        Ok(connection)
    }

    /// The client side of a connection that a server has accepted, where both sides have `shared`: for objects that the peer
    /// has passed. It does not close with this.
    pub(in crate::qi) fn beside(endpoint: &Arc<EndPoint>, shared: Capabilities) -> Result<Arc<Connection>> {
        let connection = Connection::over(endpoint.reactor(), endpoint, endpoint.peer());
        let handler = connection.hear_answers().map_err(|error| connection.gone(error))?;
        // Nobody else has it yet.
        let _ = (connection.beside.set(handler), connection.shared.set(shared));
        Ok(connection)
    }

    fn over(reactor: &Arc<Reactor>, endpoint: &Arc<EndPoint>, url: &str) -> Arc<Connection> {
        Arc::new_cyclic(|me| Connection {
            me: Weak::clone(me),
            reactor: Arc::clone(reactor),
            endpoint: Arc::clone(endpoint),
            url: url.to_owned(),
            replies: Mutex::default(),
            announced: Mutex::new(Some(Announced::default())),
            shared: OnceLock::new(),
            received: Mutex::default(),
            sent: Mutex::default(),
            metas: Mutex::default(),
            objects: Objects::default(),
            alarm: Mutex::default(),
            beside: OnceLock::new(),
        })
    }

    /// Not exclusive: a server on the same connection makes calls of its own.
    fn hear_answers(&self) -> crate::core::Result<u64> {
        let (answers, end) = (Weak::clone(&self.me), Weak::clone(&self.me));
        let sink = move |_: &EndPoint, message: &Message| {
            if let Some(connection) = answers.upgrade() {
                connection.answered(message);
            }
            Taken::Yes
        };
        let closer = move |reason: &Reason| {
            if let Some(connection) = end.upgrade() {
                connection.ended(reason);
            }
        };
        self.endpoint.make_sink(Pattern::types(Types::ANSWERS), Arc::new(sink), Some(Box::new(closer)))
    }

    /// Authentication is done, and this is what both sides have.
    pub(super) fn agree(&self, shared: Capabilities) {
        // Only who authenticates says so, once.
        let _ = self.shared.set(shared);
        *self.announced.lock() = None;
        self.endpoint.set_authenticated();
    }

    /// What the peer has announced outside of authentication since this was asked last.
    pub(super) fn take_announced(&self) -> Announced {
        self.announced.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub fn endpoint(&self) -> &Arc<EndPoint> {
        &self.endpoint
    }

    pub fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }

    /// Where it was dialled.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The capabilities that both sides have; none before authentication.
    pub fn shared(&self) -> Capabilities {
        self.shared.get().copied().unwrap_or_default()
    }

    pub fn is_open(&self) -> bool {
        self.endpoint.is_open()
    }

    /// Closes: everything that waits for the peer fails with [`ClientError::Disconnected`].
    pub fn close(&self) {
        // Only a callback filter could not, and there is none here.
        let _ = self.endpoint.close();
    }

    /// What a failure to send means: that the connection is gone, or what the system says.
    pub(super) fn gone(&self, error: Error) -> ClientError {
        match error {
            Error::NOT_CONNECTED => ClientError::Disconnected(self.endpoint.end().unwrap_or(Reason::Closed)),
            error => error.into(),
        }
    }

    /// Answers that came too late, and that fitted nothing.
    pub fn counts(&self) -> Counts {
        self.replies.lock().counts()
    }

    /// Calls under way.
    pub fn pending_calls(&self) -> usize {
        self.replies.lock().pending()
    }

    /// The references to the peer's objects that are held here.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(super) fn metas(&self) -> &Mutex<HashMap<(u32, u32), Arc<MetaObject>>> {
        &self.metas
    }

    /// Sends a Call whose arguments `encode` writes. The waiter is told exactly once how it ends, unless this fails. On the
    /// reading thread a full connection is `EDEADLK`; elsewhere this waits for room, until the deadline.
    pub(super) fn start(
        &self,
        target: Target,
        waiter: Waiter,
        deadline: Option<Instant>,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) -> Result<Header> {
        let shared = self.shared();
        let mut sent = shared.meta_object_cache.then(|| self.sent.lock());
        let mut writer = Writer::new(shared);
        if let Some(metas) = &mut sent {
            writer = writer.metas(metas);
        }
        let (payload, flags) = encode(&mut writer)?;
        let id = self.endpoint.begin_call();
        let call = Message::call(id, target.service, target.object, target.action, payload).with_flags(flags);
        // A thread that waits looks at the clock itself.
        let alarm = deadline.filter(|_| matches!(waiter, Waiter::Callback(_)));
        let entry = Entry::new(call.header, target.result, waiter, alarm);
        if self.replies.lock().insert(entry).is_err() {
            self.endpoint.end_call(id);
            return Err(self.gone(Error::NOT_CONNECTED));
        }
        let time = time_left(deadline);
        let full = if sent.is_some() { WhenFull::Fail } else { WhenFull::Block(time) };
        let outcome = self.endpoint.send(&call, full);
        drop(sent);
        if let Err(error) = outcome {
            let withdrawn = self.replies.lock().withdraw(id);
            self.endpoint.end_call(id);
            // If the end came first, the waiter has been told.
            if withdrawn.is_some() {
                return Err(self.gone(error));
            }
        }
        self.set_alarm(alarm);
        Ok(call.header)
    }

    /// Sends a Call whose answer nobody wants, without waiting.
    pub(super) fn start_unanswered(
        &self,
        target: Target,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) {
        let Ok((payload, _)) = encode(&mut Writer::new(self.shared())) else { return };
        let id = self.endpoint.begin_call();
        let call = Message::call(id, target.service, target.object, target.action, payload);
        let entry = Entry::new(call.header, target.result, Waiter::Nobody, None);
        if self.replies.lock().insert(entry).is_ok() {
            self.send_unanswered(&call);
        }
    }

    /// Sends what has no answer, without waiting: a Cancel, a terminate.
    pub(super) fn send_unanswered(&self, message: &Message) {
        if self.endpoint.send(message, WhenFull::Fail) == Err(Error::AGAIN) {
            // What may be lost is put in the reserve; if that is full the connection ends, which releases everything.
            let _ = self.endpoint.send_control(message);
        }
    }

    /// Sends a Post; waits for room if there is none.
    pub(super) fn post(
        &self,
        target: &Target,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) -> Result<()> {
        let shared = self.shared();
        let mut sent = shared.meta_object_cache.then(|| self.sent.lock());
        let full = if sent.is_some() { WhenFull::Fail } else { WhenFull::Block(None) };
        let mut writer = Writer::new(shared);
        if let Some(metas) = &mut sent {
            writer = writer.metas(metas);
        }
        let (payload, flags) = encode(&mut writer)?;
        let id = self.endpoint.next_id();
        let post = Message::post(id, target.service, target.object, target.action, payload).with_flags(flags);
        self.endpoint.send(&post, full).map(drop).map_err(|error| self.gone(error))
    }

    /// Asks the peer to end a call, if it knows how to. The call still has its one answer.
    pub(super) fn cancel(&self, call: &Header) {
        if self.shared().remote_cancelable_calls {
            self.send_unanswered(&Message::cancel(self.endpoint.next_id(), call));
        }
    }

    /// The caller goes; the answer is swallowed when it comes.
    pub(super) fn give_up(&self, id: u32) -> bool {
        let (entry, forgotten) = self.replies.lock().give_up(id);
        self.forget(forgotten);
        entry.is_some()
    }

    fn forget(&self, ids: impl IntoIterator<Item = u32>) {
        for id in ids {
            self.endpoint.end_call(id);
        }
    }

    fn answered(self: &Arc<Self>, message: &Message) {
        let found = self.replies.lock().answer(&message.header);
        match found {
            Match::Unknown => {}
            Match::Late(result) => {
                self.endpoint.end_call(message.header.id);
                if let (Type::Reply, Some(result)) = (message.header.ty, result) {
                    // If there are objects in it, they are released by this.
                    drop(self.decode_result(message.header.flags, &message.payload, &result));
                }
            }
            Match::Call(entry) => {
                self.endpoint.end_call(message.header.id);
                let outcome = match message.header.ty {
                    Type::Reply => Ok(self.reply(message, entry.result.as_ref())),
                    Type::Canceled => Err(ClientError::Canceled),
                    _ => {
                        let text = message.error_text();
                        Err(ClientError::Remote(text.map_or_else(|| NO_TEXT.to_owned(), |text| text.into_owned())))
                    }
                };
                self.tell(entry.waiter, outcome);
            }
        }
    }

    fn reply(self: &Arc<Self>, message: &Message, result: Option<&Signature>) -> Reply {
        let (flags, payload) = (message.header.flags, message.payload.clone());
        let in_order = result.filter(|_| self.shared().meta_object_cache);
        let decoded = in_order.map(|result| self.decode_result(flags, &payload, result));
        Reply { flags, payload, decoded }
    }

    fn tell(self: &Arc<Self>, waiter: Waiter, outcome: Outcome) {
        match waiter {
            Waiter::Slot(slot) => slot.fill(&self.reactor, outcome),
            Waiter::Callback(callback) => drop(contained(|| callback(self, outcome))),
            Waiter::Nobody => {}
        }
    }

    fn announced(&self, message: &Message) {
        let map = Reader::new(&message.payload).read(&CapabilityMap::signature());
        let map = map.ok().and_then(|map| CapabilityMap::from_value(&map));
        if let (Some(Ok(map)), Some(announced)) = (map, &mut *self.announced.lock()) {
            announced.add(map.announced());
        }
    }

    fn ended(self: &Arc<Self>, reason: &Reason) {
        let entries = self.replies.lock().end();
        self.silence();
        for entry in entries {
            self.tell(entry.waiter, Err(ClientError::Disconnected(reason.clone())));
        }
    }

    /// The result in a Reply.
    pub(super) fn result(
        self: &Arc<Self>,
        reply: Reply,
        declared: &Signature,
    ) -> std::result::Result<Received, PayloadError> {
        match reply.decoded {
            Some(decoded) => decoded,
            None => self.decode_result(reply.flags, &reply.payload, declared),
        }
    }

    fn decode_result(
        self: &Arc<Self>,
        flags: Flags,
        payload: &Bytes,
        declared: &Signature,
    ) -> std::result::Result<Received, PayloadError> {
        self.decode(payload, |reader| read_result(reader, flags, declared))
    }

    /// The arguments of an Event.
    pub(super) fn decode_event(
        self: &Arc<Self>,
        message: &Message,
        declared: &Signature,
    ) -> std::result::Result<Received, PayloadError> {
        let read = |reader: &mut Reader<'_>| read_arguments(reader, message.header.flags, declared);
        self.decode(&message.payload, |reader| read(reader).map(|arguments| arguments.tuple))
    }

    fn decode(
        self: &Arc<Self>,
        payload: &Bytes,
        read: impl FnOnce(&mut Reader<'_>) -> std::result::Result<Value, PayloadError>,
    ) -> std::result::Result<Received, PayloadError> {
        let shared = self.shared();
        let reader = Reader::new(payload).shared(shared);
        let value = if shared.meta_object_cache {
            read(&mut reader.metas(&mut self.received.lock()))?
        } else {
            read(&mut { reader })?
        };
        Ok(Received::adopt(self, value))
    }

    fn set_alarm(&self, at: Option<Instant>) {
        let Some(at) = at else { return };
        let arm = || self.reactor.arm(at, Arc::new(Bell(Weak::clone(&self.me))), 0);
        let useless = self.alarm.lock().ring_by(at, arm);
        self.disarm(useless);
    }

    fn silence(&self) {
        let armed = self.alarm.lock().silence();
        self.disarm(armed);
    }

    fn disarm(&self, timer: Option<TimerId>) {
        if let Some(timer) = timer {
            self.reactor.disarm(timer);
        }
    }

    fn expire(self: &Arc<Self>) {
        self.silence();
        let (entries, forgotten, next) = {
            let mut replies = self.replies.lock();
            let (entries, forgotten) = replies.expire(Instant::now());
            (entries, forgotten, replies.next_deadline())
        };
        self.forget(forgotten);
        for entry in entries {
            self.cancel(&entry.header);
            self.tell(entry.waiter, Err(ClientError::TimedOut));
        }
        self.set_alarm(next);
    }

    /// Waits until the connection has ended and what was accepted before is with the kernel, at most so long.
    pub fn wait_closed(&self, timeout: std::time::Duration) -> Result<()> {
        Ok(self.endpoint.wait_closed(Some(timeout))?)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A call that came between the end and its alarm may have set one.
        self.silence();
        match self.beside.get() {
            // It may have ended with the connection.
            Some(handler) => drop(self.endpoint.remove_handler(*handler)),
            None => self.close(),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Connection({})", self.url)
    }
}

/// Time is over for some calls. It does not keep the connection.
struct Bell(Weak<Connection>);

impl Source for Bell {
    fn ready(&self, _key: u64, _ready: Ready) {}

    fn expired(&self, _key: u64) {
        if let Some(connection) = self.0.upgrade() {
            connection.expire();
        }
    }

    fn flush(&self, _key: u64) -> bool {
        false
    }
}
