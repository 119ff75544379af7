//! Futures.

use std::fmt;
use std::pin::Pin;
use std::task::{self, Poll};

use crate::core::{self, Body, ContextId, Result};
use crate::facade::{self, Place};

use super::context::Context;
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
        RecvFuture(WaitingTask::of(Awaited::Socket(self)))
    }

    /// Sends a message, in any async runtime: see [`Socket::recv_async`]. A future that is dropped before it is ready has sent nothing.
    pub fn send_async<B: AsRef<[u8]> + Unpin>(&self, body: B) -> SendFuture<'_, B> {
        SendFuture { waiting: WaitingTask::of(Awaited::Socket(self)), to: None, body }
    }

    /// Sends a message to one peer alone, in any async runtime: see [`Socket::send_to`] and [`Socket::send_async`].
    pub fn send_to_async<B: AsRef<[u8]> + Unpin>(&self, pipe: u64, body: B) -> SendFuture<'_, B> {
        SendFuture { waiting: WaitingTask::of(Awaited::Socket(self)), to: Some(pipe), body }
    }
}

impl Context {
    /// As [`Socket::recv_async`]: one task may wait for many answers at once.
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
    /// let (server, client) = (Socket::new(Protocol::Rep)?, Socket::new(Protocol::Req)?);
    /// client.connect(&server.address(server.bind("tcp://127.0.0.1:0")?)?)?;
    ///
    /// let (one, other) = (client.context()?, client.context()?);
    /// one.send_async("first").await?;
    /// other.send_async("second").await?;
    /// for _ in 0..2 {
    ///     let question = server.recv_async().await?;
    ///     server.send_async(&question).await?;
    /// }
    /// assert_eq!(other.recv_async().await?, "second");
    /// assert_eq!(one.recv_async().await?, "first");
    /// # Ok::<(), nanomsg::Error>(())
    /// # })?;
    /// # Ok::<(), nanomsg::Error>(())
    /// ```
    pub fn recv_async(&self) -> RecvFuture<'_> {
        RecvFuture(WaitingTask::of(Awaited::Context(self)))
    }

    /// As [`Socket::send_async`].
    pub fn send_async<B: AsRef<[u8]> + Unpin>(&self, body: B) -> SendFuture<'_, B> {
        SendFuture { waiting: WaitingTask::of(Awaited::Context(self)), to: None, body }
    }
}

/// Whose call it is that may be waiting.
#[derive(Clone, Copy, Debug)]
enum Awaited<'a> {
    Socket(&'a Socket),
    Context(&'a Context),
}

impl Awaited<'_> {
    /// The engine's socket and context.
    fn engine(&self) -> Result<(&facade::EngineSocket, ContextId)> {
        Ok(match self {
            Awaited::Socket(socket) => (socket.engine()?, ContextId::SOCKET),
            Awaited::Context(context) => {
                let engine = context.engine()?;
                (engine.socket(), engine.id())
            }
        })
    }
}

/// A call that may be waiting. Dropping it ends the wait.
#[derive(Debug)]
struct WaitingTask<'a> {
    awaited: Awaited<'a>,
    place: Place,
}

impl WaitingTask<'_> {
    fn of(awaited: Awaited<'_>) -> WaitingTask<'_> {
        WaitingTask { awaited, place: Place::default() }
    }
}

impl Drop for WaitingTask<'_> {
    fn drop(&mut self) {
        // In a child of the process that waited nobody waits.
        if let Ok((socket, context)) = self.awaited.engine() {
            socket.give_up(context, &mut self.place);
        }
    }
}

/// What [`Socket::recv_async`] and [`Context::recv_async`] return.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct RecvFuture<'a>(WaitingTask<'a>);

impl Future for RecvFuture<'_> {
    type Output = Result<Message>;

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Result<Message>> {
        let WaitingTask { awaited, place } = &mut self.get_mut().0;
        let mut message = core::Message::default();
        let (socket, context) = awaited.engine()?;
        socket.poll_recv(context, &mut message, place, task).map_ok(|()| Message::of(message))
    }
}

/// What [`Socket::send_async`], [`Socket::send_to_async`] and [`Context::send_async`] return.
#[must_use = "futures do nothing unless they are awaited"]
pub struct SendFuture<'a, B> {
    waiting: WaitingTask<'a>,
    /// To one peer's connection alone.
    to: Option<u64>,
    body: B,
}

impl<B: AsRef<[u8]> + Unpin> Future for SendFuture<'_, B> {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Result<()>> {
        let SendFuture { waiting: WaitingTask { awaited, place }, to, body } = self.get_mut();
        let mut message = core::Message::new(Body::Borrowed(body.as_ref()));
        let (socket, context) = awaited.engine()?;
        let sent = match *to {
            None => socket.poll_send(context, &mut message, place, task),
            Some(pipe) => socket.poll_send_to(pipe, &mut message, place, task),
        };
        sent.map_ok(drop)
    }
}

impl<B> fmt::Debug for SendFuture<'_, B> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SendFuture({:?})", self.waiting.awaited)
    }
}
