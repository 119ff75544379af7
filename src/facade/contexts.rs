//! The contexts of a socket, as far as its protocol does not keep them: who waits for what, time limits, timers.

use slab::Slab;

use crate::core::{ContextId, Readiness};

use super::alarm::Alarm;
use super::notify::Notify;
use super::runtime::Runtime;
use super::waiters::{Phase, Side, Waiters};
use super::work::Work;

pub struct ContextState {
    /// Not closed: what is left of one keeps its number until nobody uses it.
    pub is_open: bool,
    pub waiters: Waiters,
    pub notify: Notify,
    pub alarm: Alarm,
    pub sndtimeo: i32,
    pub rcvtimeo: i32,
}

/// Context n is in place n - 1.
#[derive(Default)]
pub struct ContextTable(Slab<Box<ContextState>>);

impl ContextTable {
    /// Adds one with these time limits.
    pub fn insert(&mut self, sndtimeo: i32, rcvtimeo: i32) -> ContextId {
        let state = ContextState {
            is_open: true,
            waiters: Waiters::default(),
            notify: Notify::default(),
            alarm: Alarm::default(),
            sndtimeo,
            rcvtimeo,
        };
        ContextId(self.0.insert(Box::new(state)) as u32 + 1)
    }

    pub fn remove(&mut self, context: ContextId) {
        if let Some(place) = place(context) {
            self.0.try_remove(place);
        }
    }

    pub fn get(&self, context: ContextId) -> Option<&ContextState> {
        self.0.get(place(context)?).map(|state| &**state)
    }

    pub fn get_mut(&mut self, context: ContextId) -> Option<&mut ContextState> {
        self.0.get_mut(place(context)?).map(|state| &mut **state)
    }

    pub fn ids(&self) -> Vec<ContextId> {
        self.0.iter().map(|(place, _)| ContextId(place as u32 + 1)).collect()
    }

    /// Those that somebody polls, or whose descriptors somebody has.
    pub fn watched(&mut self) -> impl Iterator<Item = (ContextId, &mut ContextState)> {
        let all = self.0.iter_mut().map(|(place, state)| (ContextId(place as u32 + 1), &mut **state));
        all.filter(|(_, state)| state.notify.is_wanted() || !state.waiters.is_empty())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ContextState {
    /// Tells whoever waits what would not wait now.
    pub fn announce(&mut self, ready: Readiness, phase: Phase, work: &mut Work) {
        self.notify.set(ready);
        self.waiters.wake(ready, phase, work);
    }

    /// Nobody waits for it any more, and its timer and descriptors go.
    pub fn end(&mut self, runtime: &Runtime, work: &mut Work) {
        self.is_open = false;
        self.announce(Readiness { send: true, recv: true }, Phase::Drained, work);
        self.alarm.disarm(runtime);
        if self.notify.is_wanted() {
            self.notify = Notify::default();
            runtime.reactor.keep_polling(false);
        }
    }

    pub fn time_limit(&self, side: Side) -> i32 {
        match side {
            Side::Send => self.sndtimeo,
            Side::Recv => self.rcvtimeo,
        }
    }
}

/// `None`: the socket itself.
fn place(context: ContextId) -> Option<usize> {
    (context.0 as usize).checked_sub(1)
}
