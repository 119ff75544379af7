//! PUB and SUB (protocols.md 6).

use super::fake::{FakeSocket, full, raw};
use crate::core::Error;
use crate::protocol::pubsub::{SUBSCRIBE, UNSUBSCRIBE};

fn subscribe(sub: &mut FakeSocket, topic: &[u8]) {
    sub.set_option(SUBSCRIBE, topic).unwrap();
}

fn unsubscribe(sub: &mut FakeSocket, topic: &[u8]) {
    sub.set_option(UNSUBSCRIBE, topic).unwrap();
}

#[test]
fn a_publication_goes_to_everybody_in_the_order_of_becoming_writable() {
    for mut publisher in [full("PUB"), raw("PUB")] {
        let subs = [publisher.attach(), publisher.attach(), publisher.attach()];
        publisher.set_room(subs[0], 0);
        publisher.set_room(subs[0], 9);
        publisher.send_with(b"head", b"body").unwrap();
        assert_eq!(publisher.transmissions, [subs[1], subs[2], subs[0]]);
        for sub in subs {
            assert_eq!(publisher.sent_one(sub), b"headbody");
        }
    }
}

#[test]
fn a_publisher_never_blocks() {
    let mut publisher = full("PUB");
    publisher.send(b"to nobody").unwrap();
    let slow = publisher.attach_with(8, 8, 1);
    let fast = publisher.attach();
    for number in 0..3 {
        publisher.send(&[number]).unwrap();
    }
    assert!(publisher.ready().send);
    assert_eq!(publisher.sent(slow), [[0]]);
    assert_eq!(publisher.sent(fast), [[0], [1], [2]]);
    publisher.send(b"again").unwrap();
    assert_eq!(publisher.sent_one(slow), b"again");
}

#[test]
fn a_subscriber_that_hung_up_gets_nothing() {
    let mut publisher = full("PUB");
    let sub = publisher.attach();
    publisher.hangup_only(sub);
    publisher.send(b"x").unwrap();
    assert!(publisher.transmissions.is_empty());
}

#[test]
fn a_subscriber_that_talks_is_refused() {
    let mut publisher = full("PUB");
    let rude = publisher.attach();
    let polite = publisher.attach();
    publisher.arrive(rude, b"hello");
    assert_eq!(publisher.refused, [rude]);
    publisher.send(b"x").unwrap();
    assert_eq!(publisher.sent_one(polite), b"x");
}

#[test]
fn only_what_is_subscribed_is_received() {
    for mut sub in [full("SUB"), raw("SUB")] {
        let publisher = sub.attach();
        subscribe(&mut sub, b"a");
        subscribe(&mut sub, b"abc");
        for body in [&b"x"[..], b"abcd", b"", b"a", b"bab"] {
            sub.arrive(publisher, body);
        }
        assert_eq!(sub.recv_all(), [&b"abcd"[..], b"a"], "each once");
    }
}

#[test]
fn without_a_subscription_nothing_is_received() {
    let mut sub = full("SUB");
    let publisher = sub.attach();
    sub.arrive(publisher, b"");
    assert!(sub.ready().recv, "arrival is announced, not a match");
    assert_eq!(sub.recv(), Err(Error::AGAIN));
    assert!(!sub.ready().recv);
    subscribe(&mut sub, b"");
    sub.arrive(publisher, b"");
    assert_eq!(sub.recv().unwrap(), (vec![], vec![]));
}

#[test]
fn the_filter_works_when_a_message_is_received() {
    let mut sub = full("SUB");
    let publisher = sub.attach();
    sub.arrive(publisher, b"late");
    subscribe(&mut sub, b"late");
    assert_eq!(sub.recv_all(), [b"late"]);
    sub.arrive(publisher, b"late");
    unsubscribe(&mut sub, b"late");
    assert_eq!(sub.recv(), Err(Error::AGAIN));
}

#[test]
fn what_does_not_match_waits_until_it_is_passed_over() {
    let mut sub = full("SUB");
    let publisher = sub.attach();
    subscribe(&mut sub, b"b");
    sub.arrive(publisher, b"a");
    sub.arrive(publisher, b"b");
    assert_eq!(sub.pipe(publisher).unread(), 2);
    assert_eq!(sub.recv().unwrap().1, b"b");
}

#[test]
fn it_looks_at_what_comes_unless_everything_is_subscribed() {
    for mut sub in [full("SUB"), raw("SUB")] {
        let publisher = sub.attach();
        sub.arrive(publisher, b"a");
        assert!(sub.machine().routes().looks, "nothing is subscribed");
        subscribe(&mut sub, b"a");
        assert!(sub.machine().routes().looks);
        subscribe(&mut sub, b"");
        assert_eq!((sub.machine().routes().recv, sub.machine().routes().looks), (Some(publisher), false));
        sub.arrive(publisher, b"b");
        assert_eq!(sub.recv().unwrap().1, b"a");
        unsubscribe(&mut sub, b"");
        assert!(sub.machine().routes().looks);
        sub.recv().unwrap_err();
    }
}

#[test]
fn two_subscriptions_need_two_unsubscriptions() {
    let mut sub = full("SUB");
    let publisher = sub.attach();
    subscribe(&mut sub, b"t");
    subscribe(&mut sub, b"t");
    unsubscribe(&mut sub, b"t");
    sub.arrive(publisher, b"t1");
    assert_eq!(sub.recv_all(), [b"t1"]);
    unsubscribe(&mut sub, b"t");
    sub.arrive(publisher, b"t2");
    assert_eq!(sub.recv(), Err(Error::AGAIN));
    assert_eq!(sub.set_option(UNSUBSCRIBE, b"t"), Err(Error::INVALID));
}

#[test]
fn topics_cannot_be_read() {
    let sub = full("SUB");
    assert_eq!(sub.option(SUBSCRIBE), Err(Error::NO_PROTO_OPT));
    assert_eq!(sub.option(UNSUBSCRIBE), Err(Error::NO_PROTO_OPT));
}

#[test]
fn publishers_are_read_in_turn_and_a_header_is_part_of_the_body() {
    let mut sub = full("SUB");
    let publishers = [sub.attach(), sub.attach()];
    subscribe(&mut sub, b"h");
    for body in [b"1", b"2"] {
        sub.arrive_parts(publishers[0], b"hA", body);
        sub.arrive_parts(publishers[1], b"hB", body);
    }
    assert_eq!(sub.recv_all(), [b"hA1", b"hB1", b"hA2", b"hB2"]);
}
