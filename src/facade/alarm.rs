//! The protocol's timer, of a socket or of a context. It is lazy: one that is set again and again to a later time, as every request
//! does, costs no timer each time; when it expires too early it is armed anew.

use std::sync::Weak;
use std::time::{Duration, Instant};

use crate::core::ContextId;
use crate::reactor::timers::TimerId;
use crate::transport::source::Source;

use super::key::Key;
use super::runtime::Runtime;

#[derive(Default)]
pub struct Alarm {
    wanted: Option<Instant>,
    armed: Option<(TimerId, Instant)>,
}

/// Whose alarm it is.
pub struct AlarmOwner<'a> {
    pub source: &'a Weak<dyn Source>,
    pub context: ContextId,
    pub runtime: &'a Runtime,
}

impl Alarm {
    /// Wants to expire after this long, or never, instead of any earlier time.
    pub fn set(&mut self, after: Option<Duration>, owner: &AlarmOwner<'_>) {
        self.wanted = after.map(|after| Instant::now() + after);
        self.arm(owner);
    }

    /// The timer expired; true if that is what was wanted.
    pub fn expired(&mut self, owner: &AlarmOwner<'_>) -> bool {
        self.armed = None;
        if self.wanted.is_some_and(|wanted| wanted <= Instant::now()) {
            self.wanted = None;
            return true;
        }
        self.arm(owner);
        false
    }

    pub fn disarm(&mut self, runtime: &Runtime) {
        self.wanted = None;
        if let Some((timer, _)) = self.armed.take() {
            runtime.reactor.disarm(timer);
        }
    }

    fn arm(&mut self, owner: &AlarmOwner<'_>) {
        let Some(wanted) = self.wanted else { return };
        match self.armed {
            Some((_, at)) if at <= wanted => return,
            Some((timer, _)) => owner.runtime.reactor.disarm(timer),
            None => {}
        }
        let Some(source) = owner.source.upgrade() else { return };
        let timer = owner.runtime.reactor.arm(wanted, source, Key::Protocol(owner.context).pack());
        self.armed = Some((timer, wanted));
    }
}
