//! The table of kinds, and the readiness of fresh sockets (protocols.md 1, nanomsg-api.md 3.3).

use super::fake::FakeSocket;
use crate::core::Error;
use crate::protocol::{KINDS, find};

#[test]
fn the_numbers_are_those_of_the_handshake() {
    let rows: Vec<_> = KINDS.iter().map(|kind| (kind.name, kind.id, kind.peer)).collect();
    let expected = [
        ("PAIR", 16, 16),
        ("PUB", 32, 33),
        ("SUB", 33, 32),
        ("REQ", 48, 49),
        ("REP", 49, 48),
        ("PUSH", 80, 81),
        ("PULL", 81, 80),
        ("SURVEYOR", 98, 99),
        ("RESPONDENT", 99, 98),
        ("BUS", 112, 112),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn kinds_are_found_by_number() {
    assert_eq!(find(48).unwrap().name, "REQ");
    // 96 and 97 were an older survey protocol.
    for unknown in [-1, 0, 1, 17, 96, 97, 48 + 65536] {
        assert!(find(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn one_way_kinds_know_their_direction() {
    let one_way: Vec<_> =
        KINDS.iter().filter(|kind| kind.can_send != kind.can_recv).map(|kind| (kind.name, kind.can_send)).collect();
    assert_eq!(one_way, [("PUB", true), ("SUB", false), ("PUSH", true), ("PULL", false)]);
    assert!(KINDS.iter().all(|kind| kind.can_send || kind.can_recv));
}

/// Name, full receive and send, raw receive and send; what a kind cannot do counts as not ready.
const FRESH: [(&str, [bool; 4]); 10] = [
    ("PAIR", [false, false, false, false]),
    ("PUB", [false, true, false, true]),
    ("SUB", [false, false, false, false]),
    ("REQ", [false, true, false, false]),
    ("REP", [false, false, false, true]),
    ("PUSH", [false, false, false, false]),
    ("PULL", [false, false, false, false]),
    ("SURVEYOR", [true, true, false, true]),
    ("RESPONDENT", [false, false, false, true]),
    ("BUS", [false, true, false, true]),
];

#[test]
fn fresh_sockets_are_ready_as_the_table_says() {
    for (name, expected) in FRESH {
        let (full, raw) = (FakeSocket::new(name, false, 0).ready(), FakeSocket::new(name, true, 0).ready());
        assert_eq!([full.recv, full.send, raw.recv, raw.send], expected, "{name}");
    }
}

#[test]
fn only_some_kinds_have_options() {
    for kind in &KINDS {
        for raw in [false, true] {
            let mut socket = FakeSocket::new(kind.name, raw, 0);
            let has_first = match kind.name {
                "SUB" => true,
                "REQ" | "SURVEYOR" => !raw,
                _ => false,
            };
            let set = socket.set_option(1, &7_i32.to_ne_bytes());
            assert_eq!(set.is_ok(), has_first, "{} {raw}", kind.name);
            // An unknown option is that, whatever its length.
            for length in [0, 4, 8] {
                let set = socket.set_option(99, &vec![0; length]);
                assert_eq!(set, Err(Error::NO_PROTO_OPT), "{} {raw}", kind.name);
            }
            assert_eq!(socket.option(99), Err(Error::NO_PROTO_OPT));
        }
    }
}

#[test]
fn a_device_joins_the_two_sides_of_one_protocol() {
    let fits = |one: &str, other: &str| {
        let find = |name| KINDS.iter().find(|kind| kind.name == name).unwrap();
        let (one, other) = (find(one), find(other));
        assert_eq!(one.fits(other), other.fits(one));
        one.fits(other)
    };
    for kind in &KINDS {
        let peer = KINDS.iter().find(|other| other.id == kind.peer).unwrap();
        assert!(kind.fits(peer), "{}", kind.name);
    }
    assert!(fits("REQ", "REQ"), "both take what the other gives");
    for (one, other) in [("PUSH", "PUSH"), ("SUB", "SUB"), ("PUSH", "SUB"), ("REQ", "RESPONDENT"), ("PAIR", "BUS")] {
        assert!(!fits(one, other), "{one} {other}");
    }
}
