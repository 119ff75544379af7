//! How messages are printed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::colour;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// Nothing is printed.
    #[default]
    No,
    Raw,
    Ascii,
    Quoted,
    Msgpack,
    Hex,
    Json,
}

impl Format {
    pub const ALL: [(&'static str, Format); 7] = [
        ("no", Format::No),
        ("raw", Format::Raw),
        ("ascii", Format::Ascii),
        ("quoted", Format::Quoted),
        ("msgpack", Format::Msgpack),
        ("hex", Format::Hex),
        ("json", Format::Json),
    ];

    /// Appends a message as it is printed; `coloured` for a terminal.
    pub fn append(self, message: &[u8], coloured: bool, out: &mut Vec<u8>) {
        match self {
            Format::No => {}
            Format::Raw => out.extend_from_slice(message),
            Format::Ascii => {
                out.extend(message.iter().map(|&byte| if is_printable(byte) { byte } else { b'.' }));
                out.push(b'\n');
            }
            Format::Quoted => quoted(message, coloured, out),
            Format::Msgpack => msgpack(message, out),
            Format::Hex => {
                out.push(b'"');
                message.iter().for_each(|&byte| hex(byte, out));
                out.extend_from_slice(b"\"\n");
            }
            Format::Json => {
                let value = match std::str::from_utf8(message) {
                    Ok(text) => json!({ "data": text }),
                    Err(_) => json!({ "base64": STANDARD.encode(message) }),
                };
                out.extend_from_slice(value.to_string().as_bytes());
                out.push(b'\n');
            }
        }
    }
}

fn is_printable(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

fn hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[b'\\', b'x', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// On a terminal what is escaped is dimmed.
fn quoted(message: &[u8], coloured: bool, out: &mut Vec<u8>) {
    let (dim, plain) = if coloured { (colour::DIM, colour::PLAIN) } else { ("", "") };
    out.push(b'"');
    for &byte in message {
        if is_printable(byte) && byte != b'\\' && byte != b'"' {
            out.push(byte);
            continue;
        }
        out.extend_from_slice(dim.as_bytes());
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            _ => hex(byte, out),
        }
        out.extend_from_slice(plain.as_bytes());
    }
    out.extend_from_slice(b"\"\n");
}

/// The "bin" type, as short as it can be.
fn msgpack(message: &[u8], out: &mut Vec<u8>) {
    let length = message.len().to_be_bytes();
    match message.len() {
        0..0x100 => out.extend_from_slice(&[&[0xc4], &length[7..]].concat()),
        0x100..0x1_0000 => out.extend_from_slice(&[&[0xc5], &length[6..]].concat()),
        _ => out.extend_from_slice(&[&[0xc6], &length[4..]].concat()),
    }
    out.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        format.append(message, false, &mut out);
        out
    }

    #[test]
    fn every_format_as_the_specification_shows_it() {
        let message = b"a\"\\\n\r\t\x01\xff";
        assert_eq!(printed(Format::No, message), b"");
        assert_eq!(printed(Format::Raw, message), message);
        assert_eq!(printed(Format::Ascii, message), b"a\"\\.....\n");
        assert_eq!(
            printed(Format::Quoted, message),
            br#""a\"\\\n\r\x09\x01\xff""#.iter().copied().chain([b'\n']).collect::<Vec<_>>()
        );
        assert_eq!(printed(Format::Hex, b"a\xff"), b"\"\\x61\\xff\"\n");
        assert_eq!(printed(Format::Msgpack, message), [b"\xc4\x08", &message[..]].concat());
    }

    #[test]
    fn json_says_what_is_text_and_what_is_not() {
        assert_eq!(printed(Format::Json, "ä\"\n".as_bytes()), "{\"data\":\"ä\\\"\\n\"}\n".as_bytes());
        assert_eq!(printed(Format::Json, b"\xff\x00"), b"{\"base64\":\"/wA=\"}\n");
        assert_eq!(printed(Format::Json, b""), b"{\"data\":\"\"}\n");
    }

    #[test]
    fn msgpack_lengths_at_their_bounds() {
        for (length, prefix) in [
            (0, &b"\xc4\x00"[..]),
            (255, b"\xc4\xff"),
            (256, b"\xc5\x01\x00"),
            (65535, b"\xc5\xff\xff"),
            (65536, b"\xc6\x00\x01\x00\x00"),
        ] {
            let printed = printed(Format::Msgpack, &vec![7; length]);
            assert_eq!((&printed[..prefix.len()], printed.len()), (prefix, prefix.len() + length));
        }
    }

    #[test]
    fn only_escapes_are_coloured() {
        let mut out = Vec::new();
        Format::Quoted.append(b"a\n", true, &mut out);
        assert_eq!(out, b"\"a\x1b[2m\\n\x1b[0m\"\n");
    }
}
