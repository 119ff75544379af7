//! The calling side of a connection: the reply table, registrations, the objects that are held, and what is remembered for coding
//! (qi-messaging.md 14, 15, 16). There is one for each connection, whoever uses it: clients, and a server that calls objects of
//! its peers.
//!
//! ```text
//!   connection ── answers ──▶ reply table ──▶ slot of a thread that waits, or callback
//!              ── the end ──▶ all of them are told
//! ```
//!
//! Locks: `replies`, those of the metas, `held`, `registrations` and that of each slot. None is held while another is taken, code
//! of others runs, or something is sent; but `sent` is while the message is handed over that was encoded with it, because such
//! messages must leave in that order, and then the send does not wait. `alarm` is while the reactor is given a timer.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use bytes::Bytes;

use crate::core::Error;
use crate::qi::actions::{MAIN_OBJECT, TERMINATE};
use crate::qi::capability::Capabilities;
use crate::qi::endpoint::budget::{Account, Tab};
use crate::qi::endpoint::{Budget, EndPoint, Pattern, Reason, Taken, Types, WhenFull, contained};
use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::meta::MetaObject;
use crate::qi::payload::{PayloadError, read_arguments, read_result};
use crate::qi::signature::Signature;
use crate::qi::value::{Memory, Reader, ReceivedMetas, SentMetas, Value, Writer};
use crate::reactor::time_left;
use crate::reactor::timers::TimerId;
use crate::sys::sync::Mutex;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::alarm::Alarm;
use super::channel::Channel;
use super::error::{CallError, Result};
use super::registrations::Registrations;
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
    decoded: Option<std::result::Result<Value, PayloadError>>,
    _kept: Option<Kept>,
}

/// What pays for an answer until its caller has it; then it is the program's, and so is what is decoded later.
#[derive(Debug)]
struct Kept(Arc<Tab>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What an answer that waits takes beside its bytes: its place, the call, and what a program has of it.
const ANSWER: usize = 512;

/// Told how a call ended, on the thread that reads the connection: it must not block. A panic ends there.
pub type Callback = Box<dyn FnOnce(&Arc<Requester>, Outcome) + Send>;

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

/// Who waits for the answer to a registration.
pub type Told = Box<dyn FnOnce(Result<()>) + Send>;

/// See the head of this file. All methods may be called from any thread.
pub struct Requester {
    me: Weak<Requester>,
    channel: Arc<dyn Channel>,
    replies: Mutex<Replies<Waiter>>,
    /// Of answers that nobody has taken yet: not that of the connection, which reads and sends while they wait.
    waiting: Option<Arc<Account>>,
    /// Of all parties.
    registrations: Mutex<Registrations<Told>>,
    shared: AtomicU8,
    received: Mutex<ReceivedMetas>,
    sent: Mutex<SentMetas>,
    metas: Mutex<HashMap<(u32, u32), Arc<MetaObject>>>,
    /// How many handles there are of each object that was handed to us.
    held: Mutex<HashMap<(u32, u32), usize>>,
    alarm: Mutex<Alarm<TimerId>>,
    /// The end point, and our handler there.
    hears: OnceLock<(Arc<EndPoint>, u64)>,
}

impl Requester {
    /// The one of this end point, which hears all answers from now on. `ENOTCONN`.
    pub fn of(endpoint: &Arc<EndPoint>) -> crate::core::Result<Arc<Requester>> {
        if let Some(there) = endpoint.caller() {
            return Ok(there);
        }
        let made = Requester::over(Arc::clone(endpoint) as _);
        let handler = made.hear_answers(endpoint)?;
        // Nobody else has it yet.
        let _ = made.hears.set((Arc::clone(endpoint), handler));
        Ok(endpoint.caller_or(made))
    }

    /// One that is told of answers and the end by who has the channel.
    pub fn over(channel: Arc<dyn Channel>) -> Arc<Requester> {
        Arc::new_cyclic(|me| Requester {
            me: Weak::clone(me),
            waiting: channel.budget().map(Budget::account),
            channel,
            replies: Mutex::default(),
            registrations: Mutex::default(),
            shared: AtomicU8::new(0),
            received: Mutex::default(),
            sent: Mutex::default(),
            metas: Mutex::default(),
            held: Mutex::default(),
            alarm: Mutex::default(),
            hears: OnceLock::new(),
        })
    }

    fn hear_answers(&self, endpoint: &EndPoint) -> crate::core::Result<u64> {
        let (answers, end) = (Weak::clone(&self.me), Weak::clone(&self.me));
        let sink = move |_: &EndPoint, message: &Message| {
            if let Some(requester) = answers.upgrade() {
                requester.take_answer(message);
            }
            Taken::Yes
        };
        let closer = move |reason: &Reason| {
            if let Some(requester) = end.upgrade() {
                requester.ended(reason);
            }
        };
        endpoint.make_sink(Pattern::types(Types::ANSWERS), Arc::new(sink), Some(Box::new(closer)))
    }

    /// The capabilities that both sides have; none before authentication.
    pub fn shared(&self) -> Capabilities {
        Capabilities::from_bits(self.shared.load(Ordering::Acquire))
    }

    pub fn set_shared(&self, shared: Capabilities) {
        self.shared.store(shared.bits(), Ordering::Release);
    }

    /// The connection has not ended.
    pub fn is_open(&self) -> bool {
        self.channel.is_open()
    }

    /// What a failure to send means: that the connection is gone, or what the system says.
    pub fn gone(&self, error: Error) -> CallError {
        match error {
            Error::NOT_CONNECTED => CallError::Disconnected(self.channel.end().unwrap_or(Reason::Closed)),
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

    /// Objects of the peer's that are held here.
    pub fn held_objects(&self) -> usize {
        self.held.lock().len()
    }

    /// A handle more of an object that was handed to us.
    pub(super) fn hold(&self, key: (u32, u32)) {
        *self.held.lock().entry(key).or_default() += 1;
    }

    pub(super) fn handles(&self, key: (u32, u32)) -> usize {
        self.held.lock().get(&key).copied().unwrap_or_default()
    }

    /// A handle less. With the last one the peer is told.
    pub(super) fn release(&self, key: (u32, u32)) {
        {
            let mut held = self.held.lock();
            if let Some(handles) = held.get_mut(&key).filter(|handles| **handles > 1) {
                *handles -= 1;
                return;
            }
            held.remove(&key);
        }
        let (service, object) = key;
        if object == MAIN_OBJECT {
            return;
        }
        self.metas.lock().remove(&key);
        if self.is_open() {
            let payload = Bytes::copy_from_slice(&service.to_le_bytes());
            self.send_anyway(&Message::post(self.channel.next_id(), service, object, TERMINATE, payload));
        }
    }

    /// Who on this side listens to what of the peer's.
    pub(super) fn registrations(&self) -> &Mutex<Registrations<Told>> {
        &self.registrations
    }

    /// The meta objects of objects of the peer's, as far as they are known.
    pub fn metas(&self) -> &Mutex<HashMap<(u32, u32), Arc<MetaObject>>> {
        &self.metas
    }

    /// Sends a Call whose arguments `encode` writes. The waiter is told exactly once how it ends, unless this fails. On the
    /// reading thread a full connection is `EDEADLK`; elsewhere this waits for room, until the deadline.
    pub fn start(
        &self,
        target: Target,
        waiter: Waiter,
        deadline: Option<Instant>,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) -> Result<Header> {
        self.start_when(target, waiter, (deadline, WhenFull::Block(time_left(deadline))), encode)
    }

    /// [`Requester::start`], with a deadline and what to do about a full connection.
    pub fn start_when(
        &self,
        target: Target,
        waiter: Waiter,
        times: (Option<Instant>, WhenFull),
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) -> Result<Header> {
        self.try_start(target, waiter, times, encode).map_err(|(error, _)| error)
    }

    /// [`Requester::start_when`]; `done` is told in any case. Gives the call if it was sent.
    pub fn start_then(
        self: &Arc<Self>,
        target: Target,
        times: (Option<Instant>, WhenFull),
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
        done: Callback,
    ) -> Option<Header> {
        match self.try_start(target, Waiter::Callback(done), times, encode) {
            Ok(call) => Some(call),
            Err((error, waiter)) => {
                waiter.into_iter().for_each(|waiter| self.tell(waiter, Err(error.clone())));
                None
            }
        }
    }

    /// Gives the waiter back if it has not been told.
    fn try_start(
        &self,
        target: Target,
        waiter: Waiter,
        (deadline, full): (Option<Instant>, WhenFull),
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) -> std::result::Result<Header, (CallError, Option<Waiter>)> {
        let shared = self.shared();
        let mut sent = shared.meta_object_cache.then(|| self.sent.lock());
        let mut writer = Writer::new(shared);
        if let Some(metas) = &mut sent {
            writer = writer.metas(metas);
        }
        let (payload, flags) = match encode(&mut writer) {
            Ok(encoded) => encoded,
            Err(error) => return Err((error, Some(waiter))),
        };
        let id = self.channel.begin_call();
        let call = Message::call(id, target.service, target.object, target.action, payload).with_flags(flags);
        // A thread that waits looks at the clock itself.
        let alarm = deadline.filter(|_| matches!(waiter, Waiter::Callback(_)));
        let entry = Entry::new(call.header, target.result, waiter, alarm);
        let inserted = self.replies.lock().insert(entry);
        if let Err(entry) = inserted {
            self.channel.end_call(id);
            return Err((self.gone(Error::NOT_CONNECTED), Some(entry.waiter)));
        }
        let full = if sent.is_some() { WhenFull::Fail } else { full };
        let outcome = self.channel.send(&call, full);
        drop(sent);
        if let Err(error) = outcome {
            let withdrawn = self.replies.lock().withdraw(id);
            self.channel.end_call(id);
            // If the end came first, the waiter has been told.
            if let Some(entry) = withdrawn {
                return Err((self.gone(error), Some(entry.waiter)));
            }
        }
        self.set_alarm(alarm);
        Ok(call.header)
    }

    /// Sends a small Call that takes something back, without waiting for room: it gets through, or the connection ends, which does
    /// the same. The waiter is told in any case.
    pub fn start_anyway(
        self: &Arc<Self>,
        target: Target,
        waiter: Waiter,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) {
        let (payload, flags) = match encode(&mut Writer::new(self.shared())) {
            Ok(encoded) => encoded,
            Err(error) => return self.tell(waiter, Err(error)),
        };
        let id = self.channel.begin_call();
        let call = Message::call(id, target.service, target.object, target.action, payload).with_flags(flags);
        let inserted = self.replies.lock().insert(Entry::new(call.header, target.result, waiter, None));
        match inserted {
            Ok(()) => self.send_anyway(&call),
            Err(entry) => {
                self.channel.end_call(id);
                self.tell(entry.waiter, Err(self.gone(Error::NOT_CONNECTED)));
            }
        }
    }

    /// Sends what is small and takes something back, without waiting: a Cancel, a terminate.
    fn send_anyway(&self, message: &Message) {
        if self.channel.send(message, WhenFull::Fail) == Err(Error::AGAIN) {
            // What may be lost is put in the reserve; if that is full the connection ends, which releases everything.
            self.channel.send_control(message);
        }
    }

    /// Sends a Post, when there is room or as `full` says.
    pub fn post(
        &self,
        target: &Target,
        full: WhenFull,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) -> Result<()> {
        let shared = self.shared();
        let mut sent = shared.meta_object_cache.then(|| self.sent.lock());
        let full = if sent.is_some() { WhenFull::Fail } else { full };
        let mut writer = Writer::new(shared);
        if let Some(metas) = &mut sent {
            writer = writer.metas(metas);
        }
        let (payload, flags) = encode(&mut writer)?;
        let id = self.channel.next_id();
        let post = Message::post(id, target.service, target.object, target.action, payload).with_flags(flags);
        self.channel.send(&post, full).map_err(|error| self.gone(error))
    }

    /// Asks the peer to end a call, if it knows how to. The call still has its one answer.
    pub fn cancel(&self, call: &Header) {
        if self.shared().remote_cancelable_calls {
            self.send_anyway(&Message::cancel(self.channel.next_id(), call));
        }
    }

    /// The caller goes; the answer is swallowed when it comes.
    pub fn give_up(&self, id: u32) -> bool {
        let (entry, forgotten) = self.replies.lock().give_up(id);
        self.forget(forgotten);
        entry.is_some()
    }

    fn forget(&self, ids: impl IntoIterator<Item = u32>) {
        for id in ids {
            self.channel.end_call(id);
        }
    }

    /// A Reply, Error or Canceled, from who has the channel. One that hears for itself knows.
    pub fn answered(self: &Arc<Self>, message: &Message) {
        if self.hears.get().is_none() {
            self.take_answer(message);
        }
    }

    fn take_answer(self: &Arc<Self>, message: &Message) {
        let found = self.replies.lock().answer(&message.header);
        match found {
            Match::Unknown => {}
            Match::Late(result) => {
                self.channel.end_call(message.header.id);
                if message.header.ty == Type::Reply {
                    self.release_result(message, result.as_ref());
                }
            }
            Match::Call(entry) => {
                self.channel.end_call(message.header.id);
                let outcome = match message.header.ty {
                    Type::Reply => self.reply(message, entry.result.as_ref(), &entry.waiter),
                    Type::Canceled => Err(CallError::Canceled),
                    _ => {
                        let text = message.error_text();
                        Err(CallError::Remote(text.map_or_else(|| NO_TEXT.to_owned(), |text| text.into_owned())))
                    }
                };
                self.tell(entry.waiter, outcome);
            }
        }
    }

    fn reply(&self, message: &Message, result: Option<&Signature>, waiter: &Waiter) -> Outcome {
        let (flags, payload) = (message.header.flags, message.payload.clone());
        // Who waits already takes it at once, as a callback does.
        let waits = self.waiting.as_ref().filter(|_| matches!(waiter, Waiter::Slot(slot) if !slot.is_awaited()));
        let kept = waits.map(|account| Tab::open(account, payload.len() + ANSWER).ok_or(CallError::NoRoom));
        let Ok(kept) = kept.transpose() else {
            self.release_result(message, result);
            return Err(CallError::NoRoom);
        };
        let kept = kept.map(Arc::new);
        let memory = kept.clone().map(|kept| kept as Arc<dyn Memory>);
        let in_order = result.filter(|_| self.shared().meta_object_cache);
        let decoded = in_order.map(|result| self.decode_result(flags, &payload, result, memory.as_ref()));
        Ok(Reply { flags, payload, decoded, _kept: kept.map(Kept) })
    }

    /// Nobody gets what is in a Reply.
    fn release_result(&self, message: &Message, result: Option<&Signature>) {
        if let Some(result) = result {
            self.release_all(self.decode_result(message.header.flags, &message.payload, result, None));
        }
    }

    fn tell(self: &Arc<Self>, waiter: Waiter, outcome: Outcome) {
        match waiter {
            Waiter::Slot(slot) => slot.fill(self.channel.reactor().map(|reactor| &**reactor), outcome),
            Waiter::Callback(callback) => drop(contained(|| callback(self, outcome))),
            Waiter::Nobody => {}
        }
    }

    /// No answer will come any more. May be said more than once.
    pub fn ended(self: &Arc<Self>, reason: &Reason) {
        let entries = self.replies.lock().end();
        self.silence();
        for entry in entries {
            self.tell(entry.waiter, Err(CallError::Disconnected(reason.clone())));
        }
    }

    /// The result in a Reply.
    pub fn result(&self, reply: Reply, declared: &Signature) -> std::result::Result<Value, PayloadError> {
        match reply.decoded {
            Some(decoded) => decoded,
            None => self.decode_result(reply.flags, &reply.payload, declared, None),
        }
    }

    fn decode_result(
        &self,
        flags: Flags,
        payload: &Bytes,
        declared: &Signature,
        memory: Option<&Arc<dyn Memory>>,
    ) -> std::result::Result<Value, PayloadError> {
        self.decode(payload, memory, |reader| read_result(reader, flags, declared))
    }

    /// The arguments of an Event.
    pub fn decode_event(&self, message: &Message, declared: &Signature) -> std::result::Result<Value, PayloadError> {
        let read = |reader: &mut Reader<'_>| read_arguments(reader, message.header.flags, declared);
        self.decode(&message.payload, None, |reader| read(reader).map(|arguments| arguments.tuple))
    }

    fn decode(
        &self,
        payload: &Bytes,
        memory: Option<&Arc<dyn Memory>>,
        read: impl FnOnce(&mut Reader<'_>) -> std::result::Result<Value, PayloadError>,
    ) -> std::result::Result<Value, PayloadError> {
        let shared = self.shared();
        let mut reader = Reader::new(payload).shared(shared);
        if let Some(memory) = memory {
            reader = reader.on_account(memory, 0);
        }
        if shared.meta_object_cache {
            read(&mut reader.metas(&mut self.received.lock()))
        } else {
            read(&mut { reader })
        }
    }

    /// Objects in what nobody wants are not wanted either.
    pub fn release_all(&self, unwanted: std::result::Result<Value, PayloadError>) {
        let Ok(value) = unwanted else { return };
        value.each_object(&mut |object| {
            let key = (object.service, object.object);
            self.hold(key);
            self.release(key);
        });
    }

    fn set_alarm(&self, at: Option<Instant>) {
        let Some((at, reactor)) = at.zip(self.channel.reactor()) else { return };
        let arm = || reactor.arm(at, Arc::new(ReplyBell(Weak::clone(&self.me))), 0);
        let useless = self.alarm.lock().ring_by(at, arm);
        self.disarm(useless);
    }

    fn silence(&self) {
        let armed = self.alarm.lock().silence();
        self.disarm(armed);
    }

    fn disarm(&self, timer: Option<TimerId>) {
        if let Some((timer, reactor)) = timer.zip(self.channel.reactor()) {
            reactor.disarm(timer);
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
            self.tell(entry.waiter, Err(CallError::TimedOut));
        }
        self.set_alarm(next);
    }
}

impl Drop for Requester {
    fn drop(&mut self) {
        // A call that came between the end and its alarm may have set one.
        self.silence();
        if let Some((endpoint, handler)) = self.hears.get() {
            // It may have ended with the connection.
            let _ = endpoint.remove_handler(*handler);
        }
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Requester({} calls)", self.pending_calls())
    }
}

/// Time is over for some calls. It does not keep the connection.
struct ReplyBell(Weak<Requester>);

impl Source for ReplyBell {
    fn ready(&self, _key: u64, _ready: Ready) {}

    fn expired(&self, _key: u64) {
        if let Some(requester) = self.0.upgrade() {
            requester.expire();
        }
    }

    fn flush(&self, _key: u64) -> bool {
        false
    }
}
