//! PAIR (protocols.md 3): one peer at a time, both ways. Full and raw are the same.
//!
//! ```text
//!            Attach                           Attach of another: Refuse it
//!   Alone ───────────▶ Paired ──┐
//!     ▲                  │  ▲   │ Writable, Unwritable, Readable
//!     └──────────────────┘  └───┘
//!        Hangup, Detach
//! ```
//!
//! A peer that hung up leaves its place at once, but what came from it is received before anything from
//! its successor.

use crate::core::{Answer, Cmd, ContextId, Drops, Events, Evt, Kind, Message, PipeId, Protocol, Readiness, Routes};
use crate::protocol::drops::DropCounts;

/// NN_PAIR.
pub const PAIR: Kind = Kind {
    id: 16,
    name: "PAIR",
    peer: 16,
    can_send: true,
    can_recv: true,
    asks: false,
    contexts: None,
    make: |_raw, _seed| Box::new(Pair { state: PairState::Alone, leaving: Vec::new(), drops: DropCounts::default() }),
};

#[derive(Debug)]
enum PairState {
    Alone,
    Paired { pipe: PipeId, writable: bool, readable: bool },
}

#[derive(Debug)]
struct Pair {
    state: PairState,
    /// Peers that hung up, the first one first, and whether there is something to take from them.
    leaving: Vec<(PipeId, bool)>,
    drops: DropCounts,
}

impl Protocol for Pair {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.drops.update(cmd);
        match cmd {
            Cmd::Attach { pipe, .. } => self.attach(pipe, out),
            Cmd::Hangup(pipe) => {
                if let Some(readable) = self.part(pipe) {
                    self.leaving.push((pipe, readable));
                }
            }
            Cmd::Detach(pipe) => {
                self.part(pipe);
                self.leaving.retain(|(other, _)| *other != pipe);
            }
            Cmd::Writable(pipe) => self.set_writable(pipe, true),
            Cmd::Unwritable(pipe) => self.set_writable(pipe, false),
            Cmd::Readable(pipe) => self.set_readable(pipe, true),
            Cmd::Incoming { pipe, more } => {
                self.set_readable(pipe, more);
                if self.drops.joins(pipe, message) {
                    out.push(Evt::Deliver);
                }
            }
            Cmd::Send(_) => match self.state {
                PairState::Paired { pipe, writable: true, .. } => out.push(Evt::Transmit(pipe)),
                PairState::Paired { writable: false, .. } | PairState::Alone => return Answer::NotNow,
            },
            Cmd::SendTo(to) => match self.state {
                PairState::Paired { pipe, writable: true, .. } if pipe == to => out.push(Evt::Transmit(pipe)),
                PairState::Paired { .. } | PairState::Alone => return Answer::NotNow,
            },
            Cmd::Recv(_) => match self.readable_pipe() {
                Some(pipe) => out.push(Evt::Take(pipe)),
                None => return Answer::NotNow,
            },
            Cmd::Unsent(_) | Cmd::Timer(_) | Cmd::Open(_) | Cmd::Close(_) | Cmd::Cancel(_) | Cmd::GoOn => {}
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness {
            send: matches!(self.state, PairState::Paired { writable: true, .. }),
            recv: self.readable_pipe().is_some(),
        }
    }

    fn routes(&self) -> Routes {
        let send = match self.state {
            PairState::Paired { pipe, writable: true, .. } => Some(pipe),
            PairState::Paired { writable: false, .. } | PairState::Alone => None,
        };
        Routes { send, recv: self.readable_pipe(), ..Routes::default() }
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.drops.of(of)
    }
}

impl Pair {
    fn attach(&mut self, pipe: PipeId, out: &mut Events) {
        match self.state {
            PairState::Alone => self.state = PairState::Paired { pipe, writable: false, readable: false },
            PairState::Paired { .. } => out.push(Evt::Refuse(pipe)),
        }
    }

    /// Frees the place if this pipe has it; tells whether it was readable.
    fn part(&mut self, leaver: PipeId) -> Option<bool> {
        match self.state {
            PairState::Paired { pipe, readable, .. } if pipe == leaver => {
                self.state = PairState::Alone;
                Some(readable)
            }
            PairState::Paired { .. } | PairState::Alone => None,
        }
    }

    fn set_writable(&mut self, of: PipeId, now: bool) {
        match &mut self.state {
            PairState::Paired { pipe, writable, .. } if *pipe == of => *writable = now,
            PairState::Paired { .. } | PairState::Alone => {}
        }
    }

    fn set_readable(&mut self, of: PipeId, now: bool) {
        match &mut self.state {
            PairState::Paired { pipe, readable, .. } if *pipe == of => *readable = now,
            PairState::Paired { .. } | PairState::Alone => {
                if let Some((_, readable)) = self.leaving.iter_mut().find(|(pipe, _)| *pipe == of) {
                    *readable = now;
                }
            }
        }
    }

    fn readable_pipe(&self) -> Option<PipeId> {
        let left = self.leaving.iter().find(|(_, readable)| *readable).map(|(pipe, _)| *pipe);
        left.or(match self.state {
            PairState::Paired { pipe, readable: true, .. } => Some(pipe),
            PairState::Paired { readable: false, .. } | PairState::Alone => None,
        })
    }
}
