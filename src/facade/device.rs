//! Devices: forward everything between two sockets, or back into one (nanomsg-api.md 2.10).

use std::sync::Arc;

use crate::core::{Error, Message};
use crate::sys::signals::spawn_without_signals;

use super::socket::EngineSocket;
use super::transfer::Wait;

/// Forwards between two raw sockets, both ways if they can, until it fails; gives the error. `EINVAL` if the sockets
/// are not raw, not of one protocol, or not each other's complement.
pub fn device(first: &Arc<EngineSocket>, second: &Arc<EngineSocket>) -> Error {
    let (one, two) = (first.kind(), second.kind());
    if !first.is_raw() || !second.is_raw() || !one.fits(two) {
        return Error::INVALID;
    }
    match (one.can_recv, one.can_send) {
        (true, true) => both_ways(first, second),
        (true, false) => forward(first, second),
        (false, _) => forward(second, first),
    }
}

/// Sends back into a raw socket whatever it receives, until that fails.
pub fn loopback(socket: &Arc<EngineSocket>) -> Error {
    match socket.is_raw() {
        true => forward(socket, socket),
        false => Error::INVALID,
    }
}

/// Each direction has a thread, as in nanomsg, so that a signal handler does not end one of them. Ends
/// when both have failed.
fn both_ways(first: &Arc<EngineSocket>, second: &Arc<EngineSocket>) -> Error {
    let start = |from: &Arc<EngineSocket>, to: &Arc<EngineSocket>| {
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

fn forward(from: &EngineSocket, to: &EngineSocket) -> Error {
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
