//! Calls that a task of an async runtime waits for, of whichever: it is woken through its own waker, and no thread waits.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::task::{self, Poll, Wake, Waker};
use std::time::Duration;

use crate::core::socket::Progress;
use crate::core::{ContextId, Error, Message, Result};
use crate::reactor::{deadline_in, time_left};
use crate::sys::eventfd::Bell;

use super::process;
use super::socket::EngineSocket;
use super::state::SocketState;
use super::waiters::{Side, Waiters};

/// The place of a task among those that wait for a socket, from one poll to the next.
#[derive(Debug, Default)]
pub struct Place(Option<u64>);

impl Place {
    /// The task waits from now on, and not where it did.
    pub(super) fn take_in(&mut self, waiters: &mut Waiters, side: Side, task: &Waker) {
        if let Some(id) = self.0.take() {
            waiters.remove_task(id);
        }
        self.0 = Some(waiters.add_task(side, task.clone()));
    }
}

impl EngineSocket {
    /// Sends a message in a context (0 is the socket itself), or has the task woken when that may succeed; the message is then left as it
    /// was. Errors as for [`EngineSocket::send`], but that NN_SNDTIMEO means nothing: runtimes have time limits of their own.
    pub fn poll_send(
        &self,
        context: ContextId,
        message: &mut Message<'_>,
        place: &mut Place,
        task: &task::Context<'_>,
    ) -> Poll<Result<usize>> {
        if !self.kind().can_send {
            return Poll::Ready(Err(Error::NOT_SUPPORTED));
        }
        self.poll_once(context, Side::Send, place, task, |state| state.send(context, message))
    }

    /// Receives a message, or has the task woken when there may be one.
    pub fn poll_recv(
        &self,
        context: ContextId,
        into: &mut Message<'static>,
        place: &mut Place,
        task: &task::Context<'_>,
    ) -> Poll<Result<()>> {
        if !self.kind().can_recv {
            return Poll::Ready(Err(Error::NOT_SUPPORTED));
        }
        self.poll_once(context, Side::Recv, place, task, |state| state.recv(context, into))
    }

    /// As [`EngineSocket::send_to`] for a task, as [`EngineSocket::poll_send`].
    pub fn poll_send_to(
        &self,
        pipe: u64,
        message: &mut Message<'_>,
        place: &mut Place,
        task: &task::Context<'_>,
    ) -> Poll<Result<usize>> {
        self.poll_once(ContextId::SOCKET, Side::SendTo, place, task, |state| state.send_to(pipe, message))
    }

    /// The task does not wait any more.
    pub fn give_up(&self, context: ContextId, place: &mut Place) {
        if let Some(id) = place.0.take() {
            self.with(|state| state.pollers_of(context).remove_task(id));
        }
    }

    fn poll_once<T>(
        &self,
        context: ContextId,
        side: Side,
        place: &mut Place,
        task: &task::Context<'_>,
        attempt: impl FnOnce(&mut SocketState) -> Progress<T>,
    ) -> Poll<Result<T>> {
        let mut guard = self.lock();
        if let Some(id) = place.0.take() {
            guard.pollers_of(context).remove_task(id);
        }
        let outcome = match attempt(&mut guard) {
            Progress::Done(value) => Poll::Ready(Ok(value)),
            Progress::Failed(error) => Poll::Ready(Err(error)),
            Progress::NotNow => {
                guard.keep_polling();
                place.take_in(guard.pollers_of(context), side, task.waker());
                Poll::Pending
            }
        };
        guard.finish();
        if outcome.is_pending() {
            self.runtime().reactor.flush_begun();
        }
        outcome
    }
}

/// Sends to one peer in an event loop that knows descriptors, where SNDFD tells of the socket as a whole. Dropping it ends the wait.
#[derive(Debug)]
pub struct PeerSender {
    socket: Arc<EngineSocket>,
    pipe: u64,
    place: Place,
    bell: Arc<BellWaker>,
    generation: u64,
}

/// Rings a descriptor.
#[derive(Debug)]
struct BellWaker(Bell);

impl Wake for BellWaker {
    fn wake(self: Arc<Self>) {
        // It fails only if the program has closed the descriptor, and then nobody watches it.
        let _ = self.0.ring();
    }
}

impl PeerSender {
    /// For the peer whose connection has this number. `EMFILE`.
    pub fn new(socket: &Arc<EngineSocket>, pipe: u64) -> Result<PeerSender> {
        let bell = Arc::new(BellWaker(Bell::new()?));
        let (socket, generation) = (Arc::clone(socket), process::generation());
        Ok(PeerSender { socket, pipe, place: Place::default(), bell, generation })
    }

    /// Tries. `EAGAIN`: the descriptor will be readable when it is worth another try, and the message is as it was. Else the descriptor
    /// stays readable, for who waits with another message. Other errors as for [`EngineSocket::send_to`].
    pub fn attempt(&mut self, message: &mut Message<'_>) -> Result<()> {
        self.bell.0.still();
        let waker = Waker::from(Arc::clone(&self.bell));
        let task = task::Context::from_waker(&waker);
        match self.socket.poll_send_to(self.pipe, message, &mut self.place, &task) {
            Poll::Ready(outcome) => {
                waker.wake();
                outcome.map(drop)
            }
            Poll::Pending => Err(Error::AGAIN),
        }
    }

    /// Tries until it succeeds, for at most so long (`None`: for ever). `ETIMEDOUT`; `EINTR`, and the wait can go on.
    pub fn wait(&mut self, message: &mut Message<'_>, limit: Option<Duration>) -> Result<()> {
        let deadline = deadline_in(limit);
        loop {
            match self.attempt(message) {
                Err(Error::AGAIN) => self.bell.0.wait(time_left(deadline))?,
                outcome => return outcome,
            }
        }
    }

    /// To be polled only.
    pub fn fd(&self) -> RawFd {
        self.bell.0.fd()
    }
}

impl Drop for PeerSender {
    fn drop(&mut self) {
        // In a forked child the wait is the parent's, whose threads may have held the socket's lock.
        if self.generation == process::generation() {
            self.socket.give_up(ContextId::SOCKET, &mut self.place);
        }
    }
}
