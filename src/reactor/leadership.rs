//! Who polls: the rules by which waiting callers and the I/O thread share one poll.
//!
//! At most one thread has the duty to poll: the **leader** (as in the leader/followers pattern); it holds the lead. All decisions are made here, under one small
//! lock; carrying them out (polling, sleeping, waking) is the reactor's business. The rules:
//!
//! 1. A caller that must wait takes the lead if it is free; otherwise it queues and sleeps on its own
//!    parker. It first registers with its socket as a waiter and looks again after taking the lead, so an
//!    answer that comes in between is not lost.
//! 2. A caller that leaves hands on: to the first queued caller, or else to the I/O thread if that watches.
//!    A caller that was woken to poll but has no need to any more hands on too.
//! 3. The I/O thread polls unless a caller does or recently did. After callers polled it naps for one
//!    lease at a time; if none came back during a whole nap it polls again. If one has been polling during all of it, the next
//!    nap is longer, and after the longest one
//!    it watches, asleep, until that one leaves, so an endless wait costs nothing.
//!    Hence nobody polls for two leases at the most, without a clock read by any caller.
//!    While the kernel has no room for what a pipe has to write, and nobody holds the lead, a lease is a [hurried one](IoTurn::Nap), and a
//!    longer nap is cut short: the rest of a large message does not wait for leases.
//! 4. When callers queue up while the I/O thread polls, it gives the lead to the first of them, unless a socket
//!    is *keeps_polling*: one that has handed out a descriptor is always served by the I/O thread.
//! 5. Whoever holds the lead may be held up by what is not ours: a signal handler, a debugger, the scheduler. Each time the lead
//!    is taken is a **tenure** of its own. If there is something to do and a tenure makes no progress, the I/O thread ends it by
//!    taking over (so it does with a lead that a woken caller does not come for). Who finds its tenure over behaves as if it had never
//!    had the lead: two may poll for a moment, and neither minds. So that it does find out, each holder also sleeps on the **seat** of
//!    its time, a bell that is rung for good when it is taken over from; the next ones have another seat.
//! 6. An event loop of somebody else's, which sleeps on the poll among other things, does not hold the lead meanwhile. When it is woken it
//!    looks, with the lead if that is free, and counts as a caller that has polled; if the I/O thread has it, that one makes way.
//!
//! `W` is what wakes a caller. The model in `tests/loom.rs` runs these rules with threads of its own.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use crate::sys::sync::{AtomicU64, Mutex, Ordering};

#[derive(Debug)]
pub struct Leadership<W> {
    state: Mutex<LeadershipState<W>>,
    /// The last tenure, for those who ask whether theirs is over.
    last: AtomicU64,
}

#[derive(Debug)]
struct LeadershipState<W> {
    holder: Option<Tenure>,
    /// How many there have been.
    tenures: u64,
    /// Of those to come.
    seat: RawFd,
    queue: VecDeque<W>,
    /// Sockets that only the I/O thread may serve.
    keeps_polling: usize,
    /// Pipes with something that the kernel had no room for: news of room is to be fetched soon.
    unwritten: usize,
    /// How often yet that is a reason for haste, until one of them gets on.
    hurries: u8,
    /// The I/O thread naps for longer than a hurried lease.
    io_rests: bool,
    /// Counts the callers that have polled.
    turns: u64,
    /// What `turns` was when the I/O thread last looked.
    turns_seen: u64,
    /// A loop has looked while somebody else had the lead.
    loop_came: bool,
    /// The I/O thread watches until told.
    io_watches: bool,
}

/// Holding the lead, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    number: u64,
    pub seat: RawFd,
}

/// The lead at one moment: whether it is held, and how often it has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub holder: Option<Tenure>,
    pub seat: RawFd,
    tenures: u64,
}

/// What becomes of what a pipe has to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// The kernel has no room for it.
    Begins,
    /// It took some, and has no room again.
    GoesOn,
    /// All is written, or will not be.
    Ends,
}

/// So often a pipe that waits for room is a reason for haste. A peer that reads gets it on sooner; one that does not must not cost others.
const HURRIES: u8 = 16;

/// Whom to wake after a decision.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake<W> {
    Nobody,
    Caller(W),
    Io,
    /// Nobody; and nobody is on this seat any more.
    Vacated(RawFd),
}

/// What the I/O thread does next.
#[derive(Debug, PartialEq, Eq)]
pub enum IoTurn {
    /// It holds the lead: poll.
    Poll(Tenure),
    /// Sleep for one lease, then ask again. Somebody else polls now, or has polled. `hurried`: for a short one.
    Nap { held: bool, hurried: bool },
    /// Sleep until woken, or until the holder is held up.
    Watch,
}

impl<W: Clone + PartialEq> Leadership<W> {
    pub fn new(seat: RawFd) -> Leadership<W> {
        Leadership {
            state: Mutex::new(LeadershipState {
                holder: None,
                tenures: 0,
                seat,
                queue: VecDeque::new(),
                keeps_polling: 0,
                unwritten: 0,
                hurries: 0,
                io_rests: false,
                turns: 0,
                turns_seen: 0,
                loop_came: false,
                io_watches: false,
            }),
            last: AtomicU64::new(0),
        }
    }

    /// `Some`: the caller holds the lead. Otherwise it is queued and will be woken when its turn comes.
    pub fn acquire(&self, me: &W) -> Option<Tenure> {
        let mut state = self.state.lock();
        if state.holder.is_some() {
            if !state.queue.contains(me) {
                state.queue.push_back(me.clone());
            }
            return None;
        }
        Some(self.begin(&mut state))
    }

    /// The lead if it is free, for somebody who does not wait for it.
    pub fn try_acquire(&self) -> Option<Tenure> {
        let mut state = self.state.lock();
        if state.holder.is_some() { None } else { Some(self.begin(&mut state)) }
    }

    /// The lead if it is free, for a loop that looks; else it looks without.
    pub fn loop_comes(&self) -> Option<Tenure> {
        let mut state = self.state.lock();
        state.loop_came = state.holder.is_some();
        if state.holder.is_some() { None } else { Some(self.begin(&mut state)) }
    }

    /// A caller has polled and leaves.
    pub fn release(&self, tenure: Tenure) -> Wake<W> {
        let mut state = self.state.lock();
        if state.holder != Some(tenure) {
            return Wake::Vacated(tenure.seat);
        }
        state.holder = None;
        state.turns += 1;
        match state.hand_on() {
            Wake::Nobody => state.hurry(),
            wake => wake,
        }
    }

    /// Somebody who only had a look gives the lead back; that is no reason for the I/O thread to stay away.
    pub fn hand_back(&self, tenure: Tenure) -> Wake<W> {
        let mut state = self.state.lock();
        if state.holder != Some(tenure) {
            return Wake::Vacated(tenure.seat);
        }
        state.holder = None;
        state.hand_on()
    }

    /// A caller that did not get to poll leaves the queue, for whatever reason.
    pub fn leave(&self, me: &W) -> Wake<W> {
        let mut state = self.state.lock();
        state.queue.retain(|other| other != me);
        if state.holder.is_some() { Wake::Nobody } else { state.hand_on() }
    }

    /// The I/O thread asks what to do. It does not hold the lead. `rested`: its last nap was the longest there is. Before, it does not
    /// watch: who is watched wakes the watcher with each turn.
    pub fn io_turn(&self, rested: bool) -> IoTurn {
        let mut state = self.state.lock();
        let callers_came = state.turns != state.turns_seen;
        state.turns_seen = state.turns;
        (state.io_watches, state.io_rests) = (false, false);
        let held = state.holder.is_some();
        if state.keeps_polling == 0 && (callers_came || (held && !rested)) {
            // Who holds the lead fetches the news, or hurries us when it leaves.
            let hurried = !held && state.takes_a_hurry();
            state.io_rests = !hurried;
            return IoTurn::Nap { held, hurried };
        }
        if held {
            state.io_watches = true;
            return IoTurn::Watch;
        }
        IoTurn::Poll(self.begin(&mut state))
    }

    /// The I/O thread has polled once. `None`: it goes on.
    pub fn io_yield(&self) -> Option<Wake<W>> {
        let mut state = self.state.lock();
        let loop_came = std::mem::take(&mut state.loop_came);
        if state.keeps_polling > 0 || (state.queue.is_empty() && !loop_came) {
            return None;
        }
        state.holder = None;
        // The nap that follows gives the callers, and loops, a lease.
        state.turns += 1;
        Some(state.hand_on())
    }

    /// For who watches.
    pub fn moment(&self) -> Moment {
        self.state.lock().moment()
    }

    /// The I/O thread takes the lead, whoever holds it, unless somebody else has taken it since that moment, or let go of it.
    /// From now on holders have the new seat.
    pub fn take_over(&self, since: Moment, seat: RawFd) -> Option<Tenure> {
        let mut state = self.state.lock();
        if state.moment() != since {
            return None;
        }
        state.io_watches = false;
        state.seat = seat;
        Some(self.begin(&mut state))
    }

    /// Has somebody taken over from this tenure?
    pub fn is_over(&self, tenure: Tenure) -> bool {
        self.last.load(Ordering::Relaxed) != tenure.number
    }

    fn begin(&self, state: &mut LeadershipState<W>) -> Tenure {
        state.tenures += 1;
        self.last.store(state.tenures, Ordering::Relaxed);
        let tenure = Tenure { number: state.tenures, seat: state.seat };
        state.holder = Some(tenure);
        tenure
    }

    /// One socket more, or one less, that only the I/O thread serves.
    pub fn keep_polling(&self, more: bool) -> Wake<W> {
        let mut state = self.state.lock();
        match more {
            true => state.keeps_polling += 1,
            false => state.keeps_polling = state.keeps_polling.saturating_sub(1),
        }
        if more && state.holder.is_none() { Wake::Io } else { Wake::Nobody }
    }

    /// What has become of a pipe's writing.
    pub fn unwritten(&self, change: Unwritten) -> Wake<W> {
        let mut state = self.state.lock();
        match change {
            Unwritten::Begins => state.unwritten += 1,
            Unwritten::GoesOn => {}
            Unwritten::Ends => {
                state.unwritten = state.unwritten.saturating_sub(1);
                return Wake::Nobody;
            }
        }
        state.hurries = HURRIES;
        if state.holder.is_none() { state.hurry() } else { Wake::Nobody }
    }

    /// Is there a pipe with something that the kernel had no room for?
    pub fn has_unwritten(&self) -> bool {
        self.state.lock().unwritten > 0
    }

    /// Must the I/O thread poll whatever callers do?
    pub fn keeps_polling(&self) -> bool {
        self.state.lock().keeps_polling > 0
    }

    /// Callers that wait for their turn.
    pub fn queued(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Whoever holds the lead: is there one?
    pub fn is_held(&self) -> bool {
        self.state.lock().holder.is_some()
    }
}

impl<W> LeadershipState<W> {
    fn moment(&self) -> Moment {
        Moment { holder: self.holder, seat: self.seat, tenures: self.tenures }
    }

    /// The lead is free and nobody is about to take it: is the I/O thread to cut its nap short?
    fn hurry(&mut self) -> Wake<W> {
        if !self.io_rests || !self.takes_a_hurry() {
            return Wake::Nobody;
        }
        self.io_rests = false;
        Wake::Io
    }

    fn takes_a_hurry(&mut self) -> bool {
        let hurries = self.unwritten > 0 && self.hurries > 0;
        self.hurries -= u8::from(hurries);
        hurries
    }

    /// The lead has become free: who is to take it?
    fn hand_on(&mut self) -> Wake<W> {
        if self.keeps_polling == 0
            && let Some(next) = self.queue.pop_front()
        {
            return Wake::Caller(next);
        }
        if self.keeps_polling > 0 || self.io_watches {
            self.io_watches = false;
            return Wake::Io;
        }
        Wake::Nobody
    }
}
