//! A call as its method sees it, and the token by which it is answered exactly once.

use std::fmt;
use std::sync::Arc;

use crate::qi::client::ClientError;
use crate::qi::endpoint::{Reason, contained};
use crate::qi::message::{Header, Message};
use crate::qi::payload::write_result;
use crate::qi::signature::Signature;
use crate::qi::value::{Text, Value, Writer};
use crate::sys::sync::Mutex;

use super::export::Exported;
use super::object::{Address, Object};
use super::peer::Peer;
use super::remote::Remote;
use super::watch::Begun;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The text of the Error.
    Failed(String),
    /// It was cancelled.
    Canceled,
    /// The connection ended before the answer came. Only of calls that we make.
    Disconnected,
    /// No answer within the time. Only of calls that we make.
    TimedOut,
}

impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            CallError::Failed(text) => text,
            CallError::Canceled => "canceled",
            CallError::Disconnected => "disconnected",
            CallError::TimedOut => "no answer in time",
        })
    }
}

impl std::error::Error for CallError {}

impl From<ClientError> for CallError {
    fn from(error: ClientError) -> CallError {
        match error {
            ClientError::Canceled => CallError::Canceled,
            ClientError::Disconnected(_) => CallError::Disconnected,
            ClientError::TimedOut => CallError::TimedOut,
            other => CallError::Failed(other.to_string()),
        }
    }
}

impl From<CallError> for ClientError {
    fn from(error: CallError) -> ClientError {
        match error {
            CallError::Failed(text) => ClientError::Remote(text),
            CallError::Canceled => ClientError::Canceled,
            CallError::Disconnected => ClientError::Disconnected(Reason::PeerClosed),
            CallError::TimedOut => ClientError::TimedOut,
        }
    }
}

impl From<&str> for CallError {
    fn from(text: &str) -> CallError {
        CallError::Failed(text.to_owned())
    }
}

impl From<String> for CallError {
    fn from(text: String) -> CallError {
        CallError::Failed(text)
    }
}

/// A value on its way to a peer, with the objects that it refers to ([`Object::to_value`]).
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(super) value: Value,
    pub(super) objects: Vec<Object>,
}

impl Answer {
    /// Nothing: `v`.
    pub fn void() -> Answer {
        Answer::default()
    }

    /// With this object, which the value refers to somewhere.
    #[must_use]
    pub fn carrying(mut self, object: &Object) -> Answer {
        self.objects.push(object.clone());
        self
    }
}

impl Answer {
    /// All of them in one tuple.
    pub(super) fn tuple(answers: Vec<Answer>) -> Answer {
        let (mut values, mut objects) = (Vec::new(), Vec::new());
        for answer in answers {
            values.push(answer.value);
            objects.extend(answer.objects);
        }
        Answer { value: Value::tuple(values), objects }
    }
}

impl<T: Into<Value>> From<T> for Answer {
    fn from(value: T) -> Answer {
        Answer { value: value.into(), objects: Vec::new() }
    }
}

impl From<&Object> for Answer {
    fn from(object: &Object) -> Answer {
        Answer::from(object.to_value()).carrying(object)
    }
}

/// Who calls.
#[derive(Clone)]
pub struct Caller {
    pub(super) peer: Arc<Peer>,
    pub(super) address: Address,
}

impl Caller {
    /// The connection's id.
    pub fn connection(&self) -> u64 {
        self.peer.id()
    }

    /// The service under whose id the object was called.
    pub fn service(&self) -> u32 {
        self.address.service
    }

    /// The peer's address.
    pub fn remote(&self) -> String {
        self.peer.connection.remote()
    }

    /// The address at which the peer has reached us.
    pub fn local(&self) -> Option<String> {
        self.peer.connection.local()
    }

    /// As whom the peer has authenticated, if it gave a name.
    pub fn user(&self) -> Option<Text> {
        self.peer.user()
    }

    /// The peer can still be told something.
    pub fn is_connected(&self) -> bool {
        !self.peer.is_closed()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Caller({})", self.remote())
    }
}

/// One call, or post, of a method. It is answered exactly once: dropped without an answer, it answers with an Error. The
/// answer to a post goes nowhere.
#[derive(Debug)]
pub struct Call {
    /// The method's id.
    pub method: u32,
    /// Of the declared types; for parameters `m`, of any.
    pub arguments: Vec<Value>,
    pub caller: Caller,
    pub(super) token: Token,
}

impl Call {
    /// The answer. Dropped if the call has been cancelled meanwhile, or its connection has ended.
    pub fn reply(self, result: Result<Answer, CallError>) {
        self.token.answer(result);
    }

    /// Nobody wants the answer any more: the caller has cancelled the call, or is gone. Who notices may stop and answer
    /// [`CallError::Canceled`].
    pub fn is_canceled(&self) -> bool {
        self.token.ticket.is_canceled()
    }

    /// Has `notice` called when that happens; at once if it has happened. It runs on the thread that reads and must not block.
    /// Dropped uncalled when the call is answered before, and when another takes its place.
    pub fn on_cancel(&self, notice: impl FnOnce() + Send + 'static) {
        self.cancellation().on_cancel(notice);
    }

    /// For who is to be told of it and does not have the call.
    pub fn cancellation(&self) -> Cancellation {
        Cancellation(Arc::clone(&self.token.ticket))
    }

    /// Whether nobody will see the answer: a Post.
    pub fn is_post(&self) -> bool {
        self.token.ticket.post
    }

    /// The peer's object that an argument refers to. It is released when its last handle is dropped, and with the call if
    /// nobody asks for it.
    pub fn remote(&self, argument: &Value) -> Option<Remote> {
        let Value::Object(object) = argument else { return None };
        let address = Address { service: object.service, object: object.object };
        self.token.remotes.iter().find(|remote| remote.address() == address).cloned()
    }
}

/// A call that may be cancelled, for who cannot answer it.
#[derive(Clone, Debug)]
pub struct Cancellation(Arc<Ticket>);

impl Cancellation {
    /// As [`Call::on_cancel`]; `notice` is dropped at once if the call has been answered.
    pub fn on_cancel(&self, notice: impl FnOnce() + Send + 'static) {
        self.0.on_cancel(Box::new(notice));
    }
}

/// The right, and the duty, to answer.
#[derive(Debug)]
pub(super) struct Token {
    pub ticket: Arc<Ticket>,
    pub declared: Signature,
    pub wanted: Option<Signature>,
    /// If it is measured.
    begun: Option<Begun>,
    /// What the call was traced with.
    pub traced: Option<u32>,
    /// The peer's objects among the arguments, until the answer: they may be in it.
    pub remotes: Vec<Remote>,
    answered: bool,
}

impl Token {
    pub fn new(ticket: Arc<Ticket>, declared: Signature, wanted: Option<Signature>) -> Token {
        let begun = ticket.object.0.watch.begin();
        Token { ticket, declared, wanted, begun, traced: None, remotes: Vec::new(), answered: false }
    }

    pub fn answer(mut self, result: Result<Answer, CallError>) {
        self.finish(result);
    }

    fn finish(&mut self, result: Result<Answer, CallError>) {
        self.answered = true;
        let ticket = &self.ticket;
        ticket.object.0.watch.finished(&ticket.object, (&ticket.header, self.traced), self.begun.as_ref(), &result);
        if !ticket.claim() || ticket.post {
            return;
        }
        let peer = &ticket.peer;
        match result {
            Ok(answer) => self.reply(answer),
            Err(CallError::Canceled) => peer.answer(peer.canceled(&ticket.header)),
            Err(error) => peer.answer(Message::error_to(&ticket.header, &error.to_string())),
        }
    }

    fn reply(&self, answer: Answer) {
        let (peer, header) = (&self.ticket.peer, &self.ticket.header);
        let shared = peer.shared();
        let wanted = self.wanted.as_ref().filter(|_| shared.message_flags);
        let written = Exported::new(peer, header.service, answer.passing_on(&self.remotes)).and_then(|exported| {
            let (value, exported) = exported.into_parts();
            match write_result(&mut Writer::new(shared), value, &self.declared, wanted) {
                Ok((payload, flags)) => {
                    exported.keep();
                    Ok(Message::reply_to(header, payload).with_flags(flags))
                }
                Err(error) => Err(format!("bad result: {error}")),
            }
        });
        peer.answer(written.unwrap_or_else(|text| Message::error_to(header, &text)));
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if !self.answered {
            let panicked = std::thread::panicking();
            self.finish(Err(if panicked { "The method panicked." } else { "The method did not answer." }.into()));
        }
    }
}

enum Phase {
    /// In the mailbox.
    Queued,
    /// Its method may be running.
    Running,
    /// Answered, or nobody is there to answer to.
    Done,
}

struct TicketState {
    phase: Phase,
    canceled: bool,
    notice: Option<Box<dyn FnOnce() + Send>>,
}

/// One call from its arrival to its answer, known to its connection so that it can be cancelled.
pub(super) struct Ticket {
    pub peer: Arc<Peer>,
    pub object: Object,
    pub header: Header,
    pub post: bool,
    state: Mutex<TicketState>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ticket({})", self.header.id)
    }
}

/// What a Cancel found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was waiting, and is not to be run; the canceller answers.
    Queued,
    /// Its method has been told; it answers.
    Running,
    Done,
}

impl Ticket {
    pub fn new(peer: &Arc<Peer>, object: &Object, header: Header, post: bool) -> Arc<Ticket> {
        let state = TicketState { phase: Phase::Queued, canceled: false, notice: None };
        Arc::new(Ticket { peer: Arc::clone(peer), object: object.clone(), header, post, state: Mutex::new(state) })
    }

    /// A worker begins. False: it was cancelled.
    pub fn start(&self) -> bool {
        let mut state = self.state.lock();
        let queued = matches!(state.phase, Phase::Queued);
        if queued {
            state.phase = Phase::Running;
        }
        queued
    }

    /// The right to answer; only the first gets it.
    pub fn claim(&self) -> bool {
        let notice = {
            let mut state = self.state.lock();
            if matches!(state.phase, Phase::Done) {
                return false;
            }
            state.phase = Phase::Done;
            state.notice.take()
        };
        drop(notice);
        self.peer.forget(self);
        true
    }

    /// The caller does not want it any more.
    pub fn cancel(&self) -> Found {
        let (found, notice) = {
            let mut state = self.state.lock();
            state.canceled = true;
            match state.phase {
                Phase::Queued => {
                    state.phase = Phase::Done;
                    (Found::Queued, None)
                }
                Phase::Running => (Found::Running, state.notice.take()),
                Phase::Done => (Found::Done, None),
            }
        };
        if let Some(notice) = notice {
            contained(notice);
        }
        found
    }

    /// The connection has ended: a call that waits is still made, for what it does; one that runs is told.
    pub fn disconnect(&self) {
        let notice = {
            let mut state = self.state.lock();
            state.canceled = true;
            state.notice.take()
        };
        if let Some(notice) = notice {
            contained(notice);
        }
    }

    pub fn is_canceled(&self) -> bool {
        self.state.lock().canceled
    }

    pub fn on_cancel(&self, notice: Box<dyn FnOnce() + Send>) {
        let mut state = self.state.lock();
        if state.canceled {
            drop(state);
            contained(notice);
            return;
        }
        if matches!(state.phase, Phase::Done) {
            // Nobody would take it out, nor call it.
            drop(state);
            return;
        }
        let old = state.notice.replace(notice);
        drop(state);
        drop(old);
    }
}
