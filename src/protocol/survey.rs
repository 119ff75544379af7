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
//! RESPONDENT is the machine of REP: see `reqrep.rs`.

use crate::core::{Answer, Cmd, Error, Events, Evt, Header, Kind, Message, Protocol, Readiness, Result};
use crate::protocol::backtrace::{Ids, header_word, reply_id, split_reply};
use crate::protocol::milliseconds;
use crate::protocol::raw::{Answerer, Asker};
use crate::protocol::reqrep::Rep;
use crate::protocol::routing::{Broadcast, Outlet};

pub const SURVEYOR: Kind = Kind {
    id: 98,
    name: "SURVEYOR",
    peer: 99,
    can_send: true,
    can_recv: true,
    asks: true,
    make: |raw, seed| match raw {
        true => Box::new(Asker::new(Broadcast::default())),
        false => Box::new(Surveyor::new(seed)),
    },
};

pub const RESPONDENT: Kind = Kind {
    id: 99,
    name: "RESPONDENT",
    peer: 98,
    can_send: true,
    can_recv: true,
    asks: false,
    make: |raw, seed| match raw {
        true => Box::new(Answerer::new(seed)),
        false => Box::new(Rep::new(seed)),
    },
};

/// `NN_SURVEYOR_DEADLINE`: how many milliseconds a survey is open.
pub const DEADLINE: i32 = 1;
const DEFAULT_DEADLINE: u32 = 1000;

#[derive(Debug)]
enum State {
    Idle,
    /// The survey is over, and the user does not know yet.
    Expired,
    /// The id, as the header word.
    Open {
        id: u32,
    },
}

#[derive(Debug)]
struct Surveyor {
    state: State,
    raw: Asker<Broadcast>,
    ids: Ids,
    /// Milliseconds.
    deadline: u32,
}

impl Protocol for Surveyor {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.raw.update(cmd);
        match cmd {
            Cmd::Send => return self.send(message, out),
            Cmd::Recv => match self.state {
                State::Idle => return Answer::Fail(Error::FSM),
                State::Expired => {
                    self.state = State::Idle;
                    return Answer::Fail(Error::TIMED_OUT);
                }
                State::Open { .. } => return self.raw.queue.receive(out),
            },
            Cmd::Incoming { .. } if split_reply(message) => self.deliver(message, out),
            Cmd::Unsent(_) => {
                message.header.clear();
                self.state = State::Idle;
                out.push(Evt::Disarm);
            }
            Cmd::Timer => match self.state {
                State::Open { .. } => self.state = State::Expired,
                State::Idle | State::Expired => {}
            },
            _ => {}
        }
        Answer::Done
    }

    /// Without a survey a receive fails at once, so a poll wakes up when the survey expires.
    fn readiness(&self) -> Readiness {
        let open = matches!(self.state, State::Open { .. });
        Readiness { send: true, recv: !open || self.raw.queue.is_ready() }
    }

    fn set_option(&mut self, option: i32, value: &[u8]) -> Result<()> {
        match option {
            DEADLINE => self.deadline = milliseconds(value)?,
            _ => return Err(Error::NO_PROTO_OPT),
        }
        Ok(())
    }

    fn option(&self, option: i32) -> Result<i32> {
        match option {
            DEADLINE => Ok(self.deadline as i32),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }
}

impl Surveyor {
    fn new(seed: u64) -> Surveyor {
        Surveyor {
            state: State::Idle,
            raw: Asker::new(Broadcast::default()),
            ids: Ids::new(seed),
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// A new survey ends the one before.
    fn send(&mut self, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if !message.header.is_empty() {
            return Answer::Fail(Error::INVALID);
        }
        let id = self.ids.advance();
        message.header = Header::from_slice(&header_word(id));
        let answer = self.raw.outlet.send(message, out);
        if answer != Answer::Done {
            message.header.clear();
        } else if self.deadline == 0 {
            // It expires now, not at the next turn of whoever drives the timer.
            self.state = State::Expired;
            out.push(Evt::Disarm);
        } else {
            self.state = State::Open { id };
            out.push(Evt::Arm(self.deadline));
        }
        answer
    }

    /// Answers to another survey are stale, and dropped.
    fn deliver(&mut self, answer: &mut Message<'_>, out: &mut Events) {
        match self.state {
            State::Open { id } if reply_id(&answer.header) == Some(id) => {
                answer.header.clear();
                out.push(Evt::Deliver);
            }
            State::Open { .. } | State::Idle | State::Expired => {}
        }
    }
}
