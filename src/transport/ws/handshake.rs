//! The opening handshake (transports.md 5.3): an HTTP request and its answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Header, Response, Status, parse_headers};
use sha1_smol::Sha1;

use super::super::framing::Parsed;

/// Longest head that is read.
const HEAD_MAX: usize = 4096;
const FIELDS_MAX: usize = 64;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const METHOD: &[u8] = b"GET ";
const VERSION: &[u8] = b" HTTP/1.1";
const WELCOME: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
const DOMAIN: &str = ".sp.nanomsg.org";
const PAIR: u16 = 0x10;

/// An endpoint type, what a server of this type is called, and the type of its peers.
const ROLES: [(u16, &str, u16); 10] = [
    (PAIR, "pair", PAIR),
    (0x20, "pub", 0x21),
    (0x21, "sub", 0x20),
    (0x30, "req", 0x31),
    (0x31, "rep", 0x30),
    (0x50, "push", 0x51),
    (0x51, "pull", 0x50),
    (0x62, "surveyor", 0x63),
    (0x63, "respondent", 0x62),
    (0x70, "bus", 0x70),
];

/// The endpoint type of whom a socket of type `own` talks to. Every type is in the table.
pub fn peer_of(own: u16) -> u16 {
    ROLES.iter().find(|role| role.0 == own).map_or(0, |role| role.2)
}

/// What a client asks for.
#[derive(Debug)]
pub struct Opening {
    /// As written in the URL, with the port if it is there.
    pub host: String,
    pub path: String,
    /// Base64 of 16 random bytes.
    pub key: String,
}

pub fn key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

impl Opening {
    /// The request of a client of type `own`. It names what it expects to find.
    pub fn request(&self, own: u16) -> Vec<u8> {
        let name = ROLES.iter().find(|role| role.2 == own).map_or("", |role| role.1);
        let Opening { host, path, key } = self;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {name}{DOMAIN}\r\n\r\n"
        )
        .into_bytes()
    }
}

/// What a server says to a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request, in the first `used` bytes, is fine.
    Welcome {
        used: usize,
        reply: Vec<u8>,
    },
    Refused {
        reply: Vec<u8>,
    },
}

/// The answer of a server of type `own`; `None` if the request is not all there.
pub fn answer(bytes: &[u8], own: u16) -> Option<Answer> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let outcome = match parse_request(bytes, &mut fields) {
        Ok(Some((used, fields))) if used <= HEAD_MAX => match judge(fields, own) {
            Ok(reply) => return Some(Answer::Welcome { used, reply }),
            Err(reason) => (reason, field(fields, "Sec-WebSocket-Version")),
        },
        Ok(None) if bytes.len() <= HEAD_MAX => return None,
        Ok(_) => ("Opening Handshake Too Long", None),
        Err(reason) => (reason, None),
    };
    let (reason, version) = (outcome.0.as_bytes(), outcome.1.unwrap_or_default());
    let reply = [b"HTTP/1.1 400 ", reason, b"\r\nSec-WebSocket-Version: ", version, b"\r\n\r\n"].concat();
    Some(Answer::Refused { reply })
}

type Fields<'f, 'b> = &'f [Header<'b>];

/// Length and fields of a request, once it is all there. Whatever is asked for will do, even nothing at all,
/// which is how NNG asks for the root and no parser of HTTP would have it.
fn parse_request<'f, 'b>(
    bytes: &'b [u8],
    room: &'f mut [Header<'b>; FIELDS_MAX],
) -> Result<Option<(usize, Fields<'f, 'b>)>, &'static str> {
    const BAD: &str = "Bad Request";
    let begun = bytes.len().min(METHOD.len());
    if bytes[..begun] != METHOD[..begun] {
        return Err(BAD);
    }
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let target = bytes[..end].strip_prefix(METHOD).and_then(|rest| rest.strip_suffix(VERSION));
    if target.is_none_or(|target| target.contains(&b' ')) {
        return Err(BAD);
    }
    let start = end + 2;
    match parse_headers(&bytes[start..], room) {
        Ok(Status::Complete((used, fields))) => Ok(Some((start + used, fields))),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(BAD),
    }
}

/// The reply to a request with these fields, or what is wrong with it.
fn judge(fields: Fields<'_, '_>, own: u16) -> Result<Vec<u8>, &'static str> {
    let field = |name| field(fields, name);
    let key = field("Sec-WebSocket-Key");
    let version = field("Sec-WebSocket-Version");
    let upgrades = field("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    let connection = field("Connection").unwrap_or_default();
    let connects =
        connection.split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
    let (Some(key), Some(version), Some(_), true, true) = (key, version, field("Host"), upgrades, connects) else {
        return Err("Cannot Have Body");
    };
    if version != b"13" {
        return Err("Unsupported WebSocket Version");
    }
    let name = field("Sec-WebSocket-Protocol");
    let role = name.map_or(Some(PAIR), role_called).ok_or("Unrecognized Socket Type")?;
    if role != own {
        return Err("Incompatible Socket Type");
    }
    let (accept, name) = (accept(key), name.unwrap_or_default());
    let parts = [WELCOME.as_bytes(), accept.as_bytes(), b"\r\nSec-WebSocket-Protocol: ", name, b"\r\n\r\n"];
    Ok(parts.concat())
}

/// Whether what a server answered to a request with this `key` is a welcome.
pub fn welcome(bytes: &[u8], key: &str) -> Parsed<()> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut response = Response::new(&mut fields);
    let used = match response.parse(bytes) {
        Ok(Status::Complete(used)) if used <= HEAD_MAX => used,
        Ok(Status::Partial) if bytes.len() <= HEAD_MAX => return Parsed::Partial,
        _ => return Parsed::Bad,
    };
    let is = |name, value: &[u8]| field(response.headers, name).is_some_and(|is| is.eq_ignore_ascii_case(value));
    let accepted = field(response.headers, "Sec-WebSocket-Accept") == Some(accept(key.as_bytes()).as_bytes());
    if response.code == Some(101) && is("Upgrade", b"websocket") && is("Connection", b"upgrade") && accepted {
        Parsed::Whole { used, value: () }
    } else {
        Parsed::Bad
    }
}

/// Proof that the request was understood.
fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::from(key);
    hash.update(GUID.as_bytes());
    STANDARD.encode(hash.digest().bytes())
}

fn role_called(name: &[u8]) -> Option<u16> {
    let (name, domain) = name.split_at_checked(name.len().checked_sub(DOMAIN.len())?)?;
    let role = ROLES.iter().find(|role| role.1.as_bytes().eq_ignore_ascii_case(name))?;
    domain.eq_ignore_ascii_case(DOMAIN.as_bytes()).then_some(role.0)
}

fn field<'b>(fields: &[Header<'b>], name: &str) -> Option<&'b [u8]> {
    let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
    Some(field.value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n";

    /// The reply, as text, of a PAIR.
    fn reply(request: &str) -> String {
        match answer(request.as_bytes(), PAIR) {
            Some(Answer::Welcome { reply, .. } | Answer::Refused { reply }) => String::from_utf8(reply).unwrap(),
            None => String::from("none"),
        }
    }

    fn refusal(request: &str) -> String {
        let reply = reply(request);
        assert!(reply.ends_with("\r\n\r\n"), "{reply}");
        let line = reply.lines().next().unwrap_or_default();
        line.strip_prefix("HTTP/1.1 400 ").unwrap_or("welcome").to_owned()
    }

    #[test]
    fn the_samples_of_the_rfc_agree() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
    }

    #[test]
    fn a_request_is_answered_when_all_of_it_is_there() {
        for cut in 0..REQUEST.len() {
            assert_eq!(answer(&REQUEST.as_bytes()[..cut], PAIR), None);
        }
        let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n";
        let followed = format!("{REQUEST}\u{1}");
        let whole = Answer::Welcome { used: REQUEST.len(), reply: expected.into() };
        assert_eq!(answer(followed.as_bytes(), PAIR), Some(whole));
    }

    #[test]
    fn spelling_is_free_where_it_may_be() {
        for (from, to) in [
            ("Host: h", "hOST:h  "),
            ("websocket", "WebSocket"),
            ("Connection: Upgrade", "Connection: keep-alive, UPGRADE"),
            ("GET /", "GET /any/path?query=1"),
            ("GET /", "GET "),
            ("Host: h", "X-Other: 1\r\nHost: h"),
            ("pair.sp", "PAIR.sp"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "not base64"),
            ("Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n", ""),
        ] {
            assert_eq!(refusal(&REQUEST.replace(from, to)), "welcome", "{from}: {to}");
        }
        assert!(reply(&REQUEST.replace("pair.sp", "PAIR.sp")).ends_with("Protocol: PAIR.sp.nanomsg.org\r\n\r\n"));
        let unnamed = reply(&REQUEST.replace("Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n", ""));
        assert!(unnamed.ends_with("Sec-WebSocket-Protocol: \r\n\r\n"));
    }

    #[test]
    fn refusals_follow_the_table() {
        for (from, to, reason) in [
            ("Host: h\r\n", "", "Cannot Have Body"),
            ("Upgrade: websocket\r\n", "", "Cannot Have Body"),
            ("Connection: Upgrade\r\n", "", "Cannot Have Body"),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", "Cannot Have Body"),
            ("Sec-WebSocket-Version: 13\r\n", "", "Cannot Have Body"),
            ("websocket", "h2c", "Cannot Have Body"),
            ("Connection: Upgrade", "Connection: close", "Cannot Have Body"),
            ("Version: 13", "Version: 8", "Unsupported WebSocket Version"),
            ("pair.sp", "bus.sp", "Incompatible Socket Type"),
            ("pair.sp", "pear.sp", "Unrecognized Socket Type"),
            ("pair.sp.nanomsg.org", "pair", "Unrecognized Socket Type"),
            ("Protocol: pair.sp", "Protocol: bus.sp.nanomsg.org, pair.sp", "Unrecognized Socket Type"),
            ("GET", "POST", "Bad Request"),
            ("HTTP/1.1", "HTTP/1.0", "Bad Request"),
            ("GET / ", "GET/ ", "Bad Request"),
            ("GET / ", "GET / / ", "Bad Request"),
            ("GET / ", "get / ", "Bad Request"),
            ("Host: h", "Host h", "Bad Request"),
        ] {
            assert_eq!(refusal(&REQUEST.replace(from, to)), reason, "{from}: {to}");
        }
        assert!(reply(&REQUEST.replace("Version: 13", "Version: 8")).ends_with("\r\nSec-WebSocket-Version: 8\r\n\r\n"));
        let long = format!("GET /{} HTTP/1.1", "x".repeat(HEAD_MAX));
        assert_eq!(refusal(&long), "Opening Handshake Too Long");
        assert_eq!(refusal(&REQUEST.replace("GET / HTTP/1.1", &long)), "Opening Handshake Too Long");
        let unnamed = REQUEST.replace("Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n", "");
        assert!(matches!(answer(unnamed.as_bytes(), 0x70), Some(Answer::Refused { .. })));
    }

    #[test]
    fn every_client_is_welcome_at_its_peer_only() {
        let opening = Opening { host: "h:1".into(), path: "/".into(), key: key([7; 16]) };
        for (own, _, peer) in ROLES {
            assert_eq!(peer_of(own), peer);
            let request = opening.request(own);
            for (other, ..) in ROLES {
                match answer(&request, other) {
                    Some(Answer::Welcome { reply, used }) => {
                        assert_eq!((other, used), (peer, request.len()));
                        let whole = Parsed::Whole { used: reply.len(), value: () };
                        assert_eq!(welcome(&reply, &opening.key), whole);
                        assert_eq!(welcome(&reply, "another key"), Parsed::Bad);
                        for cut in 0..reply.len() {
                            assert_eq!(welcome(&reply[..cut], &opening.key), Parsed::Partial);
                        }
                    }
                    _ => assert_ne!(other, peer),
                }
            }
        }
    }

    #[test]
    fn a_client_takes_nothing_but_a_welcome() {
        let good = reply(REQUEST);
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        for (from, to) in [
            ("101", "200"),
            ("Upgrade: websocket\r\n", ""),
            ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
            ("s3pP", "xxxx"),
            ("HTTP", "ICAP"),
        ] {
            assert_eq!(welcome(good.replace(from, to).as_bytes(), key), Parsed::Bad, "{from}: {to}");
        }
        let spelled = good.replace("Upgrade", "upGrade").replace("\r\nSec-WebSocket-Protocol: pair.sp.nanomsg.org", "");
        assert!(matches!(welcome(spelled.as_bytes(), key), Parsed::Whole { .. }));
        assert_eq!(welcome("HTTP/1.1 400 no\r\n\r\n".as_bytes(), key), Parsed::Bad);
    }
}
