//! Asking the peer for the events of a signal, and asking no more (qi-messaging.md 15).

use std::sync::Arc;
use std::time::Instant;

use crate::qi::endpoint::WhenFull;
use crate::qi::message::Flags;
use crate::qi::payload::PayloadError;
use crate::qi::value::{Value, Writer};
use crate::reactor::time_left;

use super::connection::Connection;
use super::error::{CallError, Result};
use super::registrations::{Join, Key};
use super::requester::{Outcome, Requester, Target, Told, Waiter};
use super::waiting::Slot;

/// Takes a share in the registration of a signal: what is to be done about it, and its link. For who must not send yet.
pub fn share(requester: &Requester, key: &Key, told: Told) -> (Join<Told>, u64) {
    requester.registrations().lock().join(key, told)
}

/// Does it, when the connection has room or as `full` says.
pub fn register(requester: &Arc<Requester>, key: &Key, (joined, link): (Join<Told>, u64), full: WhenFull) {
    match joined {
        Join::Ready(told) => told(Ok(())),
        Join::Wait => {}
        Join::Register => {
            let of = *key;
            let done = move |requester: &Arc<Requester>, outcome: Outcome| {
                let outcome = outcome.map(drop);
                let waiting = requester.registrations().lock().answered(&of, link, outcome.is_ok());
                waiting.into_iter().for_each(|told| told(outcome.clone()));
            };
            let (action, arguments, _) = key.registration(link);
            let encode = |writer: &mut Writer<'_>| encode(writer, &arguments);
            requester.start_then(target(key, action), (None, full), encode, Box::new(done));
        }
    }
}

/// [`share`] and [`register`], and waits for what comes of it. Gives the link.
pub fn join(connection: &Arc<Connection>, key: &Key, deadline: Option<Instant>) -> Result<u64> {
    let slot = Arc::new(Slot::default());
    let told = {
        let (slot, reactor) = (Arc::clone(&slot), Arc::clone(connection.reactor()));
        Box::new(move |outcome: Result<()>| slot.fill(Some(&reactor), outcome))
    };
    let joined = share(connection, key, told);
    let link = joined.1;
    register(connection.requester(), key, joined, WhenFull::Block(time_left(deadline)));
    let outcome = slot.wait(connection.reactor(), Some(connection.endpoint()), deadline);
    match outcome.map_err(CallError::from).and_then(|accepted| accepted) {
        Ok(()) => Ok(link),
        Err(error) => {
            leave(connection.requester(), key, link, true);
            Err(error)
        }
    }
}

/// Gives back a share in a registration. With the last the peer is asked for no more events, unless it knows that otherwise.
pub fn leave(requester: &Arc<Requester>, key: &Key, link: u64, unregister: bool) {
    let last = requester.registrations().lock().leave(key, link);
    let Some(waiting) = last else { return };
    waiting.into_iter().for_each(|told| told(Ok(())));
    if unregister && requester.is_open() {
        let (action, arguments, _) = key.unregistration(link);
        requester.start_anyway(target(key, action), Waiter::Nobody, |writer| encode(writer, &arguments));
    }
}

fn target(key: &Key, action: u32) -> Target {
    Target { service: key.service, object: key.object, action, result: None }
}

fn encode(writer: &mut Writer<'_>, arguments: &Value) -> Result<(bytes::Bytes, Flags)> {
    let failed =
        |error| CallError::Payload { member: "registerEvent".into(), error: Box::new(PayloadError::Encode(error)) };
    Ok((writer.encode(arguments, &arguments.signature()).map_err(failed)?, Flags::NONE))
}
