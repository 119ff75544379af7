//! SURVEYOR and RESPONDENT (protocols.md 9 and 10): a question to everybody, answers until the deadline.
//!
//! ```text
//!   SURVEYOR               ┌──────┐
//!      Recv: EFSM          │ Idle │──────────────┐
//!                          └──────┘              │ Send: broadcast
//!                              ▲                 ▼
//!        Recv: ETIMEDOUT, once │             ┌──────┐──┐ Send: a new survey, the old
//!                              │             │ Open │  │ answers are stale
//!                        ┌─────┴───┐  Timer  └──────┘◀─┘
//!                        │ Expired │◀───────────┘ ▲      Recv: the next answer to this survey
//!                        └─────────┘──────────────┘
//!                                        Send
//! ```
//!
//! Cancel: Idle.
//!
//! Each context has these states for itself. As soon as there is one, answers are looked at as they come, and wait with the context
//! whose survey they answer.
//!
//! RESPONDENT is the machine of REP: see `reqrep.rs`.

use std::collections::HashMap;

use crate::core::{
    Answer, Arrivals, Cmd, ContextId, DropReason, Drops, Error, Events, Evt, Header, Kept, Kind, Message, PipeId,
    Protocol, Readiness, Result,
};
use crate::protocol::backtrace::{RequestIds, header_word, reply_id};
use crate::protocol::contexts::{Contexts, Waiting};
use crate::protocol::milliseconds;
use crate::protocol::raw::{Answerer, Asker};
use crate::protocol::reqrep::Rep;
use crate::protocol::routing::{Broadcast, Outlet};

/// NN_SURVEYOR.
pub const SURVEYOR: Kind = Kind {
    id: 98,
    name: "SURVEYOR",
    peer: 99,
    can_send: true,
    can_recv: true,
    asks: true,
    contexts: Some(Arrivals::Addressed),
    make: |raw, seed| match raw {
        true => Box::new(Asker::new(Broadcast::default())),
        false => Box::new(Surveyor::new(seed)),
    },
};

/// NN_RESPONDENT.
pub const RESPONDENT: Kind = Kind {
    id: 99,
    name: "RESPONDENT",
    peer: 98,
    can_send: true,
    can_recv: true,
    asks: false,
    contexts: Some(Arrivals::Shared),
    make: |raw, seed| match raw {
        true => Box::new(Answerer::new(seed)),
        false => Box::new(Rep::new(seed)),
    },
};

/// `NN_SURVEYOR_DEADLINE`: how many milliseconds a survey is open.
pub const DEADLINE: i32 = 1;
const DEFAULT_DEADLINE: u32 = 1000;

#[derive(Debug)]
enum SurveyState {
    Idle,
    /// The survey is over, and the user does not know yet.
    Expired,
    /// The id, as the header word.
    Open {
        id: u32,
    },
}

/// What the socket, or a context of it, asks.
#[derive(Debug)]
struct Survey {
    state: SurveyState,
    /// Milliseconds.
    deadline: u32,
    /// Answers to the survey that is open.
    answers: Waiting,
}

impl Survey {
    fn new(deadline: u32) -> Survey {
        Survey { state: SurveyState::Idle, deadline, answers: Waiting::default() }
    }

    /// The id of the survey that is open, or was.
    fn turn(&mut self, state: SurveyState) -> Option<u32> {
        self.answers.clear();
        match std::mem::replace(&mut self.state, state) {
            SurveyState::Open { id } => Some(id),
            SurveyState::Idle | SurveyState::Expired => None,
        }
    }
}

#[derive(Debug)]
struct Surveyor {
    contexts: Contexts<Survey>,
    /// Whose surveys they are, by the ids of those that are open. Kept from the first context on; until then answers stay in their
    /// pipes until they are received.
    owners: Option<HashMap<u32, ContextId>>,
    /// Who sent last.
    sender: ContextId,
    raw: Asker<Broadcast>,
    ids: RequestIds,
}

impl Protocol for Surveyor {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.raw.update(cmd);
        match cmd {
            Cmd::Open(context) => self.open(context, out),
            Cmd::Close(context) => {
                self.turn(context, SurveyState::Idle, out);
                self.contexts.close(context);
            }
            Cmd::Cancel(context) => self.turn(context, SurveyState::Idle, out),
            Cmd::Send(context) => return self.send(context, message, out),
            Cmd::Unsent(_) => {
                message.header.clear();
                self.turn(self.sender, SurveyState::Idle, out);
            }
            Cmd::Recv(context) => return self.receive(context, message, out),
            Cmd::Readable(pipe) if self.owners.is_some() => out.push(Evt::Take(pipe)),
            Cmd::Incoming { pipe, more } => self.accept(pipe, more, message, out),
            Cmd::Timer(context) => {
                let survey = self.contexts.get(context);
                if survey.is_some_and(|survey| matches!(survey.state, SurveyState::Open { .. })) {
                    self.turn(context, SurveyState::Expired, out);
                }
            }
            _ => {}
        }
        Answer::Done
    }

    /// Without a survey a receive fails at once, so a poll wakes up when the survey expires.
    fn readiness(&self, context: ContextId) -> Readiness {
        let Some(survey) = self.contexts.get(context) else { return Readiness { send: true, recv: true } };
        let waits = match self.owners {
            Some(_) => !survey.answers.is_empty(),
            None => self.raw.queue.is_ready(),
        };
        Readiness { send: true, recv: waits || !matches!(survey.state, SurveyState::Open { .. }) }
    }

    fn kept(&self, context: ContextId) -> Kept {
        Kept { unread: self.contexts.get(context).map_or(0, |survey| survey.answers.len()), unsent: 0 }
    }

    fn set_option(&mut self, context: ContextId, option: i32, value: &[u8]) -> Result<()> {
        match option {
            DEADLINE => self.contexts.get_mut(context).ok_or(Error::BAD_FD)?.deadline = milliseconds(value)?,
            _ => return Err(Error::NO_PROTO_OPT),
        }
        Ok(())
    }

    fn option(&self, context: ContextId, option: i32) -> Result<i32> {
        match option {
            DEADLINE => Ok(self.contexts.get(context).ok_or(Error::BAD_FD)?.deadline as i32),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.raw.drops(of)
    }
}

impl Surveyor {
    fn new(seed: u64) -> Surveyor {
        Surveyor {
            contexts: Contexts::new(Survey::new(DEFAULT_DEADLINE)),
            owners: None,
            sender: ContextId::SOCKET,
            raw: Asker::new(Broadcast::default()),
            ids: RequestIds::new(seed),
        }
    }

    fn open(&mut self, context: ContextId, out: &mut Events) {
        let own = self.contexts.socket();
        if self.owners.is_none() {
            self.owners = Some(match own.state {
                SurveyState::Open { id } => HashMap::from([(id, ContextId::SOCKET)]),
                SurveyState::Idle | SurveyState::Expired => HashMap::new(),
            });
            // What waits in the pipes is sorted from now on.
            self.raw.queue.receive_all(out);
        }
        let deadline = own.deadline;
        self.contexts.open(context, Survey::new(deadline));
    }

    /// The survey of a context, if it has one, is over.
    fn turn(&mut self, context: ContextId, state: SurveyState, out: &mut Events) {
        let over = self.contexts.get_mut(context).and_then(|survey| survey.turn(state));
        if let (Some(owners), Some(id)) = (&mut self.owners, over) {
            owners.remove(&id);
        }
        out.push(Evt::Disarm);
    }

    /// A new survey ends the one before.
    fn send(&mut self, context: ContextId, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if !message.header.is_empty() {
            return Answer::Fail(Error::INVALID);
        }
        let Some(survey) = self.contexts.get_mut(context) else { return Answer::Fail(Error::BAD_FD) };
        let id = self.ids.advance();
        message.header = Header::from_slice(&header_word(id));
        let answer = self.raw.outlet.send(message, out);
        if answer != Answer::Done {
            message.header.clear();
            return answer;
        }
        self.sender = context;
        let deadline = survey.deadline;
        // A deadline of 0 is over now, not at the next turn of whoever drives the timer.
        let state = if deadline == 0 { SurveyState::Expired } else { SurveyState::Open { id } };
        let before = survey.turn(state);
        if let Some(owners) = &mut self.owners {
            before.map(|id| owners.remove(&id));
            if deadline > 0 {
                owners.insert(id, context);
            }
        }
        out.push(if deadline == 0 { Evt::Disarm } else { Evt::Arm(deadline) });
        answer
    }

    fn receive(&mut self, context: ContextId, message: &mut Message<'_>, out: &mut Events) -> Answer {
        let Some(survey) = self.contexts.get_mut(context) else { return Answer::Fail(Error::BAD_FD) };
        match survey.state {
            SurveyState::Idle => Answer::Fail(Error::FSM),
            SurveyState::Expired => {
                survey.state = SurveyState::Idle;
                Answer::Fail(Error::TIMED_OUT)
            }
            SurveyState::Open { .. } if self.owners.is_none() => self.raw.queue.receive(out),
            SurveyState::Open { .. } => match survey.answers.pop() {
                Some(answer) => {
                    *message = answer;
                    out.push(Evt::Deliver);
                    Answer::Done
                }
                None => Answer::NotNow,
            },
        }
    }

    /// Answers to another survey than a context's newest are stale, and dropped.
    fn accept(&mut self, pipe: PipeId, more: bool, answer: &mut Message<'_>, out: &mut Events) {
        if self.raw.accept(pipe, answer)
            && let Some(id) = reply_id(&answer.header)
        {
            let accepted = self.accept_to(id, answer, out);
            self.raw.drops.keeps(pipe, accepted);
        }
        if self.owners.is_some() && more {
            out.push(Evt::Take(pipe));
        }
    }

    /// Gives an answer to whose survey has this id.
    fn accept_to(
        &mut self,
        id: u32,
        answer: &mut Message<'_>,
        out: &mut Events,
    ) -> std::result::Result<(), DropReason> {
        let Some(owners) = &self.owners else {
            return match self.contexts.socket().state {
                SurveyState::Open { id: open } if id == open => {
                    answer.header.clear();
                    out.push(Evt::Deliver);
                    Ok(())
                }
                SurveyState::Open { .. } | SurveyState::Idle | SurveyState::Expired => Err(DropReason::Stale),
            };
        };
        let context = *owners.get(&id).ok_or(DropReason::Stale)?;
        let survey = self.contexts.get_mut(context).ok_or(DropReason::Stale)?;
        let body = answer.take().body.into_unshared().map_err(|_| DropReason::NoMemory)?;
        if survey.answers.push(Message::new(body)) {
            // Of whichever pipe that was.
            self.raw.drops.count(None, DropReason::ContextFull);
        }
        out.push(Evt::Context(context));
        Ok(())
    }
}
