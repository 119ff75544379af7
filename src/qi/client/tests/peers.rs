//! Servers that misbehave, or are of another age (qi-messaging.md 3, 10, 15 to 17).

use std::time::Duration;

use super::fake::*;
use crate::qi::capability::{AuthState, Capabilities, CapabilityMap};
use crate::qi::client::{CallError, CallOptions, Connection, Credentials, DialOptions, Proxy};
use crate::qi::endpoint::{Failure, Reason};
use crate::qi::message::{Flags, HEADER_SIZE, Header, Message, Type};
use crate::qi::signature::Kind;
use crate::qi::value::{Object, SentMetas, Value, Writer, encode};

const ALL: Capabilities = Capabilities { meta_object_cache: true, ..Capabilities::OURS };

fn proxy(connection: &std::sync::Arc<Connection>) -> Proxy {
    Proxy::new(connection, 2, 1, Some(LIMIT)).unwrap()
}

fn bytes(value: Value) -> bytes::Bytes {
    encode(&value, &value.signature()).unwrap()
}

#[test]
fn a_server_may_ask_further() {
    let fake = Fake::new(1, |_, mut peer| {
        let call = peer.expect(Type::Call, 8);
        peer.reply_map(&call, &CapabilityMap::reply(&Capabilities::OURS, AuthState::Continue));
        let call = peer.expect(Type::Call, 8);
        assert_eq!(call.payload, bytes(CapabilityMap::default().to_value()), "an empty map without an authenticator");
        let mut map = CapabilityMap::default();
        map.set("__qi_auth_state", Value::Int32(3));
        peer.reply_map(&call, &map);
        peer.next();
    });
    assert_eq!(fake.connect().unwrap().shared(), Capabilities::OURS);
    fake.finish();
}

#[test]
fn a_rejection_keeps_its_text() {
    let fake = Fake::new(1, |_, mut peer| {
        let call = peer.expect(Type::Call, 8);
        peer.send(&Message::error_to(&call.header, "wrong token"));
    });
    let credentials = Credentials { user: Some("nao".into()), token: Some("x".into()), authenticator: None };
    let error = fake.connect_with(&DialOptions { credentials, ..options() }).unwrap_err();
    assert!(matches!(&error, CallError::Rejected { reason, .. } if reason == "wrong token"), "{error}");
    fake.finish();
}

#[test]
fn what_is_no_server_is_told_apart() {
    type Case = (&'static [u8], fn(&Failure) -> bool);
    let cases: [Case; 4] = [
        (b"", |failure| *failure == Failure::PeerClosed),
        (b"\x42\xde", |failure| *failure == Failure::Cut),
        (b"\x15\x03\x03\0\x02\x02\x28aaaaaaaaaaaaaaaaaaaaaaa", |failure| matches!(failure, Failure::Protocol(_))),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", |failure| matches!(failure, Failure::Protocol(_))),
    ];
    for (greeting, wanted) in cases {
        let fake = Fake::new(1, move |_, mut peer| {
            peer.expect(Type::Call, 8);
            std::io::Write::write_all(&mut peer.0, greeting).unwrap();
        });
        let error = fake.connect().unwrap_err();
        assert!(matches!(&error, CallError::Connect { failure, .. } if wanted(failure)), "{greeting:?}: {error}");
        fake.finish();
    }
    let silent = Fake::new(1, |_, mut peer| while peer.next().is_some() {});
    let impatient = DialOptions { timeout: Some(Duration::from_millis(30)), ..options() };
    let error = silent.connect_with(&impatient).unwrap_err();
    assert!(matches!(&error, CallError::Connect { failure: Failure::TimedOut, .. }), "{error}");
    silent.finish();
}

#[test]
fn a_capability_message_counts_if_it_comes_first() {
    let fake = Fake::new(1, |_, mut peer| {
        let call = peer.expect(Type::Call, 8);
        let early = CapabilityMap::announcing(&Capabilities { message_flags: true, ..Capabilities::default() });
        peer.send(&Message::capability(1, bytes(early.to_value())));
        peer.send(&Message::capability(2, bytes::Bytes::from_static(b"broken")));
        peer.reply_map(&call, &CapabilityMap::reply(&ALL, AuthState::Done));
        peer.next();
    });
    let shared = Capabilities { message_flags: true, ..Capabilities::default() };
    assert_eq!(fake.connect().unwrap().shared(), shared);
    fake.finish();
}

#[test]
fn answers_that_do_not_fit_are_counted_and_dropped() {
    let fake = Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 100);
        let right = Message::reply_to(&call.header, bytes(5.into()));
        for header in [
            Header { id: call.header.id + 1, ..right.header },
            Header { service: 9, ..right.header },
            Header { object: 9, ..right.header },
            Header { action: 9, ..right.header },
        ] {
            peer.send(&Message { header, ..right.clone() });
        }
        peer.send(&Message { header: Header { ty: Type::Unknown(77), ..right.header }, ..right.clone() });
        peer.send(&right);
        // Twice is once too often.
        peer.send(&right);
        let call = peer.expect(Type::Call, 100);
        peer.reply(&call, &6.into());
        peer.next();
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    assert_eq!(proxy.call_to::<i32>("add", &[2.into(), 3.into()]).unwrap(), 5);
    assert_eq!(proxy.call_to::<i32>("add", &[2.into(), 4.into()]).unwrap(), 6);
    assert_eq!(connection.counts().unknown, 5);
    drop((proxy, connection));
    fake.finish();
}

/// A call that is waited for in pieces has its deadline all the same, and one end.
#[test]
fn a_call_ends_once_for_all_who_wait() {
    let fake = Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 100);
        peer.reply(&call, &5.into());
        let call = peer.expect(Type::Call, 100);
        assert_eq!(peer.expect(Type::Cancel, 0).canceled_id(), call.header.id);
        peer.expect(Type::Call, 100);
        peer.next();
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    let start = |options| proxy.start_call("add", &[2.into(), 3.into()], &options).unwrap();
    let answered = start(CallOptions::default());
    assert_eq!(answered.wait_for(LIMIT).unwrap().unwrap(), Value::Int32(5));
    assert!(answered.is_done());
    assert_eq!(answered.wait_for(LIMIT).unwrap().map(drop), Err(CallError::Canceled));
    let late = start(CallOptions::within(Duration::from_millis(20)));
    assert_eq!(late.wait_for(LIMIT).unwrap().map(drop), Err(CallError::TimedOut));
    let forgotten = start(CallOptions::default());
    assert!(forgotten.wait_for(Duration::ZERO).is_none() && !forgotten.is_done());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| forgotten.wait_for(LIMIT).map(|outcome| outcome.map(drop)));
        forgotten.forget();
        assert_eq!(waiting.join().unwrap(), Some(Err(CallError::Canceled)));
    });
    assert_eq!(connection.pending_calls(), 0);
    drop((answered, late, forgotten, proxy, connection));
    fake.finish();
}

#[test]
fn errors_of_any_form_end_the_call() {
    let forms = [
        (bytes(Value::from("boom").into_dynamic()), "boom"),
        (bytes("bare".into()), "the peer gives an error without a text"),
        (bytes::Bytes::new(), "the peer gives an error without a text"),
        (bytes(Value::Int32(1).into_dynamic()), "the peer gives an error without a text"),
    ];
    let texts = forms.clone();
    let fake = Fake::friendly(Capabilities::OURS, move |mut peer| {
        peer.describe(&meta());
        for (payload, _) in &forms {
            let call = peer.expect(Type::Call, 100);
            let header = Header { ty: Type::Error, ..call.header };
            peer.send(&Message { header, payload: payload.clone() });
        }
        let call = peer.expect(Type::Call, 100);
        peer.send(&Message::canceled_to(&call.header));
        let call = peer.expect(Type::Call, 100);
        peer.reply(&call, &Value::Int8(1));
        peer.next();
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    let call = || proxy.call("add", &[1.into(), 2.into()]).unwrap_err();
    for (_, text) in texts {
        assert_eq!(call(), CallError::Remote(text.into()));
    }
    assert_eq!(call(), CallError::Canceled);
    let short = call();
    assert!(short.to_string().contains("result of add::(ii)"), "{short}");
    drop((proxy, connection));
    fake.finish();
}

#[test]
fn without_capabilities_nothing_of_them_is_used() {
    let fake = Fake::friendly(Capabilities::default(), |mut peer| {
        peer.describe(&meta());
        // Arguments that do not fit are not sent in a dynamic, a wanted type is not asked for, nothing is cancelled.
        let call = peer.expect(Type::Call, 100);
        assert_eq!(call.header.flags, Flags::NONE);
        peer.reply(&call, &5.into());
        peer.expect(Type::Call, 100);
        let call = peer.expect(Type::Call, 100);
        peer.reply(&call, &6.into());
        assert!(peer.next().is_none());
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    let error = proxy.call("add", &["x".into(), "y".into()]).unwrap_err();
    assert!(error.to_string().contains("arguments of add"), "{error}");
    let sum = proxy.call_as("add", &[2.into(), 3.into()], &Kind::Double.into()).unwrap();
    assert_eq!(sum, Value::Double(5.0));
    proxy.start_call("add", &[1.into(), 1.into()], &Default::default()).unwrap().abandon();
    assert_eq!(proxy.call_to::<i32>("add", &[3.into(), 3.into()]).unwrap(), 6);
    drop((proxy, connection));
    fake.finish();
}

#[test]
fn with_flags_the_server_is_left_to_convert() {
    let fake = Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 100);
        assert_eq!(call.header.flags, Flags::DYNAMIC_PAYLOAD | Flags::RETURN_TYPE);
        assert!(call.payload.ends_with(b"\x01\0\0\0d"));
        let dynamic = Message::reply_to(&call.header, bytes(Value::Double(5.0).into_dynamic()));
        peer.send(&dynamic.with_flags(Flags::DYNAMIC_PAYLOAD));
        let call = peer.expect(Type::Call, 100);
        let cancel = peer.expect(Type::Cancel, 0);
        assert_eq!(cancel.canceled_id(), call.header.id);
        peer.next();
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    let sum = proxy.call_as("add", &["2".into(), "3".into()], &Kind::Double.into()).unwrap();
    assert_eq!(sum, Value::Double(5.0));
    let late = proxy.call_with("add", &[1.into(), 1.into()], &CallOptions::within(Duration::from_millis(20)));
    assert_eq!(late.map(drop), Err(CallError::TimedOut));
    drop((proxy, connection));
    fake.finish();
}

#[test]
fn events_may_overtake_the_reply_to_register_event() {
    let fake = Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 0);
        for number in [1, 2] {
            // The id is the sender's own, and says nothing.
            let payload = bytes(Value::tuple(vec![number.into(), "x".into()]));
            peer.send(&Message::event(call.header.id, 2, 1, 103, payload));
        }
        peer.send(&Message::event(1, 2, 1, 103, bytes::Bytes::from_static(b"short")));
        peer.send(&Message::event(1, 2, 2, 103, bytes(Value::tuple(vec![8.into(), "another object".into()]))));
        peer.reply(&call, &Value::UInt64(0));
        // The second subscription needs no second registration; the last of both takes it back, with our link.
        let gone = peer.expect(Type::Call, 1);
        assert_eq!(gone.payload[8..], call.payload[8..]);
        assert!(peer.next().is_none());
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    let first = proxy.subscribe("happened").unwrap();
    let second = proxy.subscribe("happened").unwrap();
    for number in [1, 2] {
        let event = first.next(Some(LIMIT)).unwrap();
        assert_eq!(event.arguments, Value::tuple(vec![number.into(), "x".into()]));
    }
    let broken = first.next(Some(LIMIT)).unwrap_err();
    assert!(matches!(&broken, CallError::Payload { member, .. } if member == "event happened"), "{broken}");
    assert!(first.try_next().is_none() && second.try_next().is_none());
    drop((first, second, proxy, connection));
    fake.finish();
}

#[test]
fn a_registration_that_is_refused_fails_for_all() {
    let fake = Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 0);
        peer.send(&Message::error_to(&call.header, "No such signal"));
        assert!(peer.next().is_none());
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    let error = proxy.subscribe("level").map(drop).unwrap_err();
    assert_eq!(error, CallError::Remote("No such signal".into()));
    drop((proxy, connection));
    fake.finish();
}

/// Both layouts of object references, and both of uids; released with a Post.
#[test]
fn objects_come_in_the_layout_that_both_sides_share() {
    for shared in [
        Capabilities::default(),
        Capabilities { object_ptr_uid: true, ..Capabilities::default() },
        Capabilities { meta_object_cache: true, ..Capabilities::default() },
        ALL,
    ] {
        let fake = Fake::friendly(shared, move |mut peer| {
            peer.describe(&meta());
            let mut metas = SentMetas::default();
            for id in [7, 8] {
                let call = peer.expect(Type::Call, 101);
                let uid = shared.object_ptr_uid.then_some([id as u8; 20]);
                let object = Object { meta: std::sync::Arc::new(meta()), service: 2, object: id, uid };
                let mut writer = Writer::new(shared).metas(&mut metas);
                let payload = writer.encode(&Value::Object(object.into()), &Kind::Object.into()).unwrap();
                peer.send(&Message::reply_to(&call.header, payload));
                let call = peer.expect(Type::Call, 100);
                assert_eq!((call.header.service, call.header.object), (2, id));
                peer.reply(&call, &5.into());
                let released = peer.expect(Type::Post, 3);
                assert_eq!((released.header.service, released.header.object), (2, id));
            }
            assert!(peer.next().is_none());
        });
        let capabilities = Capabilities { meta_object_cache: true, ..DialOptions::default().capabilities };
        let connection = fake.connect_with(&DialOptions { capabilities, ..options() }).unwrap();
        let proxy = proxy(&connection);
        for id in [7, 8] {
            let child = proxy.call("child", &[]).unwrap().proxy().unwrap();
            assert_eq!(child.object().unwrap().uid, shared.object_ptr_uid.then_some([id; 20]));
            assert_eq!(child.call_to::<i32>("add", &[2.into(), 3.into()]).unwrap(), 5);
        }
        drop((proxy, connection));
        fake.finish();
    }
}

#[test]
fn a_bad_signature_spoils_only_its_own_member() {
    let mut bad = meta();
    for method in bad.methods.values_mut().filter(|method| method.name == "child") {
        method.return_signature.0 = "(oops".into();
    }
    let fake = Fake::friendly(Capabilities::OURS, move |mut peer| {
        peer.describe(&bad);
        let call = peer.expect(Type::Call, 100);
        peer.reply(&call, &5.into());
        assert!(peer.next().is_none());
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    assert_eq!(proxy.call_to::<i32>("add", &[2.into(), 3.into()]).unwrap(), 5);
    let error = proxy.call("child", &[]).unwrap_err().to_string();
    assert!(error.contains("\"child\"") && error.contains("(oops"), "{error}");
    drop((proxy, connection));
    fake.finish();
}

#[test]
fn a_connection_cut_at_any_byte_of_a_reply_fails_the_call() {
    const SIZE: usize = HEADER_SIZE + 4;
    let fake = Fake::new(SIZE, |cut, mut peer| {
        peer.welcome(Capabilities::OURS);
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 100);
        let reply = Message::reply_to(&call.header, bytes(5.into())).encode().unwrap();
        std::io::Write::write_all(&mut peer.0, &reply[..cut]).unwrap();
    });
    for cut in 0..SIZE {
        let connection = fake.connect().unwrap();
        let error = proxy(&connection).call("add", &[2.into(), 3.into()]).unwrap_err();
        let reason = if cut == 0 { Reason::PeerClosed } else { Reason::Failed(Failure::Cut) };
        assert_eq!(error, CallError::Disconnected(reason), "after {cut} bytes");
    }
    fake.finish();
}

#[test]
fn calls_to_nobody_get_an_error_from_us() {
    let fake = Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.send(&Message::call(9, 2, 0x8000_0000, 100, bytes::Bytes::new()));
        let answer = peer.next().unwrap();
        assert_eq!((answer.header.ty, answer.header.id), (Type::Error, 9));
    });
    let connection = fake.connect().unwrap();
    fake.finish();
    drop(connection);
}

fn pairs() -> crate::qi::meta::MetaObject {
    let mut builder = crate::qi::meta::Builder::new();
    builder.signal("pair", "([i])");
    builder.build().unwrap()
}

const PAIR: u32 = 100;

fn pair(values: &[i32]) -> Value {
    Value::tuple(vec![Value::list(Kind::Int32.into(), values.iter().map(|value| Value::Int32(*value)).collect())])
}

/// One registration serves all, however each wants the events: the peer would send a copy for each, and does not say for which.
#[test]
fn events_come_in_the_type_that_is_wanted() {
    let (go, told) = std::sync::mpsc::channel();
    let fake = Fake::friendly(Capabilities::OURS, move |mut peer| {
        peer.describe(&pairs());
        let call = peer.expect(Type::Call, 0);
        peer.reply(&call, &Value::UInt64(0));
        told.recv().unwrap();
        for numbers in [&[1, 2][..], &[5], &[3, 4]] {
            peer.send(&Message::event(1, 2, 1, PAIR, bytes(pair(numbers))));
        }
        assert_eq!(peer.expect(Type::Call, 1).payload.len(), 16);
        assert!(peer.next().is_none());
    });
    let connection = fake.connect().unwrap();
    let proxy = proxy(&connection);
    let in_type = |text: &str| crate::qi::client::SubscribeOptions {
        wanted: crate::qi::signature::Signature::parse(text).ok(),
        ..Default::default()
    };
    assert!(proxy.subscribe_with("pair", in_type("l")).is_err(), "no tuple");
    let subscriptions = ["((ll))", "([d])", "([i])"].map(|text| proxy.subscribe_with("pair", in_type(text)).unwrap());
    let [longs, doubles, plain] = &subscriptions;
    go.send(()).unwrap();
    let next = |subscription: &crate::qi::client::Subscription| subscription.next(Some(LIMIT));
    let wanted = |one: i64, two: i64| Value::tuple(vec![Value::tuple(vec![one.into(), two.into()])]);
    assert_eq!(next(longs).unwrap().arguments, wanted(1, 2));
    assert!(matches!(next(longs), Err(CallError::Payload { .. })), "one number is no pair");
    assert_eq!(next(longs).unwrap().arguments, wanted(3, 4));
    let halves = |values: &[f64]| {
        Value::tuple(vec![Value::list(Kind::Double.into(), values.iter().map(|value| (*value).into()).collect())])
    };
    for numbers in [&[1, 2][..], &[5], &[3, 4]] {
        let numbers: Vec<_> = numbers.iter().map(|number| f64::from(*number)).collect();
        assert_eq!(next(doubles).unwrap().arguments, halves(&numbers));
    }
    for numbers in [&[1, 2][..], &[5], &[3, 4]] {
        assert_eq!(next(plain).unwrap().arguments, pair(numbers));
    }
    assert!(subscriptions.iter().all(|subscription| subscription.is_empty()), "none comes twice");
    drop((subscriptions, proxy, connection));
    fake.finish();
}
