//! One answer to every Call, none to a Post.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};

use crate::qi::capability::Capabilities;
use crate::qi::endpoint::Budget;
use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::server::mailbox::Limits;
use crate::qi::server::{Answer, Call, CallError};
use crate::qi::server::{Object, ObjectBuilder};
use crate::qi::value::{Value, encode};
use crate::sys::sync::Mutex;

use super::harness::*;

const ADD: u32 = 100;
const ANY: u32 = 102;
const LATER: u32 = 103;
const PANIC: u32 = 104;
const WRONG: u32 = 105;
const NOTE: u32 = 106;
const SIGNAL: u32 = 107;

type Kept = Arc<Mutex<Vec<Call>>>;

fn number(value: &Value) -> i32 {
    value.integer().unwrap() as i32
}

fn object(limits: Limits) -> (Object, Kept, Arc<AtomicUsize>) {
    let (kept, noted) = (Kept::default(), Arc::new(AtomicUsize::new(0)));
    let mut builder = ObjectBuilder::new();
    builder.limits(limits);
    builder.method("add", "(ii)", "i", |call| Ok((number(&call.arguments[0]) + number(&call.arguments[1])).into()));
    builder.method("echo", "(m)", "m", |call| Ok(call.arguments[0].clone().into()));
    builder.method("any", "m", "i", |call| Ok((call.arguments.len() as i32).into()));
    let keep = Arc::clone(&kept);
    builder.method_later("later", "()", "s", move |call| keep.lock().push(call));
    builder.method("panic", "()", "v", |_| panic!("deliberate"));
    builder.method("wrong", "()", "i", |_| Ok("text".into()));
    let count = Arc::clone(&noted);
    builder.method("note", "()", "v", move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Err("only for posts".into())
    });
    builder.signal("signal", "(i)");
    (builder.build().unwrap(), kept, noted)
}

fn world() -> (World, Kept, Arc<AtomicUsize>) {
    let (object, kept, noted) = object(Limits::default());
    (World::serving(&object), kept, noted)
}

fn two() -> Bytes {
    args("(ii)", vec![2.into(), 3.into()])
}

fn with_text(payload: &Bytes, text: &str) -> Bytes {
    let mut bytes = BytesMut::from(&payload[..]);
    bytes.put_slice(&encode(&text.into(), &signature("s")).unwrap());
    bytes.freeze()
}

#[test]
fn a_call_is_answered_under_its_own_header() {
    let (world, ..) = world();
    let client = world.client();
    let id = client.call(ADD, two());
    client.none();
    world.run();
    let reply = client.only();
    assert_eq!(reply.header, Header::new(Type::Reply, id, SERVICE, 1, ADD));
    assert_eq!(result(&reply, "i"), 5.into());
    assert_eq!(client.peer.pending_calls(), 0);
}

#[test]
fn equal_ids_get_an_answer_each() {
    let (world, ..) = world();
    let client = world.client();
    for _ in 0..2 {
        client.message(Message::call(7, SERVICE, 1, ADD, two()));
    }
    world.run();
    let replies = client.take();
    assert_eq!(replies.iter().map(|reply| reply.header.id).collect::<Vec<_>>(), [7, 7]);
    assert_eq!(client.peer.pending_calls(), 0);
}

#[test]
fn what_is_not_there_has_libqis_texts() {
    let (world, ..) = world();
    let client = world.client();
    for target in [(77, 1, 2), (SERVICE, 2, 2), (SERVICE, 0x8000_0001, 100), (0, 5, 8)] {
        client.call_at(target, Bytes::new());
        assert_eq!(error(&client.only()), "The call request could not be handled.");
    }
    let id = client.call(4, Bytes::new());
    assert_eq!(error(&client.only()), format!("No such method {{2.1.4, id:{id}}}"));
    client.call(999, Bytes::new());
    assert!(error(&client.only()).starts_with("No such method {2.1.999, id:"));
    client.call(SIGNAL, args("(i)", vec![1.into()]));
    assert!(error(&client.only()).starts_with("No such method"), "only a Post emits");
    client.call(86, Bytes::new());
    assert!(error(&client.only()).starts_with("No such method"));
}

#[test]
fn posts_and_nonsense_have_no_answer() {
    let (world, _, noted) = world();
    let client = world.client();
    client.post(NOTE, Bytes::new());
    client.post(PANIC, Bytes::new());
    client.post(LATER, Bytes::new());
    client.post(999, Bytes::new());
    client.post(ADD, Bytes::from_static(b"\x01"));
    client.message(Message::post(1, 77, 1, 2, Bytes::new()));
    for ty in [Type::None, Type::Reply, Type::Error, Type::Event, Type::Canceled, Type::Unknown(77)] {
        client.message(Message { header: Header::new(ty, 3, SERVICE, 1, 100), payload: Bytes::new() });
    }
    world.run();
    client.none();
    assert_eq!(noted.load(Ordering::Relaxed), 1);
    assert!(!client.is_closed());
}

#[test]
fn what_a_method_does_wrong_is_an_error() {
    let (world, ..) = world();
    let client = world.client();
    for (action, text) in [(PANIC, "The method panicked."), (NOTE, "only for posts"), (WRONG, "bad result")] {
        client.call(action, Bytes::new());
        world.run();
        let text_sent = error(&client.only());
        assert!(text_sent.contains(text), "{text_sent}");
    }
    client.call(ADD, two());
    world.run();
    assert_eq!(result(&client.only(), "i"), 5.into(), "the object works on");
}

#[test]
fn answers_may_come_later_and_in_any_order() {
    let (world, kept, _) = world();
    let client = world.client();
    let first = client.call(LATER, Bytes::new());
    let second = client.call(LATER, Bytes::new());
    client.call(ADD, two());
    world.run();
    client.only();
    let calls = std::mem::take(&mut *kept.lock());
    assert_eq!(client.peer.pending_calls(), 2);
    let mut calls = calls.into_iter();
    let (one, two) = (calls.next().unwrap(), calls.next().unwrap());
    std::thread::spawn(move || two.reply(Ok("two".into()))).join().unwrap();
    let reply = client.only();
    assert_eq!((reply.header.id, result(&reply, "s").as_str()), (second, Some("two")));
    drop(one);
    let silent = client.only();
    assert_eq!((silent.header.id, error(&silent)), (first, "The method did not answer.".into()));
    assert_eq!(client.peer.pending_calls(), 0);
}

#[test]
fn short_arguments_fail_and_long_ones_do_not() {
    let (world, ..) = world();
    let client = world.client();
    client.call(ADD, Bytes::from_static(b"\x01\0\0\0\x02"));
    client.call(ADD, Bytes::new());
    client.call(ADD, with_text(&two(), "trailing"));
    world.run();
    let answers = client.take();
    assert!(error(&answers[0]).contains("ISerialization error"));
    assert!(error(&answers[0]).contains("read past the end"));
    assert!(error(&answers[1]).contains("read past the end"));
    assert_eq!(result(&answers[2], "i"), 5.into());
}

#[test]
fn dynamic_payloads_are_converted() {
    let (world, ..) = world();
    let client = world.client();
    let list = |items: Vec<Value>| Value::list(signature("m"), items.into_iter().map(Value::into_dynamic).collect());
    let good = [
        Value::tuple(vec![2.into(), 3.into()]),
        Value::tuple(vec![2i64.into(), 3i64.into()]),
        Value::tuple(vec![Value::from(2).into_dynamic(), Value::from(3.7).into_dynamic()]),
        list(vec![2.into(), true.into()]),
    ];
    for arguments in good {
        client.call_flags((SERVICE, 1, ADD), dynamic(arguments.clone()), Flags::DYNAMIC_PAYLOAD);
        world.run();
        assert!(result(&client.only(), "i").integer().is_some(), "{arguments:?}");
    }
    for bad in [Value::tuple(vec!["2".into(), "3".into()]), Value::tuple(vec![1.into()]), 5.into()] {
        client.call_flags((SERVICE, 1, ADD), dynamic(bad), Flags::DYNAMIC_PAYLOAD);
        world.run();
        assert!(error(&client.only()).contains("convert"));
    }
    client.call(ANY, dynamic(Value::tuple(vec![1.into(), "a".into(), 2.5.into()])));
    world.run();
    assert_eq!(result(&client.only(), "i"), 3.into());
}

#[test]
fn the_wanted_type_comes_as_a_flagged_dynamic() {
    let (world, ..) = world();
    let client = world.client();
    let ask = |payload: Bytes, flags: Flags| {
        client.call_flags((SERVICE, 1, ADD), payload, flags);
        world.run();
        client.only()
    };
    let reply = ask(with_text(&two(), "d"), Flags::RETURN_TYPE);
    assert_eq!(reply.header.flags, Flags::DYNAMIC_PAYLOAD);
    assert_eq!(&reply.payload[..], b"\x01\0\0\0d\0\0\0\0\0\0\x14\x40");
    let both = with_text(&dynamic(Value::tuple(vec![2.into(), 3.into()])), "d");
    assert_eq!(result(&ask(both, Flags(3)), "i"), 5.0.into());
    assert!(error(&ask(with_text(&two(), "s"), Flags::RETURN_TYPE)).contains("convert"));
    assert!(error(&ask(two(), Flags::RETURN_TYPE)).contains("ISerialization"), "the string is missing");
    assert!(error(&ask(with_text(&two(), "?"), Flags::RETURN_TYPE)).contains("return type"));
    let unknown_bits = ask(two(), Flags(0xf0));
    assert_eq!((unknown_bits.header.flags, result(&unknown_bits, "i")), (Flags::NONE, 5.into()));
}

#[test]
fn who_does_not_know_flags_gets_none() {
    let (world, ..) = world();
    let client = world.client_with(&Capabilities { message_flags: false, ..LIBQI });
    client.call_flags((SERVICE, 1, ADD), with_text(&two(), "d"), Flags::RETURN_TYPE);
    world.run();
    let reply = client.only();
    assert_eq!((reply.header.flags, result(&reply, "i")), (Flags::NONE, 5.into()));
}

#[test]
fn a_full_mailbox_refuses_calls_and_drops_posts_exactly() {
    let (object, ..) = object(Limits { tasks: 4, bytes: 1 << 20 });
    let world = World::serving(&object);
    let (one, two_, three) = (world.client(), world.client(), world.client());
    for _ in 0..5 {
        one.call(ADD, two());
        one.post(NOTE, Bytes::new());
    }
    // Two are its share; the rest is refused here and now.
    assert_eq!(one.take().iter().filter(|message| error(message).contains("queue is full")).count(), 4);
    two_.call(ADD, two());
    two_.none();
    two_.call(ADD, two());
    assert!(error(&two_.only()).contains("queue is full"), "it leaves too little to the others");
    three.call(ADD, two());
    three.none();
    three.call(ADD, two());
    assert!(error(&three.only()).contains("queue is full"), "one has room always, and that is there");
    one.call(2, args("(I)", vec![0u32.into()]));
    assert_eq!(one.only().header.ty, Type::Reply, "it can still be looked at");
    world.run();
    assert_eq!([&one, &two_, &three].map(|client| client.take().len()), [1, 1, 1]);
    let statistics = object.statistics();
    assert_eq!((statistics.refused_calls, statistics.dropped_posts), (4 + 2, 4));
    assert_eq!((statistics.handled, statistics.waiting), (4, 0));
    three.call(ADD, two());
    world.run();
    assert_eq!(three.only().header.ty, Type::Reply);
}

#[test]
fn an_answer_without_room_becomes_a_small_error() {
    let (world, ..) = world();
    let client = world.client();
    client.room(0);
    let id = client.call(ADD, two());
    world.run();
    let answer = client.only();
    assert_eq!(answer.header.id, id);
    assert!(error(&answer).contains("does not read"));
    client.fake.state.lock().control_room = 0;
    client.call(ADD, two());
    world.run();
    assert!(client.is_closed(), "nor does it read errors");
}

#[test]
fn a_connection_that_ends_loses_answers_but_not_deeds() {
    let (world, kept, noted) = world();
    let client = world.client();
    client.call(LATER, Bytes::new());
    world.run();
    let call = kept.lock().pop().unwrap();
    client.call(NOTE, Bytes::new());
    client.post(NOTE, Bytes::new());
    client.call(LATER, Bytes::new());
    assert!(!call.is_canceled());
    client.end();
    assert!(call.is_canceled() && !call.caller.is_connected());
    call.reply(Ok("nobody hears".into()));
    world.run();
    assert_eq!(noted.load(Ordering::Relaxed), 2);
    assert!(kept.lock().pop().unwrap().is_canceled());
    client.none();
    assert_eq!(client.peer.pending_calls(), 0);
}

#[test]
fn what_is_dropped_while_a_method_panics_is_not_blamed() {
    let mut builder = ObjectBuilder::new();
    builder.method("v", "()", "v", |_| Ok(Answer::void()));
    builder.method("canceled", "()", "v", |_| Err(CallError::Canceled));
    let world = World::serving(&builder.build().unwrap());
    let client = world.client();
    client.call(100, Bytes::new());
    client.call(101, Bytes::new());
    world.run();
    let answers = client.take();
    assert_eq!((answers[0].header.ty, answers[0].payload.len()), (Type::Reply, 0));
    assert_eq!((answers[1].header.ty, answers[1].payload.len()), (Type::Canceled, 0));
}

#[test]
fn objects_with_all_code_in_one_place() {
    let mut meta = crate::qi::meta::Builder::new();
    meta.method("twice", "(i)", "i");
    let code = |call: Call| {
        let twice = 2 * number(&call.arguments[0]);
        call.reply(Ok(twice.into()));
    };
    let object = Object::with_handler(meta.build().unwrap(), code).unwrap();
    let world = World::serving(&object);
    let client = world.client();
    client.call(100, args("(i)", vec![21.into()]));
    world.run();
    assert_eq!(result(&client.only(), "i"), 42.into());
    meta.signal("bad", "i");
    assert!(meta.build().is_err());
}

/// A million dynamics of 6 bytes were 270 MiB, of which nobody knew.
#[test]
fn what_arguments_take_when_they_are_decoded_counts_until_the_answer() {
    let mut builder = ObjectBuilder::new();
    let kept: Arc<Mutex<Vec<Call>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let typed = builder.method_later("typed", "([m])", "v", move |call| keep.lock().push(call));
    let keep = Arc::clone(&kept);
    let any = builder.method_later("any", "(m)", "v", move |call| keep.lock().push(call));
    let object = builder.build().unwrap();
    let mut world = World::new();
    world.budget = Budget::new(16 << 20);
    world.router.add_service(SERVICE, &object);
    let clients = [world.client(), world.client()];
    let list = |items: i32| {
        let items = (0..items).map(|item| Value::from(item).into_dynamic()).collect();
        Value::list(signature("m"), items)
    };
    clients[0].call(typed, args("([m])", vec![list(10_000)]));
    world.run();
    let used = world.budget.used();
    assert!(used > 10_000 * 2 * size_of::<Value>(), "{used} bytes for 90 kB");
    clients[1].call(typed, args("([m])", vec![list(100_000)]));
    world.run();
    let refused = clients[1].only();
    assert!(error(&refused).contains("there is no memory for the value now"), "{refused:?}");
    assert_eq!(world.budget.used(), used, "what was decoded of it is gone");
    let answer = |call: Call| call.reply(Ok(Answer::void()));
    answer(kept.lock().pop().unwrap());
    clients[0].only();
    assert_eq!(world.budget.used(), 0);
    // Of any type: what is not looked into is what it is on the wire, and what is looked into counts from then on.
    clients[0].call(any, args("(m)", vec![list(5_000).into_dynamic()]));
    world.run();
    let call = kept.lock().pop().unwrap();
    let used = world.budget.used();
    let looked_into = call.arguments[0].clone().undynamic().unwrap();
    assert!(world.budget.used() > used + 5_000 * 2 * size_of::<Value>());
    assert_eq!(looked_into, list(5_000));
    answer(call);
    clients[0].only();
    assert_eq!(world.budget.used(), 0);
    clients[0].call(any, args("(m)", vec![list(100_000).into_dynamic()]));
    world.run();
    let used = world.budget.used();
    assert!(used < 2 << 20, "{used} bytes");
    let call = kept.lock().pop().unwrap();
    assert!(call.arguments[0].clone().undynamic().is_err(), "more than one connection may have");
    answer(call);
    clients[0].only();
    assert_eq!(world.budget.used(), 0);
    // Now it is known that this method looks into them.
    clients[0].call(any, args("(m)", vec![list(100_000).into_dynamic()]));
    world.run();
    assert!(error(&clients[0].only()).contains("there is no memory for the value now"));
    assert!(kept.lock().is_empty());
    assert_eq!(world.budget.used(), 0);
}

/// It stays when its connection is gone.
#[test]
fn what_a_peer_sets_a_property_to_is_paid_for_until_it_is_set_again() {
    let mut builder = ObjectBuilder::new();
    builder.property("image", "r", Value::Raw(Bytes::new()));
    let object = builder.build().unwrap();
    let mut world = World::new();
    world.budget = Budget::new(16 << 20);
    world.router.add_service(SERVICE, &object);
    let set = |client: &Client, bytes: usize| {
        let image = Value::Raw(vec![7; bytes].into()).into_dynamic();
        client.call(6, args("(mm)", vec![Value::from("image").into_dynamic(), image]));
        world.run();
        client.only()
    };
    let client = world.client();
    assert_eq!(set(&client, 3 << 20).header.ty, Type::Reply);
    client.end();
    let used = world.budget.used();
    assert!((3 << 20..4 << 20).contains(&used), "{used} bytes");
    let client = world.client();
    let refused = set(&client, 5 << 20);
    assert!(error(&refused).contains("no memory"), "{refused:?}");
    assert_eq!(object.get("image"), Some(Value::Raw(vec![7; 3 << 20].into())), "it is what it was");
    assert_eq!(set(&client, 100).header.ty, Type::Reply);
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn calls_of_all_connections_share_one_budget_until_they_are_answered() {
    let mut builder = ObjectBuilder::new();
    builder.limits(Limits { tasks: 1000, bytes: usize::MAX });
    let kept: Arc<Mutex<Vec<Call>>> = Arc::default();
    let keep = Arc::clone(&kept);
    builder.method_later("keep", "(r)", "v", move |call| keep.lock().push(call));
    let object = builder.build().unwrap();
    let mut world = World::new();
    world.budget = Budget::new(1 << 20);
    world.router.add_service(SERVICE, &object);
    let clients = [world.client(), world.client(), world.client()];
    let image = || args("(r)", vec![Value::Raw(vec![7; 100_000].into())]);
    let mut shares = [0; 3];
    for (client, share) in clients.iter().zip(&mut shares) {
        for _ in 0..20 {
            client.call(object.meta().methods_named("keep").next().unwrap().uid, image());
        }
        let refused = client.take();
        assert!(refused.iter().all(|message| error(message).contains("no memory")), "{refused:?}");
        *share = 20 - refused.len();
    }
    assert_eq!(shares, [5, 2, 1], "half of it, half of the rest, and so on");
    assert!(world.budget.used() <= world.budget.limit());
    assert_eq!(object.statistics().refused_calls, 60 - 8);
    // A method that keeps its call keeps the memory, too.
    let used = world.budget.used();
    world.run();
    assert_eq!(world.budget.used(), used);
    let calls = std::mem::take(&mut *kept.lock());
    calls.into_iter().for_each(|call| call.reply(Ok(Answer::void())));
    assert_eq!(world.budget.used(), 0);
    assert_eq!(clients.iter().map(|client| client.take().len()).sum::<usize>(), 8);
    clients[0].call(object.meta().methods_named("keep").next().unwrap().uid, image());
    assert!(world.budget.used() > 0);
    // Nobody waits for it, but what it does is still done.
    clients[0].end();
    world.run();
    drop(std::mem::take(&mut *kept.lock()));
    assert_eq!(world.budget.used(), 0);
}
