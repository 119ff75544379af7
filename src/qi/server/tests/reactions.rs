//! What a listening server says to the first messages of a connection, byte by byte: the table of libqi's reactions in
//! section 10, row by row.

use std::io::Write;

use bytes::Bytes;

use crate::qi::capability::{AuthState, Capabilities, CapabilityMap};
use crate::qi::endpoint::Config;
use crate::qi::message::{Flags, HEADER_SIZE, Header, Message, Type};
use crate::qi::server::{Options, Verdict};
use crate::qi::value::Value;

use super::harness::*;
use super::raw::*;

/// Every type there is.
const TYPES: std::ops::RangeInclusive<u8> = 1..=8;

/// A header as section 2 has it; no code of ours has a part in it.
fn head(ty: u8, id: u32, size: usize, address: [u32; 3]) -> [u8; HEADER_SIZE] {
    let mut bytes = [0; HEADER_SIZE];
    bytes[..4].copy_from_slice(b"\x42\xde\xad\x42");
    bytes[4..8].copy_from_slice(&id.to_le_bytes());
    bytes[8..12].copy_from_slice(&(size as u32).to_le_bytes());
    bytes[14] = ty;
    for (place, number) in bytes[16..].chunks_exact_mut(4).zip(address) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn say(raw: &mut Raw, ty: u8, id: u32, address: [u32; 3], payload: &[u8]) {
    raw.0.write_all(&[&head(ty, id, payload.len(), address), payload].concat()).unwrap();
}

fn all() -> Bytes {
    capability_map(&CapabilityMap::announcing(&LIBQI))
}

/// An Error of libqi's text, to exactly this call.
fn is_refused(raw: &mut Raw, id: u32, address: [u32; 3]) {
    let payload = b"\x01\0\0\0s\x26\0\0\0The call request could not be handled.";
    assert_eq!(raw.bytes(), (head(3, id, payload.len(), address), Bytes::from_static(payload)));
}

/// Nobody has been let in yet: what is not for service 0 is refused, and the next message is the answer to this.
fn is_a_stranger(raw: &mut Raw) {
    say(raw, 1, 77, [1, 1, 2], &[0; 4]);
    is_refused(raw, 77, [1, 1, 2]);
}

#[test]
fn any_valid_map_is_answered_with_ours_and_state_3() {
    let (running, ..) = start_probe(patient());
    for payload in
        [Bytes::from_static(&[0; 4]), all(), Bytes::from_static(b"\x01\0\0\0\x01\0\0\0x\x01\0\0\0m\x01\0\0\0v")]
    {
        let mut raw = Raw::connect(&running);
        say(&mut raw, 1, 5, [0, 0, 8], &payload);
        let (header, reply) = raw.bytes();
        assert_eq!(header, head(2, 5, reply.len(), [0, 0, 8]));
        let state = b"\x0f\0\0\0__qi_auth_state\x01\0\0\0I\x03\0\0\0";
        assert_eq!(reply.windows(state.len()).filter(|bytes| bytes == state).count(), 1);
        let map = map_of(&Message { header: Header::parse(&header, u32::MAX).unwrap().0, payload: reply });
        assert_eq!((map.entries().count(), map.capabilities()), (7, Capabilities::OURS));
        raw.works();
    }
}

#[test]
fn action_8_with_anything_but_a_map_closes_silently() {
    let (running, ..) = start_probe(patient());
    // Nothing; a count without entries; a string; a map whose value ends too soon; a map of another type.
    let broken: [&[u8]; 5] = [
        b"",
        b"\x05\0\0\0",
        b"\x02\0\0\0hi",
        b"\x01\0\0\0\x01\0\0\0x\x01\0\0\0i\x05",
        b"\x01\0\0\0\x01\0\0\0x\x02\0\0\0ii",
    ];
    for ty in TYPES {
        for payload in broken {
            let mut raw = Raw::connect(&running);
            say(&mut raw, ty, 5, [0, 0, 8], payload);
            assert!(raw.is_closed(), "{ty} {payload:?}");
        }
    }
    running.works();
    running.settles(Default::default());
}

#[test]
fn anything_else_to_service_0_is_let_in_by_a_capability_message() {
    let (running, ..) = start_probe(patient());
    for ty in TYPES.filter(|ty| *ty != Type::Capability.byte()) {
        // A map at action 8 is authentication only in a Call.
        let actions = if ty == 1 { &[0, 2, 3, 9][..] } else { &[0, 3, 8] };
        for &action in actions {
            let mut raw = Raw::connect(&running);
            say(&mut raw, ty, 5, [0, 0, action], &all());
            let (header, payload) = raw.bytes();
            let id = u32::from_le_bytes(header[4..8].try_into().unwrap());
            assert_eq!(header, head(6, id, payload.len(), [0, 0, 0]), "{ty} {action}");
            let map = map_of(&Message { header: Header::parse(&header, u32::MAX).unwrap().0, payload });
            assert_eq!((map.entries().count(), map.capabilities()), (6, Capabilities::OURS));
            if ty == 1 {
                // No Reply; but we leave no Call without an answer.
                let refused = raw.next();
                assert_eq!(
                    (refused.header, error(&refused)),
                    (Header::new(Type::Error, 5, 0, 0, action), NO_SUCH.into())
                );
            }
            raw.works();
        }
    }
}

const NO_SUCH: &str = "Service 0 has only authenticate.";

/// Section 3: whatever they seem to say.
#[test]
fn what_is_of_no_type_is_no_first_message() {
    let (running, ..) = start_probe(patient());
    let mut raw = Raw::connect(&running);
    for ty in [0, 9, 200, 255] {
        for (action, payload) in [(8, all()), (8, u32::MAX.to_le_bytes().to_vec().into()), (3, Bytes::new())] {
            say(&mut raw, ty, 5, [0, 0, action], &payload);
            is_a_stranger(&mut raw);
        }
    }
}

#[test]
fn calls_of_strangers_are_refused_and_they_stay_strangers() {
    let (running, ..) = start_probe(patient());
    let mut raw = Raw::connect(&running);
    for address in [[1, 1, 2], [1, 1, 100], [2, 1, 100], [99, 1, 2], [0, 1, 8], [1, 0, 8], [1, 1, 0]] {
        say(&mut raw, 1, 5, address, &[0; 4]);
        is_refused(&mut raw, 5, address);
        // What is no Call has no answer.
        for ty in TYPES.filter(|ty| ![1, 6].contains(ty)) {
            say(&mut raw, ty, 6, address, &[0; 4]);
        }
        is_a_stranger(&mut raw);
    }
    assert_eq!(running.server.statistics().subscriptions, 0);
    say(&mut raw, 1, 8, [0, 0, 8], &all());
    assert_eq!(raw.next().header, Header::new(Type::Reply, 8, 0, 0, 8));
    raw.works();
}

#[test]
fn a_capability_message_is_stored_and_lets_nobody_in() {
    let (running, ..) = start_probe(patient());
    // Stored: nothing else announces MessageFlags.
    for announced in [true, false] {
        let mut raw = Raw::connect(&running);
        let capabilities = Capabilities { message_flags: announced, ..LIBQI };
        say(&mut raw, 6, 5, [0, 0, 0], &capability_map(&CapabilityMap::announcing(&capabilities)));
        is_a_stranger(&mut raw);
        say(&mut raw, 1, 8, [0, 0, 8], &[0; 4]);
        assert_eq!(raw.next().header.ty, Type::Reply);
        let wanted = [&add(9).payload[..], b"\x01\0\0\0d"].concat();
        raw.send(&Message::call(9, SERVICE, 1, ADD, wanted.into()).with_flags(Flags::RETURN_TYPE));
        let answer = raw.next();
        assert_eq!(
            (answer.header.flags == Flags::DYNAMIC_PAYLOAD, result(&answer, "i") == 5.0.into()),
            (announced, announced)
        );
    }
}

#[test]
fn the_first_value_of_a_capability_wins() {
    let (running, ..) = start_probe(patient());
    for first in [true, false] {
        let mut raw = Raw::connect(&running);
        for uid in [first, !first] {
            let capabilities = Capabilities { object_ptr_uid: uid, ..LIBQI };
            say(&mut raw, 6, 5, [0, 0, 0], &capability_map(&CapabilityMap::announcing(&capabilities)));
        }
        raw.send(&authenticate_as(&CapabilityMap::announcing(&Capabilities { object_ptr_uid: !first, ..LIBQI })));
        assert_eq!(raw.next().header.ty, Type::Reply);
        let reply = raw.ask(MAKE, Bytes::new());
        let ends_in_ids = reply.payload[reply.payload.len() - 8..].starts_with(&SERVICE.to_le_bytes());
        assert_eq!(ends_in_ids, !first, "no identity behind service and object");
    }
}

#[test]
fn a_broken_capability_message_closes_at_any_time() {
    let (running, ..) = start_probe(patient());
    // Service, object and action say nothing here.
    for address in [[0, 0, 0], [1, 1, 2], [9, 9, 9]] {
        for let_in in [false, true] {
            let mut raw = if let_in { Raw::authenticated(&running) } else { Raw::connect(&running) };
            say(&mut raw, 6, 5, address, b"\x01\0\0\0");
            assert!(raw.is_closed(), "{address:?} {let_in}");
        }
    }
    running.works();
}

#[test]
fn authenticating_again_tells_the_state_and_nothing_else() {
    let (running, ..) = start_probe(patient());
    let mut raw = Raw::authenticated(&running);
    for payload in [all(), Bytes::from_static(&[0; 4])] {
        say(&mut raw, 1, 5, [0, 0, 8], &payload);
        let state = b"\x01\0\0\0\x0f\0\0\0__qi_auth_state\x01\0\0\0I\x03\0\0\0";
        assert_eq!(raw.bytes(), (head(2, 5, state.len(), [0, 0, 8]), Bytes::from_static(state)));
        raw.works();
    }
    say(&mut raw, 1, 5, [0, 0, 8], b"\x05\0\0\0");
    assert!(raw.is_closed(), "no map");
}

#[test]
fn with_an_authenticator_anything_else_to_service_0_is_an_error_and_the_end() {
    let guarded = patient().authenticator(|shown| match shown.token {
        Some(b"secret") => Verdict::Accept(Vec::new()),
        _ => Verdict::Reject("not you".into()),
    });
    let (running, ..) = start_probe(guarded);
    for ty in TYPES.filter(|ty| *ty != Type::Capability.byte()) {
        let mut raw = Raw::connect(&running);
        say(&mut raw, ty, 5, [0, 0, 3], &[0; 4]);
        let refused = raw.next();
        assert_eq!(refused.header, Header::new(Type::Error, 5, 0, 0, 3));
        assert!(error(&refused).starts_with("Expected authentication"));
        assert!(raw.is_closed());
    }
    // A Capability message lets nobody in here, either, and is no reason to hang up.
    let mut raw = Raw::connect(&running);
    say(&mut raw, 6, 5, [0, 0, 0], &all());
    is_a_stranger(&mut raw);
    let mut map = CapabilityMap::announcing(&LIBQI);
    map.set("auth_token", "guess".into());
    raw.send(&authenticate_as(&map));
    let refused = raw.next();
    assert_eq!((refused.header, error(&refused)), (Header::new(Type::Error, 2, 0, 0, 8), "not you".into()));
    assert!(raw.is_closed());
    map.set("auth_token", Value::from("secret").into_dynamic());
    let mut raw = Raw::connect(&running);
    raw.send(&authenticate_as(&map));
    assert_eq!(map_of(&raw.next()).state(), Some(AuthState::Done));
    raw.works();
}

/// Its limits are those of strangers until it is let in.
#[test]
fn whoever_is_let_in_has_the_limits_of_those_who_are() {
    let connection = Config { max_payload: 200_000, ..patient().connection };
    let (running, ..) = start_probe(Options { connection, ..Options::default() });
    let call = Message::call(9, SERVICE, 1, ECHO, args("(r)", vec![Value::Raw(vec![7; 100_000].into())]));
    let mut raw = Raw::connect(&running);
    say(&mut raw, 6, 5, [0, 0, 0], &all());
    raw.0.write_all(&call.encode().unwrap()[..HEADER_SIZE]).unwrap();
    assert!(raw.is_closed(), "a Capability message lets nobody in");
    let mut raw = Raw::connect(&running);
    say(&mut raw, 4, 5, [0, 0, 0], &[]);
    assert_eq!(raw.next().header.ty, Type::Capability);
    raw.send(&call);
    assert_eq!(raw.next().payload, call.payload);
}
