//! Objects that travel: returned, emitted, and passed by clients (section 13).

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use crate::qi::calls::Counts;
use crate::qi::endpoint::{Budget, Reason};
use crate::qi::message::{Header, Message, Type};
use crate::qi::meta::MetaObject;
use crate::qi::server::Received;
use crate::qi::server::Remote;
use crate::qi::server::{Answer, CallError};
use crate::qi::server::{Object, ObjectBuilder};
use crate::qi::value::{self, Value};
use crate::sys::sync::Mutex;

use super::harness::*;

const MAKE: u32 = 100;
const TAKE: u32 = 101;
const MADE: u32 = 102;
const LIST: u32 = 103;

fn child() -> Object {
    let mut builder = ObjectBuilder::new();
    builder.method("hello", "()", "s", |_| Ok("hello".into()));
    builder.signal("changed", "(i)");
    builder.build().unwrap()
}

type Guests = Arc<Mutex<Vec<Remote>>>;

struct Setting {
    world: World,
    parent: Object,
    guests: Guests,
    /// The child that was made last.
    last: Arc<Mutex<Weak<()>>>,
}

fn setting() -> Setting {
    let guests = Guests::default();
    let last: Arc<Mutex<Weak<()>>> = Arc::default();
    let mut builder = ObjectBuilder::new();
    let made = Arc::clone(&last);
    builder.method("make", "()", "o", move |_| {
        let life = Arc::new(());
        *made.lock() = Arc::downgrade(&life);
        let mut builder = ObjectBuilder::new();
        builder.method("hello", "()", "s", move |_| {
            let _life = &life;
            Ok("hello".into())
        });
        builder.signal("changed", "(i)");
        Ok(Answer::from(&builder.build()?))
    });
    let keep = Arc::clone(&guests);
    builder.method("take", "(ob)", "v", move |call| {
        let guest = call.remote(&call.arguments[0]).ok_or("no object")?;
        if call.arguments[1] == true.into() {
            keep.lock().push(guest);
        }
        Ok(Answer::void())
    });
    builder.signal("made", "(m)");
    builder.method("list", "()", "[m]", |_| {
        let (one, two) = (child(), child());
        let items = vec![one.to_value().into_dynamic(), two.to_value().into_dynamic()];
        Ok(Answer::from(Value::list(signature("m"), items)).carrying(&one).carrying(&two))
    });
    let parent = builder.build().unwrap();
    Setting { world: World::serving(&parent), parent, guests, last }
}

fn reference(value: &Value) -> (u32, u32) {
    match value.clone().undynamic().unwrap() {
        Value::Object(object) => (object.service, object.object),
        other => panic!("{other:?}"),
    }
}

fn made(setting: &Setting, client: &Client) -> (u32, u32) {
    client.call(MAKE, Bytes::new());
    setting.world.run();
    reference(&result(&client.only(), "o"))
}

fn hello(setting: &Setting, client: &Client, (service, object): (u32, u32)) -> Message {
    client.call_at((service, object, 100), Bytes::new());
    setting.world.run();
    client.only()
}

fn terminate(client: &Client, (service, object): (u32, u32)) {
    client.message(Message::post(5, service, object, 3, args("(I)", vec![service.into()])));
}

#[test]
fn a_returned_object_lives_under_the_service_on_this_connection_only() {
    let setting = setting();
    let (client, other) = (setting.world.client(), setting.world.client());
    let address = made(&setting, &client);
    assert_eq!(address.0, SERVICE);
    assert!(address.1 >= 3, "1 is the main object, and libqi skips 2");
    assert_eq!(result(&hello(&setting, &client, address), "s").as_str(), Some("hello"));
    assert_eq!(error(&hello(&setting, &other, address)), "The call request could not be handled.");
    assert_ne!(made(&setting, &client), address);
    assert_eq!(client.peer.exports(), 2);
}

#[test]
fn terminate_releases_it() {
    let setting = setting();
    let client = setting.world.client();
    let address = made(&setting, &client);
    assert!(setting.last.lock().upgrade().is_some());
    terminate(&client, address);
    client.none();
    assert!(setting.last.lock().upgrade().is_none(), "the object itself is gone");
    assert_eq!(error(&hello(&setting, &client, address)), "The call request could not be handled.");
    terminate(&client, address);
    client.none();
}

/// Each object takes memory of the budget until it is released; one that was sent before takes an entry.
#[test]
fn objects_that_peers_keep_count_in_the_budget() {
    let mut setting = setting();
    setting.world.budget = Budget::new(1 << 20);
    let clients = [(); 3].map(|()| setting.world.client());
    let mut kept = [const { Vec::new() }; 3];
    for (client, kept) in clients.iter().zip(&mut kept) {
        loop {
            client.call(MAKE, Bytes::new());
            setting.world.run();
            let answer = client.only();
            if answer.header.ty == Type::Error {
                assert!(error(&answer).contains("no memory for more of them"), "{answer:?}");
                break;
            }
            kept.push(reference(&result(&answer, "o")));
            assert!(kept.len() < 200, "objects take no memory");
        }
    }
    let counts = [0, 1, 2].map(|client: usize| kept[client].len());
    assert!(counts[0] > 10 && counts[0] > counts[1] && counts[2] > 0, "{counts:?}");
    // What is released makes room, and the end of a connection gives all of it back.
    terminate(&clients[2], kept[2][0]);
    clients[2].none();
    made(&setting, &clients[2]);
    let used = setting.world.budget.used();
    clients[0].end();
    assert!(setting.world.budget.used() < used / 2 + used / 4);
    made(&setting, &clients[2]);
    for client in &clients[1..] {
        client.end();
    }
    assert_eq!(setting.world.budget.used(), 0);
}

#[test]
fn an_object_that_is_sent_twice_is_paid_for_once() {
    let same = child();
    let mut builder = ObjectBuilder::new();
    let given = same.clone();
    let get = builder.method("get", "()", "o", move |_| Ok(Answer::from(&given)));
    let parent = builder.build().unwrap();
    let mut world = World::new();
    world.budget = Budget::new(4 << 20);
    world.router.add_service(SERVICE, &parent);
    let client = world.client();
    for _ in 0..2_000 {
        client.call(get, Bytes::new());
        world.run();
        result(&client.only(), "o");
    }
    assert_eq!(client.peer.exports(), 2_000);
    client.end();
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn the_end_of_the_connection_releases_everything() {
    let setting = setting();
    let client = setting.world.client();
    made(&setting, &client);
    let address = made(&setting, &client);
    client.call_at((address.0, address.1, 0), args("(IIL)", vec![0u32.into(), 101u32.into(), 1u64.into()]));
    client.only();
    assert_eq!(client.peer.subscriptions(), 1);
    client.end();
    assert!(setting.last.lock().upgrade().is_none());
    assert_eq!((client.peer.exports(), client.peer.subscriptions()), (0, 0));
}

#[test]
fn what_was_not_sent_is_not_kept() {
    let setting = setting();
    let client = setting.world.client();
    client.call(MAKE, Bytes::new());
    client.end();
    setting.world.run();
    assert!(setting.last.lock().upgrade().is_none());
    assert_eq!(client.peer.exports(), 0);
}

#[test]
fn objects_within_values() {
    let setting = setting();
    let client = setting.world.client();
    client.call(LIST, Bytes::new());
    setting.world.run();
    let list = result(&client.only(), "[m]");
    let addresses: Vec<_> = list.items().unwrap().iter().map(reference).collect();
    assert_eq!(addresses.len(), 2);
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        assert_eq!(result(&hello(&setting, &client, address), "s").as_str(), Some("hello"));
    }
}

#[test]
fn objects_in_events_are_given_to_each_subscriber() {
    let setting = setting();
    let (one, two, full) = (setting.world.client(), setting.world.client(), setting.world.client());
    one.subscribe(MADE, 1);
    one.subscribe(MADE, 2);
    two.subscribe(MADE, 1);
    full.subscribe(MADE, 1);
    full.room(0);
    let child = child();
    let emitted =
        setting.parent.emit_with("made", vec![child.to_value().into_dynamic()], std::slice::from_ref(&child)).unwrap();
    assert_eq!((emitted.sent, emitted.dropped), (3, 1));
    assert_eq!((one.peer.exports(), two.peer.exports(), full.peer.exports()), (2, 1, 0));
    let events = one.take();
    let addresses: Vec<_> = events
        .iter()
        .map(|event| {
            let tuple = crate::qi::value::Reader::new(&event.payload).shared(LIBQI).read(&signature("(m)")).unwrap();
            reference(&tuple.members().unwrap()[0])
        })
        .collect();
    assert_ne!(addresses[0], addresses[1], "each registration releases its own");
    terminate(&one, addresses[0]);
    assert_eq!(result(&hello(&setting, &one, addresses[1]), "s").as_str(), Some("hello"));
}

/// An object of the client's: its reference as an argument.
fn guest(id: u32) -> Value {
    let mut meta = crate::qi::meta::Builder::new();
    meta.method("double", "(i)", "i");
    meta.method("give", "(o)", "v");
    meta.signal("rang", "(i)");
    let meta: Arc<MetaObject> = Arc::new(meta.build().unwrap());
    Value::Object(Arc::new(value::Object { meta, service: SERVICE, object: id, uid: Some([7; 20]) }))
}

const GUEST: u32 = 0x8000_0005;

fn taken(setting: &Setting, client: &Client, keep: bool) -> Option<Remote> {
    client.call(TAKE, args_shared("(ob)", vec![guest(GUEST), keep.into()]));
    setting.world.run();
    let sent: Vec<_> = client.take().iter().map(|message| (message.header.ty, message.header.action)).collect();
    // The answer may have the object in it, so what is not kept is released after it.
    let expected = [(Type::Reply, TAKE), (Type::Post, 3)];
    assert_eq!(sent, expected[..if keep { 1 } else { 2 }]);
    setting.guests.lock().pop()
}

type Answers = Arc<Mutex<Vec<Result<Value, CallError>>>>;

fn ask(remote: &Remote, name: &str, arguments: Vec<Answer>) -> Answers {
    let answers = Answers::default();
    let keep = Arc::clone(&answers);
    remote.call_then(name, arguments, move |answer| keep.lock().push(answer.map(|given| (*given).clone())));
    answers
}

#[test]
fn a_clients_object_is_called_back_on_its_connection() {
    let setting = setting();
    let client = setting.world.client();
    let remote = taken(&setting, &client, true).unwrap();
    let answers = ask(&remote, "double", vec![21.into()]);
    let call = client.only();
    let Header { ty, service, object, action, .. } = call.header;
    assert_eq!((ty, service, object, action), (Type::Call, SERVICE, GUEST, 100));
    assert_eq!(&call.payload[..], b"\x15\0\0\0");
    // An answer that belongs to another object does not count.
    let other = Header { object: GUEST + 1, ..call.header };
    client.message(Message::reply_to(&other, args("(i)", vec![1.into()])));
    assert!(answers.lock().is_empty());
    client.message(Message::reply_to(&call.header, args("(i)", vec![42.into()])));
    client.message(Message::reply_to(&call.header, args("(i)", vec![43.into()])));
    assert_eq!(*answers.lock(), [Ok(42.into())]);
    let answers = ask(&remote, "double", vec![21.into()]);
    client.message(Message::error_to(&client.only().header, "no"));
    assert_eq!(*answers.lock(), [Err(CallError::Remote("no".into()))]);
    let answers = ask(&remote, "nonsense", vec![]);
    assert_eq!(answers.lock().len(), 1, "known without asking");
    client.none();
}

#[test]
fn calls_to_a_silent_peer_that_are_given_up_leave_nothing_and_are_cancelled() {
    let setting = setting();
    let client = setting.world.client();
    let remote = taken(&setting, &client, true).unwrap();
    let mut calls = Vec::new();
    for _ in 0..1000 {
        let answer = remote.call("double", vec![21.into()], Duration::ZERO);
        assert_eq!(answer.map(drop), Err(CallError::TimedOut));
        let sent = client.take();
        let [call, cancel] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!((call.header.ty, cancel.header.ty), (Type::Call, Type::Cancel));
        assert_eq!(cancel.canceled_id(), call.header.id);
        calls.push(call.header);
    }
    assert_eq!(client.peer.requester.pending_calls(), 0);
    // What comes all the same is known, and nobody's.
    calls.iter().for_each(|call| client.message(Message::reply_to(call, args("(i)", vec![42.into()]))));
    assert_eq!(client.peer.requester.counts(), Counts { late: 1000, unknown: 0 });
    client.none();
}

#[test]
fn a_clients_object_is_released_when_nobody_has_it() {
    let setting = setting();
    let client = setting.world.client();
    assert!(taken(&setting, &client, false).is_none(), "the post was terminate");
    let remote = taken(&setting, &client, true).unwrap();
    let same = remote.clone();
    drop(remote);
    client.none();
    drop(same);
    let post = client.only();
    let Header { ty, service, object, action, .. } = post.header;
    assert_eq!((ty, service, object, action), (Type::Post, SERVICE, GUEST, 3));
    assert_eq!(post.payload.len(), 4);
}

#[test]
fn the_end_of_the_connection_fails_what_waits() {
    let setting = setting();
    let client = setting.world.client();
    let remote = taken(&setting, &client, true).unwrap();
    let answers = ask(&remote, "double", vec![1.into()]);
    client.take();
    client.end();
    assert_eq!(*answers.lock(), [Err(CallError::Disconnected(Reason::PeerClosed))]);
    assert_eq!(*ask(&remote, "double", vec![1.into()]).lock(), [Err(CallError::Disconnected(Reason::PeerClosed))]);
    drop(remote);
    client.none();
}

#[test]
fn our_objects_go_along_as_arguments() {
    let setting = setting();
    let client = setting.world.client();
    let remote = taken(&setting, &client, true).unwrap();
    ask(&remote, "give", vec![Answer::from(&child())]);
    let call = client.only();
    let tuple = value::Reader::new(&call.payload).shared(LIBQI).read(&signature("(o)")).unwrap();
    let address = reference(&tuple.members().unwrap()[0]);
    assert_eq!(address.0, SERVICE, "the id is borrowed");
    assert!(address.1 >= 0x8000_0000);
    assert_eq!(result(&hello(&setting, &client, address), "s").as_str(), Some("hello"));
    terminate(&client, address);
    assert_eq!(client.peer.exports(), 0);
}

/// Peers may release what a call of ours carried before they answer it, or after (section 13).
#[test]
fn terminate_may_come_before_the_reply_or_after() {
    let setting = setting();
    let client = setting.world.client();
    let remote = taken(&setting, &client, true).unwrap();
    for before in [true, false] {
        let answers = ask(&remote, "give", vec![Answer::from(&child())]);
        let call = client.only();
        let tuple = value::Reader::new(&call.payload).shared(LIBQI).read(&signature("(o)")).unwrap();
        let address = reference(&tuple.members().unwrap()[0]);
        let reply = Message::reply_to(&call.header, Bytes::new());
        if before {
            terminate(&client, address);
            assert!(answers.lock().is_empty());
            assert_eq!(error(&hello(&setting, &client, address)), "The call request could not be handled.");
            client.message(reply);
        } else {
            client.message(reply);
            assert_eq!(result(&hello(&setting, &client, address), "s").as_str(), Some("hello"));
            terminate(&client, address);
        }
        assert_eq!(*answers.lock(), [Ok(Value::Void)]);
        assert_eq!(client.peer.exports(), 0);
    }
    client.none();
}

#[test]
fn events_of_a_clients_object() {
    let setting = setting();
    let client = setting.world.client();
    let remote = taken(&setting, &client, true).unwrap();
    let sum = Arc::new(AtomicU32::new(0));
    let add = Arc::clone(&sum);
    let listener = move |arguments: &Received| {
        let number = arguments.members().unwrap()[0].integer().unwrap() as u32;
        add.fetch_add(number, Ordering::Relaxed);
    };
    remote.listen("rang", listener, |done| done.unwrap()).unwrap();
    let call = client.only();
    assert_eq!((call.header.action, call.payload.len()), (0, 16));
    let ring = |number: i32| Message::event(1, SERVICE, GUEST, 102, args("(i)", vec![number.into()]));
    // It may come before the Reply.
    client.message(ring(3));
    client.message(Message::reply_to(&call.header, Bytes::from_static(&[0; 8])));
    client.message(ring(4));
    client.message(Message::event(1, SERVICE, GUEST, 102, Bytes::new()));
    assert_eq!(sum.load(Ordering::Relaxed), 7);
    drop(remote);
    client.only();
    client.message(ring(5));
    assert_eq!(sum.load(Ordering::Relaxed), 7);
}

/// Others would be given a reference that leads nowhere on their connections.
#[test]
fn a_property_refuses_objects_of_who_sets_it() {
    let mut builder = ObjectBuilder::new();
    builder.property("any", "m", 1);
    let object = builder.build().unwrap();
    let world = World::serving(&object);
    let client = world.client();
    let list = Value::list(signature("m"), vec![Value::from(7).into_dynamic(), guest(GUEST).into_dynamic()]);
    for value in [guest(GUEST).into_dynamic(), list.into_dynamic()] {
        client.call(6, args_shared("(mm)", vec![Value::from("any").into_dynamic(), value]));
        world.run();
        let sent = client.take();
        assert!(error(&sent[0]).contains("objects"), "{sent:?}");
        assert_eq!((sent.len(), sent[1].header.ty, sent[1].header.action), (2, Type::Post, 3), "and it is released");
        assert_eq!(object.get("any"), Some(Value::from(1).into_dynamic()));
    }
}

/// Who sent it may let it go at once, not only when the connection ends.
#[test]
fn objects_in_what_is_not_done_are_released() {
    let mut builder = ObjectBuilder::new();
    builder.limits(crate::qi::server::mailbox::Limits { tasks: 3, bytes: 1 << 20 });
    let number = builder.method("number", "(i)", "v", |_| Ok(Answer::void()));
    let take = builder.method("take", "(o)", "v", |_| Ok(Answer::void()));
    let any = builder.method("any", "m", "v", |_| Ok(Answer::void()));
    let shown = builder.signal("shown", "(o)");
    let object = builder.build().unwrap();
    let world = World::serving(&object);
    let client = world.client();
    let released = |what: &str, times: usize| {
        let posts = client.take().into_iter().filter(|sent| (sent.header.ty, sent.header.action) == (Type::Post, 3));
        assert_eq!(posts.count(), times, "{what}");
    };
    let as_dynamic = || dynamic_shared(Value::tuple(vec![guest(GUEST)]));
    client.call_flags((SERVICE, 1, number), as_dynamic(), crate::qi::message::Flags::DYNAMIC_PAYLOAD);
    world.run();
    released("an object for a number", 1);
    let cancelled = client.call(take, args_shared("(o)", vec![guest(GUEST)]));
    client.cancel(cancelled);
    released("a call that is cancelled before it is made", 1);
    for _ in 0..3 {
        client.call(take, args_shared("(o)", vec![guest(GUEST)]));
    }
    let waiting = object.statistics().waiting;
    released("calls for which there is no room", 3 - waiting);
    client.post(shown, args_shared("(o)", vec![guest(GUEST)]));
    client.call(any, as_dynamic());
    released("a post, and a dynamic, without room", 2);
    world.run();
    released("what has been done", waiting);
}
