//! Subscribing over a socket: the table of section 15, row by row, and what stands around it.

use bytes::Bytes;

use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::server::Object;
use crate::qi::value::Value;

use super::harness::*;
use super::raw::*;

/// As every libqi process sends first.
const LINK: u64 = (106 << 32) | 13;

fn fire(object: &Object) {
    object.emit("fired", vec![Value::Raw(b"abc"[..].into())]).unwrap();
}

/// So many copies of the event, and nothing else.
fn gets(raw: &mut Raw, copies: usize) {
    for _ in 0..copies {
        let Message { header, payload } = raw.next();
        // The id says nothing.
        assert_eq!(header, Header::new(Type::Event, header.id, SERVICE, 1, FIRED));
        assert_eq!(&payload[..], b"\x03\0\0\0abc");
    }
    raw.works();
}

fn unregister(raw: &mut Raw, link: u64) -> Message {
    // Neither the object nor the signal is looked at.
    raw.ask(1, args("(IIL)", vec![99u32.into(), 99u32.into(), link.into()]))
}

fn is_unregistered(raw: &mut Raw, link: u64) {
    let reply = unregister(raw, link);
    assert_eq!((reply.header, reply.payload.len()), (Header::new(Type::Reply, 3, SERVICE, 1, 1), 0));
}

#[test]
fn an_unknown_signal_or_the_id_of_a_method_is_an_error() {
    let (running, ..) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    for signal in [ADD, 0, 99, 999, u32::MAX] {
        assert_eq!(error(&raw.ask(0, registration(signal, 1))), "No such signal");
        let wish = args("(IILs)", vec![0u32.into(), signal.into(), 1u64.into(), "(r)".into()]);
        assert_eq!(error(&raw.ask(8, wish)), "No such signal");
    }
    assert_eq!(running.server.statistics().subscriptions, 0);
    raw.works();
}

#[test]
fn the_reply_of_a_registration_is_8_bytes() {
    let (running, object, _) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    let reply = raw.ask(0, registration(FIRED, LINK));
    assert_eq!((reply.header, reply.payload.len()), (Header::new(Type::Reply, 3, SERVICE, 1, 0), 8));
    fire(&object);
    gets(&mut raw, 1);
}

#[test]
fn different_links_are_two_copies() {
    let (running, object, _) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    raw.subscribe(FIRED, 1);
    raw.subscribe(FIRED, 2);
    fire(&object);
    gets(&mut raw, 2);
    is_unregistered(&mut raw, 1);
    fire(&object);
    gets(&mut raw, 1);
    is_unregistered(&mut raw, 2);
    fire(&object);
    gets(&mut raw, 0);
}

#[test]
fn one_link_twice_is_two_copies_and_ends_one_by_one() {
    let (running, object, _) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    raw.subscribe(FIRED, LINK);
    raw.subscribe(FIRED, LINK);
    fire(&object);
    gets(&mut raw, 2);
    is_unregistered(&mut raw, LINK);
    fire(&object);
    gets(&mut raw, 1);
    assert_eq!((object.subscribers("fired"), running.server.statistics().subscriptions), (1, 1));
    drop(raw);
    running.settles(Default::default());
    assert_eq!(object.subscribers("fired"), 0, "until the connection closes");
}

#[test]
fn an_unknown_link_is_an_error_and_so_is_that_of_another() {
    let (running, object, _) = start_probe(patient());
    let (mut raw, mut other) = (Raw::authenticated(&running), Raw::authenticated(&running));
    other.subscribe(FIRED, LINK);
    for link in [LINK, 0, 99] {
        assert_eq!(error(&unregister(&mut raw, link)), "Unregister request failed");
    }
    fire(&object);
    gets(&mut other, 1);
    // The same link at another object of the connection is another, and be it the same object under another id.
    let twin = running.server.add_service("Twin", &object).unwrap();
    for service in [1, twin] {
        other.send(&Message::call(5, service, 1, 1, registration(FIRED, LINK)));
        assert_eq!(error(&other.next()), "Unregister request failed");
    }
    fire(&object);
    gets(&mut other, 1);
}

#[test]
fn the_link_of_all_bits_ends_nothing_and_succeeds() {
    let (running, object, _) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    is_unregistered(&mut raw, u64::MAX);
    raw.subscribe(FIRED, LINK);
    is_unregistered(&mut raw, u64::MAX);
    fire(&object);
    gets(&mut raw, 1);
}

/// All libqi processes use the same links.
#[test]
fn the_end_of_a_connection_ends_all_of_its_registrations_and_no_others() {
    let (running, object, _) = start_probe(patient());
    let (mut going, mut staying) = (Raw::authenticated(&running), Raw::authenticated(&running));
    for link in [LINK, LINK, 5] {
        going.subscribe(FIRED, link);
    }
    going.subscribe(LEVEL, LINK);
    staying.subscribe(FIRED, LINK);
    let before = running.server.statistics();
    assert_eq!((before.connections, before.subscriptions), (2, 5));
    drop(going);
    running.settles(crate::qi::server::ServerStatistics { connections: 1, subscriptions: 1, ..Default::default() });
    assert_eq!((object.subscribers("fired"), object.subscribers("level")), (1, 0));
    fire(&object);
    gets(&mut staying, 1);
}

#[test]
fn a_wanted_type_that_cannot_be_had_is_sent_plain() {
    let (running, object, _) = start_probe(patient());
    for wanted in ["(i)", "(rr)", "r", "", "(((", "?", "(X)"] {
        let mut raw = Raw::authenticated(&running);
        let wish = args("(IILs)", vec![0u32.into(), FIRED.into(), LINK.into(), wanted.into()]);
        assert_eq!(raw.ask(8, wish).payload.len(), 8, "{wanted}");
        fire(&object);
        gets(&mut raw, 1);
        is_unregistered(&mut raw, LINK);
    }
}

#[test]
fn a_property_tells_before_the_reply_also_of_an_equal_value() {
    let (running, object, _) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    raw.subscribe(LEVEL, LINK);
    for value in [8i64, 8] {
        // As Python sends them: the id as `I`, the value as `l`.
        let event =
            raw.ask(6, args("(mm)", vec![LEVEL.into(), value.into()].into_iter().map(Value::into_dynamic).collect()));
        assert_eq!(event.header, Header::new(Type::Event, event.header.id, SERVICE, 1, LEVEL));
        assert_eq!(&event.payload[..], b"\x08\0\0\0");
        let reply = raw.next();
        assert_eq!((reply.header, reply.payload.len()), (Header::new(Type::Reply, 3, SERVICE, 1, 6), 0));
    }
    let reply = raw.ask(5, dynamic("level".into()));
    assert_eq!(&reply.payload[..], b"\x01\0\0\0i\x08\0\0\0");
    // An event, and no new value.
    raw.send(&Message::post(9, SERVICE, 1, LEVEL, args("(i)", vec![5.into()])));
    assert_eq!((raw.next().header.ty, object.get("level")), (Type::Event, Some(8.into())));
    for (key, text) in [
        (Value::from("none"), "property \"none\" was not found"),
        (999u32.into(), "Id is not id of a property"),
        (FIRED.into(), "Id is not id of a property"),
    ] {
        assert_eq!(error(&raw.ask(5, dynamic(key))), text);
    }
    let refused = raw.ask(6, args("(mm)", vec![Value::from("level").into_dynamic(), Value::from("x").into_dynamic()]));
    assert_eq!(error(&refused), "Failed converting s to i");
    raw.works();
}

#[test]
fn a_post_on_a_signal_goes_to_all_and_a_call_is_an_error() {
    let (running, ..) = start_probe(patient());
    let (mut poster, mut other) = (Raw::authenticated(&running), Raw::authenticated(&running));
    poster.subscribe(FIRED, LINK);
    other.subscribe(FIRED, LINK);
    let payload = Bytes::from_static(b"\x03\0\0\0abc");
    assert!(error(&poster.ask(FIRED, payload.clone())).starts_with("No such method"));
    poster.send(&Message::post(9, SERVICE, 1, FIRED, payload));
    let flagged = dynamic(Value::tuple(vec![Value::Raw(b"abc"[..].into())]));
    poster.send(&Message::post(9, SERVICE, 1, FIRED, flagged).with_flags(Flags::DYNAMIC_PAYLOAD));
    gets(&mut poster, 2);
    gets(&mut other, 2);
}
