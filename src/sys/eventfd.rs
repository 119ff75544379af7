//! An eventfd as a level: readable while it is raised. The face of SNDFD and RCVFD.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::Owned;

#[derive(Debug)]
pub struct EventFd {
    file: Arc<Owned<OwnedFd>>,
    raised: bool,
}

impl EventFd {
    pub fn new() -> io::Result<EventFd> {
        Ok(EventFd { file: Arc::new(open()?), raised: false })
    }

    /// Makes the descriptor readable or not; a no-op if it already is so.
    pub fn set(&mut self, raised: bool) {
        if raised == self.raised || !self.file.is_ours() {
            return;
        }
        self.raised = raised;
        // Neither can fail: the counter never exceeds one, and it is read only when it is one.
        let _ = match raised {
            true => rustix::io::write(&**self.file, &1u64.to_ne_bytes()),
            false => rustix::io::read(&**self.file, &mut [0; 8]),
        };
    }

    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Keeps the descriptor open.
    pub fn share(&self) -> SharedFd {
        SharedFd(Arc::clone(&self.file))
    }
}

/// The descriptor of an `EventFd`, which stays open as long as somebody has it.
#[derive(Debug)]
pub struct SharedFd(Arc<Owned<OwnedFd>>);

impl AsRawFd for SharedFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// An eventfd that is rung, for whoever polls it.
#[derive(Debug)]
pub struct Bell(Owned<OwnedFd>);

impl Bell {
    pub fn new() -> io::Result<Bell> {
        open().map(Bell)
    }

    /// Fails if the program has closed it.
    pub fn ring(&self) -> io::Result<()> {
        if !self.0.is_ours() {
            return Err(Errno::BADF.into());
        }
        rustix::io::write(&*self.0, &1u64.to_ne_bytes())?;
        Ok(())
    }

    /// Waits until it is rung, for at most so long (`None`: for ever). `ETIMEDOUT`; `EINTR`; `EBADF` if the program has closed it.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<()> {
        if !self.0.is_ours() {
            return Err(Errno::BADF.into());
        }
        // What is more than that is for ever.
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut [PollFd::new(&*self.0, PollFlags::IN)], limit.as_ref())? {
            0 => Err(Errno::TIMEDOUT.into()),
            _ => Ok(()),
        }
    }

    /// Forgets that it was rung.
    pub fn still(&self) {
        if self.0.is_ours() {
            // Nothing to read: it was not.
            let _ = rustix::io::read(&*self.0, &mut [0u8; 8]);
        }
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn open() -> io::Result<Owned<OwnedFd>> {
    Owned::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}
