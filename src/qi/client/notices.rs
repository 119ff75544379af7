//! Notices of what becomes of a session, or of a service: lost, back again; and of services that come and go.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use crate::qi::calls::Result;
use crate::qi::endpoint::{Reason, contained};
use crate::sys::sync::Mutex;

use super::strand::Strand;
use super::watch::{Watch, Watched};

/// Notices that wait for one function. Beyond, the oldest are dropped.
const MOST: usize = 10_000;

/// What has become of a session ([`super::Session::on_notice`]) or of a proxy's object ([`super::Proxy::on_notice`]).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The connection has ended, or the service has gone (then [`Reason::Removed`]).
    Lost(Reason),
    /// It is there again. Of a session: services may have come and gone in between that nobody has told of.
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
    waiting: Mutex<VecDeque<Notice>>,
    strand: OnceLock<Weak<Strand>>,
    closed: AtomicBool,
    missed: AtomicU64,
}

impl Notices {
    /// Has `callback` told from now on, on a thread that it shares with others. What is lost already is the first that it is told.
    pub fn listen(&self, mut callback: impl FnMut(Notice) + Send + 'static) -> Result<Watch> {
        let (waiting, closed) = (Mutex::default(), AtomicBool::new(false));
        let listener = Arc::new(NoticeListener { waiting, strand: OnceLock::new(), closed, missed: AtomicU64::new(0) });
        let source = Arc::clone(&listener);
        let strand = Strand::new(move || {
            let next = source.waiting.lock().pop_front();
            let Some(notice) = next.filter(|_| !source.closed.load(Ordering::Acquire)) else { return false };
            contained(|| callback(notice));
            true
        })?;
        let _ = listener.strand.set(Arc::downgrade(&strand));
        {
            let mut state = self.0.lock();
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
        {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= MOST {
                waiting.pop_front();
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
            waiting.push_back(notice);
        }
        if let Some(strand) = self.strand.get().and_then(Weak::upgrade) {
            strand.wake();
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
