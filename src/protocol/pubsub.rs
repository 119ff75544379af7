//! PUB and SUB (protocols.md 6): everything goes to everybody, and a SUB picks what it subscribed. Full
//! and raw are the same.
//!
//! ```text
//!   PUB                                     SUB          Readable
//!   Send: a copy to each writable pipe,     no pipe ─────────────────▶ some pipe
//!         never blocks, drops for the       ready   ◀───────────────── ready
//!         slow ones                           │     Incoming without     │
//!   Readable: a SUB must not talk,          Recv:   more, Detach       Recv: Take
//!         Refuse                            NotNow  (the last)           Incoming: Deliver if it
//!                                                                        matches, else drop
//! ```
//!
//! The states are those of the router: the machines add none.

use crate::core::{Answer, Cmd, Error, Events, Evt, Kind, Message, Protocol, Readiness, Result};
use crate::protocol::matching::Subscriptions;
use crate::protocol::routing::{Broadcast, FairQueue, Outlet};

pub const PUB: Kind = Kind {
    id: 32,
    name: "PUB",
    peer: 33,
    can_send: true,
    can_recv: false,
    asks: false,
    make: |_raw, _seed| Box::new(Pub { outlet: Broadcast::default() }),
};

pub const SUB: Kind = Kind {
    id: 33,
    name: "SUB",
    peer: 32,
    can_send: false,
    can_recv: true,
    asks: false,
    make: |_raw, _seed| Box::new(Sub { queue: FairQueue::default(), subscriptions: Subscriptions::default() }),
};

/// `NN_SUB_SUBSCRIBE`: a topic, any bytes.
pub const SUBSCRIBE: i32 = 1;
/// `NN_SUB_UNSUBSCRIBE`: a topic subscribed before.
pub const UNSUBSCRIBE: i32 = 2;

#[derive(Debug)]
struct Pub {
    outlet: Broadcast,
}

impl Protocol for Pub {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.outlet.update(cmd);
        match cmd {
            Cmd::Readable(pipe) if self.outlet.detach(pipe) => out.push(Evt::Refuse(pipe)),
            Cmd::Send => return self.outlet.send(message, out),
            Cmd::Recv => return Answer::NotNow,
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self) -> Readiness {
        Readiness { send: true, recv: false }
    }
}

#[derive(Debug)]
struct Sub {
    queue: FairQueue,
    subscriptions: Subscriptions,
}

impl Protocol for Sub {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.queue.update(cmd);
        match cmd {
            // Without memory for joining, the message is lost.
            Cmd::Incoming { .. } if message.join().is_ok() && self.subscriptions.matches(message.body.bytes()) => {
                out.push(Evt::Deliver);
            }
            Cmd::Recv => return self.queue.receive(out),
            Cmd::Send => return Answer::NotNow,
            _ => {}
        }
        Answer::Done
    }

    /// Tells arrival, not match: what it announces may be dropped by the filter.
    fn readiness(&self) -> Readiness {
        Readiness { send: false, recv: self.queue.is_ready() }
    }

    fn set_option(&mut self, option: i32, value: &[u8]) -> Result<()> {
        match option {
            SUBSCRIBE => self.subscriptions.subscribe(value),
            UNSUBSCRIBE => self.subscriptions.unsubscribe(value),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }
}
