//! tcp (transports.md 4).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, TcpKeepalive};

use crate::core::options::{OptionValue, int};
use crate::core::{Error, Result};
use crate::sys::{Owned, interface};

use super::framing::{Framing, SP_TCP};
use super::resolve::{Families, Query};
use super::stream::{Listening, Stream, Wire, begin_connect, open};
use super::system;
use super::{BACKLOG, Dialer, EndpointOptions, Listener, Setup, Transport, TransportOptions};

pub const LEVEL: i32 = -3;
pub const NODELAY: i32 = 1;

/// A silent peer is asked so often before it counts as gone.
const KEEPALIVE_PROBES: u32 = 4;
/// What the kernel takes at most, in seconds.
const KEEPALIVE_MAX: u128 = 32767;
const SECOND: Duration = Duration::from_secs(1);

/// `tcp`, and its names for one family only.
#[derive(Debug)]
pub struct Tcp {
    scheme: &'static str,
    /// Whatever NN_IPV4ONLY says.
    only: Option<Families>,
}

pub static TCP: Tcp = Tcp { scheme: "tcp", only: None };
pub static TCP4: Tcp = Tcp { scheme: "tcp4", only: Some(Families::V4) };
pub static TCP6: Tcp = Tcp { scheme: "tcp6", only: Some(Families::V6) };

impl Tcp {
    fn families(&self, options: &EndpointOptions) -> Families {
        self.only.unwrap_or(Families::of(options.ipv4only))
    }
}

impl Transport for Tcp {
    fn scheme(&self) -> &'static str {
        self.scheme
    }

    fn level(&self) -> i32 {
        LEVEL
    }

    fn framing(&self) -> &'static dyn Framing {
        &SP_TCP
    }

    fn listen(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Listener>> {
        Ok(Box::new(TcpListener(listen(address, self.families(options), &options.options)?)))
    }

    fn dialer(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Dialer>> {
        Ok(Box::new(TcpDialer(Remote::parse(address, self.families(options))?)))
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
    fn socket(&self) -> &Listening {
        &self.0
    }

    fn stream(&self, socket: Socket, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        Ok(Arc::new(wire(socket, setup)?))
    }
}

#[derive(Debug)]
struct TcpDialer(Remote);

impl Dialer for TcpDialer {
    fn query(&self) -> Option<Query> {
        self.0.query()
    }

    fn target(&self, resolved: Option<IpAddr>) -> Option<SocketAddr> {
        self.0.target(resolved)
    }

    fn dial(&self, resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        Ok(Arc::new(wire(self.0.connect(resolved, setup)?, setup)?))
    }
}

/// A connection as the options want it.
pub fn wire(socket: Socket, setup: &Setup<'_>) -> io::Result<Wire> {
    socket.set_tcp_nodelay(setup.options.int(LEVEL, NODELAY) != 0)?;
    configure(&socket, setup);
    Wire::tcp(socket, setup.buffers)
}

/// What every connection over the network has.
pub fn configure(socket: &Socket, setup: &Setup<'_>) {
    keep_alive(socket, setup);
    system::configure(socket, setup.options);
}

/// Has the system ask a silent peer whether it is still there, so that who only receives learns that a peer is gone without a word.
/// TCP_USER_TIMEOUT is off unless asked for: it would also end connections to peers that are there and have not read for long.
fn keep_alive(socket: &Socket, setup: &Setup<'_>) {
    let Some(time) = setup.keepalive else { return };
    let time = whole_seconds(time);
    let interval = (time / KEEPALIVE_PROBES).max(SECOND);
    let keepalive = TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(KEEPALIVE_PROBES);
    // What the kernel does not take is no reason to refuse the connection.
    let _ = socket.set_tcp_keepalive(&keepalive);
}

/// Rounded up, and as long as the kernel takes.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_millis().div_ceil(1000).min(KEEPALIVE_MAX) as u64)
}

/// Listens at `HOST:PORT`, where HOST is an address, an interface, a name or `*` for all addresses, and PORT may be 0 for any free
/// one. No port: `EINVAL`; no such host: `ENODEV`. Asks the system's resolver if it is a name, and waits for that.
pub fn listen(address: &[u8], families: Families, options: &TransportOptions) -> Result<Listening> {
    let (host, port) = split_port(address)?;
    let mut outcome = Err(Error::NO_DEVICE);
    for ip in listening_at(host, families)? {
        outcome = listen_with(ip.with_port(port), |socket, address| {
            if address.is_ipv6() {
                socket.set_only_v6(families == Families::V6)?;
            }
            system::prepare(socket, options)
        })
        .and_then(|socket| Owned::new(socket).map(Listening))
        .map_err(Error::from);
        // Only where this address is of no use, not where somebody else has it, another one will do.
        if !matches!(&outcome, Err(Error::AF_NO_SUPPORT | Error::ADDR_NOT_AVAILABLE)) {
            break;
        }
    }
    outcome
}

/// The addresses that a host of a listener stands for, in the order in which they are to be tried.
fn listening_at(host: &[u8], families: Families) -> Result<Vec<Literal>> {
    let (any4, any6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
    if host == b"*" {
        // Where there is no IPv6, all addresses are those of IPv4.
        return Ok([any6, any4].into_iter().filter(|ip| families.admit(*ip)).map(Literal::from).collect());
    }
    if let Some(literal) = Literal::parse(host, families) {
        return Ok(vec![literal]);
    }
    if let Some(addresses) = Literal::of_interface(host, families)? {
        return if addresses.is_empty() { Err(Error::ADDR_NOT_AVAILABLE) } else { Ok(addresses) };
    }
    let name = dns_name(host).filter(|name| !looks_like_an_address(name)).ok_or(Error::NO_DEVICE)?;
    let addresses = Query { name, families }.answer().map_err(|_| Error::NO_DEVICE)?;
    Ok(addresses.into_iter().map(Literal::from).collect())
}

/// Listens on an address, with both families on the IPv6 wildcard.
pub fn listen_at(address: SocketAddr) -> io::Result<Socket> {
    listen_with(address, |socket, address| if address.is_ipv6() { socket.set_only_v6(false) } else { Ok(()) })
}

fn listen_with(address: SocketAddr, prepare: impl FnOnce(&Socket, SocketAddr) -> io::Result<()>) -> io::Result<Socket> {
    let socket = open(Domain::for_address(address))?;
    socket.set_reuse_address(true)?;
    prepare(&socket, address)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A socket that is to be connected to this address. It shares its port with whoever wants to listen there: the system may give
/// it any, also one at which a server is about to be bound.
pub fn outgoing(address: SocketAddr) -> io::Result<Socket> {
    let socket = open(Domain::for_address(address))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// `[LOCAL;]HOST:PORT` of a connector.
#[derive(Debug)]
pub struct Remote {
    local: Option<Local>,
    host: RemoteHost,
    port: u16,
    families: Families,
}

#[derive(Debug)]
enum RemoteHost {
    Literal(Literal),
    Name(String),
}

/// From where to connect.
#[derive(Debug)]
enum Local {
    Literal(Literal),
    /// Which addresses it has may change.
    Interface(Vec<u8>),
}

impl Remote {
    /// Checks port, host and local part, in this order.
    pub fn parse(address: &[u8], families: Families) -> Result<Remote> {
        let (hosts, port) = split_port(address)?;
        Remote::new(hosts, port, families)
    }

    /// From `[LOCAL;]HOST` and a port.
    pub fn new(hosts: &[u8], port: u16, families: Families) -> Result<Remote> {
        if port == 0 {
            return Err(Error::INVALID);
        }
        let (local, host) = match hosts.iter().position(|byte| *byte == b';') {
            Some(at) => (Some(&hosts[..at]), &hosts[at + 1..]),
            None => (None, hosts),
        };
        let host = match Literal::parse(host, families) {
            Some(literal) => RemoteHost::Literal(literal),
            // The system's resolver would take an IPv4 address for a name that has no other.
            None if families == Families::V6 && Literal::parse(host, Families::V4).is_some() => {
                return Err(Error::INVALID);
            }
            None => RemoteHost::Name(dns_name(host).ok_or(Error::INVALID)?),
        };
        let local = match local {
            None | Some(b"*") => None,
            Some(local) => Some(Local::parse(local, families)?),
        };
        Ok(Remote { local, host, port, families })
    }

    /// Whom it names, as certificates do: a name, or an address without brackets and scope.
    pub fn host(&self) -> String {
        match &self.host {
            RemoteHost::Literal(literal) => literal.ip.to_string(),
            RemoteHost::Name(name) => name.trim_end_matches('.').to_owned(),
        }
    }

    /// The name that must be resolved first.
    pub fn query(&self) -> Option<Query> {
        match &self.host {
            RemoteHost::Literal(_) => None,
            RemoteHost::Name(name) => Some(Query { name: name.clone(), families: self.families }),
        }
    }

    /// Where to connect. `resolved` is one of the answers to [`Remote::query`]; a name has no address without.
    pub fn target(&self, resolved: Option<IpAddr>) -> Option<SocketAddr> {
        match &self.host {
            RemoteHost::Literal(address) => Some(address.with_port(self.port)),
            RemoteHost::Name(_) => resolved.map(|ip| SocketAddr::new(ip, self.port)),
        }
    }

    /// Starts connecting to [`Remote::target`].
    pub fn connect(&self, resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Socket> {
        let address = self.target(resolved).ok_or(io::ErrorKind::HostUnreachable)?;
        let socket = outgoing(address)?;
        system::prepare(&socket, setup.options)?;
        if let Some(local) = &self.local {
            socket.bind(&local.for_peer(address)?.into())?;
        }
        begin_connect(socket.connect(&address.into()))?;
        Ok(socket)
    }
}

impl Local {
    fn parse(text: &[u8], families: Families) -> Result<Local> {
        if let Some(literal) = Literal::parse(text, families) {
            return Ok(Local::Literal(literal));
        }
        match Literal::of_interface(text, families)? {
            Some(_) => Ok(Local::Interface(text.to_vec())),
            None => Err(Error::NO_DEVICE),
        }
    }

    /// Where to bind a socket that is to be connected to `peer`.
    fn for_peer(&self, peer: SocketAddr) -> io::Result<SocketAddr> {
        match self {
            Local::Literal(literal) => Ok(literal.with_port(0)),
            Local::Interface(name) => {
                let addresses = interface::addresses(name)?.unwrap_or_default();
                let fitting = addresses.into_iter().find(|address| address.is_ipv4() == peer.is_ipv4());
                fitting.ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))
            }
        }
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
    pub fn parse(text: &[u8], families: Families) -> Option<Literal> {
        let text = std::str::from_utf8(text).ok()?;
        let text = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'))?;
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(Literal::from(IpAddr::V4(ip))).filter(|_| families != Families::V6);
        }
        if families == Families::V4 {
            return None;
        }
        let (address, zone) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone)));
        let ip: Ipv6Addr = address.parse().ok()?;
        let scope = zone.map_or(Some(0), scope_id)?;
        Some(Literal { ip: IpAddr::V6(ip), scope: if ip.is_unicast_link_local() { scope } else { 0 } })
    }

    /// The addresses of an interface, those of IPv4 first, as they are what others can name without a scope. `None`: there is no such
    /// interface.
    fn of_interface(name: &[u8], families: Families) -> Result<Option<Vec<Literal>>> {
        let Some(mut addresses) = interface::addresses(name)? else { return Ok(None) };
        addresses.retain(|address| families.admit(address.ip()));
        addresses.sort_by_key(|address| !address.is_ipv4());
        Ok(Some(addresses.into_iter().map(Literal::from).collect()))
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

impl From<SocketAddr> for Literal {
    fn from(address: SocketAddr) -> Literal {
        let scope = if let SocketAddr::V6(address) = address { address.scope_id() } else { 0 };
        Literal { ip: address.ip(), scope }
    }
}

/// The index of a network interface, given as such or by its name, before which a URL may have `%25` for `%` (RFC 6874).
fn scope_id(zone: &str) -> Option<u32> {
    let by_name = || interface::index(zone.as_bytes());
    let escaped = || interface::index(zone.strip_prefix("25")?.as_bytes());
    zone.parse().ok().or_else(by_name).or_else(escaped)
}

/// What precedes the last ':' and the port after it: decimal digits only, 0 to 65535.
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
    u16::try_from(value).map_err(|_| Error::INVALID)
}

/// A syntactically valid DNS name (transports.md 4.2), or one with underscores, which no host should have and many do.
fn dns_name(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let valid_bytes = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !valid_bytes || text.is_empty() || text.len() > 255 || text.starts_with('-') {
        return None;
    }
    let labels = text.strip_suffix('.').unwrap_or(text);
    let valid = labels.split('.').all(|label| (1..=63).contains(&label.len()));
    valid.then(|| text.to_owned())
}

/// The system's resolver takes forms such as `127.1` for addresses; in a listener that is more likely a slip.
fn looks_like_an_address(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// Of a hundred the rest would try again after a second.
    #[test]
    fn hundreds_may_wait_to_be_accepted() {
        let listener = TcpListener(listen(b"127.0.0.1:0", Families::of(true), &TransportOptions::default()).unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], listener.socket().port().unwrap()));
        let waiting = (0..300).map(|_| TcpStream::connect_timeout(&address, SECOND)).collect::<io::Result<Vec<_>>>();
        assert!(waiting.is_ok(), "{waiting:?}");
    }

    #[test]
    fn listening_addresses_follow_the_table() {
        let listen_address = |address: &str, ipv4only| {
            let families = Families::of(ipv4only);
            let (host, port) = split_port(address.as_bytes())?;
            listening_at(host, families)
                .map(|hosts| hosts.into_iter().map(|host| host.with_port(port)).collect::<Vec<_>>())
        };
        for good in ["127.0.0.1:5555", "[127.0.0.1]:5555", "*:5555", "127.0.0.1:05555", "lo:5555", "localhost:5555"] {
            assert_eq!(listen_address(good, true).unwrap()[0].port(), 5555, "{good}");
        }
        assert_eq!(listen_address("127.0.0.1:0", true).unwrap()[0].port(), 0);
        assert!(listen_address("lo:1", true).unwrap().contains(&"127.0.0.1:1".parse().unwrap()));
        let all: Vec<SocketAddr> = ["[::]:1", "0.0.0.0:1"].map(|address| address.parse().unwrap()).into();
        assert_eq!(listen_address("*:1", false).unwrap(), all, "the second one where there is no IPv6");
        for bad in [
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:+80",
            "127.0.0.1: 80",
            "127.0.0.1:80/x",
            "",
            "x:99999999999999999999",
        ] {
            assert_eq!(listen_address(bad, true), Err(Error::INVALID), "{bad}");
        }
        for bad in [
            "a..b:1",
            "no-such-host.invalid:1",
            ":1",
            "[*]:1",
            "127.1:1",
            "256.1.1.1:1",
            "[::1]:1",
            "::1:1",
            "127.0.0.1;127.0.0.1:1",
        ] {
            assert_eq!(listen_address(bad, true), Err(Error::NO_DEVICE), "{bad}");
        }
        for good in ["[::1]:1", "::1:1", "[::ffff:127.0.0.1]:1", "127.0.0.1:1", "*:1", "[::1%lo]:1"] {
            assert!(listen_address(good, false).is_ok(), "{good}");
        }
    }

    #[test]
    fn one_family_may_be_asked_for() {
        let wildcard = |families| listening_at(b"*", families).unwrap().len();
        assert_eq!((wildcard(Families::V4), wildcard(Families::V6), wildcard(Families::Both)), (1, 1, 2));
        assert!(listening_at(b"127.0.0.1", Families::V6).is_err());
        assert!(listening_at(b"[::1]", Families::V6).unwrap()[0].with_port(1).is_ipv6());
        for bad in ["127.0.0.1:1", "[127.0.0.1]:1", "127.0.0.1;[::1]:1"] {
            assert!(Remote::parse(bad.as_bytes(), Families::V6).is_err(), "{bad}");
        }
        for good in ["[::1]:1", "::1:1", "example.org:1", "lo;[::1]:1"] {
            assert!(Remote::parse(good.as_bytes(), Families::V6).is_ok(), "{good}");
        }
    }

    #[test]
    fn scopes_are_indices_or_names_and_may_be_escaped() {
        let lo = interface::index(b"lo");
        assert!(lo.is_some());
        assert_eq!([scope_id("lo"), scope_id("25lo"), scope_id("7")], [lo, lo, Some(7)]);
        assert_eq!([scope_id("no-such-one"), scope_id("25no-such-one"), scope_id("")], [None; 3]);
        let scoped = Literal::parse(b"[fe80::1%25lo]", Families::Both).unwrap().with_port(1);
        assert!(matches!(scoped, SocketAddr::V6(address) if Some(address.scope_id()) == lo));
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
            "a_b:1",
            "lo;127.0.0.1:1",
        ] {
            assert!(Remote::parse(good.as_bytes(), Families::V4).is_ok(), "{good}");
        }
        let long = format!("{}:1", "a".repeat(64));
        for bad in [
            "*:1",
            ":1",
            "-a:1",
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
            "127.0.0.1:0",
            "127.0.0.1:1/x",
            "x;y;127.0.0.1:1",
        ] {
            assert_eq!(Remote::parse(bad.as_bytes(), Families::V4).unwrap_err(), Error::INVALID, "{bad}");
        }
        for bad in ["localhost;127.0.0.1:1", "eth10000;127.0.0.1:1", ";127.0.0.1:1"] {
            assert_eq!(Remote::parse(bad.as_bytes(), Families::V4).unwrap_err(), Error::NO_DEVICE, "{bad}");
        }
    }
}
