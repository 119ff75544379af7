//! What the asking protocols (REQ, SURVEYOR) and the answering ones (REP, RESPONDENT) share. Each is the raw
//! socket as it is, and the lower half of full ones.
//!
//! ```text
//!   Asker                                         Answerer
//!   Send: header and body as given ──▶ outlet     Recv: queue ──▶ backtrace, hop limit, key of the pipe
//!   Recv: queue ──▶ first word is the header      Send: pop the key ──▶ its pipe, or drop
//! ```
//!
//! The states are those of the routers: the machines add none.

use crate::core::{
    Answer, Cmd, ContextId, DropReason, Drops, Error, Events, Evt, Header, Message, PipeId, Protocol, Readiness,
};
use crate::protocol::backtrace::{Origins, WORD, split_reply, split_request};
use crate::protocol::drops::DropCounts;
use crate::protocol::routing::{FairQueue, Outlet};

/// Raw REQ (over a load balancer) and raw SURVEYOR (over a broadcast).
#[derive(Debug)]
pub struct Asker<O> {
    pub outlet: O,
    pub queue: FairQueue,
    pub drops: DropCounts,
}

impl<O: Outlet> Asker<O> {
    pub fn new(outlet: O) -> Asker<O> {
        Asker { outlet, queue: FairQueue::default(), drops: DropCounts::default() }
    }

    /// Keeps up with what happens to pipes.
    #[inline]
    pub fn update(&mut self, cmd: Cmd) {
        self.outlet.update(cmd);
        self.queue.update(cmd);
        self.drops.update(cmd);
    }

    /// Makes the first word of an arrived answer its header. False: it is dropped.
    pub fn accept(&mut self, pipe: PipeId, answer: &mut Message<'_>) -> bool {
        self.drops.keeps(pipe, split_reply(answer))
    }
}

impl<O: Outlet> Protocol for Asker<O> {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.update(cmd);
        match cmd {
            Cmd::Incoming { pipe, .. } if self.accept(pipe, message) => out.push(Evt::Deliver),
            Cmd::Send(_) => return self.outlet.send(message, out),
            Cmd::SendTo(pipe) => return self.outlet.send_to(pipe, out),
            Cmd::Recv(_) => return self.queue.receive(out),
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness { send: self.outlet.is_ready(), recv: self.queue.is_ready() }
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.outlet.drops(of, self.drops.of(of))
    }

    fn send_priority(&self) -> i32 {
        self.outlet.priority()
    }
}

/// Raw REP and raw RESPONDENT.
#[derive(Debug)]
pub struct Answerer {
    pub queue: FairQueue,
    origins: Origins,
    max_ttl: u8,
    drops: DropCounts,
}

/// Default of `NN_MAXTTL`.
const MAX_TTL: u8 = 8;

impl Answerer {
    pub fn new(seed: u64) -> Answerer {
        Answerer {
            queue: FairQueue::default(),
            origins: Origins::new(seed),
            max_ttl: MAX_TTL,
            drops: DropCounts::default(),
        }
    }

    /// Keeps up with what happens to pipes.
    #[inline]
    pub fn update(&mut self, cmd: Cmd) {
        self.origins.update(cmd);
        self.queue.update(cmd);
        self.drops.update(cmd);
    }

    /// Makes the way back of an arrived request its header. False: it is dropped, because it is malformed or came too far.
    pub fn accept(&mut self, pipe: PipeId, message: &mut Message<'_>) -> bool {
        self.drops.keeps(pipe, split_request(message, self.max_ttl)) && self.origins.push_key(pipe, &mut message.header)
    }

    /// Puts the key of this pipe back into the header of an answer that could not be sent.
    pub fn take_back(&mut self, pipe: PipeId, message: &mut Message<'_>) -> bool {
        self.origins.push_key(pipe, &mut message.header)
    }

    /// Would an answer find no room, and go if it waited?
    pub fn is_clogged(&self, header: &Header) -> bool {
        self.origins.is_clogged(header)
    }

    /// Sends an answer to this pipe, rather than the one that the first word of its header names.
    fn send_to(&self, pipe: PipeId, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if message.header.len() < WORD {
            return Answer::Fail(Error::INVALID);
        }
        if !self.origins.is_writable(pipe) {
            return Answer::NotNow;
        }
        message.header.drain(..WORD);
        out.push(Evt::Transmit(pipe));
        Answer::Done
    }

    /// Sends an answer the way its header tells; drops it if that way is closed.
    pub fn answer(&mut self, message: &mut Message<'_>, out: &mut Events) {
        match self.origins.pop_key(&mut message.header) {
            Some((pipe, true)) => out.push(Evt::Transmit(pipe)),
            Some((pipe, false)) => self.drops.count(Some(pipe), DropReason::PeerFull),
            None => self.drops.count(None, DropReason::PeerGone),
        }
    }
}

impl Protocol for Answerer {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.update(cmd);
        match cmd {
            Cmd::Incoming { pipe, .. } if self.accept(pipe, message) => out.push(Evt::Deliver),
            Cmd::Send(_) => self.answer(message, out),
            Cmd::SendTo(pipe) => return self.send_to(pipe, message, out),
            Cmd::Recv(_) => return self.queue.receive(out),
            Cmd::Unsent(pipe) => {
                self.take_back(pipe, message);
            }
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness { send: true, recv: self.queue.is_ready() }
    }

    fn set_max_ttl(&mut self, ttl: u8) {
        self.max_ttl = ttl;
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.drops.of(of)
    }
}
