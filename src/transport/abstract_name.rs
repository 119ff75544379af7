//! abstract: UNIX stream sockets that have a name but no file (Linux; unix(7)). The name is gone with the last descriptor, and nobody's
//! permissions are asked.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use socket2::SockAddr;

use crate::core::{Error, Result};

use super::framing::{Framing, SP_IPC};
use super::ipc::{self, IpcDialer, IpcListener};
use super::{Dialer, EndpointOptions, Listener, Transport};

#[derive(Debug)]
pub struct Abstract;

impl Transport for Abstract {
    fn scheme(&self) -> &'static str {
        "abstract"
    }

    fn level(&self) -> i32 {
        ipc::LEVEL
    }

    fn framing(&self) -> &'static dyn Framing {
        &SP_IPC
    }

    fn half_close(&self) -> bool {
        true
    }

    fn listen(&self, address: &[u8], _options: &EndpointOptions) -> Result<Box<dyn Listener>> {
        Ok(Box::new(IpcListener::without_file(&socket_name(address)?)?))
    }

    fn dialer(&self, address: &[u8], _options: &EndpointOptions) -> Result<Box<dyn Dialer>> {
        Ok(Box::new(IpcDialer::to(socket_name(address)?)))
    }
}

/// No name, or one that is not well escaped: `EINVAL`. Too long: `ENAMETOOLONG`.
fn socket_name(address: &[u8]) -> Result<SockAddr> {
    let name = unescape(address).filter(|name| !name.is_empty()).ok_or(Error::INVALID)?;
    if name.len() > ipc::PATH_MAX {
        return Err(Error::NAME_TOO_LONG);
    }
    // What begins with a NUL is no path.
    let path = [&[0], &name[..]].concat();
    SockAddr::unix(OsStr::from_bytes(&path)).map_err(|_| Error::INVALID)
}

/// `%41` is `A`, `%00` a NUL. `None`: a `%` that two hexadecimal digits do not follow.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            bytes.push((digit(0)? * 16 + digit(1)?) as u8);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        for (text, bytes) in
            [("", &b""[..]), ("a b", b"a b"), ("%41%6a%4A", b"AjJ"), ("a%00b", b"a\0b"), ("%2525", b"%25")]
        {
            assert_eq!(unescape(text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
        for bad in ["%", "%4", "a%", "%+1", "%g0", "%0g", "100%!"] {
            assert_eq!(unescape(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_length_counts_unescaped() {
        assert_eq!(socket_name(&[b'x'; 108]).unwrap_err(), Error::NAME_TOO_LONG);
        let most = socket_name(&[b'x'; 107]).unwrap();
        assert_eq!(most.as_abstract_namespace(), Some(&[b'x'; 107][..]));
        assert_eq!(socket_name(b"a%00%00").unwrap().as_abstract_namespace(), Some(&b"a\0\0"[..]));
        assert_eq!(socket_name(b"").unwrap_err(), Error::INVALID);
        assert_eq!(socket_name(b"%4").unwrap_err(), Error::INVALID);
    }
}
