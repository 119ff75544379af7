//! BUS, full and raw (protocols.md 4).

use super::fake::{FakeSocket, full, raw};
use crate::core::Error;

#[test]
fn a_message_goes_to_all_neighbours() {
    let mut bus = full("BUS");
    bus.send(b"to nobody").unwrap();
    let others = [bus.attach(), bus.attach_with(8, 8, 1), bus.attach()];
    bus.send(b"1").unwrap();
    bus.send(b"2").unwrap();
    assert_eq!(bus.transmissions, [others[0], others[1], others[2], others[0], others[2]]);
    assert_eq!(bus.sent(others[1]), [b"1"], "the slow one missed the second");
}

#[test]
fn a_full_bus_takes_no_header() {
    let mut bus = full("BUS");
    let other = bus.attach();
    for header in [&b"1"[..], b"12345678"] {
        assert_eq!(bus.send_with(header, b"x"), Err(Error::INVALID));
    }
    assert!(bus.sent(other).is_empty());
}

#[test]
fn a_full_bus_shows_no_header_and_reads_in_turn() {
    let mut bus = full("BUS");
    let others = [bus.attach(), bus.attach()];
    for number in 0..2 {
        bus.arrive(others[0], &[0, number]);
        bus.arrive(others[1], &[1, number]);
    }
    assert_eq!(bus.recv().unwrap(), (vec![], vec![0, 0]));
    assert_eq!(bus.recv_all(), [[1, 0], [0, 1], [1, 1]]);
}

#[test]
fn a_raw_bus_tells_the_arrival_pipe_and_does_not_echo() {
    let mut bus = raw("BUS");
    let others = [bus.attach(), bus.attach(), bus.attach()];
    bus.arrive(others[1], b"news");
    let (header, body) = bus.recv().unwrap();
    assert_eq!((header.len(), body.as_slice()), (8, &b"news"[..]));
    bus.send_with(&header, &body).unwrap();
    assert_eq!(bus.transmissions, [others[0], others[2]]);
    assert_eq!(bus.sent_one(others[0]), b"news", "the header stays here");
}

#[test]
fn a_raw_bus_without_a_header_sends_to_all() {
    let mut bus = raw("BUS");
    let others = [bus.attach(), bus.attach()];
    bus.send(b"x").unwrap();
    assert_eq!(bus.transmissions, others);
}

#[test]
fn a_raw_bus_refuses_odd_headers() {
    let mut bus = raw("BUS");
    bus.attach();
    for length in [1, 4, 7, 9, 16] {
        assert_eq!(bus.send_with(&vec![0; length], b"x"), Err(Error::INVALID), "{length}");
    }
}

/// The header of a message that arrives on a new pipe.
fn arrival_header(bus: &mut FakeSocket) -> Vec<u8> {
    let other = bus.attach();
    bus.arrive(other, b"x");
    bus.recv().unwrap().0
}

#[test]
fn an_unknown_arrival_pipe_excludes_nobody() {
    let mut bus = FakeSocket::new("BUS", true, 77);
    let header = arrival_header(&mut bus);
    bus.detach(crate::core::PipeId(0));
    // The same id names another pipe now.
    let header_now = arrival_header(&mut bus);
    assert_ne!(header, header_now);
    bus.send_with(&header, b"x").unwrap();
    assert_eq!(bus.transmissions.len(), 1);
    // Forwarding into the other socket of a device.
    let mut other_side = FakeSocket::new("BUS", true, 1234);
    other_side.attach();
    other_side.send_with(&header_now, b"x").unwrap();
    assert_eq!(other_side.transmissions.len(), 1);
}

#[test]
fn a_neighbour_that_hung_up_gets_nothing_but_is_heard() {
    let mut bus = full("BUS");
    let other = bus.attach();
    bus.arrive(other, b"last words");
    bus.hangup(other);
    bus.send(b"x").unwrap();
    assert!(bus.transmissions.is_empty());
    assert_eq!(bus.recv_all(), [b"last words"]);
}
