//! The greeting: whole or in pieces, right or wrong, and a connect that comes to nothing.

use std::io::ErrorKind;

use crate::core::Error;
use crate::transport::framing::{Framing, SP_IPC, SP_TCP};
use crate::transport::pipe::{PipeEvent, Ready};

use super::fake::{CLOSED, EOF, OWN, PEER, READABLE, Rig, WRITABLE, bodies};

/// Connected, and it has said its greeting.
fn connected() -> Rig {
    let mut rig = Rig::new(&SP_TCP);
    assert!(rig.pipe.wants_write(), "to learn the outcome of the connect");
    let (change, outcome) = rig.event(WRITABLE);
    assert!(outcome.is_ok() && change.contains(&PipeEvent::Connected) && !change.contains(&PipeEvent::Greeted));
    assert_eq!(rig.fake.script().written, SP_TCP.greeting(OWN)[..]);
    rig
}

#[test]
fn nothing_happens_before_the_connection_comes_about() {
    let mut rig = Rig::new(&SP_TCP);
    let (change, outcome) = rig.event(READABLE);
    assert!(outcome.is_ok() && !change.contains(&PipeEvent::Connected));
    assert_eq!(rig.fake.script().calls, 0);
}

#[test]
fn a_refused_connect_is_an_error_and_no_connection() {
    let mut rig = Rig::new(&SP_TCP);
    rig.fake.script().fail = Some((1, ErrorKind::ConnectionRefused));
    let (change, outcome) = rig.event(Ready { readable: true, writable: true, closed: true });
    assert!(outcome.is_err() && !change.contains(&PipeEvent::Connected));
    assert!(rig.fake.script().written.is_empty());
}

#[test]
fn a_greeting_is_heard_byte_by_byte() {
    let mut rig = connected();
    for (at, byte) in SP_TCP.greeting(PEER).into_iter().enumerate() {
        assert!(!rig.seen.contains(&PipeEvent::Greeted));
        rig.arrive(&[byte]);
        let (change, outcome) = rig.event(READABLE);
        assert!(outcome.is_ok());
        assert_eq!((change.contains(&PipeEvent::Greeted), change.contains(&PipeEvent::Writable)), (at == 7, at == 7));
    }
}

#[test]
fn every_wrong_byte_is_refused_but_the_reserved_ones() {
    for at in 0..8 {
        for value in 0..=255 {
            let mut greeting = SP_TCP.greeting(PEER);
            if greeting[at] == value {
                continue;
            }
            greeting[at] = value;
            let mut rig = connected();
            rig.arrive(&greeting);
            let (change, outcome) = rig.event(READABLE);
            if at < 6 {
                assert_eq!(outcome, Err(Error::PROTO), "byte {at} = {value}");
                assert!(!change.contains(&PipeEvent::Greeted));
            } else {
                assert!(outcome.is_ok() && change.contains(&PipeEvent::Greeted), "byte {at} = {value}");
            }
        }
    }
}

#[test]
fn a_peer_that_ends_within_its_greeting_is_an_error() {
    for cut in 0..8 {
        for end in [EOF, ErrorKind::ConnectionReset] {
            let mut rig = connected();
            rig.arrive(&SP_TCP.greeting(PEER)[..cut]);
            rig.fake.script().end = Some(end);
            let (change, outcome) = rig.event(CLOSED);
            assert!(outcome.is_err() && !change.contains(&PipeEvent::Greeted), "cut at {cut}");
        }
    }
}

#[test]
fn a_whole_conversation_may_come_with_the_greeting() {
    let mut rig = connected();
    let sent = bodies(&[3, 0, 5000]);
    rig.arrive(&SP_TCP.greeting(PEER));
    rig.arrive(&rig.wire(&sent));
    rig.fake.script().end = Some(EOF);
    let (change, outcome) = rig.event(CLOSED);
    assert!(outcome.is_ok());
    assert!(
        change.contains(&PipeEvent::Greeted)
            && change.contains(&PipeEvent::Readable)
            && change.contains(&PipeEvent::HungUp)
    );
    rig.take_all();
    assert_eq!(rig.received, sent);
}

#[test]
fn our_own_greeting_gets_out_in_any_pieces() {
    for framing in [&SP_TCP, &SP_IPC] {
        for room in 0..8 {
            let mut rig = Rig::new(framing);
            rig.fake.script().room = room;
            rig.arrive(&framing.greeting(PEER));
            let (change, outcome) = rig.event(Ready { readable: true, writable: true, closed: false });
            assert!(outcome.is_ok() && change.contains(&PipeEvent::Greeted));
            rig.send(b"first");
            while rig.fake.script().written.len() < 8 {
                rig.drain(1).unwrap();
            }
            rig.drain(usize::MAX).unwrap();
            let expected = [&framing.greeting(OWN)[..], &rig.wire(&[b"first".to_vec()])].concat();
            assert_eq!(rig.fake.script().written, expected, "room for {room}");
        }
    }
}
