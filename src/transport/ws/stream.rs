//! A WebSocket connection as a stream: a pipe reads and writes SP, the wire carries RFC 6455.
//!
//! ```text
//!   pipe ──greeting, messages──▶ Outlet (encoder) ──request, frames──▶ wire
//!   pipe ◀─greeting, messages─── Inlet  (decoder) ◀─request or reply, frames── wire
//!                                   └── reply, pong, close ──▶ Outlet
//! ```
//!
//! The inlet may lock the outlet, never the reverse.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::core::Error;

use super::super::SizeLimit;
use super::super::framing::{Framing, Parsed};
use super::super::stream::{Parting, Stream};
use super::decoder::{DecodeStep, Decoder, Raw};
use super::encoder::Encoder;
use super::frame::{self, Violation};
use super::framing::WsFraming;
use super::handshake::{self, Answer, Opening};

/// One read brings at most this much, if it does not go straight to its message.
const BLOCK: usize = 16 * 1024;
/// A payload of which less is missing is not worth a read of its own.
const DIRECT: u64 = 4 * 1024;
/// Bytes encoded for one write,
const BATCH: usize = 64 * 1024;
/// and when there is no memory for that. Heads of frames take no more than what they stand for, but for the first of all.
const LEAST: usize = 1024;
/// What a peer sent before it learned that the connection is over is read and forgotten, up to this many
/// blocks: closing with unread input would reset the connection, and our last words with it.
const LAST_BLOCKS: usize = 64;

#[derive(Debug)]
pub struct WsStream {
    wire: Arc<dyn Stream>,
    inlet: Mutex<Inlet>,
    outlet: Mutex<Outlet>,
    /// Set when a close frame was received, or the peer broke the rules.
    parting: OnceLock<Parting>,
    /// What was wrong with the peer.
    complaint: OnceLock<String>,
    /// Its number.
    fault: OnceLock<Error>,
}

#[derive(Debug)]
struct Inlet {
    state: Hearing,
    raw: Raw,
    decoder: Decoder,
}

#[derive(Debug)]
enum Hearing {
    /// A server waits for the request,
    Request,
    /// a client, which sent this key, for the reply.
    Reply {
        key: String,
    },
    Frames,
    Over,
}

#[derive(Debug)]
struct Outlet {
    encoder: Encoder,
    /// Encoded, of which the first `written` bytes are with the kernel.
    out: Vec<u8>,
    written: usize,
    /// Bytes of the pipe that `out` was made of. The pipe is told that they are written when `out` is, and until
    /// then offers them again: so it knows what the kernel has not taken yet.
    owed: usize,
    closed: bool,
    /// The peer is nanomsg, or one of us, and left as nanomsg leaves, without a word: its clients never come back after one.
    is_silent: bool,
}

impl WsStream {
    /// For a client if there is an opening, else for a server. `kind` is the opcode of messages that name none.
    pub fn new(wire: Arc<dyn Stream>, opening: Option<Opening>, kind: u8, limit: SizeLimit) -> WsStream {
        let state = match &opening {
            Some(opening) => Hearing::Reply { key: opening.key.clone() },
            None => Hearing::Request,
        };
        let inlet = Inlet { state, raw: Raw::default(), decoder: Decoder::new(opening.is_none(), limit) };
        let encoder = Encoder::new(opening, kind);
        let outlet = Outlet { encoder, out: Vec::new(), written: 0, owed: 0, closed: false, is_silent: false };
        WsStream {
            wire,
            inlet: Mutex::new(inlet),
            outlet: Mutex::new(outlet),
            parting: OnceLock::new(),
            complaint: OnceLock::new(),
            fault: OnceLock::new(),
        }
    }

    /// Fills `room` until it is full, the wire has no more, or the connection is over: that it is less than
    /// full tells the pipe that the kernel is empty.
    fn hear(&self, inlet: &mut Inlet, room: &mut [u8]) -> io::Result<usize> {
        let mut made = 0;
        let mut dry = false;
        while made < room.len() {
            let step = match inlet.state {
                Hearing::Over => return Ok(made),
                Hearing::Frames => inlet.decoder.step(&mut inlet.raw, &mut room[made..]),
                _ => self.shake_hands(inlet)?,
            };
            match step {
                Ok(DecodeStep::Made(count)) => made += count,
                Ok(DecodeStep::Ping(payload)) => self.outlet().pong(&*self.wire, &payload),
                Ok(DecodeStep::Close(code)) => self.part(inlet, frame::parting(code), code, ""),
                Err(Violation(code, reason)) => self.part(inlet, Parting::Violation, code, reason),
                Ok(DecodeStep::Starved) if dry => break,
                Ok(DecodeStep::Starved) => match self.fetch(inlet, &mut room[made..]) {
                    Ok(Fetched { count, is_end: true, .. }) => return Ok(made + count),
                    Ok(fetched) => {
                        made += fetched.count;
                        dry = fetched.is_dry;
                    }
                    // No memory for what the peer sends: it is not read, so nothing would tell of it again.
                    Err(error) if error.kind() == ErrorKind::OutOfMemory => self.end(inlet),
                    Err(error) if made == 0 => return Err(error),
                    // It is reported again, or an end is.
                    Err(_) => break,
                },
            }
        }
        if made == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(made) }
    }

    /// Reads once, into the room of the pipe if a large payload is under way.
    fn fetch(&self, inlet: &mut Inlet, room: &mut [u8]) -> io::Result<Fetched> {
        let direct = inlet.decoder.direct();
        if direct < DIRECT || (room.len() as u64) < DIRECT || !inlet.raw.bytes().is_empty() {
            let count = inlet.raw.fill(BLOCK, |block| self.wire.read(block))?;
            return Ok(Fetched { count: 0, is_dry: count < BLOCK, is_end: count == 0 });
        }
        let most = usize::try_from(direct).unwrap_or(usize::MAX).min(room.len());
        let count = self.wire.read(&mut room[..most])?;
        match inlet.decoder.read_directly(&mut room[..count]) {
            Ok(()) => Ok(Fetched { count, is_dry: count < most, is_end: count == 0 }),
            Err(Violation(code, reason)) => {
                self.part(inlet, Parting::Violation, code, reason);
                Ok(Fetched { count: 0, is_dry: true, is_end: true })
            }
        }
    }

    /// Goes on with the opening handshake. When it is done, the pipe hears the greeting of a fitting peer.
    fn shake_hands(&self, inlet: &mut Inlet) -> io::Result<Result<DecodeStep, Violation>> {
        let mut outlet = self.outlet();
        let own = outlet.encoder.own();
        let used = match &inlet.state {
            Hearing::Reply { key } => match handshake::welcome(inlet.raw.bytes(), own, key) {
                Parsed::Partial => return Ok(Ok(DecodeStep::Starved)),
                Parsed::Whole { used, value } => {
                    outlet.is_silent = value;
                    used
                }
                Parsed::Bad => {
                    self.complain("the server's answer", inlet.raw.bytes());
                    return Err(io::Error::from_raw_os_error(libc::EPROTO));
                }
            },
            _ => match handshake::answer(inlet.raw.bytes(), own) {
                None => return Ok(Ok(DecodeStep::Starved)),
                Some(Answer::Welcome { used, reply, is_nanomsg }) => {
                    outlet.is_silent = is_nanomsg;
                    outlet.say(&*self.wire, &reply);
                    used
                }
                Some(Answer::Refused { reply }) => {
                    self.complain("our answer to the client", &reply);
                    outlet.say(&*self.wire, &reply);
                    drop(outlet);
                    self.end(inlet);
                    return Err(io::Error::from_raw_os_error(libc::EPROTO));
                }
            },
        };
        inlet.raw.consume(used);
        inlet.decoder.stage(WsFraming.greeting(handshake::peer_of(own)).to_vec());
        inlet.state = Hearing::Frames;
        Ok(Ok(DecodeStep::Made(0)))
    }

    /// Closes by agreement, or because the peer broke the rules.
    fn part(&self, inlet: &mut Inlet, parting: Parting, code: u16, reason: &str) {
        // The inlet hears no more after the first time.
        let _ = self.parting.set(parting);
        if !reason.is_empty() {
            let _ = self.complaint.set(format!("WebSocket: {reason}"));
            let _ = self.fault.set(if code == frame::TOO_BIG { Error::MSG_SIZE } else { Error::PROTO });
        }
        self.outlet().close(&*self.wire, code, reason);
        self.end(inlet);
    }

    /// Remembers the first line of an answer that ended the handshake.
    fn complain(&self, whose: &str, answer: &[u8]) {
        let line = answer.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let line = String::from_utf8_lossy(&line[..line.len().min(80)]);
        let _ = self.complaint.set(format!("no WebSocket for this protocol: {whose} is {line:?}"));
    }

    /// Has the pipe hear no more, and lets the peer read what was last said. Ending both directions makes sure
    /// that the pipe is told of the end, also if the peer never hangs up.
    fn end(&self, inlet: &mut Inlet) {
        inlet.state = Hearing::Over;
        inlet.raw = Raw::default();
        let _ = self.wire.shut_write();
        // Small, since callers' stacks may be, and not allocated: there may be no memory.
        let mut block = [0; 1024];
        for _ in 0..LAST_BLOCKS * BLOCK / (4 * block.len()) {
            if !matches!(self.wire.read(&mut block), Ok(1..)) {
                break;
            }
        }
        self.wire.shut_both();
    }

    fn outlet(&self) -> MutexGuard<'_, Outlet> {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Fetched {
    /// Bytes that went straight to the pipe.
    count: usize,
    /// The wire had less than there was room for.
    is_dry: bool,
    is_end: bool,
}

impl Stream for WsStream {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut inlet = self.inlet.lock().unwrap_or_else(PoisonError::into_inner);
        self.hear(&mut inlet, into)
    }

    /// A fault of the wire is left to the reader: the peer's last words may still be there to be read, and they
    /// tell a farewell from a loss.
    fn write(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut outlet = self.outlet();
        match outlet.write(&*self.wire, from) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                outlet.closed = true;
                outlet.write(&*self.wire, from)
            }
            outcome => outcome,
        }
    }

    fn expect(&self, bytes: usize) -> bool {
        self.wire.expect(bytes)
    }

    fn shut_write(&self) -> io::Result<()> {
        self.wire.shut_write()
    }

    fn connected(&self) -> io::Result<()> {
        self.wire.connected()
    }

    fn parting(&self) -> Option<Parting> {
        self.parting.get().copied()
    }

    fn complaint(&self) -> Option<String> {
        self.complaint.get().cloned().or_else(|| self.wire.complaint())
    }

    fn fault(&self) -> Option<Error> {
        self.fault.get().copied()
    }

    fn subject(&self) -> Option<String> {
        self.wire.subject()
    }

    fn needs_preparing(&self) -> bool {
        self.wire.needs_preparing()
    }

    fn prepare(&self) -> io::Result<()> {
        self.wire.prepare()
    }

    fn say_goodbye(&self) {
        let mut outlet = self.outlet();
        if !outlet.is_silent {
            outlet.close(&*self.wire, frame::GOING_AWAY, "");
        }
    }

    fn is_ours(&self) -> bool {
        self.wire.is_ours()
    }

    fn fd(&self) -> RawFd {
        self.wire.fd()
    }
}

impl Outlet {
    /// Encodes and writes until all is written or the kernel takes no more.
    fn write(&mut self, wire: &dyn Stream, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let total = from.iter().map(|slice| slice.len()).sum();
        if self.closed {
            // What follows the end goes nowhere, and the pipe is about to hear of it.
            return Ok(total);
        }
        let mut done = 0;
        while self.flush(wire)? {
            let paid = self.owed.min(total - done);
            self.owed -= paid;
            done += paid;
            if done == total {
                return Ok(done);
            }
            self.encode(from, done);
        }
        if done == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(done) }
    }

    /// Encodes a batch of what follows the first `skip` bytes.
    fn encode(&mut self, from: &[IoSlice<'_>], mut skip: usize) {
        for slice in from {
            let start = skip.min(slice.len());
            skip -= start;
            let rest = &slice[start..];
            let piece = &rest[..self.room().min(rest.len())];
            self.encoder.encode(piece, &mut self.out);
            self.owed += piece.len();
        }
    }

    /// How many bytes more may be encoded now. A batch for which there is no memory is a smaller one.
    fn room(&mut self) -> usize {
        let most = BATCH.saturating_sub(self.owed);
        let halves = std::iter::successors(Some(most), |size| Some(size / 2)).take_while(|size| *size > LEAST);
        halves.into_iter().find(|size| self.out.try_reserve(size + LEAST).is_ok()).unwrap_or(most.min(LEAST))
    }

    /// Writes what is encoded. False if the kernel does not take all of it.
    fn flush(&mut self, wire: &dyn Stream) -> io::Result<bool> {
        loop {
            while self.written < self.out.len() {
                match wire.write(&[IoSlice::new(&self.out[self.written..])]) {
                    Ok(count) => self.written += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            self.written = 0;
            self.out = Vec::new();
            match self.encoder.take_pong() {
                Some(pong) => self.out.extend(pong),
                None => return Ok(true),
            }
        }
    }

    /// Says something of our own. A fault of the wire is met again by whoever reads or writes next; what the
    /// kernel does not take now leaves with what is said next.
    fn say(&mut self, wire: &dyn Stream, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        let _ = self.flush(wire);
    }

    fn pong(&mut self, wire: &dyn Stream, payload: &[u8]) {
        self.encoder.pong(payload);
        let _ = self.flush(wire);
    }

    /// The last word, so not said again when the peer says it back. It cannot be said in the middle of another.
    fn close(&mut self, wire: &dyn Stream, code: u16, reason: &str) {
        if self.closed {
            return;
        }
        if matches!(self.flush(wire), Ok(true)) && self.encoder.is_between_frames() {
            let bytes = self.encoder.control(frame::CLOSE, &frame::close_payload(code, reason));
            self.say(wire, &bytes);
        }
        self.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::fake::Fake;
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    const PAIR: u16 = 0x10;

    /// Browsers take anything that follows a close frame for a fault, another one as well, and report 1006.
    #[test]
    fn goodbye_is_said_once() {
        let wire = Arc::new(Fake::default());
        let stream = WsStream::new(Arc::clone(&wire) as Arc<dyn Stream>, None, frame::BINARY, SizeLimit::default());
        stream.write(&[IoSlice::new(&WsFraming.greeting(PAIR))]).unwrap();
        wire.script().incoming.extend(REQUEST);
        stream.read(&mut [0; 100]).unwrap();
        wire.script().written.clear();
        stream.say_goodbye();
        let goodbye = [0x88, 2, 0x03, 0xe9];
        assert_eq!(wire.script().written, goodbye);
        // The same, masked: the peer's answer, or a goodbye of its own that crosses ours.
        wire.script().incoming.extend([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]);
        let _ = stream.read(&mut [0; 100]);
        assert_eq!(wire.script().written, goodbye);
        assert_eq!(stream.parting(), Some(Parting::Goodbye));
    }
}
