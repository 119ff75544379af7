//! PUSH and PULL (protocols.md 5): each message goes to one of the peers, in turn. Full and raw are the same.
//!
//! ```text
//!   PUSH          Writable                      PULL          Readable
//!   no pipe ─────────────────▶ some pipe        no pipe ─────────────────▶ some pipe
//!   ready   ◀───────────────── ready            ready   ◀───────────────── ready
//!     │     Unwritable, Hangup,  │                │     Incoming without     │
//!   Send:   Detach (the last)  Send:            Recv:   more, Detach       Recv:
//!   NotNow                     Transmit         NotNow  (the last)         Take
//! ```
//!
//! The states are those of the router: the machines add none.

use crate::core::{Answer, Cmd, ContextId, Events, Evt, Kind, Message, Protocol, Readiness};
use crate::protocol::routing::{FairQueue, LoadBalancer, Outlet};

pub const PUSH: Kind = Kind {
    id: 80,
    name: "PUSH",
    peer: 81,
    can_send: true,
    can_recv: false,
    asks: false,
    contexts: None,
    make: |_raw, _seed| Box::new(Push { outlet: LoadBalancer::default() }),
};

pub const PULL: Kind = Kind {
    id: 81,
    name: "PULL",
    peer: 80,
    can_send: false,
    can_recv: true,
    asks: false,
    contexts: None,
    make: |_raw, _seed| Box::new(Pull { queue: FairQueue::default() }),
};

#[derive(Debug)]
struct Push {
    outlet: LoadBalancer,
}

impl Protocol for Push {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        match cmd {
            Cmd::Attach { pipe, send_priority, .. } => self.outlet.attach(pipe, send_priority),
            Cmd::Hangup(pipe) | Cmd::Detach(pipe) => {
                self.outlet.detach(pipe);
            }
            Cmd::Writable(pipe) => self.outlet.writable(pipe),
            Cmd::Unwritable(pipe) => self.outlet.unwritable(pipe),
            Cmd::Send(_) => return self.outlet.send(message, out),
            // What a peer sends against the rules is never read.
            Cmd::Readable(_)
            | Cmd::Incoming { .. }
            | Cmd::Unsent(_)
            | Cmd::Timer(_)
            | Cmd::Open(_)
            | Cmd::Close(_)
            | Cmd::Cancel(_)
            | Cmd::GoOn => {}
            Cmd::Recv(_) => return Answer::NotNow,
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness { send: self.outlet.is_ready(), recv: false }
    }

    fn send_priority(&self) -> i32 {
        self.outlet.priority()
    }
}

#[derive(Debug)]
struct Pull {
    queue: FairQueue,
}

impl Protocol for Pull {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        match cmd {
            Cmd::Attach { pipe, recv_priority, .. } => self.queue.attach(pipe, recv_priority),
            Cmd::Detach(pipe) => self.queue.detach(pipe),
            Cmd::Readable(pipe) => self.queue.readable(pipe),
            Cmd::Incoming { pipe, more } => {
                self.queue.taken(pipe, more);
                // Without memory for joining, the message is lost.
                if message.join().is_ok() {
                    out.push(Evt::Deliver);
                }
            }
            Cmd::Recv(_) => return self.queue.receive(out),
            Cmd::Hangup(_)
            | Cmd::Writable(_)
            | Cmd::Unwritable(_)
            | Cmd::Unsent(_)
            | Cmd::Timer(_)
            | Cmd::Open(_)
            | Cmd::Close(_)
            | Cmd::Cancel(_)
            | Cmd::GoOn => {}
            Cmd::Send(_) => return Answer::NotNow,
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness { send: false, recv: self.queue.is_ready() }
    }
}
