//! Events: what becomes of a socket's endpoints and connections, told to whoever asked for it (docs/monitor.md).
//!
//! A socket that nobody monitors makes no events. Queues are leaves among the locks: they are filled under the socket's.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::core::{Error, Result};
use crate::reactor::deadline_in;
use crate::sys::descriptor::borrow;
use crate::sys::eventfd::EventFd;

/// Events that wait for a reader; of more, the oldest are dropped, and the next one read says how many.
pub const CAPACITY: usize = 1024;

/// Something happened to an endpoint, or to a connection of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What has happened.
    pub kind: EventKind,
    /// When.
    pub time: SystemTime,
    /// How many events were dropped just before this one, since nobody read them.
    pub dropped: u64,
    /// What `bind` or `connect` returned.
    pub endpoint: i32,
    /// Its address as it was given, a port that the system chose being filled in.
    pub address: Vec<u8>,
    /// The connection, by a number that is not used again soon; 0 if it is about none.
    pub pipe: u64,
    /// The other end: an IP address with its port, over ipc the process with its user and group; empty if it is not known.
    pub peer: String,
    /// What went wrong, if it did.
    pub error: Option<Error>,
    /// That in words, or more of what happened.
    pub reason: String,
    /// After how long the endpoint tries to connect again, if it does.
    pub retry: Option<Duration>,
}

/// What may happen to an endpoint, or to a connection of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// An endpoint is bound.
    Listening,
    /// An endpoint is no more: it was shut down, or its socket was closed.
    Stopped,
    /// The host's name was resolved; the reason has the addresses.
    Resolved,
    /// The operating system connected us; the peer has not greeted yet.
    Connected,
    /// The operating system accepted a connection; the peer has not greeted yet.
    Accepted,
    /// Both sides have greeted each other: the peer is there.
    Greeted,
    /// There was a connection, but no peer came of it: the reason says why.
    Refused,
    /// A peer is gone. Without an error it was this side that ended the connection.
    Lost,
    /// An attempt to connect failed.
    ConnectFailed,
    /// A connection could not be accepted; it is tried again.
    AcceptFailed,
}

impl EventKind {
    /// As it is called in JSON, and in languages that have no such enumeration.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Listening => "listening",
            EventKind::Stopped => "stopped",
            EventKind::Resolved => "resolved",
            EventKind::Connected => "connected",
            EventKind::Accepted => "accepted",
            EventKind::Greeted => "greeted",
            EventKind::Refused => "refused",
            EventKind::Lost => "lost",
            EventKind::ConnectFailed => "connect_failed",
            EventKind::AcceptFailed => "accept_failed",
        }
    }
}

/// The events of one socket, from the moment at which it was made.
#[derive(Debug)]
pub struct Monitor(Mutex<EventQueue>);

#[derive(Debug)]
struct EventQueue {
    events: VecDeque<Event>,
    dropped: u64,
    /// The socket is closed: nothing follows.
    ended: bool,
    /// Readable while `next` has something to say.
    bell: EventFd,
}

impl Monitor {
    fn new() -> Result<Monitor> {
        let bell = EventFd::new()?;
        Ok(Monitor(Mutex::new(EventQueue { events: VecDeque::new(), dropped: 0, ended: false, bell })))
    }

    /// The next event; waits for one for at most `timeout` (`None`: for ever). `EAGAIN`: there is none, and the timeout is zero;
    /// `ETIMEDOUT`; `EINTR`; `EBADF`: the socket is closed, and all has been read.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Event> {
        let deadline = deadline_in(timeout);
        loop {
            if let Some(outcome) = self.queue().take() {
                return outcome;
            }
            if timeout.is_some_and(|timeout| timeout.is_zero()) {
                return Err(Error::AGAIN);
            }
            self.wait(deadline)?;
        }
    }

    /// Readable while [`Monitor::next`] would not wait. Not to be read or closed.
    pub fn fd(&self) -> RawFd {
        self.queue().bell.fd()
    }

    /// Forgets what was not read, and ends waits for more with `EBADF`.
    pub fn close(&self) {
        self.queue().events.clear();
        self.end();
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<()> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let bell = borrow(self.fd());
        let mut watched = [PollFd::new(&bell, PollFlags::IN)];
        match poll(&mut watched, left.as_ref()).map_err(std::io::Error::from)? {
            0 => Err(Error::TIMED_OUT),
            _ if watched[0].revents().contains(PollFlags::NVAL) => Err(Error::BAD_FD),
            _ => Ok(()),
        }
    }

    fn tell(&self, event: &Event) {
        let mut queue = self.queue();
        if queue.ended {
            return;
        }
        if queue.events.len() == CAPACITY {
            let oldest = queue.events.pop_front().map_or(0, |event| event.dropped);
            queue.dropped += oldest + 1;
        }
        // Without memory for it, it is one more that was dropped.
        if queue.events.try_reserve(1).is_err() {
            queue.dropped += 1;
            return;
        }
        queue.events.push_back(event.clone());
        queue.bell.set(true);
    }

    fn end(&self) {
        let mut queue = self.queue();
        queue.ended = true;
        queue.bell.set(true);
    }

    fn queue(&self) -> MutexGuard<'_, EventQueue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventQueue {
    /// `None`: nothing yet.
    fn take(&mut self) -> Option<Result<Event>> {
        let Some(mut event) = self.events.pop_front() else { return self.ended.then_some(Err(Error::BAD_FD)) };
        event.dropped += std::mem::take(&mut self.dropped);
        if self.events.is_empty() && !self.ended {
            self.bell.set(false);
        }
        Some(Ok(event))
    }
}

/// Who monitors a socket.
#[derive(Default, Debug)]
pub struct Monitors {
    list: Vec<std::sync::Weak<Monitor>>,
}

impl Monitors {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn add(&mut self) -> Result<Arc<Monitor>> {
        let monitor = Arc::new(Monitor::new()?);
        self.list.push(Arc::downgrade(&monitor));
        Ok(monitor)
    }

    /// Tells everybody who still listens.
    pub fn tell(&mut self, event: &Event) {
        self.list.retain(|monitor| match monitor.upgrade() {
            Some(monitor) => {
                monitor.tell(event);
                true
            }
            None => false,
        });
    }

    /// The socket is closed.
    pub fn end(&mut self) {
        for monitor in std::mem::take(&mut self.list) {
            if let Some(monitor) = monitor.upgrade() {
                monitor.end();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(endpoint: i32) -> Event {
        Event {
            kind: EventKind::Listening,
            time: SystemTime::UNIX_EPOCH,
            dropped: 0,
            endpoint,
            address: Vec::new(),
            pipe: 0,
            peer: String::new(),
            error: None,
            reason: String::new(),
            retry: None,
        }
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let mut monitors = Monitors::default();
        let monitor = monitors.add().unwrap();
        for endpoint in 0..CAPACITY as i32 + 3 {
            monitors.tell(&event(endpoint));
        }
        let first = monitor.next(Some(Duration::ZERO)).unwrap();
        assert_eq!((first.endpoint, first.dropped), (3, 3));
        assert_eq!(monitor.next(Some(Duration::ZERO)).unwrap().dropped, 0);
        let rest = std::iter::from_fn(|| monitor.next(Some(Duration::ZERO)).ok()).count();
        assert_eq!(rest, CAPACITY - 2);
        assert_eq!(monitor.next(Some(Duration::ZERO)), Err(Error::AGAIN));
        assert_eq!(monitor.next(Some(Duration::from_millis(1))), Err(Error::TIMED_OUT));
    }

    #[test]
    fn what_was_told_before_the_end_is_read_before_the_end() {
        let mut monitors = Monitors::default();
        let monitor = monitors.add().unwrap();
        monitors.tell(&event(1));
        monitors.end();
        assert_eq!(monitor.next(None).unwrap().endpoint, 1);
        assert_eq!(monitor.next(None), Err(Error::BAD_FD));
        assert_eq!(monitor.next(None), Err(Error::BAD_FD), "and it stays so");
    }

    #[test]
    fn one_that_is_closed_has_and_hears_nothing_more() {
        let mut monitors = Monitors::default();
        let monitor = monitors.add().unwrap();
        monitors.tell(&event(1));
        monitor.close();
        monitors.tell(&event(2));
        assert_eq!(monitor.next(None), Err(Error::BAD_FD));
    }

    #[test]
    fn who_has_gone_is_told_nothing() {
        let mut monitors = Monitors::default();
        drop(monitors.add().unwrap());
        monitors.tell(&event(1));
        assert!(monitors.is_empty());
    }
}
