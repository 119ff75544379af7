//! What a session, its subscriptions and a provider make good when connections are lost, with servers that are not ready
//! for them at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::fake::directory::*;
use super::fake::*;
use crate::qi::bus::Provider;
use crate::qi::capability::{AuthState, Capabilities, CapabilityMap};
use crate::qi::client::{
    Backoff, CallError, Connection, DialOptions, Proxy, Session, SessionOptions, SubscribeOptions,
};
use crate::qi::endpoint::Reason;
use crate::qi::message::{Message, Type};
use crate::qi::meta::{ServiceInfo, ServiceInfoLayout};
use crate::qi::server::{Object, ObjectBuilder, Options};
use crate::qi::value::{Reader, Value, encode};

const LAYOUT: ServiceInfoLayout = ServiceInfoLayout::Seven;
/// As `begin` makes a directory.
const SERVICE: u32 = 100;
const REGISTER: u32 = 105;
const READY: u32 = 106;
/// As `meta` makes an object.
const HAPPENED: u32 = 103;

fn persistent() -> SessionOptions {
    let soon = Duration::from_millis(1);
    SessionOptions { reconnect: Some(Backoff { first: soon, longest: soon }), ..session_options() }
}

/// The name in a registerService, which is answered with this id, or an Error.
fn register(peer: &mut Peer, decide: impl FnOnce(&str) -> Option<u32>) -> String {
    let call = peer.expect(Type::Call, REGISTER);
    let arguments = crate::qi::signature::Signature::tuple([LAYOUT.signature().clone()]);
    let arguments = Reader::new(&call.payload).read(&arguments).unwrap();
    let name = ServiceInfo::from_value(&arguments.members().unwrap()[0]).unwrap().name.lossy().into_owned();
    match decide(&name) {
        None => peer.send(&Message::error_to(&call.header, "Service is already registered")),
        Some(id) => {
            peer.reply(&call, &id.into());
            let ready = peer.expect(Type::Call, READY);
            assert_eq!(ready.payload[..], id.to_le_bytes());
            peer.reply(&ready, &Value::Void);
        }
    }
    name
}

/// One Call of an object, and its one answer.
fn call(peer: &mut Peer, id: u32, service: u32) {
    peer.send(&Message::call(id, service, 1, 100, bytes::Bytes::new()));
    let answer = peer.next().unwrap();
    assert_eq!((answer.header.ty, answer.header.id, answer.header.service), (Type::Reply, id, service));
}

/// An object with one method, which counts.
fn counting() -> (Object, Arc<AtomicU32>) {
    let (count, mut builder) = (Arc::new(AtomicU32::new(0)), ObjectBuilder::new());
    let counted = Arc::clone(&count);
    builder.method("count", "()", "v", move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Value::Void.into())
    });
    (builder.build().unwrap(), count)
}

/// The directory has not noticed yet that the last connection is gone, so it refuses one of the services the first time. An id
/// of the last connection is given to the other service.
#[test]
fn a_service_that_is_refused_once_is_registered_later_and_no_other_again() {
    for refused in ["A", "B"] {
        let (done, is_done) = mpsc::channel();
        let directory = Fake::new(2, move |number, mut peer| {
            begin(&mut peer, LAYOUT);
            if number == 0 {
                register(&mut peer, |_| Some(3));
                register(&mut peer, |_| Some(4));
                return;
            }
            let mut asked = Vec::new();
            for round in 0..3 {
                let id = |name: &str| (round == 2 || name != refused).then_some(if name == "A" { 4 } else { 5 });
                asked.push(register(&mut peer, id));
            }
            assert_eq!(asked, ["A", "B", refused]);
            // A second answer to a Call would come before the next one's.
            for (id, service) in [(1000, 4), (1001, 5), (1002, 4), (1003, 5)] {
                call(&mut peer, id, service);
            }
            peer.send(&Message::call(1004, 3, 1, 100, bytes::Bytes::new()));
            let answer = peer.next().unwrap().header;
            assert_eq!((answer.ty, answer.id), (Type::Error, 1004), "an id of the last connection");
            done.send(()).unwrap();
            while peer.next().is_some() {}
        });
        let provider = Provider::start(&directory.url, &[], persistent(), Options::default()).unwrap();
        let ((first, calls_of_first), (second, calls_of_second)) = (counting(), counting());
        assert_eq!(provider.register("A", &first).unwrap(), 3);
        assert_eq!(provider.register("B", &second).unwrap(), 4);
        is_done.recv_timeout(LIMIT).unwrap();
        let counts = [calls_of_first, calls_of_second].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(counts, [2, 2], "{refused} was refused");
        // Without a session it asks nothing of a directory that does not answer.
        provider.session().close();
        drop(provider);
        directory.finish();
    }
}

#[test]
fn a_provider_that_closes_waits_for_a_silent_directory_once() {
    let (tell, told) = mpsc::channel();
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, LAYOUT);
        for id in [3, 4, 5] {
            register(&mut peer, |_| Some(id));
        }
        let mut asked = 0;
        while let Some(message) = peer.next() {
            asked += usize::from((message.header.ty, message.header.action) == (Type::Call, 107));
        }
        tell.send(asked).unwrap();
    });
    // Nothing else of this session has a time limit.
    let dial = DialOptions { timeout: None, ..options() };
    let options = SessionOptions { dial, call_timeout: None, ..persistent() };
    let provider = Provider::start(&directory.url, &[], options, Options::default()).unwrap();
    let (object, _) = counting();
    for name in ["A", "B", "C"] {
        provider.register(name, &object).unwrap();
    }
    provider.close();
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), 3, "it has been asked to forget all of them");
    directory.finish();
}

/// A program may register between the reconnection and the moment when all is as it was.
#[test]
fn what_is_registered_meanwhile_is_registered_once() {
    let (refusing, is_refusing) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let directory = Fake::new(2, move |number, mut peer| {
        begin(&mut peer, LAYOUT);
        if number == 0 {
            register(&mut peer, |_| Some(3));
            return;
        }
        // A is refused until B is there, and once more.
        let mut asked = Vec::new();
        let names = |asked: &[String], name: &str| asked.iter().filter(|other| *other == name).count();
        while asked.iter().rposition(|name| name == "B").is_none_or(|at| names(&asked[at..], "A") < 2) {
            let last = asked.iter().rposition(|name| name == "B").is_some_and(|at| names(&asked[at..], "A") == 1);
            let name = register(&mut peer, |name| if name == "B" { Some(4) } else { last.then_some(3) });
            asked.push(name);
            // Nobody may be there who hears it.
            let _ = refusing.send(());
        }
        assert_eq!(names(&asked, "B"), 1);
        call(&mut peer, 1000, 3);
        call(&mut peer, 1001, 4);
        done.send(()).unwrap();
        while peer.next().is_some() {}
    });
    let provider = Provider::start(&directory.url, &[], persistent(), Options::default()).unwrap();
    let (object, count) = counting();
    provider.register("A", &object).unwrap();
    is_refusing.recv_timeout(LIMIT).unwrap();
    assert_eq!(provider.register("B", &object).unwrap(), 4);
    is_done.recv_timeout(LIMIT).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
    provider.session().close();
    drop(provider);
    directory.finish();
}

#[test]
fn what_is_taken_back_while_the_directory_is_lost_is_not_served() {
    let (lose, lost) = mpsc::channel();
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, LAYOUT);
        register(&mut peer, |_| Some(3));
        lost.recv_timeout(LIMIT).unwrap();
    });
    let provider =
        Provider::start(&directory.url, &["tcp://127.0.0.1:0"], session_options(), Options::default()).unwrap();
    let (object, _) = counting();
    provider.register("A", &object).unwrap();
    let there = provider.session().connection().unwrap();
    let direct = Connection::open(there.reactor(), &provider.addresses()[0], &options()).unwrap();
    let proxy = Proxy::new(&direct, 3, 1, Some(LIMIT)).unwrap();
    proxy.call("count", &[]).unwrap();
    lose.send(()).unwrap();
    there.wait_closed(LIMIT).unwrap();
    assert!(provider.unregister("A").unwrap_err().is_disconnection());
    assert!(matches!(proxy.call("count", &[]), Err(CallError::Remote(_))));
    assert!(matches!(provider.unregister("A"), Err(CallError::NoService { .. })), "the name is gone");
    directory.finish();
}

/// A service that the directory's own connection leads to: answers what finding it asks.
fn find(peer: &mut Peer, meta: &crate::qi::meta::MetaObject) {
    let call = peer.expect(Type::Call, SERVICE);
    let url = format!("tcp://{}", peer.0.local_addr().unwrap());
    peer.reply(&call, &record(&[url]).to_value(LAYOUT));
    peer.describe(meta);
}

/// registerEvent, accepted.
fn accept(peer: &mut Peer) {
    let call = peer.expect(Type::Call, 0);
    peer.reply(&call, &Value::UInt64(1));
}

fn happened(number: i32) -> Value {
    Value::tuple(vec![number.into(), "x".into()])
}

fn emit(peer: &mut Peer, number: i32) {
    let value = happened(number);
    peer.send(&Message::event(1, 5, 1, HAPPENED, encode(&value, &value.signature()).unwrap()));
}

#[test]
fn a_subscription_that_is_refused_is_asked_for_again() {
    let fake = Fake::new(2, |number, mut peer| {
        begin(&mut peer, LAYOUT);
        find(&mut peer, &meta());
        if number == 0 {
            return accept(&mut peer);
        }
        for _ in 0..3 {
            let call = peer.expect(Type::Call, 0);
            peer.send(&Message::error_to(&call.header, "starting up"));
        }
        accept(&mut peer);
        emit(&mut peer, 7);
        while peer.next().is_some() {}
    });
    let session = Session::connect(&fake.url, persistent()).unwrap();
    let proxy = session.service("Old").unwrap();
    let subscription = proxy.subscribe("happened").unwrap();
    assert_eq!(subscription.next(Some(LIMIT)).unwrap().arguments, happened(7));
    assert_eq!(subscription.interruptions(), 1);
    session.close();
    fake.finish();
}

#[test]
fn a_subscription_ends_when_its_signal_does_not_come_back() {
    let fake = Fake::new(2, |number, mut peer| {
        begin(&mut peer, LAYOUT);
        if number == 0 {
            find(&mut peer, &meta());
            return accept(&mut peer);
        }
        find(&mut peer, &crate::qi::meta::MetaObject::default());
        while peer.next().is_some() {}
    });
    let session = Session::connect(&fake.url, persistent()).unwrap();
    let proxy = session.service("Old").unwrap();
    let subscription = proxy.subscribe("happened").unwrap();
    assert_eq!(subscription.next(Some(LIMIT)).unwrap_err(), CallError::Disconnected(Reason::Removed));
    session.close();
    fake.finish();
}

/// The connection is lost, and the proxy moved, before anybody knows of the subscription.
#[test]
fn a_subscription_that_has_just_begun_follows_its_proxy() {
    let (listening, is_listening) = mpsc::channel();
    let fake = Fake::new(2, move |number, mut peer| {
        begin(&mut peer, LAYOUT);
        find(&mut peer, &meta());
        accept(&mut peer);
        if number == 1 {
            listening.send(()).unwrap();
            while peer.next().is_some() {}
        }
    });
    let session = Session::connect(&fake.url, persistent()).unwrap();
    let proxy = session.service("Old").unwrap();
    let place = proxy.place();
    let subscription = proxy.new_subscription(&place, "happened", SubscribeOptions::default()).unwrap();
    subscription.attach(&place, Some(Instant::now() + LIMIT)).unwrap();
    let deadline = Instant::now() + LIMIT;
    while Arc::ptr_eq(&proxy.place(), &place) {
        assert!(Instant::now() < deadline, "the proxy moves");
        std::thread::yield_now();
    }
    assert!(is_listening.try_recv().is_err(), "nobody knows of it");
    proxy.0.enrol(&subscription);
    is_listening.recv_timeout(LIMIT).unwrap();
    session.close();
    fake.finish();
}

#[test]
fn a_subscription_that_begins_while_its_session_is_closed_ends() {
    let fake = Fake::new(1, |_, mut peer| {
        begin(&mut peer, LAYOUT);
        find(&mut peer, &meta());
        accept(&mut peer);
        while peer.next().is_some() {}
    });
    let session = Session::connect(&fake.url, persistent()).unwrap();
    let proxy = session.service("Old").unwrap();
    let place = proxy.place();
    let subscription = proxy.new_subscription(&place, "happened", SubscribeOptions::default()).unwrap();
    subscription.attach(&place, Some(Instant::now() + LIMIT)).unwrap();
    session.close();
    assert!(!subscription.is_over(), "nobody knows of it");
    proxy.0.enrol(&subscription);
    assert!(subscription.is_over());
    fake.finish();
}

/// A directory that comes back may be another, and its ids may be those of other services. Where the service is, it has been
/// registered anew, and knows nothing of who listened.
#[test]
fn a_service_is_looked_for_again_when_its_directory_comes_back() {
    let (lose, lost) = mpsc::channel();
    let service = Fake::friendly(Capabilities::OURS, move |mut peer| {
        peer.describe(&meta());
        accept(&mut peer);
        lose.send(()).unwrap();
        peer.describe(&meta());
        let call = peer.expect(Type::Call, 1);
        peer.reply(&call, &Value::Void);
        accept(&mut peer);
        emit(&mut peer, 8);
        while peer.next().is_some() {}
    });
    let endpoints = [service.url.clone()];
    let directory = Fake::new(2, move |number, mut peer| {
        begin(&mut peer, LAYOUT);
        let call = peer.expect(Type::Call, SERVICE);
        peer.reply(&call, &record(&endpoints).to_value(LAYOUT));
        match number {
            0 => lost.recv_timeout(LIMIT).unwrap(),
            _ => while peer.next().is_some() {},
        }
    });
    let session = Session::connect(&directory.url, persistent()).unwrap();
    let proxy = session.service("Old").unwrap();
    let subscription = proxy.subscribe("happened").unwrap();
    assert_eq!(subscription.next(Some(LIMIT)).unwrap().arguments, happened(8));
    assert_eq!(subscription.interruptions(), 1);
    session.close();
    directory.finish();
    service.finish();
}

/// The authenticator is asked on the thread that looks after the session.
#[test]
fn a_panic_of_an_authenticator_does_not_end_reconnection() {
    let (back, is_back) = mpsc::channel();
    let fake = Fake::new(3, move |number, mut peer| {
        if number > 0 {
            let call = peer.expect(Type::Call, 8);
            peer.reply_map(&call, &CapabilityMap::reply(&Capabilities::OURS, AuthState::Continue));
        }
        if number != 1 {
            begin(&mut peer, LAYOUT);
        }
        if number == 2 {
            back.send(()).unwrap();
        }
        while number > 0 && peer.next().is_some() {}
    });
    let mut options = persistent();
    let asked = AtomicU32::new(0);
    options.dial.credentials.authenticator = Some(Arc::new(move |_: &CapabilityMap| {
        assert!(asked.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
        Vec::new()
    }));
    let session = Session::connect(&fake.url, options).unwrap();
    is_back.recv_timeout(LIMIT).unwrap();
    session.close();
    fake.finish();
}
