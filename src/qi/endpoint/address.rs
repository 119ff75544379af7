//! Addresses (qi-messaging.md 1), parsed strictly: `tcp://host:port`, `tcps://host:port`, `unix://path`.
//!
//! A scheme and a port are required, schemes are lower-case, nothing may follow the port. So `tcp://tcps://host` and
//! `tcp://host:port/` are errors here and not something else in the end.

use std::fmt;

use crate::core::Error;
use crate::transport::tcp::Literal;

use super::failure::Failure;

/// The directory's usual port.
pub const DEFAULT_PORT: u16 = 9559;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    Tcp {
        /// A name or a literal, without brackets.
        host: String,
        port: u16,
        tls: bool,
    },
    /// A path in the file system.
    Unix(String),
}

impl Address {
    /// `EINVAL` for what is no address, `EPROTONOSUPPORT` for another scheme.
    pub fn parse(text: &str) -> Result<Address, Failure> {
        let invalid = Failure::Address(Error::INVALID);
        let (scheme, rest) = text.split_once("://").ok_or(invalid.clone())?;
        let tls = match scheme {
            "tcp" => false,
            "tcps" => true,
            "unix" if rest.is_empty() || rest.contains('\0') => return Err(invalid),
            "unix" => return Ok(Address::Unix(rest.to_owned())),
            _ => return Err(Failure::Address(Error::PROTO_NO_SUPPORT)),
        };
        let (host, port) = rest.rsplit_once(':').ok_or(invalid.clone())?;
        let is_number = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number).ok_or(invalid.clone())?;
        let bare = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']')).ok_or(invalid.clone())?;
        if bare.len() != host.len() && Literal::parse(bare.as_bytes(), false).is_none() {
            return Err(invalid);
        }
        // An address of the other family must be in brackets: its last part would be taken for a port.
        let is_name = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if bare.is_empty() || (bare.len() == host.len() && !is_name(bare)) {
            return Err(invalid);
        }
        Ok(Address::Tcp { host: bare.to_owned(), port, tls })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(out, "unix://{path}"),
            Address::Tcp { host, port, tls } => {
                let scheme = if *tls { "tcps" } else { "tcp" };
                match host.contains(':') {
                    true => write!(out, "{scheme}://[{host}]:{port}"),
                    false => write!(out, "{scheme}://{host}:{port}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_they_look_like() {
        for good in ["tcp://127.0.0.1:9559", "tcps://robot.local:0", "tcp://[::1]:1", "tcp://a-b_c:65535", "unix:///tmp/x", "unix://x"] {
            assert_eq!(Address::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "", "tcp", "127.0.0.1:1", "tcp://", "tcp://a", "tcp://a:", "tcp://:1", "tcp://a:65536", "tcp://a:+1", "tcp://a:1/",
            "tcp://a: 1", "tcp://::1:1", "tcp://[::1:1", "tcp://[a]:1", "tcp://[]:1", "tcp://tcps://a:1", "tcp://a b:1", "unix://",
            "tcp://a:000001",
        ] {
            assert_eq!(Address::parse(bad), Err(Failure::Address(Error::INVALID)), "{bad}");
        }
        for other in ["TCP://a:1", "tcpsm://a:1", "qi://a", "://a:1"] {
            assert_eq!(Address::parse(other), Err(Failure::Address(Error::PROTO_NO_SUPPORT)), "{other}");
        }
    }
}
