//! Contexts.

use std::fmt;
use std::mem::ManuallyDrop;

use crate::core::{Error, Result};
use crate::facade::{self, OptionValue, Wait, process};

use super::message::Message;
use super::socket::Socket;

/// What a socket remembers of its protocol, without the connections: any number of contexts ask, answer or subscribe for themselves over
/// those of one socket. A REQ with ten contexts has ten requests under way, and a REP with ten answers ten, in any order.
///
/// Sockets of types REQ, REP, SURVEYOR, RESPONDENT and SUB have contexts, and can be used beside them. All methods may be called from any
/// thread, also several at a time. Dropping it gives up what it asked or was to answer, and leaves the socket open; when the socket is
/// closed, its contexts fail with `EBADF`.
///
/// ```
/// use nanomsg::{Protocol, Socket};
///
/// let server = Socket::new(Protocol::Rep)?;
/// server.bind("inproc://example-of-contexts")?;
/// let client = Socket::new(Protocol::Req)?;
/// client.connect("inproc://example-of-contexts")?;
///
/// let (one, other) = (client.context()?, client.context()?);
/// one.send("first")?;
/// other.send("second")?;
/// for _ in 0..2 {
///     let question = server.recv()?;
///     server.send(&*question)?;
/// }
/// assert_eq!(other.recv()?, "second");
/// assert_eq!(one.recv()?, "first");
/// # Ok::<(), nanomsg::Error>(())
/// ```
pub struct Context {
    /// `None` only while it is dropped.
    engine: Option<facade::Context>,
    generation: u64,
}

impl Socket {
    /// Opens a context, with the options that the socket has now, but without subscriptions. `ENOTSUP` for a raw socket, or one of another
    /// type than those that have contexts.
    pub fn context(&self) -> Result<Context> {
        let engine = facade::Context::open(self.engine()?)?;
        Ok(Context { engine: Some(engine), generation: process::generation() })
    }

    /// Gives up the request or the survey that was sent last, or the request that was received last, as if it had not been: whoever waits
    /// for an answer gets `EFSM`. `ENOTSUP` for raw sockets, and other types than REQ, REP, SURVEYOR and RESPONDENT.
    pub fn cancel(&self) -> Result<()> {
        self.engine()?.cancel()
    }
}

impl Context {
    /// As [`Socket::send`]. A context of a REP or RESPONDENT waits for room on its way; the socket itself drops the answer then.
    pub fn send(&self, body: impl AsRef<[u8]>) -> Result<()> {
        self.send_bytes(body.as_ref(), Wait::Option)
    }

    /// As [`Socket::try_send`].
    pub fn try_send(&self, body: impl AsRef<[u8]>) -> Result<()> {
        self.send_bytes(body.as_ref(), Wait::No)
    }

    fn send_bytes(&self, body: &[u8], wait: Wait) -> Result<()> {
        self.engine()?.send_bytes(body, wait).map(drop)
    }

    /// As [`Socket::recv`].
    pub fn recv(&self) -> Result<Message> {
        self.engine()?.recv(Wait::Option).map(Message::of)
    }

    /// As [`Socket::try_recv`].
    pub fn try_recv(&self) -> Result<Message> {
        self.engine()?.recv(Wait::No).map(Message::of)
    }

    /// As [`Socket::cancel`], for what this context asked or was to answer.
    pub fn cancel(&self) -> Result<()> {
        self.engine()?.cancel()
    }

    /// Reads an option by its level and its number in the C headers: the context's own, or else its socket's. `ENOPROTOOPT`.
    pub fn option(&self, level: i32, number: i32) -> Result<OptionValue> {
        self.engine()?.option(level, number)
    }

    /// Sets an option that contexts have for themselves, as [`Socket::set_option`]: how long it waits, and those of the protocol.
    /// `ENOPROTOOPT` for all others, which are the socket's.
    pub fn set_option(&self, level: i32, number: i32, value: &[u8]) -> Result<()> {
        self.engine()?.set_option(level, number, value)
    }

    pub(super) fn engine(&self) -> Result<&facade::Context> {
        let engine = self.engine.as_ref().filter(|_| self.generation == process::generation());
        engine.ok_or(Error::BAD_FD)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.generation != process::generation() {
            // It is the parent's, whose threads may have held its locks when this process was forked.
            let _kept = ManuallyDrop::new(self.engine.take());
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Context").field(&self.engine).finish()
    }
}
