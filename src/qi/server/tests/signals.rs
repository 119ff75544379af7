//! Subscriptions and events (section 15).

use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use crate::qi::capability::Capabilities;
use crate::qi::message::{Flags, Header, Message, Type};
use crate::qi::server::signals::{EmitError, Emitted};
use crate::qi::server::{Answer, Object, ObjectBuilder};
use crate::qi::signature::Kind;
use crate::qi::value::Value;

use super::harness::*;

const METHOD: u32 = 100;
const FIRED: u32 = 101;
const ANY: u32 = 102;
const LEVEL: u32 = 103;
const MANY: u32 = 104;
/// As every libqi process sends first.
const LINK: u64 = (106 << 32) | 13;

fn object() -> Object {
    let mut builder = ObjectBuilder::new();
    builder.method("method", "()", "v", |_| Ok(Answer::void()));
    builder.signal("fired", "(is)");
    builder.signal("any", "m");
    builder.property("level", "i", 7);
    builder.signal("many", "([i])");
    builder.build().unwrap()
}

fn fire(object: &Object) -> Emitted {
    object.emit("fired", vec![5.into(), "five".into()]).unwrap()
}

fn unsubscribe(client: &Client, link: u64) -> Message {
    client.call(1, args("(IIL)", vec![0u32.into(), 0u32.into(), link.into()]));
    client.only()
}

fn register(client: &Client, action: u32, payload: Bytes) -> Message {
    client.call(action, payload);
    client.only()
}

#[test]
fn an_event_goes_to_every_subscriber() {
    let object = object();
    let world = World::serving(&object);
    let (one, two, idle) = (world.client(), world.client(), world.client());
    one.subscribe(FIRED, LINK);
    two.subscribe(FIRED, LINK);
    idle.subscribe(ANY, LINK);
    assert_eq!(fire(&object), Emitted { sent: 2, dropped: 0, waiting: 0 });
    let events = [one.only(), two.only()];
    for event in &events {
        let Header { ty, service, object, action, flags, .. } = event.header;
        assert_eq!((ty, service, object, action, flags), (Type::Event, SERVICE, 1, FIRED, Flags::NONE));
        assert_eq!(&event.payload[..], b"\x05\0\0\0\x04\0\0\0five");
    }
    assert_eq!(events[0].payload.as_ptr(), events[1].payload.as_ptr(), "encoded once");
    idle.none();
    assert_eq!((object.subscribers("fired"), object.subscribers("any")), (2, 1));
}

#[test]
fn unknown_signals_are_refused() {
    let world = World::serving(&object());
    let client = world.client();
    for id in [METHOD, 999, 0] {
        let refused = register(&client, 0, args("(IIL)", vec![0u32.into(), id.into(), 1u64.into()]));
        assert_eq!(error(&refused), "No such signal");
    }
}

#[test]
fn equal_links_are_two_subscriptions() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    client.subscribe(FIRED, LINK);
    client.subscribe(FIRED, LINK);
    client.subscribe(FIRED, 99);
    assert_eq!(fire(&object).sent, 3);
    client.take();
    assert_eq!(unsubscribe(&client, LINK).header.ty, Type::Reply);
    assert_eq!(fire(&object).sent, 2);
    client.take();
    assert_eq!(unsubscribe(&client, LINK).header.ty, Type::Reply);
    assert_eq!(error(&unsubscribe(&client, LINK)), "Unregister request failed");
    assert_eq!(unsubscribe(&client, u64::MAX).header.ty, Type::Reply, "the link that is none");
    assert_eq!(fire(&object).sent, 1);
    assert_eq!(client.peer.subscriptions(), 1);
}

#[test]
fn links_are_the_connections_own() {
    let object = object();
    let world = World::serving(&object);
    let (one, two) = (world.client(), world.client());
    one.subscribe(FIRED, LINK);
    assert_eq!(unsubscribe(&two, LINK).header.ty, Type::Error);
    two.subscribe(FIRED, LINK);
    unsubscribe(&two, LINK);
    assert_eq!(fire(&object).sent, 1);
    assert_eq!(one.only().header.ty, Type::Event);
}

#[test]
fn the_end_of_a_connection_ends_its_subscriptions() {
    let object = object();
    let world = World::serving(&object);
    let (one, two) = (world.client(), world.client());
    one.subscribe(FIRED, LINK);
    one.subscribe(FIRED, LINK);
    two.subscribe(FIRED, LINK);
    one.end();
    world.router.ended(&one.peer);
    assert_eq!(fire(&object), Emitted { sent: 1, dropped: 0, waiting: 0 });
    assert_eq!((one.peer.subscriptions(), two.peer.subscriptions()), (0, 1));
    one.none();
}

#[test]
fn subscribing_by_a_post_means_nothing() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    client.post(0, args("(IIL)", vec![0u32.into(), FIRED.into(), 1u64.into()]));
    client.post(8, args("(IILs)", vec![0u32.into(), FIRED.into(), 1u64.into(), "(ls)".into()]));
    assert_eq!(fire(&object), Emitted::default());
    client.none();
}

#[test]
fn a_post_on_a_signal_emits_to_the_poster_too() {
    let object = object();
    let world = World::serving(&object);
    let (one, two) = (world.client(), world.client());
    one.subscribe(FIRED, LINK);
    two.subscribe(FIRED, LINK);
    one.post(FIRED, args("(is)", vec![9.into(), "nine".into()]));
    one.post(FIRED, Bytes::from_static(b"\x01"));
    world.run();
    assert_eq!(one.only().payload, two.only().payload);
    one.subscribe(LEVEL, 5);
    one.post(LEVEL, args("(i)", vec![1.into()]));
    world.run();
    assert_eq!(one.only().header.action, LEVEL);
    assert_eq!(object.get("level"), Some(7.into()), "an event, not a value");
    let flagged = dynamic(Value::tuple(vec![1i64.into(), "one".into()]));
    one.message(Message::post(3, SERVICE, 1, FIRED, flagged).with_flags(Flags::DYNAMIC_PAYLOAD));
    world.run();
    assert_eq!(&two.only().payload[..4], b"\x01\0\0\0");
}

#[test]
fn any_arguments_are_a_dynamic_tuple() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    client.subscribe(ANY, 1);
    object.emit("any", vec![1.into(), "x".into()]).unwrap();
    let event = client.only();
    assert_eq!(&event.payload[..], b"\x04\0\0\0(is)\x01\0\0\0\x01\0\0\0x");
    assert_eq!(event.header.flags, Flags::NONE);
}

#[test]
fn a_wanted_signature_is_served_if_it_can_be() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    let want = |client: &Client, link: u64, text: &str| {
        let payload = args("(IILs)", vec![SERVICE.into(), FIRED.into(), link.into(), text.into()]);
        assert_eq!(register(client, 8, payload).payload.len(), 8);
    };
    for (link, text) in [(1, "(ls)"), (2, "(ss)"), (3, "nonsense"), (4, ""), (5, "(ls)")] {
        want(&client, link, text);
    }
    let plain = world.client_with(&Capabilities { message_flags: false, ..LIBQI });
    want(&plain, 1, "(ls)");
    fire(&object);
    let events = client.take();
    let flags: Vec<_> = events.iter().map(|event| event.header.flags.0).collect();
    assert_eq!(flags, [0, 0, 1, 1, 0], "who wants it converted is told last");
    assert_eq!(&events[2].payload[..], b"\x04\0\0\0(ls)\x05\0\0\0\0\0\0\0\x04\0\0\0five");
    assert_eq!(events[2].payload.as_ptr(), events[3].payload.as_ptr(), "once for each type");
    assert_eq!(plain.only().header.flags, Flags::NONE);
}

fn want(client: &Client, signal: u32, link: u64, text: &str) -> Message {
    register(client, 8, args("(IILs)", vec![SERVICE.into(), signal.into(), link.into(), text.into()]))
}

/// Types of the events that have come, but for the tuple.
fn types(client: &Client) -> Vec<String> {
    let text = |event: Message| String::from_utf8_lossy(&event.payload[4..9]).trim_matches(['(', ')']).to_owned();
    client.take().into_iter().map(text).collect()
}

/// One connection that had registered for an event of 400 KB in a hundred types kept its emitter, and all who called the object, for 11 s
/// an event.
#[test]
fn a_large_event_is_converted_by_workers_one_type_after_the_other() {
    let object = object();
    let world = World::serving(&object);
    let (plain, wanting) = (world.client(), world.client());
    plain.subscribe(MANY, LINK);
    for (link, text) in (1..).zip(["([l])", "([d])", "([m])"]) {
        assert_eq!(want(&wanting, MANY, link, text).header.ty, Type::Reply);
    }
    let numbers = |count: i32| Value::list(Kind::Int32.into(), (0..count).map(Value::from).collect());
    let large = || object.emit("many", vec![numbers(10_000)]).unwrap();
    assert_eq!(large(), Emitted { sent: 1, dropped: 0, waiting: 3 });
    plain.only();
    wanting.none();
    assert!(world.router.step());
    assert_eq!(types(&wanting), ["[l]"]);
    // The next event comes before the others had theirs: they lose that, and have the next one first.
    assert_eq!(large(), Emitted { sent: 1, dropped: 0, waiting: 3 });
    plain.only();
    world.run();
    assert_eq!(types(&wanting), ["[d]", "[m]", "[l]"]);
    assert_eq!(object.statistics().events_dropped, 2);
    assert_eq!(large().waiting, 3);
    world.run();
    assert_eq!(types(&wanting), ["[l]", "[d]", "[m]"]);
    // Who has gone, or wants no more of it, is not converted for.
    assert_eq!(large().waiting, 3);
    wanting.end();
    world.run();
    assert_eq!(object.statistics().events_dropped, 2);
}

#[test]
fn a_small_event_is_converted_at_once() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    client.subscribe(MANY, LINK);
    assert_eq!(want(&client, MANY, 1, "([l])").header.ty, Type::Reply);
    let list = Value::list(Kind::Int32.into(), vec![1.into()]);
    assert_eq!(object.emit("many", vec![list]), Ok(Emitted { sent: 2, dropped: 0, waiting: 0 }));
    assert_eq!(client.take().len(), 2);
}

#[test]
fn a_connection_has_events_of_a_signal_in_so_many_types_and_no_more() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    for (link, text) in (1..).zip(["(ls)", "(ds)", "(ms)", "(fs)", "(ls)", "(is)"]) {
        let answer = want(&client, FIRED, link, text);
        match text {
            "(is)" => assert_eq!(error(&answer), "Too many types of events of this signal on this connection"),
            _ => assert_eq!(answer.header.ty, Type::Reply, "{text}"),
        }
    }
    assert_eq!(client.peer.subscriptions(), 5, "what was refused does not count");
    client.subscribe(FIRED, 10);
    assert_eq!(want(&client, MANY, 11, "([d])").header.ty, Type::Reply, "another signal");
    assert_eq!(want(&world.client(), FIRED, 1, "(is)").header.ty, Type::Reply, "another connection");
}

#[test]
fn a_connection_has_so_many_registrations_for_a_signal_and_no_more() {
    let object = object();
    let world = World::serving(&object);
    let (greedy, other) = (world.client(), world.client());
    let want = |client: &Client, link: u64| {
        register(client, 0, args("(IIL)", vec![SERVICE.into(), FIRED.into(), link.into()]))
    };
    let accepted = (0..1000).take_while(|link| want(&greedy, *link).header.ty == Type::Reply).count();
    assert_eq!(accepted, 100);
    assert_eq!(error(&want(&greedy, 2000)), "Too many subscriptions of this connection to this signal");
    assert_eq!(greedy.peer.subscriptions(), 100, "what was refused does not count");
    assert_eq!(want(&other, 1).header.ty, Type::Reply, "others have room");
    greedy.call(1, args("(IIL)", vec![SERVICE.into(), FIRED.into(), 1u64.into()]));
    greedy.only();
    assert_eq!(want(&greedy, 2001).header.ty, Type::Reply, "given back");
}

#[test]
fn wanted_types_are_bounded() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    let long = format!("({})", "i".repeat(60_000));
    let want = |link: u64, text: &str| {
        register(&client, 8, args("(IILs)", vec![SERVICE.into(), FIRED.into(), link.into(), text.into()]))
    };
    let accepted = (1..100).take_while(|link| want(*link, &long).header.ty == Type::Reply).count();
    assert_eq!(accepted, 4);
    let used = world.budget.used();
    assert!(used > 4 * 60_000 * 50 - 16 * 1024, "they are paid for: {used}");
    assert_eq!(error(&want(200, &long)), "Too many subscriptions on this connection");
    assert_eq!(world.budget.used(), used);
    assert_eq!(want(201, "(ls)").header.ty, Type::Reply, "there is room for others");
    client.call(1, args("(IIL)", vec![SERVICE.into(), FIRED.into(), 1u64.into()]));
    client.only();
    assert_eq!(want(202, &long).header.ty, Type::Reply, "given back");
    assert_eq!(client.peer.subscriptions(), 5);
    client.end();
    assert_eq!(world.budget.used(), 0);
}

#[test]
fn a_property_tells_before_its_reply_and_every_time() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    client.subscribe(LEVEL, 1);
    for _ in 0..2 {
        client.call(6, args("(mm)", vec![Value::from(LEVEL).into_dynamic(), Value::from(11i64).into_dynamic()]));
        world.run();
        let sent = client.take();
        assert_eq!(sent.iter().map(|message| message.header.ty).collect::<Vec<_>>(), [Type::Event, Type::Reply]);
        assert_eq!((sent[0].header.action, &sent[0].payload[..]), (LEVEL, &b"\x0b\0\0\0"[..]));
    }
    assert_eq!(object.set("level", 12i64).unwrap().sent, 1);
    assert_eq!(&client.only().payload[..], b"\x0c\0\0\0");
    assert!(matches!(object.set("level", "text"), Err(EmitError::Type(_))));
    assert!(matches!(object.set("fired", 1), Err(EmitError::Unknown(_))));
    client.none();
}

#[test]
fn mistakes_are_told_to_who_emits() {
    let object = object();
    assert!(matches!(object.emit("nobody", vec![]), Err(EmitError::Unknown(_))));
    assert!(matches!(object.emit("fired", vec![1.into()]), Err(EmitError::Type(_))));
    assert!(matches!(object.emit("fired", vec!["a".into(), "b".into()]), Err(EmitError::Type(_))));
}

#[test]
fn who_does_not_read_loses_events_and_they_are_counted() {
    let object = object();
    let world = World::serving(&object);
    let (slow, quick) = (world.client(), world.client());
    slow.subscribe(FIRED, 1);
    slow.subscribe(FIRED, 2);
    quick.subscribe(FIRED, 1);
    slow.room(3);
    let emitted: Vec<_> = (0..5).map(|_| fire(&object)).collect();
    assert_eq!(emitted[0], Emitted { sent: 3, dropped: 0, waiting: 0 });
    assert_eq!(emitted[1], Emitted { sent: 2, dropped: 1, waiting: 0 });
    assert_eq!(emitted[2], Emitted { sent: 1, dropped: 2, waiting: 0 });
    assert_eq!(emitted[2].listeners(), 1, "who has lost it is not told");
    assert_eq!((slow.take().len(), quick.take().len()), (3, 5));
    let statistics = object.statistics();
    assert_eq!((statistics.events_sent, statistics.events_dropped), (8, 7));
    let dropped = |client: &Client| client.peer.events_dropped.load(Ordering::Relaxed);
    assert_eq!((dropped(&slow), dropped(&quick)), (7, 0));
    assert!(!slow.is_closed());
}

#[test]
fn a_service_that_is_removed_tells_no_more() {
    let object = object();
    let world = World::serving(&object);
    world.router.add_service(3, &object);
    let client = world.client();
    client.subscribe(FIRED, 1);
    client.call_at((3, 1, 0), args("(IIL)", vec![0u32.into(), FIRED.into(), 1u64.into()]));
    client.only();
    assert_eq!(fire(&object).sent, 2);
    let services: Vec<_> = client.take().iter().map(|event| event.header.service).collect();
    assert_eq!(services, [SERVICE, 3], "each under the address it knows");
    world.router.remove_service(SERVICE);
    assert_eq!(fire(&object).sent, 1);
    assert_eq!(client.only().header.service, 3);
    client.call(METHOD, Bytes::new());
    assert_eq!(error(&client.only()), "The call request could not be handled.");
}

#[test]
fn updates_lose_nothing_and_are_told_in_their_order() {
    const EACH: i32 = 500;
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    client.subscribe(LEVEL, LINK);
    let all = std::thread::scope(|scope| {
        let count = || (0..EACH).map(|_| object.update("level", |level: i32| level + 1).unwrap()).collect::<Vec<_>>();
        let both = [scope.spawn(count), scope.spawn(count)];
        both.map(|thread| thread.join().unwrap()).concat()
    });
    assert_eq!(object.get_to("level"), Ok(7 + 2 * EACH));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each is told its own result");
    assert_eq!(numbers(&client.take()), (8..=7 + 2 * EACH).collect::<Vec<_>>());
    let not_there = |outcome: Result<i32, _>| matches!(outcome, Err(EmitError::Unknown(_)));
    assert!(not_there(object.update("fired", |level| level)) && not_there(object.update("nothing", |level| level)));
    assert!(matches!(object.update("level", |text: String| text + "!"), Err(EmitError::Type(_))));
    client.none();
}

fn numbers(events: &[Message]) -> Vec<i32> {
    events.iter().map(|event| i32::from_le_bytes(event.payload[..4].try_into().unwrap())).collect()
}

fn fire_number(object: &Object, number: i32) -> Emitted {
    object.emit("fired", vec![number.into(), "".into()]).unwrap()
}

#[test]
fn an_event_for_very_many_takes_turns_with_what_else_the_object_does() {
    let object = object();
    let world = World::serving(&object);
    let clients: Vec<_> = (0..20).map(|_| world.client()).collect();
    for client in &clients {
        (0..100).for_each(|link| client.subscribe(FIRED, link));
    }
    let emitted = fire_number(&object, 1);
    assert_eq!(emitted.listeners(), 2000);
    assert!(emitted.sent <= 512, "a turn: {emitted:?}");
    let caller = world.client();
    caller.call(METHOD, Bytes::new());
    // A turn for the event, and one for the call.
    assert!(world.router.step() && world.router.step());
    assert_eq!(caller.only().header.ty, Type::Reply);
    let told = clients.iter().map(|client| client.fake.state.lock().sent.len()).sum::<usize>();
    assert!((1..2000).contains(&told), "{told}");
    // Who has gone is not told any more.
    clients[19].end();
    world.run();
    assert_eq!(object.statistics().events_sent, 1900);
    assert!(clients[..19].iter().all(|client| numbers(&client.take()) == [1; 100]));
    clients[19].none();
}

#[test]
fn the_next_event_comes_after_the_last_one_for_everybody() {
    let object = object();
    let world = World::serving(&object);
    let clients: Vec<_> = (0..10).map(|_| world.client()).collect();
    for client in &clients {
        (0..100).for_each(|link| client.subscribe(FIRED, link));
    }
    for number in 1..=3 {
        assert!(fire_number(&object, number).waiting > 0);
    }
    world.run();
    let expected: Vec<_> = [1, 2, 3].into_iter().flat_map(|number| [number; 100]).collect();
    for client in &clients {
        assert_eq!(numbers(&client.take()), expected);
    }
}

/// Taken back between the turns of an emission: what is told after the answer was not asked for any more.
#[test]
fn an_event_whose_turn_comes_later_is_not_told_to_who_has_left() {
    let object = object();
    let world = World::serving(&object);
    let clients: Vec<_> = (0..10).map(|_| world.client()).collect();
    for client in &clients {
        (0..100).for_each(|link| client.subscribe(FIRED, link));
    }
    assert!(fire_number(&object, 1).waiting > 0);
    let last = &clients[9];
    last.take();
    for link in 0..100u64 {
        last.call(1, args("(IIL)", vec![SERVICE.into(), FIRED.into(), link.into()]));
        last.only();
    }
    world.run();
    assert_eq!(last.take().len(), 0);
}

#[test]
fn an_event_is_told_whole_if_the_workers_end_before_it() {
    let object = object();
    let (ending, world) = (World::serving(&object), World::serving(&object));
    let clients = [ending.client(), world.client()];
    let many: Vec<_> = (0..9).map(|_| ending.client()).collect();
    for client in many.iter().chain(&clients) {
        (0..100).for_each(|link| client.subscribe(FIRED, link));
    }
    assert!(fire_number(&object, 1).waiting > 0);
    ending.router.stop();
    world.run();
    assert_eq!(clients[1].take().len(), 100);
}
