//! Frames as RFC 6455 section 5 lays them out, and what is wrong with one (transports.md 5.4 and 5.5).

use smallvec::SmallVec;

use super::super::stream::Parting;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Longest payload of a control frame.
pub const CONTROL_MAX: usize = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

pub type Mask = [u8; 4];
/// The head of a frame, or a whole control frame, as bytes.
pub type Bytes = SmallVec<[u8; 16]>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub fin: bool,
    pub opcode: u8,
    pub mask: Option<Mask>,
    pub len: u64,
}

/// Why a connection is closed: the code and the reason that the close frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation(pub u16, pub &'static str);

pub const NORMAL: u16 = 1000;
pub const GOING_AWAY: u16 = 1001;
const PROTOCOL: u16 = 1002;
const UNACCEPTABLE: u16 = 1003;
const DATA: u16 = 1007;
pub const TOO_BIG: u16 = 1009;

impl Violation {
    const RESERVED_BITS: Violation = Violation(PROTOCOL, "RSV1, RSV2, and RSV3 must be unset.");
    const NOT_MASKED: Violation = Violation(PROTOCOL, "Server expects MASK bit to be set.");
    const MASKED: Violation = Violation(PROTOCOL, "Client expects MASK bit to be unset.");
    const OPCODE: Violation = Violation(PROTOCOL, "Invalid opcode.");
    const NOT_BEGUN: Violation = Violation(PROTOCOL, "No message to continue.");
    const NOT_ENDED: Violation = Violation(PROTOCOL, "Expected continuation frame opcode.");
    const FRAGMENT: Violation = Violation(PROTOCOL, "Cannot fragment control message (FIN=0).");
    const CONTROL_LONG: Violation = Violation(PROTOCOL, "Control frame payload exceeds allowable length.");
    const CLOSE_SHORT: Violation = Violation(PROTOCOL, "Expected 2byte close code.");
    const CLOSE_CODE: Violation = Violation(PROTOCOL, "Unrecognized close code.");
    const CLOSE_REASON: Violation = Violation(PROTOCOL, "Invalid UTF-8 sent as Close Reason.");
    pub const TEXT: Violation = Violation(DATA, "Invalid UTF-8 code point in payload.");
    pub const TEXT_SPLIT: Violation = Violation(DATA, "Invalid UTF-8 code point split on previous frame.");
    pub const TEXT_CUT: Violation = Violation(DATA, "Truncated UTF-8 payload with invalid code point.");
    pub const SIZE: Violation = Violation(TOO_BIG, "Message size exceeds limit.");
    /// The same fault in the words of a client for a short frame.
    pub const SIZE_AT_CLIENT: Violation = Violation(TOO_BIG, "Message larger than application allows.");
}

/// What a frame must be at this point of the conversation.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The peer is a client.
    pub masked: bool,
    /// A fragmented message has begun and not ended.
    pub continuation: bool,
}

/// Reads a head and gives its length in bytes too; `None` if it is not all there. Its first two bytes are
/// judged as soon as they have come.
pub fn parse(bytes: &[u8], expected: Expected) -> Result<Option<(usize, Head)>, Violation> {
    let Some([first, second]) = bytes.first_chunk() else { return Ok(None) };
    if let Some(violation) = fault(*first, *second, expected) {
        return Err(violation);
    }
    let (at, len) = match second & !MASKED {
        LEN_16 => (4, bytes[2..].first_chunk().map(|len| u16::from_be_bytes(*len).into())),
        LEN_64 => (10, bytes[2..].first_chunk().map(|len| u64::from_be_bytes(*len))),
        len => (2, Some(len.into())),
    };
    let Some(len) = len else { return Ok(None) };
    let head = Head { fin: first & FIN != 0, opcode: first & 0x0f, mask: None, len };
    if second & MASKED == 0 {
        return Ok(Some((at, head)));
    }
    let mask = bytes[at..].first_chunk().copied();
    Ok(mask.map(|mask| (at + 4, Head { mask: Some(mask), ..head })))
}

/// The first thing that is wrong with a frame which begins with these bytes.
fn fault(first: u8, second: u8, expected: Expected) -> Option<Violation> {
    let masked = second & MASKED != 0;
    if first & RESERVED != 0 {
        return Some(Violation::RESERVED_BITS);
    }
    if masked != expected.masked {
        return Some(if masked { Violation::MASKED } else { Violation::NOT_MASKED });
    }
    match first & 0x0f {
        CONTINUATION if !expected.continuation => Some(Violation::NOT_BEGUN),
        TEXT | BINARY if expected.continuation => Some(Violation::NOT_ENDED),
        CLOSE | PING | PONG if first & FIN == 0 => Some(Violation::FRAGMENT),
        CLOSE | PING | PONG if usize::from(second & !MASKED) > CONTROL_MAX => Some(Violation::CONTROL_LONG),
        CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG => None,
        _ => Some(Violation::OPCODE),
    }
}

/// The head of an unfragmented frame. Any `opcode` is taken as it is: an application may ask for one.
pub fn head(opcode: u8, len: u64, mask: Option<Mask>) -> Bytes {
    let mut bytes = Bytes::from_slice(&[FIN | opcode]);
    let masked = if mask.is_some() { MASKED } else { 0 };
    if len <= CONTROL_MAX as u64 {
        bytes.push(masked | len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        bytes.push(masked | LEN_16);
        bytes.extend_from_slice(&len.to_be_bytes());
    } else {
        bytes.push(masked | LEN_64);
        bytes.extend_from_slice(&len.to_be_bytes());
    }
    bytes.extend(mask.into_iter().flatten());
    bytes
}

/// A control frame of at most [`CONTROL_MAX`] bytes of payload.
pub fn control(opcode: u8, payload: &[u8], mask: Option<Mask>) -> Bytes {
    let mut bytes = head(opcode, payload.len() as u64, mask);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    apply(mask, 0, &mut bytes[start..]);
    bytes
}

/// The payload of a close frame.
pub fn close_payload(code: u16, reason: &str) -> Bytes {
    let mut payload = Bytes::from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    payload
}

/// The code with which a close frame that carries `payload` is answered.
pub fn close_code(payload: &[u8]) -> Result<u16, Violation> {
    if payload.is_empty() {
        return Ok(NORMAL);
    }
    let Some((code, reason)) = payload.split_first_chunk() else { return Err(Violation::CLOSE_SHORT) };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CLOSE_CODE);
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::CLOSE_REASON);
    }
    Ok(code)
}

/// What a peer means by a close frame with this code.
pub fn parting(code: u16) -> Parting {
    match code {
        PROTOCOL | UNACCEPTABLE | DATA | TOO_BIG => Parting::Violation,
        _ => Parting::Goodbye,
    }
}

/// Masks or unmasks bytes whose first stands at `at` in its payload.
pub fn apply(mask: Option<Mask>, at: u64, bytes: &mut [u8]) {
    let Some(mut mask) = mask else { return };
    mask.rotate_left((at % 4) as usize);
    let (words, rest) = bytes.as_chunks_mut();
    let word = u32::from_ne_bytes(mask);
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Expected = Expected { masked: true, continuation: false };
    const CLIENT: Expected = Expected { masked: false, continuation: false };
    const MASK: Mask = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn the_samples_of_the_rfc_are_understood() {
        let plain = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        let head = Head { fin: true, opcode: TEXT, mask: None, len: 5 };
        assert_eq!(parse(&plain, CLIENT), Ok(Some((2, head))));

        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(parse(&masked, SERVER), Ok(Some((6, Head { mask: Some(MASK), ..head }))));
        let mut payload = masked[6..].to_vec();
        apply(Some(MASK), 0, &mut payload);
        assert_eq!(payload, b"Hello");

        let first = Head { fin: false, opcode: TEXT, mask: None, len: 3 };
        assert_eq!(parse(&[0x01, 0x03, 0x48], CLIENT), Ok(Some((2, first))));
        let last = Head { fin: true, opcode: CONTINUATION, mask: None, len: 2 };
        assert_eq!(parse(&[0x80, 0x02, 0x6c], Expected { continuation: true, ..CLIENT }), Ok(Some((2, last))));
        let long = Head { fin: true, opcode: BINARY, mask: None, len: 256 };
        assert_eq!(parse(&[0x82, 0x7e, 0x01, 0x00], CLIENT), Ok(Some((4, long))));
        let longer = Head { len: 65536, ..long };
        assert_eq!(parse(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], CLIENT), Ok(Some((10, longer))));
    }

    #[test]
    fn heads_take_the_shortest_form() {
        assert_eq!(head(BINARY, 0, None)[..], [0x82, 0]);
        assert_eq!(head(BINARY, 125, None)[..], [0x82, 0x7d]);
        assert_eq!(head(BINARY, 126, None)[..], [0x82, 0x7e, 0, 0x7e]);
        assert_eq!(head(BINARY, 65535, None)[..], [0x82, 0x7e, 0xff, 0xff]);
        assert_eq!(head(BINARY, 65536, None)[..], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(head(TEXT, 1, Some(MASK))[..], [0x81, 0x81, 0x37, 0xfa, 0x21, 0x3d]);
    }

    #[test]
    fn heads_are_read_back_at_every_split() {
        for len in [0, 125, 126, 65535, 65536, u64::MAX] {
            for (mask, expected) in [(None, CLIENT), (Some(MASK), SERVER)] {
                let bytes = head(BINARY, len, mask);
                for cut in 0..bytes.len() {
                    assert_eq!(parse(&bytes[..cut], expected), Ok(None));
                }
                let whole = Head { fin: true, opcode: BINARY, mask, len };
                assert_eq!(parse(&bytes, expected), Ok(Some((bytes.len(), whole))));
            }
        }
    }

    #[test]
    fn violations_are_told_by_the_first_two_bytes() {
        let inside = Expected { continuation: true, ..SERVER };
        for (bytes, expected, violation) in [
            ([0xc2, 0x80], SERVER, Violation::RESERVED_BITS),
            ([0x92, 0x80], SERVER, Violation::RESERVED_BITS),
            ([0x82, 0x00], SERVER, Violation::NOT_MASKED),
            ([0x82, 0x80], CLIENT, Violation::MASKED),
            ([0x83, 0x80], SERVER, Violation::OPCODE),
            ([0x8b, 0x80], SERVER, Violation::OPCODE),
            ([0x80, 0x80], SERVER, Violation::NOT_BEGUN),
            ([0x82, 0x80], inside, Violation::NOT_ENDED),
            ([0x09, 0x80], SERVER, Violation::FRAGMENT),
            ([0x8a, 0xfe], inside, Violation::CONTROL_LONG),
        ] {
            assert_eq!(parse(&bytes, expected), Err(violation), "{bytes:x?}");
        }
    }

    #[test]
    fn close_codes_follow_the_table() {
        assert_eq!(close_code(b""), Ok(1000));
        assert_eq!(close_code(b"\x03\xe8bye"), Ok(1000));
        for code in [1000, 1001, 1002, 1003, 1007, 1011, 3000, 4999] {
            assert_eq!(close_code(&close_payload(code, "")), Ok(code));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert_eq!(close_code(&close_payload(code, "")), Err(Violation::CLOSE_CODE), "{code}");
        }
        assert_eq!(close_code(b"\x03"), Err(Violation::CLOSE_SHORT));
        assert_eq!(close_code(b"\x03\xe8\xff"), Err(Violation::CLOSE_REASON));
    }

    #[test]
    fn masking_is_the_same_however_it_is_cut() {
        let mut whole: Vec<u8> = (0..100).collect();
        apply(Some(MASK), 0, &mut whole);
        for cut in 0..=whole.len() {
            let mut bytes: Vec<u8> = (0..100).collect();
            let (front, back) = bytes.split_at_mut(cut);
            apply(Some(MASK), 0, front);
            apply(Some(MASK), cut as u64, back);
            assert_eq!(bytes, whole);
        }
    }
}
