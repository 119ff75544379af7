//! A socket, as its user sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use crate::core::options::{self, OptionValue};
use crate::core::socket::Progress;
use crate::core::statistics::Statistics;
use crate::core::{ContextId, Error, Kind, Message, Result, SocketCore};
use crate::reactor::WaitMode;
use crate::reactor::parker::Parker;
use crate::transport::source::Source;
use crate::transport::system;

use super::blocking::{Wait, patience};
use super::guard::{SocketGuard, StateLock};
use super::runtime::Runtime;
use super::state::SocketState;
use super::waiters::Side;
use super::work::Work;

/// A nanomsg socket. All methods may be called from any thread, also several at a time on one socket. Close it with
/// [`Socket::close`]; one that is dropped keeps its descriptors until its session ends.
pub struct Socket {
    kind: &'static Kind,
    raw: bool,
    state: StateLock,
    me: Weak<Socket>,
    /// Has, or had, an endpoint whose events come through the poll: its waiting callers should poll.
    on_wire: AtomicBool,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Socket({:?})", self.kind)
    }
}

impl Socket {
    pub(super) fn new(runtime: Arc<Runtime>, core: SocketCore) -> Arc<Socket> {
        Arc::new_cyclic(|me| Socket {
            kind: core.kind(),
            raw: core.is_raw(),
            state: StateLock::new(SocketState::new(runtime, core, Weak::clone(me) as Weak<dyn Source>)),
            me: Weak::clone(me),
            on_wire: AtomicBool::new(false),
        })
    }

    /// Type, name and abilities.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Whether it was opened raw (`AF_SP_RAW`): its user sees headers, and no state is kept between messages.
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// Sends a message, and gives the body's length; what is left of the message means nothing then. On any error it is
    /// left as it was.
    /// `ENOTSUP`, `EAGAIN`, `ETIMEDOUT`, `EINTR`, `EBADF`, `EFSM`, `EINVAL` (nanomsg-api.md 2.5).
    pub fn send(&self, message: &mut Message<'_>, wait: Wait) -> Result<usize> {
        self.send_in(ContextId::SOCKET, message, wait)
    }

    /// As [`Socket::send`], to the one peer whose connection has this number ([`Peer::pipe`], [`Event::pipe`]); waits for as long as it takes
    /// no more. `EHOSTUNREACH`: it is not there, or no more; `ENOTSUP` for a full REQ, REP, SURVEYOR or RESPONDENT, `EINVAL` for an answer of a
    /// raw REP or RESPONDENT without the header of what it answers.
    ///
    /// [`Peer::pipe`]: crate::core::Peer::pipe
    /// [`Event::pipe`]: super::Event::pipe
    pub fn send_to(&self, pipe: u64, message: &mut Message<'_>, wait: Wait) -> Result<usize> {
        let mut guard = self.lock();
        let outcome = match guard.send_to(pipe, message) {
            Progress::Done(size) => Ok(size),
            Progress::Failed(error) => Err(error),
            Progress::NotNow => {
                return self
                    .until_done(guard, (ContextId::SOCKET, Side::SendTo), wait, |state| state.send_to(pipe, message));
            }
        };
        guard.finish();
        outcome
    }

    /// Receives a message. Errors as for [`Socket::send`] (nanomsg-api.md 2.6).
    pub fn recv(&self, wait: Wait) -> Result<Message<'static>> {
        let mut message = Message::default();
        self.recv_into(&mut message, wait).map(|()| message)
    }

    /// Receives a message where the caller has a place for it; what is there means nothing on an error.
    pub fn recv_into(&self, into: &mut Message<'_>, wait: Wait) -> Result<()> {
        self.recv_in(ContextId::SOCKET, into, wait)
    }

    /// Gives back a message just received, as it was: the next receive gets it again. For who has no memory to hand it over.
    pub fn give_back(&self, message: Message<'static>) {
        self.with(|state| state.core.give_back(ContextId::SOCKET, message));
    }

    /// Gives up the request or the survey that was sent last, or the request that was received last, as if it had not been.
    /// `ENOTSUP` (not of the types REQ, REP, SURVEYOR and RESPONDENT, or raw), `EBADF`.
    pub fn cancel(&self) -> Result<()> {
        self.cancel_in(ContextId::SOCKET)
    }

    /// Sets an option: level 0 is generic, a socket type its protocol's, a negative number a transport's.
    /// `EINVAL` for a bad value or length, `ENOPROTOOPT` for an option that is unknown here or read-only.
    pub fn set_option(&self, level: i32, option: i32, value: &[u8]) -> Result<()> {
        self.with_open(|state| {
            if level < 0 || system::has(level, option) {
                return state.transport_options.set(level, option, value);
            }
            state.core.set_option(level, option, value)?;
            state.options_changed();
            Ok(())
        })
    }

    /// Reads an option. SNDFD and RCVFD make their descriptor when they are first read.
    pub fn option(&self, level: i32, option: i32) -> Result<OptionValue> {
        self.option_in(ContextId::SOCKET, level, option)
    }

    pub(super) fn send_in(&self, context: ContextId, message: &mut Message<'_>, wait: Wait) -> Result<usize> {
        if !self.kind.can_send {
            return Err(Error::NOT_SUPPORTED);
        }
        let mut guard = self.lock();
        let outcome = match guard.send(context, message) {
            Progress::Done(size) => Ok(size),
            Progress::Failed(error) => Err(error),
            Progress::NotNow => {
                return self.until_done(guard, (context, Side::Send), wait, |state| state.send(context, message));
            }
        };
        guard.finish();
        outcome
    }

    pub(super) fn recv_in(&self, context: ContextId, into: &mut Message<'_>, wait: Wait) -> Result<()> {
        if !self.kind.can_recv {
            return Err(Error::NOT_SUPPORTED);
        }
        let mut guard = self.lock();
        let outcome = match guard.recv(context, into) {
            Progress::Done(()) => Ok(()),
            Progress::Failed(error) => Err(error),
            Progress::NotNow => {
                return self.until_done(guard, (context, Side::Recv), wait, |state| state.recv(context, into));
            }
        };
        guard.finish();
        outcome
    }

    pub(super) fn cancel_in(&self, context: ContextId) -> Result<()> {
        self.with_context(context, |state| {
            state.core.cancel(context, &mut state.pipes)?;
            // Whoever waits for an answer is told that there will be none.
            let mut work = Work::new();
            state.waiters_of(context, Side::Recv).wake_receivers(&mut work);
            state.pipes.work.extend(work);
            Ok(())
        })
    }

    pub(super) fn option_in(&self, context: ContextId, level: i32, option: i32) -> Result<OptionValue> {
        self.with_context(context, |state| match (level, option) {
            (0, options::SNDFD) if self.kind.can_send => state.notification(context, Side::Send),
            (0, options::RCVFD) if self.kind.can_recv => state.notification(context, Side::Recv),
            (0, options::LAST_ENDPOINT) => Ok(OptionValue::Text(state.endpoints.last_bound.clone())),
            _ if level < 0 || system::has(level, option) => state.transport_options.get(level, option),
            _ => state.core.option(context, level, option),
        })
    }

    /// A first try has come to nothing: leave, wait, lock, try; until a try has an outcome. (By itself, so that a call that need not
    /// wait does not prepare for it.)
    #[cold]
    #[inline(never)]
    fn until_done<'s, T>(
        &'s self,
        mut guard: SocketGuard<'s>,
        (context, side): (ContextId, Side),
        wait: Wait,
        mut attempt: impl FnMut(&mut SocketState) -> Progress<T>,
    ) -> Result<T> {
        let reactor = &self.runtime().reactor;
        let mode = WaitMode { polls: self.polls(), spins: guard.core.options.spin != 0, ..WaitMode::POLLING };
        let deadline = match patience(wait, guard.time_limit(context, side)) {
            Ok(deadline) => deadline,
            Err(not_now) => {
                guard.finish();
                // It may not wait, only see once more what the kernel has.
                if mode.polls {
                    reactor.poll_now();
                }
                return self.with(attempt).outcome().unwrap_or(Err(not_now));
            }
        };
        let me = Parker::mine();
        me.take_notice();
        guard.waiters_of(context, side).add(side, &me);
        guard.finish();
        reactor.wait_on(&me, deadline, mode, |me, stay| {
            self.with(|state| {
                state.waiters_of(context, side).remove(side, me);
                let outcome = attempt(state).outcome();
                if outcome.is_none() && stay {
                    state.waiters_of(context, side).add(side, me);
                }
                outcome
            })
        })?
    }

    /// The counter with nanomsg's number; `EINVAL` if there is none such.
    pub fn statistic(&self, stat: i32) -> Result<u64> {
        if self.polls() {
            self.runtime().reactor.poll_now();
        }
        self.with_open(|state| state.core.statistic(stat))
    }

    /// All counters at once.
    pub fn statistics(&self) -> Result<Statistics> {
        if self.polls() {
            self.runtime().reactor.poll_now();
        }
        self.with_open(|state| Ok(state.core.statistics.clone()))
    }

    /// Whoever locks a socket has to [finish](SocketGuard::finish).
    #[inline]
    pub(super) fn lock(&self) -> SocketGuard<'_> {
        self.state.lock()
    }

    /// Looks at the state or changes it, and finishes.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut SocketState) -> T) -> T {
        let mut guard = self.lock();
        let outcome = look(&mut guard);
        guard.finish();
        outcome
    }

    /// As [`Socket::with`], for a socket that is not being closed.
    pub(super) fn with_open<T>(&self, look: impl FnOnce(&mut SocketState) -> Result<T>) -> Result<T> {
        self.with(|state| if state.is_open() { look(state) } else { Err(Error::BAD_FD) })
    }

    /// As [`Socket::with_open`], for a context that is not being closed either.
    pub(super) fn with_context<T>(
        &self,
        context: ContextId,
        look: impl FnOnce(&mut SocketState) -> Result<T>,
    ) -> Result<T> {
        self.with(|state| if state.has_open(context) { look(state) } else { Err(Error::BAD_FD) })
    }

    /// Should a waiting caller poll, rather than just sleep?
    #[inline]
    pub(super) fn polls(&self) -> bool {
        self.on_wire.load(Ordering::Relaxed)
    }

    pub(super) fn now_polls(&self) {
        self.on_wire.store(true, Ordering::Relaxed);
    }

    pub(super) fn state_lock(&self) -> &StateLock {
        &self.state
    }

    pub(super) fn runtime(&self) -> &Arc<Runtime> {
        self.state.runtime()
    }

    /// Itself, as whoever is told what happens. `None` if nobody holds it any more.
    pub(super) fn source(&self) -> Option<Arc<dyn Source>> {
        self.me.upgrade().map(|me| me as Arc<dyn Source>)
    }
}
