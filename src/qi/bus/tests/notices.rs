//! What programs are told by callbacks: events, on few threads; notices of what comes and goes; and objects that do several things at once.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;

use crate::qi::bus::{Provider, serve};
use crate::qi::calls::CallError;
use crate::qi::client::{CallOptions, Notice, Proxy, Session, SessionOptions, SubscribeOptions, Watch};
use crate::qi::server::{Object, ObjectBuilder, Options};
use crate::qi::value::Value;
use crate::sys::sync::Mutex;

use super::{LIMIT, doubler};

/// Builds an object with a signal `count`.
fn counter() -> Object {
    let mut builder = ObjectBuilder::new();
    builder.signal("count", "(i)");
    builder.build().unwrap()
}

fn connected(url: &str) -> Session {
    Session::connect(url, SessionOptions::default()).unwrap()
}

/// A thread has a number that no other thread of the process ever gets, so threads that end are counted, too.
#[test]
fn a_thousand_watches_need_few_threads_and_none_waits_for_another() {
    const WATCHES: usize = 1000;
    const EVENTS: i32 = 5;
    const HELD_UP: usize = 8;
    let (server, object) = (serve("tcp://127.0.0.1:0").unwrap(), counter());
    server.add_service("Counter", &object).unwrap();
    let session = connected(&server.addresses()[0]);
    let proxy = session.service("Counter").unwrap();
    let (tell, told) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    let opened = Arc::new(Mutex::new(opened));
    let watch = |index: usize| -> Watch {
        let (tell, opened) = (tell.clone(), Arc::clone(&opened));
        let callback = move |(number,): (i32,)| {
            if index < HELD_UP && number == 0 {
                // Until all others have had everything.
                let _ = opened.lock().recv_timeout(LIMIT);
            }
            tell.send((index, number, thread::current().id())).unwrap();
        };
        proxy.on("count", callback).unwrap()
    };
    let watches: Vec<_> = (0..WATCHES).map(watch).collect();
    for number in 0..EVENTS {
        assert_eq!(object.fire("count", (number,)).unwrap().sent, 1);
    }
    let (mut heard, mut threads) = (HashMap::<usize, i32>::new(), HashSet::new());
    let mut take = |count: usize| {
        for _ in 0..count {
            let (index, number, thread) = told.recv_timeout(LIMIT).unwrap();
            let next = heard.entry(index).or_default();
            assert_eq!(number, *next, "watch {index} hears them in order");
            *next += 1;
            threads.insert(thread);
        }
    };
    take((WATCHES - HELD_UP) * EVENTS as usize);
    (0..HELD_UP).for_each(|_| open.send(()).unwrap());
    take(HELD_UP * EVENTS as usize);
    assert!(threads.len() < WATCHES / 3, "{} threads", threads.len());
    drop(watches);
    session.close();
    server.close();
}

#[test]
fn a_watch_that_is_dropped_hears_no_more_and_its_callback_goes() {
    let (server, object) = (serve("tcp://127.0.0.1:0").unwrap(), counter());
    server.add_service("Counter", &object).unwrap();
    let session = connected(&server.addresses()[0]);
    let proxy = session.service("Counter").unwrap();
    let (tell, told) = mpsc::channel();
    let watch = proxy
        .watch("count", SubscribeOptions::default(), move |event| {
            let _ = tell.send(event.is_ok());
        })
        .unwrap();
    object.fire("count", (1,)).unwrap();
    assert_eq!(told.recv_timeout(LIMIT), Ok(true));
    drop(watch);
    // What it sends with goes with it.
    assert_eq!(told.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
    // The end of the connection is told once, as the last thing.
    let (tell, told) = mpsc::channel();
    let _watch =
        proxy.watch("count", SubscribeOptions::default(), move |event| tell.send(event.is_ok()).unwrap()).unwrap();
    object.fire("count", (1,)).unwrap();
    assert_eq!(told.recv_timeout(LIMIT), Ok(true));
    session.close();
    assert_eq!(told.recv_timeout(LIMIT), Ok(false));
    server.close();
}

fn next(notices: &Receiver<Notice>) -> Notice {
    notices.recv_timeout(LIMIT).unwrap()
}

#[test]
fn a_session_tells_what_comes_and_goes_and_that_it_was_lost() {
    let server = serve("tcp://127.0.0.1:0").unwrap();
    let url = server.addresses()[0].clone();
    let session = connected(&url);
    let (tell, told) = mpsc::channel();
    let _watch = session.on_notice(move |notice| drop(tell.send(notice))).unwrap();
    let provider =
        Provider::start(&url, &["tcp://127.0.0.1:0"], SessionOptions::default(), Options::default()).unwrap();
    let id = provider.register("Far", &doubler()).unwrap();
    assert_eq!(next(&told), Notice::ServiceAdded { id, name: "Far".into() });
    let far = session.service("Far").unwrap();
    let (tell, of_far) = mpsc::channel();
    let _watch_far = far.on_notice(move |notice| drop(tell.send(notice))).unwrap();
    assert!(far.is_connected());
    provider.close();
    assert_eq!(next(&told), Notice::ServiceRemoved { id, name: "Far".into() });
    // Either may be noticed first.
    assert!(matches!(next(&of_far), Notice::Lost(_)));
    assert!(!far.is_connected());
    // Who comes late is told what it has missed.
    let (tell, late) = mpsc::channel();
    let _watch_late = far.on_notice(move |notice| drop(tell.send(notice))).unwrap();
    assert!(matches!(next(&late), Notice::Lost(_)));
    server.close();
    assert!(matches!(next(&told), Notice::Lost(_)));
    let (tell, late) = mpsc::channel();
    let _watch_late = session.on_notice(move |notice| drop(tell.send(notice))).unwrap();
    assert!(matches!(next(&late), Notice::Lost(_)));
    session.close();
    // The end comes once.
    assert_eq!((told.try_recv().ok(), of_far.try_recv().ok()), (None, None));
}

#[test]
fn what_comes_back_is_told() {
    let server = serve("tcp://127.0.0.1:0").unwrap();
    let url = server.addresses()[0].clone();
    server.add_service("Counter", &counter()).unwrap();
    let session =
        Session::connect(&url, SessionOptions { reconnect: Some(Default::default()), ..SessionOptions::default() })
            .unwrap();
    let proxy = session.service("Counter").unwrap();
    let (tell, told) = mpsc::channel();
    let (tell_of_proxy, of_proxy) = mpsc::channel();
    let _watch = session.on_notice(move |notice| drop(tell.send(notice))).unwrap();
    let _watch_proxy = proxy.on_notice(move |notice| drop(tell_of_proxy.send(notice))).unwrap();
    for _ in 0..2 {
        session.connection().unwrap().close();
        assert!(matches!(next(&told), Notice::Lost(_)));
        assert_eq!(next(&told), Notice::Restored);
        assert!(matches!(next(&of_proxy), Notice::Lost(_)));
        assert_eq!(next(&of_proxy), Notice::Restored);
        assert!(session.is_connected() && proxy.is_connected());
    }
    session.close();
    server.close();
}

#[test]
fn an_object_is_told_of_its_first_and_last_subscriber() {
    let (tell, told) = mpsc::channel();
    let mut builder = ObjectBuilder::new();
    let image = builder.signal("image", "(r)");
    let level = builder.property("level", "i", 0);
    for (id, name) in [(image, "image"), (level, "level")] {
        let tell = tell.clone();
        builder.on_subscribers(id, move |object, listened| {
            assert_eq!(object.subscribers(name) > 0, listened);
            tell.send((name, listened)).unwrap();
        });
    }
    let object = builder.build().unwrap();
    let server = serve("tcp://127.0.0.1:0").unwrap();
    server.add_service("Camera", &object).unwrap();
    let url = server.addresses()[0].clone();
    let (session, other) = (connected(&url), connected(&url));
    let told = || told.recv_timeout(LIMIT).unwrap();
    let first = session.service("Camera").unwrap().subscribe("image").unwrap();
    assert_eq!(told(), ("image", true));
    let second = other.service("Camera").unwrap().subscribe("image").unwrap();
    drop(first);
    let third = other.service("Camera").unwrap().subscribe("level").unwrap();
    assert_eq!(told(), ("level", true), "and nothing of the image");
    drop(second);
    assert_eq!(told(), ("image", false));
    // A subscriber that is lost is one that goes.
    other.close();
    assert_eq!(told(), ("level", false));
    let _fourth = session.service("Camera").unwrap().subscribe("image").unwrap();
    assert_eq!(told(), ("image", true));
    // A camera does not run on because its server has gone.
    server.close();
    assert_eq!(told(), ("image", false));
    drop(third);
    let mut builder = ObjectBuilder::new();
    builder.on_subscribers(100, |_, _| {});
    assert!(builder.build().unwrap_err().contains("no such signal"));
}

/// An object with a method that calls another one of its own as a client, and waits; as one that a peer has passed, too.
fn introspective(at_once: usize, me: &Arc<OnceLock<Proxy>>) -> Object {
    let mut builder = ObjectBuilder::new();
    builder.concurrency(at_once);
    builder.function("plain", || 1);
    let name = |outcome: &crate::qi::client::Result<_>| match outcome {
        Ok(_) => "answered".to_owned(),
        Err(error) => error.to_string(),
    };
    let proxy = Arc::clone(me);
    builder.function("waits", move || name(&proxy.get().unwrap().call("plain", &[])));
    let proxy = Arc::clone(me);
    builder.function("looks", move || name(&proxy.get().unwrap().property("shown")));
    let proxy = Arc::clone(me);
    builder.function("begins", move || {
        let pending = proxy.get().unwrap().start_call("plain", &[], &CallOptions::default()).unwrap();
        name(&pending.wait_for(LIMIT).unwrap())
    });
    let proxy = Arc::clone(me);
    builder.function("asks", move || name(&proxy.get().unwrap().call("isStatsEnabled", &[])));
    builder.method("given", "(o)", "s", move |call| {
        let remote = call.remote(&call.arguments[0]).ok_or("no object")?;
        Ok(name(&remote.call("plain", vec![], LIMIT)).into())
    });
    builder.property("shown", "i", 7);
    builder.build().unwrap()
}

/// They would have waited for themselves for 5 minutes, and nobody else would have been served by that object meanwhile.
#[test]
fn a_method_that_waits_for_its_own_object_is_told_so_at_once() {
    let own = CallError::OwnTurn.to_string();
    for (at_once, expected) in [(1, own.as_str()), (2, "answered")] {
        let me = Arc::default();
        let object = introspective(at_once, &me);
        let server = serve("tcp://127.0.0.1:0").unwrap();
        server.add_service("Me", &object).unwrap();
        let session = connected(&server.addresses()[0]);
        let proxy = session.service("Me").unwrap();
        me.set(proxy.clone()).unwrap();
        let call = |name: &str, arguments: &[Value]| proxy.call_with(name, arguments, &CallOptions::within(LIMIT));
        for method in ["waits", "looks", "begins"] {
            assert_eq!(*call(method, &[]).unwrap(), Value::from(expected), "{method}");
        }
        assert_eq!(*call("asks", &[]).unwrap(), Value::from("answered"), "it is answered at once");
        let me = proxy.pass(&server, &object).unwrap();
        assert_eq!(*call("given", &[me]).unwrap(), Value::from(expected));
        assert_eq!(*call("plain", &[]).unwrap(), Value::from(1), "what was not waited for holds up nobody");
        session.close();
        server.close();
    }
}

/// One after the other they would wait for each other for ever.
#[test]
fn an_object_does_several_things_at_once_if_it_may() {
    const AT_ONCE: usize = 3;
    let together = Arc::new(Barrier::new(AT_ONCE));
    let mut builder = ObjectBuilder::new();
    builder.concurrency(AT_ONCE);
    builder.function("meet", move || together.wait().is_leader());
    let server = serve("tcp://127.0.0.1:0").unwrap();
    server.add_service("Meeting", &builder.build().unwrap()).unwrap();
    let session = connected(&server.addresses()[0]);
    let meeting = session.service("Meeting").unwrap();
    for _ in 0..3 {
        let calls: Vec<_> =
            (0..AT_ONCE).map(|_| meeting.start_call("meet", &[], &CallOptions::within(LIMIT)).unwrap()).collect();
        let leaders = calls.into_iter().map(|call| call.wait().unwrap());
        assert_eq!(leaders.filter(|leads| **leads == true.into()).count(), 1);
    }
    session.close();
    server.close();
}
