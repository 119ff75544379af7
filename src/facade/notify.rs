//! SNDFD and RCVFD: readiness for foreign event loops.

use crate::core::{Readiness, Result};
use crate::sys::eventfd::{EventFd, SharedFd};

use super::waiters::Side;

/// The descriptors, made when they are first asked for.
#[derive(Default)]
pub struct Notify {
    send: Option<EventFd>,
    recv: Option<EventFd>,
}

impl Notify {
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.send.is_some() || self.recv.is_some()
    }

    pub fn set(&mut self, ready: Readiness) {
        for (event, ready) in [(&mut self.send, ready.send), (&mut self.recv, ready.recv)] {
            if let Some(event) = event {
                event.set(ready);
            }
        }
    }

    pub fn descriptor(&mut self, side: Side) -> Result<SharedFd> {
        let slot = match side {
            Side::Send | Side::SendTo => &mut self.send,
            Side::Recv => &mut self.recv,
        };
        let event = match slot {
            Some(event) => event,
            None => slot.insert(EventFd::new()?),
        };
        Ok(event.share())
    }
}
