//! The reply table: which call an answer belongs to. A pure machine; the clock is an argument.
//!
//! ```text
//!   insert ──▶ Pending ── answer ─────────────────────▶ gone (handed to the waiter)
//!                 ├────── deadline, cancelled at once ▶ Late ── answer ▶ gone (swallowed)
//!                 └────── the connection ended ───────▶ gone
//! ```
//!
//! A Reply must carry the service, object and action of its call, because they say what it consists of; an Error or
//! Canceled is known by its id (qi-messaging.md 3). Whatever fits nothing is counted and dropped.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use crate::qi::message::{Header, Type};
use crate::qi::signature::Signature;

/// Calls given up whose answers are still known when they come; the oldest are forgotten.
const MAX_LATE: usize = 4096;

/// A call under way. `W` is told of its end.
#[derive(Debug)]
pub struct Entry<W> {
    pub header: Header,
    /// What a Reply without flags consists of, if the caller knows.
    pub result: Option<Signature>,
    pub waiter: W,
    deadline: Option<Instant>,
}

impl<W> Entry<W> {
    pub fn new(header: Header, result: Option<Signature>, waiter: W, deadline: Option<Instant>) -> Entry<W> {
        Entry { header, result, waiter, deadline }
    }
}

/// Whose answer it is.
#[derive(Debug)]
pub enum Match<W> {
    Call(Entry<W>),
    /// That of a call whose caller has gone; what its Reply consists of.
    Late(Option<Signature>),
    /// None of ours.
    Unknown,
}

/// What has been seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers to calls whose callers had gone.
    pub late: u64,
    /// Answers that fitted no call.
    pub unknown: u64,
}

#[derive(Debug)]
pub struct Replies<W> {
    pending: HashMap<u32, Entry<W>>,
    deadlines: BTreeSet<(Instant, u32)>,
    late: HashMap<u32, Option<Signature>>,
    late_order: VecDeque<u32>,
    counts: Counts,
    ended: bool,
}

impl<W> Default for Replies<W> {
    fn default() -> Self {
        Replies {
            pending: HashMap::new(),
            deadlines: BTreeSet::new(),
            late: HashMap::new(),
            late_order: VecDeque::new(),
            counts: Counts::default(),
            ended: false,
        }
    }
}

impl<W> Replies<W> {
    /// A call is about to be sent. Gives the entry back if the connection has ended.
    pub fn insert(&mut self, entry: Entry<W>) -> Result<(), Entry<W>> {
        if self.ended {
            return Err(entry);
        }
        let id = entry.header.id;
        self.deadlines.extend(entry.deadline.map(|at| (at, id)));
        self.pending.insert(id, entry);
        Ok(())
    }

    /// An answer has come.
    pub fn answer(&mut self, header: &Header) -> Match<W> {
        let id = header.id;
        let fits = |call: &Header| {
            let address = |header: &Header| (header.service, header.object, header.action);
            header.ty != Type::Reply || address(call) == address(header)
        };
        if self.pending.get(&id).is_some_and(|entry| fits(&entry.header))
            && let Some(entry) = self.take(id)
        {
            return Match::Call(entry);
        }
        if let Some(result) = self.late.remove(&id) {
            self.late_order.retain(|other| *other != id);
            self.counts.late += 1;
            return Match::Late(result);
        }
        self.counts.unknown += 1;
        Match::Unknown
    }

    /// The caller goes; the answer will be known when it comes. `None`: it has come. The second value is a call that is
    /// not known any more because too many others are.
    pub fn give_up(&mut self, id: u32) -> (Option<Entry<W>>, Option<u32>) {
        let Some(entry) = self.take(id) else { return (None, None) };
        self.late.insert(id, entry.result.clone());
        self.late_order.push_back(id);
        let forgotten = if self.late_order.len() > MAX_LATE { self.late_order.pop_front() } else { None };
        forgotten.map(|id| self.late.remove(&id));
        (Some(entry), forgotten)
    }

    /// The call was not sent.
    pub fn withdraw(&mut self, id: u32) -> Option<Entry<W>> {
        self.take(id)
    }

    /// The calls whose time is over by `now`, given up; and those not known any more.
    pub fn expire(&mut self, now: Instant) -> (Vec<Entry<W>>, Vec<u32>) {
        let (mut entries, mut forgotten) = (Vec::new(), Vec::new());
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            let (entry, other) = self.give_up(id);
            entries.extend(entry);
            forgotten.extend(other);
        }
        (entries, forgotten)
    }

    /// When to call [`Replies::expire`] next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The connection has ended: all calls, in the order of their ids.
    pub fn end(&mut self) -> Vec<Entry<W>> {
        self.ended = true;
        self.deadlines.clear();
        self.late.clear();
        self.late_order.clear();
        let mut entries: Vec<_> = self.pending.drain().map(|(_, entry)| entry).collect();
        entries.sort_by_key(|entry| entry.header.id);
        entries
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Calls under way.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    fn take(&mut self, id: u32) -> Option<Entry<W>> {
        let entry = self.pending.remove(&id)?;
        if let Some(at) = entry.deadline {
            self.deadlines.remove(&(at, id));
        }
        Some(entry)
    }
}
