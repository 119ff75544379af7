//! Sending to one peer: by raw sockets, and by those that keep nothing between messages.

use super::fake::{FakeSocket, full, raw};
use crate::core::{Error, PipeId};

/// Whoever may; three pipes, of which the last takes two messages.
fn senders() -> Vec<(FakeSocket, [PipeId; 3])> {
    let full = ["PUB", "PUSH", "BUS"].map(full);
    let raw = ["PUB", "PUSH", "BUS", "REQ", "SURVEYOR"].map(raw);
    let attach = |mut socket: FakeSocket| {
        let pipes = [socket.attach(), socket.attach(), socket.attach_with(8, 8, 2)];
        (socket, pipes)
    };
    full.into_iter().chain(raw).map(attach).collect()
}

#[test]
fn nobody_else_gets_it() {
    for (mut socket, [first, second, third]) in senders() {
        for pipe in [second, third, first] {
            socket.send_to(pipe, b"", b"x").unwrap();
            assert_eq!(socket.sent_one(pipe), b"x");
        }
        for pipe in [first, second, third] {
            assert!(socket.sent(pipe).is_empty());
        }
    }
}

#[test]
fn who_is_full_is_waited_for_and_not_skipped() {
    for (mut socket, [first, _, third]) in senders() {
        socket.send_to(third, b"", b"1").unwrap();
        socket.send_to(third, b"", b"2").unwrap();
        assert_eq!(socket.send_to(third, b"", b"3"), Err(Error::AGAIN));
        socket.send_to(first, b"", b"others go on").unwrap();
        assert_eq!(socket.sent(third), [b"1", b"2"]);
        socket.send_to(third, b"", b"3").unwrap();
        socket.hangup(third);
        assert_eq!(socket.send_to(third, b"", b"4"), Err(Error::AGAIN), "who is gone takes nothing");
    }
}

#[test]
fn turns_are_as_they_were() {
    let mut push = full("PUSH");
    let pipes = [push.attach(), push.attach()];
    push.send(b"1").unwrap();
    push.send_to(pipes[0], b"", b"between").unwrap();
    push.send(b"2").unwrap();
    assert_eq!(push.sent(pipes[0]), [&b"1"[..], b"between"]);
    assert_eq!(push.sent(pipes[1]), [b"2"]);
}

#[test]
fn a_pair_has_one_peer() {
    let mut pair = full("PAIR");
    let peer = pair.attach_with(8, 8, 1);
    pair.send_to(peer, b"", b"x").unwrap();
    assert_eq!(pair.send_to(peer, b"", b"y"), Err(Error::AGAIN));
    assert_eq!(pair.sent_one(peer), b"x");
    pair.hangup(peer);
    assert_eq!(pair.send_to(peer, b"", b"z"), Err(Error::AGAIN));
}

#[test]
fn a_raw_answer_goes_to_the_pipe_instead_of_where_its_header_leads() {
    for name in ["REP", "RESPONDENT"] {
        let mut socket = raw(name);
        let pipes = [socket.attach(), socket.attach_with(8, 8, 1)];
        socket.arrive(pipes[0], b"\x80\0\0\x01question");
        let (header, body) = socket.recv().unwrap();
        assert_eq!((header.len(), body.as_slice()), (8, &b"question"[..]));
        socket.send_to(pipes[1], &header, b"answer").unwrap();
        assert_eq!(socket.send_to(pipes[1], &header, b"answer"), Err(Error::AGAIN));
        assert_eq!(socket.sent_one(pipes[1]), b"\x80\0\0\x01answer");
        assert!(socket.sent(pipes[0]).is_empty());
        assert_eq!(socket.send_to(pipes[1], b"", b"to whom?"), Err(Error::INVALID));
    }
}

#[test]
fn headers_of_a_bus_mean_nothing_then() {
    let mut bus = raw("BUS");
    let pipes = [bus.attach(), bus.attach()];
    bus.arrive(pipes[0], b"x");
    let (header, _) = bus.recv().unwrap();
    // As an arrival has it, it would keep the message from the very pipe.
    bus.send_to(pipes[0], &header, b"back").unwrap();
    assert_eq!(bus.sent_one(pipes[0]), b"back");
    assert!(bus.sent(pipes[1]).is_empty());
    let mut cooked = full("BUS");
    let pipe = cooked.attach();
    assert_eq!(cooked.send_to(pipe, &header, b"x"), Err(Error::INVALID));
}
