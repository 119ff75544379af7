//! A socket, as its user sees it.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use crate::core::options::{self, OptionValue};
use crate::core::statistics::Statistics;
use crate::core::{ContextId, Error, Kind, Result, SocketCore};
use crate::sys::eventfd::SharedFd;
use crate::transport::source::Source;
use crate::transport::{CheckedOption, system};

use super::guard::{SocketGuard, StateLock, StatePlace};
use super::runtime::Runtime;
use super::state::SocketState;
use super::waiters::Side;
use super::work::Work;

/// A nanomsg socket. All methods may be called from any thread, also several at a time on one socket. Close it with
/// [`EngineSocket::close`]; one that is dropped keeps its descriptors until its session ends.
pub struct EngineSocket {
    kind: &'static Kind,
    raw: bool,
    state: StateLock,
    me: Weak<EngineSocket>,
    /// Has, or had, an endpoint whose events come through the poll: its waiting callers should poll.
    on_wire: AtomicBool,
}

impl std::fmt::Debug for EngineSocket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Socket({:?})", self.kind)
    }
}

impl EngineSocket {
    pub(super) fn new(runtime: Arc<Runtime>, core: SocketCore, place: Arc<StatePlace>) -> Arc<EngineSocket> {
        Arc::new_cyclic(|me| EngineSocket {
            kind: core.kind(),
            raw: core.is_raw(),
            state: StateLock::new(SocketState::new(runtime, core, Weak::clone(me) as Weak<dyn Source>), place),
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

    /// Where its state is, for who wants to send and receive without holding the socket; `None` if that is of no use, since what is sent
    /// depends on what was received, or the other way round. (A SUB has contexts, but nothing that it sends.)
    pub fn place(&self) -> Option<&Arc<StatePlace>> {
        (self.kind.contexts.is_none() || !self.kind.can_send).then(|| self.state.place())
    }

    /// Gives up the request or the survey that was sent last, or the request that was received last, as if it had not been.
    /// `ENOTSUP` (not of the types REQ, REP, SURVEYOR and RESPONDENT, or raw), `EBADF`.
    pub fn cancel(&self) -> Result<()> {
        self.cancel_in(ContextId::SOCKET)
    }

    /// Sets an option: level 0 is generic, a socket type its protocol's, a negative number a transport's.
    /// `EINVAL` for a bad value or length, `ENOPROTOOPT` for an option that is unknown here or read-only.
    pub fn set_option(&self, level: i32, option: i32, value: &[u8]) -> Result<()> {
        if level < 0 || system::has(level, option) {
            let checked = CheckedOption::of(level, option, value)?;
            return self.with_open(|state| {
                state.transport_options.set(checked);
                Ok(())
            });
        }
        self.with_open(|state| {
            state.core.set_option(level, option, value)?;
            state.options_changed();
            Ok(())
        })
    }

    /// Reads an option. SNDFD and RCVFD make their descriptor when they are first read.
    pub fn option(&self, level: i32, option: i32) -> Result<OptionValue> {
        self.option_in(ContextId::SOCKET, level, option)
    }

    pub(super) fn cancel_in(&self, context: ContextId) -> Result<()> {
        self.with_context(context, |state| {
            state.core.cancel(context, &mut state.pipes)?;
            // Whoever waits for an answer, or until there is room for one, is told that there will be none.
            let mut work = Work::new();
            for side in [Side::Recv, Side::Send] {
                state.waiters_of(context, side).wake_all(side, &mut work);
            }
            state.pipes.work.extend(work);
            Ok(())
        })
    }

    pub(super) fn option_in(&self, context: ContextId, level: i32, option: i32) -> Result<OptionValue> {
        self.with_context(context, |state| match (level, option) {
            (0, options::SNDFD | options::RCVFD) => {
                Ok(OptionValue::Int(self.descriptor(state, context, option)?.as_raw_fd()))
            }
            (0, options::LAST_ENDPOINT) => Ok(OptionValue::Text(state.endpoints.last_bound.clone())),
            _ if level < 0 || system::has(level, option) => state.transport_options.get(level, option),
            _ => state.core.option(context, level, option),
        })
    }

    pub(super) fn descriptor_in(&self, context: ContextId, option: i32) -> Result<SharedFd> {
        self.with_context(context, |state| self.descriptor(state, context, option))
    }

    pub(super) fn descriptor_for_loop(&self, context: ContextId, option: i32) -> Result<SharedFd> {
        self.with_context(context, |state| self.notification(state, context, option))
    }

    fn descriptor(&self, state: &mut SocketState, context: ContextId, option: i32) -> Result<SharedFd> {
        let fd = self.notification(state, context, option)?;
        state.keep_polling();
        Ok(fd)
    }

    fn notification(&self, state: &mut SocketState, context: ContextId, option: i32) -> Result<SharedFd> {
        match option {
            options::SNDFD if self.kind.can_send => state.notification(context, Side::Send),
            options::RCVFD if self.kind.can_recv => state.notification(context, Side::Recv),
            _ => Err(Error::NO_PROTO_OPT),
        }
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

    /// As [`EngineSocket::with`], for a socket that is not being closed.
    pub(super) fn with_open<T>(&self, look: impl FnOnce(&mut SocketState) -> Result<T>) -> Result<T> {
        self.with(|state| if state.is_open() { look(state) } else { Err(Error::BAD_FD) })
    }

    /// As [`EngineSocket::with_open`], for a context that is not being closed either.
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
