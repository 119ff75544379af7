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

use crate::core::{Answer, Cmd, ContextId, Drops, Events, Evt, Kind, Message, PipeId, Protocol, Readiness, Routes};
use crate::protocol::drops::DropCounts;
use crate::protocol::routing::{FairQueue, LoadBalancer, Outlet};

/// NN_PUSH.
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

/// NN_PULL.
pub const PULL: Kind = Kind {
    id: 81,
    name: "PULL",
    peer: 80,
    can_send: false,
    can_recv: true,
    asks: false,
    contexts: None,
    make: |_raw, _seed| Box::<Pull>::default(),
};

#[derive(Debug)]
struct Push {
    outlet: LoadBalancer,
}

impl Protocol for Push {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.outlet.update(cmd);
        match cmd {
            Cmd::Send(_) => self.outlet.send(message, out),
            Cmd::SendTo(pipe) => self.outlet.send_to(pipe, out),
            Cmd::Recv(_) => Answer::NotNow,
            // What a peer sends against the rules is never read.
            _ => Answer::Done,
        }
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness { send: self.outlet.is_ready(), recv: false }
    }

    fn routes(&self) -> Routes {
        self.outlet.routes()
    }

    fn took_turn(&mut self) -> Routes {
        self.outlet.took_turn()
    }

    fn send_priority(&self) -> i32 {
        self.outlet.priority()
    }
}

#[derive(Default, Debug)]
struct Pull {
    queue: FairQueue,
    drops: DropCounts,
}

impl Protocol for Pull {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.queue.update(cmd);
        self.drops.update(cmd);
        match cmd {
            Cmd::Incoming { pipe, .. } if self.drops.joins(pipe, message) => out.push(Evt::Deliver),
            Cmd::Recv(_) => return self.queue.receive(out),
            Cmd::Send(_) => return Answer::NotNow,
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness { send: false, recv: self.queue.is_ready() }
    }

    fn routes(&self) -> Routes {
        self.queue.routes()
    }

    fn took_turn(&mut self) -> Routes {
        self.queue.took_turn()
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.drops.of(of)
    }
}
