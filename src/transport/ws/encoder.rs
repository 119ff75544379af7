//! From the bytes a pipe writes to what a WebSocket peer reads: the greeting becomes a client's request
//! (and tells a server who it is), a prefix becomes the head of a frame, and a client masks.

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use crate::sys::random;

use super::frame::{self, Mask};
use super::framing::{PREFIX, USUAL, split};
use super::handshake::Opening;

const GREETING: usize = 8;

#[derive(Debug)]
pub struct Encoder {
    /// What a client asks for; a server asks nothing.
    opening: Option<Opening>,
    masks: Option<Masks>,
    /// The opcode of messages that name none.
    kind: u8,
    state: EncoderState,
    /// The greeting or prefix under way.
    head: SmallVec<[u8; 16]>,
    /// A pong waiting for the end of a frame. Only the last of several pings must be answered.
    pong: Option<frame::Bytes>,
    own: u16,
}

#[derive(Debug)]
enum EncoderState {
    Greeting,
    Prefix,
    Payload { left: u64, mask: Option<Mask>, at: u64 },
}

impl Encoder {
    /// For a client if there is an opening, else for a server.
    pub fn new(opening: Option<Opening>, kind: u8) -> Encoder {
        let masks = opening.is_some().then(Masks::default);
        Encoder { opening, masks, kind, state: EncoderState::Greeting, head: SmallVec::new(), pong: None, own: 0 }
    }

    /// The endpoint type that the greeting told.
    pub fn own(&self) -> u16 {
        self.own
    }

    /// Whether a control frame may follow.
    pub fn is_between_frames(&self) -> bool {
        matches!(self.state, EncoderState::Prefix)
    }

    pub fn pong(&mut self, payload: &[u8]) {
        self.pong = Some(self.control(frame::PONG, payload));
    }

    /// The pong that waits, once it may be sent.
    pub fn take_pong(&mut self) -> Option<frame::Bytes> {
        if self.is_between_frames() { self.pong.take() } else { None }
    }

    pub fn control(&mut self, opcode: u8, payload: &[u8]) -> frame::Bytes {
        frame::control(opcode, payload, self.masks.as_mut().map(Masks::next))
    }

    /// Appends what `input` becomes.
    pub fn encode(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            let used = match &mut self.state {
                EncoderState::Greeting => self.gather(GREETING, input, out),
                EncoderState::Prefix => self.gather(PREFIX, input, out),
                EncoderState::Payload { left, mask, at } => {
                    let count = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                    let start = out.len();
                    out.extend_from_slice(&input[..count]);
                    // Masking a copy: the message may be going to others too, or be sent again.
                    frame::apply(*mask, *at, &mut out[start..]);
                    *at += count as u64;
                    *left -= count as u64;
                    if *left == 0 {
                        self.state = EncoderState::Prefix;
                    }
                    count
                }
            };
            input = &input[used..];
        }
    }

    /// Collects a greeting or prefix of `size` bytes, and goes on when it is whole.
    fn gather(&mut self, size: usize, input: &[u8], out: &mut Vec<u8>) -> usize {
        let used = input.len().min(size - self.head.len());
        self.head.extend_from_slice(&input[..used]);
        if self.head.len() == size {
            match self.head.first_chunk() {
                Some(prefix) => self.begin_frame(*prefix, out),
                None => self.greet(out),
            }
            self.head.clear();
        }
        used
    }

    fn greet(&mut self, out: &mut Vec<u8>) {
        self.own = u16::from_be_bytes([self.head[4], self.head[5]]);
        self.state = EncoderState::Prefix;
        if let Some(opening) = self.opening.take() {
            out.extend(opening.request(self.own));
        }
    }

    fn begin_frame(&mut self, prefix: [u8; PREFIX], out: &mut Vec<u8>) {
        out.extend(self.pong.take().into_iter().flatten());
        let (opcode, left) = split(&prefix);
        let opcode = if opcode == USUAL { self.kind } else { opcode };
        let mask = self.masks.as_mut().map(Masks::next);
        out.extend(frame::head(opcode, left, mask));
        if left > 0 {
            self.state = EncoderState::Payload { left, mask, at: 0 };
        }
    }
}

/// Masks nobody can foresee (RFC 6455, 5.3), a few for each question to the system.
#[derive(Debug, Default)]
struct Masks {
    left: ArrayVec<Mask, 16>,
}

impl Masks {
    fn next(&mut self) -> Mask {
        self.left.pop().unwrap_or_else(|| {
            let fresh: [u8; 16 * size_of::<Mask>()] = random::bytes();
            self.left.extend(fresh.as_chunks().0.iter().copied());
            self.left.pop().unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::framing::prefix;
    use super::*;

    const GREETING: [u8; 8] = [0, b'S', b'P', 0, 0, 0x10, 0, 0];

    fn client() -> Encoder {
        Encoder::new(Some(Opening { host: "h".into(), path: "/".into(), key: "k".into() }), frame::BINARY)
    }

    fn message(opcode: u8, body: &[u8]) -> Vec<u8> {
        [&prefix(opcode, body.len() as u64)[..], body].concat()
    }

    #[test]
    fn a_server_says_nothing_first_and_then_plain_frames_at_every_split() {
        let input = [&GREETING[..], &message(USUAL, b"abc"), &message(frame::TEXT, b""), &message(9, b"x")].concat();
        for cut in 0..=input.len() {
            let (mut encoder, mut out) = (Encoder::new(None, frame::BINARY), Vec::new());
            encoder.encode(&input[..cut], &mut out);
            encoder.encode(&input[cut..], &mut out);
            assert_eq!(out, [0x82, 3, b'a', b'b', b'c', 0x81, 0, 0x89, 1, b'x']);
            assert_eq!(encoder.own(), 0x10);
        }
    }

    #[test]
    fn a_client_asks_and_then_masks_with_a_new_mask_each_time() {
        let (mut encoder, mut out) = (client(), Vec::new());
        encoder.encode(&GREETING, &mut out);
        assert!(out.starts_with(b"GET / HTTP/1.1\r\n"));
        let mut masks = Vec::new();
        for _ in 0..40 {
            out.clear();
            encoder.encode(&message(USUAL, b"Hello"), &mut out);
            assert_eq!((out[..2].to_vec(), out.len()), (vec![0x82, 0x85], 11));
            let mask: Mask = *out[2..].first_chunk().unwrap();
            frame::apply(Some(mask), 0, &mut out[6..]);
            assert_eq!(out[6..], *b"Hello");
            masks.push(mask);
        }
        masks.sort_unstable();
        masks.dedup();
        assert_eq!(masks.len(), 40);
    }

    #[test]
    fn a_pong_waits_for_the_end_of_a_frame() {
        let (mut encoder, mut out) = (Encoder::new(None, frame::BINARY), Vec::new());
        encoder.encode(&GREETING, &mut out);
        let two = [message(USUAL, b"ab"), message(USUAL, b"c")].concat();
        encoder.encode(&two[..PREFIX + 1], &mut out);
        encoder.pong(b"old");
        encoder.pong(b"new");
        assert_eq!(encoder.take_pong(), None);
        encoder.encode(&two[PREFIX + 1..], &mut out);
        assert_eq!(out, b"\x82\x02ab\x8a\x03new\x82\x01c");
        encoder.pong(b"");
        assert_eq!(encoder.take_pong().as_deref(), Some(&[0x8a, 0][..]));
    }
}
