//! The subscriptions against a plain list.

use std::time::Duration;

use proptest::prelude::*;

use crate::core::Error;
use crate::protocol::matching::Subscriptions;
use crate::sys::usage::Usage;

#[test]
fn nothing_matches_without_a_subscription() {
    let none = Subscriptions::default();
    assert!(!none.matches(b""));
    assert!(!none.matches(b"abc"));
}

#[test]
fn the_empty_topic_matches_everything() {
    let mut all = Subscriptions::default();
    all.subscribe(b"").unwrap();
    assert!(all.matches(b"") && all.matches(b"abc") && all.matches(&[0xff; 9]));
}

#[test]
fn a_topic_is_a_prefix() {
    let mut topics = Subscriptions::default();
    topics.subscribe(b"ab").unwrap();
    topics.subscribe(b"abd\0").unwrap();
    assert!(topics.matches(b"ab") && topics.matches(b"abc"));
    assert!(!topics.matches(b"a") && !topics.matches(b"") && !topics.matches(b"b"));
}

#[test]
fn a_match_is_found_behind_greater_topics() {
    let mut topics = Subscriptions::default();
    for topic in [&b"a"[..], b"aab", b"aabb", b"aabc\x01", b"b"] {
        topics.subscribe(topic).unwrap();
    }
    assert!(topics.matches(b"aaz") && topics.matches(b"aabc"));
    assert!(!topics.matches(b"c"));
}

#[test]
fn topics_are_counted() {
    let mut topics = Subscriptions::default();
    topics.subscribe(b"x").unwrap();
    topics.subscribe(b"x").unwrap();
    assert_eq!(topics.unsubscribe(b"x"), Ok(()));
    assert!(topics.matches(b"x"));
    assert_eq!(topics.unsubscribe(b"x"), Ok(()));
    assert!(!topics.matches(b"x"));
    assert_eq!(topics.unsubscribe(b"x"), Err(Error::INVALID));
}

#[test]
fn unsubscribing_what_is_not_subscribed_is_an_error() {
    let mut topics = Subscriptions::default();
    assert_eq!(topics.unsubscribe(b"x"), Err(Error::INVALID), "no topics at all");
    topics.subscribe(b"abc").unwrap();
    topics.subscribe(b"abd").unwrap();
    for topic in [&b""[..], b"ab", b"abcd", b"z"] {
        assert_eq!(topics.unsubscribe(topic), Err(Error::INVALID), "{topic:?}");
    }
}

/// A linear search would compare 200 million topics here. (Its own time counts, whatever else the machine does.)
#[test]
fn ten_thousand_topics_do_not_make_it_slow() {
    let mut topics = Subscriptions::default();
    for number in 0..10_000 {
        topics.subscribe(format!("sensors/{number:05}/temperature").as_bytes()).unwrap();
    }
    let before = Usage::of_thread();
    for number in 0..20_000 {
        assert_eq!(topics.matches(format!("sensors/{number:05}/temperature=21").as_bytes()), number < 10_000);
    }
    assert!(Usage::of_thread().since(before).user < Duration::from_secs(2));
}

/// Every length is looked at, and no byte twice.
#[test]
fn neither_do_many_lengths() {
    let mut topics = Subscriptions::default();
    for length in 1..=1000 {
        topics.subscribe(&vec![b'x'; length]).unwrap();
        topics.unsubscribe(&vec![b'x'; length]).unwrap();
        topics.subscribe(&[vec![b'x'; length], b"y".to_vec()].concat()).unwrap();
    }
    let body = vec![b'x'; 1002];
    let before = Usage::of_thread();
    for _ in 0..1000 {
        assert!(!topics.matches(&body));
    }
    assert!(Usage::of_thread().since(before).user < Duration::from_secs(2));
    assert!(topics.matches(&[&body[..1000], b"y"].concat()));
}

/// These two have the same hash.
#[test]
fn topics_that_collide_are_told_apart() {
    let (one, other) = (b"8yn0iYCKYHlIj4-BwPqk", b"GReLUrM4wMqfg9yzV3KQ");
    let mut topics = Subscriptions::default();
    topics.subscribe(one).unwrap();
    assert!(topics.matches(one) && !topics.matches(other));
    assert_eq!(topics.unsubscribe(other), Err(Error::INVALID));
    topics.subscribe(other).unwrap();
    assert!(topics.matches(one) && topics.matches(other));
    assert_eq!(topics.unsubscribe(one), Ok(()));
    assert!(!topics.matches(one) && topics.matches(other));
}

/// Few different bytes and short strings, so that prefixes and near misses are common.
fn word() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0_u8), Just(b'a'), Just(b'b'), Just(255_u8)], 0..6)
}

proptest! {
    #[test]
    fn subscriptions_are_their_model(
        steps in prop::collection::vec((any::<bool>(), word()), 0..60),
        bodies in prop::collection::vec(word(), 20),
    ) {
        let mut topics = Subscriptions::default();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for (subscribe, topic) in steps {
            if subscribe {
                topics.subscribe(&topic).unwrap();
                model.push(topic);
            } else {
                let index = model.iter().position(|other| *other == topic);
                prop_assert_eq!(topics.unsubscribe(&topic).is_ok(), index.is_some());
                index.map(|index| model.remove(index));
            }
            for body in &bodies {
                prop_assert_eq!(topics.matches(body), model.iter().any(|topic| body.starts_with(topic)));
            }
        }
    }
}
