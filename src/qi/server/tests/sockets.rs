//! A real listener on loopback, and bytes.

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;

use crate::core::Error;
use crate::qi::capability::Capabilities;
use crate::qi::endpoint::{Config, EndPoint};
use crate::qi::message::{Message, Type, VERSION};
use crate::qi::meta::{MetaObject, SERVICE_INFO_TEXT, ServiceInfo};
use crate::qi::server::{Answer, CallError, Limits, ObjectBuilder, Options, Server, ServerError, Verdict};
use crate::qi::value::Value;
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

use super::harness::*;
use super::raw::*;

#[test]
fn a_client_from_the_first_byte_to_the_last() {
    let running = start(Options::default());
    assert_eq!(running.server.add_service("Probe", &probe()), Ok(2));
    let mut raw = Raw::connect(&running);
    // Pipelined: authenticate and the first calls in one write.
    let all = [authenticate(), Message::call(3, 1, 1, 100, args("(s)", vec!["Probe".into()])), add(4)];
    let bytes: Vec<u8> = all.iter().flat_map(|message| message.encode().unwrap().to_vec()).collect();
    raw.0.write_all(&bytes).unwrap();
    assert_eq!(raw.next().header.id, 2);
    let mut answers = [raw.next(), raw.next()];
    answers.sort_by_key(|answer| answer.header.id);
    let info = ServiceInfo::from_value(&result(&answers[0], SERVICE_INFO_TEXT)).unwrap();
    let url = running.server.addresses()[0].clone();
    assert_eq!((info.service_id, info.endpoints), (2, vec![url.into()]));
    assert_eq!(result(&answers[1], "i"), 5.into());
    raw.send(&Message::call(5, 2, 1, 2, args("(I)", vec![0u32.into()])));
    MetaObject::decode(&raw.next().payload).unwrap().validate().unwrap();
    assert_eq!(running.server.statistics().connections, 1);
}

/// The worker that reads has gone off to a method that was quick so far, and there is no other worker.
#[test]
fn a_method_that_blocks_does_not_stop_the_reading() {
    let running = start(Options { workers: 1, ..Options::default() });
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let mut builder = ObjectBuilder::new();
    builder.method("work", "(b)", "v", move |call| {
        if call.arguments[0] == true.into() {
            wait.lock().recv_timeout(LONG).map_err(|error| error.to_string())?;
        }
        Ok(Answer::void())
    });
    running.server.add_service("Probe", &builder.build().unwrap()).unwrap();
    let work = |id: u32, blocks: bool| Message::call(id, 2, 1, 100, args("(b)", vec![blocks.into()]));
    let (mut first, mut second) = (Raw::authenticated(&running), Raw::authenticated(&running));
    for id in 3..20 {
        first.send(&work(id, false));
        assert_eq!(first.next().header.id, id);
    }
    first.send(&work(20, true));
    // Answered by who reads; the call waits for the worker.
    second.send(&work(3, false));
    second.send(&Message::call(4, 2, 1, 2, args("(I)", vec![0u32.into()])));
    assert_eq!(second.next().header.id, 4);
    release.send(()).unwrap();
    assert_eq!((first.next().header.id, second.next().header.id), (20, 3));
}

/// What a mailbox has no room for is refused, whatever came with it, and everything has one answer.
#[test]
fn a_full_mailbox_refuses_exactly_what_does_not_fit() {
    // (Few enough for a busy machine: who is refused so often is held back, and the method waits for all of it.)
    const CALLS: u32 = 5_000;
    let running = start(Options::default());
    let (release, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let gate = Mutex::new((tell, wait));
    let mut builder = ObjectBuilder::new();
    builder.limits(Limits { tasks: 100, bytes: 1 << 20 });
    builder.method("work", "()", "v", move |_| {
        let gate = gate.lock();
        gate.0.send(()).unwrap();
        gate.1.recv_timeout(LONG).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    });
    let object = builder.build().unwrap();
    running.server.add_service("Probe", &object).unwrap();
    let mut raw = Raw::authenticated(&running);
    let work = |id| Message::call(id, 2, 1, 100, Bytes::new());
    raw.send(&work(10));
    told.recv_timeout(LONG).unwrap();
    let mut writer = raw.0.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let calls: Vec<u8> = (0..CALLS).flat_map(|id| work(1000 + id).encode().unwrap()).collect();
            writer.write_all(&calls).unwrap();
        });
        // Half of the mailbox, without the reserve for others, is a connection's share.
        for id in 47..CALLS {
            let answer = raw.next();
            assert_eq!(answer.header.id, 1000 + id);
            assert!(error(&answer).contains("its queue is full"));
        }
    });
    assert_eq!(object.statistics().refused_calls, u64::from(CALLS) - 47);
    (0..48).for_each(|_| release.send(()).unwrap());
    for id in [10].into_iter().chain(1000..1047) {
        let answer = raw.next();
        assert_eq!((answer.header.ty, answer.header.id), (Type::Reply, id));
    }
    assert_eq!((object.statistics().handled, running.server.statistics().pending_calls), (48, 0));
}

#[test]
fn other_versions_get_an_error_and_stay() {
    let running = start(Options::default());
    running.server.add_service("Probe", &probe()).unwrap();
    let mut raw = Raw::authenticated(&running);
    let mut newer = add(7);
    newer.header.version = VERSION + 1;
    raw.send(&newer);
    let refused = raw.next();
    assert_eq!((refused.header.id, refused.header.ty), (7, Type::Error));
    raw.send(&add(8));
    assert_eq!(result(&raw.next(), "i"), 5.into());
}

#[test]
fn strangers_must_say_who_they_are_in_time() {
    let connection = Config { authentication_time: Some(Duration::from_millis(30)), ..Config::accepting() };
    let running = start(Options { connection, ..Options::default() });
    assert!(Raw::connect(&running).is_closed());
}

#[test]
fn a_rejection_is_heard_before_the_end() {
    let running = start(Options::default().authenticator(|_| Verdict::Reject("not you".into())));
    let mut raw = Raw::connect(&running);
    raw.send(&authenticate());
    assert_eq!(error(&raw.next()), "not you");
    assert!(raw.is_closed());
}

/// Events in bursts are written by the I/O thread, the others at once.
#[test]
fn all_subscribers_get_all_events_of_bursts_in_order() {
    let running = start(Options::default());
    let object = probe();
    running.server.add_service("Probe", &object).unwrap();
    let mut subscribers: Vec<_> = (0..5).map(|_| Raw::authenticated(&running)).collect();
    for raw in &mut subscribers {
        raw.subscribe(FIRED, 1);
    }
    let mut number = 0u32;
    for burst in [1, 2, 300, 1] {
        let first = number;
        for _ in 0..burst {
            let emitted = object.emit("fired", vec![Value::Raw(number.to_le_bytes().to_vec().into())]).unwrap();
            assert_eq!((emitted.sent, emitted.dropped), (5, 0));
            number += 1;
        }
        for raw in &mut subscribers {
            for number in first..number {
                assert!(raw.next().payload.ends_with(&number.to_le_bytes()));
            }
        }
    }
}

/// What is emitted in a row goes to each subscriber in few writes, also when it is no more than a few hundred: a write costs twenty times as
/// much as all else of an event.
#[test]
fn events_in_a_row_share_their_writes() {
    const EVENTS: u32 = 400;
    const SUBSCRIBERS: u32 = 20;
    let running = start(Options::default());
    let object = probe();
    running.server.add_service("Probe", &object).unwrap();
    let mut subscribers: Vec<_> = (0..SUBSCRIBERS).map(|_| Raw::authenticated(&running)).collect();
    for raw in &mut subscribers {
        raw.subscribe(FIRED, 1);
    }
    let endpoints: Vec<_> =
        object.0.subscriptions.lock().iter().filter_map(|to| to.peer.connection.endpoint()).collect();
    let written = || endpoints.iter().map(|endpoint| endpoint.statistics().writes).sum::<u64>();
    let before = written();
    for number in 0..EVENTS {
        object.emit("fired", vec![Value::Raw(number.to_le_bytes().to_vec().into())]).unwrap();
    }
    for raw in &mut subscribers {
        (0..EVENTS).for_each(|number| assert!(raw.next().payload.ends_with(&number.to_le_bytes())));
    }
    let writes = written() - before;
    assert!(writes <= u64::from(EVENTS * SUBSCRIBERS / 2), "{writes} writes for {EVENTS} events to {SUBSCRIBERS}");
}

#[test]
fn a_provider_is_called_on_the_connection_that_registered() {
    let running = start(Options::default());
    let mut raw = Raw::authenticated(&running);
    assert_eq!(raw.register("Theirs"), 2);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let remote = running.server.reach("Theirs", LONG)?;
            remote.call("add", vec![1.into(), 2.into()], LONG)
        });
        let call = raw.next();
        assert_eq!((call.header.service, call.header.object, call.header.action), (2, 1, 2));
        raw.send(&Message::reply_to(&call.header, probe().meta().encode().unwrap()));
        let call = raw.next();
        assert_eq!((call.header.action, &call.payload[..]), (100, &b"\x01\0\0\0\x02\0\0\0"[..]));
        raw.send(&Message::reply_to(&call.header, args("(i)", vec![3.into()])));
        assert_eq!(caller.join().unwrap().unwrap(), Value::from(3));
        // Who reads must not wait for what only it can read, and what panics there harms nobody.
        let remote = scope.spawn(|| running.server.reach("Theirs", LONG));
        let call = raw.next();
        raw.send(&Message::reply_to(&call.header, probe().meta().encode().unwrap()));
        let remote = remote.join().unwrap().unwrap();
        let (tell, told) = mpsc::channel();
        let again = remote.clone();
        remote.call_then("add", vec![1.into(), 2.into()], move |_| {
            tell.send(again.call("add", vec![1.into(), 2.into()], LONG)).unwrap();
            panic!("deliberate");
        });
        let call = raw.next();
        raw.send(&Message::reply_to(&call.header, args("(i)", vec![3.into()])));
        assert!(matches!(told.recv_timeout(LONG).unwrap(), Err(CallError::Remote(_))));
        raw.send(&Message::call(5, 1, 1, 108, Bytes::new()));
        assert_eq!(raw.next().header.id, 5);
    });
    assert!(running.server.reach("ServiceDirectory", LONG).is_err());
    assert!(running.server.reach("Nobody", LONG).is_err());
}

#[test]
fn main_objects_are_reachable_on_a_connection_that_we_dialled() {
    let running = start(Options::default());
    running.server.add_service("Probe", &probe()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let welcome = |endpoint: &Arc<EndPoint>| {
        running.server.serve(endpoint, Capabilities::OURS).unwrap();
        assert_eq!(running.server.serve(endpoint, Capabilities::OURS), Err(Error::INVALID), "one answer to each Call");
    };
    let _endpoint = EndPoint::connect(&running.reactor, &address, Config::default(), Some(LONG), welcome).unwrap();
    let mut raw = Raw::over(listener.accept().unwrap().0);
    raw.send(&add(4));
    assert_eq!(result(&raw.next(), "i"), 5.into());
    raw.send(&authenticate());
    assert_eq!(raw.next().header.ty, Type::Error, "service 0 is at the other end");
}

#[test]
fn services_come_and_go() {
    let running = start(Options::default());
    let server = &running.server;
    let object = probe();
    assert_eq!(server.add_service("Probe", &object), Ok(2));
    assert!(matches!(server.add_service("Probe", &object), Err(ServerError::Refused(_))));
    assert!(matches!(server.add_service("", &object), Err(ServerError::Refused(_))));
    assert_eq!(server.services().len(), 2);
    let mut raw = Raw::authenticated(&running);
    server.remove_service(2).unwrap();
    assert!(server.remove_service(2).is_err());
    assert!(server.remove_service(1).is_err());
    raw.send(&add(4));
    assert_eq!(error(&raw.next()), "The call request could not be handled.");
    assert_eq!(server.add_service("Probe", &object), Ok(3));
    let again = server.listen("tcp://127.0.0.1:0").unwrap();
    assert_eq!(server.addresses().len(), 2);
    assert!(server.listen(&again).is_err());
    server.close();
    assert!(raw.is_closed());
    server.close();
}

#[test]
fn an_empty_answer() {
    let mut builder = ObjectBuilder::new();
    builder.method("nothing", "()", "v", |_| Ok(Answer::void()));
    let running = start(Options::default());
    running.server.add_service("Empty", &builder.build().unwrap()).unwrap();
    let mut raw = Raw::authenticated(&running);
    raw.send(&Message::call(4, 2, 1, 100, Bytes::new()));
    assert_eq!(raw.next().payload.len(), 0);
}

/// Its services are in somebody else's directory.
#[test]
fn a_provider_has_no_directory() {
    let reactor = Reactor::start().unwrap();
    let server = Server::provider(&reactor, &["tcp://127.0.0.1:0"], Options::default()).unwrap();
    let object = ObjectBuilder::new().build().unwrap();
    let refused = ServerError::Refused("the directory is in another process".to_owned());
    assert_eq!(server.add_service("Mine", &object), Err(refused.clone()));
    assert_eq!(server.remove_service(2), Err(refused));
    assert!(server.services().is_empty() && server.reach("Mine", LONG).is_err());
    server.close();
    reactor.stop();
}
