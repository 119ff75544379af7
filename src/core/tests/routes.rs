//! Who decides where a message goes: the machine, or what it said of its routes before.

use std::time::Duration;

use crate::core::socket::{Flow, Pipes, Progress};
use crate::core::{
    Answer, Body, Cmd, ContextId, Error, Events, Evt, Kind, Message, PipeId, Protocol, Readiness, Result, Routes,
    SocketCore,
};

/// The pipe that the machine names when it is asked for routes, and the one that it names when it is asked for each message: so it
/// shows which was done.
const ROUTE: PipeId = PipeId(1);
const ASKED: PipeId = PipeId(2);
/// With which the first one takes turns, if it does.
const OTHER: PipeId = PipeId(3);

const TELLTALE: Kind = Kind {
    id: 1,
    name: "TELLTALE",
    peer: 1,
    can_send: true,
    can_recv: true,
    asks: false,
    contexts: None,
    make: |raw, _seed| Box::new(Telltale { pipe: Some(ROUTE), looks: raw, looked: 0, turns: false }),
};

const TAKES_TURNS: Kind = Kind {
    make: |_raw, _seed| Box::new(Telltale { pipe: Some(ROUTE), looks: false, looked: 0, turns: true }),
    ..TELLTALE
};

/// Says what it said of its routes until it is told of another pipe, or that this one is of no more use.
struct Telltale {
    pipe: Option<PipeId>,
    looks: bool,
    looked: usize,
    turns: bool,
}

impl Protocol for Telltale {
    fn handle(&mut self, cmd: Cmd, _message: &mut Message<'_>, out: &mut Events) -> Answer {
        match cmd {
            Cmd::Send(_) => out.push(Evt::Transmit(ASKED)),
            Cmd::Recv(_) => out.push(Evt::Take(ASKED)),
            Cmd::Incoming { more, .. } => {
                self.pipe = self.pipe.filter(|_| more);
                self.looked += 1;
                // Who looks drops every second message.
                if !self.looks || self.looked.is_multiple_of(2) {
                    out.push(Evt::Deliver);
                }
            }
            Cmd::Attach { pipe, .. } => self.pipe = Some(pipe),
            Cmd::Unwritable(_) | Cmd::Detach(_) => self.pipe = None,
            _ => {}
        }
        Answer::Done
    }

    fn readiness(&self, _context: ContextId) -> Readiness {
        Readiness::default()
    }

    fn routes(&self) -> Routes {
        Routes { send: self.pipe, recv: self.pipe, looks: self.looks, turns: self.turns }
    }

    fn took_turn(&mut self) -> Routes {
        assert!(self.turns, "nobody has a turn");
        self.pipe = self.pipe.map(|pipe| if pipe == ROUTE { OTHER } else { ROUTE });
        self.routes()
    }

    /// Any option makes it look.
    fn set_option(&mut self, _context: ContextId, _option: i32, _value: &[u8]) -> Result<()> {
        self.looks = true;
        Ok(())
    }
}

/// Answers as it was told, and remembers which pipes were used.
struct Script {
    flow: Flow,
    taken: Option<bool>,
    used: Vec<PipeId>,
}

impl Pipes for Script {
    fn transmit(&mut self, pipe: PipeId, _message: &mut Message<'_>, _again: bool) -> Flow {
        self.used.push(pipe);
        self.flow
    }

    /// What comes is `abc`.
    fn take(&mut self, pipe: PipeId, into: &mut Message<'_>) -> Option<bool> {
        self.used.push(pipe);
        if pipe == ASKED || self.taken.is_some() {
            if !into.body.place(b"abc") {
                into.body.set_inline(b"abc");
            }
            return self.taken.or(Some(false));
        }
        None
    }

    fn append(&mut self, pipe: PipeId, _body: &[u8]) -> bool {
        self.used.push(pipe);
        self.flow == Flow::Open
    }

    fn take_bytes(&mut self, pipe: PipeId, room: &mut [u8]) -> Option<usize> {
        self.used.push(pipe);
        room.get_mut(..3)?.copy_from_slice(b"abc");
        self.taken.and_then(|more| more.then_some(3))
    }

    fn refuse(&mut self, _pipe: PipeId) {}

    fn arm(&mut self, _context: ContextId, _after: Option<Duration>) {}

    fn context_changed(&mut self, _context: ContextId) {}
}

struct Rig {
    core: SocketCore,
    pipes: Script,
}

impl Rig {
    fn new(flow: Flow, taken: Option<bool>) -> Rig {
        Rig::with(flow, taken, false)
    }

    fn with(flow: Flow, taken: Option<bool>, looks: bool) -> Rig {
        let core = SocketCore::new(&TELLTALE, looks, 1, "telltale");
        Rig { core, pipes: Script { flow, taken, used: Vec::new() } }
    }

    fn send(&mut self) -> Progress<usize> {
        self.core.send(ContextId::SOCKET, &mut Message::new(Body::Borrowed(b"abc")), &mut self.pipes)
    }

    /// Is what came in the buffer that was given?
    fn recv(&mut self) -> bool {
        let mut room = [0; 8];
        let mut message = Message::new(Body::Placed { room: &mut room, len: 0 });
        assert!(matches!(self.core.recv(ContextId::SOCKET, &mut message, &mut self.pipes), Progress::Done(())));
        assert_eq!(message.body.bytes(), b"abc");
        matches!(message.body, Body::Placed { .. })
    }

    fn used(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.pipes.used)
    }
}

#[test]
fn as_long_as_nothing_else_happens_the_machine_is_not_asked() {
    let mut rig = Rig::new(Flow::Open, Some(true));
    for _ in 0..3 {
        assert!(matches!(rig.send(), Progress::Done(3)));
        assert!(rig.recv(), "straight to the caller");
    }
    assert_eq!(rig.used(), [ROUTE; 6]);
    let counted = &rig.core.statistics;
    assert_eq!((counted.messages_sent, counted.bytes_sent), (3, 9));
    assert_eq!((counted.messages_received, counted.bytes_received), (3, 9));
}

#[test]
fn where_pipes_take_turns_each_message_passes_the_turn() {
    let mut rig = Rig::new(Flow::Open, Some(true));
    rig.core = SocketCore::new(&TAKES_TURNS, false, 1, "turns");
    let mut room = [0; 8];
    assert!(matches!(rig.send(), Progress::Done(3)));
    assert!(rig.core.append(b"abc", &mut rig.pipes));
    assert!(rig.recv(), "straight to the caller");
    assert_eq!(rig.core.take_bytes(&mut room, &mut rig.pipes), Some(3));
    assert_eq!(rig.used(), [ROUTE, OTHER, ROUTE, OTHER]);
    // Without a message there was no turn.
    rig.pipes.taken = Some(false);
    assert_eq!(rig.core.take_bytes(&mut room, &mut rig.pipes), None);
    rig.pipes.flow = Flow::NoMemory;
    assert!(matches!(rig.send(), Progress::Failed(Error::NO_MEMORY)));
    // One that fills up has had its turn before the machine is told, and routes are asked for anew.
    rig.pipes.flow = Flow::Full;
    assert!(matches!(rig.send(), Progress::Done(3)));
    assert!(!rig.core.append(b"abc", &mut rig.pipes), "nobody has asked since");
    assert_eq!(rig.used(), [ROUTE; 3]);
}

#[test]
fn bytes_go_along_a_route_that_is_known_and_nowhere_else() {
    let mut rig = Rig::new(Flow::Open, Some(true));
    let mut room = [0; 8];
    assert!(!rig.core.append(b"abc", &mut rig.pipes), "nobody has asked yet");
    assert_eq!(rig.core.take_bytes(&mut room, &mut rig.pipes), None);
    assert!(matches!(rig.send(), Progress::Done(3)));
    assert!(rig.core.append(b"abcd", &mut rig.pipes));
    assert_eq!(rig.core.take_bytes(&mut room, &mut rig.pipes), Some(3));
    assert_eq!(rig.used(), [ROUTE; 3]);
    let counted = &rig.core.statistics;
    assert_eq!((counted.messages_sent, counted.bytes_sent), (2, 7));
    assert_eq!((counted.messages_received, counted.bytes_received), (1, 3));
    // What a pipe does not do is not counted; and what was given back comes first.
    (rig.pipes.flow, rig.pipes.taken) = (Flow::Full, Some(false));
    assert!(!rig.core.append(b"abcd", &mut rig.pipes));
    assert_eq!(rig.core.take_bytes(&mut room, &mut rig.pipes), None);
    rig.pipes.taken = Some(true);
    rig.core.give_back(ContextId::SOCKET, Message::copy_of(b"abc").unwrap());
    assert_eq!(rig.core.take_bytes(&mut room, &mut rig.pipes), None);
    assert_eq!((rig.core.statistics.messages_sent, rig.core.statistics.messages_received), (2, 0));
}

#[test]
fn bytes_are_not_taken_from_where_the_machine_looks() {
    let mut rig = Rig::with(Flow::Open, Some(true), true);
    assert!(!rig.recv());
    assert_eq!(rig.core.take_bytes(&mut [0; 8], &mut rig.pipes), None);
}

#[test]
fn an_option_of_the_protocol_may_change_the_routes() {
    let mut rig = Rig::new(Flow::Open, Some(true));
    assert!(rig.recv());
    assert_eq!(rig.core.take_bytes(&mut [0; 8], &mut rig.pipes), Some(3));
    rig.core.set_protocol_option(ContextId::SOCKET, 1, b"").unwrap();
    assert_eq!(rig.core.take_bytes(&mut [0; 8], &mut rig.pipes), None, "what was said before holds no more");
    assert!(!rig.recv(), "the machine looks now");
}

#[test]
fn whatever_else_happens_it_is_asked_anew() {
    let mut rig = Rig::new(Flow::Open, Some(true));
    assert!(matches!(rig.send(), Progress::Done(3)));
    rig.core.notice(Cmd::Attach { pipe: PipeId(7), send_priority: 8, recv_priority: 8 }, &mut rig.pipes);
    assert!(matches!(rig.send(), Progress::Done(3)));
    assert!(rig.recv());
    rig.core.notice(Cmd::Detach(PipeId(7)), &mut rig.pipes);
    assert!(matches!(rig.send(), Progress::Done(3)));
    assert!(!rig.recv(), "the machine might have dropped it, and the caller's buffer would be spoilt");
    assert_eq!(rig.used(), [ROUTE, PipeId(7), PipeId(7), ASKED, ASKED]);
}

#[test]
fn a_pipe_that_fills_up_has_taken_the_message_and_gets_no_more() {
    let mut rig = Rig::new(Flow::Full, None);
    assert!(matches!(rig.send(), Progress::Done(3)));
    rig.pipes.flow = Flow::Open;
    assert!(matches!(rig.send(), Progress::Done(3)));
    assert_eq!(rig.used(), [ROUTE, ASKED]);
}

#[test]
fn without_memory_nothing_is_sent_and_the_way_stays() {
    let mut rig = Rig::new(Flow::NoMemory, None);
    assert!(matches!(rig.send(), Progress::Failed(Error::NO_MEMORY)));
    rig.pipes.flow = Flow::Open;
    assert!(matches!(rig.send(), Progress::Done(3)));
    assert_eq!(rig.used(), [ROUTE, ROUTE]);
    assert_eq!(rig.core.statistics.messages_sent, 1);
}

#[test]
fn who_looks_gets_every_message_to_see_and_spoils_no_buffer() {
    let mut rig = Rig::with(Flow::Open, Some(true), true);
    assert!(!rig.recv());
    assert_eq!(rig.used(), [ROUTE, ROUTE], "the first one is dropped");
    assert_eq!(rig.core.statistics.messages_received, 1);
}

#[test]
fn of_the_last_message_the_machine_is_told() {
    let mut rig = Rig::new(Flow::Open, Some(false));
    assert!(rig.recv());
    assert!(!rig.recv());
    assert_eq!(rig.used(), [ROUTE, ASKED]);
    assert_eq!(rig.core.statistics.messages_received, 2);
}

#[test]
fn a_pipe_with_nothing_to_take_is_gone() {
    let mut rig = Rig::new(Flow::Open, None);
    assert!(!rig.recv());
    assert_eq!(rig.used(), [ROUTE, ASKED]);
}

#[test]
fn what_was_given_back_comes_before_what_the_route_has() {
    let mut rig = Rig::new(Flow::Open, Some(true));
    assert!(rig.recv());
    rig.core.give_back(ContextId::SOCKET, Message::copy_of(b"abc").unwrap());
    assert!(!rig.recv(), "it is the message that was given back");
    assert_eq!(rig.used(), [ROUTE]);
    assert_eq!(rig.core.statistics.messages_received, 1);
}
