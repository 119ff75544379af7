//! Notices of what becomes of a session, or of a service: lost, back again; and of services that come and go.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use crate::qi::calls::Result;
use crate::qi::endpoint::{Reason, contained};
use crate::sys::sync::Mutex;

use super::strand::Strand;
use super::watch::{Watch, Watched};

/// Notices that wait for one function, and bytes of the names in them. Beyond, those of services are dropped, and a
/// [`Notice::Restored`] stands for them.
const MOST: usize = 10_000;
const BYTES: usize = 1024 * 1024;

/// What has become of a session ([`super::Session::on_notice`]) or of a proxy's object ([`super::Proxy::on_notice`]).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The connection has ended, or the service has gone (then [`Reason::Removed`]).
    Lost(Reason),
    /// It is there again. Of a session: services may have come and gone in between that nobody has told of, so look again. That
    /// is told as well in place of what is too much to wait for a function that takes its time: 10,000 notices, or 1 MiB of names.
    Restored,
    /// A service is ready. Of a session only.
    ServiceAdded {
        /// Its id.
        id: u32,
        /// Its name.
        name: String,
    },
    /// A service is no more. Of a session only.
    ServiceRemoved {
        /// Its id.
        id: u32,
        /// Its name.
        name: String,
    },
}

/// Who is told what becomes of one thing, and whether it is there, as far as they know.
#[derive(Debug)]
pub(super) struct Notices(Mutex<NoticesState>);

#[derive(Debug)]
struct NoticesState {
    is_there: bool,
    listeners: Vec<Weak<NoticeListener>>,
}

impl Default for Notices {
    /// Of what is there.
    fn default() -> Notices {
        Notices(Mutex::new(NoticesState { is_there: true, listeners: Vec::new() }))
    }
}

/// A function, and what it is yet to be told.
#[derive(Debug)]
struct NoticeListener {
    waiting: Mutex<WaitingNotices>,
    strand: OnceLock<Weak<Strand>>,
    closed: AtomicBool,
    missed: AtomicU64,
}

/// In order.
#[derive(Debug, Default)]
struct WaitingNotices {
    notices: VecDeque<Notice>,
    /// Of the names in them.
    bytes: usize,
}

impl Notices {
    /// Has `callback` told from now on, on a thread that it shares with others. What is lost already is the first that it is told.
    pub fn listen(&self, mut callback: impl FnMut(Notice) + Send + 'static) -> Result<Watch> {
        let (waiting, closed) = (Mutex::default(), AtomicBool::new(false));
        let listener = Arc::new(NoticeListener { waiting, strand: OnceLock::new(), closed, missed: AtomicU64::new(0) });
        let source = Arc::clone(&listener);
        let strand = Strand::new(move || {
            let next = source.waiting.lock().take();
            let Some(notice) = next.filter(|_| !source.closed.load(Ordering::Acquire)) else { return false };
            contained(|| callback(notice));
            true
        })?;
        let _ = listener.strand.set(Arc::downgrade(&strand));
        {
            let mut state = self.0.lock();
            state.listeners.retain(|listener| listener.strong_count() > 0);
            state.listeners.push(Arc::downgrade(&listener));
            if !state.is_there {
                listener.tell(Notice::Lost(Reason::Closed));
            }
        }
        Ok(Watch::new(listener, strand))
    }

    pub fn tell(&self, notice: &Notice) {
        self.0.lock().tell(notice);
    }

    /// Looks whether it is there, and tells if that has changed. `why` it would not be.
    pub fn look(&self, is_there: impl FnOnce() -> bool, why: &Reason) {
        let mut state = self.0.lock();
        let now = is_there();
        if std::mem::replace(&mut state.is_there, now) != now {
            state.tell(&if now { Notice::Restored } else { Notice::Lost(why.clone()) });
        }
    }
}

impl NoticesState {
    fn tell(&mut self, notice: &Notice) {
        self.listeners.retain(|listener| {
            let listener = listener.upgrade();
            listener.inspect(|listener| listener.tell(notice.clone())).is_some()
        });
    }
}

impl NoticeListener {
    fn tell(&self, notice: Notice) {
        let dropped = self.waiting.lock().add(notice);
        self.missed.fetch_add(dropped, Ordering::Relaxed);
        if let Some(strand) = self.strand.get().and_then(Weak::upgrade) {
            strand.wake();
        }
    }
}

impl WaitingNotices {
    fn take(&mut self) -> Option<Notice> {
        let next = self.notices.pop_front()?;
        self.bytes -= next.size();
        Some(next)
    }

    /// How many had to be dropped for it. That the thing is lost, or back, is none of them, unless nothing else waits.
    fn add(&mut self, notice: Notice) -> u64 {
        let before = self.notices.len();
        let is_too_much = before >= MOST || self.bytes + notice.size() > BYTES;
        if is_too_much {
            self.notices.retain(|waiting| waiting.size() == 0);
            self.bytes = 0;
            if self.notices.len() >= MOST {
                self.notices.pop_front();
            }
        }
        let dropped = before - self.notices.len();
        // What is lost is not back, and what waits says so already; nothing of services comes before it is.
        if dropped > 0 && notice != Notice::Restored && self.notices.is_empty() {
            self.notices.push_back(Notice::Restored);
        }
        self.bytes += notice.size();
        self.notices.push_back(notice);
        dropped as u64
    }
}

impl Notice {
    /// Bytes of the name of the service that it is of.
    fn size(&self) -> usize {
        match self {
            Notice::ServiceAdded { name, .. } | Notice::ServiceRemoved { name, .. } => name.len().max(1),
            _ => 0,
        }
    }
}

impl Watched for NoticeListener {
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(id: u32, length: usize) -> Notice {
        Notice::ServiceAdded { id, name: "x".repeat(length) }
    }

    /// What a watcher that stands still is told when it goes on.
    fn told(waiting: &mut WaitingNotices) -> Vec<Notice> {
        std::iter::from_fn(|| waiting.take()).collect()
    }

    #[test]
    fn what_is_too_much_to_wait_is_told_as_a_reason_to_look_again() {
        for (length, fit) in [(5, MOST), (BYTES / 16, 16)] {
            let mut waiting = WaitingNotices::default();
            let lost = Notice::Lost(Reason::Closed);
            assert_eq!(waiting.add(lost.clone()) + waiting.add(Notice::Restored), 0);
            let services = if fit == MOST { fit - 2 } else { fit };
            assert_eq!((0..services).map(|id| waiting.add(added(id as u32, length))).sum::<u64>(), 0);
            assert_eq!(waiting.add(added(77_777, length)), services as u64, "of {length} bytes");
            assert_eq!(told(&mut waiting), [lost, Notice::Restored, added(77_777, length)]);
            assert_eq!(waiting.bytes, 0);
        }
    }

    #[test]
    fn one_reason_to_look_again_is_enough() {
        let mut waiting = WaitingNotices::default();
        let dropped: u64 = (0..40).map(|id| waiting.add(added(id, BYTES / 16))).sum();
        assert_eq!(dropped, 32);
        let told = told(&mut waiting);
        assert_eq!((told.len(), &told[0], &told[1]), (9, &Notice::Restored, &added(32, BYTES / 16)));
    }

    #[test]
    fn a_session_that_is_lost_and_found_for_ever_takes_no_more() {
        let mut waiting = WaitingNotices::default();
        for _ in 0..MOST {
            waiting.add(Notice::Lost(Reason::Closed));
            waiting.add(Notice::Restored);
        }
        assert!(waiting.notices.len() <= MOST + 1);
    }
}
