//! Objects of one peer in the hands of another: everything goes through us (section 13).

use std::sync::Arc;

use bytes::Bytes;

use crate::qi::capability::Capabilities;
use crate::qi::message::{Header, Message, Type};
use crate::qi::meta::MetaObject;
use crate::qi::server::Remote;
use crate::qi::server::{Answer, ObjectBuilder};
use crate::qi::value::{self, Value};
use crate::sys::sync::Mutex;

use super::harness::*;

const LEND: u32 = 100;
const BORROW: u32 = 101;
const ECHO: u32 = 102;
const LENT: u32 = 103;

// Of the guest.
const DOUBLE: u32 = 100;
const GIVE: u32 = 101;
const MAKE: u32 = 102;
const RANG: u32 = 103;
const LEVEL: u32 = 104;
const GUEST: u32 = 0x8000_0005;

struct Setting {
    world: World,
    owner: Client,
    kept: Arc<Mutex<Option<Remote>>>,
}

/// A server that keeps an object of one client's for others, and that client.
fn setting() -> Setting {
    let kept = Arc::new(Mutex::new(None));
    let mut builder = ObjectBuilder::new();
    let keep = Arc::clone(&kept);
    builder.method("lend", "(o)", "v", move |call| {
        *keep.lock() = call.remote(&call.arguments[0]);
        Ok(Answer::void())
    });
    let keep = Arc::clone(&kept);
    builder.method("borrow", "()", "o", move |_| Ok(Answer::from(keep.lock().as_ref().ok_or("nothing there")?)));
    builder.method("echo", "(m)", "m", |call| Ok(call.arguments[0].clone().into()));
    builder.signal("lent", "(m)");
    let world = World::serving(&builder.build().unwrap());
    let owner = world.client();
    owner.call(LEND, args_shared("(o)", vec![guest(guest_meta())]));
    world.run();
    owner.only();
    Setting { world, owner, kept }
}

fn guest_meta() -> MetaObject {
    let mut meta = crate::qi::meta::Builder::new();
    meta.method("double", "(i)", "i");
    meta.method("give", "(o)", "v");
    meta.method("make", "()", "o");
    meta.signal("rang", "(i)");
    meta.property("level", "i");
    meta.build().unwrap()
}

fn guest(meta: MetaObject) -> Value {
    Value::Object(Arc::new(value::Object { meta: Arc::new(meta), service: SERVICE, object: GUEST, uid: Some([7; 20]) }))
}

fn object(value: &Value) -> Arc<value::Object> {
    match value.clone().undynamic().unwrap() {
        Value::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

fn borrowed(setting: &Setting, client: &Client) -> Arc<value::Object> {
    client.call(BORROW, Bytes::new());
    setting.world.run();
    object(&result(&client.only(), "o"))
}

/// A call of a borrowed object's method; gives what comes to its owner.
fn through(setting: &Setting, client: &Client, object: &value::Object, action: u32, payload: Bytes) -> Message {
    client.call_at((object.service, object.object, action), payload);
    setting.world.run();
    setting.owner.only()
}

fn terminate(setting: &Setting, client: &Client, object: &value::Object) {
    client.message(Message::post(5, object.service, object.object, 3, args("(I)", vec![0u32.into()])));
    setting.world.run();
}

fn registration(signal: u32, link: u64) -> Bytes {
    args("(IIL)", vec![SERVICE.into(), signal.into(), link.into()])
}

fn ring(number: i32) -> Message {
    Message::event(1, SERVICE, GUEST, RANG, args("(i)", vec![number.into()]))
}

#[test]
fn calls_and_their_answers_hop() {
    let setting = setting();
    let client = setting.world.client();
    let there = borrowed(&setting, &client);
    assert_eq!(there.uid, Some([7; 20]), "it is the same object");
    assert_ne!(there.object, GUEST, "at another address");
    let call = through(&setting, &client, &there, DOUBLE, args("(i)", vec![21.into()]));
    let Header { ty, service, object, action, .. } = call.header;
    assert_eq!((ty, service, object, action), (Type::Call, SERVICE, GUEST, DOUBLE));
    client.none();
    setting.owner.message(Message::reply_to(&call.header, args("(i)", vec![42.into()])));
    assert_eq!(result(&client.only(), "i"), Value::Int32(42));
    let call = through(&setting, &client, &there, DOUBLE, args("(i)", vec![1.into()]));
    setting.owner.message(Message::error_to(&call.header, "too small"));
    assert_eq!(error(&client.only()), "too small");
    // A Post has no answer, neither here nor there.
    client.message(Message::post(6, there.service, there.object, DOUBLE, args("(i)", vec![2.into()])));
    setting.world.run();
    assert_eq!(setting.owner.only().header.ty, Type::Post);
    // Nonsense does not get as far as that.
    client.call_at((there.service, there.object, DOUBLE), Bytes::new());
    setting.world.run();
    assert!(error(&client.only()).contains("double"));
    setting.owner.none();
}

#[test]
fn a_cancel_hops() {
    let setting = setting();
    let client = setting.world.client();
    let there = borrowed(&setting, &client);
    let id = client.call_at((there.service, there.object, DOUBLE), args("(i)", vec![1.into()]));
    setting.world.run();
    let call = setting.owner.only();
    client.cancel(id);
    let cancel = setting.owner.only();
    assert_eq!((cancel.header.ty, cancel.canceled_id()), (Type::Cancel, call.header.id));
    client.none();
    setting.owner.message(Message::canceled_to(&call.header));
    assert_eq!(client.only().header.ty, Type::Canceled);
}

#[test]
fn properties_hop() {
    let setting = setting();
    let client = setting.world.client();
    let there = borrowed(&setting, &client);
    let key = args("(m)", vec![Value::UInt32(LEVEL).into_dynamic()]);
    let call = through(&setting, &client, &there, 5, key.clone());
    assert_eq!((call.header.action, &call.payload), (5, &key));
    setting.owner.message(Message::reply_to(&call.header, dynamic(7.into())));
    assert_eq!(result(&client.only(), "m").undynamic(), Ok(Value::Int32(7)));
    let pair = args("(mm)", vec![Value::UInt32(LEVEL).into_dynamic(), Value::Int64(8).into_dynamic()]);
    let call = through(&setting, &client, &there, 6, pair.clone());
    assert_eq!(call.payload, pair);
    setting.owner.message(Message::reply_to(&call.header, Bytes::new()));
    assert_eq!(client.only().header.ty, Type::Reply);
}

/// Two in the same connection would make the peer send each event twice.
#[test]
fn there_is_one_registration_for_all() {
    let setting = setting();
    let (one, two) = (setting.world.client(), setting.world.client());
    let (first, second) = (borrowed(&setting, &one), borrowed(&setting, &two));
    let call = through(&setting, &one, &first, 0, registration(RANG, 5));
    assert_eq!((call.header.action, call.payload.len()), (0, 16));
    one.none();
    // Who comes while the owner has not answered waits with the first, on either object.
    two.call_at((second.service, second.object, 0), registration(RANG, 5));
    one.call_at((first.service, first.object, 0), registration(RANG, 6));
    setting.owner.none();
    // Events may come before the answer.
    setting.owner.message(ring(1));
    assert_eq!((one.take().len(), two.take().len()), (2, 1));
    setting.owner.message(Message::reply_to(&call.header, Bytes::from_static(&[0; 8])));
    let links = |client: &Client| -> Vec<Value> { client.take().iter().map(|reply| result(reply, "L")).collect() };
    assert_eq!((links(&one), links(&two)), (vec![5u64.into(), 6u64.into()], vec![5u64.into()]));
    setting.owner.message(ring(2));
    let events = one.take();
    assert_eq!((events.len(), two.only().payload), (2, args("(i)", vec![2.into()])));
    assert_eq!((events[0].header.service, events[0].header.object), (first.service, first.object));
    // The last that leaves takes it back.
    for (client, there, link) in [(&one, &first, 5u64), (&two, &second, 5)] {
        client.call_at((there.service, there.object, 1), registration(RANG, link));
        client.only();
        setting.owner.none();
    }
    one.end();
    let back = setting.owner.only();
    assert_eq!((back.header.action, &back.payload[8..]), (1, &call.payload[8..]));
    setting.owner.message(ring(3));
    two.none();
}

#[test]
fn a_registration_that_is_refused_there_is_refused_here() {
    let setting = setting();
    let client = setting.world.client();
    let there = borrowed(&setting, &client);
    let call = through(&setting, &client, &there, 0, registration(RANG, 5));
    setting.owner.message(Message::error_to(&call.header, "not today"));
    assert_eq!(error(&client.only()), "not today");
    assert_eq!(client.peer.subscriptions(), 0);
    setting.owner.message(ring(1));
    client.none();
    let again = through(&setting, &client, &there, 0, registration(RANG, 5));
    setting.owner.message(Message::reply_to(&again.header, Bytes::from_static(&[0; 8])));
    client.only();
    // Its own traces are of what goes through here.
    client.call_at((there.service, there.object, 0), registration(86, 9));
    assert_eq!(error(&client.only()), "No such signal", "the owner has none");
}

#[test]
fn a_registration_that_is_taken_back_before_its_answer_is_answered() {
    let setting = setting();
    let (one, two) = (setting.world.client(), setting.world.client());
    let (first, second) = (borrowed(&setting, &one), borrowed(&setting, &two));
    let call = through(&setting, &one, &first, 0, registration(RANG, 5));
    two.call_at((second.service, second.object, 0), registration(RANG, 6));
    two.call_at((second.service, second.object, 1), registration(RANG, 6));
    assert_eq!(two.only().header.action, 1, "the first waits for all");
    one.call_at((first.service, first.object, 1), registration(RANG, 5));
    let actions = |client: &Client| client.take().iter().map(|reply| reply.header.action).collect::<Vec<_>>();
    assert_eq!((actions(&one), actions(&two)), (vec![0, 1], vec![0]));
    setting.owner.message(Message::reply_to(&call.header, Bytes::from_static(&[0; 8])));
    one.none();
    two.none();
}

#[test]
fn it_is_released_when_nobody_has_it() {
    let setting = setting();
    let (one, two) = (setting.world.client(), setting.world.client());
    let (first, _second) = (borrowed(&setting, &one), borrowed(&setting, &two));
    drop(setting.kept.lock().take());
    terminate(&setting, &one, &first);
    setting.owner.none();
    two.end();
    let post = setting.owner.only();
    assert_eq!((post.header.ty, post.header.object, post.header.action), (Type::Post, GUEST, 3));
}

#[test]
fn when_its_peer_is_gone_calls_fail() {
    let setting = setting();
    let client = setting.world.client();
    let there = borrowed(&setting, &client);
    through(&setting, &client, &there, DOUBLE, args("(i)", vec![1.into()]));
    through(&setting, &client, &there, 0, registration(RANG, 5));
    let late = setting.world.client();
    let at_late = borrowed(&setting, &late);
    setting.owner.end();
    late.call_at((at_late.service, at_late.object, 0), registration(RANG, 5));
    assert_eq!(error(&late.only()), "disconnected");
    let texts: Vec<_> = client.take().iter().map(error).collect();
    assert_eq!(texts, ["disconnected", "disconnected"]);
    client.call_at((there.service, there.object, DOUBLE), args("(i)", vec![1.into()]));
    setting.world.run();
    assert_eq!(error(&client.only()), "disconnected");
}

/// Both ways: in arguments, and in results.
#[test]
fn objects_hop_with_what_holds_them() {
    let setting = setting();
    let client = setting.world.client();
    let there = borrowed(&setting, &client);
    let mine = value::Object { object: GUEST + 1, uid: Some([8; 20]), ..(*object(&guest(guest_meta()))).clone() };
    let payload = args_shared("(o)", vec![Value::Object(Arc::new(mine))]);
    let call = through(&setting, &client, &there, GIVE, payload);
    let tuple = value::Reader::new(&call.payload).shared(LIBQI).read(&signature("(o)")).unwrap();
    let given = object(&tuple.members().unwrap()[0]);
    assert_eq!((given.service, given.uid), (SERVICE, Some([8; 20])));
    assert!(given.object >= 0x8000_0000);
    // The owner calls what it was given, which is at the client.
    setting.owner.call_at((given.service, given.object, DOUBLE), args("(i)", vec![4.into()]));
    setting.world.run();
    let back = client.only();
    assert_eq!((back.header.object, back.header.action), (GUEST + 1, DOUBLE));
    client.message(Message::reply_to(&back.header, args("(i)", vec![8.into()])));
    assert_eq!(result(&setting.owner.only(), "i"), Value::Int32(8));
    terminate(&setting, &setting.owner, &given);
    setting.owner.message(Message::reply_to(&call.header, Bytes::new()));
    let sent: Vec<_> = client.take().iter().map(|message| (message.header.ty, message.header.object)).collect();
    assert_eq!(sent, [(Type::Post, GUEST + 1), (Type::Reply, there.object)]);

    let call = through(&setting, &client, &there, MAKE, Bytes::new());
    let made = value::Object { object: 9, uid: None, ..(*object(&guest(guest_meta()))).clone() };
    let payload = value::Writer::new(LIBQI).encode(&Value::Object(Arc::new(made)), &signature("o")).unwrap();
    setting.owner.message(Message::reply_to(&call.header, payload));
    let made = object(&result(&client.only(), "o"));
    assert_ne!(made.uid, Some([0; 20]), "what has no identity gets one");
    let call = through(&setting, &client, &made, DOUBLE, args("(i)", vec![5.into()]));
    assert_eq!((call.header.service, call.header.object), (SERVICE, 9));
    terminate(&setting, &client, &made);
    setting.owner.none();
    setting.owner.message(Message::reply_to(&call.header, args("(i)", vec![10.into()])));
    assert_eq!(result(&client.only(), "i"), Value::Int32(10), "a call under way is still answered");
    let post = setting.owner.only();
    assert_eq!((post.header.ty, post.header.object, post.header.action), (Type::Post, 9, 3));
}

/// They could not be told apart in a value that holds two.
#[test]
fn objects_without_identity_get_one() {
    let setting = setting();
    let nameless = Capabilities { object_ptr_uid: false, ..LIBQI };
    let (owner, client) = (setting.world.client_with(&nameless), setting.world.client());
    drop(setting.kept.lock().take());
    let tuple = Value::structure(signature("(o)"), vec![guest(guest_meta())]);
    owner.call(LEND, value::Writer::new(nameless).encode(&tuple, &signature("(o)")).unwrap());
    setting.world.run();
    owner.only();
    let there = borrowed(&setting, &client);
    assert!(there.uid.is_some_and(|uid| uid != [0; 20] && uid != [7; 20]));
    client.call_at((there.service, there.object, DOUBLE), args("(i)", vec![5.into()]));
    setting.world.run();
    assert_eq!(owner.only().header.object, GUEST);
    // An argument that comes back as the result, too.
    owner.call(ECHO, {
        let tuple = Value::structure(signature("(m)"), vec![guest(guest_meta()).into_dynamic()]);
        value::Writer::new(nameless).encode(&tuple, &signature("(m)")).unwrap()
    });
    setting.world.run();
    let reply = owner.only();
    let back = value::Reader::new(&reply.payload).shared(nameless).read(&signature("m")).unwrap();
    assert_ne!(object(&back).object, GUEST, "an address of ours");
}

/// A method that gives back its argument does so with objects, too; and a signal that is posted brings its own to all.
#[test]
fn objects_in_answers_and_events_are_passed_on() {
    let setting = setting();
    let client = setting.world.client();
    client.call(ECHO, args_shared("(m)", vec![guest(guest_meta()).into_dynamic()]));
    setting.world.run();
    let echoed = object(&result(&client.only(), "m"));
    client.call_at((echoed.service, echoed.object, DOUBLE), args("(i)", vec![5.into()]));
    setting.world.run();
    assert_eq!(client.only().header.object, GUEST);
    setting.owner.subscribe(LENT, 1);
    client.post(LENT, args_shared("(m)", vec![guest(guest_meta()).into_dynamic()]));
    setting.world.run();
    let event = setting.owner.only();
    let tuple = value::Reader::new(&event.payload).shared(LIBQI).read(&signature("(m)")).unwrap();
    let lent = object(&tuple.members().unwrap()[0]);
    setting.owner.call_at((lent.service, lent.object, DOUBLE), args("(i)", vec![5.into()]));
    setting.world.run();
    assert_eq!(client.only().header.object, GUEST);
}

#[test]
fn what_cannot_be_published_is_left_out() {
    let setting = setting();
    drop(setting.kept.lock().take());
    let mut meta = guest_meta();
    meta.methods.get_mut(&GIVE).unwrap().parameters_signature.0 = "(oops".into();
    meta.signals.get_mut(&RANG).unwrap().signature.0 = "i".into();
    meta.signals.remove(&LEVEL);
    meta.methods.remove(&3);
    setting.owner.call(LEND, args_shared("(o)", vec![guest(meta)]));
    setting.world.run();
    setting.owner.take();
    let client = setting.world.client();
    let there = borrowed(&setting, &client).meta.clone();
    assert_eq!(there.validate(), Ok(()));
    let has = |id| (there.method(id).is_some(), there.signal(id).is_some(), there.property(id).is_some());
    assert_eq!((has(DOUBLE), has(GIVE), has(3)), ((true, false, false), (false, false, false), (true, false, false)));
    assert_eq!((has(RANG), has(LEVEL)), ((false, false, false), (false, false, false)));
}
