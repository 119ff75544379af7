//! ws: WebSocket, RFC 6455 (transports.md 5). A stream over a stream: a pipe speaks SP with `WsStream`,
//! which shakes hands, frames and unframes on a tcp connection.

mod decoder;
mod encoder;
mod frame;
mod framing;
mod handshake;
mod head;
#[cfg(feature = "tls")]
mod secure;
mod stream;
mod utf8;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use socket2::Socket;

use super::framing::Framing;
use super::resolve::{Families, Query};
use super::stream::{Listening, Stream, Wire};
use super::tcp::{self, Remote, configure, port};
use super::{Dialer, EndpointOptions, Listener, Setup, Transport};
use crate::core::options::{OptionValue, int};
use crate::core::{Error, Result};
use crate::sys::random;

use framing::WsFraming;
use handshake::Opening;
use stream::WsStream;

#[cfg(feature = "tls")]
pub use secure::Wss;

pub const LEVEL: i32 = -4;
pub const MSG_TYPE: i32 = 1;

/// Values of [`MSG_TYPE`], and opcodes.
const TEXT: i32 = frame::TEXT as i32;
const BINARY: i32 = frame::BINARY as i32;

const PORT: u16 = 80;

#[derive(Debug)]
pub struct Ws;

impl Transport for Ws {
    fn scheme(&self) -> &'static str {
        "ws"
    }

    fn level(&self) -> i32 {
        LEVEL
    }

    fn framing(&self) -> &'static dyn Framing {
        &WsFraming
    }

    fn greeting_time(&self) -> Duration {
        Duration::from_millis(5000)
    }

    fn listen(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Listener>> {
        Ok(Box::new(WsListener(tcp::listen(address, Families::of(options.ipv4only), &options.options)?)))
    }

    fn dialer(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Dialer>> {
        Ok(Box::new(WsDialer::parse(address, Families::of(options.ipv4only), PORT)?))
    }

    fn default_option(&self, option: i32) -> Result<OptionValue> {
        match option {
            MSG_TYPE => Ok(OptionValue::Int(BINARY)),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    /// The length is checked before the option.
    fn check_option(&self, option: i32, value: &[u8]) -> Result<OptionValue> {
        match (option, int(value)?) {
            (MSG_TYPE, value @ (TEXT | BINARY)) => Ok(OptionValue::Int(value)),
            (MSG_TYPE, _) => Err(Error::INVALID),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }
}

#[derive(Debug)]
struct WsListener(Listening);

impl Listener for WsListener {
    fn socket(&self) -> &Listening {
        &self.0
    }

    fn stream(&self, socket: Socket, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        let wire = wire(socket, setup)?;
        Ok(Arc::new(WsStream::new(Arc::new(wire), None, kind(setup), setup.limit.clone())))
    }
}

#[derive(Debug)]
struct WsDialer {
    remote: Remote,
    /// As written, with the port if it is there.
    host: String,
    path: String,
    /// What the first attempt found set.
    kind: OnceLock<u8>,
}

impl WsDialer {
    /// `[LOCAL;]HOST[:PORT][/PATH]`. The last ':' begins the port, wherever it stands.
    fn parse(address: &[u8], families: Families, default_port: u16) -> Result<WsDialer> {
        let colon = address.iter().rposition(|byte| *byte == b':');
        let from = colon.unwrap_or(0);
        let end = address[from..].iter().position(|byte| *byte == b'/').map_or(address.len(), |at| from + at);
        let (hosts, path) = address.split_at(end);
        let remote = match colon {
            Some(at) => Remote::new(&hosts[..at], port(&hosts[at + 1..])?, families)?,
            None => Remote::new(hosts, default_port, families)?,
        };
        let host = hosts.rsplit(|byte| *byte == b';').next().unwrap_or_default();
        // A line break would end the request line early, and what follows would be another header field.
        let path = if path.is_empty() { b"/" } else { path };
        if path.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(Error::INVALID);
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Error::INVALID);
        Ok(WsDialer { remote, host: text(host)?, path: text(path)?, kind: OnceLock::new() })
    }
}

impl Dialer for WsDialer {
    fn query(&self) -> Option<Query> {
        self.remote.query()
    }

    fn target(&self, resolved: Option<IpAddr>) -> Option<SocketAddr> {
        self.remote.target(resolved)
    }

    fn dial(&self, resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        Ok(self.over(Arc::new(wire(self.remote.connect(resolved, setup)?, setup)?), setup))
    }
}

impl WsDialer {
    /// A WebSocket over a connection to the host.
    fn over(&self, wire: Arc<dyn Stream>, setup: &Setup<'_>) -> Arc<dyn Stream> {
        let kind = *self.kind.get_or_init(|| kind(setup));
        let opening =
            Opening { host: self.host.clone(), path: self.path.clone(), key: handshake::key(random::bytes()) };
        Arc::new(WsStream::new(wire, Some(opening), kind, setup.limit.clone()))
    }
}

/// Frames leave whole, so waiting for more to send could only delay them; no option governs this.
fn wire(socket: Socket, setup: &Setup<'_>) -> io::Result<Wire> {
    socket.set_tcp_nodelay(true)?;
    configure(&socket, setup);
    Wire::tcp(socket, setup.buffers)
}

/// The opcode of messages that name none.
fn kind(setup: &Setup<'_>) -> u8 {
    if setup.options.int(LEVEL, MSG_TYPE) == TEXT { frame::TEXT } else { frame::BINARY }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> Result<(String, String)> {
        WsDialer::parse(address.as_bytes(), Families::V4, PORT).map(|dialer| (dialer.host, dialer.path))
    }

    #[test]
    fn connecting_addresses_follow_the_table() {
        for (address, host, path) in [
            ("127.0.0.1", "127.0.0.1", "/"),
            ("127.0.0.1/path", "127.0.0.1", "/path"),
            ("127.0.0.1:81", "127.0.0.1:81", "/"),
            ("127.0.0.1:81/", "127.0.0.1:81", "/"),
            ("localhost:81/a/b?q=1", "localhost:81", "/a/b?q=1"),
            ("*;127.0.0.1:81", "127.0.0.1:81", "/"),
            ("127.0.0.1;127.0.0.1:81/x", "127.0.0.1:81", "/x"),
            ("[127.0.0.1]:81", "[127.0.0.1]:81", "/"),
            ("a_b:81", "a_b:81", "/"),
            ("lo;127.0.0.1:81", "127.0.0.1:81", "/"),
        ] {
            assert_eq!(parse(address), Ok((host.into(), path.into())), "{address}");
        }
        for bad in [
            "*:80",
            ":80",
            "",
            "/x",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:1000000",
            "127.0.0.1/pa:th",
            "127.0.0.1:80?x",
            "[::1]:80",
            "[::1]/x",
            "h/a b",
            "h/a\r\nX:1/",
        ] {
            assert_eq!(parse(bad), Err(Error::INVALID), "{bad}");
        }
        assert_eq!(parse("eth10000;127.0.0.1:80"), Err(Error::NO_DEVICE));
        assert!(WsDialer::parse(b"[::1]:80/x", Families::Both, PORT).is_ok());
    }
}
