//! Connections that end in the middle: after each byte of a message nothing of them is left, and others work.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;

use crate::qi::message::{Message, Type};
use crate::qi::server::{Answer, CallError, ObjectBuilder, ServerStatistics};
use crate::qi::value::Value;

use super::harness::*;
use super::raw::*;

/// Cuts a connection after each byte of a message, and after all of them. `begin` makes the connection.
fn at_every_byte(running: &Running, message: &Message, begin: impl Fn() -> Raw) {
    let bytes = message.encode().unwrap();
    let before = ServerStatistics::default();
    for cut in 0..=bytes.len() {
        let mut raw = begin();
        raw.0.write_all(&bytes[..cut]).unwrap();
        // Every other end is a reset; of what was whole it would take some along.
        if cut % 2 == 0 || cut == bytes.len() {
            raw.0.shutdown(std::net::Shutdown::Write).unwrap();
            while raw.try_next().is_some() {}
        } else {
            socket2::SockRef::from(&raw.0).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(raw);
        running.works();
        running.settles(before);
    }
}

/// A connection with something of everything: a subscription, an object, and a call that has no answer yet.
fn busy(running: &Running) -> Raw {
    let before = running.server.statistics();
    let mut raw = Raw::authenticated(running);
    raw.subscribe(FIRED, 1);
    let reply = raw.ask(MAKE, Bytes::new());
    assert_eq!(reply.header.ty, Type::Reply);
    raw.send(&Message::call(40, SERVICE, 1, WAIT, Bytes::new()));
    // Read, before this was answered.
    assert_eq!(raw.ask(7, Bytes::new()).header.ty, Type::Reply);
    let expected = ServerStatistics {
        connections: before.connections + 1,
        pending_calls: 1,
        subscriptions: before.subscriptions + 1,
        exports: 1,
        events_dropped: 0,
        // A connection, and its object: in steps.
        memory: before.memory + 2 * 16 * 1024,
    };
    assert_eq!(running.server.statistics(), expected);
    raw
}

#[test]
fn authenticate() {
    let (running, ..) = start_probe(patient());
    at_every_byte(&running, &super::raw::authenticate(), || Raw::connect(&running));
}

#[test]
fn a_call() {
    let (running, object, _) = start_probe(patient());
    at_every_byte(&running, &add(4), || busy(&running));
    assert_eq!(object.subscribers("fired"), 0);
}

#[test]
fn register_event() {
    let (running, object, _) = start_probe(patient());
    let message = Message::call(4, SERVICE, 1, 0, registration(FIRED, 2));
    at_every_byte(&running, &message, || busy(&running));
    assert_eq!(object.subscribers("fired"), 0);
}

/// Only the whole Post is obeyed.
#[test]
fn a_post() {
    let (running, object, _) = start_probe(patient());
    let mut other = Raw::authenticated(&running);
    other.subscribe(FIRED, 1);
    let message = Message::post(4, SERVICE, 1, FIRED, Bytes::from_static(b"\x03\0\0\0abc"));
    let bytes = message.encode().unwrap();
    for cut in 0..=bytes.len() {
        let mut raw = busy(&running);
        raw.0.write_all(&bytes[..cut]).unwrap();
        drop(raw);
        running.settles(ServerStatistics { connections: 1, subscriptions: 1, ..Default::default() });
    }
    assert_eq!(&other.next().payload[..], b"\x03\0\0\0abc");
    other.works();
    assert_eq!(object.statistics().events_sent, 1);
}

#[test]
fn a_call_that_carries_an_object() {
    let (running, _, lent) = start_probe(patient());
    let message = Message::call(4, SERVICE, 1, LEND, args_shared("(o)", vec![guest()]));
    at_every_byte(&running, &message, || Raw::authenticated(&running));
    // The last one was whole, and what it lent is at nobody's any more.
    wait_until(|| lent.lock().is_some(), || "nothing was lent".into());
    let gone = lent.lock().take().unwrap();
    assert!(matches!(gone.call("double", vec![1.into()], LONG).unwrap_err(), CallError::Disconnected(_)));
}

#[test]
fn a_reply_of_a_provider_that_we_call() {
    let (running, ..) = start_probe(patient());
    let mut meta = crate::qi::meta::Builder::new();
    meta.method("double", "(oi)", "i");
    let meta = meta.build().unwrap().encode().unwrap();
    let reply = args("(i)", vec![42.into()]);
    let size = crate::qi::message::HEADER_SIZE + reply.len();
    for cut in 0..=size {
        let mut raw = Raw::authenticated(&running);
        raw.register("Theirs");
        let remote = std::thread::scope(|scope| {
            let reached = scope.spawn(|| running.server.reach("Theirs", LONG));
            let call = raw.next();
            raw.send(&Message::reply_to(&call.header, meta.clone()));
            reached.join().unwrap().unwrap()
        });
        let (tell, told) = mpsc::channel();
        let ours = ObjectBuilder::new().build().unwrap();
        let done = move |answer: Result<crate::qi::server::Received, CallError>| {
            tell.send(answer.map(|given| (*given).clone())).unwrap();
        };
        remote.call_then("double", vec![Answer::from(&ours), 21.into()], done);
        let call = raw.next();
        assert_eq!(running.server.statistics().exports, 1);
        let bytes = Message::reply_to(&call.header, reply.clone()).encode().unwrap();
        raw.0.write_all(&bytes[..cut]).unwrap();
        drop(raw);
        let expected = if cut == size { Ok(Value::from(42)) } else { Err("disconnected".to_owned()) };
        assert_eq!(told.recv_timeout(LONG).unwrap().map_err(|error| error.text_for_peer()), expected, "{cut}");
        running.settles(ServerStatistics::default());
        // Its service goes with it, in turn with what the directory has to do.
        wait_until(|| running.server.services().len() == 2, || format!("{:?}", running.server.services()));
        running.works();
    }
}
