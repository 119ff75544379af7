//! What is dropped is counted, with the reason and the pipe.

use super::fake::{FakeSocket, PLENTY, full, raw};
use crate::core::PipeId;
use crate::protocol::contexts::MOST_WAITING;
use crate::protocol::pubsub::SUBSCRIBE;

type Counted = Vec<(&'static str, u64)>;

fn in_all(socket: &FakeSocket) -> Counted {
    socket.drops(None)
}

fn of(socket: &FakeSocket, pipe: PipeId) -> Counted {
    socket.drops(Some(pipe))
}

#[test]
fn who_sends_to_nobody_is_told() {
    for mut socket in [full("PUB"), full("BUS"), full("SURVEYOR"), raw("SURVEYOR")] {
        socket.send(b"x").unwrap();
        assert_eq!(in_all(&socket), [("no_peer", 1)]);
        let peer = socket.attach();
        socket.send(b"x").unwrap();
        assert_eq!((in_all(&socket), of(&socket, peer)), (vec![("no_peer", 1)], vec![]));
        socket.detach(peer);
        socket.send(b"x").unwrap();
        assert_eq!(in_all(&socket), [("no_peer", 2)]);
    }
}

#[test]
fn who_has_no_room_misses_what_is_sent_meanwhile() {
    for mut socket in [full("PUB"), full("BUS"), full("SURVEYOR")] {
        let [slow, other] = [socket.attach_with(8, 8, 1), socket.attach()];
        for _ in 0..4 {
            socket.send(b"x").unwrap();
        }
        assert_eq!((of(&socket, slow), of(&socket, other)), (vec![("peer_full", 3)], vec![]));
        assert_eq!(socket.sent(slow).len(), 1);
        assert_eq!(of(&socket, slow), [("peer_full", 3)], "room again");
        socket.send(b"x").unwrap();
        socket.send(b"x").unwrap();
        assert_eq!(of(&socket, slow), [("peer_full", 4)]);
        socket.detach(other);
        socket.send(b"x").unwrap();
        assert_eq!(of(&socket, slow), [("peer_full", 5)]);
        socket.detach(slow);
        assert_eq!(in_all(&socket), [("peer_full", 5)], "gone, and not forgotten");
        assert_eq!(socket.attach_with(8, 8, 1), slow);
        assert_eq!(of(&socket, slow), [], "its successor");
    }
}

/// A single peer that has room is written to without asking the machine: it misses nothing, and nobody else does.
#[test]
fn while_somebody_has_no_room_the_machine_is_asked() {
    let mut publisher = full("PUB");
    let [slow, other] = [publisher.attach_with(8, 8, 1), publisher.attach()];
    publisher.send(b"x").unwrap();
    assert_eq!(publisher.machine().routes().send, None);
    publisher.detach(slow);
    assert_eq!(publisher.machine().routes().send, Some(other));
}

#[test]
fn what_is_not_for_a_pipe_is_not_missed_by_it() {
    let mut bus = raw("BUS");
    let [slow, other] = [bus.attach_with(8, 8, 0), bus.attach()];
    bus.arrive(slow, b"x");
    let (header, body) = bus.recv().unwrap();
    bus.send_with(&header, &body).unwrap();
    assert_eq!((bus.sent_one(other), of(&bus, slow)), (b"x".to_vec(), vec![]));
    bus.send(b"for all").unwrap();
    assert_eq!(of(&bus, slow), [("peer_full", 1)]);
    bus.set_room(slow, PLENTY);
    bus.send_with(&header, &body).unwrap();
    assert_eq!(in_all(&bus), [("peer_full", 1)]);
}

#[test]
fn what_nobody_has_subscribed() {
    let mut sub = full("SUB");
    let publisher = sub.attach();
    sub.set_option(SUBSCRIBE, b"a").unwrap();
    for body in [b"a", b"b", b"c"] {
        sub.arrive(publisher, body);
    }
    assert_eq!(sub.recv_all(), [b"a"]);
    assert_eq!((in_all(&sub), of(&sub, publisher)), (vec![("not_subscribed", 2)], vec![("not_subscribed", 2)]));
    sub.open();
    sub.arrive(publisher, b"a for the socket");
    sub.arrive(publisher, b"c");
    assert_eq!(of(&sub, publisher), [("not_subscribed", 3)]);
    for _ in 0..MOST_WAITING {
        sub.arrive(publisher, b"a");
    }
    assert_eq!(in_all(&sub), [("not_subscribed", 3), ("context_full", 1)]);
}

#[test]
fn requests_that_are_none() {
    for mut rep in [full("REP"), full("RESPONDENT"), raw("REP"), raw("RESPONDENT")] {
        rep.machine().set_max_ttl(2);
        let [asker, other] = [rep.attach(), rep.attach()];
        for bytes in [&b""[..], b"\x80\0\0", b"\0\0\0\x01", b"\0\0\0\x01\0\0\0\x02\x80\0\0\x01x", b"\x80\0\0\x01good"] {
            rep.arrive(asker, bytes);
        }
        assert_eq!(rep.recv_all().len(), 1);
        let expected = vec![("malformed", 3), ("too_many_hops", 1)];
        assert_eq!((in_all(&rep), of(&rep, asker), of(&rep, other)), (expected.clone(), expected, vec![]));
    }
}

#[test]
fn answers_that_find_no_way() {
    for mut rep in [full("REP"), full("RESPONDENT")] {
        let asker = rep.attach();
        rep.arrive(asker, b"\x80\0\0\x01x");
        rep.recv().unwrap();
        rep.set_room(asker, 0);
        rep.send(b"no room").unwrap();
        assert_eq!(of(&rep, asker), [("peer_full", 1)]);
        rep.arrive(asker, b"\x80\0\0\x01x");
        rep.recv().unwrap();
        rep.detach(asker);
        rep.send(b"too late").unwrap();
        assert_eq!(in_all(&rep), [("peer_full", 1), ("peer_gone", 1)]);
    }
}

#[test]
fn answers_to_what_nobody_asks_any_more() {
    for mut socket in [full("REQ"), full("SURVEYOR")] {
        let peer = socket.attach();
        socket.arrive(peer, b"\x80\0\0\x77 nothing was asked");
        socket.send(b"?").unwrap();
        let [old, new] = [0, 1].map(|again| {
            if again == 1 {
                socket.send(b"?").unwrap();
            }
            socket.sent_one(peer)[..4].to_vec()
        });
        socket.arrive(peer, b"abc");
        socket.arrive(peer, &old);
        socket.arrive(peer, &new);
        socket.recv().unwrap();
        let expected = vec![("stale", 2), ("malformed", 1)];
        assert_eq!((in_all(&socket), of(&socket, peer)), (expected.clone(), expected));
        socket.arrive(peer, &new);
        if socket.recv().is_err() {
            assert_eq!(in_all(&socket), [("stale", 3), ("malformed", 1)], "answered already");
        }
    }
}

#[test]
fn answers_of_contexts() {
    let mut surveyor = full("SURVEYOR");
    let peer = surveyor.attach();
    surveyor.open();
    surveyor.send(b"?").unwrap();
    let id = surveyor.sent_one(peer);
    surveyor.arrive(peer, b"\x80\0\0\x77");
    for _ in 0..MOST_WAITING + 2 {
        surveyor.arrive(peer, &id[..4]);
    }
    assert_eq!(of(&surveyor, peer), [("stale", 1)]);
    assert_eq!(in_all(&surveyor), [("stale", 1), ("context_full", 2)]);
}
