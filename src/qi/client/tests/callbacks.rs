//! Calls with callbacks, and what goes on beside a call.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::fake::*;
use crate::core::Error;
use crate::qi::capability::Capabilities;
use crate::qi::client::place::main_object;
use crate::qi::client::{Budget, CallError, CallOptions, Canceler, Completion, PendingCall, Proxy};
use crate::qi::endpoint::WhenFull;
use crate::qi::message::{Message, Type};
use crate::qi::meta::Builder;
use crate::qi::signature::Kind;
use crate::qi::value::{Object, Value, Writer};

/// A server whose object never answers a call.
fn silent() -> Fake {
    Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        while peer.next().is_some() {}
    })
}

/// Each timer holds a weak handle of its connection.
#[test]
fn a_connection_has_one_timer() {
    let fake = silent();
    let connection = fake.connect().unwrap();
    let proxy = Proxy::new(&connection, 2, 1, Some(LIMIT)).unwrap();
    let call = |limit, done| proxy.call_then("add", &[1.into(), 2.into()], &CallOptions::within(limit), done);
    call(LIMIT * 1000, Box::new(drop)).unwrap();
    let before = Arc::weak_count(connection.requester());
    for _ in 0..20 {
        let (told, end) = mpsc::channel();
        call(Duration::from_millis(1), Box::new(move |outcome| drop(told.send(outcome)))).unwrap();
        assert_eq!(end.recv_timeout(LIMIT).unwrap().unwrap_err(), CallError::TimedOut);
    }
    // The last one that has rung may not be gone yet.
    assert!(Arc::weak_count(connection.requester()) <= before + 1);
    connection.close();
    drop((proxy, connection));
    fake.finish();
}

#[test]
fn subscribing_takes_no_longer_than_a_call() {
    let fake = silent();
    let connection = fake.connect().unwrap();
    let place = main_object(&connection, (2, None), Some(LIMIT)).unwrap();
    let proxy = Proxy::at(place, "S".into(), Some(Duration::from_millis(1)), None);
    assert_eq!(proxy.subscribe("happened").unwrap_err(), CallError::TimedOut);
    drop((proxy, connection));
    fake.finish();
}

/// 2,000 results of 256 KiB were half a gigabyte, of which the budget knew nothing.
#[test]
fn results_that_nobody_takes_are_counted() {
    const SIZE: usize = 64 * 1024;
    let fake = Fake::friendly(Capabilities::OURS, |mut peer| {
        let mut builder = Builder::new();
        builder.method("image", "()", "r");
        peer.describe(&builder.build().unwrap());
        while let Some(call) = peer.next() {
            peer.reply(&call, &Value::Raw(vec![7; SIZE].into()));
        }
    });
    let budget = Budget::new(1024 * 1024);
    let mut options = options();
    options.config.budget = budget.clone();
    let connection = fake.connect_with(&options).unwrap();
    let proxy = Proxy::new(&connection, 2, 1, Some(LIMIT)).unwrap();
    let idle = budget.used();
    let calls: Vec<_> = (0..20).map(|_| proxy.start_call("image", &[], &CallOptions::default()).unwrap()).collect();
    // Answers come in the order of the calls. Who is told takes his.
    let (told, end) = mpsc::channel();
    let done: Completion = Box::new(move |outcome| drop(told.send(outcome.map(drop))));
    proxy.call_then("image", &[], &CallOptions::default(), done).unwrap();
    assert_eq!(end.recv_timeout(LIMIT), Ok(Ok(())));
    assert!(calls.iter().all(PendingCall::is_done));
    let counted = budget.used();
    assert!(counted >= idle + 5 * SIZE && counted <= budget.limit(), "{counted}");
    // Who waits has his, however full it is, also when the answer comes before he waits.
    for _ in 0..20 {
        assert!(proxy.call("image", &[]).is_ok());
    }
    let outcomes: Vec<_> = calls.into_iter().map(|call| call.wait().map(drop)).collect();
    let kept = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
    assert!((5..15).contains(&kept), "{kept}");
    assert!(outcomes[kept..].iter().all(|outcome| *outcome == Err(CallError::NoRoom)), "{outcomes:?}");
    assert_eq!(budget.used(), idle);
    drop((proxy, connection));
    fake.finish();
}

#[test]
fn a_connection_that_has_ended_leaves_no_timer() {
    let fake = silent();
    let connection = fake.connect().unwrap();
    let proxy = Proxy::new(&connection, 2, 1, Some(LIMIT)).unwrap();
    let before = Arc::weak_count(connection.requester());
    proxy.call_then("add", &[1.into(), 2.into()], &CallOptions::within(LIMIT * 1000), Box::new(drop)).unwrap();
    assert_eq!(Arc::weak_count(connection.requester()), before + 1);
    connection.close();
    // The handlers of the end point have gone, and the timer: its own is left, and that of the end point.
    assert_eq!(Arc::weak_count(connection.requester()), 2);
    drop((proxy, connection));
    fake.finish();
}

#[test]
fn a_panic_of_a_callback_ends_there() {
    let fake = Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        for _ in 0..2 {
            let call = peer.expect(Type::Call, 100);
            peer.reply(&call, &3.into());
        }
        assert!(peer.next().is_none());
    });
    let connection = fake.connect().unwrap();
    let proxy = Proxy::new(&connection, 2, 1, Some(LIMIT)).unwrap();
    let (told, end) = mpsc::channel();
    let done = Box::new(move |_| {
        told.send(()).unwrap();
        panic!("on purpose");
    });
    proxy.call_then("add", &[1.into(), 2.into()], &CallOptions::default(), done).unwrap();
    end.recv_timeout(LIMIT).unwrap();
    let options = CallOptions::within(LIMIT);
    assert_eq!(*proxy.call_with("add", &[1.into(), 2.into()], &options).unwrap(), Value::Int32(3));
    drop((proxy, connection));
    fake.finish();
}

/// The proxy may have moved to another connection before the answer has come.
#[test]
fn the_objects_of_a_property_are_where_its_answer_came_from() {
    let (asked, is_asked) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let there = Fake::friendly(Capabilities::OURS, move |mut peer| {
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 5);
        asked.send(()).unwrap();
        may_go.recv_timeout(LIMIT).unwrap();
        let object = Object { meta: Arc::new(meta()), service: 2, object: 9, uid: Some([1; 20]) };
        let answer = Value::Object(object.into()).into_dynamic();
        let payload = Writer::new(Capabilities::OURS).encode(&answer, &Kind::Dynamic.into()).unwrap();
        peer.send(&Message::reply_to(&call.header, payload));
        let released = peer.expect(Type::Post, 3);
        assert_eq!((released.header.service, released.header.object), (2, 9));
        assert!(peer.next().is_none());
    });
    let elsewhere = Fake::friendly(Capabilities::OURS, |mut peer| {
        peer.describe(&meta());
        assert_eq!(peer.next().map(|message| message.header), None, "nothing is released here");
    });
    let (connection, other) = (there.connect().unwrap(), elsewhere.connect().unwrap());
    let proxy = Proxy::new(&connection, 2, 1, Some(LIMIT)).unwrap();
    let value = std::thread::scope(|scope| {
        let asking = scope.spawn(|| proxy.property("level").unwrap());
        is_asked.recv_timeout(LIMIT).unwrap();
        proxy.0.move_to(main_object(&other, (2, None), Some(LIMIT)).unwrap());
        go.send(()).unwrap();
        asking.join().unwrap()
    });
    assert!(Arc::ptr_eq(value.objects()[0].connection().unwrap(), &connection));
    drop((value, proxy, connection, other));
    there.finish();
    elsewhere.finish();
}

/// For threads that may not wait: what there is no room for is not sent, and everything else has its answer.
#[test]
fn at_once_or_not_at_all() {
    let (go, may_go) = mpsc::channel();
    let fake = Fake::friendly(Capabilities::OURS, move |mut peer| {
        peer.describe(&meta());
        may_go.recv_timeout(LIMIT).unwrap();
        while let Some(message) = peer.next() {
            match (message.header.ty, message.header.action) {
                (Type::Call, 102) => peer.reply(&message, &Value::from("any").into_dynamic()),
                (Type::Call, 5) => peer.reply(&message, &Value::Int32(7).into_dynamic()),
                (Type::Call, 6) => peer.send(&Message::reply_to(&message.header, bytes::Bytes::new())),
                (ty, action) => assert_eq!((ty, action), (Type::Post, 102)),
            }
        }
    });
    let connection = fake.connect().unwrap();
    let proxy = Proxy::new(&connection, 2, 1, Some(LIMIT)).unwrap();
    let options = CallOptions { at_once: true, ..CallOptions::default() };
    let large = [Value::Raw(vec![0; 1 << 20].into())];
    let (told, end) = mpsc::channel();
    let tell = || -> Completion {
        let told = told.clone();
        Box::new(move |outcome: Result<_, CallError>| drop(told.send(outcome)))
    };
    // What the kernel takes is not known, but it is less than this.
    let full = (0..1000).find_map(|sent| Some((sent, proxy.call_then("any", &large, &options, tell()).err()?)));
    let (sent, error) = full.expect("a connection that nobody reads is full");
    assert_eq!(error, CallError::System(Error::AGAIN));
    assert_eq!(proxy.post_when("any", &large, WhenFull::Fail).unwrap_err(), CallError::System(Error::AGAIN));
    let refused = proxy.set_property_then("level", large[0].clone(), &options, tell()).unwrap_err();
    assert_eq!(refused, CallError::System(Error::AGAIN));
    let nothing = |outcome: Result<Canceler, CallError>| {
        assert!(matches!(outcome, Err(CallError::NoMember { what: "property", .. })), "{outcome:?}");
    };
    nothing(proxy.property_then("nothing", &options, tell()));
    nothing(proxy.set_property_then("nothing", 1.into(), &options, tell()));
    go.send(()).unwrap();
    for _ in 0..sent {
        assert_eq!(end.recv_timeout(LIMIT).unwrap().unwrap().value(), &Value::from("any").into_dynamic());
    }
    proxy.property_then("level", &options, tell()).unwrap();
    assert_eq!(end.recv_timeout(LIMIT).unwrap().unwrap().value(), &Value::Int32(7));
    proxy.set_property_then("level", 5.into(), &options, tell()).unwrap();
    assert_eq!(end.recv_timeout(LIMIT).unwrap().unwrap().value(), &Value::Void);
    proxy.post_when("any", &[1.into()], WhenFull::Fail).unwrap();
    drop((proxy, connection));
    fake.finish();
    assert!(end.try_recv().is_err(), "what was refused is not told of");
}
