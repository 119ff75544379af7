//! Who polls: the rules by which waiting callers and the I/O thread share one poll.
//!
//! At most one thread polls at a time: it holds the **baton**. All decisions are made here, under one small
//! lock; carrying them out (polling, sleeping, waking) is the reactor's business. The rules:
//!
//! 1. A caller that must wait takes the baton if it is free; otherwise it queues and sleeps on its own
//!    parker. It first registers with its socket as a waiter and looks again after taking the baton, so an
//!    answer that comes in between is not lost.
//! 2. A caller that leaves hands on: to the first queued caller, or else to the I/O thread if that has gone to
//!    sleep for good. A caller that was woken to poll but has no need to any more hands on too.
//! 3. The I/O thread polls unless a caller does or recently did. After callers polled it naps for one
//!    lease at a time; if none came back during a whole nap it polls again. If one has been polling during all of it,
//!    it sleeps until that one leaves, so an endless wait costs nothing.
//!    Hence nobody polls for two leases at the most, without a clock read by any caller.
//! 4. When callers queue up while the I/O thread polls, it gives the baton to the first of them, unless a socket
//!    is *attended*: one that has handed out a descriptor is always served by the I/O thread.
//!
//! `W` is what wakes a caller. The model in `tests/loom.rs` runs these rules with threads of its own.

use std::collections::VecDeque;

use crate::sys::sync::Mutex;

#[derive(Debug)]
pub struct Baton<W> {
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    held: bool,
    queue: VecDeque<W>,
    /// Sockets that only the I/O thread may serve.
    attended: usize,
    /// Counts the callers that have polled.
    turns: u64,
    /// What `turns` was when the I/O thread last looked.
    turns_seen: u64,
    /// The I/O thread sleeps until told.
    io_sleeps: bool,
}

/// Whom to wake after a decision.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake<W> {
    Nobody,
    Caller(W),
    Io,
}

/// What the I/O thread does next.
#[derive(Debug, PartialEq, Eq)]
pub enum IoTurn {
    /// It holds the baton: poll.
    Poll,
    /// Sleep for one lease, then ask again.
    Nap,
    /// Sleep until woken.
    Sleep,
}

impl<W: Clone + PartialEq> Baton<W> {
    pub fn new() -> Baton<W> {
        Baton {
            state: Mutex::new(State {
                held: false,
                queue: VecDeque::new(),
                attended: 0,
                turns: 0,
                turns_seen: 0,
                io_sleeps: false,
            }),
        }
    }

    /// True: the caller holds the baton. False: it is queued and will be woken when its turn comes.
    pub fn acquire(&self, me: &W) -> bool {
        let mut state = self.state.lock();
        if state.held {
            if !state.queue.contains(me) {
                state.queue.push_back(me.clone());
            }
            return false;
        }
        state.held = true;
        true
    }

    /// The baton if it is free, for somebody who does not wait for it.
    pub fn try_acquire(&self) -> bool {
        let mut state = self.state.lock();
        !std::mem::replace(&mut state.held, true)
    }

    /// A caller has polled and leaves.
    pub fn release(&self) -> Wake<W> {
        let mut state = self.state.lock();
        state.held = false;
        state.turns += 1;
        state.hand_on()
    }

    /// Somebody who only had a look gives the baton back; that is no reason for the I/O thread to stay away.
    pub fn hand_back(&self) -> Wake<W> {
        let mut state = self.state.lock();
        state.held = false;
        state.hand_on()
    }

    /// A caller that did not get to poll leaves the queue, for whatever reason.
    pub fn leave(&self, me: &W) -> Wake<W> {
        let mut state = self.state.lock();
        state.queue.retain(|other| other != me);
        if state.held { Wake::Nobody } else { state.hand_on() }
    }

    /// The I/O thread asks what to do. It does not hold the baton.
    pub fn io_turn(&self) -> IoTurn {
        let mut state = self.state.lock();
        let callers_came = state.turns != state.turns_seen;
        state.turns_seen = state.turns;
        state.io_sleeps = false;
        if state.attended == 0 && callers_came {
            return IoTurn::Nap;
        }
        if state.held {
            state.io_sleeps = true;
            return IoTurn::Sleep;
        }
        state.held = true;
        IoTurn::Poll
    }

    /// The I/O thread has polled once. `None`: it goes on.
    pub fn io_yield(&self) -> Option<Wake<W>> {
        let mut state = self.state.lock();
        if state.attended > 0 || state.queue.is_empty() {
            return None;
        }
        state.held = false;
        // The nap that follows gives the callers a lease.
        state.turns += 1;
        Some(state.hand_on())
    }

    /// One socket more, or one less, that only the I/O thread serves.
    pub fn attend(&self, more: bool) -> Wake<W> {
        let mut state = self.state.lock();
        match more {
            true => state.attended += 1,
            false => state.attended = state.attended.saturating_sub(1),
        }
        if more && !state.held { Wake::Io } else { Wake::Nobody }
    }

    /// Must the I/O thread poll whatever callers do?
    pub fn is_attended(&self) -> bool {
        self.state.lock().attended > 0
    }

    /// Callers that wait for their turn.
    pub fn queued(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Whoever holds the baton: is there one?
    pub fn is_held(&self) -> bool {
        self.state.lock().held
    }
}

impl<W> State<W> {
    /// The baton has become free: who is to take it?
    fn hand_on(&mut self) -> Wake<W> {
        if self.attended == 0
            && let Some(next) = self.queue.pop_front()
        {
            return Wake::Caller(next);
        }
        if self.attended > 0 || self.io_sleeps {
            self.io_sleeps = false;
            return Wake::Io;
        }
        Wake::Nobody
    }
}

impl<W: Clone + PartialEq> Default for Baton<W> {
    fn default() -> Self {
        Baton::new()
    }
}
