//! Our client, and nanoqi, against the genuine libqi as server.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nanomsg::qi::bus::Provider;
use nanomsg::qi::client::{CallError, CallOptions, Proxy, Session, SessionOptions, SubscribeOptions, Subscription};
use nanomsg::qi::server::{ObjectBuilder, Options, Server};
use nanomsg::qi::signature::Signature;
use nanomsg::qi::value::Value;
use serde_json::Value as Json;
use support::libqi::{Service, client};
use support::run;

/// Nothing here takes this long; it ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(30);

impl Service {
    fn session(&self) -> Session {
        self.session_with(SessionOptions::default())
    }

    fn session_with(&self, mut options: SessionOptions) -> Session {
        options.call_timeout = Some(LIMIT);
        Session::connect(&self.url, options).expect("a session")
    }
}

/// Asks again until it is so.
fn eventually(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "it never came about");
        std::thread::yield_now();
    }
}

fn proof(session: &Session) -> Proxy {
    session.service("Proof").expect("the service")
}

fn next(subscription: &Subscription) -> Value {
    subscription.next(Some(LIMIT)).expect("an event").arguments.into_value().clone()
}

#[test]
fn calls_of_all_types() {
    let service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    assert_eq!(proof.call_to::<i32>("add", &[2.into(), 3.into()]).unwrap(), 5);
    assert_eq!(proof.call_to::<i64>("add::(ii)", &[2.into(), 2.9.into()]).unwrap(), 4);
    let entries = vec![("a".into(), Value::Int32(1)), ("b".into(), Value::Int32(-5))];
    let value = Value::map(Signature::parse("s").unwrap(), Signature::parse("i").unwrap(), entries);
    let wanted = BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), -4)]);
    assert_eq!(proof.call_to::<BTreeMap<String, i32>>("increment", &[value]).unwrap(), wanted);
    let list = Value::list(Signature::parse("d").unwrap(), vec![1.0.into(), 3.0.into()]);
    assert_eq!(proof.call_to::<Vec<f64>>("halves", &[list]).unwrap(), [0.5, 1.5]);
    assert_eq!(proof.call_to::<String>("echo", &["h\u{e9}".into()]).unwrap(), "h\u{e9}");
    for (arguments, answer) in [
        (vec![Value::Int32(5)], "int 5"),
        (vec!["x".into()], "string x"),
        (vec![1.into(), 2.into()], "two 1 2"),
        (vec![Value::Double(3.5)], "int 3"),
    ] {
        assert_eq!(proof.call_to::<String>("over", &arguments).unwrap(), answer);
    }
    let gathered = proof.call("gather", &[1.into(), "two".into()]).unwrap();
    assert_eq!(gathered.clone().into_value().undynamic().unwrap().items().map(<[Value]>::len), Some(2));
    // The server converts, and tells so.
    let asked = proof.call_as("add", &[2.into(), 3.into()], &Signature::parse("d").unwrap()).unwrap();
    assert_eq!(asked, Value::Double(5.0));
    // A message of many reads and writes.
    let long = "x".repeat(3_000_000);
    assert_eq!(proof.call_to::<String>("echo", &[long.as_str().into()]).unwrap(), long);
}

#[test]
fn failures_say_what_is_wrong() {
    let service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    fn text<T: std::fmt::Debug>(outcome: Result<T, CallError>) -> String {
        outcome.unwrap_err().to_string()
    }
    assert!(matches!(proof.call("fail", &[]), Err(CallError::Remote(text)) if text.contains("boom")));
    assert!(matches!(proof.call("nope", &[]), Err(CallError::Resolve(_))));
    assert!(text(proof.call("add", &[1.into()])).contains("and not (i)"));
    // What cannot be converted is left to the server, which cannot either.
    assert!(matches!(proof.call("add", &["1".into(), "2".into()]), Err(CallError::Remote(_))));
    assert!(matches!(session.service("Nope"), Err(CallError::NoService { .. })));
    assert!(matches!(proof.subscribe("nope"), Err(CallError::NoMember { .. })));
    assert!(matches!(proof.property("nope"), Err(CallError::NoMember { .. })));
    assert!(matches!(proof.set_property("level", "x".into()), Err(CallError::Remote(_))));
    assert!(matches!(Session::connect("tcp://tcps://x", SessionOptions::default()), Err(CallError::Address { .. })));
    let tls = service.url.replace("tcp:", "tcps:");
    assert!(text(Session::connect(&tls, SessionOptions::default())).contains("TLS"));
    let lost = proof.start_call("slow", &[], &CallOptions::default()).unwrap();
    service.kill();
    assert!(matches!(lost.wait(), Err(CallError::Disconnected(_))));
    assert!(matches!(proof.call("add", &[1.into(), 2.into()]), Err(CallError::Disconnected(_))));
    assert!(matches!(session.services(), Err(CallError::Disconnected(_))));
}

#[test]
fn calls_end_when_they_are_cancelled_or_late() {
    let service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    let call = proof.start_call("slow", &[], &CallOptions::default()).unwrap();
    call.cancel();
    assert_eq!(call.wait().map(drop), Err(CallError::Canceled));
    let slow = proof.call_with("slow", &[], &CallOptions::within(Duration::from_millis(50)));
    assert_eq!(slow.map(drop), Err(CallError::TimedOut));
    // The answer to the one that was late is known when it comes; so is that of one that was abandoned.
    proof.start_call("slow", &[], &CallOptions::default()).unwrap().abandon();
    assert_eq!(proof.call_to::<i32>("add", &[1.into(), 2.into()]).unwrap(), 3);
    let (sender, told) = mpsc::channel();
    let done = move |outcome: Result<_, CallError>| sender.send(outcome.map(drop)).unwrap();
    let soon = CallOptions::within(Duration::from_millis(50));
    proof.call_then("slow", &[], &soon, Box::new(done.clone())).unwrap();
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), Err(CallError::TimedOut));
    proof.call_then("slow", &[], &CallOptions::default(), Box::new(done.clone())).unwrap().cancel();
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), Err(CallError::Canceled));
    proof.call_then("add", &[1.into(), 2.into()], &CallOptions::default(), Box::new(done)).unwrap();
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), Ok(()));
    assert_eq!(proof.connection().counts().unknown, 0);
}

#[test]
fn signals_and_properties() {
    let mut service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    let (first, second) = (proof.subscribe("happened").unwrap(), proof.subscribe("happened").unwrap());
    service.tell("fire 5 five");
    let five = Value::tuple(vec![5.into(), "five".into()]);
    assert_eq!((next(&first), next(&second)), (five.clone(), five));
    drop(first);
    // Posting a signal has the object emit it; that of a method calls it.
    proof.post("happened", &[6.into(), "six".into()]).unwrap();
    assert_eq!(next(&second), Value::tuple(vec![6.into(), "six".into()]));
    proof.post("fire", &[7.into(), "seven".into()]).unwrap();
    assert_eq!(next(&second), Value::tuple(vec![7.into(), "seven".into()]));
    drop(second);
    let anything = proof.subscribe("anything").unwrap();
    service.tell("any");
    assert_eq!(next(&anything).members().map(<[Value]>::len), Some(3));

    assert_eq!(proof.property_to::<i32>("level").unwrap(), 7);
    let level = proof.subscribe("level").unwrap();
    proof.set_property("level", 8.into()).unwrap();
    assert_eq!(next(&level), Value::tuple(vec![8.into()]));
    let id = proof.meta().property_named("level").unwrap().uid;
    proof.set_property_by_id(id, Value::Int64(9)).unwrap();
    assert_eq!(proof.property_by_id(id).unwrap(), Value::Int32(9));
    assert!(proof.property_names().unwrap().iter().any(|name| *name == "level"));
}

/// libqi converts what it is asked to convert, and what it cannot it sends as it is.
#[test]
fn events_in_the_type_that_is_wanted() {
    let mut service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    let wanted = Signature::parse("((ll))").ok();
    let pairs = proof.subscribe_with("pair", SubscribeOptions { wanted, ..SubscribeOptions::default() }).unwrap();
    service.tell("pair 1 2");
    assert_eq!(next(&pairs), Value::tuple(vec![Value::tuple(vec![Value::Int64(1), Value::Int64(2)])]));
    service.tell("pair 3");
    assert!(matches!(pairs.next(Some(LIMIT)), Err(CallError::Payload { .. })));
    service.tell("pair 4 5");
    assert_eq!(next(&pairs), Value::tuple(vec![Value::tuple(vec![Value::Int64(4), Value::Int64(5)])]));
}

#[test]
fn a_queue_that_is_full_tells_what_is_missing() {
    let mut service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    let options = SubscribeOptions { queue: 3, ..SubscribeOptions::default() };
    let few = proof.subscribe_with("happened", options).unwrap();
    let all = proof.subscribe("happened").unwrap();
    service.tell("burst 10");
    // libqi keeps no order between events from a thread of the program's own.
    let burst: Vec<_> = (0..10).map(|_| next(&all)).collect();
    for number in 0..10 {
        assert!(burst.contains(&Value::tuple(vec![number.into(), "x".into()])), "{burst:?}");
    }
    assert_eq!((few.len(), few.missed()), (3, 7));
    for event in &burst[..3] {
        assert_eq!(next(&few), *event);
    }
    service.tell("fire 11 y");
    let event = few.next(Some(LIMIT)).unwrap();
    assert_eq!((event.missed, event.arguments.value()), (7, &Value::tuple(vec![11.into(), "y".into()])));
}

#[test]
fn callbacks_are_called_on_a_thread_of_their_own() {
    let mut service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    let (sender, events) = mpsc::channel();
    let caller = proof.clone();
    let watch = proof.watch("happened", SubscribeOptions::default(), move |event| {
        // Calling from a callback is what others forbid.
        let sum = caller.call_to::<i32>("add", &[1.into(), 2.into()]);
        let _ = sender.send((event.map(|event| event.arguments.into_value()), sum));
    });
    let watch = watch.unwrap();
    service.tell("fire 1 a");
    let (event, sum) = events.recv_timeout(LIMIT).unwrap();
    assert_eq!((event.unwrap(), sum.unwrap()), (Value::tuple(vec![1.into(), "a".into()]), 3));
    drop(watch);
    service.tell("fire 2 b");
    assert!(events.recv_timeout(LIMIT).is_err(), "the callback is gone, and what it sends with");
}

#[test]
fn objects_live_as_long_as_they_are_held() {
    let service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    let returned = proof.call("child", &["bob".into()]).unwrap();
    let child = returned.proxy().unwrap();
    let other = child.clone();
    drop(returned);
    assert_eq!(child.call_to::<String>("hello", &[]).unwrap(), "hello from bob");
    let said = child.subscribe("said").unwrap();
    child.post("say", &["hi".into()]).unwrap();
    assert_eq!(next(&said), Value::tuple(vec!["hi".into()]));
    drop(said);
    drop(child);
    let connection = proof.connection();
    assert_eq!(connection.held_objects(), 1);
    // The same object by its ids, which keeps nothing.
    let (service_id, object) = other.ids();
    let bare = |object| Proxy::new(&connection, service_id, object, Some(LIMIT));
    let there = bare(object).unwrap();
    drop(other);
    assert_eq!(connection.held_objects(), 0);
    eventually(|| matches!(there.call("hello", &[]), Err(CallError::Remote(_))));
    // An object that nobody looks at is released as well.
    let unseen = proof.call("child", &["unseen".into()]).unwrap();
    let there = bare(unseen.objects()[0].object).unwrap();
    drop(unseen);
    eventually(|| matches!(there.call("hello", &[]), Err(CallError::Remote(_))));
    // And one that comes when nobody waits any more: its id is the next.
    proof.start_call("child", &["late".into()], &CallOptions::default()).unwrap().abandon();
    eventually(|| connection.counts().late == 1);
    let late = there.ids().1 + 1;
    match bare(late) {
        // The release was under way.
        Ok(there) => eventually(|| matches!(there.call("hello", &[]), Err(CallError::Remote(_)))),
        Err(error) => assert!(matches!(error, CallError::Remote(_)), "{error}"),
    }
}

/// libqi knows MetaObjectCache, but must be told to use it; so must we.
#[test]
fn meta_objects_may_come_only_once() {
    let service = Service::start_with("tcp://127.0.0.1:0", "+MetaObjectCache");
    let mut options = SessionOptions::default();
    assert!(!service.session().connection().unwrap().shared().meta_object_cache);
    options.dial.capabilities.meta_object_cache = true;
    let session = service.session_with(options);
    assert!(session.connection().unwrap().shared().meta_object_cache);
    let proof = proof(&session);
    for name in ["one", "two", "three"] {
        let child = proof.call("child", &[name.into()]).unwrap().proxy().unwrap();
        assert_eq!(child.call_to::<String>("hello", &[]).unwrap(), format!("hello from {name}"));
    }
    // What is remembered has one reader: a server on the same connection would be another.
    let server = Server::provider(proof.connection().reactor(), &[], Options::default()).unwrap();
    assert_eq!(server.forward(&proof).map(drop), Err(nanomsg::Error::NOT_SUPPORTED));
}

#[test]
fn services_come_and_go() {
    let mut service = Service::start();
    let session = service.session();
    let names: Vec<_> = session.services().unwrap().into_iter().map(|info| info.name.lossy().into_owned()).collect();
    assert_eq!(names, ["ServiceDirectory", "Proof"]);
    let waiting = session.clone();
    let waiter =
        std::thread::spawn(move || waiting.wait_for_service("Later", Some(LIMIT))?.call_to::<String>("hello", &[]));
    assert_eq!(session.wait_for_service("Never", Some(Duration::from_millis(20))).map(drop), Err(CallError::TimedOut));
    service.tell("register Later");
    assert_eq!(waiter.join().unwrap().unwrap(), "hello from Later");
    // All in one process, so all through one connection.
    let (later, proof) = (session.service("Later").unwrap(), proof(&session));
    assert!(std::ptr::eq(&*later.connection(), &*proof.connection()));
    service.tell("unregister Later");
    drop(later);
    // That it has gone is an event, which may come a little later.
    eventually(|| matches!(session.service("Later"), Err(CallError::NoService { .. })));
}

#[test]
fn a_session_comes_back() {
    let service = Service::start();
    let url = service.url.clone();
    let options = SessionOptions { reconnect: Some(Default::default()), ..SessionOptions::default() };
    let session = service.session_with(options);
    let proof = proof(&session);
    let happened = proof.subscribe("happened").unwrap();
    let lost = proof.start_call("slow", &[], &CallOptions::default()).unwrap();
    service.kill();
    assert!(matches!(lost.wait(), Err(CallError::Disconnected(_))));
    let mut service = Service::start_at(&url);
    eventually(|| session.reconnections() > 0 && proof.call("add", &[1.into(), 2.into()]).is_ok());
    // Whether the subscription is back already is not known from outside; the first event of it tells.
    eventually(|| {
        service.tell("fire 1 again");
        let event = happened.next(Some(Duration::from_millis(100)));
        event.is_ok_and(|event| event.arguments == Value::tuple(vec![1.into(), "again".into()]))
    });
    assert_eq!(happened.interruptions(), 1);
    session.close();
    while let Ok(_event) = happened.next(Some(LIMIT)) {}
    assert!(matches!(happened.next(Some(LIMIT)), Err(CallError::Disconnected(_))));
}

fn nanoqi(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
    command.args(["--qi-url", url]).args(arguments);
    let outcome = run(&mut command, LIMIT);
    (outcome.code.unwrap_or(-1), outcome.stdout.trim().to_owned(), outcome.stderr.trim().to_owned())
}

#[test]
fn nanoqi_end_to_end() {
    let mut service = Service::start();
    let url = service.url.clone();
    let prints = |arguments: &[&str], wanted: &str| {
        let (code, out, err) = nanoqi(&url, arguments);
        assert_eq!((code, out.as_str()), (0, wanted), "{arguments:?}: {err}");
    };
    prints(&["call", "Proof.add", "2", "3"], "5");
    prints(&["call", "Proof.over", "word"], "\"string word\"");
    prints(&["call", "Proof.over::(ii)", "1", "2"], "\"two 1 2\"");
    prints(&["call", "Proof.increment", "{\"a\": 1}"], "{\"a\":2}");
    prints(&["call", "Proof.fire", "1", "x"], "");
    prints(&["get", "Proof.level"], "7");
    prints(&["set", "Proof.level", "8"], "");
    prints(&["get", "Proof.level"], "8");
    prints(&["post", "Proof.level", "9"], "");
    let (_, list, _) = nanoqi(&url, &["list"]);
    assert!(list.contains("Proof") && list.contains("ServiceDirectory"), "{list}");
    let (_, info, _) = nanoqi(&url, &["info", "Proof"]);
    assert!(info.contains("add::(ii) -> i") && info.contains("happened::(is)") && info.contains("level: i"), "{info}");
    prints(&["call", "Proof.add", "2", "3", "--json"], "5");
    prints(&["call", "Proof.fire", "1", "x", "--json"], "null");
    prints(&["get", "Proof.level", "--json"], "8");
    let json = |arguments: &[&str]| -> Vec<Json> {
        let (code, out, err) = nanoqi(&url, arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    };
    let services = json(&["list", "--json"]);
    assert_eq!(
        services.iter().filter(|service| service["name"] == "Proof" && service["endpoints"].is_array()).count(),
        1
    );
    let [info] = &json(&["info", "Proof", "--json"])[..] else { panic!("one line") };
    let add = info["methods"].as_array().unwrap().iter().find(|method| method["name"] == "add").unwrap();
    assert_eq!((&add["parameters"], &add["returns"]), (&"(ii)".into(), &"i".into()), "{add}");
    let (_, info, _) = nanoqi(&url, &["info", "Proof", "--json", "--all"]);
    assert!(info.contains("\"registerEvent\""), "{info}");
    for (arguments, code) in [
        (&["call", "Proof.fail"][..], 4),
        (&["call", "Proof.nope"], 3),
        (&["call", "Nope.nope"], 3),
        (&["call", "Proof.slow", "--timeout", "0.1"], 5),
        (&["--wait", "--timeout", "0.1", "call", "Nope.nope"], 5),
        (&["frob"], 1),
        (&["--qi-url", "tcp://127.0.0.1:1", "list"], 2),
    ] {
        assert_eq!(nanoqi(&url, arguments).0, code, "{arguments:?}");
    }
    // Of a call libqi traces the call and the result, in whatever order its threads come to it.
    let traced = "fire [3,\"three\"]";
    for (what, count, wanted) in [
        (&["watch", "Proof.happened"][..], "1", "[3,\"three\"]"),
        (&["watch", "Proof.happened", "--json"], "1", "[3,\"three\"]"),
        (&["trace", "Proof"], "2", traced),
        (&["trace", "Proof", "--json"], "2", "{\"arguments\":[3,\"three\"],"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
        command.args(["--qi-url", &url, "--count", count]).args(what).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "nanoqi: watching\n");
        prints(&["call", "Proof.fire", "3", "three"], "");
        let output = child.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && out.lines().any(|line| line.contains(wanted)), "{out}");
    }
    assert_eq!(service.tell("fire 4 four"), "ok");
}

/// A service of ours on libqi's bus: called by libqi over either connection, seen to come and to go.
#[test]
fn libqi_calls_what_we_provide() {
    let mut service = Service::start();
    let mut builder = ObjectBuilder::new();
    builder.description("ours");
    builder.method("greet", "(s)", "s", |call| {
        let name = call.arguments.first().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        Ok(Value::from(format!("hello {name}")).into())
    });
    let object = builder.build().unwrap();
    let options = SessionOptions { call_timeout: Some(LIMIT), ..SessionOptions::default() };
    let provider = Provider::start(&service.url, &["tcp://127.0.0.1:0"], options, Options::default()).unwrap();
    provider.register("Ours", &object).unwrap();
    assert_eq!(service.tell("call Ours greet libqi"), "hello libqi");
    // Another process dials our own address, as what is not the directory does.
    let session = service.session();
    let ours = session.service("Ours").unwrap();
    assert_eq!(ours.call_to::<String>("greet", &["you".into()]).unwrap(), "hello you");
    let (_, printed, _) = nanoqi(&service.url, &["call", "Ours.greet", "tool"]);
    assert_eq!(printed, "\"hello tool\"");
    assert!(provider.register("Ours", &object).is_err(), "the name is taken");
    provider.unregister("Ours").unwrap();
    eventually(|| matches!(session.service("Ours"), Err(CallError::NoService { .. })));
    assert!(matches!(ours.call("greet", &["you".into()]), Err(CallError::Remote(_))), "served no more");
    provider.register("Ours", &object).unwrap();
    let again = session.wait_for_service("Ours", Some(LIMIT)).unwrap();
    assert_eq!(again.call_to::<String>("greet", &["you".into()]).unwrap(), "hello you");
    drop(provider);
    let names =
        || session.services().unwrap().into_iter().map(|info| info.name.lossy().into_owned()).collect::<Vec<_>>();
    eventually(|| !names().contains(&"Ours".to_owned()));
}

/// libqi's directory carries out what it was asked, however late, and cannot be told to leave off.
#[test]
fn a_name_that_libqi_gives_too_late_is_not_taken_for_ever() {
    let mut service = Service::start();
    let mut builder = ObjectBuilder::new();
    builder.method("greet", "()", "s", |_| Ok(Value::from("hello").into()));
    let object = builder.build().unwrap();
    let options = SessionOptions { call_timeout: Some(Duration::from_secs(2)), ..SessionOptions::default() };
    let provider = Provider::start(&service.url, &["tcp://127.0.0.1:0"], options, Options::default()).unwrap();
    service.stand_still();
    assert!(matches!(provider.register("Ours", &object), Err(CallError::TimedOut)));
    service.go_on();
    // On a busy machine it is too late once more.
    eventually(|| match provider.register("Ours", &object) {
        Err(CallError::TimedOut) => false,
        outcome => outcome.map(|_| true).unwrap(),
    });
    assert_eq!(service.tell("call Ours greet"), "hello");
}

#[test]
fn a_provider_comes_back() {
    let service = Service::start();
    let url = service.url.clone();
    let mut builder = ObjectBuilder::new();
    builder.method("greet", "()", "s", |_| Ok(Value::from("hello").into()));
    let object = builder.build().unwrap();
    let reconnect = Some(Default::default());
    let options = SessionOptions { call_timeout: Some(LIMIT), reconnect, ..SessionOptions::default() };
    let provider = Provider::start(&url, &["tcp://127.0.0.1:0"], options, Options::default()).unwrap();
    provider.register("Ours", &object).unwrap();
    service.kill();
    let mut service = Service::start_at(&url);
    let session = service.session();
    let ours = session.wait_for_service("Ours", Some(LIMIT)).unwrap();
    assert_eq!(ours.call_to::<String>("greet", &[]).unwrap(), "hello");
    // Over the connection that registered it, which is a new one as well.
    assert_eq!(service.tell("call Ours greet"), "hello");
    drop(provider);
}

#[test]
fn libqi_calls_the_objects_that_we_pass() {
    let service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    let mut builder = ObjectBuilder::new();
    builder.method("hello", "()", "s", |_| Ok(Value::from("hello from here").into()));
    let object = builder.build().unwrap();
    let server = Server::provider(proof.connection().reactor(), &[], Options::default()).unwrap();
    let passed = proof.pass(&server, &object).unwrap();
    let answer = proof.call_to::<String>("ask", &[passed]).unwrap();
    assert_eq!(answer, "it says: hello from here");
    // Python lets go of it, and libqi tells us.
    eventually(|| server.statistics().exports == 0);
}

/// libqi on both sides, and we between them: calls, errors, objects both ways, signals, properties, cancel.
#[test]
fn libqi_reaches_libqi_through_us() {
    let service = Service::start();
    let session = service.session();
    let proof = proof(&session);
    let reactor = proof.connection().reactor().clone();
    let server = Server::standalone(&reactor, &["tcp://127.0.0.1:0"], Options::default()).unwrap();
    server.add_service("Mirror", &server.forward(&proof).unwrap()).unwrap();
    // A subscription of our own on the same connection: there is one registration, and no event comes twice.
    let ours = proof.subscribe("happened").unwrap();
    client("mirror", &server.addresses()[0], None);
    assert_eq!(next(&ours), Value::tuple(vec![5.into(), "five".into()]));
    assert_eq!(next(&ours), Value::tuple(vec![6.into(), "six".into()]));
    assert!(ours.is_empty());
    // The client has gone, and with it all that it was given: libqi answers for none of it.
    eventually(|| server.statistics().exports == 0);
    for object in 3..20 {
        if let Ok(there) = Proxy::new(&proof.connection(), proof.ids().0, object, Some(LIMIT)) {
            eventually(|| matches!(there.call("hello", &[]), Err(CallError::Remote(_))));
        }
    }
}

/// Half of the credentials would be an open door that its owner believes to be closed.
#[test]
fn nanoqi_serves_nobody_with_half_of_its_credentials() {
    for (words, variable, wanted) in [
        (&["serve", "tcp://127.0.0.1:0"][..], Some("secret"), "a token without --user"),
        (&["serve", "tcp://127.0.0.1:0", "--token", "secret"], None, "a token without --user"),
        (&["serve", "tcp://127.0.0.1:0", "--user", "nao"], None, "--user without a token"),
        (&["serve", "tcp://127.0.0.1:0", "--user", "nao"], Some(""), "--user without a token"),
        (&["serve", "tcps://127.0.0.1:0", "--cert", "x.pem"], None, "--cert and --key belong together"),
        (&["serve", "tcps://127.0.0.1:0"], None, "wants --cert and --key"),
        (&["serve", "tcps://127.0.0.1:0", "--cert", "Cargo.toml", "--key", "Cargo.toml"], None, "in PEM"),
        // Nor certificates, for what goes out in plain text.
        (&["serve", "tcp://127.0.0.1:0", "--cert", "Cargo.toml", "--key", "Cargo.toml"], None, "in plain text"),
        (&["serve", "tcps://127.0.0.1:0", "--ca", "Cargo.toml"], None, "--ca is for who connects"),
        (&["list", "--qi-url", "tcp://127.0.0.1:1", "--ca", "Cargo.toml"], None, "in plain text"),
        (&["list", "--qi-url", "tcps://127.0.0.1:1", "--cert", "Cargo.toml"], None, "are for serve"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
        command.args(words).env_remove("NANOQI_TOKEN").envs(variable.map(|text| ("NANOQI_TOKEN", text)));
        let outcome = run(command.current_dir(env!("CARGO_MANIFEST_DIR")), LIMIT);
        assert_eq!(outcome.code, Some(1), "{words:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(wanted), "{words:?}: {}", outcome.stderr);
    }
}

/// A directory with TLS whose certificate has signed itself, and who believes exactly that one. `NANOQI_URL` says where it is.
#[test]
fn nanoqi_serves_and_believes_a_certificate_that_has_signed_itself() {
    let dir = support::ScratchDir::new();
    let mut files = ["robot", "other"].map(|name| {
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let paths = ["cert", "key"].map(|part| dir.path(&format!("{name}.{part}")));
        std::fs::write(&paths[0], params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&paths[1], key.serialize_pem()).unwrap();
        paths.map(|path| path.to_str().unwrap().to_owned())
    });
    let [[certificate, key], [other, _]] = &mut files;
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
    command.args(["serve", "tcps://127.0.0.1:0", "--cert", certificate, "--key", key]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let list = |authority: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
        run(command.args(["--ca", authority, "list"]).env("NANOQI_URL", url.trim()), LIMIT)
    };
    let known = list(certificate);
    let unknown = list(other);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(known.code == Some(0) && known.stdout.contains("ServiceDirectory"), "{}", known.stderr);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("nobody who is believed has signed"), "{}", unknown.stderr);
}

/// Whoever reads has read enough.
#[test]
fn nanoqi_ends_silently_when_its_output_is_closed() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = child.arg("--help").stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let outcome = child.wait_with_output().unwrap();
    assert_eq!((outcome.status.code(), String::from_utf8_lossy(&outcome.stderr).as_ref()), (Some(141), ""));
}

#[test]
fn nanoqi_serves_a_directory() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanoqi"));
    command.args(["serve", "tcp://127.0.0.1:0", "--user", "nao", "--token", "secret"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let url = url.trim();
    let (code, list, _) = nanoqi(url, &["--user", "nao", "--token", "secret", "list"]);
    assert!(code == 0 && list.contains("ServiceDirectory"), "{list}");
    let (code, _, text) = nanoqi(url, &["--user", "nao", "--token", "wrong", "list"]);
    assert!(code == 2 && text.contains("authentication rejected: unknown user or wrong token"), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
}
