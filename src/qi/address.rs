//! Where peers are: URLs of endpoints (qi-messaging.md 1 and 12). Strict, because what is half understood leads
//! people to the wrong port, and because peers compare texts: what is accepted comes back as it was written. Nothing is
//! looked up here.

use std::fmt;
use std::net::IpAddr;

/// The directory's port, and that of `connect` without one.
pub const DEFAULT_PORT: u16 = 9559;

/// How to get to an address with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `tcp://`: without encryption.
    Tcp,
    /// TLS.
    Tcps,
    /// TLS with a certificate on both sides.
    Tcpsm,
}

impl Scheme {
    /// As URLs have it.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Tcp => "tcp",
            Scheme::Tcps => "tcps",
            Scheme::Tcpsm => "tcpsm",
        }
    }
}

/// An endpoint. [`Display`](fmt::Display) gives the URL, as libqi would write it: peers compare the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `tcp://host:port` and its kin. The host is a name or an address, an IPv6 one without its brackets but with its
    /// scope, if it has one: `fe80::1%eth0`.
    Host {
        /// With or without TLS.
        scheme: Scheme,
        /// A name or an address.
        host: String,
        /// 1 to 65535; 0 lets the system choose one to listen at.
        port: u16,
    },
    /// `unix://path`, which only qiloop has.
    Unix(String),
    /// `qi:Name`: the connection that is used for this service. Not dialled.
    Relative(String),
}

/// Whom an endpoint reaches, or listens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine only: 127.0.0.0/8, `::1`, `localhost`, unix sockets.
    Loopback,
    /// `0.0.0.0` or `::`: all addresses of the machine that listens. Nothing to be dialled.
    Any,
    /// An address or a name.
    Other,
    /// Whatever another connection reaches.
    Relative,
}

/// Why a text is not an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Nothing, or control characters within; or white space, but in a path or name.
    Text,
    /// Not one of tcp, tcps, tcpsm, unix, qi; or not in lower case.
    Scheme,
    /// The scheme is missing, and is not optional here.
    NoScheme,
    /// A URL within a URL, like `tcp://tcps://host`.
    Doubled,
    /// The host is missing or has characters that no host has.
    Host,
    /// Where to listen, as `0.0.0.0`, and not where to connect to.
    Any,
    /// An IPv6 address must stand in brackets.
    Brackets,
    /// Not a number from 0 to 65535, without zeros in front.
    Port,
    /// The port is missing, or is 0, and cannot be dialled.
    NoPort,
    /// A path, query or user behind or in front of the host, where none belongs.
    Path,
    /// `unix://` without a path, or `qi:` without a name.
    Empty,
}

impl fmt::Display for AddressError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            AddressError::Text => "an address is text, and a host without spaces",
            AddressError::Scheme => "the scheme is none of tcp, tcps, tcpsm, unix, qi (in lower case)",
            AddressError::NoScheme => "the scheme is missing, as in tcp://127.0.0.1:9559",
            AddressError::Doubled => "one URL within another: tcp:// or tcps://, not both",
            AddressError::Host => "the host is missing or not a host",
            AddressError::Any => {
                "0.0.0.0 and [::] are where to listen; connect to an address of that machine, here 127.0.0.1"
            }
            AddressError::Brackets => "an IPv6 address must stand in brackets, as in tcp://[::1]:9559",
            AddressError::Port => "the port is not a number from 0 to 65535, without zeros in front",
            AddressError::NoPort => "a port is needed to connect to",
            AddressError::Path => "only a host and a port belong behind the scheme",
            AddressError::Empty => "unix:// needs a path, qi: a name",
        })
    }
}

impl std::error::Error for AddressError {}

type Result<T> = std::result::Result<T, AddressError>;

impl Endpoint {
    /// A full endpoint, as a directory lists it: with scheme and port.
    pub fn parse(text: &str) -> Result<Endpoint> {
        split(text)?.endpoint(None, None)
    }

    /// Where to connect: the scheme may be missing and is tcp then, and the port, which is 9559. Port 0 cannot be
    /// dialled, nor can `0.0.0.0` or a relative endpoint.
    pub fn to_connect(text: &str) -> Result<Endpoint> {
        let endpoint = split(text)?.endpoint(Some(Scheme::Tcp), Some(DEFAULT_PORT))?;
        match &endpoint {
            Endpoint::Host { port: 0, .. } => Err(AddressError::NoPort),
            _ if endpoint.reach() == Reach::Any => Err(AddressError::Any),
            Endpoint::Relative(_) => Err(AddressError::Scheme),
            _ => Ok(endpoint),
        }
    }

    /// Where to listen: a scheme is needed; a port that is missing or 0 is chosen by the system.
    pub fn to_listen(text: &str) -> Result<Endpoint> {
        match split(text)?.endpoint(None, Some(0))? {
            Endpoint::Relative(_) => Err(AddressError::Scheme),
            endpoint => Ok(endpoint),
        }
    }

    /// The endpoints at which whoever listens here can be dialled, on a machine that has these addresses: for `0.0.0.0` and
    /// `[::]`, which is both families, one for each address in the form of its own family, IPv4 first since libqi has IPv6
    /// switched off; else itself, an IPv4 address in its own form as well. Addresses of one link are left out: what they mean differs
    /// from machine to machine.
    pub fn to_be_dialled(&self, own: &[IpAddr]) -> Vec<Endpoint> {
        let Endpoint::Host { scheme, host, port } = self else { return vec![self.clone()] };
        let at = |ip: &IpAddr| Endpoint::Host { scheme: *scheme, host: ip.to_string(), port: *port };
        let (four, six) = match without_scope(host).parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if address.is_unspecified() => (true, address.is_ipv6()),
            Ok(address) if address.is_ipv4() => return vec![at(&address)],
            _ => return vec![self.clone()],
        };
        let mut found: Vec<IpAddr> = own.iter().map(IpAddr::to_canonical).collect();
        found.retain(|address| if address.is_ipv4() { four } else { six && !is_of_link(address) });
        // Of one family in the order of the interfaces, which begins with loopback.
        found.sort_by_key(IpAddr::is_ipv6);
        found.dedup();
        found.iter().map(at).collect()
    }

    /// The interface of an address of one link, by its name or number on the machine that names it: `eth0` of `tcp://[fe80::1%eth0]:1`.
    pub fn zone(&self) -> Option<&str> {
        let Endpoint::Host { host, .. } = self else { return None };
        host.split_once('%').map(|(_, zone)| zone).filter(|_| host_is_of_link(host))
    }

    /// The same by this interface of ours, if it is an address of one link: what another machine calls its own interface means nothing
    /// here.
    pub fn by_zone(self, zone: &str) -> Endpoint {
        match self {
            Endpoint::Host { scheme, host, port } if host_is_of_link(&host) => {
                Endpoint::Host { scheme, host: format!("{}%{zone}", without_scope(&host)), port }
            }
            other => other,
        }
    }

    /// Whom this reaches. A name is [`Other`](Reach::Other) unless it is `localhost`.
    pub fn reach(&self) -> Reach {
        match self {
            Endpoint::Unix(_) => Reach::Loopback,
            Endpoint::Relative(_) => Reach::Relative,
            Endpoint::Host { host, .. } => {
                match without_scope(host).parse::<IpAddr>().map(|address| address.to_canonical()) {
                    Ok(address) if address.is_loopback() => Reach::Loopback,
                    Ok(address) if address.is_unspecified() => Reach::Any,
                    Err(_) if host.eq_ignore_ascii_case("localhost") => Reach::Loopback,
                    _ => Reach::Other,
                }
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Host { scheme, host, port } if host.contains(':') => {
                write!(out, "{}://[{host}]:{port}", scheme.name())
            }
            Endpoint::Host { scheme, host, port } => write!(out, "{}://{host}:{port}", scheme.name()),
            Endpoint::Unix(path) => write!(out, "unix://{path}"),
            Endpoint::Relative(name) => write!(out, "qi:{name}"),
        }
    }
}

/// A text taken apart at its scheme.
struct Parts<'t> {
    scheme: Option<&'t str>,
    rest: &'t str,
}

fn split(text: &str) -> Result<Parts<'_>> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err(AddressError::Text);
    }
    if let Some(rest) = text.strip_prefix("qi:") {
        return Ok(Parts { scheme: Some("qi"), rest });
    }
    Ok(match text.split_once("://") {
        Some((scheme, rest)) => Parts { scheme: Some(scheme), rest },
        None => Parts { scheme: None, rest: text },
    })
}

impl Parts<'_> {
    fn endpoint(&self, scheme: Option<Scheme>, port: Option<u16>) -> Result<Endpoint> {
        if !matches!(self.scheme, Some("qi" | "unix")) && self.rest.contains("://") {
            return Err(AddressError::Doubled);
        }
        let scheme = match self.scheme {
            None => scheme.ok_or(AddressError::NoScheme)?,
            Some("tcp") => Scheme::Tcp,
            Some("tcps") => Scheme::Tcps,
            Some("tcpsm") => Scheme::Tcpsm,
            Some("unix" | "qi") if self.rest.is_empty() => return Err(AddressError::Empty),
            Some("unix") => return Ok(Endpoint::Unix(self.rest.into())),
            Some("qi") if self.rest.starts_with('/') => return Err(AddressError::Scheme),
            Some("qi") => return Ok(Endpoint::Relative(self.rest.into())),
            Some(_) => return Err(AddressError::Scheme),
        };
        if self.rest.contains(char::is_whitespace) {
            return Err(AddressError::Text);
        }
        if self.rest.contains(['/', '?', '#', '@']) {
            return Err(AddressError::Path);
        }
        let (host, digits) = host_and_port(self.rest)?;
        let port = match digits {
            Some(digits) => number(digits)?,
            None => port.ok_or(AddressError::NoPort)?,
        };
        Ok(Endpoint::Host { scheme, host: host.into(), port })
    }
}

fn host_and_port(text: &str) -> Result<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(AddressError::Brackets)?;
        let scope = host.split_once('%').map(|(_, scope)| scope);
        if without_scope(host).parse::<std::net::Ipv6Addr>().is_err()
            || scope.is_some_and(|scope| scope.is_empty() || !scope.bytes().all(is_letter))
        {
            return Err(AddressError::Host);
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(AddressError::Port),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err(AddressError::Brackets),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let dotted_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    if host.is_empty() || host.len() > 253 || !host.bytes().all(is_letter) || (dotted_number && !is_address) {
        return Err(AddressError::Host);
    }
    Ok((host, port))
}

/// Of names, of hosts and of interfaces.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// The address of `address%interface`.
pub(in crate::qi) fn without_scope(host: &str) -> &str {
    host.split_once('%').map_or(host, |(address, _)| address)
}

fn is_of_link(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn host_is_of_link(host: &str) -> bool {
    without_scope(host).parse().is_ok_and(|address| is_of_link(&address))
}

fn number(digits: &str) -> Result<u16> {
    // `parse` would take a sign.
    let has_zeros = digits.len() > 1 && digits.starts_with('0');
    if digits.is_empty() || has_zeros || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::Port);
    }
    digits.parse().map_err(|_| AddressError::Port)
}

#[cfg(test)]
#[path = "tests/address.rs"]
mod tests;
