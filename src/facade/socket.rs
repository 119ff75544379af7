//! A socket: the monitor around a protocol machine, its pipes and its endpoints.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Instant;

use crate::core::options::{self, OptionValue};
use crate::core::{Cmd, Error, Kind, Message, Readiness, Result, socket};
use crate::reactor::timers::TimerId;
use crate::sys::eventfd::EventFd;
use crate::transport::{TransportOptions, system};

use super::endpoint::Endpoints;
use super::key::Key;
use super::monitor::Monitors;
use super::pipes::PipeTable;
use super::session::Session;
use super::visit::Visit;
use super::wait::{Side, Wait, Waiters};

/// A nanomsg socket. All methods may be called from any thread, also several at a time on one socket.
pub struct Socket {
    pub(super) session: Arc<Session>,
    kind: &'static Kind,
    raw: bool,
    state: Mutex<State>,
    pub(super) me: Weak<Socket>,
    /// Has, or had, an endpoint whose events come through the poll: its waiting callers should poll.
    on_wire: AtomicBool,
}

pub struct State {
    pub core: socket::Socket,
    pub pipes: PipeTable,
    pub endpoints: Endpoints,
    pub monitors: Monitors,
    pub transport_options: TransportOptions,
    pub waiters: Waiters,
    pub notify: Notify,
    pub phase: Phase,
    pub session: Arc<Session>,
    pub me: Weak<Socket>,
    alarm: Alarm,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Open,
    /// Everybody is sent away; what was accepted is on its way.
    Closing,
    /// All pipes are gone.
    Drained,
}

/// SNDFD and RCVFD, made when they are first asked for.
#[derive(Default)]
pub struct Notify {
    send: Option<EventFd>,
    recv: Option<EventFd>,
}

/// The protocol's timer. It is lazy: one that is set again and again to a later time, as every request does,
/// costs no timer each time; when it expires too early it is armed anew.
#[derive(Default)]
struct Alarm {
    wish: Option<Instant>,
    armed: Option<(TimerId, Instant)>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Socket({:?})", self.kind)
    }
}

impl Socket {
    pub(super) fn new(session: Arc<Session>, core: socket::Socket) -> Arc<Socket> {
        Arc::new_cyclic(|me| {
            let kind = core.kind();
            let mut state = State {
                pipes: PipeTable::new(Arc::clone(&session), kind),
                core,
                endpoints: Endpoints::default(),
                monitors: Monitors::default(),
                transport_options: TransportOptions::default(),
                waiters: Waiters::default(),
                notify: Notify::default(),
                phase: Phase::Open,
                session: Arc::clone(&session),
                me: Weak::clone(me),
                alarm: Alarm::default(),
            };
            state.options_changed();
            let raw = state.core.is_raw();
            let me = Weak::clone(me);
            Socket { session, kind, raw, state: Mutex::new(state), me, on_wire: AtomicBool::new(false) }
        })
    }

    /// Type, name and abilities.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// Sends a message, and gives the body's length; what is left of the message means nothing then. On any error it is
    /// left as it was.
    /// `ENOTSUP`, `EAGAIN`, `ETIMEDOUT`, `EINTR`, `EBADF`, `EFSM`, `EINVAL` (nanomsg-api.md 2.5).
    pub fn send(&self, message: &mut Message<'_>, wait: Wait) -> Result<usize> {
        if !self.kind.can_send {
            return Err(Error::NOT_SUPPORTED);
        }
        self.attempt(Side::Send, wait, |state| state.core.send(message, &mut state.pipes))
    }

    /// Receives a message. Errors as for [`Socket::send`] (nanomsg-api.md 2.6).
    pub fn recv(&self, wait: Wait) -> Result<Message<'static>> {
        let mut message = Message::default();
        self.recv_into(&mut message, wait).map(|()| message)
    }

    /// Receives a message where the caller has a place for it; what is there means nothing on an error.
    pub fn recv_into(&self, into: &mut Message<'static>, wait: Wait) -> Result<()> {
        if !self.kind.can_recv {
            return Err(Error::NOT_SUPPORTED);
        }
        self.attempt(Side::Recv, wait, |state| state.core.recv(into, &mut state.pipes))
    }

    /// Gives back a message just received, as it was: the next receive gets it again. For who has no memory to hand it over.
    pub fn give_back(&self, message: Message<'static>) {
        self.visit().core.give_back(message);
    }

    /// Sets an option: level 0 is generic, a socket type its protocol's, a negative number a transport's.
    /// `EINVAL` for a bad value or length, `ENOPROTOOPT` for an option that is unknown here or read-only.
    pub fn set_option(&self, level: i32, option: i32, value: &[u8]) -> Result<()> {
        let mut visit = self.visit_open()?;
        if level < 0 || system::has(level, option) {
            return visit.transport_options.set(level, option, value);
        }
        visit.core.set_option(level, option, value)?;
        visit.options_changed();
        Ok(())
    }

    /// Reads an option. SNDFD and RCVFD make their descriptor when they are first read.
    pub fn option(&self, level: i32, option: i32) -> Result<OptionValue> {
        let mut visit = self.visit_open()?;
        match (level, option) {
            (0, options::SNDFD) if self.kind.can_send => visit.notification(Side::Send),
            (0, options::RCVFD) if self.kind.can_recv => visit.notification(Side::Recv),
            (0, options::LAST_ENDPOINT) => Ok(OptionValue::Text(visit.endpoints.last_bound.clone())),
            _ if level < 0 || system::has(level, option) => visit.transport_options.get(level, option),
            _ => visit.core.option(level, option),
        }
    }

    /// The counter with nanomsg's number; `EINVAL` if there is none such.
    pub fn statistic(&self, stat: i32) -> Result<u64> {
        if self.polls() {
            self.session.reactor.glance();
        }
        self.visit_open()?.core.statistic(stat)
    }

    pub(super) fn visit(&self) -> Visit<'_> {
        Visit::new(self, self.lock())
    }

    /// A visit to a socket that is not being closed.
    pub(super) fn visit_open(&self) -> Result<Visit<'_>> {
        let visit = self.visit();
        if visit.is_open() { Ok(visit) } else { Err(Error::BAD_FD) }
    }

    /// Should a waiting caller poll, rather than just sleep?
    pub(super) fn polls(&self) -> bool {
        self.on_wire.load(Ordering::Relaxed)
    }

    pub(super) fn now_polls(&self) {
        self.on_wire.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_locked(&self) -> bool {
        matches!(self.state.try_lock(), Err(TryLockError::WouldBlock))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub fn feed(&mut self, cmd: Cmd) {
        self.core.notice(cmd, &mut self.pipes);
    }

    /// Did a command leave anything to settle? Most do not.
    #[inline]
    pub fn is_unsettled(&self) -> bool {
        self.pipes.is_unsettled() || self.phase == Phase::Closing
    }

    /// What must be done after commands before the lock is let go.
    pub fn settle(&mut self) {
        while let Some(id) = self.pipes.changed.pop() {
            self.settle_pipe(id);
        }
        self.pipes.end_of_turn();
        if let Some(after) = self.pipes.alarm.take() {
            self.alarm.wish = after.map(|after| Instant::now() + after);
            self.arm_alarm();
        }
        if self.phase == Phase::Closing && self.pipes.is_empty() {
            self.phase = Phase::Drained;
        }
    }

    /// The protocol's timer expired.
    pub fn alarm(&mut self) {
        self.alarm.armed = None;
        match self.alarm.wish {
            Some(wish) if wish <= Instant::now() => {
                self.alarm.wish = None;
                self.feed(Cmd::Timer);
            }
            _ => self.arm_alarm(),
        }
    }

    pub fn disarm_alarm(&mut self) {
        self.alarm.wish = None;
        if let Some((timer, _)) = self.alarm.armed.take() {
            self.session.reactor.disarm(timer);
        }
    }

    fn arm_alarm(&mut self) {
        let Some(wish) = self.alarm.wish else { return };
        match self.alarm.armed {
            Some((_, at)) if at <= wish => return,
            Some((timer, _)) => self.session.reactor.disarm(timer),
            None => {}
        }
        let Some(me) = self.me.upgrade() else { return };
        let timer = self.session.reactor.arm(wish, me, Key::Protocol.pack());
        self.alarm.armed = Some((timer, wish));
    }

    /// Hands the options on to where they are used for every message.
    fn options_changed(&mut self) {
        self.pipes.max_size = self.core.options.max_size();
        self.pipes.limit.set(self.pipes.max_size);
        // In range: set() accepts positive values only.
        self.pipes.send_limit = self.core.options.sndbuf as usize;
        self.pipes.coalescing.set_wanted(self.core.options.coalesce != 0);
    }

    fn notification(&mut self, side: Side) -> Result<OptionValue> {
        let first = !self.notify.is_wanted();
        let fd = self.notify.descriptor(side)?;
        if first {
            self.session.reactor.attend(true);
        }
        Ok(OptionValue::Int(fd))
    }
}

impl Notify {
    pub fn is_wanted(&self) -> bool {
        self.send.is_some() || self.recv.is_some()
    }

    pub fn set(&mut self, ready: Readiness) {
        for (event, ready) in [(&mut self.send, ready.send), (&mut self.recv, ready.recv)] {
            if let Some(event) = event {
                event.set(ready);
            }
        }
    }

    fn descriptor(&mut self, side: Side) -> Result<i32> {
        let slot = match side {
            Side::Send => &mut self.send,
            Side::Recv => &mut self.recv,
        };
        if slot.is_none() {
            *slot = Some(EventFd::new()?);
        }
        Ok(slot.as_ref().map_or(-1, EventFd::fd))
    }
}
