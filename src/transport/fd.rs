//! fd: a socket that the program was given, as by a service manager (LISTEN_FDS, by number or name), or has made itself. `bind` takes one that listens,
//! `connect` one that is connected. It is duplicated, so the program's own descriptor stays the program's; it is never shut down.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Socket, Type};

use crate::core::{Error, Result};
use crate::sys::Owned;
use crate::sys::descriptor::copy_of;

use super::framing::{Framing, SP_IPC, SP_TCP};
use super::stream::{Listening, Stream, Wire};
use super::{Dialer, EndpointOptions, Listener, Setup, Transport, ipc, tcp};

/// Spoken over it is what is spoken over tcp, or over ipc.
#[derive(Debug)]
pub struct FdTransport {
    is_unix: bool,
}

static INTERNET: FdTransport = FdTransport { is_unix: false };
static UNIX: FdTransport = FdTransport { is_unix: true };

/// The transport for a descriptor, by the family of its socket. No number, nor the name of one that a service manager gave: `EINVAL`; `EBADF`, `ENOTSOCK`; neither tcp nor a
/// stream of unix: `EPROTONOSUPPORT`.
pub fn transport_of(address: &[u8]) -> Result<&'static dyn Transport> {
    match family_of(&duplicate(address)?)? {
        Domain::UNIX => Ok(&UNIX),
        _ => Ok(&INTERNET),
    }
}

fn duplicate(address: &[u8]) -> Result<Socket> {
    let text = std::str::from_utf8(address).map_err(|_| Error::INVALID)?;
    let number = match is_number(text) {
        true => text.parse::<RawFd>().ok(),
        false => activated(text, |variable| std::env::var(variable).ok()),
    };
    Ok(copy_of(number.ok_or(Error::INVALID)?)?.into())
}

/// Of digits alone, and not with a zero in front, as a number is written. Anything else is a name.
fn is_number(text: &str) -> bool {
    text == "0" || (!text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The first descriptor that a service manager hands over.
const FIRST: RawFd = 3;

/// The descriptor that a service manager has handed to this process under a name (sd_listen_fds_with_names(3)).
fn activated(name: &str, environment: impl Fn(&str) -> Option<String>) -> Option<RawFd> {
    let number = |variable| environment(variable)?.parse::<u32>().ok();
    // A child of the one that was started has inherited the variables, and not what they speak of.
    if name.is_empty() || number("LISTEN_PID")? != std::process::id() {
        return None;
    }
    let (names, count) = (environment("LISTEN_FDNAMES")?, number("LISTEN_FDS")? as usize);
    let index = names.split(':').take(count).position(|other| other == name)?;
    RawFd::try_from(index).ok().map(|index| FIRST + index)
}

fn family_of(socket: &Socket) -> Result<Domain> {
    let domain = socket.domain()?;
    let is_known = [Domain::IPV4, Domain::IPV6, Domain::UNIX].contains(&domain);
    if is_known && socket.r#type()? == Type::STREAM { Ok(domain) } else { Err(Error::PROTO_NO_SUPPORT) }
}

impl Transport for FdTransport {
    fn scheme(&self) -> &'static str {
        "fd"
    }

    fn level(&self) -> i32 {
        if self.is_unix { ipc::LEVEL } else { tcp::LEVEL }
    }

    fn framing(&self) -> &'static dyn Framing {
        if self.is_unix { &SP_IPC } else { &SP_TCP }
    }

    fn half_close(&self) -> bool {
        self.is_unix
    }

    /// `EINVAL` if it does not listen.
    fn listen(&self, address: &[u8], _options: &EndpointOptions) -> Result<Box<dyn Listener>> {
        let socket = duplicate(address)?;
        if !socket.is_listener()? {
            return Err(Error::INVALID);
        }
        socket.set_nonblocking(true)?;
        Ok(Box::new(FdListener { is_unix: self.is_unix, listening: Listening(Owned::new(socket)?) }))
    }

    /// `ENOTCONN` if it is not connected.
    fn dialer(&self, address: &[u8], _options: &EndpointOptions) -> Result<Box<dyn Dialer>> {
        let socket = duplicate(address)?;
        socket.peer_addr()?;
        Ok(Box::new(FdConnection { is_unix: self.is_unix, socket: Mutex::new(Some(Owned::new(socket)?)) }))
    }
}

fn wire(socket: Socket, is_unix: bool, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
    let wire = if is_unix { Wire::unix(socket, setup.buffers)? } else { tcp::wire(socket, setup)? };
    Ok(Arc::new(wire))
}

#[derive(Debug)]
struct FdListener {
    is_unix: bool,
    listening: Listening,
}

impl Listener for FdListener {
    fn socket(&self) -> &Listening {
        &self.listening
    }

    fn stream(&self, socket: Socket, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        wire(socket, self.is_unix, setup)
    }
}

/// It is there once: when it is lost nobody can make it anew.
#[derive(Debug)]
struct FdConnection {
    is_unix: bool,
    socket: Mutex<Option<Owned<Socket>>>,
}

impl Dialer for FdConnection {
    fn dial(&self, _resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        let socket = socket.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOTCONN))?;
        let copy = Socket::from(copy_of(socket.as_raw_fd())?);
        copy.set_nonblocking(true)?;
        wire(copy, self.is_unix, setup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn numbers_are_written_in_one_way() {
        assert!(["0", "3", "10", "99999999999"].into_iter().all(is_number));
        assert!(!["", "+3", "-1", "03", "00", " 3", "3 ", "0x3", "three"].into_iter().any(is_number));
        for bad in ["+0", "00", "-1", "99999999999"] {
            assert_eq!(duplicate(bad.as_bytes()).unwrap_err(), Error::INVALID, "{bad}");
        }
    }

    #[test]
    fn names_of_descriptors_are_those_of_the_service_manager() {
        let me = std::process::id().to_string();
        let all = [("LISTEN_PID", &*me), ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "a:b::beyond")];
        let fd = |name| activated(name, environment(&all));
        assert_eq!(
            [fd("a"), fd("b"), fd(""), fd("c"), fd("a:b"), fd("beyond")],
            [Some(3), Some(4), None, None, None, None]
        );
        for missing in 0..all.len() {
            let mut fewer = all.to_vec();
            fewer.remove(missing);
            assert_eq!(activated("a", environment(&fewer)), None, "{fewer:?}");
        }
        let anothers = [("LISTEN_PID", "1"), all[1], all[2]];
        assert_eq!(activated("a", environment(&anothers)), None);
    }
}
