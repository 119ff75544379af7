//! Devices: forward everything between two sockets, or back into one (nanomsg-api.md 2.10).

use std::sync::Arc;

use crate::core::{Error, Message, Result};
use crate::sys::signals::spawn_without_signals;

use super::blocking::Wait;
use super::socket::Socket;

/// Forwards between two raw sockets, both ways if they can, until it fails; gives the error. `EINVAL` if the sockets
/// are not raw, not of one protocol, or not each other's complement.
pub fn device(first: &Arc<Socket>, second: &Arc<Socket>) -> Error {
    if let Err(error) = check(first, second) {
        return error;
    }
    let (one, two) = (first.kind(), second.kind());
    if one.can_recv && one.can_send {
        return both_ways(first, second);
    }
    debug_assert!(one.can_recv != two.can_recv);
    match one.can_recv {
        true => forward(first, second),
        false => forward(second, first),
    }
}

/// Sends back into a raw socket whatever it receives, until that fails.
pub fn loopback(socket: &Arc<Socket>) -> Error {
    match socket.is_raw() {
        true => forward(socket, socket),
        false => Error::INVALID,
    }
}

fn check(first: &Socket, second: &Socket) -> Result<()> {
    let (one, two) = (first.kind(), second.kind());
    let fits = first.is_raw()
        && second.is_raw()
        && one.id / 16 == two.id / 16
        && one.can_recv <= two.can_send
        && one.can_send <= two.can_recv
        && two.can_recv <= one.can_send
        && two.can_send <= one.can_recv;
    if fits { Ok(()) } else { Err(Error::INVALID) }
}

/// Each direction has a thread, as in nanomsg, so that a signal handler does not end one of them. Ends
/// when both have failed.
fn both_ways(first: &Arc<Socket>, second: &Arc<Socket>) -> Error {
    let start = |from: &Arc<Socket>, to: &Arc<Socket>| {
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        spawn_without_signals("millrace-device", move || forward(&from, &to))
    };
    let threads = [start(first, second), start(second, first)];
    let mut last = Error::BAD_FD;
    for thread in threads {
        last = match thread {
            Ok(thread) => thread.join().unwrap_or(Error::FAULT),
            Err(error) => error.into(),
        };
    }
    last
}

fn forward(from: &Socket, to: &Socket) -> Error {
    let mut message = Message::default();
    loop {
        if let Err(error) = from.recv_into(&mut message, Wait::Option) {
            return error;
        }
        if let Err(error) = to.send(&mut message, Wait::Option) {
            if error == Error::NO_MEMORY {
                // Whoever forwards next begins with it.
                from.give_back(message);
            }
            return error;
        }
    }
}
