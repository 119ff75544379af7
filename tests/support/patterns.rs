//! Conversations between peers, whatever libraries they run on, and the tables of who talks to whom.

use super::peer::{GENUINE, Kind, OURS, Peer};
use super::{Lib, ScratchDir, free_port};

/// A pattern: what `a` and `b` are, and whether `b` answers.
pub struct Pattern {
    pub a: &'static str,
    pub b: &'static str,
    pub answers: bool,
}

pub const PATTERNS: [Pattern; 6] = [
    Pattern { a: "PAIR", b: "PAIR", answers: true },
    Pattern { a: "PUSH", b: "PULL", answers: false },
    Pattern { a: "PUB", b: "SUB", answers: false },
    Pattern { a: "REQ", b: "REP", answers: true },
    Pattern { a: "SURVEYOR", b: "RESPONDENT", answers: true },
    Pattern { a: "BUS", b: "BUS", answers: true },
];

pub const TRANSPORTS: [&str; 3] = ["ipc", "tcp", "ws"];

/// Around the sizes where length bytes and small-message tricks of the implementations change.
pub const SIZES: [usize; 8] = [0, 1, 28, 29, 100, 1000, 65535, 65536];
pub const MIB: usize = 1 << 20;
/// The two sizes at the default limit.
pub const LARGE: [usize; 2] = [MIB - 1, MIB];
/// The limit includes the id that requests and surveys carry, and one key for each device.
const LONGEST_HEADER: usize = 32;

/// With INTEROP_GENUINE_ONLY set the tests prove themselves: the reference plays our part, too.
pub fn genuine_only() -> bool {
    std::env::var_os("INTEROP_GENUINE_ONLY").is_some()
}

/// Ours, or the reference in its place.
pub fn ours() -> Kind {
    if genuine_only() { GENUINE } else { OURS }
}

pub fn our_lib() -> Lib {
    if genuine_only() { Lib::Genuine } else { Lib::Ours }
}

/// The libraries under test.
pub fn kinds() -> Vec<Kind> {
    if genuine_only() { vec![GENUINE] } else { vec![OURS, GENUINE] }
}

/// All `n`-tuples of libraries under test.
pub fn pairings<const N: usize>() -> Vec<[Kind; N]> {
    let kinds = kinds();
    let all = kinds.len().pow(N as u32);
    (0..all).map(|row| std::array::from_fn(|i| kinds[row / kinds.len().pow(i as u32) % kinds.len()])).collect()
}

/// Runs all rows before it panics with those that failed.
#[derive(Default)]
pub struct Report(Vec<String>, usize);

impl Report {
    pub fn row(&mut self, name: String, result: Result<(), String>) {
        self.1 += 1;
        if let Err(error) = result {
            self.0.push(format!("{name}: {error}"));
        }
    }

    pub fn finish(self) {
        assert!(self.0.is_empty(), "{} of {} rows failed\n{}", self.0.len(), self.1, self.0.join("\n"));
    }
}

/// A loopback address nobody uses; files live in `dir`.
pub fn address(transport: &str, dir: &ScratchDir) -> String {
    match transport {
        "ipc" => dir.ipc_address(),
        _ => format!("{transport}://127.0.0.1:{}", free_port()),
    }
}

/// A connection between two peers with one socket each.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub a: Kind,
    pub b: Kind,
    pub transport: &'static str,
    pub a_binds: bool,
}

impl Link {
    /// All four combinations of transport and direction.
    pub fn all(a: Kind, b: Kind) -> impl Iterator<Item = Self> {
        TRANSPORTS.into_iter().flat_map(move |transport| [true, false].map(|a_binds| Self { a, b, transport, a_binds }))
    }

    /// The two peers, connected; `a` and `b` name their sockets.
    pub fn open(&self, a: &str, b: &str, dir: &ScratchDir) -> Result<(Peer, Peer), String> {
        let address = address(self.transport, dir);
        let (mut a, mut b) = (Peer::open(self.a, a)?, Peer::open(self.b, b)?);
        let (binder, connector) = if self.a_binds { (&mut a, &mut b) } else { (&mut b, &mut a) };
        binder.ask(&format!("bind {address}"))?;
        connector.ask(&format!("connect {address}"))?;
        settle(&mut [&mut a, &mut b], 1)?;
        Ok((a, b))
    }
}

/// Each of the peers has so many connections.
pub fn settle(peers: &mut [&mut Peer], count: usize) -> Result<(), String> {
    peers.iter_mut().try_for_each(|peer| peer.ask(&format!("peers {count}")).map(drop))
}

/// One message. Both sides work at the same time, for a large body never fits into the kernel at once.
pub fn transfer(from: &mut Peer, to: &mut Peer, size: usize, seed: char) -> Result<(), String> {
    from.tell(&format!("send {size} {seed}"));
    to.tell("recv");
    let sent = from.hear();
    let received = to.hear_expected(&format!("{size} {}", if size == 0 { '-' } else { seed }));
    sent.and(received).map_err(|error| format!("{error} (body of {size} bytes)"))
}

impl Pattern {
    pub fn name(&self) -> String {
        format!("{}/{}", self.a, self.b)
    }

    /// What the ends need before they talk about bodies up to `size`.
    pub fn prepare(&self, a: &mut Peer, b: &mut Peer, size: usize) -> Result<(), String> {
        match self.b {
            "SUB" => b.ask("subscribe").map(drop)?,
            "RESPONDENT" => a.ask("deadline 10000").map(drop)?,
            _ => (),
        }
        if size + LONGEST_HEADER > MIB && self.has_header() {
            for peer in [a, b] {
                peer.ask(&format!("maxsize {}", size + LONGEST_HEADER))?;
            }
        }
        Ok(())
    }

    pub fn has_header(&self) -> bool {
        matches!(self.b, "REP" | "RESPONDENT")
    }

    /// One message, and its answer if there is one.
    pub fn exchange(&self, a: &mut Peer, b: &mut Peer, size: usize) -> Result<(), String> {
        transfer(a, b, size, 'q')?;
        if self.answers { transfer(b, a, size, 'r') } else { Ok(()) }
    }

    /// Bodies of all sizes through caller's buffers and library messages, and then a large one. A connection carries only
    /// one body larger than the kernel's buffers, and it comes last: patterns that drop what they cannot send at once
    /// (broadcasts, replies) may drop what follows while the large one is still leaving.
    pub fn converse(&self, a: &mut Peer, b: &mut Peer, large: usize) -> Result<(), String> {
        self.prepare(a, b, large)?;
        for api in ["api copy", "api msg"] {
            a.ask(api)?;
            b.ask(api)?;
            for size in SIZES {
                self.exchange(a, b, size)?;
            }
        }
        if large < MIB {
            a.ask("api copy")?;
            b.ask("api copy")?;
        }
        self.exchange(a, b, large)
    }
}
