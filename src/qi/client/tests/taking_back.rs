//! What a directory does too late: a provider that has given up a question does not leave the name taken by a service that nobody
//! serves.

use std::sync::mpsc;
use std::time::Duration;

use super::fake::directory::*;
use super::fake::*;
use crate::qi::bus::Provider;
use crate::qi::client::{CallError, SessionOptions};
use crate::qi::message::{Message, Type};
use crate::qi::meta::ServiceInfoLayout;
use crate::qi::server::{Object, ObjectBuilder, Options};
use crate::qi::value::Value;

const LAYOUT: ServiceInfoLayout = ServiceInfoLayout::Seven;
/// As `begin` makes a directory.
const REGISTER: u32 = 105;
const READY: u32 = 106;
const UNREGISTER: u32 = 107;

/// One that waits for its directory until the test has seen that.
fn provider(directory: &Fake) -> Provider {
    let options = SessionOptions { call_timeout: Some(Duration::from_secs(2)), ..session_options() };
    Provider::start(&directory.url, &[], options, Options::default()).unwrap()
}

fn object() -> Object {
    ObjectBuilder::new().build().unwrap()
}

/// The next Call of the directory; Cancels of others are passed over.
fn next_call(peer: &mut Peer) -> Option<Message> {
    loop {
        let message = peer.next()?;
        if message.header.ty == Type::Call {
            return Some(message);
        }
    }
}

fn expect_call(peer: &mut Peer, action: u32) -> Message {
    let call = next_call(peer).expect("a call");
    assert_eq!(call.header.action, action);
    call
}

/// One registration that goes as it should.
fn register(peer: &mut Peer, id: u32) {
    let call = expect_call(peer, REGISTER);
    peer.reply(&call, &id.into());
    let ready = expect_call(peer, READY);
    peer.reply(&ready, &Value::Void);
}

/// One service is taken back.
fn forget(peer: &mut Peer, id: u32) {
    let call = expect_call(peer, UNREGISTER);
    assert_eq!(call.payload[..], id.to_le_bytes());
    peer.reply(&call, &Value::Void);
}

/// libqi's directory registers whether anybody still waits for it or not.
#[test]
fn a_service_that_was_registered_too_late_is_taken_back_before_its_name_is_asked_for_again() {
    let (given_up, is_given_up) = mpsc::channel();
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, LAYOUT);
        let late = expect_call(&mut peer, REGISTER);
        is_given_up.recv_timeout(LIMIT).unwrap();
        peer.reply(&late, &7u32.into());
        forget(&mut peer, 7);
        register(&mut peer, 8);
        while peer.next().is_some() {}
    });
    let provider = provider(&directory);
    assert!(matches!(provider.register("A", &object()), Err(CallError::TimedOut)));
    given_up.send(()).unwrap();
    assert_eq!(provider.register("A", &object()).unwrap(), 8);
    provider.session().close();
    drop(provider);
    directory.finish();
}

/// As long as nothing is known of it, the name is not asked for once more.
#[test]
fn a_name_whose_registration_has_no_answer_yet_is_not_asked_for_again() {
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, LAYOUT);
        let _silent = expect_call(&mut peer, REGISTER);
        let more = next_call(&mut peer);
        assert!(more.is_none(), "{more:?}");
    });
    let provider = provider(&directory);
    for _ in 0..2 {
        assert!(matches!(provider.register("A", &object()), Err(CallError::TimedOut)));
    }
    provider.session().close();
    drop(provider);
    directory.finish();
}

/// The directory may be in the midst of it: then it is told to forget what it has registered, since nobody knows whether it is ready.
#[test]
fn a_service_that_was_not_ready_in_time_is_taken_back_before_its_name_is_asked_for_again() {
    let (given_up, is_given_up) = mpsc::channel();
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, LAYOUT);
        let call = expect_call(&mut peer, REGISTER);
        peer.reply(&call, &7u32.into());
        let _silent = expect_call(&mut peer, READY);
        is_given_up.recv_timeout(LIMIT).unwrap();
        forget(&mut peer, 7);
        register(&mut peer, 8);
        while peer.next().is_some() {}
    });
    let provider = provider(&directory);
    assert!(matches!(provider.register("A", &object()), Err(CallError::TimedOut)));
    given_up.send(()).unwrap();
    assert_eq!(provider.register("A", &object()).unwrap(), 8);
    provider.session().close();
    drop(provider);
    directory.finish();
}

/// The question goes on when nobody waits for it any more: it is not cancelled, or a directory that can do that would not begin.
#[test]
fn a_service_is_taken_back_though_the_directory_was_silent_for_too_long() {
    let (given_up, is_given_up) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let directory = Fake::new(1, move |_, mut peer| {
        begin(&mut peer, LAYOUT);
        register(&mut peer, 3);
        let silent = expect_call(&mut peer, UNREGISTER);
        is_given_up.recv_timeout(LIMIT).unwrap();
        peer.reply(&silent, &Value::Void);
        let next = peer.next().unwrap();
        tell.send((next.header.ty, next.header.action)).unwrap();
        peer.reply(&next, &4u32.into());
        let ready = expect_call(&mut peer, READY);
        peer.reply(&ready, &Value::Void);
        while peer.next().is_some() {}
    });
    let provider = provider(&directory);
    provider.register("A", &object()).unwrap();
    assert!(matches!(provider.unregister("A"), Err(CallError::TimedOut)));
    given_up.send(()).unwrap();
    assert_eq!(provider.register("A", &object()).unwrap(), 4);
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), (Type::Call, REGISTER));
    provider.session().close();
    drop(provider);
    directory.finish();
}
