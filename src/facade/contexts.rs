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

#[derive(Default)]
pub struct ContextTable {
    /// Context n is in place n - 1.
    all: Slab<Box<ContextState>>,
    /// Those that somebody polled, or whose descriptors somebody has.
    watched: Vec<ContextId>,
}

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
        ContextId(self.all.insert(Box::new(state)) as u32 + 1)
    }

    pub fn remove(&mut self, context: ContextId) {
        if let Some(place) = place(context) {
            self.all.try_remove(place);
        }
    }

    pub fn get(&self, context: ContextId) -> Option<&ContextState> {
        self.all.get(place(context)?).map(|state| &**state)
    }

    pub fn get_mut(&mut self, context: ContextId) -> Option<&mut ContextState> {
        self.all.get_mut(place(context)?).map(|state| &mut **state)
    }

    pub fn ids(&self) -> Vec<ContextId> {
        self.all.iter().map(|(place, _)| ContextId(place as u32 + 1)).collect()
    }

    /// Somebody is about to poll it, or to get a descriptor of it.
    pub fn watch(&mut self, context: ContextId) {
        if !self.watched.contains(&context) {
            self.watched.push(context);
        }
    }

    /// Those that somebody polls, or whose descriptors somebody has.
    pub fn for_each_watched(&mut self, mut tell: impl FnMut(ContextId, &mut ContextState)) {
        let ContextTable { all, watched } = self;
        watched.retain(|context| {
            let own = place(*context).and_then(|place| all.get_mut(place));
            let Some(own) = own.filter(|own| own.is_open && own.is_watched()) else { return false };
            tell(*context, own);
            true
        });
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
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
        self.notify = Notify::default();
    }

    fn is_watched(&self) -> bool {
        self.notify.is_wanted() || !self.waiters.is_empty()
    }

    pub fn time_limit(&self, side: Side) -> i32 {
        match side {
            Side::Send | Side::SendTo => self.sndtimeo,
            Side::Recv => self.rcvtimeo,
        }
    }
}

/// `None`: the socket itself.
fn place(context: ContextId) -> Option<usize> {
    (context.0 as usize).checked_sub(1)
}
