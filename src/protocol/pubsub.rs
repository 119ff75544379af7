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
//! The states are those of the router: the machines add none. Each context of a SUB has its own subscriptions. As soon as there is
//! one, messages are looked at as they come, and wait with each context that has subscribed them.

use crate::core::{
    Answer, Arrivals, Cmd, ContextId, DropReason, Drops, Error, Events, Evt, Kept, Kind, Message, PipeId, Protocol,
    Readiness, Result, Routes,
};
use crate::protocol::contexts::{Contexts, Waiting};
use crate::protocol::drops::DropCounts;
use crate::protocol::matching::Subscriptions;
use crate::protocol::routing::{Broadcast, FairQueue, Outlet};

/// NN_PUB.
pub const PUB: Kind = Kind {
    id: 32,
    name: "PUB",
    peer: 33,
    can_send: true,
    can_recv: false,
    asks: false,
    contexts: None,
    make: |_raw, _seed| Box::new(Pub { outlet: Broadcast::default() }),
};

/// NN_SUB.
pub const SUB: Kind = Kind {
    id: 33,
    name: "SUB",
    peer: 32,
    can_send: false,
    can_recv: true,
    asks: false,
    contexts: Some(Arrivals::Addressed),
    make: |_raw, _seed| Box::<Sub>::default(),
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
            Cmd::Send(_) => return self.outlet.send(message, out),
            Cmd::SendTo(pipe) => return self.outlet.send_to(pipe, out),
            Cmd::Recv(_) => return Answer::NotNow,
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness { send: true, recv: false }
    }

    fn routes(&self) -> Routes {
        self.outlet.routes()
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.outlet.drops(of, Drops::default())
    }
}

/// What the socket, or a context of it, wants.
#[derive(Debug, Default)]
struct Subscriber {
    subscriptions: Subscriptions,
    waiting: Waiting,
}

#[derive(Debug, Default)]
struct Sub {
    contexts: Contexts<Subscriber>,
    /// There is, or was, a context: until then messages stay in their pipes until they are received.
    sorts: bool,
    queue: FairQueue,
    drops: DropCounts,
}

impl Protocol for Sub {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.queue.update(cmd);
        self.drops.update(cmd);
        match cmd {
            Cmd::Readable(pipe) if self.sorts => out.push(Evt::Take(pipe)),
            Cmd::Incoming { pipe, more } => self.accept(pipe, more, message, out),
            Cmd::Open(context) => {
                self.contexts.open(context, Subscriber::default());
                if !std::mem::replace(&mut self.sorts, true) {
                    self.queue.receive_all(out);
                }
            }
            Cmd::Close(context) => drop(self.contexts.close(context)),
            Cmd::Recv(_) if !self.sorts => return self.queue.receive(out),
            Cmd::Recv(context) => return self.receive(context, message, out),
            Cmd::Send(_) => return Answer::NotNow,
            _ => {}
        }
        Answer::Done
    }

    /// Without contexts it tells arrival, not match: what it announces may be dropped by the filter.
    fn readiness(&self, context: ContextId) -> Readiness {
        let recv = match self.sorts {
            true => self.contexts.get(context).is_some_and(|subscriber| !subscriber.waiting.is_empty()),
            false => self.queue.is_ready(),
        };
        Readiness { send: false, recv }
    }

    fn kept(&self, context: ContextId) -> Kept {
        Kept { unread: self.contexts.get(context).map_or(0, |subscriber| subscriber.waiting.len()), unsent: 0 }
    }

    fn routes(&self) -> Routes {
        match self.sorts {
            true => Routes::default(),
            false if self.contexts.socket().subscriptions.match_all() => self.queue.routes(),
            false => Routes { recv: self.queue.route(), looks: true, ..Routes::default() },
        }
    }

    fn took_turn(&mut self) -> Routes {
        self.queue.took_turn()
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.drops.of(of)
    }

    fn set_option(&mut self, context: ContextId, option: i32, value: &[u8]) -> Result<()> {
        let subscriptions = &mut self.contexts.get_mut(context).ok_or(Error::BAD_FD)?.subscriptions;
        match option {
            SUBSCRIBE => subscriptions.subscribe(value),
            UNSUBSCRIBE => subscriptions.unsubscribe(value),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }
}

impl Sub {
    fn accept(&mut self, pipe: PipeId, more: bool, message: &mut Message<'_>, out: &mut Events) {
        if self.drops.joins(pipe, message) {
            match self.sorts {
                true => self.sort(pipe, message, out),
                false => self.look(pipe, message, out),
            }
        }
        if self.sorts && more {
            out.push(Evt::Take(pipe));
        }
    }

    /// To the socket, if that has subscribed it.
    fn look(&mut self, pipe: PipeId, message: &Message<'_>, out: &mut Events) {
        match self.contexts.socket().subscriptions.matches(message.body.bytes()) {
            true => out.push(Evt::Deliver),
            false => self.drops.count(Some(pipe), DropReason::NotSubscribed),
        }
    }

    /// To everybody who has subscribed it.
    fn sort(&mut self, pipe: PipeId, message: &mut Message<'_>, out: &mut Events) {
        let mut wanted = false;
        for (context, subscriber) in self.contexts.iter_mut() {
            if !subscriber.subscriptions.matches(message.body.bytes()) {
                continue;
            }
            wanted = true;
            let Ok(own) = message.share() else {
                self.drops.count(Some(pipe), DropReason::NoMemory);
                continue;
            };
            if subscriber.waiting.push(own) {
                // Of whichever pipe that was.
                self.drops.count(None, DropReason::ContextFull);
            }
            out.push(Evt::Context(context));
        }
        if !wanted {
            self.drops.count(Some(pipe), DropReason::NotSubscribed);
        }
    }

    fn receive(&mut self, context: ContextId, message: &mut Message<'_>, out: &mut Events) -> Answer {
        match self.contexts.get_mut(context).and_then(|subscriber| subscriber.waiting.pop()) {
            Some(own) => {
                *message = own;
                out.push(Evt::Deliver);
                Answer::Done
            }
            None => Answer::NotNow,
        }
    }
}
