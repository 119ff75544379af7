//! Futures.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::core::{self, Body, Result};
use crate::facade::Place;

use super::message::Message;
use super::socket::Socket;

impl Socket {
    /// Receives a message, in any async runtime: no thread waits. Tries at once when it is first polled. Dropping the future loses no message.
    ///
    /// Errors as for [`Socket::recv`], but that [`recv_timeout`](Socket::recv_timeout) means nothing: use the runtime's own.
    ///
    /// ```
    /// # use std::{pin::pin, sync::Arc, task::{Context, Poll, Wake, Waker}, thread::{self, Thread}};
    /// # struct Unpark(Thread);
    /// # impl Wake for Unpark {
    /// #     fn wake(self: Arc<Self>) { self.0.unpark() }
    /// # }
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let waker = Waker::from(Arc::new(Unpark(thread::current())));
    /// #     let mut future = pin!(future);
    /// #     loop {
    /// #         match future.as_mut().poll(&mut Context::from_waker(&waker)) {
    /// #             Poll::Ready(value) => return value,
    /// #             Poll::Pending => thread::park(),
    /// #         }
    /// #     }
    /// # }
    /// use nanomsg::{Protocol, Socket};
    ///
    /// # block_on(async {
    /// let server = Socket::new(Protocol::Rep)?;
    /// let client = Socket::new(Protocol::Req)?;
    /// client.connect(&server.address(server.bind("tcp://127.0.0.1:0")?)?)?;
    ///
    /// client.send_async("6 times 7?").await?;
    /// assert_eq!(server.recv_async().await?, "6 times 7?");
    /// server.send_async("42").await?;
    /// assert_eq!(client.recv_async().await?, "42");
    /// # Ok::<(), nanomsg::Error>(())
    /// # })?;
    /// # Ok::<(), nanomsg::Error>(())
    /// ```
    pub fn recv_async(&self) -> RecvFuture<'_> {
        RecvFuture(self.waiting())
    }

    /// Sends a message, in any async runtime: see [`Socket::recv_async`]. A future that is dropped before it is ready has sent nothing.
    pub fn send_async<B: AsRef<[u8]> + Unpin>(&self, body: B) -> SendFuture<'_, B> {
        SendFuture { waiting: self.waiting(), body }
    }

    fn waiting(&self) -> WaitingTask<'_> {
        WaitingTask { socket: self, place: Place::default() }
    }
}

/// A call that may be waiting. Dropping it ends the wait.
#[derive(Debug)]
struct WaitingTask<'a> {
    socket: &'a Socket,
    place: Place,
}

impl Drop for WaitingTask<'_> {
    fn drop(&mut self) {
        if let Ok(engine) = self.socket.engine() {
            engine.give_up(&mut self.place);
        }
    }
}

/// What [`Socket::recv_async`] returns.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct RecvFuture<'a>(WaitingTask<'a>);

impl Future for RecvFuture<'_> {
    type Output = Result<Message>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<Message>> {
        let WaitingTask { socket, place } = &mut self.get_mut().0;
        let mut message = core::Message::default();
        let outcome = socket.engine()?.poll_recv(&mut message, place, task);
        outcome.map_ok(|()| Message::of(message))
    }
}

/// What [`Socket::send_async`] returns.
#[must_use = "futures do nothing unless they are awaited"]
pub struct SendFuture<'a, B> {
    waiting: WaitingTask<'a>,
    body: B,
}

impl<B: AsRef<[u8]> + Unpin> Future for SendFuture<'_, B> {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<()>> {
        let SendFuture { waiting: WaitingTask { socket, place }, body } = self.get_mut();
        let mut message = core::Message::new(Body::Borrowed(body.as_ref()));
        socket.engine()?.poll_send(&mut message, place, task).map_ok(drop)
    }
}

impl<B> fmt::Debug for SendFuture<'_, B> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SendFuture({:?})", self.waiting.socket)
    }
}
