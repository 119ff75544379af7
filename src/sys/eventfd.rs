//! An eventfd as a level: readable while it is raised. The face of SNDFD and RCVFD.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use super::Owned;

#[derive(Debug)]
pub struct EventFd {
    file: Owned<File>,
    raised: bool,
}

impl EventFd {
    pub fn new() -> io::Result<EventFd> {
        Ok(EventFd { file: open()?, raised: false })
    }

    /// Makes the descriptor readable or not; a no-op if it already is so.
    pub fn set(&mut self, raised: bool) {
        if raised == self.raised || !self.file.is_ours() {
            return;
        }
        self.raised = raised;
        // Neither can fail: the counter never exceeds one, and it is read only when it is one.
        let _ = match raised {
            true => (&*self.file).write(&1u64.to_ne_bytes()),
            false => (&*self.file).read(&mut [0; 8]),
        };
    }

    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// An eventfd that is only ever rung, for a poll that watches its edges.
#[derive(Debug)]
pub struct Bell(Owned<File>);

impl Bell {
    pub fn new() -> io::Result<Bell> {
        open().map(Bell)
    }

    /// Fails if the program has closed it.
    pub fn ring(&self) -> io::Result<()> {
        (&*self.0).write(&1u64.to_ne_bytes()).map(drop)
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn open() -> io::Result<Owned<File>> {
    // SAFETY: eventfd takes two integers and touches no memory.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and owned by nobody else.
    Ok(Owned::new(unsafe { File::from_raw_fd(fd) }))
}
