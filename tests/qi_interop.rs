//! The genuine `qi` package (libqi) as client, and as provider, of our directory and services.

mod support;

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use nanomsg::internals::Session;
use nanomsg::qi::convert::convert;
use nanomsg::qi::server::TlsServer;
use nanomsg::qi::server::{Answer, Call, CallError, Limits, Object, ObjectBuilder, Options, Remote, Server, Verdict};
use nanomsg::qi::signature::Signature;
use nanomsg::qi::value::Value;
use support::libqi::client;

const LONG: Duration = Duration::from_secs(20);

/// libqi's own id of the machine, and ours: services of both are on one machine then.
const MACHINE: &str = "a-machine-of-the-tests";

/// What the methods know of their server, once it runs.
type Bus = Arc<std::sync::OnceLock<Weak<Server>>>;

fn text(value: &Value) -> Result<&str, CallError> {
    value.as_str().ok_or_else(|| "not UTF-8".into())
}

fn integer(value: &Value) -> i64 {
    value.integer().and_then(|number| number.try_into().ok()).unwrap_or_default()
}

fn counter() -> Result<Object, CallError> {
    let mut builder = ObjectBuilder::new();
    let object: Arc<std::sync::OnceLock<Object>> = Arc::default();
    let this = Arc::clone(&object);
    builder.method("increment", "()", "i", move |_| {
        let this = this.get().ok_or("not yet")?;
        let value = this.get("value").map_or(0, |value| integer(&value)) + 1;
        this.set("value", value).map_err(|error| error.to_string())?;
        Ok(value.into())
    });
    builder.property("value", "i", 0);
    let built = builder.build()?;
    Ok(object.get_or_init(|| built).clone())
}

fn simple_methods(probe: &mut ObjectBuilder) {
    probe.method("add", "(ii)", "i", |call| Ok((integer(&call.arguments[0]) + integer(&call.arguments[1])).into()));
    probe.method("upper", "(s)", "s", |call| Ok(text(&call.arguments[0])?.to_uppercase().into()));
    probe.method("echo", "(m)", "m", |call| Ok(call.arguments[0].clone().into()));
    probe.method("vargs", "m", "[m]", |call| {
        let tuple = Value::tuple(call.arguments.clone());
        let list = tuple.members().unwrap_or_default().iter().cloned().map(Value::into_dynamic).collect();
        Ok(Value::list(Signature::parse("m").map_err(|error| error.to_string())?, list).into())
    });
    probe.method("incr", "({si})", "{si}", |call| {
        let entries = call.arguments[0].entries().unwrap_or_default();
        let more = |(key, value): &(Value, Value)| (key.clone(), Value::from(integer(value) + 1));
        let int: Signature = Signature::parse("l").map_err(|error| error.to_string())?;
        let string = Signature::parse("s").map_err(|error| error.to_string())?;
        Ok(Value::map(string, int, entries.iter().map(more).collect()).into())
    });
    probe.method("some", "(+i)", "+i", |call| {
        let Value::Optional(optional) = &call.arguments[0] else { return Err("not an optional".into()) };
        let more = optional.value.as_ref().map(|value| Value::Int32(integer(value) as i32 + 1));
        Ok(Value::optional(optional.element.clone(), more).into())
    });
    for parameters in ["(i)", "(s)", "(ii)"] {
        let name = parameters.trim_matches(['(', ')']);
        probe.method("over", parameters, "s", move |_| Ok(name.into()));
    }
    probe.method("raw", "(r)", "r", |call| {
        let Value::Raw(bytes) = &call.arguments[0] else { return Err("not raw".into()) };
        let mut bytes = bytes.to_vec();
        bytes.reverse();
        Ok(Value::Raw(bytes.into()).into())
    });
    probe.method("widths", "(cCwWiIlLfd)", "(cCwWiIlLfd)", |call| Ok(Value::tuple(call.arguments.clone()).into()));
    probe.method("fail", "()", "v", |_| Err("a deliberate failure".into()));
    probe.method_later("silent", "()", "v", drop);
    probe.method("explode", "()", "v", |_| panic!("a deliberate panic"));
    probe.method("who", "()", "s", |call| Ok(call.caller.user().unwrap_or_default().into()));
}

/// Answers when it is cancelled, and not before.
fn slow(call: Call) {
    let (sender, receiver) = std::sync::mpsc::channel();
    call.on_cancel(move || {
        let _ = sender.send(());
    });
    let canceled = receiver.recv_timeout(LONG).is_ok();
    call.reply(if canceled { Err(CallError::Canceled) } else { Ok(Answer::void()) });
}

/// Emits until so many events are lost; how many were sent, and lost.
fn flood(object: &Object, lost: i64) -> Result<Answer, CallError> {
    let (mut sent, mut dropped, text) = (0, 0, "x".repeat(1000));
    while dropped < lost {
        let emitted =
            object.emit("fired", vec![sent.into(), text.as_str().into()]).map_err(|error| error.to_string())?;
        (sent, dropped) = (sent + emitted.sent as i64, dropped + emitted.dropped as i64);
    }
    Ok(Value::tuple(vec![sent.into(), dropped.into()]).into())
}

/// Emits a last event until there is room for it.
fn last(object: &Object) -> Result<Answer, CallError> {
    while object.emit("fired", vec![Value::from(-1), "".into()]).map_err(|error| error.to_string())?.sent == 0 {
        std::thread::yield_now();
    }
    Ok(Answer::void())
}

/// A service whose method waits, and one that knows when it has begun, and lets it go on.
fn gate_and_key(room: usize) -> (Object, Object) {
    let (begin, begun) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel();
    let (begun, released) = (Mutex::new(begun), Mutex::new(released));
    let (mut gate, mut key) = (ObjectBuilder::new(), ObjectBuilder::new());
    // Half of it is one connection's share.
    gate.limits(Limits { tasks: 2 * room, ..Limits::default() });
    gate.method("wait", "()", "v", move |_| {
        begin.send(()).map_err(|error| error.to_string())?;
        let released = released.lock().map_err(|error| error.to_string())?;
        released.recv_timeout(LONG).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    });
    key.method("begun", "()", "v", move |_| {
        begun.lock().map_err(|error| error.to_string())?.recv_timeout(LONG).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    });
    key.method("release", "(i)", "v", move |call| {
        (0..integer(&call.arguments[0])).try_for_each(|_| release.send(())).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    });
    (gate.build().expect("a gate"), key.build().expect("a key"))
}

fn probe(bus: &Bus) -> Object {
    let this: Arc<std::sync::OnceLock<Object>> = Arc::default();
    let mut probe = ObjectBuilder::new();
    simple_methods(&mut probe);
    probe.method_later("slow", "()", "v", slow);
    probe.signal("fired", "(is)");
    probe.signal("anything", "m");
    probe.property_checked("level", "i", 7, |value| match integer(value) {
        101.. => Err("too high".into()),
        _ => Ok(()),
    });
    let me = Arc::clone(&this);
    probe.method("fire", "(is)", "v", move |call| {
        let me = me.get().ok_or("not yet")?;
        me.emit("fired", call.arguments.clone()).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    });
    let me = Arc::clone(&this);
    probe.method("fire_anything", "()", "v", move |_| {
        let list = Value::list(Signature::parse("s").unwrap(), vec!["a".into()]);
        let list = convert(list, &Signature::parse("m").unwrap()).map_err(|error| error.to_string())?;
        let me = me.get().ok_or("not yet")?;
        me.emit("anything", vec![1.into(), list]).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    });
    let me = Arc::clone(&this);
    probe.method("flood", "(i)", "(ii)", move |call| flood(me.get().ok_or("not yet")?, integer(&call.arguments[0])));
    let me = Arc::clone(&this);
    probe.method("last", "()", "v", move |_| last(me.get().ok_or("not yet")?));
    probe.method("counter", "()", "o", |_| Ok(Answer::from(&counter()?)));
    probe.method("meet", "(o)", "s", |call| {
        let guest = call.remote(&call.arguments[0]).ok_or("no object")?;
        Ok(guest.call("hello", vec!["server".into()], LONG)?.into())
    });
    probe.method("read", "(o)", "m", |call| {
        let guest = call.remote(&call.arguments[0]).ok_or("no object")?;
        Ok(guest.call("property", vec![Value::from("value").into_dynamic().into()], LONG)?.into())
    });
    let lent: Arc<Mutex<Option<Remote>>> = Arc::default();
    let keep = Arc::clone(&lent);
    probe.method("lend", "(o)", "v", move |call| {
        *keep.lock().map_err(|error| error.to_string())? = call.remote(&call.arguments[0]);
        Ok(Answer::void())
    });
    probe.method("borrow", "()", "o", move |_| {
        Ok(Answer::from(lent.lock().map_err(|error| error.to_string())?.as_ref().ok_or("nothing there")?))
    });
    let server = Arc::clone(bus);
    probe.method("exports", "()", "i", move |_| {
        let server = server.get().and_then(Weak::upgrade).ok_or("not yet")?;
        Ok((server.statistics().exports as i64).into())
    });
    let server = Arc::clone(bus);
    probe.method("visit", "(s)", "s", move |call| {
        let server = server.get().and_then(Weak::upgrade).ok_or("not yet")?;
        let remote = server.reach(text(&call.arguments[0])?, LONG)?;
        Ok(remote.call("hello", vec!["server".into()], LONG)?.into())
    });
    let built = probe.build().expect("a valid object");
    this.get_or_init(|| built).clone()
}

/// Runs a scenario of `tests/python/qi_client.py` against a server with these options.
fn scenario(name: &str, options: Options) {
    scenario_at(name, "tcp://127.0.0.1:0", options, Some(MACHINE));
}

/// `machine`: what libqi takes for this machine's id; `None`: one of its own.
fn scenario_at(name: &str, url: &str, options: Options, machine: Option<&str>) {
    let session = Session::start().expect("a session");
    let bus = Bus::default();
    let probe = probe(&bus);
    let options = Options { machine_id: Some(MACHINE.into()), ..options };
    let server = Server::standalone(session.reactor(), &[url], options).expect("a server");
    let server = Arc::new(server);
    bus.get_or_init(|| Arc::downgrade(&server));
    assert_eq!(server.add_service("Probe", &probe), Ok(2));
    let (gate, key) = gate_and_key(50);
    server.add_service("Gate", &gate).and_then(|_| server.add_service("Key", &key)).expect("two services more");
    client(name, &server.addresses()[0], machine);
    server.close();
    session.stop();
}

#[test]
fn services_are_listed() {
    scenario("services", Options::default());
}

#[test]
fn calls_of_all_types() {
    scenario("calls", Options::default());
}

/// To libqi the server is on another machine then, whose loopback endpoints it does not dial; the connection that it has will do
/// (section 12).
#[test]
fn clients_of_another_machine_use_the_connection_they_have() {
    scenario_at("calls", "tcp://127.0.0.1:0", Options::default(), None);
}

#[test]
fn errors_reach_the_caller() {
    scenario("errors", Options::default());
    scenario("mishaps", Options::default());
}

#[test]
fn signals_and_properties() {
    scenario("signals", Options::default());
    scenario("checked", Options::default());
}

#[test]
fn objects_both_ways() {
    scenario("objects", Options::default());
}

#[test]
fn calls_are_cancelled() {
    scenario("cancel", Options::default());
}

#[test]
fn clients_with_equal_links() {
    scenario("two", Options::default());
}

#[test]
fn services_of_clients() {
    scenario("provider", Options::default());
}

#[test]
fn objects_of_one_client_for_another() {
    scenario("lend", Options::default());
}

/// libqi speaks TLS 1.2 and believes every certificate. The other way round there is nothing to be tried: its Python package
/// cannot be given the key that a listener needs.
#[test]
fn libqi_calls_over_tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    for name in ["calls", "objects", "provider"] {
        let mut options = Options::default();
        let (chain, key) = (made.cert.pem(), made.key_pair.serialize_pem());
        options.connection.tls_server =
            Some(TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).expect("an identity"));
        scenario_at(name, "tcps://127.0.0.1:0", options, Some(MACHINE));
    }
}

#[test]
fn a_full_mailbox_refuses_what_does_not_fit() {
    scenario("overflow", Options::default());
}

#[test]
fn a_subscriber_that_stands_still_loses_what_we_say() {
    scenario("standstill", Options { event_limit: 256 * 1024, ..Options::default() });
}

#[test]
fn users_log_in() {
    let options = Options::default().authenticator(|shown| match (shown.user, shown.token) {
        (Some(b"nao"), Some(b"secret")) => Verdict::Accept(Vec::new()),
        _ => Verdict::Reject("who are you?".into()),
    });
    scenario("login", options);
}
