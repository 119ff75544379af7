//! Answers for which a connection has no room.
//!
//! They wait here and not on the thread that has them: an object would wait with it, and everybody who calls that. A task for each
//! connection sends them, in their order. Meanwhile less is read of who does not read.
//!
//! ```text
//!   answer ──▶ sent ◀──────── room ─────────┐
//!     └── no room ──▶ waits, with the task ─┴── none for `answer_wait` ──▶ has stalled: Errors, at once, until it takes an answer
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::qi::endpoint::budget::Charge;
use crate::qi::message::Message;
use crate::sys::places::SparePlaces;

use super::connection::{Policy, SendError};
use super::mailbox::Origin;
use super::model::{Peer, Task};

/// What an answer that waits costs beside its payload.
const OVERHEAD: usize = 256;

const NO_ROOM: &str =
    "The answer was dropped: its caller does not read, the server has no memory for it now, or it is too long.";

impl Peer {
    pub(super) fn send_answer(self: &Arc<Self>, message: Message) {
        if self.late.is_behind.load(Ordering::Acquire) {
            return self.put_off(message);
        }
        if self.connection.send(message.clone(), Policy::Answer(Duration::ZERO)) != Err(SendError::Full) {
            if self.late.has_stalled.load(Ordering::Relaxed) {
                self.late.has_stalled.store(false, Ordering::Relaxed);
            }
            return;
        }
        if self.late.has_stalled.load(Ordering::Relaxed) || self.common.answer_wait.is_zero() {
            return self.send_no_room(&message);
        }
        self.put_off(message);
    }

    /// It waits, if there is memory for that.
    fn put_off(self: &Arc<Self>, message: Message) {
        let mut charge = Charge::on(&self.account);
        if !charge.grow_to(message.payload.len() + OVERHEAD) {
            return self.send_no_room(&message);
        }
        let is_first = {
            let mut waiting = self.late.waiting.lock();
            waiting.push_back((message, charge));
            !self.late.is_behind.swap(true, Ordering::AcqRel)
        };
        if is_first {
            let (crew, peer) = (&self.common.crew, Arc::clone(self));
            let task = Task::Run { run: Box::new(move || peer.send_waiting()), crew: Arc::clone(crew) };
            if let Ok(true) = self.common.sender.0.mailbox.push(Origin::Server { about: 0 }, task) {
                crew.submit(self.id(), self.common.sender.clone());
            }
        }
    }

    /// Sends what waits, on a thread that may wait. Not more than half of all do, or methods would have none.
    fn send_waiting(&self) {
        let (sending, limit) = (&self.common.sending, self.common.threads.limit / 2);
        let may_wait = sending.fetch_add(1, Ordering::Relaxed) < limit.max(1);
        while let Some((message, charge)) = self.next_waiting() {
            // It is counted as what is to be sent now.
            drop(charge);
            let patient = may_wait && !self.late.has_stalled.load(Ordering::Relaxed);
            let wait = if patient { self.common.answer_wait } else { Duration::ZERO };
            let is_stuck = self.connection.send(message.clone(), Policy::Answer(wait)) == Err(SendError::Full);
            self.late.has_stalled.store(is_stuck, Ordering::Relaxed);
            if is_stuck {
                self.send_no_room(&message);
            }
        }
        sending.fetch_sub(1, Ordering::Relaxed);
    }

    fn next_waiting(&self) -> Option<(Message, Charge)> {
        let mut waiting = self.late.waiting.lock();
        let next = waiting.pop_front();
        waiting.give_places_back();
        if next.is_none() {
            self.late.is_behind.store(false, Ordering::Release);
        }
        next
    }

    fn send_no_room(&self, message: &Message) {
        self.control(Message::error_to(&message.header, NO_ROOM));
    }
}
