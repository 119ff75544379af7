//! Seeded simulation: many machines wired by pipes that stall, fill up, are cut and come back, on a
//! clock moved by hand, while each pattern's promises are checked from the users' side.
//!
//! A failure prints its seed. `MILLRACE_SEED=n` replays it, `MILLRACE_RUNS=n` tries more seeds.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::fake::{FakeSocket, PLENTY, PipeState, Received};
use crate::core::PipeId;

mod asking;
mod one_way;
mod two_way;

/// Seeds per scenario unless told otherwise.
const RUNS: u64 = if cfg!(debug_assertions) { 100 } else { 1000 };

/// Messages that fit into the receiving end of a wire.
const RECEIVE_ROOM: usize = 3;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Runs a scenario on many nets, every second one without faults.
fn simulate(scenario: fn(&mut Net)) {
    let seeds = match number("MILLRACE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MILLRACE_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| scenario(&mut Net::new(seed))));
        if let Err(panic) = outcome {
            eprintln!("failed with MILLRACE_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

/// SplitMix64: tiny, and good enough to shake things.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A connection that is made, cut and made again.
struct Wire {
    sockets: [usize; 2],
    /// `None` while it is cut or refused.
    pipes: Option<[PipeId; 2]>,
    stalled: bool,
}

struct Net {
    rng: Rng,
    /// Are wires cut and stalled, and pipes small?
    faults: bool,
    sockets: Vec<FakeSocket>,
    wires: Vec<Wire>,
}

impl Net {
    fn new(seed: u64) -> Net {
        let rng = Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        Net { rng, faults: seed % 2 == 1, sockets: Vec::new(), wires: Vec::new() }
    }

    fn socket(&mut self, name: &str, raw: bool) -> usize {
        let seed = self.rng.next();
        self.sockets.push(FakeSocket::new(name, raw, seed));
        self.sockets.len() - 1
    }

    /// `count` full sockets.
    fn crowd(&mut self, name: &str, low: usize, high: usize) -> Vec<usize> {
        let count = self.rng.between(low, high);
        (0..count).map(|_| self.socket(name, false)).collect()
    }

    fn connect(&mut self, a: usize, b: usize) {
        self.wires.push(Wire { sockets: [a, b], pipes: None, stalled: false });
        self.join(self.wires.len() - 1);
    }

    fn connect_all(&mut self, these: &[usize], those: &[usize]) {
        for a in these {
            for b in those {
                self.connect(*a, *b);
            }
        }
    }

    /// Attaches both ends, if both agree.
    fn join(&mut self, wire: usize) {
        let [a, b] = self.wires[wire].sockets;
        let Some(first) = self.attach(a) else { return };
        let Some(second) = self.attach(b) else {
            return self.sockets[a].detach(first);
        };
        self.wires[wire].pipes = Some([first, second]);
        self.sockets[a].announce_writable(first);
        self.sockets[b].announce_writable(second);
    }

    fn attach(&mut self, socket: usize) -> Option<PipeId> {
        let room = if self.faults { self.rng.between(1, 4) } else { PLENTY };
        let (send_priority, recv_priority) = (self.rng.between(7, 8) as u8, self.rng.between(7, 8) as u8);
        let pipe = self.sockets[socket].attach_unwritable(send_priority, recv_priority, room);
        (self.sockets[socket].pipe(pipe).state == PipeState::Attached).then_some(pipe)
    }

    /// Moves one message over the wire, from end `from` to the other.
    fn carry(&mut self, wire: usize, from: usize) -> bool {
        let Wire { sockets, pipes: Some(pipes), stalled: false } = self.wires[wire] else { return false };
        let to = 1 - from;
        if self.sockets[sockets[to]].pipe(pipes[to]).unread() >= RECEIVE_ROOM {
            return false;
        }
        let Some(mut message) = self.sockets[sockets[from]].carry(pipes[from]) else { return false };
        // Streams join header and body, inproc does not; some messages are in a read buffer.
        if self.rng.chance(50) {
            message.join().unwrap();
        }
        if self.rng.chance(50) {
            drop(message.share().unwrap());
        }
        self.sockets[sockets[to]].arrive_message(pipes[to], message);
        true
    }

    /// A peer vanishes: at once with all that is under way, or with a farewell after which each end can
    /// still take what arrived.
    fn cut(&mut self, wire: usize) {
        let Some(pipes) = self.wires[wire].pipes.take() else { return };
        let sockets = self.wires[wire].sockets;
        for end in [0, 1] {
            let abrupt = self.rng.chance(50);
            let socket = &mut self.sockets[sockets[end]];
            match abrupt {
                true => socket.detach(pipes[end]),
                false => socket.hangup(pipes[end]),
            }
        }
    }

    /// Something happens outside the users' hands.
    fn weather(&mut self) {
        let wire = self.rng.below(self.wires.len());
        let end = self.rng.below(2);
        match self.rng.below(100) {
            0..3 if self.faults => self.cut(wire),
            3..10 if self.faults => self.wires[wire].stalled ^= true,
            0..20 if self.wires[wire].pipes.is_none() => self.join(wire),
            20..25 => {
                let milliseconds = self.rng.below(30) as u64;
                self.pass_ms(milliseconds);
            }
            _ => drop(self.carry(wire, end)),
        }
    }

    fn pass_ms(&mut self, milliseconds: u64) {
        for socket in &mut self.sockets {
            socket.pass_ms(milliseconds);
        }
    }

    /// From now on the weather is fine, and every wire there that can be.
    fn heal(&mut self) {
        self.faults = false;
        for wire in 0..self.wires.len() {
            self.wires[wire].stalled = false;
            if self.wires[wire].pipes.is_none() {
                self.join(wire);
            }
        }
    }

    /// Lets all messages come through; `users` tells whether they did anything.
    fn settle(&mut self, mut users: impl FnMut(&mut Net) -> bool) {
        loop {
            let mut moved = users(self);
            for wire in 0..self.wires.len() {
                moved |= self.carry(wire, 0);
                moved |= self.carry(wire, 1);
            }
            if !moved {
                return;
            }
        }
    }

    fn pick(&mut self, sockets: &[usize]) -> usize {
        sockets[self.rng.below(sockets.len())]
    }
}

/// What every message says: who sent it, and its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Tag {
    sender: u16,
    number: u32,
}

impl Tag {
    /// Longer than any header, and now and then much longer.
    fn bytes(self) -> Vec<u8> {
        let mut bytes = [&self.sender.to_be_bytes()[..], &self.number.to_be_bytes()].concat();
        bytes.resize(bytes.len() + self.number as usize % 50, b'.');
        bytes
    }

    fn of(body: &[u8]) -> Tag {
        let sender = u16::from_be_bytes(body[..2].try_into().unwrap());
        let number = u32::from_be_bytes(body[2..6].try_into().unwrap());
        let tag = Tag { sender, number };
        assert_eq!(tag.bytes(), body, "a body was changed");
        tag
    }
}

/// Checks what is common to all who receive from pipes in order: per pipe the numbers of a sender grow, so
/// nothing is delivered twice nor out of order.
#[derive(Default)]
struct Arrivals {
    /// Receiver, pipe, sender, and the last number.
    last: std::collections::HashMap<(usize, usize, u16), u32>,
    /// Receiver and what it received.
    seen: std::collections::HashSet<(usize, Tag)>,
}

impl Arrivals {
    fn check(&mut self, receiver: usize, serial: usize, tag: Tag) {
        assert!(self.seen.insert((receiver, tag)), "{tag:?} delivered twice to {receiver}");
        let last = self.last.insert((receiver, serial, tag.sender), tag.number);
        assert!(last.is_none_or(|last| last < tag.number), "{tag:?} out of order after {last:?}");
    }
}

/// Forwards between two raw sockets like `nn_device`, one message at a time in each direction.
struct Device {
    sockets: [usize; 2],
    /// What was received on a socket and cannot be sent on the other one yet.
    held: [Option<Received>; 2],
}

impl Device {
    /// A new device between the askers' side (`front`) and the answerers' side.
    fn new(net: &mut Net, front: &str, back: &str) -> Device {
        Device { sockets: [net.socket(front, true), net.socket(back, true)], held: [None, None] }
    }

    fn step(&mut self, net: &mut Net) -> bool {
        let mut moved = false;
        for from in [0, 1] {
            if self.held[from].is_none() {
                self.held[from] = net.sockets[self.sockets[from]].recv().ok();
            }
            let to = &mut net.sockets[self.sockets[1 - from]];
            if let Some((header, body)) = &self.held[from]
                && to.send_with(header, body).is_ok()
            {
                self.held[from] = None;
                moved = true;
            }
        }
        moved
    }
}
