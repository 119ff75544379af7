//! REQ and REP (protocols.md 7 and 8): one request at a time, resent until it is answered; replies find
//! their way back by themselves.
//!
//! ```text
//!   REQ                  ┌───────┐ Recv: EFSM
//!          Recv: Deliver │       │
//!        ┌──────────────▶│ Idle  │
//!        │               └───┬───┘
//!        │                   │ Send
//!        │      no pipe      ▼       a pipe
//!        │      ┌────────────●────────────┐       Send, in every state: a new request, from ●
//!        │      ▼                         ▼
//!        │  ┌─────────┐   Writable   ┌────────┐──┐ Timer, Hangup or Detach of its pipe:
//!        │  │ Delayed │─────────────▶│ Active │  │ transmit again (same id), to whom it falls
//!        │  └────┬────┘◀─────────────└────┬───┘◀─┘
//!        │       │       … but no pipe    │
//!        │       └───────────┬────────────┘
//!        │                   │ matching reply
//!        │               ┌───▼───┐
//!        └───────────────│ Done  │ further replies are dropped
//!                        └───────┘
//!
//!   REP (and RESPONDENT)       Incoming: Deliver, keep the backtrace
//!                    ┌──────┐ ──────────────────────────────────────▶ ┌─────────┐
//!        Send: EFSM  │ Idle │                                         │ Pending │
//!                    └──────┘ ◀────────────────────────────────────── └─────────┘
//!                                Send: answer; Recv: abandon
//!
//! Unsent: a REQ is Idle again, a REP Pending. Cancel: both are Idle.
//! ```
//!
//! Each context has these states for itself. Requests that wait for a pipe are sent in the order in which they began to, one at a
//! time (`GoOn`). A context of a REP whose answer finds no room waits for it: there are others, whose answers fill the pipe.

use std::collections::{HashMap, VecDeque};

use crate::core::{
    Answer, Arrivals, Cmd, ContextId, DropReason, Drops, Error, Events, Evt, Header, Kept, Kind, Message, PipeId,
    Protocol, Readiness, Result,
};
use crate::protocol::backtrace::{RequestIds, header_word, reply_id, split_reply};
use crate::protocol::contexts::Contexts;
use crate::protocol::drops::DropCounts;
use crate::protocol::milliseconds;
use crate::protocol::raw::{Answerer, Asker};
use crate::protocol::routing::{LoadBalancer, Outlet};

/// NN_REQ.
pub const REQ: Kind = Kind {
    id: 48,
    name: "REQ",
    peer: 49,
    can_send: true,
    can_recv: true,
    asks: true,
    contexts: Some(Arrivals::Addressed),
    make: |raw, seed| match raw {
        true => Box::new(Asker::new(LoadBalancer::default())),
        false => Box::new(Req::new(seed)),
    },
};

/// NN_REP.
pub const REP: Kind = Kind {
    id: 49,
    name: "REP",
    peer: 48,
    can_send: true,
    can_recv: true,
    asks: false,
    contexts: Some(Arrivals::Shared),
    make: |raw, seed| match raw {
        true => Box::new(Answerer::new(seed)),
        false => Box::new(Rep::new(seed)),
    },
};

/// `NN_REQ_RESEND_IVL`: milliseconds from a transmission to the next one.
pub const RESEND_IVL: i32 = 1;
const DEFAULT_RESEND_IVL: u32 = 60_000;

#[derive(Debug)]
enum ReqState {
    Idle,
    /// There is a request, and nobody to send it to.
    Delayed {
        request: Message<'static>,
    },
    /// The request was sent on this pipe, and the resend timer runs.
    Active {
        request: Message<'static>,
        pipe: PipeId,
    },
    Done {
        reply: Message<'static>,
    },
}

/// What the socket, or a context of it, asks.
#[derive(Debug)]
struct Asking {
    state: ReqState,
    /// Id of the newest request, as its header word.
    id: u32,
    /// Milliseconds.
    resend_ivl: u32,
    /// It is among those that wait for a pipe, or was lately.
    is_queued: bool,
}

impl Asking {
    fn new(resend_ivl: u32) -> Asking {
        Asking { state: ReqState::Idle, id: 0, resend_ivl, is_queued: false }
    }

    fn awaits_reply(&self) -> bool {
        match self.state {
            ReqState::Delayed { .. } | ReqState::Active { .. } => true,
            ReqState::Idle | ReqState::Done { .. } => false,
        }
    }
}

#[derive(Debug)]
struct Req {
    contexts: Contexts<Asking>,
    /// Whose requests they are, by their ids; the socket's own is not here.
    owners: HashMap<u32, ContextId>,
    /// Who waits for a pipe, in this order.
    delayed: VecDeque<ContextId>,
    /// Who sent last.
    sender: ContextId,
    outlet: LoadBalancer,
    ids: RequestIds,
    drops: DropCounts,
}

impl Protocol for Req {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.outlet.update(cmd);
        self.drops.update(cmd);
        match cmd {
            Cmd::Attach { .. } | Cmd::Unwritable(_) => {}
            Cmd::Hangup(pipe) | Cmd::Detach(pipe) => self.reroute(pipe, message, out),
            Cmd::Writable(_) | Cmd::GoOn => self.transmit_delayed(message, out),
            // Replies are looked at as they come, so that useless ones never hold up others.
            Cmd::Readable(pipe) => out.push(Evt::Take(pipe)),
            Cmd::Incoming { pipe, more } => {
                let accepted = self.accept(message.take(), out);
                self.drops.keeps(pipe, accepted);
                if more {
                    out.push(Evt::Take(pipe));
                }
            }
            Cmd::Open(context) => self.contexts.open(context, Asking::new(self.contexts.socket().resend_ivl)),
            Cmd::Close(context) => {
                self.give_up(context, out);
                self.contexts.close(context);
            }
            Cmd::Cancel(context) => self.give_up(context, out),
            Cmd::Send(context) => return self.send(context, message, out),
            Cmd::Unsent(_) => {
                message.header.clear();
                self.give_up(self.sender, out);
            }
            Cmd::Recv(context) => return self.receive(context, message, out),
            // It is for raw sockets.
            Cmd::SendTo(_) => return Answer::Fail(Error::NOT_SUPPORTED),
            Cmd::Timer(context) => self.resend(context, message, out),
        }
        Answer::Done
    }

    fn readiness(&self, context: ContextId) -> Readiness {
        let asking = self.contexts.get(context);
        Readiness { send: true, recv: asking.is_some_and(|asking| matches!(asking.state, ReqState::Done { .. })) }
    }

    fn kept(&self, context: ContextId) -> Kept {
        match self.contexts.get(context).map(|asking| &asking.state) {
            Some(ReqState::Delayed { .. }) => Kept { unsent: 1, unread: 0 },
            Some(ReqState::Done { .. }) => Kept { unsent: 0, unread: 1 },
            _ => Kept::default(),
        }
    }

    fn set_option(&mut self, context: ContextId, option: i32, value: &[u8]) -> Result<()> {
        match option {
            RESEND_IVL => self.contexts.get_mut(context).ok_or(Error::BAD_FD)?.resend_ivl = milliseconds(value)?,
            _ => return Err(Error::NO_PROTO_OPT),
        }
        Ok(())
    }

    fn option(&self, context: ContextId, option: i32) -> Result<i32> {
        match option {
            RESEND_IVL => Ok(self.contexts.get(context).ok_or(Error::BAD_FD)?.resend_ivl as i32),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.drops.of(of)
    }

    fn send_priority(&self) -> i32 {
        self.outlet.priority()
    }
}

impl Req {
    fn new(seed: u64) -> Req {
        Req {
            contexts: Contexts::new(Asking::new(DEFAULT_RESEND_IVL)),
            owners: HashMap::new(),
            delayed: VecDeque::new(),
            sender: ContextId::SOCKET,
            outlet: LoadBalancer::default(),
            ids: RequestIds::new(seed),
            drops: DropCounts::default(),
        }
    }

    /// A new request takes the place of whatever the context had asked.
    fn send(&mut self, context: ContextId, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if !message.header.is_empty() {
            return Answer::Fail(Error::INVALID);
        }
        let mut request = match message.share() {
            Ok(request) => request,
            Err(error) => return Answer::Fail(error),
        };
        let id = self.new_id();
        let Some(asking) = self.contexts.get_mut(context) else { return Answer::Fail(Error::BAD_FD) };
        let before = std::mem::replace(&mut asking.id, id);
        if context != ContextId::SOCKET {
            self.owners.remove(&before);
            self.owners.insert(id, context);
        }
        self.sender = context;
        request.header = Header::from_slice(&header_word(id));
        self.transmit(context, request, message, out);
        Answer::Done
    }

    /// One that nobody waits for: after 2³¹ requests the ids begin again.
    fn new_id(&mut self) -> u32 {
        loop {
            let id = self.ids.advance();
            let is_taken =
                !self.owners.is_empty() && (self.owners.contains_key(&id) || self.contexts.socket().id == id);
            if !is_taken {
                return id;
            }
        }
    }

    fn receive(&mut self, context: ContextId, message: &mut Message<'_>, out: &mut Events) -> Answer {
        let Some(asking) = self.contexts.get_mut(context) else { return Answer::Fail(Error::BAD_FD) };
        match std::mem::replace(&mut asking.state, ReqState::Idle) {
            ReqState::Idle => Answer::Fail(Error::FSM),
            ReqState::Done { reply } => {
                *message = reply;
                out.push(Evt::Deliver);
                Answer::Done
            }
            waiting @ (ReqState::Delayed { .. } | ReqState::Active { .. }) => {
                asking.state = waiting;
                Answer::NotNow
            }
        }
    }

    /// The context is as if it had not asked.
    fn give_up(&mut self, context: ContextId, out: &mut Events) {
        let Some(asking) = self.contexts.get_mut(context) else { return };
        asking.state = ReqState::Idle;
        if context != ContextId::SOCKET {
            self.owners.remove(&asking.id);
        }
        out.push(Evt::Disarm);
    }

    /// Sends the request to whose turn it is, keeping a second one for later. The events are about this context.
    fn transmit(
        &mut self,
        context: ContextId,
        mut request: Message<'static>,
        message: &mut Message<'_>,
        out: &mut Events,
    ) {
        let Some(asking) = self.contexts.get_mut(context) else { return };
        // Without memory for a second one it waits, as if there were nobody to send it to.
        asking.state = match self.outlet.choose().zip(request.share().ok()) {
            Some((pipe, twin)) => {
                *message = twin;
                out.push(Evt::Transmit(pipe));
                out.push(Evt::Arm(asking.resend_ivl));
                ReqState::Active { request, pipe }
            }
            None => {
                out.push(Evt::Disarm);
                if !std::mem::replace(&mut asking.is_queued, true) {
                    self.delayed.push_back(context);
                }
                ReqState::Delayed { request }
            }
        };
    }

    /// Sends the request that has waited longest for a pipe. If there are more, the socket asks again.
    fn transmit_delayed(&mut self, message: &mut Message<'_>, out: &mut Events) {
        while self.outlet.is_ready()
            && let Some(context) = self.delayed.pop_front()
        {
            let Some(asking) = self.contexts.get_mut(context) else { continue };
            asking.is_queued = false;
            match std::mem::replace(&mut asking.state, ReqState::Idle) {
                ReqState::Delayed { request } => {
                    out.push(Evt::Context(context));
                    self.transmit(context, request, message, out);
                    if !self.delayed.is_empty() {
                        out.push(Evt::GoOn);
                    }
                    return;
                }
                // It was given up, or answered, meanwhile.
                other @ (ReqState::Idle | ReqState::Active { .. } | ReqState::Done { .. }) => asking.state = other,
            }
        }
    }

    fn resend(&mut self, context: ContextId, message: &mut Message<'_>, out: &mut Events) {
        let Some(asking) = self.contexts.get_mut(context) else { return };
        match std::mem::replace(&mut asking.state, ReqState::Idle) {
            ReqState::Active { request, .. } => self.transmit(context, request, message, out),
            other @ (ReqState::Idle | ReqState::Delayed { .. } | ReqState::Done { .. }) => asking.state = other,
        }
    }

    /// The pipe was lost. The requests that it had go to others at once.
    fn reroute(&mut self, lost: PipeId, message: &mut Message<'_>, out: &mut Events) {
        for (context, asking) in self.contexts.iter_mut() {
            match std::mem::replace(&mut asking.state, ReqState::Idle) {
                ReqState::Active { request, pipe } if pipe == lost => {
                    asking.state = ReqState::Delayed { request };
                    if !std::mem::replace(&mut asking.is_queued, true) {
                        self.delayed.push_back(context);
                    }
                    out.push(Evt::Context(context));
                    out.push(Evt::Disarm);
                }
                other => asking.state = other,
            }
        }
        self.transmit_delayed(message, out);
    }

    /// Takes the reply to a context's newest request, from whichever pipe it comes; drops every other one.
    fn accept(&mut self, mut reply: Message<'_>, out: &mut Events) -> std::result::Result<(), DropReason> {
        split_reply(&mut reply)?;
        let id = reply_id(&reply.header).ok_or(DropReason::Malformed)?;
        let own = self.contexts.socket();
        let context = match own.id == id && own.awaits_reply() {
            true => ContextId::SOCKET,
            false => *self.owners.get(&id).ok_or(DropReason::Stale)?,
        };
        let asking = self.contexts.get_mut(context).filter(|asking| asking.awaits_reply()).ok_or(DropReason::Stale)?;
        // Without memory for it the reply is lost, and comes again when the request is resent.
        let body = reply.body.into_unshared().map_err(|_| DropReason::NoMemory)?;
        asking.state = ReqState::Done { reply: Message::new(body) };
        if context != ContextId::SOCKET {
            out.push(Evt::Context(context));
        }
        out.push(Evt::Disarm);
        Ok(())
    }
}

#[derive(Debug)]
enum RepState {
    Idle,
    /// A request was received and not yet answered: the way back.
    Pending {
        backtrace: Header,
    },
}

/// REP, and just as well RESPONDENT.
#[derive(Debug)]
pub struct Rep {
    contexts: Contexts<RepState>,
    /// Who receives the message that was asked for.
    receiver: ContextId,
    /// Who sent last.
    sender: ContextId,
    /// Contexts whose answers found no room.
    clogged: Vec<ContextId>,
    raw: Answerer,
}

impl Rep {
    pub fn new(seed: u64) -> Rep {
        Rep {
            contexts: Contexts::new(RepState::Idle),
            receiver: ContextId::SOCKET,
            sender: ContextId::SOCKET,
            clogged: Vec::new(),
            raw: Answerer::new(seed),
        }
    }

    /// Answers the request, once. If the answer of the socket itself cannot be sent now it never will be, and is dropped.
    fn send(&mut self, context: ContextId, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if !message.header.is_empty() {
            return Answer::Fail(Error::INVALID);
        }
        let Some(state) = self.contexts.get_mut(context) else { return Answer::Fail(Error::BAD_FD) };
        match std::mem::replace(state, RepState::Idle) {
            RepState::Idle => Answer::Fail(Error::FSM),
            RepState::Pending { backtrace } if context != ContextId::SOCKET && self.raw.is_clogged(&backtrace) => {
                *state = RepState::Pending { backtrace };
                if !self.clogged.contains(&context) {
                    self.clogged.push(context);
                }
                Answer::NotNow
            }
            RepState::Pending { backtrace } => {
                message.header = backtrace;
                self.sender = context;
                self.raw.answer(message, out);
                Answer::Done
            }
        }
    }

    /// The header of the message is the way back.
    fn keep(&mut self, context: ContextId, message: &mut Message<'_>) {
        if let Some(state) = self.contexts.get_mut(context) {
            *state = RepState::Pending { backtrace: std::mem::take(&mut message.header) };
        }
    }

    /// Whoever receives gives up the request before, even if there is no other one.
    fn give_up(&mut self, context: ContextId) {
        if let Some(state) = self.contexts.get_mut(context) {
            *state = RepState::Idle;
        }
    }

    /// There may be room for those whose answers found none.
    fn unclog(&mut self, out: &mut Events) {
        self.clogged.drain(..).for_each(|context| out.push(Evt::Context(context)));
    }
}

impl Protocol for Rep {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.raw.update(cmd);
        match cmd {
            Cmd::Open(context) => self.contexts.open(context, RepState::Idle),
            Cmd::Close(context) => {
                self.contexts.close(context);
                self.clogged.retain(|other| *other != context);
            }
            Cmd::Cancel(context) => self.give_up(context),
            Cmd::Send(context) => return self.send(context, message, out),
            Cmd::Unsent(pipe) if self.raw.take_back(pipe, message) => self.keep(self.sender, message),
            Cmd::Recv(context) => {
                self.give_up(context);
                self.receiver = context;
                return self.raw.queue.receive(out);
            }
            Cmd::Incoming { pipe, .. } if self.raw.accept(pipe, message) => {
                self.keep(self.receiver, message);
                out.push(Evt::Deliver);
            }
            Cmd::Hangup(_) | Cmd::Detach(_) | Cmd::Writable(_) => self.unclog(out),
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self, context: ContextId) -> Readiness {
        let send = match self.contexts.get(context) {
            Some(RepState::Pending { backtrace }) => context == ContextId::SOCKET || !self.raw.is_clogged(backtrace),
            Some(RepState::Idle) | None => false,
        };
        Readiness { send, ..self.raw.readiness(context) }
    }

    fn set_max_ttl(&mut self, ttl: u8) {
        self.raw.set_max_ttl(ttl);
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.raw.drops(of)
    }
}
