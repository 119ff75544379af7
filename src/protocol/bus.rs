//! BUS (protocols.md 4): everything goes to every neighbour, one hop, and never back where it came from.
//!
//! ```text
//!                  Readable                    Send: a copy to each writable pipe, never blocks
//!   no pipe ─────────────────▶ some pipe       raw Send with the header of an arrival: to all pipes
//!   ready   ◀───────────────── ready                 but the one on which it arrived
//!     │     Incoming without     │
//!   Recv:   more, Detach       Recv: Take      raw Recv: the header tells the arrival pipe
//!   NotNow  (the last)
//! ```
//!
//! SendTo: to that pipe alone, as soon as it is writable.
//!
//! The states are those of the routers: the machine adds none.

use crate::core::{
    Answer, Cmd, ContextId, Drops, Error, Events, Evt, Header, Kind, Message, PipeId, Protocol, Readiness, Routes,
};
use crate::protocol::drops::DropCounts;
use crate::protocol::routing::{Broadcast, FairQueue, Outlet};

/// NN_BUS.
pub const BUS: Kind = Kind {
    id: 112,
    name: "BUS",
    peer: 112,
    can_send: true,
    can_recv: true,
    asks: false,
    contexts: None,
    make: |raw, seed| Box::new(Bus::new(raw, seed)),
};

#[derive(Debug)]
struct Bus {
    raw: bool,
    outlet: Broadcast,
    queue: FairQueue,
    drops: DropCounts,
    /// By pipe: what a raw header calls it, or called it last.
    tags: Vec<Option<u64>>,
    next_tag: u64,
}

impl Protocol for Bus {
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer {
        self.outlet.update(cmd);
        self.queue.update(cmd);
        self.drops.update(cmd);
        match cmd {
            Cmd::Attach { pipe, .. } => self.tag(pipe),
            Cmd::Incoming { pipe, .. } if self.drops.joins(pipe, message) => {
                message.header = self.header(pipe);
                out.push(Evt::Deliver);
            }
            Cmd::Send(_) => return self.send(message, out),
            Cmd::SendTo(pipe) => return self.send_to(pipe, message, out),
            Cmd::Recv(_) => return self.queue.receive(out),
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness { send: true, recv: self.queue.is_ready() }
    }

    fn routes(&self) -> Routes {
        Routes { recv: self.queue.route(), looks: true, ..Routes::default() }
    }

    fn drops(&self, of: Option<PipeId>) -> Drops {
        self.outlet.drops(of, self.drops.of(of))
    }
}

impl Bus {
    /// Tags start at random, so that those of the other socket of a device mean nothing here.
    fn new(raw: bool, seed: u64) -> Bus {
        Bus {
            raw,
            outlet: Broadcast::default(),
            queue: FairQueue::default(),
            drops: DropCounts::default(),
            tags: Vec::new(),
            next_tag: seed,
        }
    }

    fn tag(&mut self, pipe: PipeId) {
        let index = pipe.0 as usize;
        if index >= self.tags.len() {
            self.tags.resize(index + 1, None);
        }
        self.tags[index] = Some(self.next_tag);
        self.next_tag = self.next_tag.wrapping_add(1);
    }

    /// What a received message shows as its header.
    fn header(&self, pipe: PipeId) -> Header {
        match self.tags.get(pipe.0 as usize) {
            Some(Some(tag)) if self.raw => Header::from_slice(&tag.to_ne_bytes()),
            _ => Header::new(),
        }
    }

    fn send(&mut self, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if message.header.is_empty() {
            return self.outlet.send(message, out);
        }
        let tag = match message.header.as_slice().try_into() {
            Ok(bytes) if self.raw => u64::from_ne_bytes(bytes),
            _ => return Answer::Fail(Error::INVALID),
        };
        let header = std::mem::take(&mut message.header);
        let answer = self.outlet.send_except(self.tagged(tag), message, out);
        if answer != Answer::Done {
            message.header = header;
        }
        answer
    }

    /// A header, as an arrival had it, says nothing that the pipe does not.
    fn send_to(&self, pipe: PipeId, message: &mut Message<'_>, out: &mut Events) -> Answer {
        if !self.raw && !message.header.is_empty() {
            return Answer::Fail(Error::INVALID);
        }
        let answer = self.outlet.send_to(pipe, out);
        if answer == Answer::Done {
            message.header.clear();
        }
        answer
    }

    fn tagged(&self, tag: u64) -> Option<PipeId> {
        let index = self.tags.iter().position(|other| *other == Some(tag))?;
        Some(PipeId(index as u32))
    }
}
