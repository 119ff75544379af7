//! A socket without its I/O: the protocol machine, the options, the counters, and the loop that feeds
//! commands in and carries events out.

use std::time::Duration;

#[cfg(feature = "json")]
use crate::core::contract::Kept;
use crate::core::contract::Kind;
use crate::core::options::{self, OptionValue, Options};
use crate::core::statistics::{self, Statistics};
use crate::core::{
    Answer, Body, Cmd, ContextId, Drops, Error, Events, Evt, Message, PipeId, Protocol, Readiness, Result, Routes,
};

/// What a pipe says after it has taken a message for sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// It takes another one.
    Open,
    /// It takes no more until it says so.
    Full,
    /// It has not taken it, since there is no memory for it. All is as it was.
    NoMemory,
}

/// The pipes of one socket, as far as its protocol is concerned.
pub trait Pipes {
    /// Takes a message for sending. What it must keep of it, it takes out, but not if the message is to be sent `again`
    /// on another pipe. A pipe that fails on the way says so later, by hanging up; one without memory says so now.
    fn transmit(&mut self, pipe: PipeId, message: &mut Message<'_>, again: bool) -> Flow;

    /// Puts the next message of a readable pipe into `into`, and tells whether yet another one waits behind it. `None`:
    /// there is none, the pipe is gone.
    fn take(&mut self, pipe: PipeId, into: &mut Message<'_>) -> Option<bool>;

    /// Sends a message that has no header, if nothing comes of it here but that it travels with others. Otherwise nothing is done, and
    /// [`Pipes::transmit`] is to do it.
    fn append(&mut self, pipe: PipeId, body: &[u8]) -> bool;

    /// Copies the next message of a readable pipe to where it is wanted, if it fits there and yet another one waits behind it, so that
    /// nothing comes of that. Its length; otherwise nothing is done, and [`Pipes::take`] is to do it.
    fn take_bytes(&mut self, pipe: PipeId, room: &mut [u8]) -> Option<usize>;

    /// A message will soon be sent on this pipe: its memory may be fetched meanwhile.
    fn expect_send(&self, _pipe: PipeId) {}

    /// The same of a message that will be taken.
    fn expect_take(&self, _pipe: PipeId) {}

    /// Closes a pipe which the protocol does not want.
    fn refuse(&mut self, pipe: PipeId);

    /// Wants [`Cmd::Timer`] after this long, instead of any earlier wish of the context.
    fn arm(&mut self, context: ContextId, after: Option<Duration>);

    /// The readiness of a context, which is not the socket itself, may have changed.
    fn context_changed(&mut self, context: ContextId);
}

/// How an attempt to send or receive went.
#[derive(Debug)]
pub enum Progress<T> {
    Done(T),
    NotNow,
    Failed(Error),
}

impl<T> Progress<T> {
    /// `None`: it has none yet.
    pub fn outcome(self) -> Option<Result<T>> {
        match self {
            Progress::Done(value) => Some(Ok(value)),
            Progress::Failed(error) => Some(Err(error)),
            Progress::NotNow => None,
        }
    }
}

#[derive(Debug)]
pub struct SocketCore {
    kind: &'static Kind,
    raw: bool,
    machine: Machine,
    /// What the machine says of them, since it was last asked and as long as that holds.
    routes: Option<Routes>,
    /// Empty between commands.
    events: Events,
    /// The machine gives the message under way to the user.
    delivered: bool,
    /// Messages that were delivered, but could not be handed over to the user, at most one to a context.
    given_back: Vec<(ContextId, Message<'static>)>,
    pub options: Options,
    pub statistics: Statistics,
}

struct Machine(Box<dyn Protocol>);

impl std::fmt::Debug for Machine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Machine")
    }
}

impl SocketCore {
    /// `seed` must be random: request ids and pipe keys start there.
    pub fn new(kind: &'static Kind, raw: bool, seed: u64, name: &str) -> SocketCore {
        SocketCore {
            kind,
            raw,
            machine: Machine((kind.make)(raw, seed)),
            routes: None,
            events: Events::new(),
            delivered: false,
            given_back: Vec::new(),
            options: Options::new(name),
            statistics: Statistics::default(),
        }
    }

    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// `ENOTSUP` if the kind has no contexts, or the socket is raw.
    pub fn check_contexts(&self) -> Result<()> {
        if self.raw || self.kind.contexts.is_none() { Err(Error::NOT_SUPPORTED) } else { Ok(()) }
    }

    /// [`SocketCore::check_contexts`] has allowed it.
    pub fn open_context(&mut self, context: ContextId, pipes: &mut impl Pipes) {
        self.notice(Cmd::Open(context), pipes);
    }

    /// The context is one that is open.
    pub fn close_context(&mut self, context: ContextId, pipes: &mut impl Pipes) {
        self.notice(Cmd::Close(context), pipes);
        self.given_back.retain(|(owner, _)| *owner != context);
    }

    /// Gives up what was asked, or is to be answered, as if it had not been. `ENOTSUP` where that is not a thing that can be.
    pub fn cancel(&mut self, context: ContextId, pipes: &mut impl Pipes) -> Result<()> {
        self.check_contexts()?;
        if !self.kind.can_send {
            return Err(Error::NOT_SUPPORTED);
        }
        self.notice(Cmd::Cancel(context), pipes);
        self.given_back.retain(|(owner, _)| *owner != context);
        Ok(())
    }

    pub fn readiness(&self, context: ContextId) -> Readiness {
        let readiness = self.machine.0.readiness(context);
        let has_back = || self.given_back.iter().any(|(owner, _)| *owner == context);
        Readiness { recv: readiness.recv || has_back(), ..readiness }
    }

    /// Takes back a message just received, for the next one who receives: there was no memory to hand it over.
    pub fn give_back(&mut self, context: ContextId, message: Message<'static>) {
        self.statistics.messages_received -= 1;
        self.statistics.bytes_received -= message.body.len() as u64;
        self.given_back.push((context, message));
    }

    /// Sends the message if it answers `Done` (with the body's length; what is left of it means nothing then), and leaves
    /// it alone otherwise.
    #[inline(always)]
    pub fn send(&mut self, context: ContextId, message: &mut Message<'_>, pipes: &mut impl Pipes) -> Progress<usize> {
        let size = message.body.len();
        let answer = match self.routes(context) {
            Routes { send: Some(pipe), turns, .. } => self.transmit(pipe, turns, message, pipes),
            _ => self.feed(Cmd::Send(context), message, pipes),
        };
        if self.kind.asks && !self.raw && answer == Answer::Done {
            // An answer to what was asked before is none any more.
            self.given_back.retain(|(owner, _)| *owner != context);
        }
        self.sent(answer, size)
    }

    /// In the midst of a stream: sends these bytes along the route, if nothing comes of it but that they travel with others.
    /// Otherwise nothing is done, and it is to be [sent](SocketCore::send).
    #[inline(always)]
    pub fn append(&mut self, body: &[u8], pipes: &mut impl Pipes) -> bool {
        let Some(Routes { send: Some(pipe), turns, .. }) = self.routes else { return false };
        if !pipes.append(pipe, body) {
            return false;
        }
        if turns {
            self.pass_turn(pipes);
        }
        self.statistics.messages_sent += 1;
        self.statistics.bytes_sent += body.len() as u64;
        true
    }

    /// In the midst of a stream: copies what the route brings to where it is wanted, if more waits behind it, so that nothing comes of
    /// it. Its length; otherwise nothing is done, and it is to be [received](SocketCore::recv).
    #[inline(always)]
    pub fn take_bytes(&mut self, room: &mut [u8], pipes: &mut impl Pipes) -> Option<usize> {
        let Some(Routes { recv: Some(pipe), looks: false, turns, .. }) = self.routes else { return None };
        if !self.given_back.is_empty() {
            return None;
        }
        let len = pipes.take_bytes(pipe, room)?;
        if turns {
            self.pass_turn(pipes);
        }
        self.statistics.messages_received += 1;
        self.statistics.bytes_received += len as u64;
        Some(len)
    }

    /// `ENOTSUP` if the protocol decides by what went before who gets a message.
    pub fn check_send_to(&self) -> Result<()> {
        if self.kind.can_send && self.check_contexts().is_err() { Ok(()) } else { Err(Error::NOT_SUPPORTED) }
    }

    /// As [`SocketCore::send`], to one peer, which is attached. [`SocketCore::check_send_to`] has allowed it.
    pub fn send_to(&mut self, pipe: PipeId, message: &mut Message<'_>, pipes: &mut impl Pipes) -> Progress<usize> {
        let size = message.body.len();
        let answer = self.feed(Cmd::SendTo(pipe), message, pipes);
        self.sent(answer, size)
    }

    #[inline(always)]
    fn sent(&mut self, answer: Answer, size: usize) -> Progress<usize> {
        match answer {
            Answer::NotNow => Progress::NotNow,
            Answer::Fail(error) => Progress::Failed(error),
            Answer::Done => {
                self.statistics.messages_sent += 1;
                self.statistics.bytes_sent += size as u64;
                Progress::Done(size)
            }
        }
    }

    /// Puts the next message for the user into `into`; if that has a place for it, preferably there. Messages which the protocol
    /// drops on the way are not seen.
    #[inline(always)]
    pub fn recv(&mut self, context: ContextId, into: &mut Message<'_>, pipes: &mut impl Pipes) -> Progress<()> {
        if !self.given_back.is_empty() && self.take_back(context, into) {
            return self.received(into);
        }
        loop {
            let routes = self.routes(context);
            let answer = match routes.recv {
                Some(pipe) if !routes.looks => match pipes.take(pipe, into) {
                    Some(true) if into.header.is_empty() => {
                        if routes.turns {
                            self.pass_turn(pipes);
                        }
                        return self.received(into);
                    }
                    taken => self.feed(outcome_of_take(pipe, taken), into, pipes),
                },
                route => self.ask(route, context, into, pipes),
            };
            match answer {
                Answer::NotNow => return Progress::NotNow,
                Answer::Fail(error) => return Progress::Failed(error),
                Answer::Done => {}
            }
            if std::mem::take(&mut self.delivered) {
                return self.received(into);
            }
        }
    }

    /// Receives what the machine chooses, at least whether it is delivered. What it drops must not be in the user's buffer.
    fn ask(
        &mut self,
        route: Option<PipeId>,
        context: ContextId,
        into: &mut Message<'_>,
        pipes: &mut impl Pipes,
    ) -> Answer {
        let room = into.body.take_room();
        let cmd = match route {
            Some(pipe) => outcome_of_take(pipe, pipes.take(pipe, into)),
            None => Cmd::Recv(context),
        };
        let answer = self.feed(cmd, into, pipes);
        if let Some(room) = room
            && answer != Answer::Done
        {
            into.body = Body::Placed { room, len: 0 };
        }
        answer
    }

    #[inline(always)]
    fn received(&mut self, message: &Message<'_>) -> Progress<()> {
        self.statistics.messages_received += 1;
        self.statistics.bytes_received += message.body.len() as u64;
        Progress::Done(())
    }

    /// Where the messages of a context go and come from, if the machine need not be asked.
    #[inline(always)]
    fn routes(&mut self, context: ContextId) -> Routes {
        match self.routes {
            _ if context != ContextId::SOCKET => Routes::default(),
            Some(routes) => routes,
            None => self.ask_for_routes(),
        }
    }

    #[cold]
    fn ask_for_routes(&mut self) -> Routes {
        *self.routes.insert(self.machine.0.routes())
    }

    /// Sends on a pipe for which the machine is not asked.
    #[inline(always)]
    fn transmit(&mut self, pipe: PipeId, turns: bool, message: &mut Message<'_>, pipes: &mut impl Pipes) -> Answer {
        let flow = pipes.transmit(pipe, message, false);
        if flow == Flow::NoMemory {
            return Answer::Fail(Error::NO_MEMORY);
        }
        if turns {
            self.pass_turn(pipes);
        }
        if flow == Flow::Full {
            self.notice(Cmd::Unwritable(pipe), pipes);
        }
        Answer::Done
    }

    /// A message went along the route of one of several. Where the next one is to go, or is, was looked at long ago.
    #[inline(never)]
    fn pass_turn(&mut self, pipes: &impl Pipes) {
        let routes = self.machine.0.took_turn();
        self.routes = Some(routes);
        if let Some(next) = routes.send {
            pipes.expect_send(next);
        }
        if let Some(next) = routes.recv {
            pipes.expect_take(next);
        }
    }

    #[cold]
    fn take_back(&mut self, context: ContextId, into: &mut Message<'_>) -> bool {
        let Some(at) = self.given_back.iter().position(|(owner, _)| *owner == context) else { return false };
        *into = self.given_back.remove(at).1;
        true
    }

    /// Feeds a command that comes with no message.
    pub fn notice(&mut self, cmd: Cmd, pipes: &mut impl Pipes) {
        self.feed(cmd, &mut Message::default(), pipes);
    }

    /// Feeds one command and carries out all that follows from it. Events may lead to commands, and those to more
    /// events: a loop and not a recursion, since a peer decides how many there are.
    fn feed(&mut self, cmd: Cmd, message: &mut Message<'_>, pipes: &mut impl Pipes) -> Answer {
        let SocketCore { machine: Machine(machine), routes, events, delivered, .. } = self;
        let mut feed = |cmd: Cmd, message: &mut Message<'_>, events: &mut Events| {
            if !keeps_routes(cmd) || routes.is_some_and(|routes| routes.turns) {
                *routes = None;
            }
            machine.handle(cmd, message, events)
        };
        let mut answer = feed(cmd, message, events);
        let (mut taken, mut lacking) = (false, None);
        let own = cmd.context();
        let mut context = own;
        if context != ContextId::SOCKET {
            pipes.context_changed(context);
        }
        while let Some(event) = events.pop() {
            match event {
                Evt::Transmit(pipe) => {
                    if let Some(Evt::Transmit(later)) = events.after_next() {
                        pipes.expect_send(later);
                    }
                    match pipes.transmit(pipe, message, events.transmits_again()) {
                        Flow::Open => taken = true,
                        Flow::Full => {
                            taken = true;
                            feed(Cmd::Unwritable(pipe), &mut Message::default(), events);
                        }
                        Flow::NoMemory => lacking = Some(pipe),
                    }
                }
                Evt::Take(pipe) => {
                    let taken = pipes.take(pipe, message);
                    feed(outcome_of_take(pipe, taken), message, events);
                }
                Evt::Deliver => *delivered = true,
                Evt::Context(other) => {
                    context = other;
                    if context != ContextId::SOCKET {
                        pipes.context_changed(context);
                    }
                }
                Evt::Arm(milliseconds) => pipes.arm(context, Some(Duration::from_millis(u64::from(milliseconds)))),
                Evt::Disarm => pipes.arm(context, None),
                Evt::Refuse(pipe) => pipes.refuse(pipe),
                Evt::GoOn => {
                    *message = Message::default();
                    feed(Cmd::GoOn, message, events);
                }
            }
            // Of several pipes, those that lack memory miss the message as slow ones do.
            if let Some(pipe) = lacking
                && !taken
                && events.is_empty()
                && matches!(cmd, Cmd::Send(_) | Cmd::SendTo(_))
            {
                context = own;
                lacking = None;
                answer = Answer::Fail(Error::NO_MEMORY);
                feed(Cmd::Unsent(pipe), message, events);
            }
        }
        answer
    }

    /// Sets an option of the protocol (level = socket type), which is the context's own.
    pub fn set_protocol_option(&mut self, context: ContextId, option: i32, value: &[u8]) -> Result<()> {
        // What is subscribed decides whether the machine looks.
        self.routes = None;
        self.machine.0.set_option(context, option, value)
    }

    /// Sets a generic option (level 0) or one of the protocol's own (level = socket type).
    pub fn set_option(&mut self, level: i32, option: i32, value: &[u8]) -> Result<()> {
        if level == i32::from(self.kind.id) {
            return self.set_protocol_option(ContextId::SOCKET, option, value);
        }
        if level != 0 {
            return Err(Error::NO_PROTO_OPT);
        }
        self.options.set(option, value)?;
        if option == options::MAXTTL {
            // In range by the check just passed.
            self.machine.0.set_max_ttl(self.options.maxttl as u8);
        }
        Ok(())
    }

    pub fn option(&self, context: ContextId, level: i32, option: i32) -> Result<OptionValue> {
        match (level, option) {
            (0, options::DOMAIN) => Ok(OptionValue::Int(if self.raw { 2 } else { 1 })),
            (0, options::PROTOCOL) => Ok(OptionValue::Int(i32::from(self.kind.id))),
            (0, _) => self.options.get(option),
            _ if level == i32::from(self.kind.id) => self.machine.0.option(context, option).map(OptionValue::Int),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    /// What was dropped so far: of the messages that had to do with one attached pipe, or of all.
    pub fn drops(&self, of: Option<PipeId>) -> Drops {
        self.machine.0.drops(of)
    }

    /// How many messages a context has in the machine, besides those in pipes.
    #[cfg(feature = "json")]
    pub fn kept(&self, context: ContextId) -> Kept {
        self.machine.0.kept(context)
    }

    pub fn statistic(&self, stat: i32) -> Result<u64> {
        if stat == statistics::CURRENT_SND_PRIORITY {
            return Ok(i64::from(self.machine.0.send_priority()) as u64);
        }
        self.statistics.get(stat)
    }
}

/// What the machine is told of a take. A pipe with nothing to take is gone; the machine must not ask it again.
fn outcome_of_take(pipe: PipeId, taken: Option<bool>) -> Cmd {
    match taken {
        Some(more) => Cmd::Incoming { pipe, more },
        None => Cmd::Detach(pipe),
    }
}

/// Does what the machine said of routes still hold behind this command?
#[inline]
fn keeps_routes(cmd: Cmd) -> bool {
    matches!(cmd, Cmd::Send(_) | Cmd::Recv(_) | Cmd::Incoming { more: true, .. })
}
