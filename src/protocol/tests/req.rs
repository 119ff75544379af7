//! REQ, full and raw (protocols.md 7 and 14.1).

use super::fake::{FakeSocket, PLENTY, raw};
use crate::core::{Error, PipeId};
use crate::protocol::reqrep::RESEND_IVL;

/// A REQ whose first id is 0x5a108845.
fn req() -> FakeSocket {
    FakeSocket::new("REQ", false, 0x5a10_8844)
}

fn set_resend(req: &mut FakeSocket, milliseconds: i32) {
    req.set_option(RESEND_IVL, &milliseconds.to_ne_bytes()).unwrap();
}

/// The id in front of what was sent last on this pipe.
fn id(req: &mut FakeSocket, pipe: PipeId) -> Vec<u8> {
    req.sent(pipe).pop().unwrap()[..4].to_vec()
}

fn answer(req: &mut FakeSocket, pipe: PipeId, id: &[u8], body: &[u8]) {
    req.arrive(pipe, &[id, body].concat());
}

// ---- REQ

#[test]
fn the_wire_is_the_worked_trace() {
    let mut req = req();
    let rep = req.attach();
    req.send(b"hi").unwrap();
    assert_eq!(req.sent_one(rep), b"\xda\x10\x88\x45hi");
    req.arrive(rep, b"\xda\x10\x88\x45yo");
    assert_eq!(req.recv().unwrap(), (vec![], b"yo".to_vec()));
    req.send(b"again").unwrap();
    assert_eq!(req.sent_one(rep), b"\xda\x10\x88\x46again");
}

#[test]
fn an_idle_req_has_nothing_to_receive() {
    let mut req = req();
    assert_eq!(req.recv(), Err(Error::FSM));
    let rep = req.attach();
    req.send(b"q").unwrap();
    assert_eq!(req.recv(), Err(Error::AGAIN));
    let id = id(&mut req, rep);
    answer(&mut req, rep, &id, b"a");
    assert!(req.ready().recv);
    req.recv().unwrap();
    assert_eq!(req.recv(), Err(Error::FSM));
    assert!(!req.ready().recv && req.ready().send);
}

#[test]
fn a_reply_may_come_with_its_header_apart_and_from_any_pipe() {
    let mut req = req();
    let reps = [req.attach(), req.attach()];
    req.send(b"q").unwrap();
    let id = id(&mut req, reps[0]);
    req.arrive_parts(reps[1], &id, b"a");
    assert_eq!(req.recv_all(), [b"a"]);
}

#[test]
fn useless_replies_are_dropped() {
    let mut req = req();
    let rep = req.attach();
    req.arrive(rep, b"\xda\x10\x88\x45early");
    req.send(b"q").unwrap();
    let mut no_top_bit = id(&mut req, rep);
    no_top_bit[0] &= 0x7f;
    for bad in [&b""[..], b"abc", b"\xda\x10\x88\x44late", b"\xda\x10\x88\x46", &no_top_bit] {
        req.arrive(rep, bad);
        assert_eq!(req.recv(), Err(Error::AGAIN), "{bad:?}");
        assert_eq!(req.pipe(rep).unread(), 0, "taken at once");
    }
    req.arrive(rep, b"\xda\x10\x88\x45");
    assert_eq!(req.recv().unwrap(), (vec![], vec![]));
}

#[test]
fn all_replies_that_wait_are_looked_at() {
    let mut req = req();
    let rep = req.attach();
    req.send(b"q").unwrap();
    req.arrive_both(rep, b"useless", b"\xda\x10\x88\x45a");
    assert_eq!(req.recv_all(), [b"a"]);
}

#[test]
fn the_first_reply_counts() {
    let mut req = req();
    let rep = req.attach();
    req.send(b"q").unwrap();
    let id = id(&mut req, rep);
    answer(&mut req, rep, &id, b"first");
    answer(&mut req, rep, &id, b"second");
    assert_eq!(req.recv_all(), [b"first"]);
}

#[test]
fn a_new_request_cancels_the_old_one_and_its_reply() {
    let mut req = req();
    let rep = req.attach();
    req.send(b"1").unwrap();
    let first = id(&mut req, rep);
    req.send(b"2").unwrap();
    let second = id(&mut req, rep);
    answer(&mut req, rep, &first, b"stale");
    assert_eq!(req.recv(), Err(Error::AGAIN));
    answer(&mut req, rep, &second, b"unread");
    req.send(b"3").unwrap();
    assert_eq!(req.recv(), Err(Error::AGAIN));
    let third = id(&mut req, rep);
    answer(&mut req, rep, &third, b"fresh");
    assert_eq!(req.recv_all(), [b"fresh"]);
}

#[test]
fn an_unsent_request_goes_to_the_first_peer_and_only_the_newest() {
    let mut req = req();
    req.send(b"old").unwrap();
    req.send(b"new").unwrap();
    assert_eq!(req.recv(), Err(Error::AGAIN));
    assert_eq!(req.alarm(), None);
    let rep = req.attach();
    assert_eq!(req.sent_one(rep)[4..], *b"new");
    assert!(req.alarm().is_some());
}

#[test]
fn requests_rotate() {
    let mut req = req();
    let reps = [req.attach(), req.attach(), req.attach()];
    for _ in 0..4 {
        req.send(b"q").unwrap();
    }
    assert_eq!(req.transmissions, [reps[0], reps[1], reps[2], reps[0]]);
}

#[test]
fn a_request_is_resent_with_the_same_id_until_it_is_answered() {
    let mut req = req();
    set_resend(&mut req, 100);
    let rep = req.attach();
    req.send(b"q").unwrap();
    let first = req.sent_one(rep);
    for _ in 0..3 {
        req.pass_ms(99);
        assert!(req.sent(rep).is_empty());
        req.pass_ms(1);
        assert_eq!(req.sent_one(rep), first);
    }
    answer(&mut req, rep, &first[..4], b"a");
    assert_eq!(req.alarm(), None);
    req.pass_ms(1000);
    assert!(req.sent(rep).is_empty());
}

#[test]
fn a_resent_request_goes_to_the_next_peer() {
    let mut req = req();
    set_resend(&mut req, 100);
    let reps = [req.attach(), req.attach()];
    req.send(b"q").unwrap();
    req.pass_ms(250);
    assert_eq!(req.transmissions, [reps[0], reps[1], reps[0]]);
}

#[test]
fn by_default_a_minute_passes_before_a_request_is_resent() {
    let mut req = req();
    assert_eq!(req.option(RESEND_IVL), Ok(60_000));
    let rep = req.attach();
    req.send(b"q").unwrap();
    req.pass_ms(59_999);
    assert_eq!(req.sent(rep).len(), 1);
    req.pass_ms(1);
    assert_eq!(req.sent(rep).len(), 1);
}

#[test]
fn the_interval_counts_from_the_last_transmission() {
    let mut req = req();
    set_resend(&mut req, 100);
    let reps = [req.attach(), req.attach()];
    req.send(b"q").unwrap();
    req.pass_ms(60);
    req.detach(reps[0]);
    req.pass_ms(60);
    assert_eq!(req.transmissions, reps);
    req.pass_ms(40);
    assert_eq!(req.transmissions, [reps[0], reps[1], reps[1]]);
}

#[test]
fn a_resend_without_a_writable_peer_waits_for_one() {
    let mut req = req();
    set_resend(&mut req, 100);
    let rep = req.attach_with(8, 8, 1);
    req.send(b"q").unwrap();
    req.pass_ms(500);
    assert_eq!(req.transmissions.len(), 1);
    assert_eq!(req.alarm(), None);
    req.carry(rep);
    assert_eq!(req.transmissions.len(), 2, "as soon as there is room");
    req.pass_ms(100);
    req.carry(rep);
    assert_eq!(req.transmissions.len(), 3);
}

#[test]
fn a_late_reply_to_a_request_that_waits_again_counts() {
    let mut req = req();
    let rep = req.attach();
    req.send(b"q").unwrap();
    let id = id(&mut req, rep);
    req.detach(rep);
    let other = req.attach_with(8, 8, 0);
    answer(&mut req, other, &id, b"a");
    assert_eq!(req.recv_all(), [b"a"]);
    req.set_room(other, PLENTY);
    assert!(req.sent(other).is_empty(), "it is not sent any more");
}

#[test]
fn a_lost_peer_passes_the_request_on_once() {
    for hangup in [true, false] {
        let mut req = req();
        let reps = [req.attach(), req.attach(), req.attach()];
        req.send(b"q").unwrap();
        if hangup {
            req.hangup_only(reps[0]);
            req.detach(reps[0]);
        } else {
            req.detach(reps[0]);
        }
        assert_eq!(req.transmissions, reps[..2]);
        req.detach(reps[2]);
        assert_eq!(req.transmissions.len(), 2, "it did not have the request");
        req.detach(reps[1]);
        assert_eq!((req.transmissions.len(), req.alarm()), (2, None));
        let next = req.attach();
        assert_eq!(req.transmissions[2], next);
        assert_eq!(req.sent_one(next), b"\xda\x10\x88\x45q", "the same id");
    }
}

#[test]
fn a_reply_that_was_announced_before_the_hangup_counts() {
    let mut req = req();
    let rep = req.attach();
    req.send(b"q").unwrap();
    let id = id(&mut req, rep);
    answer(&mut req, rep, &id, b"a");
    req.hangup(rep);
    assert_eq!(req.recv_all(), [b"a"]);
}

#[test]
fn a_request_takes_no_header() {
    let mut req = req();
    let rep = req.attach();
    assert_eq!(req.send_with(b"\x80\0\0\0", b"q"), Err(Error::INVALID));
    assert!(req.sent(rep).is_empty());
    assert_eq!(req.recv(), Err(Error::FSM));
}

#[test]
fn the_resend_interval_is_checked() {
    let mut req = req();
    for bad in [&(-1_i32).to_ne_bytes()[..], &i32::MIN.to_ne_bytes(), &[], &[0; 3], &[0; 8]] {
        assert_eq!(req.set_option(RESEND_IVL, bad), Err(Error::INVALID));
    }
    assert_eq!(req.option(RESEND_IVL), Ok(60_000));
    for good in [0, 1, i32::MAX] {
        set_resend(&mut req, good);
        assert_eq!(req.option(RESEND_IVL), Ok(good));
    }
}

#[test]
fn a_resend_interval_of_zero_resends_continuously() {
    let mut req = req();
    set_resend(&mut req, 0);
    let rep = req.attach_with(8, 8, 5);
    req.send(b"q").unwrap();
    req.pass_ms(0);
    assert_eq!(req.sent(rep).len(), 5 + 1, "until the pipe is full, and then whenever there is room");
}

#[test]
fn a_stored_reply_does_not_hold_the_read_buffer() {
    use crate::core::{Body, Chunk, Message};
    use std::sync::Arc;
    let mut req = req();
    let rep = req.attach();
    req.send(b"q").unwrap();
    let buffer = Arc::new(Chunk::copy_of(b"....\xda\x10\x88\x45answer....").unwrap());
    let body = Body::Shared { block: Arc::clone(&buffer), start: 4, end: 14 };
    req.arrive_message(rep, Message::new(body));
    assert_eq!(Arc::strong_count(&buffer), 1);
    assert_eq!(req.recv_all(), [b"answer"]);
}

#[test]
fn the_priority_of_a_req_is_told() {
    let mut req = req();
    assert_eq!(req.machine().send_priority(), 0);
    req.attach_with(2, 8, PLENTY);
    let best = req.attach_with(1, 8, PLENTY);
    assert_eq!(req.machine().send_priority(), 1);
    req.send(b"q").unwrap();
    assert_eq!(req.transmissions, [best]);
    req.hangup(best);
    assert_eq!(req.machine().send_priority(), 2);
}

// ---- raw REQ

#[test]
fn a_raw_req_sends_what_it_is_given() {
    let mut req = raw("REQ");
    assert_eq!(req.send(b"x"), Err(Error::AGAIN));
    let reps = [req.attach_with(8, 8, 1), req.attach_with(8, 8, 1)];
    req.send_with(b"\0\0\0\x01\x80\0\0\x02", b"abc").unwrap();
    req.send(b"no id").unwrap();
    assert_eq!(req.send(b"x"), Err(Error::AGAIN));
    assert_eq!(req.sent_one(reps[0]), b"\0\0\0\x01\x80\0\0\x02abc");
    assert_eq!(req.sent_one(reps[1]), b"no id");
    assert_eq!(req.machine().send_priority(), 8);
}

#[test]
fn a_raw_req_shows_the_first_word_as_header() {
    let mut req = raw("REQ");
    let rep = req.attach();
    req.arrive(rep, b"abc");
    req.arrive(rep, b"\0\0\0\x07\x80\0\0\x02abc");
    req.arrive_parts(rep, b"\0\0\0\x07\x80\0\0\x02", b"abc");
    for _ in 0..2 {
        assert_eq!(req.recv().unwrap(), (b"\0\0\0\x07".to_vec(), b"\x80\0\0\x02abc".to_vec()));
    }
    assert_eq!(req.recv(), Err(Error::AGAIN));
}
