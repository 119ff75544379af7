//! Calls that a task of an async runtime waits for, of whichever: it is woken through its own waker, and no thread waits.

use std::task::{self, Poll};

use crate::core::socket::Progress;
use crate::core::{ContextId, Error, Message, Result};

use super::context::Context;
use super::socket::Socket;
use super::state::SocketState;
use super::waiters::Side;

/// The place of a task among those that wait for a socket, from one poll to the next.
#[derive(Debug, Default)]
pub struct Place(Option<u64>);

impl Context {
    /// Sends a message, or has the task woken when that may succeed; the message is then left as it was. Errors as for
    /// [`Context::send`], but that NN_SNDTIMEO means nothing: runtimes have time limits of their own.
    pub fn poll_send(
        &self,
        message: &mut Message<'_>,
        place: &mut Place,
        task: &task::Context<'_>,
    ) -> Poll<Result<usize>> {
        self.socket().poll_send_in(self.id(), message, place, task)
    }

    /// Receives a message, or has the task woken when there may be one.
    pub fn poll_recv(
        &self,
        into: &mut Message<'static>,
        place: &mut Place,
        task: &task::Context<'_>,
    ) -> Poll<Result<()>> {
        self.socket().poll_recv_in(self.id(), into, place, task)
    }

    /// The task does not wait any more.
    pub fn give_up(&self, place: &mut Place) {
        self.socket().give_up_in(self.id(), place);
    }
}

impl Socket {
    /// As [`Context::poll_send`].
    pub fn poll_send(
        &self,
        message: &mut Message<'_>,
        place: &mut Place,
        task: &task::Context<'_>,
    ) -> Poll<Result<usize>> {
        self.poll_send_in(ContextId::SOCKET, message, place, task)
    }

    /// As [`Context::poll_recv`].
    pub fn poll_recv(
        &self,
        into: &mut Message<'static>,
        place: &mut Place,
        task: &task::Context<'_>,
    ) -> Poll<Result<()>> {
        self.poll_recv_in(ContextId::SOCKET, into, place, task)
    }

    /// As [`Context::give_up`].
    pub fn give_up(&self, place: &mut Place) {
        self.give_up_in(ContextId::SOCKET, place);
    }

    fn poll_send_in(
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

    fn poll_recv_in(
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

    fn give_up_in(&self, context: ContextId, place: &mut Place) {
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
                place.0 = Some(guard.pollers_of(context).add_task(side, task.waker().clone()));
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
