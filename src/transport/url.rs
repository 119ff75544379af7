//! `scheme://address` (nanomsg-api.md 2.3, transports.md 1.1).

use crate::core::{Error, Result};

use super::{Transport, fd};

/// Whole URLs must be shorter than this (NN_SOCKADDR_MAX).
pub const SOCKADDR_MAX: usize = 128;

/// Where a URL leads.
#[derive(Debug)]
pub enum Target<'a> {
    Inproc(&'a [u8]),
    Stream(&'static dyn Transport, &'a [u8]),
}

/// Checks in this order: length, form, scheme.
pub fn parse(url: &[u8]) -> Result<Target<'_>> {
    if url.len() >= SOCKADDR_MAX {
        return Err(Error::NAME_TOO_LONG);
    }
    // Strings of C end there: it would be another address to them.
    if url.contains(&0) {
        return Err(Error::INVALID);
    }
    let colon = url.iter().position(|byte| *byte == b':').ok_or(Error::INVALID)?;
    let address = url[colon..].strip_prefix(b"://").ok_or(Error::INVALID)?;
    match &url[..colon] {
        b"inproc" => Ok(Target::Inproc(address)),
        b"fd" => Ok(Target::Stream(fd::transport_of(address)?, address)),
        scheme => match super::find(scheme) {
            Some(transport) => Ok(Target::Stream(transport, address)),
            None => Err(Error::PROTO_NO_SUPPORT),
        },
    }
}

/// A URL that was bound, with the port that it got in the place of the one that was asked for.
pub fn with_port(url: &[u8], port: Option<u16>) -> Vec<u8> {
    let colon = url.iter().rposition(|byte| *byte == b':').filter(|colon| !url[*colon..].starts_with(b"://"));
    match (port, colon) {
        (Some(port), Some(colon)) => [&url[..=colon], port.to_string().as_bytes()].concat(),
        _ => url.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_was_got_replaces_the_one_that_was_asked_for() {
        assert_eq!(with_port(b"tcp://*:0", Some(4000)), b"tcp://*:4000");
        assert_eq!(with_port(b"ws://[::1]:0", Some(4000)), b"ws://[::1]:4000");
        assert_eq!(with_port(b"ipc://a:0", None), b"ipc://a:0");
        assert_eq!(with_port(b"fd://3", Some(4000)), b"fd://3");
    }

    #[test]
    fn errors_come_in_the_order_of_the_specification() {
        let long = [b'x'; 128];
        for (url, error) in [
            (&b""[..], Error::INVALID),
            (b"tcp", Error::INVALID),
            (b"tcp:/127.0.0.1", Error::INVALID),
            (b"tcp:127", Error::INVALID),
            (b"foo://x", Error::PROTO_NO_SUPPORT),
            (b"TCP://127.0.0.1:1", Error::PROTO_NO_SUPPORT),
            (b"://x", Error::PROTO_NO_SUPPORT),
            (b"inproc://a\0b", Error::INVALID),
            (&long, Error::NAME_TOO_LONG),
        ] {
            assert_eq!(parse(url).unwrap_err(), error, "{}", String::from_utf8_lossy(url));
        }
        assert!(matches!(parse(b"inproc://"), Ok(Target::Inproc(b""))));
        assert!(matches!(parse(b"ipc:///tmp/x"), Ok(Target::Stream(_, b"/tmp/x"))));
    }
}
