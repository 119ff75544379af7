//! Contexts: many users of one socket, each with a state of its own.

use super::fake::{FakeSocket, PLENTY, full};
use crate::core::{ContextId, Error, PipeId};
use crate::protocol::contexts::MOST_WAITING;
use crate::protocol::pubsub::SUBSCRIBE;
use crate::protocol::reqrep::RESEND_IVL;
use crate::protocol::survey::DEADLINE;

const SOCKET: ContextId = ContextId::SOCKET;

fn milliseconds(time: i32) -> [u8; 4] {
    time.to_ne_bytes()
}

/// Id and body of the messages sent on a pipe.
fn sent(socket: &mut FakeSocket, pipe: PipeId) -> Vec<(Vec<u8>, Vec<u8>)> {
    socket.sent(pipe).into_iter().map(|bytes| (bytes[..4].to_vec(), bytes[4..].to_vec())).collect()
}

/// Sends in each of these contexts what its number is.
fn send_numbers(socket: &mut FakeSocket, contexts: &[ContextId]) {
    for context in contexts {
        socket.context = *context;
        socket.send(&[context.0 as u8]).unwrap();
    }
}

fn recv_in(socket: &mut FakeSocket, context: ContextId) -> Result<Vec<u8>, Error> {
    socket.context = context;
    socket.recv().map(|(_, body)| body)
}

// ---- REQ

#[test]
fn requests_are_under_way_at_once_and_answered_in_any_order() {
    let mut req = full("REQ");
    let rep = req.attach();
    let contexts = [req.open(), SOCKET, req.open(), req.open()];
    send_numbers(&mut req, &contexts);
    let requests = sent(&mut req, rep);
    assert_eq!(requests.iter().map(|(_, body)| body[0]).collect::<Vec<_>>(), [1, 0, 2, 3]);
    for (id, body) in requests.iter().rev() {
        req.changed.clear();
        req.arrive(rep, &[&id[..], b"to ", body].concat());
        if body != &[0] {
            assert!(req.changed.contains(&ContextId(u32::from(body[0]))), "{:?}", req.changed);
        }
    }
    for context in contexts {
        assert_eq!(recv_in(&mut req, context).unwrap(), [b"to ", &[context.0 as u8][..]].concat());
        assert_eq!(recv_in(&mut req, context), Err(Error::FSM));
        assert_eq!(req.alarm(), None);
    }
}

#[test]
fn each_context_is_sent_again_by_its_own_clock() {
    let mut req = full("REQ");
    let rep = req.attach();
    req.set_option(RESEND_IVL, &milliseconds(300)).unwrap();
    let slow = req.open();
    assert_eq!(req.option(RESEND_IVL), Ok(300), "as the socket had it");
    let quick = req.open();
    req.set_option(RESEND_IVL, &milliseconds(100)).unwrap();
    send_numbers(&mut req, &[SOCKET, slow, quick]);
    let first = sent(&mut req, rep);
    req.pass_ms(250);
    assert_eq!(sent(&mut req, rep), [first[2].clone(), first[2].clone()]);
    req.pass_ms(50);
    let mut again = sent(&mut req, rep);
    again.sort();
    let mut all = first.clone();
    all.sort();
    assert_eq!(again, all, "with the same ids");
}

#[test]
fn requests_wait_for_a_pipe_in_their_order_and_take_what_room_there_is() {
    let mut req = full("REQ");
    let contexts: Vec<_> = (0..5).map(|_| req.open()).collect();
    send_numbers(&mut req, &contexts);
    req.context = contexts[1];
    req.cancel();
    req.close(contexts[2]);
    let rep = req.attach_with(8, 8, 2);
    let bodies = |list: Vec<(Vec<u8>, Vec<u8>)>| list.into_iter().map(|(_, body)| body[0]).collect::<Vec<_>>();
    assert_eq!(req.transmissions, [rep, rep], "two fit");
    // Each that is carried off makes room for the next.
    assert_eq!(bodies(sent(&mut req, rep)), [1, 4, 5]);
    assert_eq!(recv_in(&mut req, contexts[1]), Err(Error::FSM));
}

#[test]
fn all_requests_of_a_lost_pipe_go_to_others() {
    let mut req = full("REQ");
    let lost = req.attach();
    let contexts: Vec<_> = (0..100).map(|_| req.open()).collect();
    send_numbers(&mut req, &contexts);
    let first = sent(&mut req, lost);
    let heir = req.attach();
    req.hangup(lost);
    assert_eq!(sent(&mut req, heir), first);
    req.hangup(heir);
    for context in &contexts {
        req.context = *context;
        assert_eq!(req.alarm(), None, "there is nobody to send it to");
    }
    let last = req.attach();
    assert_eq!(sent(&mut req, last), first);
}

#[test]
fn a_closed_context_is_forgotten_at_once() {
    let mut req = full("REQ");
    let rep = req.attach();
    let first = req.open();
    send_numbers(&mut req, &[first]);
    let request = sent(&mut req, rep).remove(0);
    req.close(first);
    req.arrive(rep, &[&request.0[..], b"late"].concat());
    assert_eq!(req.pipe(rep).unread(), 0);
    req.pass_ms(100_000);
    assert_eq!(sent(&mut req, rep), [], "nothing is sent again");
    // The number is used anew, and the late reply is not for the new owner.
    let second = req.open();
    assert_eq!(recv_in(&mut req, second), Err(Error::FSM));
    send_numbers(&mut req, &[second]);
    req.arrive(rep, &[&request.0[..], b"later"].concat());
    assert_eq!(recv_in(&mut req, second), Err(Error::AGAIN));
}

#[test]
fn a_request_can_be_given_up() {
    let mut req = full("REQ");
    let rep = req.attach();
    for context in [SOCKET, req.open()] {
        send_numbers(&mut req, &[context]);
        let request = sent(&mut req, rep).remove(0);
        req.cancel();
        assert_eq!(req.alarm(), None);
        req.arrive(rep, &[&request.0[..], b"late"].concat());
        assert_eq!(recv_in(&mut req, context), Err(Error::FSM));
        send_numbers(&mut req, &[context]);
        let request = sent(&mut req, rep).remove(0);
        req.arrive(rep, &[&request.0[..], b"yes"].concat());
        req.cancel();
        assert!(!req.ready().recv, "an answer that was not fetched is given up, too");
    }
}

// ---- REP

#[test]
fn contexts_answer_out_of_order() {
    let mut rep = full("REP");
    let reqs = [rep.attach(), rep.attach()];
    let contexts: Vec<_> = (0..64).map(|_| rep.open()).collect();
    for (number, context) in contexts.iter().enumerate() {
        let id = [0x80, 0, 0, number as u8];
        rep.arrive(reqs[number % 2], &[&id[..], b"question"].concat());
        assert_eq!(recv_in(&mut rep, *context).unwrap(), b"question");
    }
    rep.context = SOCKET;
    assert_eq!(rep.send(b"?"), Err(Error::FSM), "they are the contexts'");
    for (number, context) in contexts.iter().enumerate().rev() {
        rep.context = *context;
        rep.send(b"answer").unwrap();
        assert_eq!(rep.send(b"answer"), Err(Error::FSM));
        assert_eq!(rep.sent_one(reqs[number % 2]), [&[0x80, 0, 0, number as u8][..], b"answer"].concat());
    }
}

#[test]
fn an_answer_of_a_context_waits_for_room() {
    let mut rep = full("REP");
    let req = rep.attach_with(8, 8, 1);
    let contexts = [rep.open(), rep.open(), rep.open()];
    for (number, context) in contexts.iter().enumerate() {
        rep.arrive(req, &[0x80, 0, 0, number as u8]);
        recv_in(&mut rep, *context).unwrap();
    }
    rep.context = contexts[0];
    rep.send(b"first").unwrap();
    rep.context = contexts[1];
    assert_eq!(rep.send(b"second"), Err(Error::AGAIN));
    rep.changed.clear();
    assert_eq!(rep.sent_one(req), b"\x80\0\0\0first");
    assert!(rep.changed.contains(&contexts[1]), "it is told of the room");
    rep.send(b"second").unwrap();
    // Nobody waits for a peer that is gone.
    rep.context = contexts[2];
    assert_eq!(rep.send(b"third"), Err(Error::AGAIN));
    rep.changed.clear();
    rep.hangup(req);
    assert!(rep.changed.contains(&contexts[2]));
    rep.send(b"third").unwrap();
}

#[test]
fn a_context_that_receives_again_has_given_up_its_request() {
    let mut rep = full("RESPONDENT");
    let peer = rep.attach();
    let context = rep.open();
    rep.arrive_both(peer, b"\x80\0\0\x01", b"\x80\0\0\x02");
    recv_in(&mut rep, context).unwrap();
    recv_in(&mut rep, context).unwrap();
    rep.send(b"").unwrap();
    assert_eq!(rep.sent_one(peer), b"\x80\0\0\x02");
    rep.arrive(peer, b"\x80\0\0\x03");
    recv_in(&mut rep, context).unwrap();
    rep.cancel();
    assert_eq!(rep.send(b""), Err(Error::FSM));
}

// ---- SURVEYOR

#[test]
fn surveys_are_open_at_once_each_with_its_own_deadline() {
    let mut surveyor = full("SURVEYOR");
    let peers = [surveyor.attach(), surveyor.attach()];
    let [one, two] = [surveyor.open(), surveyor.open()];
    surveyor.set_option(DEADLINE, &milliseconds(100)).unwrap();
    send_numbers(&mut surveyor, &[one, SOCKET, two]);
    let ids: Vec<_> = sent(&mut surveyor, peers[0]).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 3);
    for (peer, order) in peers.iter().zip([[0, 1, 2], [2, 1, 0]]) {
        for at in order {
            surveyor.arrive(*peer, &[&ids[at][..], &[at as u8]].concat());
        }
    }
    for (context, at) in [(two, 2), (SOCKET, 1), (one, 0)] {
        assert_eq!(recv_in(&mut surveyor, context), Ok(vec![at]));
    }
    surveyor.pass_ms(100);
    assert_eq!(recv_in(&mut surveyor, two), Err(Error::TIMED_OUT), "what was not fetched in time is too late");
    assert_eq!(recv_in(&mut surveyor, two), Err(Error::FSM));
    for (context, at) in [(SOCKET, 1), (one, 0)] {
        assert_eq!(recv_in(&mut surveyor, context), Ok(vec![at]));
        assert_eq!(recv_in(&mut surveyor, context), Err(Error::AGAIN));
    }
    surveyor.pass_ms(900);
    assert_eq!(recv_in(&mut surveyor, one), Err(Error::TIMED_OUT));
    assert_eq!(recv_in(&mut surveyor, SOCKET), Err(Error::TIMED_OUT));
}

/// Answers that wait in the pipes when the first context is opened are not lost, nor is the survey.
#[test]
fn a_survey_goes_on_when_contexts_come() {
    let mut surveyor = full("SURVEYOR");
    let peer = surveyor.attach();
    surveyor.send(b"who?").unwrap();
    let id = sent(&mut surveyor, peer).remove(0).0;
    let answers: Vec<_> = [b"a", b"b"].iter().map(|body| [&id[..], &body[..]].concat()).collect();
    surveyor.arrive_both(peer, &answers[0], &answers[1]);
    let context = surveyor.open();
    surveyor.arrive(peer, &[&id[..], b"c"].concat());
    assert_eq!(recv_in(&mut surveyor, context), Err(Error::FSM));
    surveyor.context = SOCKET;
    assert_eq!(surveyor.recv_all(), [b"a", b"b", b"c"]);
    surveyor.cancel();
    assert_eq!(surveyor.recv(), Err(Error::FSM));
}

#[test]
fn answers_to_a_closed_context_are_nobodys() {
    let mut surveyor = full("SURVEYOR");
    let peer = surveyor.attach();
    let first = surveyor.open();
    surveyor.send(b"?").unwrap();
    let id = sent(&mut surveyor, peer).remove(0).0;
    surveyor.close(first);
    let second = surveyor.open();
    surveyor.send(b"?").unwrap();
    surveyor.arrive(peer, &[&id[..], b"late"].concat());
    assert_eq!(recv_in(&mut surveyor, second), Err(Error::AGAIN));
    assert_eq!(surveyor.pipe(peer).unread(), 0, "and hold up nobody");
}

// ---- SUB

#[test]
fn each_context_has_its_own_subscriptions() {
    let mut sub = full("SUB");
    let publisher = sub.attach();
    sub.set_option(SUBSCRIBE, b"").unwrap();
    sub.arrive(publisher, b"before");
    let [one, two, none] = [sub.open(), sub.open(), sub.open()];
    for (context, topics) in [(one, &[&b"a"[..]][..]), (two, &[b"a", b"b"])] {
        sub.context = context;
        topics.iter().for_each(|topic| sub.set_option(SUBSCRIBE, topic).unwrap());
    }
    for body in [&b"a1"[..], b"b1", b"c1"] {
        sub.arrive(publisher, body);
        assert_eq!(sub.pipe(publisher).unread(), 0);
    }
    for (context, got) in
        [(SOCKET, &[&b"before"[..], b"a1", b"b1", b"c1"][..]), (one, &[b"a1"]), (two, &[b"a1", b"b1"]), (none, &[])]
    {
        sub.context = context;
        assert_eq!(sub.recv_all(), got, "{context:?}");
    }
}

#[test]
fn a_context_that_does_not_read_holds_up_nobody_and_loses_the_oldest() {
    let mut sub = full("SUB");
    let publisher = sub.attach_with(8, 8, PLENTY);
    let [idle, busy] = [sub.open(), sub.open()];
    for context in [idle, busy] {
        sub.context = context;
        sub.set_option(SUBSCRIBE, b"").unwrap();
    }
    let count = MOST_WAITING as u32 + 10;
    for number in 0..count {
        sub.arrive(publisher, &number.to_be_bytes());
        assert_eq!(recv_in(&mut sub, busy).unwrap(), number.to_be_bytes());
    }
    sub.context = idle;
    let kept = sub.recv_all();
    assert_eq!((kept.len(), &kept[0]), (MOST_WAITING, &10_u32.to_be_bytes().to_vec()));
}
