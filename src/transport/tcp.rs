//! tcp (transports.md 4).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use socket2::{Domain, Socket};

use crate::core::options::{OptionValue, int};
use crate::core::{Error, Result};
use crate::sys::Owned;

use super::framing::{Framing, SP_TCP};
use super::resolve::Query;
use super::stream::{Listening, Stream, Wire, begin_connect, open};
use super::{Dialer, Listener, Setup, Transport};

pub const LEVEL: i32 = -3;
pub const NODELAY: i32 = 1;

const BACKLOG: i32 = 100;

#[derive(Debug)]
pub struct Tcp;

impl Transport for Tcp {
    fn scheme(&self) -> &'static str {
        "tcp"
    }

    fn level(&self) -> i32 {
        LEVEL
    }

    fn framing(&self) -> &'static dyn Framing {
        &SP_TCP
    }

    fn listen(&self, address: &[u8], ipv4only: bool) -> Result<Box<dyn Listener>> {
        let address = listen_address(address, ipv4only)?;
        Ok(Box::new(TcpListener(Listening(Owned::new(listen_at(address)?)))))
    }

    fn dialer(&self, address: &[u8], ipv4only: bool) -> Result<Box<dyn Dialer>> {
        Ok(Box::new(TcpDialer(Remote::parse(address, ipv4only)?)))
    }

    fn default_option(&self, option: i32) -> Result<OptionValue> {
        match option {
            NODELAY => Ok(OptionValue::Int(0)),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }

    /// The length is checked before the option.
    fn check_option(&self, option: i32, value: &[u8]) -> Result<OptionValue> {
        match (option, int(value)?) {
            (NODELAY, value @ (0 | 1)) => Ok(OptionValue::Int(value)),
            (NODELAY, _) => Err(Error::INVALID),
            _ => Err(Error::NO_PROTO_OPT),
        }
    }
}

#[derive(Debug)]
struct TcpListener(Listening);

impl Listener for TcpListener {
    fn accept(&self, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        wire(self.0.accept()?, setup)
    }

    fn fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

#[derive(Debug)]
struct TcpDialer(Remote);

impl Dialer for TcpDialer {
    fn query(&self) -> Option<Query> {
        self.0.query()
    }

    fn dial(&self, resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        wire(self.0.connect(resolved)?, setup)
    }
}

fn wire(socket: Socket, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
    socket.set_tcp_nodelay(setup.options.int(LEVEL, NODELAY) != 0)?;
    Ok(Arc::new(Wire::new(socket, setup.buffers)?))
}

/// Listens on an address, with both families on the IPv6 wildcard.
pub fn listen_at(address: SocketAddr) -> io::Result<Socket> {
    let socket = open(Domain::for_address(address))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// `HOST:PORT` of a listener: no port `EINVAL`, a host that is no acceptable literal `ENODEV`.
pub fn listen_address(address: &[u8], ipv4only: bool) -> Result<SocketAddr> {
    let (host, port) = split_port(address)?;
    let address = match (host, ipv4only) {
        (b"*", true) => Literal::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        (b"*", false) => Literal::from(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => Literal::parse(host, ipv4only).ok_or(Error::NO_DEVICE)?,
    };
    Ok(address.with_port(port))
}

/// `[LOCAL;]HOST:PORT` of a connector.
#[derive(Debug)]
pub struct Remote {
    local: Option<Literal>,
    host: Host,
    port: u16,
    ipv4only: bool,
}

#[derive(Debug)]
enum Host {
    Literal(Literal),
    Name(String),
}

impl Remote {
    /// Checks port, host and local part, in this order.
    pub fn parse(address: &[u8], ipv4only: bool) -> Result<Remote> {
        let (hosts, port) = split_port(address)?;
        Remote::new(hosts, port, ipv4only)
    }

    /// From `[LOCAL;]HOST` and a port.
    pub fn new(hosts: &[u8], port: u16, ipv4only: bool) -> Result<Remote> {
        let (local, host) = match hosts.iter().position(|byte| *byte == b';') {
            Some(at) => (Some(&hosts[..at]), &hosts[at + 1..]),
            None => (None, hosts),
        };
        let host = match Literal::parse(host, ipv4only) {
            Some(literal) => Host::Literal(literal),
            None => Host::Name(dns_name(host).ok_or(Error::INVALID)?),
        };
        let local = match local {
            None | Some(b"*") => None,
            Some(local) => Some(Literal::parse(local, ipv4only).ok_or(Error::NO_DEVICE)?),
        };
        Ok(Remote { local, host, port, ipv4only })
    }

    /// The name that must be resolved first.
    pub fn query(&self) -> Option<Query> {
        match &self.host {
            Host::Literal(_) => None,
            Host::Name(name) => Some(Query { name: name.clone(), ipv4only: self.ipv4only }),
        }
    }

    /// Starts connecting. `resolved` answers [`Remote::query`].
    pub fn connect(&self, resolved: Option<IpAddr>) -> io::Result<Socket> {
        let address = match (&self.host, resolved) {
            (Host::Literal(address), _) => address.with_port(self.port),
            (Host::Name(_), Some(ip)) => SocketAddr::new(ip, self.port),
            (Host::Name(_), None) => return Err(io::ErrorKind::HostUnreachable.into()),
        };
        let socket = open(Domain::for_address(address))?;
        if let Some(local) = &self.local {
            socket.set_reuse_address(true)?;
            socket.bind(&local.with_port(0).into())?;
        }
        begin_connect(socket.connect(&address.into()))?;
        Ok(socket)
    }
}

/// An IP address as written, possibly with a scope.
#[derive(Clone, Copy, Debug)]
pub struct Literal {
    ip: IpAddr,
    scope: u32,
}

impl Literal {
    /// An address, in brackets or not; IPv6 only where it is allowed.
    pub fn parse(text: &[u8], ipv4only: bool) -> Option<Literal> {
        let text = std::str::from_utf8(text).ok()?;
        let text = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'))?;
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(Literal::from(IpAddr::V4(ip)));
        }
        if ipv4only {
            return None;
        }
        let (address, zone) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone)));
        let ip: Ipv6Addr = address.parse().ok()?;
        let scope = zone.map_or(Some(0), scope_id)?;
        Some(Literal { ip: IpAddr::V6(ip), scope: if ip.is_unicast_link_local() { scope } else { 0 } })
    }

    pub fn with_port(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => SocketAddr::new(IpAddr::V4(ip), port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
        }
    }
}

impl From<IpAddr> for Literal {
    fn from(ip: IpAddr) -> Literal {
        Literal { ip, scope: 0 }
    }
}

/// The index of a network interface, given as such or by its name.
fn scope_id(zone: &str) -> Option<u32> {
    if let Ok(index) = zone.parse() {
        return Some(index);
    }
    if zone.contains('/') || zone.is_empty() {
        return None;
    }
    std::fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok()?.trim().parse().ok()
}

/// What precedes the last ':' and the port after it: decimal digits only, 1 to 65535.
fn split_port(address: &[u8]) -> Result<(&[u8], u16)> {
    let colon = address.iter().rposition(|byte| *byte == b':').ok_or(Error::INVALID)?;
    Ok((&address[..colon], port(&address[colon + 1..])?))
}

/// A port as written: leading zeros are fine, anything but digits is not.
pub fn port(digits: &[u8]) -> Result<u16> {
    if digits.is_empty() {
        return Err(Error::INVALID);
    }
    let mut value: u32 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Error::INVALID);
        }
        value = (value * 10 + u32::from(digit - b'0')).min(1 << 16);
    }
    match u16::try_from(value) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Error::INVALID),
    }
}

/// A syntactically valid DNS name (transports.md 4.2).
fn dns_name(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let valid_bytes = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if !valid_bytes || text.is_empty() || text.len() > 255 || text.starts_with('-') {
        return None;
    }
    let labels = text.strip_suffix('.').unwrap_or(text);
    let valid = labels.split('.').all(|label| (1..=63).contains(&label.len()));
    valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_addresses_follow_the_table() {
        for good in ["127.0.0.1:5555", "[127.0.0.1]:5555", "*:5555", "127.0.0.1:05555"] {
            assert_eq!(listen_address(good.as_bytes(), true).unwrap().port(), 5555, "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:+80",
            "127.0.0.1: 80",
            "127.0.0.1:80/x",
            "",
            "x:99999999999999999999",
        ] {
            assert_eq!(listen_address(bad.as_bytes(), true), Err(Error::INVALID), "{bad}");
        }
        for bad in ["localhost:1", "lo:1", ":1", "[*]:1", "127.1:1", "[::1]:1", "::1:1", "127.0.0.1;127.0.0.1:1"] {
            assert_eq!(listen_address(bad.as_bytes(), true), Err(Error::NO_DEVICE), "{bad}");
        }
        for good in ["[::1]:1", "::1:1", "[::ffff:127.0.0.1]:1", "127.0.0.1:1", "*:1", "[::1%lo]:1"] {
            assert!(listen_address(good.as_bytes(), false).is_ok(), "{good}");
        }
    }

    #[test]
    fn connecting_addresses_follow_the_table() {
        for good in [
            "127.0.0.1:1",
            "[127.0.0.1]:1",
            "localhost:1",
            "a-:1",
            "a.:1",
            "256.1.1.1:1",
            "*;127.0.0.1:1",
            "127.0.0.1;127.0.0.1:1",
            "127.0.0.1;localhost:1",
        ] {
            assert!(Remote::parse(good.as_bytes(), true).is_ok(), "{good}");
        }
        let long = format!("{}:1", "a".repeat(64));
        for bad in [
            "*:1",
            ":1",
            "-a:1",
            "a_b:1",
            "a b:1",
            "a..b:1",
            ".a:1",
            &long,
            "abc.123.---.#:1",
            "[]:1",
            "[127.0.0.1:1",
            "127.0.0.1]:1",
            "[::1]:1",
            "::1:1",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:1/x",
            "x;y;127.0.0.1:1",
        ] {
            assert_eq!(Remote::parse(bad.as_bytes(), true).unwrap_err(), Error::INVALID, "{bad}");
        }
        for bad in ["lo;127.0.0.1:1", "eth10000;127.0.0.1:1", ";127.0.0.1:1"] {
            assert_eq!(Remote::parse(bad.as_bytes(), true).unwrap_err(), Error::NO_DEVICE, "{bad}");
        }
    }
}
