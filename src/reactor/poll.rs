//! The kernel's poll: what is watched, and who sleeps on it how.
//!
//! Several threads may use it at a time, each with room of its own: who waits for what is not its business. Its system calls are
//! made directly and not by the C library, whose own are points where a thread may be cancelled in our midst.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};

use crate::sys::Owned;
use crate::sys::descriptor::borrow;
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

/// A descriptor that becomes readable when it is rung.
#[derive(Debug)]
pub struct Bell(Owned<OwnedFd>);

impl Bell {
    pub fn new() -> io::Result<Bell> {
        Ok(Bell(Owned::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    pub fn ring(&self) {
        // It fails only if the counter overflows: then it has been rung before.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    fn still(&self) {
        // Nothing to read: it has not been rung.
        let _ = rustix::io::read(&*self.0, &mut [0u8; 8]);
    }
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
        let epoll = Owned::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let bell = Bell::new()?;
        // Edge-triggered, so what it counts need not be read.
        epoll::add(&*epoll, &*bell.0, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
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

    /// Fetches what is there, after at most `timeout`; a signal ends that early, whether a handler ran or not.
    pub fn fetch<'r>(&self, room: &'r mut Room, timeout: Option<Duration>) -> &'r [Event] {
        let timeout = timeout.map(timespec);
        // It fails only if it is interrupted.
        epoll::wait(&*self.epoll, &mut room[..], timeout.as_ref()).map_or(&[], |(fetched, _)| fetched)
    }

    /// Sleeps until there is something to fetch, or the other bell is rung. `Interrupted`: a signal handler ran, with SA_RESTART or
    /// without. Being stopped and continued, or traced, is no reason to end: so it is with poll(2), but not with epoll_wait(2).
    pub fn sleep(&self, timeout: Option<Duration>, other: RawFd) -> io::Result<()> {
        let timeout = timeout.map(timespec);
        let other = PollFd::from_borrowed_fd(borrow(other), PollFlags::IN);
        rustix::event::poll(&mut [PollFd::new(&*self.epoll, PollFlags::IN), other], timeout.as_ref())?;
        Ok(())
    }

    /// Ends the sleep of who polls; of one of them, if there are several.
    pub fn wake(&self) {
        self.bell.ring();
    }

    /// Sleeps until there is something to fetch, which is left to others, or until [`Poll::wake_watcher`].
    pub fn watch(&self, timeout: Option<Duration>) -> Seen {
        let timeout = timeout.map(timespec);
        let mut fds = [PollFd::new(&*self.epoll, PollFlags::IN), PollFd::new(&*self.watcher.0, PollFlags::IN)];
        // It fails only if it is interrupted.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
        let [events, rung] = fds.map(|fd| !fd.revents().is_empty());
        if rung {
            self.watcher.still();
        }
        if events || rung { Seen::Something } else { Seen::Nothing }
    }

    pub fn wake_watcher(&self) {
        self.watcher.ring();
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
