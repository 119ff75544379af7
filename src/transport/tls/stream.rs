//! The stream: plain bytes on this side, records on the wire.
//!
//! ```text
//!   Handshaking ──both have said their part──▶ Open ──close_notify, or end-of-file──▶ ended
//!        └─────────────── any fault: `InvalidData` with a text, from then on ─────────┘
//! ```
//!
//! One lock holds the whole of it: reading may have to write (handshake, alerts) and the reverse. Nothing blocks under it.

use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::Connection;

use crate::core::Result;

use super::super::stream::{Stream, Wire};
use super::distrust::explained;
use super::identity::{TlsClient, TlsServer, subject};

#[derive(Debug)]
pub struct TlsStream {
    wire: Wire,
    state: Mutex<TlsState>,
}

#[derive(Debug)]
struct TlsState {
    tls: Connection,
    /// The first bytes that the peer has said: whether this is TLS at all.
    first: Vec<u8>,
    /// Something has been written.
    spoke: bool,
    /// The peer's end-of-file.
    ended: bool,
    /// What went wrong. It does not go away.
    fault: Option<String>,
    /// The last read filled its room: there may be more in here.
    full: bool,
    /// What was read from the wire and is still to be taken in, because there was no room for what it says.
    left: Vec<u8>,
}

/// What is read from the wire while a call lasts. rustls by itself asks for 4 KiB at first and never for more than a record. The room is its thread's, so that an idle connection has none.
struct Ahead {
    room: Vec<u8>,
    /// What is still to be taken in of it.
    from: usize,
    to: usize,
    /// The wire gave less than there was room for: the kernel has no more.
    is_short: bool,
}

/// Room, and the least that is asked for: a whole record, for a part of one says nothing.
const MUCH: usize = 64 * 1024;
const LITTLE: usize = 18 * 1024;

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Ahead {
    /// `left`: what the call before has left.
    fn begin(left: &mut Vec<u8>) -> Ahead {
        // (A thread that is about to end may have let go of it.)
        let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
        room.resize(MUCH, 0);
        let to = left.len();
        room[..to].copy_from_slice(left);
        *left = Vec::new();
        Ahead { room, from: 0, to, is_short: false }
    }

    /// Gives the room back, and what the next call begins with.
    fn end(self) -> Vec<u8> {
        let left = self.unread().to_vec();
        let _ = ROOM.try_with(|room| room.set(self.room));
        left
    }

    fn unread(&self) -> &[u8] {
        &self.room[self.from..self.to]
    }

    /// Reads once, when all before is taken in: about as much as is wanted.
    fn fill(&mut self, wire: &Wire, wanted: usize) -> io::Result<()> {
        (self.from, self.to) = (0, 0);
        let size = wanted.clamp(LITTLE, MUCH);
        self.to = wire.read(&mut self.room[..size])?;
        self.is_short = self.to < size;
        Ok(())
    }
}

impl TlsStream {
    /// The client's end; `host` is the name or address that was dialled, without a port. `EINVAL` if it cannot be one.
    pub fn client(wire: Wire, identity: &TlsClient, host: &str) -> Result<TlsStream> {
        Ok(TlsStream::new(wire, identity.connection(host)?))
    }

    /// The server's end.
    pub fn server(wire: Wire, identity: &TlsServer) -> Result<TlsStream> {
        Ok(TlsStream::new(wire, identity.connection()?))
    }

    fn new(wire: Wire, tls: Connection) -> TlsStream {
        let state =
            TlsState { tls, first: Vec::new(), spoke: false, ended: false, fault: None, full: false, left: Vec::new() };
        TlsStream { wire, state: Mutex::new(state) }
    }

    pub fn shut(&self, how: Shutdown) -> io::Result<()> {
        self.wire.shut(how)
    }

    fn state(&self) -> MutexGuard<'_, TlsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsState {
    /// Hands records to the kernel until there are none. `WouldBlock`: it takes no more.
    fn push(&mut self, wire: &Wire) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut Writer(wire))?;
            self.spoke = true;
        }
        Ok(())
    }

    /// Takes in a part of what was read, or of what the kernel has. `WouldBlock`: nothing.
    fn pull(&mut self, wire: &Wire, ahead: &mut Ahead, wanted: usize) -> io::Result<()> {
        if ahead.unread().is_empty() {
            ahead.fill(wire, wanted)?;
            let missing = 4usize.saturating_sub(self.first.len()).min(ahead.unread().len());
            self.first.extend_from_slice(&ahead.unread()[..missing]);
        }
        // Nothing is an end-of-file, which it is told in this way; and after close_notify it takes nothing.
        let taken = self.tls.read_tls(&mut ahead.unread())?;
        ahead.from += taken;
        if taken == 0 {
            self.ended = true;
            ahead.from = ahead.to;
            return if self.tls.is_handshaking() { Err(self.hung_up()) } else { Ok(()) };
        }
        // A signature costs a server milliseconds: none is made for strangers who say hello and go. (Later on, who has gone may have said
        // all that it had to say, or why.)
        let is_asked = matches!(self.tls, Connection::Server(_)) && !self.spoke;
        if is_asked && foreign(&self.first).is_none() && wire.has_ended() {
            return Err(self.hung_up());
        }
        if let Err(error) = self.tls.process_new_packets() {
            // The alert that tells the peer why, and what is spoken here; it may be gone.
            let _ = self.push(wire);
            return Err(self.fail(foreign(&self.first).unwrap_or_else(|| explained(&error))));
        }
        match self.push(wire) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads until the room is full or the end is reached (`Ok`), or something else stops it.
    fn fill(&mut self, wire: &Wire, into: &mut [u8]) -> (usize, io::Result<()>) {
        let mut ahead = Ahead::begin(&mut self.left);
        let filled = self.fill_from(wire, &mut ahead, into);
        self.left = ahead.end();
        filled
    }

    fn fill_from(&mut self, wire: &Wire, ahead: &mut Ahead, into: &mut [u8]) -> (usize, io::Result<()>) {
        let mut made = 0;
        while made < into.len() {
            match self.tls.reader().read(&mut into[made..]) {
                Ok(0) => break,
                Ok(count) => made += count,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return (made, Err(error)),
                Err(_) if self.ended => break,
                Err(_) if self.fault.is_some() => return (made, Err(self.fault())),
                // With nothing made yet the kernel is asked: an end-of-file may have come together with a part of a record.
                Err(error) if made > 0 && ahead.is_short && ahead.unread().is_empty() => return (made, Err(error)),
                Err(_) => {
                    if let Err(error) = self.pull(wire, ahead, into.len() - made) {
                        return (made, Err(error));
                    }
                }
            }
        }
        (made, Ok(()))
    }

    fn hung_up(&mut self) -> io::Error {
        self.fail("the peer hung up during the handshake: perhaps it speaks plain tcp".to_owned())
    }

    fn fail(&mut self, text: String) -> io::Error {
        self.fault.get_or_insert(text);
        self.fault()
    }

    fn fault(&self) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, self.fault.clone().unwrap_or_default())
    }

    /// Goes on with the handshake. `WouldBlock`: the peer's turn, or the kernel is full.
    fn shake_hands(&mut self, wire: &Wire) -> io::Result<()> {
        let mut ahead = Ahead::begin(&mut self.left);
        let outcome = self.shake_hands_from(wire, &mut ahead);
        self.left = ahead.end();
        outcome
    }

    fn shake_hands_from(&mut self, wire: &Wire, ahead: &mut Ahead) -> io::Result<()> {
        while self.tls.is_handshaking() {
            if self.fault.is_some() {
                return Err(self.fault());
            }
            self.push(wire)?;
            if self.tls.is_handshaking() {
                self.pull(wire, ahead, LITTLE)?;
            }
        }
        Ok(())
    }
}

/// What a peer is that does not begin as TLS does.
fn foreign(first: &[u8]) -> Option<String> {
    let wrong = match first {
        [] => false,
        [kind] => !(0x14..=0x18).contains(kind),
        [kind, version, ..] => !(0x14..=0x18).contains(kind) || *version != 3,
    };
    wrong.then(|| format!("the peer does not speak TLS (it says {first:02x?}): perhaps it speaks plain tcp"))
}

impl Stream for TlsStream {
    /// Fills the room unless the kernel has no more, or something is to be said next time ([`Stream::has_unread`]). An
    /// end-of-file without close_notify is taken as one: whoever frames messages sees whether one was cut.
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        let (made, outcome) = state.fill(&self.wire, into);
        let is_dry = matches!(&outcome, Err(error) if error.kind() == ErrorKind::WouldBlock);
        // A full room, an end or a fault: no readiness will tell of what comes after these bytes.
        state.full = made > 0 && !is_dry;
        if made > 0 { Ok(made) } else { outcome.map(|()| 0) }
    }

    /// What it takes is encrypted at once, and with the kernel or in here ([`Stream::has_unwritten`]).
    fn write(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.state();
        if state.fault.is_some() {
            return Err(state.fault());
        }
        // The peer's part is read by who reads.
        state.push(&self.wire)?;
        if state.tls.is_handshaking() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if from.iter().all(|slice| slice.is_empty()) {
            return Ok(0);
        }
        let count = state.tls.writer().write_vectored(from)?;
        match state.push(&self.wire) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    fn expect(&self, bytes: usize) -> bool {
        self.wire.expect(bytes)
    }

    fn shut_write(&self) -> io::Result<()> {
        let mut state = self.state();
        state.tls.send_close_notify();
        let pushed = state.push(&self.wire);
        self.wire.shut(Shutdown::Write).and(pushed)
    }

    fn connected(&self) -> io::Result<()> {
        self.wire.connected()
    }

    fn prepare(&self) -> io::Result<()> {
        let mut state = self.state();
        state.shake_hands(&self.wire)?;
        // What came together with the end of the handshake.
        state.full = true;
        Ok(())
    }

    fn say_goodbye(&self) {
        let mut state = self.state();
        state.tls.send_close_notify();
        let _ = state.push(&self.wire);
    }

    fn is_ours(&self) -> bool {
        self.wire.is_ours()
    }

    fn has_unwritten(&self) -> bool {
        self.state().tls.wants_write()
    }

    fn awaits_peer(&self) -> bool {
        let state = self.state();
        state.tls.is_handshaking() && !state.tls.wants_write() && state.fault.is_none()
    }

    fn has_unread(&self) -> bool {
        self.state().full
    }

    fn complaint(&self) -> Option<String> {
        self.state().fault.clone()
    }

    fn subject(&self) -> Option<String> {
        let state = self.state();
        subject(state.tls.peer_certificates()?.first()?)
    }

    fn fd(&self) -> RawFd {
        self.wire.fd()
    }
}

/// The wire as the standard library sees it.
struct Writer<'a>(&'a Wire);

impl Write for Writer<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.write(&[IoSlice::new(from)])
    }

    fn write_vectored(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
