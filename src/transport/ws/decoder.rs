//! From the frames of a WebSocket peer to the bytes a pipe reads.
//!
//! An unfragmented message is handed on as it comes, for its length is known. A fragmented one is gathered
//! first, and never grows by more than what has arrived.

use std::io::{self, ErrorKind};

use super::super::SizeLimit;
use super::frame::{self, Expected, Head, Mask, Violation};
use super::framing::{PREFIX, prefix};
use super::utf8::Utf8;

/// What came of looking at the bytes that are there.
#[derive(Debug, PartialEq, Eq)]
pub enum DecodeStep {
    /// So many bytes for the pipe; zero if something was only noted.
    Made(usize),
    /// Nothing without more bytes.
    Starved,
    Ping(Vec<u8>),
    /// A close frame, to be answered with this code.
    Close(u16),
}

#[derive(Debug)]
pub struct Decoder {
    /// The peer is a client.
    masked: bool,
    limit: SizeLimit,
    /// The data frame under way.
    frame: Option<Frame>,
    /// The fragmented message under way, behind room for its prefix.
    gathered: Option<Vec<u8>>,
    /// The message under way is a text.
    text: Option<Utf8>,
    opcode: u8,
    /// Bytes for the pipe, of which the first `given` have been given.
    staged: Vec<u8>,
    given: usize,
}

#[derive(Debug)]
struct Frame {
    left: u64,
    mask: Option<Mask>,
    at: u64,
    /// The last one of its message.
    fin: bool,
}

impl Decoder {
    pub fn new(masked: bool, limit: SizeLimit) -> Decoder {
        Decoder {
            masked,
            limit,
            frame: None,
            gathered: None,
            text: None,
            opcode: frame::BINARY,
            staged: Vec::new(),
            given: 0,
        }
    }

    /// Gives the pipe these bytes first.
    pub fn stage(&mut self, bytes: Vec<u8>) {
        (self.staged, self.given) = (bytes, 0);
    }

    /// Goes on with what is in `raw`. `room` is not empty.
    pub fn step(&mut self, raw: &mut Raw, room: &mut [u8]) -> Result<DecodeStep, Violation> {
        if self.given < self.staged.len() {
            return Ok(DecodeStep::Made(self.give(room)));
        }
        let Some(frame) = &self.frame else { return self.begin(raw) };
        let most = if self.gathered.is_some() { usize::MAX } else { room.len() };
        let count = raw.bytes().len().min(most).min(usize::try_from(frame.left).unwrap_or(usize::MAX));
        if count == 0 {
            return Ok(DecodeStep::Starved);
        }
        let bytes = &mut raw.bytes_mut()[..count];
        self.reveal(bytes)?;
        let made = match &mut self.gathered {
            None => {
                room[..count].copy_from_slice(bytes);
                count
            }
            Some(gathered) => {
                gathered.try_reserve(count).map_err(|_| Violation::SIZE)?;
                gathered.extend_from_slice(bytes);
                0
            }
        };
        raw.consume(count);
        self.end_frame();
        Ok(DecodeStep::Made(made))
    }

    /// How many bytes of payload may be read straight into the room of the pipe.
    pub fn direct(&self) -> u64 {
        match &self.frame {
            Some(frame) if self.gathered.is_none() && self.given == self.staged.len() => frame.left,
            _ => 0,
        }
    }

    /// Takes note of bytes that were read straight into the room of the pipe.
    pub fn read_directly(&mut self, bytes: &mut [u8]) -> Result<(), Violation> {
        self.reveal(bytes)?;
        self.end_frame();
        Ok(())
    }

    fn give(&mut self, room: &mut [u8]) -> usize {
        let rest = &self.staged[self.given..];
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        if self.given == self.staged.len() {
            self.stage(Vec::new());
        }
        count
    }

    fn begin(&mut self, raw: &mut Raw) -> Result<DecodeStep, Violation> {
        let expected = Expected { masked: self.masked, continuation: self.gathered.is_some() };
        let Some((used, head)) = frame::parse(raw.bytes(), expected)? else { return Ok(DecodeStep::Starved) };
        if head.opcode >= frame::CLOSE {
            return self.hear_control(used, head, raw);
        }
        self.check_size(head.len)?;
        raw.consume(used);
        if head.opcode != frame::CONTINUATION {
            self.opcode = head.opcode;
            self.text = (head.opcode == frame::TEXT).then(Utf8::default);
            if head.fin {
                self.stage(prefix(head.opcode, head.len).to_vec());
            } else {
                self.gathered = Some(vec![0; PREFIX]);
            }
        }
        self.frame = Some(Frame { left: head.len, mask: head.mask, at: 0, fin: head.fin });
        if head.len == 0 {
            self.reveal(&mut [])?;
            self.end_frame();
        }
        Ok(DecodeStep::Made(0))
    }

    /// A control frame is heard when it is whole.
    fn hear_control(&mut self, used: usize, head: Head, raw: &mut Raw) -> Result<DecodeStep, Violation> {
        // At most CONTROL_MAX, as its parser has checked.
        let Some(payload) = raw.bytes_mut().get_mut(used..used + head.len as usize) else {
            return Ok(DecodeStep::Starved);
        };
        frame::apply(head.mask, 0, payload);
        let step = match head.opcode {
            frame::CLOSE => DecodeStep::Close(frame::close_code(payload)?),
            frame::PING => DecodeStep::Ping(payload.to_vec()),
            _ => DecodeStep::Made(0),
        };
        raw.consume(used + head.len as usize);
        Ok(step)
    }

    fn check_size(&self, len: u64) -> Result<(), Violation> {
        let before = self.gathered.as_ref().map_or(0, |gathered| gathered.len() - PREFIX);
        let total = len.saturating_add(before as u64);
        // More than an address space holds cannot be meant, even where no limit is set.
        if !self.limit.is_exceeded_by(total) && total < isize::MAX as u64 {
            Ok(())
        } else if self.masked || len > frame::CONTROL_MAX as u64 {
            Err(Violation::SIZE)
        } else {
            Err(Violation::SIZE_AT_CLIENT)
        }
    }

    /// Unmasks the next bytes of the frame under way and, in a text, judges them. No whole message is ever given
    /// out before it is judged, since the last byte of a bad text is not.
    fn reveal(&mut self, bytes: &mut [u8]) -> Result<(), Violation> {
        let Some(frame) = &mut self.frame else { return Ok(()) };
        let is_first = frame.at == 0;
        frame::apply(frame.mask, frame.at, bytes);
        frame.at += bytes.len() as u64;
        frame.left -= bytes.len() as u64;
        let Some(text) = &mut self.text else { return Ok(()) };
        let was_split = is_first && !text.is_whole();
        if !text.accepts(bytes) {
            return Err(if was_split && !text.is_whole() { Violation::TEXT_SPLIT } else { Violation::TEXT });
        }
        if frame.fin && frame.left == 0 && !text.is_whole() {
            return Err(Violation::TEXT_CUT);
        }
        Ok(())
    }

    fn end_frame(&mut self) {
        let Some(Frame { left: 0, fin, .. }) = self.frame else { return };
        self.frame = None;
        if fin && let Some(mut message) = self.gathered.take() {
            let len = message.len() - PREFIX;
            message[..PREFIX].copy_from_slice(&prefix(self.opcode, len as u64));
            self.stage(message);
        }
    }
}

/// Bytes read from the wire and not yet understood. Holds no memory when there are none.
#[derive(Debug, Default)]
pub struct Raw {
    bytes: Vec<u8>,
    start: usize,
}

impl Raw {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.bytes.len() {
            *self = Raw::default();
        }
    }

    /// Has `read` fill up to `room` bytes behind those that are here.
    pub fn fill(&mut self, room: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let before = self.bytes.len();
        self.bytes.try_reserve(room).map_err(|_| ErrorKind::OutOfMemory)?;
        self.bytes.resize(before + room, 0);
        let outcome = read(&mut self.bytes[before..]);
        self.bytes.truncate(before + *outcome.as_ref().unwrap_or(&0));
        self.consume(0);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: Mask = [1, 2, 3, 4];

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = frame::control(0, payload, Some(MASK)).to_vec();
        bytes[0] = first;
        bytes
    }

    fn message(opcode: u8, body: &[u8]) -> Vec<u8> {
        [&prefix(opcode, body.len() as u64)[..], body].concat()
    }

    fn fill(raw: &mut Raw, piece: &[u8]) {
        let read = |room: &mut [u8]| {
            room.copy_from_slice(piece);
            Ok(piece.len())
        };
        raw.fill(piece.len(), read).unwrap();
    }

    /// Feeds the pieces to a server with this limit: what the pipe gets, the steps of note, and how it ends.
    fn run(pieces: &[&[u8]], limit: Option<u64>, room: usize) -> (Vec<u8>, Vec<DecodeStep>, Result<(), Violation>) {
        let size_limit = SizeLimit::default();
        size_limit.set(limit);
        let (mut decoder, mut raw) = (Decoder::new(true, size_limit), Raw::default());
        let (mut made, mut steps) = (Vec::new(), Vec::new());
        for piece in pieces {
            fill(&mut raw, piece);
            loop {
                let mut room = vec![0; room];
                match decoder.step(&mut raw, &mut room) {
                    Ok(DecodeStep::Made(count)) => made.extend_from_slice(&room[..count]),
                    Ok(DecodeStep::Starved) => break,
                    Ok(step) => steps.push(step),
                    Err(violation) => return (made, steps, Err(violation)),
                }
            }
        }
        (made, steps, Ok(()))
    }

    #[test]
    fn messages_come_whole_however_frames_are_cut() {
        let input = [
            client_frame(0x82, b"abc"),
            client_frame(0x01, "h€".as_bytes()[..2].as_ref()),
            client_frame(0x89, b"ping"),
            client_frame(0x00, b""),
            client_frame(0x80, &"h€".as_bytes()[2..]),
            client_frame(0x8a, b"pong"),
            client_frame(0x82, b""),
            client_frame(0x88, b"\x03\xe9bye"),
        ]
        .concat();
        let expected = [message(2, b"abc"), message(1, "h€".as_bytes()), message(2, b"")].concat();
        for room in [1, 5, 100] {
            for cut in 0..=input.len() {
                let (made, steps, end) = run(&[&input[..cut], &input[cut..]], Some(4), room);
                assert_eq!((made, end), (expected.clone(), Ok(())));
                assert_eq!(steps, [DecodeStep::Ping(b"ping".to_vec()), DecodeStep::Close(1001)]);
            }
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(run(&bytes, None, room).0, expected);
        }
    }

    #[test]
    fn too_large_is_refused_before_it_is_read() {
        let large = frame::head(frame::BINARY, 5, Some(MASK));
        assert_eq!(run(&[&large], Some(5), 9).2, Ok(()));
        assert_eq!(run(&[&large], Some(4), 9).2, Err(Violation::SIZE));
        let absurd = frame::head(frame::BINARY, u64::MAX, Some(MASK));
        assert_eq!(run(&[&absurd], None, 9).2, Err(Violation::SIZE));
        let parts = [client_frame(0x02, b"abc"), client_frame(0x80, b"de")].concat();
        assert_eq!(run(&[&parts], Some(5), 9).0, message(2, b"abcde"));
        assert_eq!(run(&[&parts], Some(4), 9), (vec![], vec![], Err(Violation::SIZE)));
        let ping = client_frame(0x89, b"longer than the limit");
        assert_eq!(run(&[&ping], Some(4), 9).2, Ok(()));
    }

    #[test]
    fn a_client_says_it_in_its_own_words() {
        let limit = SizeLimit::default();
        limit.set(Some(1));
        for (len, violation) in [(2, Violation::SIZE_AT_CLIENT), (126, Violation::SIZE)] {
            let mut raw = Raw::default();
            let head = frame::head(frame::BINARY, len, None);
            fill(&mut raw, &head);
            let mut decoder = Decoder::new(false, limit.clone());
            assert_eq!(decoder.step(&mut raw, &mut [0; 9]), Err(violation));
        }
    }

    #[test]
    fn a_bad_text_is_never_whole() {
        for (text, violation) in [(&b"ab\xff"[..], Violation::TEXT), (b"ab\xe2\x82", Violation::TEXT_CUT)] {
            let good = client_frame(0x81, b"good");
            let bad = [good.clone(), client_frame(0x81, text), good].concat();
            let (made, _, end) = run(&[&bad], None, 100);
            assert_eq!(end, Err(violation));
            assert!(made.len() < message(1, b"good").len() + message(1, text).len());
            assert!(made.starts_with(&message(1, b"good")));
            let ended = [client_frame(0x01, text), client_frame(0x80, b"")].concat();
            assert_eq!(run(&[&ended], None, 100), (vec![], vec![], Err(violation)));
            let binary = client_frame(0x82, text);
            assert_eq!(run(&[&binary], None, 100).0, message(2, text));
        }
    }

    proptest::proptest! {
        /// Whatever a peer sends: no panic, and no more memory than it has sent.
        #[test]
        fn rubbish_is_borne(pieces in proptest::collection::vec(
            (0..=255_u8, proptest::collection::vec(proptest::num::u8::ANY, 0..200)), 0..20),
        ) {
            let frames: Vec<Vec<u8>> = pieces.iter().map(|(first, payload)| match payload.len() % 5 {
                0 => payload.clone(),
                _ => client_frame(first & 0x8f, &payload[..payload.len().min(frame::CONTROL_MAX)]),
            }).collect();
            let pieces: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            let sent: usize = frames.iter().map(Vec::len).sum();
            let (made, ..) = run(&pieces, Some(1000), 64);
            proptest::prop_assert!(made.len() <= sent + PREFIX * sent);
        }
    }
}
