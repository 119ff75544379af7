//! PAIR: one peer, its refusals and its succession (protocols.md 3).

use super::fake::{FakeSocket, PLENTY, full, raw};
use crate::core::{Error, PipeId};

fn both() -> [FakeSocket; 2] {
    [full("PAIR"), raw("PAIR")]
}

#[test]
fn without_a_peer_everything_waits() {
    for mut pair in both() {
        assert_eq!(pair.send(b"x"), Err(Error::AGAIN));
        assert_eq!(pair.recv(), Err(Error::AGAIN));
    }
}

#[test]
fn messages_go_both_ways_with_an_empty_header() {
    for mut pair in both() {
        let peer = pair.attach();
        assert!(pair.ready().send && !pair.ready().recv);
        pair.send(b"out").unwrap();
        assert_eq!(pair.sent_one(peer), b"out");
        pair.arrive(peer, b"in");
        pair.arrive(peer, b"");
        assert!(pair.ready().send && pair.ready().recv);
        assert_eq!(pair.recv().unwrap(), (vec![], b"in".to_vec()));
        assert_eq!(pair.recv().unwrap(), (vec![], vec![]));
        assert!(!pair.ready().recv);
    }
}

#[test]
fn headers_are_a_prefix_of_the_body() {
    for mut pair in both() {
        let peer = pair.attach();
        pair.send_with(b"head", b"body").unwrap();
        assert_eq!(pair.sent_one(peer), b"headbody");
        pair.arrive_parts(peer, b"head", b"body");
        assert_eq!(pair.recv().unwrap(), (vec![], b"headbody".to_vec()));
    }
}

#[test]
fn a_clogged_peer_blocks_the_sender() {
    let mut pair = full("PAIR");
    let peer = pair.attach_with(8, 8, 2);
    pair.send(b"1").unwrap();
    pair.send(b"2").unwrap();
    assert_eq!(pair.send(b"3"), Err(Error::AGAIN));
    assert_eq!(pair.sent(peer), [b"1", b"2"]);
    pair.send(b"3").unwrap();
}

#[test]
fn a_second_peer_is_refused_and_changes_nothing() {
    let mut pair = full("PAIR");
    let peer = pair.attach();
    let second = pair.attach();
    assert_eq!(pair.refused, [second]);
    pair.send(b"x").unwrap();
    assert_eq!(pair.sent_one(peer), b"x");
    pair.arrive(peer, b"y");
    assert_eq!(pair.recv_all(), [b"y"]);
}

#[test]
fn the_place_is_free_when_the_peer_is_gone() {
    let mut pair = full("PAIR");
    let peer = pair.attach();
    pair.detach(peer);
    assert_eq!(pair.send(b"x"), Err(Error::AGAIN));
    let next = pair.attach();
    assert!(pair.refused.is_empty());
    pair.send(b"x").unwrap();
    assert_eq!(pair.sent_one(next), b"x");
}

#[test]
fn a_peer_that_hung_up_is_heard_before_its_successor() {
    let mut pair = full("PAIR");
    let mut peers = Vec::new();
    for round in 0..3 {
        let peer = pair.attach();
        pair.arrive(peer, &[round, 0]);
        pair.arrive(peer, &[round, 1]);
        pair.hangup(peer);
        assert_eq!(pair.send(b"x"), Err(Error::AGAIN));
        peers.push(peer);
    }
    let last = pair.attach();
    assert!(pair.refused.is_empty());
    pair.arrive(last, &[3, 0]);
    pair.arrive(peers[1], &[1, 2]);
    let expected = [[0, 0], [0, 1], [1, 0], [1, 1], [1, 2], [2, 0], [2, 1], [3, 0]];
    assert_eq!(pair.recv_all(), expected);
    pair.send(b"x").unwrap();
    assert_eq!(pair.sent_one(last), b"x");
}

#[test]
fn news_of_a_refused_peer_is_ignored() {
    let mut pair = full("PAIR");
    pair.attach_unwritable(8, 8, PLENTY);
    let second = pair.attach_unwritable(8, 8, PLENTY);
    assert_eq!(pair.refused, [second]);
    feed_news(&mut pair, second);
    assert_eq!(pair.send(b"x"), Err(Error::AGAIN));
    assert_eq!(pair.recv(), Err(Error::AGAIN));
}

fn feed_news(pair: &mut FakeSocket, pipe: PipeId) {
    use crate::core::{Cmd, Events, Message};
    for cmd in [Cmd::Writable(pipe), Cmd::Readable(pipe), Cmd::Hangup(pipe), Cmd::Detach(pipe)] {
        let mut events = Events::new();
        pair.machine().handle(cmd, &mut Message::default(), &mut events);
        assert!(events.is_empty());
    }
}
