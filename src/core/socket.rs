//! A socket without its I/O: the protocol machine, the options, the counters, and the loop that feeds
//! commands in and carries events out.

use std::time::Duration;

use crate::core::contract::Kind;
use crate::core::options::{self, OptionValue, Options};
use crate::core::statistics::{self, Statistics};
use crate::core::{Answer, Cmd, Error, Events, Evt, Message, PipeId, Protocol, Readiness, Result};

/// What a pipe says after it has taken a message for sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// It takes another one.
    Open,
    /// It takes no more until it says so.
    Full,
}

/// The pipes of one socket, as far as its protocol is concerned.
pub trait Pipes {
    /// Takes a message for sending. A pipe that fails on the way says so later, by hanging up.
    fn transmit(&mut self, pipe: PipeId, message: Message<'_>) -> Flow;

    /// The next message of a readable pipe, and whether yet another one waits behind it.
    fn take(&mut self, pipe: PipeId) -> Option<(Message<'static>, bool)>;

    /// Closes a pipe which the protocol does not want.
    fn refuse(&mut self, pipe: PipeId);

    /// Wants [`Cmd::Timer`] after this long, instead of any earlier wish.
    fn arm(&mut self, after: Option<Duration>);
}

/// How an attempt to send or receive went.
#[derive(Debug)]
pub enum Progress<T> {
    Done(T),
    NotNow,
    Failed(Error),
}

#[derive(Debug)]
pub struct Socket {
    kind: &'static Kind,
    raw: bool,
    machine: Machine,
    /// What the machine delivered for the receive under way.
    delivered: Option<Message<'static>>,
    pub options: Options,
    pub statistics: Statistics,
}

struct Machine(Box<dyn Protocol>);

impl std::fmt::Debug for Machine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Machine")
    }
}

impl Socket {
    /// `seed` must be random: request ids and pipe keys start there.
    pub fn new(kind: &'static Kind, raw: bool, seed: u64, name: &str) -> Socket {
        Socket {
            kind,
            raw,
            machine: Machine((kind.make)(raw, seed)),
            delivered: None,
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

    pub fn readiness(&self) -> Readiness {
        self.machine.0.readiness()
    }

    /// Takes the message if it answers `Done` (with the body's length), and leaves it alone otherwise.
    pub fn send(&mut self, message: &mut Message<'_>, pipes: &mut impl Pipes) -> Progress<usize> {
        let size = message.body.len();
        match self.feed(Cmd::Send { message }, pipes) {
            Answer::NotNow => Progress::NotNow,
            Answer::Fail(error) => Progress::Failed(error),
            Answer::Done => {
                self.statistics.messages_sent += 1;
                self.statistics.bytes_sent += size as u64;
                Progress::Done(size)
            }
        }
    }

    /// The next message for the user. Messages which the protocol drops on the way are not seen.
    pub fn recv(&mut self, pipes: &mut impl Pipes) -> Progress<Message<'static>> {
        loop {
            match self.feed(Cmd::Recv, pipes) {
                Answer::NotNow => return Progress::NotNow,
                Answer::Fail(error) => return Progress::Failed(error),
                Answer::Done => {}
            }
            if let Some(message) = self.delivered.take() {
                self.statistics.messages_received += 1;
                self.statistics.bytes_received += message.body.len() as u64;
                return Progress::Done(message);
            }
        }
    }

    /// Feeds one command and carries out all that follows from it. Events may lead to commands, and those to more
    /// events: a loop and not a recursion, since a peer decides how many there are.
    pub fn feed(&mut self, cmd: Cmd<'_, '_>, pipes: &mut impl Pipes) -> Answer {
        let mut events = Events::new();
        let answer = self.machine.0.handle(cmd, &mut events);
        while let Some(event) = events.pop() {
            self.carry_out(event, pipes, &mut events);
        }
        answer
    }

    #[inline]
    fn carry_out<'m>(&mut self, event: Evt<'m>, pipes: &mut impl Pipes, events: &mut Events<'m>) {
        match event {
            Evt::Transmit { pipe, message } => {
                if pipes.transmit(pipe, message) == Flow::Full {
                    self.machine.0.handle(Cmd::Unwritable(pipe), events);
                }
            }
            Evt::Take(pipe) => {
                // A pipe with nothing to take is gone; the machine must not ask it again.
                let cmd = match pipes.take(pipe) {
                    Some((message, more)) => Cmd::Incoming { pipe, message, more },
                    None => Cmd::Detach(pipe),
                };
                self.machine.0.handle(cmd, events);
            }
            Evt::Deliver(message) => self.delivered = Some(message),
            Evt::Arm(after) => pipes.arm(after),
            Evt::Refuse(pipe) => pipes.refuse(pipe),
        }
    }

    /// Sets a generic option (level 0) or one of the protocol's own (level = socket type).
    pub fn set_option(&mut self, level: i32, option: i32, value: &[u8]) -> Result<()> {
        if level == i32::from(self.kind.id) {
            return self.machine.0.set_option(option, value);
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

    pub fn option(&self, level: i32, option: i32) -> Result<OptionValue> {
        match (level, option) {
            (0, options::DOMAIN) => Ok(OptionValue::Int(if self.raw { 2 } else { 1 })),
            (0, options::PROTOCOL) => Ok(OptionValue::Int(i32::from(self.kind.id))),
            (0, _) => self.options.get(option),
            _ if level == i32::from(self.kind.id) => self.machine.0.option(option).map(OptionValue::Int),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    pub fn statistic(&self, stat: i32) -> Result<u64> {
        if stat == statistics::CURRENT_SND_PRIORITY {
            return Ok(i64::from(self.machine.0.send_priority()) as u64);
        }
        self.statistics.get(stat)
    }
}
