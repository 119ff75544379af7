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
//! Unsent: a REQ is Idle again, a REP Pending.
//! ```

use crate::core::{Answer, Cmd, Error, Events, Evt, Header, Kind, Message, PipeId, Protocol, Readiness, Result};
use crate::protocol::backtrace::{Ids, header_word, reply_id, split_reply};
use crate::protocol::milliseconds;
use crate::protocol::raw::{Answerer, Asker};
use crate::protocol::routing::{LoadBalancer, Outlet};

pub const REQ: Kind = Kind {
    id: 48,
    name: "REQ",
    peer: 49,
    can_send: true,
    can_recv: true,
    asks: true,
    make: |raw, seed| match raw {
        true => Box::new(Asker::new(LoadBalancer::default())),
        false => Box::new(Req::new(seed)),
    },
};

pub const REP: Kind = Kind {
    id: 49,
    name: "REP",
    peer: 48,
    can_send: true,
    can_recv: true,
    asks: false,
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

#[derive(Debug)]
struct Req {
    state: ReqState,
    outlet: LoadBalancer,
    ids: Ids,
    /// Id of the newest request, as its header word.
    id: u32,
    /// Milliseconds.
    resend_ivl: u32,
}

impl Protocol for Req {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.outlet.update(cmd);
        match cmd {
            Cmd::Attach { .. } | Cmd::Unwritable(_) => {}
            Cmd::Hangup(pipe) | Cmd::Detach(pipe) => self.reroute(pipe, message, out),
            Cmd::Writable(_) => self.transmit_delayed(message, out),
            // Replies are looked at as they come, so that useless ones never hold up others.
            Cmd::Readable(pipe) => out.push(Evt::Take(pipe)),
            Cmd::Incoming { pipe, more } => {
                self.accept(message.take(), out);
                if more {
                    out.push(Evt::Take(pipe));
                }
            }
            Cmd::Send => return self.send(message, out),
            Cmd::Unsent(_) => {
                message.header.clear();
                self.state = ReqState::Idle;
                out.push(Evt::Disarm);
            }
            Cmd::Recv => return self.receive(message, out),
            Cmd::Timer => self.resend(message, out),
        }
        Answer::Done
    }

    fn readiness(&self) -> Readiness {
        Readiness { send: true, recv: matches!(self.state, ReqState::Done { .. }) }
    }

    fn set_option(&mut self, option: i32, value: &[u8]) -> Result<()> {
        match option {
            RESEND_IVL => self.resend_ivl = milliseconds(value)?,
            _ => return Err(Error::NO_PROTO_OPT),
        }
        Ok(())
    }

    fn option(&self, option: i32) -> Result<i32> {
        match option {
            RESEND_IVL => Ok(self.resend_ivl as i32),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    fn send_priority(&self) -> i32 {
        self.outlet.priority()
    }
}

impl Req {
    fn new(seed: u64) -> Req {
        Req {
            state: ReqState::Idle,
            outlet: LoadBalancer::default(),
            ids: Ids::new(seed),
            id: 0,
            resend_ivl: DEFAULT_RESEND_IVL,
        }
    }

    /// A new request takes the place of whatever was there.
    fn send(&mut self, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if !message.header.is_empty() {
            return Answer::Fail(Error::INVALID);
        }
        let mut request = match message.share() {
            Ok(request) => request,
            Err(error) => return Answer::Fail(error),
        };
        self.id = self.ids.advance();
        request.header = Header::from_slice(&header_word(self.id));
        self.transmit(request, message, out);
        Answer::Done
    }

    fn receive(&mut self, message: &mut Message<'_>, out: &mut Events) -> Answer {
        match std::mem::replace(&mut self.state, ReqState::Idle) {
            ReqState::Idle => Answer::Fail(Error::FSM),
            ReqState::Done { reply } => {
                *message = reply;
                out.push(Evt::Deliver);
                Answer::Done
            }
            waiting @ (ReqState::Delayed { .. } | ReqState::Active { .. }) => {
                self.state = waiting;
                Answer::NotNow
            }
        }
    }

    /// Sends the request to whose turn it is, keeping a second one for later.
    fn transmit(&mut self, mut request: Message<'static>, message: &mut Message<'_>, out: &mut Events) {
        // Without memory for a second one it waits, as if there were nobody to send it to.
        self.state = match self.outlet.choose().zip(request.share().ok()) {
            Some((pipe, twin)) => {
                *message = twin;
                out.push(Evt::Transmit(pipe));
                out.push(Evt::Arm(self.resend_ivl));
                ReqState::Active { request, pipe }
            }
            None => {
                out.push(Evt::Disarm);
                ReqState::Delayed { request }
            }
        };
    }

    fn transmit_delayed(&mut self, message: &mut Message<'_>, out: &mut Events) {
        match std::mem::replace(&mut self.state, ReqState::Idle) {
            ReqState::Delayed { request } => self.transmit(request, message, out),
            other @ (ReqState::Idle | ReqState::Active { .. } | ReqState::Done { .. }) => self.state = other,
        }
    }

    fn resend(&mut self, message: &mut Message<'_>, out: &mut Events) {
        match std::mem::replace(&mut self.state, ReqState::Idle) {
            ReqState::Active { request, .. } => self.transmit(request, message, out),
            other @ (ReqState::Idle | ReqState::Delayed { .. } | ReqState::Done { .. }) => self.state = other,
        }
    }

    /// The pipe was lost. If it had the request, another one gets it at once.
    fn reroute(&mut self, lost: PipeId, message: &mut Message<'_>, out: &mut Events) {
        match self.state {
            ReqState::Active { pipe, .. } if pipe == lost => self.resend(message, out),
            ReqState::Idle | ReqState::Delayed { .. } | ReqState::Active { .. } | ReqState::Done { .. } => {}
        }
    }

    /// Takes the reply to the newest request, from whichever pipe it comes; drops every other one.
    fn accept(&mut self, mut reply: Message<'_>, out: &mut Events) {
        match self.state {
            ReqState::Delayed { .. } | ReqState::Active { .. } => {}
            ReqState::Idle | ReqState::Done { .. } => return,
        }
        if !split_reply(&mut reply) || reply_id(&reply.header) != Some(self.id) {
            return;
        }
        // Without memory for it the reply is lost, and comes again when the request is resent.
        if let Ok(body) = reply.body.into_unshared() {
            self.state = ReqState::Done { reply: Message::new(body) };
            out.push(Evt::Disarm);
        }
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
    state: RepState,
    raw: Answerer,
}

impl Rep {
    pub fn new(seed: u64) -> Rep {
        Rep { state: RepState::Idle, raw: Answerer::new(seed) }
    }

    /// Answers the request, once. If the answer cannot be sent now it never will be, and is dropped.
    fn send(&mut self, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if !message.header.is_empty() {
            return Answer::Fail(Error::INVALID);
        }
        match std::mem::replace(&mut self.state, RepState::Idle) {
            RepState::Idle => Answer::Fail(Error::FSM),
            RepState::Pending { backtrace } => {
                message.header = backtrace;
                self.raw.answer(message, out);
                Answer::Done
            }
        }
    }
}

impl Protocol for Rep {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.raw.update(cmd);
        match cmd {
            Cmd::Send => return self.send(message, out),
            Cmd::Unsent(pipe) if self.raw.take_back(pipe, message) => {
                self.state = RepState::Pending { backtrace: std::mem::take(&mut message.header) };
            }
            Cmd::Recv => {
                // Whoever receives gives up the request before, even if there is no other one.
                self.state = RepState::Idle;
                return self.raw.queue.receive(out);
            }
            Cmd::Incoming { pipe, .. } if self.raw.accept(pipe, message) => {
                self.state = RepState::Pending { backtrace: std::mem::take(&mut message.header) };
                out.push(Evt::Deliver);
            }
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self) -> Readiness {
        Readiness { send: matches!(self.state, RepState::Pending { .. }), ..self.raw.readiness() }
    }

    fn set_max_ttl(&mut self, ttl: u8) {
        self.raw.set_max_ttl(ttl);
    }
}
