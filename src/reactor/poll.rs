//! The kernel's poll: what is watched, and who sleeps on it how.
//!
//! Several threads may use it at a time, each with room of its own: who waits for what is not its business. Its system calls are
//! made directly and not by the C library, whose own are points where a thread may be cancelled in our midst.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::sys::descriptor::borrow;
use crate::sys::eventfd::Bell;
use crate::sys::{self, Owned};
use crate::transport::pipe::Ready;

/// The token of the poll's own bell. No registration has it.
pub const BELL: u64 = u64::MAX;

/// Events fetched at once.
const BATCH: usize = 64;

/// Where events are fetched to.
pub type Room = [MaybeUninit<Event>; BATCH];

pub const fn room() -> Room {
    [const { MaybeUninit::uninit() }; BATCH]
}

#[derive(Debug)]
pub struct Poll {
    epoll: Owned<OwnedFd>,
    bell: Bell,
    /// For who watches the poll without being its poller.
    watcher: Bell,
}

/// What a watcher has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Events wait to be fetched, or it was woken.
    Something,
    /// The time is over.
    Nothing,
}

impl Poll {
    pub fn new() -> io::Result<Poll> {
        let epoll = Owned::new(epoll::create(epoll::CreateFlags::CLOEXEC)?)?;
        let bell = Bell::new()?;
        // Edge-triggered, so what it counts need not be read.
        epoll::add(&*epoll, borrow(bell.fd()), EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
        Ok(Poll { epoll, bell, watcher: Bell::new()? })
    }

    pub fn add(&self, fd: RawFd, token: u64, write: bool) -> io::Result<()> {
        Ok(epoll::add(&*self.epoll, borrow(fd), EventData::new_u64(token), interest(write))?)
    }

    /// What is ready already is reported again.
    pub fn change(&self, fd: RawFd, token: u64, write: bool) -> io::Result<()> {
        Ok(epoll::modify(&*self.epoll, borrow(fd), EventData::new_u64(token), interest(write))?)
    }

    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        Ok(epoll::delete(&*self.epoll, borrow(fd))?)
    }

    /// Fetches what is there, after at most `timeout`; a signal ends that early, whether a handler ran or not. Any error means that
    /// the program has closed the poll under us.
    pub fn fetch<'r>(&self, room: &'r mut Room, timeout: Duration) -> io::Result<&'r [Event]> {
        match sys::epoll::fetch(self.epoll.as_raw_fd(), room, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(&[]),
            outcome => outcome,
        }
    }

    /// Sleeps until there is something to fetch, or the other bell is rung. `Interrupted`: a signal handler ran, with SA_RESTART or
    /// without. Being stopped and continued, or traced, is no reason to end: so it is with poll(2), but not with epoll_wait(2).
    /// Any other error is as with [`Poll::fetch`].
    pub fn sleep(&self, timeout: Duration, other: RawFd) -> io::Result<()> {
        let other = PollFd::from_borrowed_fd(borrow(other), PollFlags::IN);
        let mut fds = [PollFd::new(&*self.epoll, PollFlags::IN), other];
        rustix::event::poll(&mut fds, Some(&timespec(timeout)))?;
        let closed = fds.iter().any(|fd| fd.revents().contains(PollFlags::NVAL));
        if closed { Err(Errno::BADF.into()) } else { Ok(()) }
    }

    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        Ok(rustix::io::fcntl_dupfd_cloexec(&*self.epoll, 0)?)
    }

    /// Ends the sleep of who polls; of one of them, if there are several.
    pub fn wake(&self) -> io::Result<()> {
        self.bell.ring()
    }

    /// Sleeps until there is something to fetch, which is left to others, or until [`Poll::wake_watcher`].
    pub fn watch(&self, timeout: Duration) -> Seen {
        let mut fds = [
            PollFd::new(&*self.epoll, PollFlags::IN),
            PollFd::from_borrowed_fd(borrow(self.watcher.fd()), PollFlags::IN),
        ];
        // It fails only if it is interrupted.
        let _ = rustix::event::poll(&mut fds, Some(&timespec(timeout)));
        let [events, rung] = fds.map(|fd| !fd.revents().is_empty());
        if rung {
            self.watcher.still();
        }
        if events || rung { Seen::Something } else { Seen::Nothing }
    }

    pub fn wake_watcher(&self) -> io::Result<()> {
        self.watcher.ring()
    }

    /// Does anything wait to be fetched?
    pub fn has_events(&self) -> bool {
        let mut fds = [PollFd::new(&*self.epoll, PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok_and(|ready| ready > 0)
    }
}

/// What an event says of its descriptor.
pub fn ready(event: &Event) -> Ready {
    let flags = event.flags;
    let any = |wanted: EventFlags| flags.intersects(wanted);
    Ready {
        readable: any(EventFlags::IN | EventFlags::PRI),
        writable: any(EventFlags::OUT),
        closed: any(EventFlags::HUP | EventFlags::ERR) || flags.contains(EventFlags::IN | EventFlags::RDHUP),
    }
}

/// Writability is watched only while somebody has something to write: a unix socket reports it every time
/// its peer reads, which would wake the poller for nothing.
fn interest(write: bool) -> EventFlags {
    let read = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
    if write { read | EventFlags::OUT } else { read }
}

fn timespec(time: Duration) -> Timespec {
    // A wait of some hundred years is one for ever.
    Timespec::try_from(time).unwrap_or(Timespec { tv_sec: i64::from(u32::MAX), tv_nsec: 0 })
}
