//! The contract between a socket, its protocol and its pipes: **Cmd in, Evt out**.
//!
//! A protocol is a pure machine. The socket feeds it one [`Cmd`] at a time and carries out the
//! [`Evt`]s it answers with, in order. Blocking is the socket's business: a machine says
//! [`Answer::NotNow`] and is asked again when something changed.
//!
//! Commands and events are a few words. The **message under way** stays where it is, beside them: the machine looks at
//! it, puts its header in order, keeps it if it wants, and says where it goes. So a message is not moved from the
//! caller's buffer to the wire's, nor from the wire's to the caller's, but copied once.

use std::collections::VecDeque;

use crate::core::{Drops, Error, Message, Result};

/// One attached pipe of a socket. Reused after [`Cmd::Detach`], never before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PipeId(pub u32);

/// Who sends and receives on a socket: the socket itself, or one of its contexts, each of which asks or answers as a socket of its
/// own would, over the same pipes. Reused after [`Cmd::Close`], never before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ContextId(pub u32);

impl ContextId {
    /// The socket itself. Contexts are counted from 1.
    pub const SOCKET: ContextId = ContextId(0);
}

/// What happens to a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cmd {
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
    /// The answer to [`Evt::Take`]: the message under way came on this pipe. Its header is what preceded the body on
    /// an inproc pipe; bytes from a wire are all body. `more`: another message can be taken from the same pipe.
    Incoming { pipe: PipeId, more: bool },
    /// A new context, with the options that the socket has now. Only kinds that have contexts get this, and not if they are raw.
    Open(ContextId),
    /// The context is gone, and whatever it asked or was to answer is given up.
    Close(ContextId),
    /// The user gives up what was asked, or is to be answered.
    Cancel(ContextId),
    /// The user sends the message under way. If the machine answers `Done` it has been sent, kept or dropped;
    /// otherwise the machine leaves it as it is.
    Send(ContextId),
    /// As `Send`, but to this peer alone, which is attached: `NotNow` until its pipe takes more. Only raw sockets and those of kinds without
    /// contexts get this, for they keep nothing between messages.
    SendTo(PipeId),
    /// The message of the [`Cmd::Send`] or [`Cmd::SendTo`] just answered was to be transmitted on this pipe, and there was no memory for it; nor did any
    /// other pipe get it. The send fails, and the machine is to be as if it had not been.
    Unsent(PipeId),
    /// The user receives. `Done` means that an `Evt::Deliver` or an `Evt::Take` is among the events; if
    /// what was taken is not delivered, the socket asks again.
    Recv(ContextId),
    /// The time of the last `Evt::Arm` of this context is over.
    Timer(ContextId),
    /// The answer to [`Evt::GoOn`].
    GoOn,
}

impl Cmd {
    /// Whom it is about.
    #[inline]
    pub fn context(self) -> ContextId {
        match self {
            Cmd::Open(context)
            | Cmd::Close(context)
            | Cmd::Cancel(context)
            | Cmd::Send(context)
            | Cmd::Recv(context)
            | Cmd::Timer(context) => context,
            Cmd::Attach { .. }
            | Cmd::Hangup(_)
            | Cmd::Detach(_)
            | Cmd::Writable(_)
            | Cmd::Unwritable(_)
            | Cmd::Readable(_)
            | Cmd::Incoming { .. }
            | Cmd::SendTo(_)
            | Cmd::Unsent(_)
            | Cmd::GoOn => ContextId::SOCKET,
        }
    }
}

/// What a machine wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evt {
    /// Send the message under way on a pipe that is writable. Several in a row send it on several pipes.
    Transmit(PipeId),
    /// Take the next message from a readable pipe and feed it back as [`Cmd::Incoming`].
    Take(PipeId),
    /// Hand the message under way to the user whose `Cmd::Recv` asks for it.
    Deliver,
    /// What follows is about this context, which may have become ready for something, or is no more. Until it is said, events are
    /// about the context of the command, or the socket itself.
    Context(ContextId),
    /// Feed [`Cmd::Timer`] after so many milliseconds, counted from now, instead of any earlier wish of the context. So a
    /// machine never needs to know what time it is.
    Arm(u32),
    /// No timer any more.
    Disarm,
    /// Close the pipe: the protocol does not want this peer, or the peer broke the protocol.
    /// The machine forgets the pipe at once; a `Detach` for it may still follow and is ignored.
    Refuse(PipeId),
    /// Feed [`Cmd::GoOn`] when all before is carried out: another message is to be put under way. The last event of a command.
    GoOn,
}

/// Events in the order in which they are to be carried out. Most commands lead to one.
#[derive(Debug, Default)]
pub struct Events {
    first: Option<Evt>,
    /// Whatever comes after the first; while there is something, there may be no first any more.
    more: VecDeque<Evt>,
}

impl Events {
    pub fn new() -> Events {
        Events::default()
    }

    #[inline]
    pub fn push(&mut self, event: Evt) {
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some(event);
        } else {
            self.more.push_back(event);
        }
    }

    #[inline]
    pub fn pop(&mut self) -> Option<Evt> {
        match self.first.take() {
            None if self.more.is_empty() => None,
            None => self.more.pop_front(),
            first => first,
        }
    }

    /// Is the message under way to be sent once more?
    #[inline]
    pub fn transmits_again(&self) -> bool {
        matches!(self.first.as_ref().or_else(|| self.more.front()), Some(Evt::Transmit(_)))
    }

    /// The event behind the next one, of many.
    #[inline]
    pub fn after_next(&self) -> Option<Evt> {
        self.more.get(1).copied()
    }

    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }

    /// The event, if there is one and no other.
    #[cfg(test)]
    pub fn only(&self) -> Option<Evt> {
        self.first.filter(|_| self.more.is_empty())
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
    /// A send.
    pub send: bool,
    /// A receive.
    pub recv: bool,
}

/// Where messages go and come from as long as nothing else happens, so that the socket need not ask for each of them. A machine
/// that names no pipe is asked every time. What it says holds until it is fed anything but [`Cmd::Send`], [`Cmd::Recv`], or a
/// [`Cmd::Incoming`] with `more`, and until an option of the protocol is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Routes {
    /// A send of the socket itself would only say [`Evt::Transmit`] to this pipe, and leave the machine as it is; so would
    /// [`Cmd::Unsent`].
    pub send: Option<PipeId>,
    /// A receive of the socket itself would only say [`Evt::Take`] from this pipe, and what comes with `more` behind it leaves the
    /// machine as it is.
    pub recv: Option<PipeId>,
    /// The machine looks at what comes on `recv`. Otherwise that is delivered as it is, the header in front of the body.
    pub looks: bool,
    /// Several pipes take turns, so these routes are those of one message: the machine is told of it ([`Protocol::took_turn`]), and says
    /// where the next one goes.
    pub turns: bool,
}

/// A scalability protocol in one role (protocols.md). Pure: no I/O, no clock, no thread.
pub trait Protocol: Send {
    /// Feeds one command; events are appended to `out`. `message` is the message under way: what is sent, or came
    /// in; with every other command it is empty, for the machine to put there what it wants to transmit or deliver.
    fn handle(&mut self, cmd: Cmd, message: &mut Message<'_>, out: &mut Events) -> Answer;

    fn readiness(&self, context: ContextId) -> Readiness;

    /// Which way messages go until something else happens.
    fn routes(&self) -> Routes {
        Routes::default()
    }

    /// A message went along a route of several that take [turns](Routes::turns), as if the machine had been asked, and come back with `more`;
    /// the routes of the next one.
    fn took_turn(&mut self) -> Routes {
        self.routes()
    }

    /// Sets a protocol option (level = the socket type). `ENOPROTOOPT` if there is none such.
    fn set_option(&mut self, _context: ContextId, _option: i32, _value: &[u8]) -> Result<()> {
        Err(Error::NO_PROTO_OPT)
    }

    /// Reads an integer protocol option.
    fn option(&self, _context: ContextId, _option: i32) -> Result<i32> {
        Err(Error::NO_PROTO_OPT)
    }

    /// Longest chain of hops a request or survey may have crossed (`NN_MAXTTL`), 1 to 255.
    fn set_max_ttl(&mut self, _ttl: u8) {}

    /// What was dropped so far: of the messages that had to do with one attached pipe, or of all.
    fn drops(&self, _of: Option<PipeId>) -> Drops {
        Drops::default()
    }

    /// How many messages the machine itself keeps for a context.
    fn kept(&self, _context: ContextId) -> Kept {
        Kept::default()
    }

    /// `NN_STAT_CURRENT_SND_PRIORITY`: the level a send would use now, -1 when there is none left.
    fn send_priority(&self) -> i32 {
        0
    }
}

/// Messages that have left their caller, or their pipe, and not gone on yet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Kept {
    /// For somebody to send them to.
    pub unsent: usize,
    /// For the user to receive them.
    pub unread: usize,
}

/// To which context does a message go that arrives?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrivals {
    /// To the one that asked, or to those that have subscribed.
    Addressed,
    /// To whichever receives first: all are ready to receive as long as something waits.
    Shared,
}

/// One socket type: a row of the protocol table.
pub struct Kind {
    /// Endpoint type, protocol × 16 + role: what `nn_socket` takes and the handshake carries.
    pub id: u16,
    /// Upper case as in the symbol table, `REQ`.
    pub name: &'static str,
    /// The one endpoint type this one talks to.
    pub peer: u16,
    /// Whether its users may send.
    pub can_send: bool,
    /// Whether they may receive.
    pub can_recv: bool,
    /// What it receives are answers to what it sent last.
    pub asks: bool,
    /// How its contexts get what arrives; `None`: it has none.
    pub contexts: Option<Arrivals>,
    /// Makes the machine of a full or raw socket. `seed` is random: ids and pipe keys start there.
    pub make: fn(raw: bool, seed: u64) -> Box<dyn Protocol>,
}

impl Kind {
    /// Do raw sockets of these two make a device? They are of one protocol, and each takes what the other gives.
    pub fn fits(&self, other: &Kind) -> bool {
        self.id / 16 == other.id / 16 && self.can_recv == other.can_send && self.can_send == other.can_recv
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}
