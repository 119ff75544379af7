//! Devices.

use crate::core::{Error, Result};
use crate::facade;

use super::socket::Socket;

/// Passes messages between two raw sockets, both ways if they can, until that fails; gives the error, which is `EINVAL` at once if the
/// sockets are not raw, or do not complement each other (nanomsg-api.md 2.10). With a REP and a REQ socket it is a broker.
///
/// ```no_run
/// use nanomsg::{Protocol, Socket, device};
///
/// let clients = Socket::raw(Protocol::Rep)?;
/// clients.bind("tcp://*:5555")?;
/// let servers = Socket::raw(Protocol::Req)?;
/// servers.bind("tcp://*:5556")?;
/// let error = device(&clients, &servers);
/// eprintln!("the broker ends: {error}");
/// # Ok::<(), nanomsg::Error>(())
/// ```
pub fn device(first: &Socket, second: &Socket) -> Error {
    match both(first, second) {
        Ok((first, second)) => facade::device(first, second),
        Err(error) => error,
    }
}

/// Sends back into a raw socket whatever it receives, until that fails; gives the error. With a BUS socket all its peers hear each other.
pub fn loopback(socket: &Socket) -> Error {
    match socket.engine() {
        Ok(socket) => facade::loopback(socket),
        Err(error) => error,
    }
}

type Engine = std::sync::Arc<facade::EngineSocket>;

fn both<'a>(first: &'a Socket, second: &'a Socket) -> Result<(&'a Engine, &'a Engine)> {
    Ok((first.engine()?, second.engine()?))
}
