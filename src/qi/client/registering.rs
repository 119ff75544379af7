//! Asking the peer for the events of a signal, and asking no more (qi-messaging.md 15).

use std::sync::Arc;
use std::time::Instant;

use crate::qi::message::Flags;
use crate::qi::payload::PayloadError;
use crate::qi::registrations::{Join, Key};
use crate::qi::value::{Value, Writer};

use super::connection::{Connection, Outcome, Target, Waiter};
use super::error::{ClientError, Result};
use super::waiting::Slot;

/// Takes a share in the registration of a signal; makes it if it is the first. Gives the link.
pub(super) fn join(connection: &Arc<Connection>, key: &Key, deadline: Option<Instant>) -> Result<u64> {
    let slot = Arc::new(Slot::default());
    let told = {
        let (slot, reactor) = (Arc::clone(&slot), Arc::clone(connection.reactor()));
        Box::new(move |outcome: Result<()>| slot.fill(&reactor, outcome))
    };
    // A statement of its own: the lock is held no longer.
    let (joined, link) = connection.endpoint().registrations.lock().join(key, told);
    match joined {
        Join::Ready(_) => return Ok(link),
        Join::Wait => {}
        Join::Register => register(connection, key, link),
    }
    let outcome = slot.wait(connection.reactor(), Some(connection.endpoint()), deadline);
    match outcome.map_err(ClientError::from).and_then(|accepted| accepted) {
        Ok(()) => Ok(link),
        Err(error) => {
            leave(connection, key, link);
            Err(error)
        }
    }
}

/// Has the peer send the events of a signal for as long as the connection lasts; the caller has made a handler.
pub(super) fn join_for_session(
    connection: &Arc<Connection>,
    (service, object): (u32, u32),
    signal: u32,
    deadline: Option<Instant>,
) -> Result<()> {
    join(connection, &Key { service, object, signal, wanted: None }, deadline).map(drop)
}

/// Asks the peer for events; who waits for that is told.
fn register(connection: &Arc<Connection>, key: &Key, link: u64) {
    let of = key.clone();
    let done = move |connection: &Arc<Connection>, outcome: Outcome| {
        let outcome = outcome.map(drop);
        let waiting = connection.endpoint().registrations.lock().answered(&of, link, outcome.is_ok());
        waiting.into_iter().for_each(|told| told(outcome.clone()));
    };
    let (action, arguments, _) = key.registration(link);
    let waiter = Waiter::Callback(Box::new(done.clone()));
    if let Err(error) = connection.start(target(key, action), waiter, None, |writer| encode(writer, &arguments)) {
        done(connection, Err(error));
    }
}

pub(super) fn leave(connection: &Arc<Connection>, key: &Key, link: u64) {
    let last = connection.endpoint().registrations.lock().leave(key, link);
    let Some(waiting) = last else { return };
    waiting.into_iter().for_each(|told| told(Ok(())));
    if connection.is_open() {
        let (action, arguments, _) = key.unregistration(link);
        connection.start_unanswered(target(key, action), |writer| encode(writer, &arguments));
    }
}

fn target(key: &Key, action: u32) -> Target {
    Target { service: key.service, object: key.object, action, result: None }
}

fn encode(writer: &mut Writer<'_>, arguments: &Value) -> Result<(bytes::Bytes, Flags)> {
    let failed =
        |error| ClientError::Payload { member: "registerEvent".into(), error: Box::new(PayloadError::Encode(error)) };
    Ok((writer.encode(arguments, &arguments.signature()).map_err(failed)?, Flags::NONE))
}
