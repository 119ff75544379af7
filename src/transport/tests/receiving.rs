//! Receiving: messages come out whole and in order however the bytes come in, and a peer's word about a
//! length costs nothing.

use std::io::ErrorKind;

use crate::core::Error;
use crate::transport::blocks::BLOCK;
use crate::transport::framing::{Framing, Prefix, SP_IPC, SP_TCP};
use crate::transport::pipe::PipeEvent;

use super::fake::{CLOSED, EOF, READABLE, Rig, bodies};

/// Around everything that makes a difference inside.
const SIZES: [usize; 14] = [0, 1, 100, 2048, 2049, 0, 16384, 16385, 65535, 65536, 70_000, 3, 200_000, 8];

#[test]
fn messages_come_out_whole_and_in_order_in_pieces_of_any_size() {
    for framing in [&SP_TCP, &SP_IPC] {
        for piece in [1, 2, 7, 8, 9, 10, 1000, 16384, 16392, 16393, BLOCK - 1, BLOCK, BLOCK + 1, usize::MAX] {
            let mut rig = Rig::active(framing);
            let sent = bodies(&SIZES);
            rig.arrive(&rig.wire(&sent));
            rig.fake.script().read_at_most = piece;
            rig.hear_all().unwrap();
            assert!(rig.received == sent, "pieces of {piece}");
            assert!(!rig.seen.contains(&PipeEvent::HungUp));
        }
    }
}

#[test]
fn bytes_that_arrive_one_by_one_are_enough() {
    let mut rig = Rig::active(&SP_IPC);
    let sent = bodies(&[0, 3, 0, 300]);
    for byte in rig.wire(&sent) {
        rig.arrive(&[byte]);
        rig.event(READABLE).1.unwrap();
        rig.take_all();
    }
    assert_eq!(rig.received, sent);
}

/// Of each large message, and once of small ones behind it.
#[test]
fn a_stream_is_told_what_is_coming() {
    let mut rig = Rig::active(&SP_TCP);
    let wire = rig.wire(&bodies(&[10, 20, 70_000, 70_000, 300_000, 5, 0, 70_000]));
    for piece in wire.chunks(5000) {
        rig.arrive(piece);
        rig.event(READABLE).1.unwrap();
        rig.take_all();
    }
    assert_eq!(rig.fake.script().expected, [70_000, 70_000, 300_000, 0, 70_000]);
}

#[test]
fn a_cut_anywhere_costs_only_what_was_not_whole() {
    for end in [EOF, ErrorKind::ConnectionReset] {
        let sent = bodies(&[5, 0, 20]);
        let wire = Rig::active(&SP_TCP).wire(&sent);
        for cut in 0..=wire.len() {
            let mut rig = Rig::active(&SP_TCP);
            rig.arrive(&wire[..cut]);
            rig.fake.script().end = Some(end);
            rig.hear_all().unwrap();
            let whole = (0..=3).rev().find(|&count| rig.wire(&sent[..count]).len() <= cut).unwrap();
            assert_eq!(rig.received, sent[..whole], "cut at {cut}");
            assert!(rig.seen.contains(&PipeEvent::HungUp) && rig.fake.script().shut, "the end is told and answered");
        }
    }
}

#[test]
fn a_cut_in_a_large_message_costs_only_that() {
    let sent = bodies(&[10, 150_000]);
    let wire = Rig::active(&SP_TCP).wire(&sent);
    for cut in [18, 19, 25, 26, 27, 16_000, 16_411, 65_536, 65_544, 131_072, wire.len() - 1] {
        let mut rig = Rig::active(&SP_TCP);
        rig.arrive(&wire[..cut]);
        rig.fake.script().end = Some(EOF);
        rig.hear_all().unwrap();
        assert_eq!(rig.received, sent[..1], "cut at {cut}");
        assert!(rig.seen.contains(&PipeEvent::HungUp));
    }
}

/// The peer has gone, and nobody has taken anything yet: all of it is brought in, the end is told, and all of
/// it can still be taken.
#[test]
fn what_the_kernel_holds_at_a_hang_up_piles_up() {
    for sizes in [vec![1000; 1000], vec![0; 5000], vec![100_000, 5, 300_000, 20_000, 7, 65_536], vec![16_384; 30]] {
        let mut rig = Rig::active(&SP_TCP);
        let sent = bodies(&sizes);
        rig.arrive(&rig.wire(&sent));
        rig.fake.script().end = Some(EOF);
        let (change, outcome) = rig.event(CLOSED);
        assert!(outcome.is_ok() && change.contains(&PipeEvent::Readable));
        rig.take_all();
        // A large message behind the first is read when its turn comes.
        assert!(rig.received == sent);
        assert!(change.contains(&PipeEvent::HungUp) || rig.seen.contains(&PipeEvent::HungUp));
        assert!(rig.event(CLOSED).1.is_ok(), "an echo of the end");
    }
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_does_not() {
    for size in [0, 1, 100, 16_385, 70_000] {
        let mut rig = Rig::active(&SP_TCP);
        rig.max_size = Some(size as u64);
        let sent = bodies(&[size]);
        rig.arrive(&rig.wire(&sent));
        rig.hear_all().unwrap();
        assert!(rig.received == sent);
        rig.arrive(&SP_TCP.prefix(Prefix::of_length(size + 1)));
        assert_eq!(rig.event(READABLE).1, Err(Error::MSG_SIZE), "before any of its bytes");
    }
}

#[test]
fn what_came_before_an_oversized_message_is_not_lost() {
    let mut rig = Rig::active(&SP_TCP);
    rig.max_size = Some(10);
    let sent = bodies(&[10, 3]);
    rig.arrive(&rig.wire(&sent));
    rig.arrive(&SP_TCP.prefix(Prefix::of_length(11)));
    rig.hear_all().unwrap();
    assert_eq!(rig.received, sent);
    assert!(rig.seen.contains(&PipeEvent::HungUp));
}

#[test]
fn absurd_lengths_are_refused_or_cost_nothing() {
    for length in [u64::MAX, u64::MAX - 8, 1 << 63, (1 << 63) - 1] {
        let mut rig = Rig::active(&SP_TCP);
        rig.max_size = None;
        rig.arrive(&length.to_be_bytes());
        assert_eq!(rig.event(READABLE).1, Err(Error::MSG_SIZE), "{length}");
    }
    for length in [(1 << 63) - 2, 1 << 62, 1 << 40, 1 << 32] {
        let mut rig = Rig::active(&SP_TCP);
        rig.max_size = None;
        rig.arrive(&u64::to_be_bytes(length));
        // Room for it grows with what has come, not with what was announced.
        for received in 1..=100 {
            rig.arrive(&[0; 10_000]);
            rig.event(READABLE).1.unwrap();
            let room = rig.fake.script().largest_room;
            assert!(room <= BLOCK + 2 * received * 10_000, "{room} bytes of room after {received} pieces");
        }
        assert!(!rig.pipe.is_readable());
    }
}

#[test]
fn only_one_type_of_message_exists_on_ipc() {
    for kind in (0..=255).filter(|kind| *kind != 1) {
        let mut rig = Rig::active(&SP_IPC);
        rig.arrive(&[kind]);
        assert_eq!(rig.event(READABLE).1, Err(Error::PROTO), "type {kind}, seen at once");
    }
    let mut rig = Rig::active(&SP_IPC);
    let sent = bodies(&[4]);
    rig.arrive(&rig.wire(&sent));
    rig.arrive(&[2]);
    rig.hear_all().unwrap();
    assert_eq!(rig.received, sent);
    assert!(rig.seen.contains(&PipeEvent::HungUp), "what follows cannot be understood");
}

#[test]
fn a_message_waits_until_it_is_taken() {
    let mut rig = Rig::active(&SP_TCP);
    rig.arrive(&rig.wire(&bodies(&[1, 2, 3])));
    assert!(rig.event(READABLE).0.contains(&PipeEvent::Readable));
    let calls = rig.fake.script().calls;
    // Told once; and nothing more is read while it waits.
    assert!(!rig.event(READABLE).0.contains(&PipeEvent::Readable));
    assert_eq!(rig.fake.script().calls, calls);
    rig.take_all();
    assert_eq!(rig.received, bodies(&[1, 2, 3]));
}

#[test]
fn there_is_nothing_to_take_where_nothing_is_whole() {
    let mut rig = Rig::active(&SP_TCP);
    rig.arrive(&SP_TCP.prefix(Prefix::of_length(100)));
    rig.event(READABLE).1.unwrap();
    rig.take_all();
    rig.arrive(&[1; 99]);
    rig.event(READABLE).1.unwrap();
    rig.take_all();
    assert!(rig.received.is_empty() && !rig.seen.contains(&PipeEvent::HungUp));
    rig.arrive(&[1]);
    rig.hear_all().unwrap();
    assert_eq!(rig.received, [vec![1; 100]]);
    rig.fake.script().end = Some(EOF);
    assert!(rig.event(CLOSED).0.contains(&PipeEvent::HungUp));
}

/// What comes while the rest of a large message is read is read as well, but others have their turn.
#[test]
fn a_large_message_is_read_on_while_there_is_more_and_not_for_ever() {
    const PIECE: usize = 100_000;
    let mut rig = Rig::active(&SP_TCP);
    rig.max_size = None;
    let sent = bodies(&[30 * PIECE]);
    rig.arrive(&rig.wire(&sent));
    rig.fake.script().read_at_most = PIECE;
    let waiting = |rig: &Rig| rig.fake.script().incoming.len();
    let before = waiting(&rig);
    rig.event(READABLE).1.unwrap();
    let read = before - waiting(&rig);
    assert!((5 * PIECE..20 * PIECE).contains(&read), "{read}");
    rig.hear_all().unwrap();
    assert_eq!(rig.received, sent);
}
