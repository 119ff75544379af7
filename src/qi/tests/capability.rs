use super::*;
use crate::qi::value::{Dynamic, encode};

fn map(entries: Vec<(&str, Value)>) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (key.into(), Value::Dynamic(Box::new(Dynamic::new(value)))));
    Value::map(Kind::String.into(), Kind::Dynamic.into(), entries.collect())
}

fn read(entries: Vec<(&str, Value)>) -> CapabilityMap {
    CapabilityMap::from_value(&map(entries)).unwrap().unwrap()
}

#[test]
fn a_capability_counts_when_both_announce_it() {
    let theirs =
        read(vec![("MessageFlags", true.into()), ("MetaObjectCache", true.into()), ("ObjectPtrUID", false.into())]);
    let shared = Capabilities::OURS.shared(theirs.capabilities());
    assert_eq!(shared, Capabilities { message_flags: true, ..Capabilities::default() });
    assert_eq!(shared, theirs.capabilities().shared(Capabilities::OURS));
    assert_eq!(read(vec![]).capabilities(), Capabilities::default());
}

#[test]
fn each_name_is_its_own_capability() {
    for (name, _) in Capabilities::OURS.named() {
        let on: Vec<_> =
            read(vec![(name, true.into())]).capabilities().named().into_iter().filter(|(_, on)| *on).collect();
        assert_eq!(on, [(name, true)]);
        let both = read(vec![(name, true.into())]).capabilities();
        assert_eq!(both.shared(both), both);
    }
}

#[test]
fn the_first_value_wins() {
    let mut map = read(vec![("MessageFlags", true.into()), ("MessageFlags", false.into()), ("other", "x".into())]);
    assert!(map.capabilities().message_flags);
    map.set("MessageFlags", false.into());
    assert!(!map.capabilities().message_flags, "we may change our mind");
}

#[test]
fn the_first_announcement_wins() {
    let mut announced = Announced::default();
    for map in [
        vec![("MessageFlags", true.into()), ("ObjectPtrUID", false.into())],
        vec![("MessageFlags", false.into()), ("ObjectPtrUID", true.into()), ("other", "x".into())],
        vec![("RemoteCancelableCalls", true.into())],
    ] {
        announced.add(read(map).announced());
    }
    let expected = Capabilities { message_flags: true, remote_cancelable_calls: true, ..Capabilities::default() };
    assert_eq!(announced.capabilities(), expected);
}

#[test]
fn credentials_are_unwrapped() {
    // Of Python: m of m of s.
    let wrapped = Value::from("nao").into_dynamic();
    let map = read(vec![
        (USER_KEY, wrapped),
        (TOKEN_KEY, bytes::Bytes::from_static(b"\xff").into()),
        ("auth_x", 1_i32.into()),
    ]);
    assert_eq!(map.user(), Some(&b"nao"[..]));
    assert_eq!(map.token(), Some(&b"\xff"[..]));
    assert_eq!(read(vec![(USER_KEY, 1_i32.into())]).user(), None);
}

#[test]
fn states_are_integers_of_any_width() {
    for (value, state) in [
        (Value::UInt32(3), Some(AuthState::Done)),
        (Value::Int32(2), Some(AuthState::Continue)),
        (Value::Int64(1), Some(AuthState::Error)),
        (Value::UInt32(0), None),
        (Value::Int32(-3), None),
        ("3".into(), None),
    ] {
        assert_eq!(read(vec![(STATE_KEY, value)]).state(), state);
    }
    assert_eq!(read(vec![]).state(), None);
}

#[test]
fn only_maps_of_dynamics_are_maps() {
    assert!(CapabilityMap::from_value(&Value::Void).is_none());
    let other = Value::map(Kind::String.into(), Kind::Bool.into(), vec![("a".into(), true.into())]);
    assert!(CapabilityMap::from_value(&other).is_none());
    let ours = CapabilityMap::announcing(&Capabilities::OURS);
    assert!(encode(&ours.to_value(), &CapabilityMap::signature()).is_ok());
    assert_eq!(CapabilityMap::from_value(&ours.to_value()).unwrap().unwrap(), ours);
}
