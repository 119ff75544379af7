//! PUSH and PULL, with the observed orders of protocols.md 2.2.

use super::fake::{FakeSocket, PLENTY, full, raw};
use crate::core::{Error, PipeId};

/// For each message sent, 0 and up, the pipe it went to.
fn send_all(push: &mut FakeSocket, count: u8) -> Vec<u32> {
    let before = push.transmissions.len();
    for number in 0..count {
        push.send(&[number]).unwrap();
    }
    push.transmissions[before..].iter().map(|pipe| pipe.0).collect()
}

#[test]
fn messages_go_round() {
    for mut push in [full("PUSH"), raw("PUSH")] {
        let pulls = [push.attach(), push.attach(), push.attach()];
        assert_eq!(send_all(&mut push, 7), [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(push.sent(pulls[0]), [[0], [3], [6]]);
    }
}

#[test]
fn messages_go_round_even_if_each_fills_its_pipe() {
    let mut push = full("PUSH");
    let pulls = [0; 3].map(|_| push.attach_with(8, 8, 1));
    let mut order = Vec::new();
    for _ in 0..7 {
        order.extend(send_all(&mut push, 1));
        for pull in pulls {
            push.carry(pull);
        }
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn the_best_priority_takes_all_until_it_is_full() {
    let mut push = full("PUSH");
    push.attach_with(2, 8, PLENTY);
    let first = push.attach_with(1, 8, 3);
    assert_eq!(push.machine().send_priority(), 1);
    assert_eq!(send_all(&mut push, 5), [1, 1, 1, 0, 0]);
    push.carry(first);
    assert_eq!(send_all(&mut push, 2), [1, 0]);
    push.detach(first);
    assert_eq!(push.machine().send_priority(), 2);
}

#[test]
fn without_a_writable_pipe_a_push_blocks() {
    let mut push = full("PUSH");
    assert_eq!(push.send(b"x"), Err(Error::AGAIN));
    let pull = push.attach_with(8, 8, 1);
    push.send(b"x").unwrap();
    assert_eq!(push.send(b"y"), Err(Error::AGAIN));
    assert_eq!(push.sent_one(pull), b"x");
    push.send(b"y").unwrap();
    push.carry(pull);
    push.hangup_only(pull);
    assert_eq!(push.send(b"z"), Err(Error::AGAIN));
}

#[test]
fn a_push_does_not_read() {
    let mut push = full("PUSH");
    let pull = push.attach();
    push.arrive(pull, b"against the rules");
    assert_eq!(push.pipe(pull).unread(), 1);
    assert!(!push.ready().recv);
    push.send(b"still works").unwrap();
}

#[test]
fn a_header_goes_in_front() {
    let mut push = full("PUSH");
    let pull = push.attach();
    push.send_with(b"head", b"body").unwrap();
    assert_eq!(push.sent_one(pull), b"headbody");
    let mut pull = raw("PULL");
    let push = pull.attach();
    pull.arrive_parts(push, b"head", b"body");
    assert_eq!(pull.recv().unwrap(), (vec![], b"headbody".to_vec()));
}

/// Three PUSHers with three messages each: "00" is the first one's first.
fn queued(priorities: [u8; 3]) -> FakeSocket {
    let mut pull = full("PULL");
    let pushes = priorities.map(|priority| pull.attach_with(8, priority, PLENTY));
    for (push, name) in pushes.iter().zip(0_u8..) {
        for number in 0..3 {
            pull.arrive(*push, &[name, number]);
        }
    }
    pull
}

#[test]
fn a_pull_reads_its_pushers_in_turn() {
    let order = [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [0, 2], [1, 2], [2, 2]];
    assert_eq!(queued([8, 8, 8]).recv_all(), order);
}

#[test]
fn a_pull_reads_better_priorities_first() {
    let order = [[1, 0], [1, 1], [1, 2], [2, 0], [2, 1], [2, 2], [0, 0], [0, 1], [0, 2]];
    assert_eq!(queued([3, 1, 2]).recv_all(), order);
}

#[test]
fn single_messages_are_read_in_the_order_of_arrival() {
    let mut pull = full("PULL");
    let pushes = [pull.attach(), pull.attach()];
    for _ in 0..3 {
        pull.arrive(pushes[0], b"X");
        pull.arrive(pushes[1], b"Y");
        assert_eq!(pull.recv_all(), [b"X", b"Y"]);
    }
}

#[test]
fn a_pusher_that_hung_up_is_still_read() {
    let mut pull = full("PULL");
    let push = pull.attach();
    pull.arrive(push, b"1");
    pull.arrive(push, b"2");
    pull.hangup(push);
    assert_eq!(pull.recv_all(), [b"1", b"2"]);
    assert_eq!(pull.recv(), Err(Error::AGAIN));
}

#[test]
fn a_pusher_that_is_gone_is_not_read() {
    let mut pull = full("PULL");
    let push = pull.attach();
    pull.arrive(push, b"1");
    pull.detach(push);
    assert!(!pull.ready().recv);
    assert_eq!(pull.recv(), Err(Error::AGAIN));
}

#[test]
fn many_pipes_come_and_go() {
    let mut push = full("PUSH");
    let pipes: Vec<PipeId> = (0..10_000).map(|_| push.attach_with(8, 8, 1)).collect();
    for pipe in &pipes {
        push.send(b"x").unwrap();
        assert_eq!(push.transmissions.last(), Some(pipe));
    }
    assert_eq!(push.send(b"x"), Err(Error::AGAIN));
    for pipe in pipes.iter().rev() {
        push.detach(*pipe);
    }
    assert_eq!(push.machine().send_priority(), -1);
}
