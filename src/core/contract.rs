//! The contract between a socket, its protocol and its pipes: **Cmd in, Evt out**.
//!
//! A protocol is a pure machine. The socket feeds it one [`Cmd`] at a time and carries out the
//! [`Evt`]s it answers with, in order. Blocking is the socket's business: a machine says
//! [`Answer::NotNow`] and is asked again when something changed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::{Error, Message, Result};

/// One attached pipe of a socket. Reused after [`Cmd::Detach`], never before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PipeId(pub u32);

/// What happens to a machine.
#[derive(Debug)]
pub enum Cmd<'c, 'm> {
    /// A new pipe, at first neither writable nor readable. Priorities are 1 (best) to 16.
    Attach { pipe: PipeId, send_priority: u8, recv_priority: u8 },
    /// The peer is gone: nothing can be sent on the pipe any more, what waits in it can still be taken. On a
    /// socket that cannot receive nobody takes it, so `Detach` follows at once.
    Hangup(PipeId),
    /// The pipe is gone altogether.
    Detach(PipeId),
    /// The pipe takes at least one more message.
    Writable(PipeId),
    /// The pipe takes no more messages until the next `Writable`.
    Unwritable(PipeId),
    /// At least one whole message can be taken from the pipe.
    Readable(PipeId),
    /// The answer to [`Evt::Take`]. The header is what preceded the body on an inproc pipe; bytes from a
    /// wire are all body. `more`: another message can be taken from the same pipe.
    Incoming { pipe: PipeId, message: Message<'static>, more: bool },
    /// The user sends. The machine takes the message ([`Message::take`]) if it answers `Done`, and
    /// leaves it as it is otherwise.
    Send { message: &'c mut Message<'m> },
    /// The user receives. `Done` means that an `Evt::Deliver` or an `Evt::Take` is among the events; if
    /// what was taken is not delivered, the socket asks again.
    Recv,
    /// The time of the last `Evt::Arm` is over.
    Timer,
}

/// What a machine wants done.
#[derive(Debug)]
pub enum Evt<'m> {
    /// Send the message on a pipe that is writable.
    Transmit { pipe: PipeId, message: Message<'m> },
    /// Take the next message from a readable pipe and feed it back as [`Cmd::Incoming`].
    Take(PipeId),
    /// Hand the message to the user whose `Cmd::Recv` (or a later one) asks for it.
    Deliver(Message<'static>),
    /// Feed [`Cmd::Timer`] after this time, counted from now, instead of any earlier wish; `None`: not at
    /// all. So a machine never needs to know what time it is.
    Arm(Option<Duration>),
    /// Close the pipe: the protocol does not want this peer, or the peer broke the protocol.
    /// The machine forgets the pipe at once; a `Detach` for it may still follow and is ignored.
    Refuse(PipeId),
}

/// Events in the order in which they are to be carried out. Most commands lead to one, which takes no memory of its own.
#[derive(Debug, Default)]
pub struct Events<'m> {
    first: Option<Evt<'m>>,
    /// Whatever came after the first; the first is empty only if it has been taken out already.
    more: VecDeque<Evt<'m>>,
}

impl<'m> Events<'m> {
    pub fn new() -> Events<'m> {
        Events::default()
    }

    #[inline]
    pub fn push(&mut self, event: Evt<'m>) {
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some(event);
        } else {
            self.more.push_back(event);
        }
    }

    #[inline]
    pub fn pop(&mut self) -> Option<Evt<'m>> {
        self.first.take().or_else(|| self.more.pop_front())
    }

    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }
}

/// How a machine answers `Send` and `Recv`. Everything else is `Done`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Done,
    /// Would block: wait and ask again (`EAGAIN` for a caller that does not wait).
    NotNow,
    Fail(Error),
}

/// Would a send, a receive succeed or fail at once, rather than block? (SNDFD, RCVFD, `nn_poll`)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    pub send: bool,
    pub recv: bool,
}

/// A scalability protocol in one role (protocols.md). Pure: no I/O, no clock, no thread.
pub trait Protocol: Send {
    /// Feeds one command; events are appended to `out`.
    fn handle<'m>(&mut self, cmd: Cmd<'_, 'm>, out: &mut Events<'m>) -> Answer;

    fn readiness(&self) -> Readiness;

    /// Sets a protocol option (level = the socket type). `ENOPROTOOPT` if there is none such.
    fn set_option(&mut self, _option: i32, _value: &[u8]) -> Result<()> {
        Err(Error::NO_PROTO_OPT)
    }

    /// Reads an integer protocol option.
    fn option(&self, _option: i32) -> Result<i32> {
        Err(Error::NO_PROTO_OPT)
    }

    /// Longest chain of hops a request or survey may have crossed (`NN_MAXTTL`), 1 to 255.
    fn set_max_ttl(&mut self, _ttl: u8) {}

    /// `NN_STAT_CURRENT_SND_PRIORITY`: the level a send would use now, -1 when there is none left.
    fn send_priority(&self) -> i32 {
        0
    }
}

/// One socket type: a row of the protocol table.
pub struct Kind {
    /// Endpoint type, protocol × 16 + role: what `nn_socket` takes and the handshake carries.
    pub id: u16,
    /// Upper case as in the symbol table, `REQ`.
    pub name: &'static str,
    /// The one endpoint type this one talks to.
    pub peer: u16,
    pub can_send: bool,
    pub can_recv: bool,
    /// Makes the machine of a full or raw socket. `seed` is random: ids and pipe keys start there.
    pub make: fn(raw: bool, seed: u64) -> Box<dyn Protocol>,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}
