//! An eventfd as a level: readable while it is raised. The face of SNDFD and RCVFD.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};

use super::Owned;

#[derive(Debug)]
pub struct EventFd {
    file: Owned<OwnedFd>,
    raised: bool,
}

impl EventFd {
    pub fn new() -> io::Result<EventFd> {
        let file = Owned::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Ok(EventFd { file, raised: false })
    }

    /// Makes the descriptor readable or not; a no-op if it already is so.
    pub fn set(&mut self, raised: bool) {
        if raised == self.raised {
            return;
        }
        self.raised = raised;
        // Neither can fail: the counter never exceeds one, and it is read only when it is one.
        let _ = match raised {
            true => rustix::io::write(&*self.file, &1u64.to_ne_bytes()),
            false => rustix::io::read(&*self.file, &mut [0; 8]),
        };
    }

    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}
