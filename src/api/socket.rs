//! A socket: opening, sending, receiving, closing.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::core::{self, Body, Error, Result, options};
use crate::facade::{self, OptionValue, Wait, process};
use crate::sys::descriptor::borrow;

use super::message::Message;
use super::protocol::Protocol;
use super::session::Session;

/// A socket of one of the [protocols](Protocol).
///
/// All methods may be called from any thread, also several at a time on one socket. Dropping it closes it as [`Socket::close`] does,
/// and so may wait for at most [`linger`](Socket::linger).
///
/// A forked child must open sockets of its own: with those of its parent every method fails with `EBADF`.
///
/// ```
/// use nanomsg::{Protocol, Socket};
///
/// let server = Socket::new(Protocol::Rep)?;
/// server.bind("inproc://example-of-a-socket")?;
/// let client = Socket::new(Protocol::Req)?;
/// client.connect("inproc://example-of-a-socket")?;
///
/// client.send("what time is it?")?;
/// assert_eq!(server.recv()?, "what time is it?");
/// server.send("late")?;
/// assert_eq!(client.recv()?, "late");
/// # Ok::<(), nanomsg::Error>(())
/// ```
#[derive(Debug)]
pub struct Socket {
    engine: Arc<facade::EngineSocket>,
    protocol: Protocol,
    generation: u64,
    /// A session of one's own lives as long as its sockets do.
    session: Option<Session>,
}

impl Socket {
    /// Opens a socket. `EMFILE` when the process has no descriptors left (nanomsg-api.md 2.1).
    pub fn new(protocol: Protocol) -> Result<Socket> {
        Socket::open(process::session()?, protocol, false)
    }

    /// Opens a raw socket, for [devices](crate::device()) and brokers: the protocol keeps no state between messages, and their
    /// [headers](Message::header) are the program's business.
    pub fn raw(protocol: Protocol) -> Result<Socket> {
        Socket::open(process::session()?, protocol, true)
    }

    /// Opens a socket in a session of one's own.
    pub fn in_session(session: &Session, protocol: Protocol) -> Result<Socket> {
        let mut socket = Socket::open(session.engine(), protocol, false)?;
        socket.session = Some(session.clone());
        Ok(socket)
    }

    fn open(session: &Arc<facade::Session>, protocol: Protocol, raw: bool) -> Result<Socket> {
        let engine = session.socket(raw, protocol.number(), "rust")?;
        Ok(Socket { engine, protocol, generation: process::generation(), session: None })
    }

    /// What it was opened as.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether it was opened [raw](Socket::raw).
    pub fn is_raw(&self) -> bool {
        self.engine.is_raw()
    }

    /// Sends a message, and waits for as long as nobody can take it, at most for [`send_timeout`](Socket::send_timeout). When it
    /// returns, the message is accepted: closing the socket still hands it over.
    ///
    /// `ETIMEDOUT`; `EINTR` when a signal handler ran; `EFSM` when it is not this side's turn; `ENOTSUP` for a socket that only receives;
    /// `ENOMEM` (nanomsg-api.md 2.5).
    pub fn send(&self, body: impl AsRef<[u8]>) -> Result<()> {
        self.send_bytes(body.as_ref(), Wait::Option)
    }

    /// Sends a message if somebody can take it at once; else `EAGAIN`. Other errors as for [`Socket::send`].
    pub fn try_send(&self, body: impl AsRef<[u8]>) -> Result<()> {
        self.send_bytes(body.as_ref(), Wait::No)
    }

    /// As [`Socket::send`], for a message with a header, or one that was received and is passed on without a copy. The message is empty
    /// afterwards; on an error it is as it was.
    pub fn send_message(&self, message: &mut Message) -> Result<()> {
        self.pass_on(message, Wait::Option)
    }

    /// As [`Socket::send_message`], but `EAGAIN` instead of waiting.
    pub fn try_send_message(&self, message: &mut Message) -> Result<()> {
        self.pass_on(message, Wait::No)
    }

    /// Sends a message to one peer alone, by the number of its connection ([`Peer::pipe`], [`Event::pipe`]), and waits for as long as that
    /// peer takes no more, at most for [`send_timeout`](Socket::send_timeout).
    ///
    /// `EHOSTUNREACH` when the peer is not there, or no more; `ENOTSUP` for REQ, REP, SURVEYOR and RESPONDENT unless they are
    /// [raw](Socket::raw), and for a socket that only receives; `ETIMEDOUT`, `EINTR`, `ENOMEM`.
    ///
    /// ```
    /// use nanomsg::{Protocol, Socket};
    ///
    /// let hub = Socket::new(Protocol::Bus)?;
    /// hub.set_recv_peer(true)?;
    /// hub.bind("inproc://example-of-one-peer")?;
    /// let member = Socket::new(Protocol::Bus)?;
    /// member.connect("inproc://example-of-one-peer")?;
    ///
    /// member.send("who am I?")?;
    /// let asked = hub.recv()?;
    /// hub.send_to(asked.peer().map_or(0, |peer| peer.pipe), "you alone")?;
    /// assert_eq!(member.recv()?, "you alone");
    /// # Ok::<(), nanomsg::Error>(())
    /// ```
    ///
    /// [`Peer::pipe`]: crate::Peer::pipe
    /// [`Event::pipe`]: crate::Event::pipe
    pub fn send_to(&self, pipe: u64, body: impl AsRef<[u8]>) -> Result<()> {
        self.engine()?.send_to(pipe, &mut core::Message::new(Body::Borrowed(body.as_ref())), Wait::Option).map(drop)
    }

    /// As [`Socket::send_to`], for a message with a header, or one that was received. The message is empty afterwards; on an error its body is as
    /// it was. An answer of a raw REP or RESPONDENT has the header of what it answers, else `EINVAL`.
    pub fn send_message_to(&self, pipe: u64, message: &mut Message) -> Result<()> {
        self.pass_on_to(pipe, message, Wait::Option)
    }

    /// As [`Socket::send_message_to`], but `EAGAIN` instead of waiting.
    pub fn try_send_message_to(&self, pipe: u64, message: &mut Message) -> Result<()> {
        self.pass_on_to(pipe, message, Wait::No)
    }

    fn pass_on_to(&self, pipe: u64, message: &mut Message, wait: Wait) -> Result<()> {
        self.engine()?.send_to(pipe, message.inner(), wait)?;
        message.inner().take();
        Ok(())
    }

    fn send_bytes(&self, body: &[u8], wait: Wait) -> Result<()> {
        self.engine()?.send_bytes(body, wait).map(drop)
    }

    fn pass_on(&self, message: &mut Message, wait: Wait) -> Result<()> {
        self.engine()?.send(message.inner(), wait)?;
        // What is left of it means nothing.
        message.inner().take();
        Ok(())
    }

    /// Receives a message, and waits for one, at most for [`recv_timeout`](Socket::recv_timeout).
    ///
    /// `ETIMEDOUT`; `EINTR` when a signal handler ran; `EFSM` when nothing was asked; `ENOTSUP` for a socket that only sends
    /// (nanomsg-api.md 2.6).
    pub fn recv(&self) -> Result<Message> {
        self.engine()?.recv(Wait::Option).map(Message::of)
    }

    /// Receives a message if one is there; else `EAGAIN`. Other errors as for [`Socket::recv`].
    pub fn try_recv(&self) -> Result<Message> {
        self.engine()?.recv(Wait::No).map(Message::of)
    }

    /// A descriptor that is readable while a message can be received without waiting: for `epoll` and other event loops. Only to be polled: [`Socket::try_recv`] receives. `ENOPROTOOPT` for a socket that
    /// only sends; `EMFILE`. The first call makes the descriptor; a socket with one is served by the I/O thread from then on.
    pub fn recv_fd(&self) -> Result<BorrowedFd<'_>> {
        self.descriptor(options::RCVFD)
    }

    /// A descriptor that is *readable* while a message can be sent without waiting: see [`Socket::recv_fd`].
    pub fn send_fd(&self) -> Result<BorrowedFd<'_>> {
        self.descriptor(options::SNDFD)
    }

    fn descriptor(&self, option: i32) -> Result<BorrowedFd<'_>> {
        match self.engine()?.option(0, option)? {
            OptionValue::Int(fd) => Ok(borrow(fd)),
            OptionValue::Text(_) | OptionValue::Pointer(_) => Err(Error::INVALID),
        }
    }

    /// Closes the socket: callers that wait in other threads get `EBADF`, endpoints end, and what was accepted for sending is handed to the
    /// kernel, for at most [`linger`](Socket::linger) (nanomsg-api.md 10). `EBADF` if it is closed already.
    pub fn close(&self) -> Result<()> {
        self.engine()?.close()
    }

    /// The engine's socket, unless it belongs to the parent of this process.
    pub(super) fn engine(&self) -> Result<&Arc<facade::EngineSocket>> {
        match self.generation == process::generation() {
            true => Ok(&self.engine),
            false => Err(Error::BAD_FD),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Ok(engine) = self.engine() {
            // It fails only if it is closed already.
            let _ = engine.close();
        }
    }
}
