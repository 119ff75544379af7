//! The opening handshake (transports.md 5.3; RFC 6455, 4): an HTTP request and its answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

use super::super::framing::Parsed;
use super::head::{Fault, Fields, Reply, Request};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const WELCOME: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
const VERSION: &[u8] = b"13";
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
        let Opening { host, path, key } = self;
        let name = subprotocol_of(peer_of(own));
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {name}\r\n\r\n"
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
        /// It is what nanomsg's client says, byte for byte (and so does ours).
        is_nanomsg: bool,
    },
    Refused {
        reply: Vec<u8>,
    },
}

/// Why a request is refused: the status, and fields that say what would do.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    status: &'static str,
    fields: &'static str,
}

impl Refusal {
    const BAD: Refusal = Refusal::because("400 Bad Request");
    const NO_HOST: Refusal = Refusal::because("400 Host Must Be Given Once");
    const NO_KEY: Refusal = Refusal::because("400 Sec-WebSocket-Key Must Be Given Once");
    const INCOMPATIBLE: Refusal = Refusal::because("400 Incompatible Socket Type");
    const UNRECOGNIZED: Refusal = Refusal::because("400 Unrecognized Socket Type");
    const METHOD: Refusal = Refusal { status: "405 Method Not Allowed", fields: "Allow: GET\r\n" };
    /// A request of plain HTTP, as of a browser whose user has typed our address.
    const NO_UPGRADE: Refusal = Refusal { status: "426 Upgrade Required", fields: "Upgrade: websocket\r\n" };
    const VERSION: Refusal = Refusal::NO_UPGRADE;
    const TOO_LONG: Refusal = Refusal::because("431 Request Header Fields Too Large");

    const fn because(status: &'static str) -> Refusal {
        Refusal { status, fields: "" }
    }

    fn reply(self) -> Vec<u8> {
        let Refusal { status, fields } = self;
        let connection = if fields.starts_with("Upgrade") { "Upgrade, close" } else { "close" };
        format!(
            "HTTP/1.1 {status}\r\nSec-WebSocket-Version: 13\r\n{fields}Connection: {connection}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        match fault {
            Fault::Malformed => Refusal::BAD,
            Fault::Method => Refusal::METHOD,
            Fault::TooLong => Refusal::TOO_LONG,
        }
    }
}

/// The answer of a server of type `own`; `None` if the request is not all there.
pub fn answer(bytes: &[u8], own: u16) -> Option<Answer> {
    let judged = match Request::parse(bytes) {
        Ok(None) => return None,
        Ok(Some(Request { used, fields })) => judge(&fields, own).map(|reply| {
            let is_nanomsg = is_of_nanomsg(&bytes[..used], &fields, own);
            Answer::Welcome { used, reply, is_nanomsg }
        }),
        Err(fault) => Err(fault.into()),
    };
    Some(judged.unwrap_or_else(|refusal: Refusal| Answer::Refused { reply: refusal.reply() }))
}

/// The reply to a request with these fields. Extensions that are offered are declined by not naming them.
fn judge(fields: &Fields<'_>, own: u16) -> Result<Vec<u8>, Refusal> {
    if !fields.lists("Upgrade", b"websocket") || !fields.lists("Connection", b"upgrade") {
        return Err(Refusal::NO_UPGRADE);
    }
    if fields.only("Host").is_none() {
        return Err(Refusal::NO_HOST);
    }
    if fields.only("Sec-WebSocket-Version") != Some(VERSION) {
        return Err(Refusal::VERSION);
    }
    let key = fields.only("Sec-WebSocket-Key").filter(|key| !key.is_empty()).ok_or(Refusal::NO_KEY)?;
    Ok(reply(key, choose(fields, own)?))
}

fn reply(key: &[u8], chosen: Option<&[u8]>) -> Vec<u8> {
    let mut reply = [WELCOME.as_bytes(), accept(key).as_bytes()].concat();
    if let Some(name) = chosen {
        reply.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        reply.extend_from_slice(name);
    }
    reply.extend_from_slice(b"\r\n\r\n");
    reply
}

/// Whether nanomsg's client has written this request. Its host is as in a URL of nanomsg's, which mostly has a port.
fn is_of_nanomsg(request: &[u8], fields: &Fields<'_>, own: u16) -> bool {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let host = text(fields.only("Host").unwrap_or_default());
    let path = text(request.split(|byte| *byte == b' ').nth(1).unwrap_or_default());
    let key = text(fields.only("Sec-WebSocket-Key").unwrap_or_default());
    host.contains(':') && Opening { host, path, key }.request(peer_of(own)) == request
}

/// The name of ours among those that a client offers, as it is written there. Who offers none at all wants a PAIR.
fn choose<'b>(fields: &Fields<'b>, own: u16) -> Result<Option<&'b [u8]>, Refusal> {
    let mut is_known = false;
    let mut is_named = false;
    for name in fields.list("Sec-WebSocket-Protocol") {
        let role = role_called(name);
        if role == Some(own) {
            return Ok(Some(name));
        }
        is_known |= role.is_some();
        is_named = true;
    }
    match (is_named, is_known) {
        (false, _) if own == PAIR => Ok(None),
        (false, _) | (true, true) => Err(Refusal::INCOMPATIBLE),
        (true, false) => Err(Refusal::UNRECOGNIZED),
    }
}

/// Whether what a server answered to a client of type `own`, whose request had this `key`, is a welcome. It must not choose what
/// was not offered (RFC 6455, 4.1): another subprotocol, or any extension. The value: it is what nanomsg's server says, byte for byte.
pub fn welcome(bytes: &[u8], own: u16, key: &str) -> Parsed<bool> {
    let Reply { used, code, fields } = match Reply::parse(bytes) {
        Ok(None) => return Parsed::Partial,
        Ok(Some(reply)) => reply,
        Err(_) => return Parsed::Bad,
    };
    let name = subprotocol_of(peer_of(own));
    let is_ours = |chosen: &[u8]| chosen.eq_ignore_ascii_case(name.as_bytes());
    let is_welcome = code == 101
        && fields.lists("Upgrade", b"websocket")
        && fields.lists("Connection", b"upgrade")
        && fields.only("Sec-WebSocket-Accept") == Some(accept(key.as_bytes()).as_bytes())
        && fields.list("Sec-WebSocket-Protocol").all(is_ours)
        && fields.list("Sec-WebSocket-Extensions").next().is_none();
    if !is_welcome {
        return Parsed::Bad;
    }
    Parsed::Whole { used, value: bytes[..used] == reply(key.as_bytes(), Some(name.as_bytes())) }
}

/// Proof that the request was understood.
fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::from(key);
    hash.update(GUID.as_bytes());
    STANDARD.encode(hash.digest().bytes())
}

/// What a server of this type is called.
fn subprotocol_of(server: u16) -> String {
    let name = ROLES.iter().find(|role| role.0 == server).map_or("", |role| role.1);
    format!("{name}{DOMAIN}")
}

fn role_called(name: &[u8]) -> Option<u16> {
    let (name, domain) = name.split_at_checked(name.len().checked_sub(DOMAIN.len())?)?;
    let role = ROLES.iter().find(|role| role.1.as_bytes().eq_ignore_ascii_case(name))?;
    domain.eq_ignore_ascii_case(DOMAIN.as_bytes()).then_some(role.0)
}

#[cfg(test)]
#[path = "tests/handshake.rs"]
mod tests;
