//! Events that are put off. A socket in the midst of a call needs to know of none before the call is done; to wait for that
//! would make the call wait for us next. So whoever polls next tells them: the caller itself, if it comes to that, or the I/O
//! thread a moment later. And who polls and has found what it waited for leaves to others what it has fetched for them, when telling it
//! takes long ([`Relief`](super::turn::Relief)).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::sync::Mutex;

/// How often an event is put off.
const PATIENCE: u8 = 4;

/// What becomes of an event for somebody who is busy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Busy {
    Wait,
    /// For who looks again soon.
    Defer,
}

pub struct PendingEvent {
    pub source: Arc<dyn Source>,
    pub key: u64,
    pub ready: Ready,
    /// How often it was put off.
    pub put_off: u8,
}

/// Nothing is told under its lock: the one who tells may be held up.
#[derive(Default)]
pub struct PendingEvents {
    events: Mutex<Vec<PendingEvent>>,
    some: AtomicBool,
}

impl PendingEvents {
    pub fn is_empty(&self) -> bool {
        !self.some.load(Ordering::Relaxed)
    }

    /// Tells what was put off, in its order, until the teller `is_relieved`. False: it was, and the rest waits on, before what others have put off.
    pub fn tell_all(&self, busy: Busy, mut is_relieved: impl FnMut() -> bool) -> bool {
        if self.is_empty() {
            return true;
        }
        let all = {
            let mut events = self.events.lock();
            self.some.store(false, Ordering::Relaxed);
            std::mem::take(&mut *events)
        };
        let mut left = all.into_iter();
        while let Some(event) = left.next() {
            self.tell(event, busy);
            if !left.as_slice().is_empty() && is_relieved() {
                let mut events = self.events.lock();
                self.some.store(true, Ordering::Relaxed);
                events.splice(0..0, left);
                return false;
            }
        }
        true
    }

    /// Leaves one to whoever polls next.
    pub fn put_off(&self, event: PendingEvent) {
        let mut all = self.events.lock();
        self.some.store(true, Ordering::Relaxed);
        all.push(event);
    }

    pub fn tell(&self, event: PendingEvent, busy: Busy) {
        if busy == Busy::Defer && event.put_off < PATIENCE && event.source.is_busy() {
            self.put_off(PendingEvent { put_off: event.put_off + 1, ..event });
        } else {
            event.source.ready(event.key, event.ready);
        }
    }
}
