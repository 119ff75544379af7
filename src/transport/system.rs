//! Options of all sockets (level NN_SOL_SOCKET, `millrace/options.h`) that concern the system's sockets and whom listeners let in.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::time::Duration;

use rustix::net::getpeername;
use socket2::{SockAddr, Socket};

use crate::core::options::{OptionValue, int};
use crate::core::{Error, Result};
use crate::sys::descriptor::borrow;

use super::TransportOptions;

pub const LEVEL: i32 = 0;
pub const ACCEPT_FROM: i32 = 19824;
pub const ACCEPT_MAX: i32 = 19825;
pub const DSCP: i32 = 19826;
pub const BIND_DEVICE: i32 = 19827;
pub const TCP_USER_TIMEOUT: i32 = 19828;

/// Longest text of [`ACCEPT_FROM`] and name of [`BIND_DEVICE`].
const LIST_MAX: usize = 4096;
const DEVICE_MAX: usize = 15;

pub fn has(level: i32, option: i32) -> bool {
    level == LEVEL && default(option).is_ok()
}

pub fn default(option: i32) -> Result<OptionValue> {
    match option {
        ACCEPT_FROM | BIND_DEVICE => Ok(OptionValue::Text(Vec::new())),
        ACCEPT_MAX | DSCP => Ok(OptionValue::Int(-1)),
        TCP_USER_TIMEOUT => Ok(OptionValue::Int(0)),
        _ => Err(Error::NO_PROTO_OPT),
    }
}

pub fn check(option: i32, value: &[u8]) -> Result<OptionValue> {
    match option {
        ACCEPT_FROM => Networks::parse(value).map(|_| OptionValue::Text(value.to_vec())),
        BIND_DEVICE => {
            let is_name = value.len() <= DEVICE_MAX && !value.iter().any(|byte| *byte <= b' ' || *byte == b'/');
            if is_name { Ok(OptionValue::Text(value.to_vec())) } else { Err(Error::INVALID) }
        }
        _ => {
            let value = int(value)?;
            let valid = match option {
                ACCEPT_MAX => value == -1 || value > 0,
                DSCP => (-1..64).contains(&value),
                TCP_USER_TIMEOUT => value >= 0,
                _ => return Err(Error::NO_PROTO_OPT),
            };
            if valid { Ok(OptionValue::Int(value)) } else { Err(Error::INVALID) }
        }
    }
}

/// Before a socket is bound or connected.
pub fn prepare(socket: &Socket, options: &TransportOptions) -> io::Result<()> {
    set_class(socket, options);
    match options.get(LEVEL, BIND_DEVICE) {
        Ok(OptionValue::Text(name)) if !name.is_empty() => socket.bind_device(Some(&name)),
        _ => Ok(()),
    }
}

/// The class of the packets. A listening socket, and one that is yet to be connected, gives it to those that connect.
fn set_class(socket: &Socket, options: &TransportOptions) {
    if let Ok(class) = u32::try_from(options.int(LEVEL, DSCP)) {
        // The lower two bits are those of congestion.
        let _ = socket.set_tos_v4(class << 2);
        let _ = socket.set_tclass_v6(class << 2);
    }
}

/// What the system does not take is no reason to refuse the connection.
pub fn configure(socket: &Socket, options: &TransportOptions) {
    set_class(socket, options);
    match u64::try_from(options.int(LEVEL, TCP_USER_TIMEOUT)) {
        Ok(time) if time > 0 => {
            let _ = socket.set_tcp_user_timeout(Some(Duration::from_millis(time)));
        }
        _ => {}
    }
}

/// Whom a listener lets in.
#[derive(Debug, Default)]
pub struct Admission {
    from: Networks,
    most: Option<usize>,
}

impl Admission {
    pub fn of(options: &TransportOptions) -> Admission {
        let from = match options.get(LEVEL, ACCEPT_FROM) {
            Ok(OptionValue::Text(text)) => Networks::parse(&text).unwrap_or_default(),
            _ => Networks::default(),
        };
        Admission { from, most: usize::try_from(options.int(LEVEL, ACCEPT_MAX)).ok() }
    }

    /// Why a connection from this address, which is the one that accept(2) told, may not come, when so many are there. Who comes over
    /// a unix socket has no IP address, and is not asked for it.
    pub fn refuses(&self, from: &SockAddr, there: impl FnOnce() -> usize) -> Option<&'static str> {
        if self.most.is_some_and(|most| there() >= most) {
            return Some("as many connections are there as NN_ACCEPT_MAX allows");
        }
        let is_let_in = || from.is_unix() || from.as_socket().is_some_and(|from| self.from.contain(from.ip()));
        (!self.from.0.is_empty() && !is_let_in()).then_some("the peer's address is not one of NN_ACCEPT_FROM")
    }
}

/// The other end of a connection, if it has an IP address.
pub fn peer(fd: RawFd) -> Option<SocketAddr> {
    let address = getpeername(borrow(fd)).ok()??;
    SocketAddr::try_from(address).ok()
}

/// Addresses with the lengths of their prefixes. None at all stands for everybody.
#[derive(Debug, Default)]
struct Networks(Vec<(IpAddr, u32)>);

impl Networks {
    /// `ADDRESS` or `ADDRESS/PREFIX`, separated by commas or spaces. Only the empty text has none.
    fn parse(text: &[u8]) -> Result<Networks> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LIST_MAX).ok_or(Error::INVALID)?;
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let networks: Option<Vec<_>> = words.map(network).collect();
        // A list that has lost its addresses would let everybody in.
        networks.filter(|networks| text.is_empty() || !networks.is_empty()).map(Networks).ok_or(Error::INVALID)
    }

    fn contain(&self, ip: IpAddr) -> bool {
        // An IPv4 peer of a listener of both families has an IPv6 address.
        let (ip, width) = bits(ip.to_canonical());
        self.0.iter().any(|(network, prefix)| {
            let (network, of) = bits(*network);
            of == width && (network ^ ip).checked_shr(width - prefix).unwrap_or(0) == 0
        })
    }
}

fn network(word: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = word.split_once('/').map_or((word, None), |(address, prefix)| (address, Some(prefix)));
    let ip: IpAddr = address.parse().ok()?;
    let width = bits(ip).1;
    let prefix = prefix.map_or(Some(width), length).filter(|prefix| *prefix <= width)?;
    // What is written as an IPv4 address within IPv6 is one of IPv4, as the peers are.
    let canonical = ip.to_canonical();
    Some((canonical, prefix.checked_sub(width - bits(canonical).1)?))
}

/// The length of a prefix: digits, and none too many.
fn length(digits: &str) -> Option<u32> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if is_plain { digits.parse().ok() } else { None }
}

/// An address as a number, and how many bits it has.
fn bits(ip: IpAddr) -> (u128, u32) {
    match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_begins_like_them() {
        let networks = Networks::parse(b"10.1.0.0/16, 192.0.2.7 2001:db8::/32,").unwrap();
        for inside in ["10.1.255.255", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"] {
            assert!(networks.contain(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.2.0.0", "192.0.2.6", "2001:db9::1", "::1", "::a01:203"] {
            assert!(!networks.contain(outside.parse().unwrap()), "{outside}");
        }
        let mapped = Networks::parse(b"::ffff:192.0.2.7 ::ffff:10.1.0.0/112").unwrap();
        assert!(
            ["192.0.2.7", "::ffff:192.0.2.7", "10.1.2.3"].iter().all(|inside| mapped.contain(inside.parse().unwrap()))
        );
        assert!(!mapped.contain("10.2.0.0".parse().unwrap()) && !mapped.contain("192.0.2.6".parse().unwrap()));
        let all = Networks::parse(b"0.0.0.0/0").unwrap();
        assert!(all.contain("1.2.3.4".parse().unwrap()) && !all.contain("::1".parse().unwrap()));
        assert!(Networks::parse(b"::/0").unwrap().contain("::1".parse().unwrap()));
    }

    #[test]
    fn who_has_no_ip_address_is_let_in_only_over_a_unix_socket() {
        let all = Admission { from: Networks::parse(b"0.0.0.0/0 ::/0").unwrap(), most: None };
        assert_eq!(all.refuses(&SocketAddr::from(([192, 0, 2, 7], 1)).into(), || 0), None);
        assert_eq!(all.refuses(&SockAddr::unix("").unwrap(), || 0), None);
        assert!(all.refuses(&SockAddr::vsock(2, 1), || 0).is_some(), "as any address that is not known");
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "x",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "1.2.3",
            "[::1]",
            "localhost",
            ",",
            " ",
            ", ,",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "::/00",
            "::ffff:10.0.0.0/95",
        ] {
            assert_eq!(check(ACCEPT_FROM, bad.as_bytes()), Err(Error::INVALID), "{bad}");
        }
        assert_eq!(check(BIND_DEVICE, b"0123456789abcdef"), Err(Error::INVALID));
        assert_eq!(check(BIND_DEVICE, b"a/b"), Err(Error::INVALID));
        assert!(check(BIND_DEVICE, b"eth0").is_ok());
        for (option, bad) in [(ACCEPT_MAX, 0), (ACCEPT_MAX, -2), (DSCP, 64), (DSCP, -2), (TCP_USER_TIMEOUT, -1)] {
            assert_eq!(check(option, &i32::to_ne_bytes(bad)), Err(Error::INVALID));
        }
    }
}
