//! A socket without a wire: it feeds a machine and carries out its events on pipes that are two queues,
//! by a clock moved by hand. On the way it watches that machine and contract agree.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::core::{
    Answer, Body, Chunk, Cmd, ContextId, Error, Events, Evt, Header, Message, PipeId, Protocol, Readiness, Result,
    Routes,
};
use crate::protocol::KINDS;

/// What `recv` gives: header and body.
pub type Received = (Vec<u8>, Vec<u8>);

/// Room of a pipe whose size does not matter.
pub const PLENTY: usize = 1000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PipeState {
    Attached,
    HungUp,
    /// Detached or refused.
    Gone,
}

pub struct FakePipe {
    pub state: PipeState,
    /// Never reused, unlike the pipe's id.
    pub serial: usize,
    /// How many sent messages fit.
    room: usize,
    sent: VecDeque<Message<'static>>,
    arrived: VecDeque<Message<'static>>,
}

pub struct FakeSocket {
    machine: Box<dyn Protocol>,
    can_recv: bool,
    pipes: Vec<FakePipe>,
    serials: usize,
    pub now: Duration,
    /// When the machine wants its timer, by context.
    alarms: BTreeMap<ContextId, Duration>,
    /// Who uses it.
    pub context: ContextId,
    /// Contexts of which it was said that their readiness may have changed.
    pub changed: Vec<ContextId>,
    opened: u32,
    delivered: usize,
    /// Serial of the pipe from which a message was last taken.
    pub last_taken: usize,
    /// Every transmission's pipe.
    pub transmissions: Vec<PipeId>,
    pub refused: Vec<PipeId>,
}

pub fn full(name: &str) -> FakeSocket {
    FakeSocket::new(name, false, 1)
}

pub fn raw(name: &str) -> FakeSocket {
    FakeSocket::new(name, true, 1)
}

/// A second message with equal bytes, all in the body.
fn on_the_wire(message: &Message<'_>) -> Vec<u8> {
    [message.header.as_slice(), message.body.bytes()].concat()
}

impl FakeSocket {
    pub fn new(name: &str, raw: bool, seed: u64) -> FakeSocket {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        FakeSocket {
            machine: (kind.make)(raw, seed),
            can_recv: kind.can_recv,
            pipes: Vec::new(),
            serials: 0,
            now: Duration::ZERO,
            alarms: BTreeMap::new(),
            context: ContextId::SOCKET,
            changed: Vec::new(),
            opened: 0,
            delivered: 0,
            last_taken: 0,
            transmissions: Vec::new(),
            refused: Vec::new(),
        }
    }

    // ---- pipes

    /// A pipe of ordinary priority that is writable at once.
    pub fn attach(&mut self) -> PipeId {
        self.attach_with(8, 8, PLENTY)
    }

    pub fn attach_with(&mut self, send_priority: u8, recv_priority: u8, room: usize) -> PipeId {
        let pipe = self.attach_unwritable(send_priority, recv_priority, room);
        self.announce_writable(pipe);
        pipe
    }

    /// A pipe, in the first free place, of which nothing has been said yet.
    pub fn attach_unwritable(&mut self, send_priority: u8, recv_priority: u8, room: usize) -> PipeId {
        let free = self.pipes.iter().position(|pipe| pipe.state == PipeState::Gone);
        let index = free.unwrap_or(self.pipes.len());
        self.serials += 1;
        let fake = FakePipe {
            state: PipeState::Attached,
            serial: self.serials,
            room,
            sent: VecDeque::new(),
            arrived: VecDeque::new(),
        };
        match free {
            Some(index) => self.pipes[index] = fake,
            None => self.pipes.push(fake),
        }
        let pipe = PipeId(index as u32);
        self.feed(Cmd::Attach { pipe, send_priority, recv_priority });
        pipe
    }

    pub fn pipe(&self, pipe: PipeId) -> &FakePipe {
        &self.pipes[pipe.0 as usize]
    }

    fn pipe_mut(&mut self, pipe: PipeId) -> &mut FakePipe {
        &mut self.pipes[pipe.0 as usize]
    }

    pub fn pipes(&self) -> &[FakePipe] {
        &self.pipes
    }

    /// Says `Writable` if there is room, also if it was said before.
    pub fn announce_writable(&mut self, pipe: PipeId) {
        if self.pipe(pipe).is_writable() {
            self.feed(Cmd::Writable(pipe));
        }
    }

    /// A stalled peer: nothing fits any more. `PLENTY` ends it.
    pub fn set_room(&mut self, pipe: PipeId, room: usize) {
        self.pipe_mut(pipe).room = room;
        match self.pipe(pipe).is_writable() {
            true => self.announce_writable(pipe),
            false => drop(self.feed(Cmd::Unwritable(pipe))),
        }
    }

    /// The peer closes: nothing can be sent, what arrived can be taken.
    pub fn hangup(&mut self, pipe: PipeId) {
        self.hangup_only(pipe);
        self.detach_if_drained(pipe);
    }

    /// As `hangup`, and the pipe lingers though there is nothing in it.
    pub fn hangup_only(&mut self, pipe: PipeId) {
        let fake = self.pipe_mut(pipe);
        assert_eq!(fake.state, PipeState::Attached);
        fake.state = PipeState::HungUp;
        fake.sent.clear();
        self.feed(Cmd::Hangup(pipe));
    }

    /// The pipe is gone with everything in it.
    pub fn detach(&mut self, pipe: PipeId) {
        let fake = self.pipe_mut(pipe);
        fake.state = PipeState::Gone;
        fake.sent.clear();
        fake.arrived.clear();
        self.feed(Cmd::Detach(pipe));
    }

    fn detach_if_drained(&mut self, pipe: PipeId) {
        let fake = self.pipe(pipe);
        if fake.state == PipeState::HungUp && (fake.arrived.is_empty() || !self.can_recv) {
            self.detach(pipe);
        }
    }

    // ---- the wire

    /// Bytes arrive as from a stream: in the middle of a read buffer.
    pub fn arrive(&mut self, pipe: PipeId, bytes: &[u8]) {
        let buffer = [b"before", bytes, b"after"].concat();
        let block = Arc::new(Chunk::copy_of(&buffer).unwrap());
        let (start, end) = (6, 6 + bytes.len());
        self.arrive_message(pipe, Message::new(Body::Shared { block, start, end }));
    }

    /// A message arrives as over inproc: the sender's header apart, the body in a chunk.
    pub fn arrive_parts(&mut self, pipe: PipeId, header: &[u8], body: &[u8]) {
        let header = Header::from_slice(header);
        self.arrive_message(pipe, Message { header, ..Message::copy_of(body).unwrap() });
    }

    /// Two messages arrive and are announced together.
    pub fn arrive_both(&mut self, pipe: PipeId, first: &[u8], second: &[u8]) {
        self.pipe_mut(pipe).arrived.push_back(Message::copy_of(first).unwrap());
        self.arrive(pipe, second);
    }

    /// Says `Readable` also if it was said before.
    pub fn arrive_message(&mut self, pipe: PipeId, message: Message<'static>) {
        self.pipe_mut(pipe).arrived.push_back(message);
        self.feed(Cmd::Readable(pipe));
    }

    /// Takes the next sent message off the pipe, which makes room.
    pub fn carry(&mut self, pipe: PipeId) -> Option<Message<'static>> {
        let message = self.pipe_mut(pipe).sent.pop_front()?;
        self.announce_writable(pipe);
        Some(message)
    }

    /// Everything sent on the pipe since last time, as bytes on the wire.
    pub fn sent(&mut self, pipe: PipeId) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.carry(pipe)).map(|message| on_the_wire(&message)).collect()
    }

    /// The one message sent on the pipe.
    pub fn sent_one(&mut self, pipe: PipeId) -> Vec<u8> {
        let mut sent = self.sent(pipe);
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    // ---- the user

    pub fn send(&mut self, body: &[u8]) -> Result<()> {
        self.send_with(b"", body)
    }

    pub fn send_with(&mut self, header: &[u8], body: &[u8]) -> Result<()> {
        let ready = self.machine.readiness(self.context).send;
        let header = Header::from_slice(header);
        let mut message = Message { header: header.clone(), ..Message::new(Body::Borrowed(body)) };
        let answer = self.feed_with(Cmd::Send(self.context), &mut message);
        if answer == Answer::Done {
            assert!(ready, "a send succeeded that was not announced");
            return Ok(());
        }
        assert_eq!((&message.header, message.body.bytes()), (&header, body), "an unsent message changed");
        match answer {
            Answer::Fail(error) => Err(error),
            _ => {
                assert!(!ready, "an announced send would block");
                Err(Error::AGAIN)
            }
        }
    }

    pub fn send_to(&mut self, pipe: PipeId, header: &[u8], body: &[u8]) -> Result<()> {
        let header = Header::from_slice(header);
        let mut message = Message { header: header.clone(), ..Message::new(Body::Borrowed(body)) };
        let answer = self.feed_with(Cmd::SendTo(pipe), &mut message);
        if answer == Answer::Done {
            return Ok(());
        }
        assert_eq!((&message.header, message.body.bytes()), (&header, body), "an unsent message changed");
        Err(if let Answer::Fail(error) = answer { error } else { Error::AGAIN })
    }

    pub fn recv(&mut self) -> Result<Received> {
        let ready = self.machine.readiness(self.context).recv;
        let mut first = true;
        loop {
            let mut message = Message::default();
            match self.feed_with(Cmd::Recv(self.context), &mut message) {
                Answer::Done => assert!(ready, "a receive succeeded that was not announced"),
                Answer::NotNow => {
                    assert!(!(ready && first), "an announced receive would block");
                    return Err(Error::AGAIN);
                }
                Answer::Fail(error) => return Err(error),
            }
            if std::mem::take(&mut self.delivered) > 0 {
                return Ok((message.header.to_vec(), message.body.bytes().to_vec()));
            }
            first = false;
        }
    }

    /// The bodies of everything that can be received now.
    pub fn recv_all(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.recv().ok()).map(|(_, body)| body).collect()
    }

    /// What it says it has dropped, of one pipe or of all, less the reasons that did not occur.
    pub fn drops(&self, of: Option<PipeId>) -> Vec<(&'static str, u64)> {
        self.machine.drops(of).iter().filter(|(_, count)| *count > 0).collect()
    }

    pub fn ready(&self) -> Readiness {
        self.machine.readiness(self.context)
    }

    pub fn machine(&mut self) -> &mut dyn Protocol {
        &mut *self.machine
    }

    /// When the machine wants its timer for the context that uses it.
    pub fn alarm(&self) -> Option<Duration> {
        self.alarms.get(&self.context).copied()
    }

    /// Moves the clock; timers fire at their times.
    pub fn pass(&mut self, time: Duration) {
        let then = self.now + time;
        let next = |alarms: &BTreeMap<ContextId, Duration>| {
            alarms.iter().map(|(context, alarm)| (*alarm, *context)).min().filter(|(alarm, _)| *alarm <= then)
        };
        while let Some((alarm, context)) = next(&self.alarms) {
            self.now = alarm;
            self.alarms.remove(&context);
            self.feed(Cmd::Timer(context));
        }
        self.now = then;
    }

    // ---- contexts

    /// A new context, which uses the socket from now on.
    pub fn open(&mut self) -> ContextId {
        self.opened += 1;
        self.context = ContextId(self.opened);
        self.feed(Cmd::Open(self.context));
        self.context
    }

    pub fn close(&mut self, context: ContextId) {
        self.feed(Cmd::Close(context));
        assert!(!self.alarms.contains_key(&context), "a closed context wants its timer");
    }

    pub fn set_option(&mut self, option: i32, value: &[u8]) -> Result<()> {
        self.machine.set_option(self.context, option, value)
    }

    pub fn option(&self, option: i32) -> Result<i32> {
        self.machine.option(self.context, option)
    }

    pub fn cancel(&mut self) {
        self.feed(Cmd::Cancel(self.context));
    }

    pub fn pass_ms(&mut self, milliseconds: u64) {
        self.pass(Duration::from_millis(milliseconds));
    }

    // ---- the driver

    fn feed(&mut self, cmd: Cmd) -> Answer {
        self.feed_with(cmd, &mut Message::default())
    }

    fn feed_with(&mut self, cmd: Cmd, message: &mut Message<'_>) -> Answer {
        let mut events = Events::new();
        let routes = self.machine.routes();
        let answer = self.machine.handle(cmd, message, &mut events);
        self.check_routes(cmd, routes, &events);
        let (mut served, mut context) = (false, cmd.context());
        self.changed.extend(Some(context));
        while let Some(event) = events.pop() {
            served |= matches!(event, Evt::Deliver | Evt::Take(_));
            self.carry_out(event, &mut context, message, &mut events);
        }
        let receives = matches!(cmd, Cmd::Recv(_));
        assert!(!receives || served == (answer == Answer::Done), "a receive is done if and only if something comes");
        assert!(self.delivered == 0 || receives, "delivered to nobody");
        assert!(self.delivered <= 1, "two messages delivered to one receive");
        answer
    }

    /// Whether the machine does what it said of its routes: with these it need not have been asked.
    fn check_routes(&self, cmd: Cmd, before: Routes, events: &Events) {
        let route = match cmd {
            Cmd::Send(ContextId::SOCKET) => before.send.map(Evt::Transmit),
            Cmd::Recv(ContextId::SOCKET) => before.recv.map(Evt::Take),
            _ => return,
        };
        assert!(before.turns || self.machine.routes() == before, "sending and receiving changes the routes");
        if let Some(expected) = route {
            assert_eq!(events.only(), Some(expected), "not the way that was said");
        }
    }

    fn carry_out(&mut self, event: Evt, context: &mut ContextId, message: &mut Message<'_>, events: &mut Events) {
        match event {
            Evt::Transmit(pipe) => self.transmit(pipe, message, events),
            Evt::Take(pipe) => self.take(pipe, message, events),
            Evt::Deliver => self.delivered += 1,
            Evt::Context(other) => {
                *context = other;
                self.changed.push(other);
            }
            Evt::Arm(milliseconds) => {
                let at = self.now + Duration::from_millis(u64::from(milliseconds));
                self.alarms.insert(*context, at);
            }
            Evt::Disarm => drop(self.alarms.remove(context)),
            Evt::GoOn => {
                *message = Message::default();
                self.machine.handle(Cmd::GoOn, message, events);
            }
            Evt::Refuse(pipe) => {
                self.refused.push(pipe);
                self.detach(pipe);
            }
        }
    }

    fn transmit(&mut self, pipe: PipeId, message: &mut Message<'_>, events: &mut Events) {
        self.transmissions.push(pipe);
        let sent = message.share().unwrap();
        if !events.transmits_again() {
            message.take();
        }
        let fake = self.pipe_mut(pipe);
        assert!(fake.is_writable(), "transmission on a pipe that is not writable");
        fake.sent.push_back(sent);
        if !fake.is_writable() {
            self.machine.handle(Cmd::Unwritable(pipe), &mut Message::default(), events);
        }
    }

    fn take(&mut self, pipe: PipeId, message: &mut Message<'_>, events: &mut Events) {
        let fake = self.pipe_mut(pipe);
        assert_ne!(fake.state, PipeState::Gone, "take from a pipe that is gone");
        *message = fake.arrived.pop_front().expect("take from a readable pipe");
        let (more, serial) = (!fake.arrived.is_empty(), fake.serial);
        self.last_taken = serial;
        let (before, own) = (self.machine.routes(), on_the_wire(message));
        let pending = !events.is_empty();
        self.machine.handle(Cmd::Incoming { pipe, more }, message, events);
        if more && !before.turns {
            assert_eq!(self.machine.routes(), before, "with more behind it, a message changes the routes");
        }
        if before.recv == Some(pipe) && !before.looks && !pending {
            assert_eq!(events.only(), Some(Evt::Deliver), "what comes this way is delivered");
            assert_eq!((message.header.as_slice(), message.body.bytes()), (&b""[..], &own[..]), "as it came");
        }
        self.detach_if_drained(pipe);
    }
}

impl FakePipe {
    fn is_writable(&self) -> bool {
        self.state == PipeState::Attached && self.sent.len() < self.room
    }

    /// How many messages wait to be taken.
    pub fn unread(&self) -> usize {
        self.arrived.len()
    }
}
