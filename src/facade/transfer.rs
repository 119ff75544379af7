//! Sending and receiving: lock, try, leave, wait (nanomsg-api.md 2.5 to 2.8 and 9).

use std::time::Instant;

use crate::core::options::Options;
use crate::core::socket::Progress;
use crate::core::{Body, ContextId, Error, Message, Result};
use crate::reactor::WaitMode;
use crate::reactor::parker::Parker;

use super::context::Context;
use super::guard::SocketGuard;
use super::socket::EngineSocket;
use super::state::SocketState;
use super::waiters::Side;

/// Whether a call may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// NN_DONTWAIT: `EAGAIN` instead.
    No,
    /// As long as NN_SNDTIMEO or NN_RCVTIMEO say.
    Option,
}

impl EngineSocket {
    /// Sends a message, and gives the body's length; what is left of the message means nothing then. On any error it is
    /// left as it was.
    /// `ENOTSUP`, `EAGAIN`, `ETIMEDOUT`, `EINTR`, `EBADF`, `EFSM`, `EINVAL` (nanomsg-api.md 2.5).
    pub fn send(&self, message: &mut Message<'_>, wait: Wait) -> Result<usize> {
        self.send_in(ContextId::SOCKET, message, wait)
    }

    /// As [`EngineSocket::send`], of a message without a header that stays the caller's: in the midst of a stream, no message is made.
    #[inline]
    pub fn send_bytes(&self, body: &[u8], wait: Wait) -> Result<usize> {
        let mut guard = self.lock();
        if guard.append(body) {
            guard.finish();
            return Ok(body.len());
        }
        self.send_locked(guard, ContextId::SOCKET, &mut Message::new(Body::Borrowed(body)), wait)
    }

    /// In the midst of a stream: copies the next message to where it is wanted, if it fits there and another one waits behind it; its length.
    /// `None`: nothing was done, and [`EngineSocket::recv`] is to do it.
    #[inline]
    pub fn take_bytes(&self, room: &mut [u8]) -> Option<usize> {
        let mut guard = self.lock();
        let len = guard.take_bytes(room);
        guard.finish();
        len
    }

    /// As [`EngineSocket::send`], to the one peer whose connection has this number ([`Peer::pipe`], [`Event::pipe`]); waits for as long as it takes
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

    /// Receives a message. Errors as for [`EngineSocket::send`] (nanomsg-api.md 2.6).
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
}

impl Context {
    /// As [`EngineSocket::send`].
    #[inline]
    pub fn send(&self, message: &mut Message<'_>, wait: Wait) -> Result<usize> {
        self.socket().send_in(self.id(), message, wait)
    }

    /// As [`EngineSocket::send_bytes`].
    #[inline]
    pub fn send_bytes(&self, body: &[u8], wait: Wait) -> Result<usize> {
        match self.as_socket() {
            Some(socket) => socket.send_bytes(body, wait),
            None => self.send(&mut Message::new(Body::Borrowed(body)), wait),
        }
    }

    /// As [`EngineSocket::take_bytes`]; contexts of their own have no stream.
    #[inline]
    pub fn take_bytes(&self, room: &mut [u8]) -> Option<usize> {
        self.as_socket()?.take_bytes(room)
    }

    /// As [`EngineSocket::send_to`]. Contexts of their own do not: `ENOTSUP`.
    pub fn send_to(&self, pipe: u64, message: &mut Message<'_>, wait: Wait) -> Result<usize> {
        self.socket().send_to(pipe, message, wait)
    }

    /// As [`EngineSocket::recv`].
    pub fn recv(&self, wait: Wait) -> Result<Message<'static>> {
        let mut message = Message::default();
        self.recv_into(&mut message, wait).map(|()| message)
    }

    /// As [`EngineSocket::recv_into`].
    #[inline]
    pub fn recv_into(&self, into: &mut Message<'_>, wait: Wait) -> Result<()> {
        self.socket().recv_in(self.id(), into, wait)
    }

    /// As [`EngineSocket::give_back`].
    pub fn give_back(&self, message: Message<'static>) {
        self.socket().with(|state| state.core.give_back(self.id(), message));
    }
}

/// A context's, which is 0 for the socket itself.
impl EngineSocket {
    fn send_in(&self, context: ContextId, message: &mut Message<'_>, wait: Wait) -> Result<usize> {
        self.send_locked(self.lock(), context, message, wait)
    }

    #[inline(never)]
    fn send_locked(
        &self,
        mut guard: SocketGuard<'_>,
        context: ContextId,
        message: &mut Message<'_>,
        wait: Wait,
    ) -> Result<usize> {
        if !self.kind().can_send {
            guard.finish();
            return Err(Error::NOT_SUPPORTED);
        }
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

    fn recv_in(&self, context: ContextId, into: &mut Message<'_>, wait: Wait) -> Result<()> {
        if !self.kind().can_recv {
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
}

/// One try of each.
impl SocketState {
    /// As [`SocketCore::append`](crate::core::SocketCore::append).
    #[inline(always)]
    pub(super) fn append(&mut self, body: &[u8]) -> bool {
        self.is_open() && self.core.append(body, &mut self.pipes)
    }

    /// As [`SocketCore::take_bytes`](crate::core::SocketCore::take_bytes).
    #[inline(always)]
    pub(super) fn take_bytes(&mut self, room: &mut [u8]) -> Option<usize> {
        if self.is_open() { self.core.take_bytes(room, &mut self.pipes) } else { None }
    }

    /// What a send comes to now; a socket, or a context, that is being closed fails it.
    #[inline(always)]
    pub fn send(&mut self, context: ContextId, message: &mut Message<'_>) -> Progress<usize> {
        match self.has_open(context) {
            true => self.core.send(context, message, &mut self.pipes),
            false => Progress::Failed(Error::BAD_FD),
        }
    }

    /// The same of a send to the peer whose connection has this number.
    pub fn send_to(&mut self, number: u64, message: &mut Message<'_>) -> Progress<usize> {
        if !self.is_open() {
            return Progress::Failed(Error::BAD_FD);
        }
        match self.core.check_send_to().and_then(|()| self.pipes.attached(number)) {
            Ok(pipe) => self.core.send_to(pipe, message, &mut self.pipes),
            Err(error) => Progress::Failed(error),
        }
    }

    /// The same of a receive.
    #[inline(always)]
    pub fn recv(&mut self, context: ContextId, into: &mut Message<'_>) -> Progress<()> {
        match self.has_open(context) {
            true => self.core.recv(context, into, &mut self.pipes),
            false => Progress::Failed(Error::BAD_FD),
        }
    }
}

/// Until when a call may wait, if at all; the error is what it fails with otherwise.
fn patience(wait: Wait, timeout: i32) -> Result<Option<Instant>> {
    match (wait, timeout) {
        (Wait::No, _) => Err(Error::AGAIN),
        (Wait::Option, 0) => Err(Error::TIMED_OUT),
        (Wait::Option, _) => Ok(Options::timeout(timeout).map(|time| Instant::now() + time)),
    }
}
