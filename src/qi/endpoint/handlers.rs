//! The handler table: who gets which message, and how a handler ends. A pure machine: no I/O, no thread, no lock of
//! its own; the end point keeps it behind one.
//!
//! ```text
//!            ┌──────────── Live ◀──────────┐
//!   add ────▶│                             │ the call has come back
//!            └─ filter or sink is called ─▶ Busy
//!   Live ── remove, filter said so, the connection ended ──▶ Ended (handed out: run its closer, end its queue)
//!   Busy ── the same ──▶ Leaving ── the call has come back ──▶ Ended
//! ```
//!
//! So a closer runs after the last message was queued *and* after the last call of the handler's filter or sink has come
//! back: whoever is told may free what they use. Ids are never reused; an id that is unknown, ended or leaving is
//! `EINVAL` to remove, and nothing else happens.
//!
//! Code of others is never called in here. One message is one [`Round`]: [`Table::step`] goes on until a callback
//! filter or a sink must be called, says so, and is told what came of it. `S` is the sink.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::{Error, Result};
use crate::qi::message::{Header, Message};

use super::failure::Reason;
use super::filter::{Filter, FilterFn, Verdict};
use super::index::{Ids, Index};
use super::reentrancy::contained;
use super::ring::{Ring, Wakes};

/// Told once why the handler ended. Called under no lock; on the reading thread it must not block.
pub type Closer = Box<dyn FnOnce(&Reason) + Send>;

/// Where a handler's messages go.
#[derive(Clone, Debug)]
pub enum Target<S> {
    Queue(Arc<Ring>),
    /// Called on the reading thread.
    Sink(S),
    Nothing,
}

/// Whether a sink took a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Also if the sink answered, or will.
    Yes,
    /// There was no room: dropped and counted, and a Call that nobody takes gets an Error.
    Full,
}

struct HandlerEntry<S> {
    filter: Filter,
    target: Target<S>,
    closer: Option<Closer>,
    /// Its filter or sink is being called.
    busy: bool,
    /// Ended meanwhile.
    leaving: Option<Reason>,
}

/// A handler that has ended. Whoever gets it runs [`Ended::finish`], under no lock.
#[must_use]
pub struct Ended<S> {
    pub reason: Reason,
    entry: Box<HandlerEntry<S>>,
}

impl<S> Ended<S> {
    /// Calls the closer, then ends the queue.
    pub fn finish(self, wakes: &mut Wakes) {
        let Ended { reason, entry, .. } = self;
        if let Some(closer) = entry.closer {
            contained(|| closer(&reason));
        }
        if let Target::Queue(ring) = &entry.target {
            ring.end(reason, wakes);
        }
    }
}

/// What must be done once the table's lock has been let go.
pub struct Aftermath<S> {
    pub ended: SmallVec<[Ended<S>; 1]>,
    pub wakes: Wakes,
}

impl<S> Default for Aftermath<S> {
    fn default() -> Self {
        Aftermath { ended: SmallVec::new(), wakes: Wakes::new() }
    }
}

/// One message on its way past the handlers.
#[derive(Debug)]
pub struct Round {
    ids: Ids,
    at: usize,
    pending: Option<Pending>,
    /// Handlers that wanted the message, and those of them that got it.
    pub matched: u32,
    pub taken: u32,
}

/// A handler whose filter or sink is being called.
#[derive(Clone, Copy, Debug)]
struct Pending {
    id: u64,
    keep: bool,
    exclusive: bool,
}

/// What the round needs to go on.
pub enum Step<S> {
    /// Ask this filter, then step with [`Answer::Verdict`].
    Ask(Arc<FilterFn>),
    /// Call this sink, then step with [`Answer::Taken`].
    Call(S),
    Done,
}

/// What came of the last step.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Nothing was asked yet.
    Start,
    Verdict(Verdict),
    Taken(Taken),
}

pub struct Table<S> {
    /// Boxed, because a map has room for eleven at once, and most connections have one handler.
    entries: BTreeMap<u64, Box<HandlerEntry<S>>>,
    index: Index,
    made: u64,
    ended: Option<Reason>,
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        Table { entries: BTreeMap::new(), index: Index::default(), made: 0, ended: None }
    }
}

impl<S: Clone> Table<S> {
    /// Adds a handler. `ENOTCONN` when the connection has ended: the closer is dropped, not called.
    pub fn add(&mut self, filter: Filter, target: Target<S>, closer: Option<Closer>) -> Result<u64> {
        if self.ended.is_some() {
            return Err(Error::NOT_CONNECTED);
        }
        self.made += 1;
        self.index.insert(&filter, self.made);
        let entry = HandlerEntry { filter, target, closer, busy: false, leaving: None };
        self.entries.insert(self.made, Box::new(entry));
        Ok(self.made)
    }

    /// Ends one handler. `EINVAL`: there is none such, or it has ended.
    pub fn remove(&mut self, id: u64, out: &mut Aftermath<S>) -> Result<()> {
        match self.entries.get(&id) {
            Some(entry) if entry.leaving.is_none() => {
                self.end(id, Reason::Removed, out);
                Ok(())
            }
            _ => Err(Error::INVALID),
        }
    }

    /// Ends all handlers, in the order of their creation, and admits no more.
    pub fn end_all(&mut self, reason: &Reason, out: &mut Aftermath<S>) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(reason.clone());
        let ids: Vec<u64> = self.entries.keys().copied().collect();
        for id in ids {
            self.end(id, reason.clone(), out);
        }
    }

    /// Why the connection ended, if it has.
    pub fn ended(&self) -> Option<&Reason> {
        self.ended.as_ref()
    }

    /// Handlers that have not ended.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.values().filter(|entry| entry.leaving.is_none()).count()
    }

    /// A message has come.
    pub fn begin(&self, header: &Header) -> Round {
        Round { ids: self.index.candidates(header), at: 0, pending: None, matched: 0, taken: 0 }
    }

    /// Offers the message to one handler after another, until code of others must be called or all have seen it.
    pub fn step(&mut self, round: &mut Round, message: &Message, answer: Answer, out: &mut Aftermath<S>) -> Step<S> {
        if let Some(pending) = round.pending.take()
            && let Some(sink) = self.came_back(round, pending, message, answer, out)
        {
            return Step::Call(sink);
        }
        while let Some(id) = round.ids.get(round.at).copied() {
            round.at += 1;
            // Removed since the round began, or in a call further up the stack.
            let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.busy) else { continue };
            match &entry.filter {
                Filter::Nothing => {}
                Filter::Callback(filter) => {
                    entry.busy = true;
                    round.pending = Some(Pending { id, keep: true, exclusive: false });
                    return Step::Ask(Arc::clone(filter));
                }
                Filter::Pattern(pattern) if pattern.matches(&message.header) => {
                    let pending = Pending { id, keep: !pattern.once, exclusive: pattern.exclusive };
                    if let Some(sink) = self.deliver(round, pending, message, out) {
                        return Step::Call(sink);
                    }
                }
                Filter::Pattern(_) => {}
            }
        }
        Step::Done
    }

    /// Puts a message where a handler wants it. A sink must be called first.
    fn deliver(&mut self, round: &mut Round, of: Pending, message: &Message, out: &mut Aftermath<S>) -> Option<S> {
        let entry = self.entries.get_mut(&of.id)?;
        round.matched += 1;
        match &entry.target {
            Target::Sink(sink) => {
                entry.busy = true;
                round.pending = Some(of);
                return Some(sink.clone());
            }
            Target::Queue(ring) => round.taken += u32::from(ring.push(message, &mut out.wakes)),
            Target::Nothing => {}
        }
        self.settle(round, of, out);
        None
    }

    /// A filter or sink has been called.
    fn came_back(
        &mut self,
        round: &mut Round,
        of: Pending,
        message: &Message,
        answer: Answer,
        out: &mut Aftermath<S>,
    ) -> Option<S> {
        let entry = self.entries.get_mut(&of.id)?;
        entry.busy = false;
        let left = entry.leaving.take();
        let mut of = of;
        match answer {
            Answer::Start => {}
            Answer::Taken(taken) => round.taken += u32::from(taken == Taken::Yes),
            Answer::Verdict(verdict) => {
                let wanted = verdict.matched && left.is_none();
                of = Pending { keep: verdict.keep, exclusive: wanted && verdict.exclusive, ..of };
                if wanted {
                    return self.deliver(round, of, message, out);
                }
            }
        }
        // What ended it first is the reason.
        of.keep |= left.is_some();
        self.settle(round, of, out);
        if let Some(reason) = left {
            self.end(of.id, reason, out);
        }
        None
    }

    /// What follows a delivery: the handler stays or not, the others are asked or not.
    fn settle(&mut self, round: &mut Round, of: Pending, out: &mut Aftermath<S>) {
        if of.exclusive {
            round.at = round.ids.len();
        }
        if !of.keep {
            self.end(of.id, Reason::Filter, out);
        }
    }

    fn end(&mut self, id: u64, reason: Reason, out: &mut Aftermath<S>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.busy {
            entry.leaving.get_or_insert(reason);
            return;
        }
        if let Some(entry) = self.entries.remove(&id) {
            self.index.remove(&entry.filter, id);
            out.ended.push(Ended { reason, entry });
        }
    }
}
