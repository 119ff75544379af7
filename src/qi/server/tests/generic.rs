//! The generic actions (section 9), most of them answered while the object is busy.

use std::time::Duration;

use bytes::Bytes;

use crate::qi::message::{Flags, Message, Type};
use crate::qi::meta::{MetaObject, STATISTICS_TEXT};
use crate::qi::server::{Answer, Object, ObjectBuilder};
use crate::qi::value::{Dynamic, Value};
use crate::sys::usage::Usage;

use super::harness::*;

const LEVEL: u32 = 101;
const NAME: u32 = 102;
const TOLD: u32 = 103;

fn object() -> Object {
    let mut builder = ObjectBuilder::new();
    builder.method("nothing", "()", "v", |_| Ok(Answer::void()));
    builder.property("level", "i", 7);
    builder.property_checked("name", "s", "robot", |value| match value.as_str() {
        Some("") => Err("a name is needed".into()),
        _ => Ok(()),
    });
    builder.property_told("told", "i", 0, |value| Err(format!("{} is set", value.integer().unwrap())));
    builder.build().unwrap()
}

fn key(value: impl Into<Value>) -> Value {
    value.into().into_dynamic()
}

#[test]
fn a_weak_handle_does_not_keep_the_object() {
    let object = object();
    let weak = object.downgrade();
    assert_eq!(weak.upgrade().map(|there| there.uid()), Some(object.uid()));
    drop(object);
    assert!(weak.upgrade().is_none());
}

/// libqi tells it and sets nothing. Any peer could have told all who watch a value that the check would have refused.
#[test]
fn a_post_of_a_propertys_name_is_told_if_its_check_has_nothing_against_it() {
    let object = object();
    let world = World::serving(&object);
    let (poster, watcher) = (world.client(), world.client());
    watcher.subscribe(NAME, 1);
    watcher.subscribe(LEVEL, 2);
    watcher.subscribe(TOLD, 3);
    poster.post(NAME, args("(s)", vec!["".into()]));
    poster.post(NAME, args("(s)", vec!["good".into()]));
    world.run();
    assert_eq!(watcher.only().payload, args("(s)", vec!["good".into()]));
    assert_eq!((object.statistics().dropped_posts, object.get("name")), (1, Some("robot".into())));
    poster.post(LEVEL, args("(i)", vec![1.into()]));
    world.run();
    assert_eq!(watcher.only().header.action, LEVEL, "nothing is checked");
    poster.post(TOLD, args("(i)", vec![2.into()]));
    world.run();
    assert_eq!(watcher.only().header.action, TOLD, "who is told what is set hears nothing");
    assert_eq!((object.get("level"), object.get("told")), (Some(7.into()), Some(0.into())));
    watcher.call(6, args("(mm)", vec![key("told"), key(3)]));
    world.run();
    assert_eq!(error(&watcher.only()), "3 is set");
}

#[test]
fn the_meta_object_needs_an_argument_but_not_its_value() {
    let world = World::serving(&object());
    let client = world.client();
    for argument in [0u32, 1, 2, 77] {
        client.call(2, args("(I)", vec![argument.into()]));
        let reply = client.only();
        assert_eq!(reply.header.ty, Type::Reply);
        let meta = MetaObject::decode(&reply.payload).unwrap();
        meta.validate().unwrap();
        for id in [0, 1, 2, 3, 5, 6, 7, 8, 80, 81, 82, 83, 84, 85, 100] {
            assert!(meta.method(id).is_some(), "{id}");
        }
        assert!(meta.signal(86).is_some() && meta.signal(LEVEL).is_some());
    }
    client.call(2, Bytes::new());
    assert!(error(&client.only()).contains("ISerialization"));
    client.message(Message::post(5, SERVICE, 1, 2, Bytes::new()));
    client.none();
}

#[test]
fn flags_hold_for_generic_actions_too() {
    let world = World::serving(&object());
    let client = world.client();
    let payload = dynamic(Value::tuple(vec![0.into()]));
    client.call_flags((SERVICE, 1, 2), payload, Flags::DYNAMIC_PAYLOAD);
    assert!(MetaObject::decode(&client.only().payload).is_ok());
    client.call_flags((SERVICE, 1, 80), args("(s)", vec!["i".into()]), Flags::RETURN_TYPE);
    assert_eq!(result(&client.only(), "b"), 0.into());
}

#[test]
fn properties_by_name_and_by_any_integer() {
    let world = World::serving(&object());
    let client = world.client();
    let get = |key: Value| {
        client.call(5, args("(m)", vec![key]));
        client.none();
        world.run();
        client.only()
    };
    for name in [key("level"), key(LEVEL), key(LEVEL as i32), key(LEVEL as u8), key(i64::from(LEVEL))] {
        let reply = get(name);
        assert_eq!(&reply.payload[..], b"\x01\0\0\0i\x07\0\0\0", "a dynamic of the declared type");
    }
    assert_eq!(error(&get(key("nobody"))), "property \"nobody\" was not found");
    assert_eq!(error(&get(key(100))), "Id is not id of a property");
    assert_eq!(error(&get(key(-1))), "Id is not id of a property");
    assert_eq!(get(key(1.5)).header.ty, Type::Error);
}

#[test]
fn setting_converts_and_is_judged() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    let set = |name: Value, value: Value| {
        client.call(6, args("(mm)", vec![name, value]));
        world.run();
        client.only()
    };
    assert_eq!(set(key(LEVEL), key(11i64)).header.ty, Type::Reply);
    assert_eq!(object.get("level"), Some(11.into()));
    assert_eq!(error(&set(key("level"), key("text"))), "Failed converting s to i");
    assert_eq!(error(&set(key("level"), key(1i64 << 40))), "Failed converting l to i");
    assert_eq!(error(&set(key("name"), key(""))), "a name is needed");
    assert_eq!(error(&set(key("other"), key(1))), "property \"other\" was not found");
    assert_eq!(object.get("name").unwrap().as_str(), Some("robot"));
    client.message(Message::post(5, SERVICE, 1, 6, args("(mm)", vec![key(NAME), key("posted")])));
    world.run();
    client.none();
    assert_eq!(object.get("name").unwrap().as_str(), Some("posted"));
    client.call(7, Bytes::new());
    let names = result(&client.only(), "[s]");
    assert_eq!(
        names.items().unwrap().iter().map(Value::as_str).collect::<Vec<_>>(),
        [Some("level"), Some("name"), Some("told")]
    );
}

/// A million dynamics of 6 bytes are 100 MiB when they have been decoded.
#[test]
fn a_property_of_any_type_keeps_what_it_is_given_as_it_came() {
    let mut builder = ObjectBuilder::new();
    let any = builder.property("any", "m", 1);
    let object = builder.build().unwrap();
    let world = World::serving(&object);
    let client = world.client();
    let items: Vec<_> = (0..1000).map(|item| Value::from(item).into_dynamic()).collect();
    let list = Value::list(signature("m"), items);
    client.call(6, args("(mm)", vec![key("any"), list.clone().into_dynamic()]));
    world.run();
    assert_eq!(client.only().header.ty, Type::Reply);
    assert!(object.0.values.lock()[&any].bytes.len() < 20 * 1000);
    assert_eq!(object.get("any"), Some(list.clone().into_dynamic()));
    client.call(5, args("(m)", vec![key("any")]));
    world.run();
    assert_eq!(result(&client.only(), "m"), list.into_dynamic());
    // One in another is one.
    client.call(6, args("(mm)", vec![key("any"), Value::Dynamic(Box::new(Dynamic::new(key(7))))]));
    world.run();
    client.only();
    assert_eq!(object.get("any"), Some(key(7)));
}

#[test]
fn terminate_of_a_main_object_succeeds_and_does_nothing() {
    let world = World::serving(&object());
    let client = world.client();
    client.call(3, args("(I)", vec![SERVICE.into()]));
    assert_eq!(client.only().header.ty, Type::Reply);
    client.call(100, Bytes::new());
    world.run();
    assert_eq!(client.only().header.ty, Type::Reply);
}

#[test]
fn a_busy_object_is_still_there() {
    let world = World::serving(&object());
    let client = world.client();
    client.call(100, Bytes::new());
    // Nobody has run it yet.
    for (action, payload) in [
        (2, args("(I)", vec![0u32.into()])),
        (0, args("(IIL)", vec![0u32.into(), LEVEL.into(), 5u64.into()])),
        (1, args("(IIL)", vec![0u32.into(), LEVEL.into(), 5u64.into()])),
        (8, args("(IILs)", vec![0u32.into(), LEVEL.into(), 5u64.into(), "(l)".into()])),
        (3, args("(I)", vec![0u32.into()])),
        (7, Bytes::new()),
        (80, Bytes::new()),
        (81, args("(b)", vec![true.into()])),
        (82, Bytes::new()),
        (83, Bytes::new()),
        (84, Bytes::new()),
        (85, args("(b)", vec![false.into()])),
    ] {
        client.call(action, payload);
        assert_eq!(client.only().header.ty, Type::Reply, "{action}");
    }
    world.run();
    assert_eq!(client.only().header.action, 100);
}

#[test]
fn statistics_count_when_they_are_on() {
    let world = World::serving(&object());
    let client = world.client();
    let ask = |action: u32, payload: Bytes, declared: &str| {
        client.call(action, payload);
        world.run();
        result(&client.only(), declared)
    };
    let count = || {
        let statistics = ask(82, Bytes::new(), STATISTICS_TEXT);
        let entries = statistics.entries().unwrap();
        entries.iter().map(|(id, entry)| (id.clone(), entry.members().unwrap()[0].clone())).collect::<Vec<_>>()
    };
    ask(100, Bytes::new(), "v");
    assert_eq!(count(), []);
    ask(81, args("(b)", vec![true.into()]), "v");
    assert_eq!(ask(80, Bytes::new(), "b"), true.into());
    ask(100, Bytes::new(), "v");
    ask(100, Bytes::new(), "v");
    assert_eq!(count(), [(100u32.into(), 2u32.into())]);
    ask(83, Bytes::new(), "v");
    assert_eq!(count(), []);
}

#[test]
fn traces_tell_of_call_result_and_signal() {
    let object = object();
    let world = World::serving(&object);
    let client = world.client();
    let tracing = || {
        client.call(84, Bytes::new());
        result(&client.only(), "b")
    };
    assert_eq!(tracing(), false.into());
    client.subscribe(86, 1);
    assert_eq!(tracing(), true.into());
    client.call(100, Bytes::new());
    world.run();
    let sent = client.take();
    let trace = |message: &Message| {
        assert_eq!((message.header.ty, message.header.action), (Type::Event, 86));
        let declared = signature(crate::qi::meta::TRACE_TEXT);
        let record = crate::qi::value::Reader::new(&message.payload).read(&declared).unwrap();
        let members = record.members().unwrap()[0].members().unwrap().to_vec();
        (members[0].integer().unwrap(), members[1].integer().unwrap(), members[2].integer().unwrap())
    };
    assert_eq!(sent.len(), 3, "call, result, Reply");
    let (call, result_) = (trace(&sent[0]), trace(&sent[1]));
    assert_eq!((call.1, call.2, result_.1, result_.2), (1, 100, 2, 100));
    assert_eq!(call.0, result_.0, "a call and its result share the id");
    object.set("level", 3).unwrap();
    assert_eq!(trace(&client.only()).1, 4);
    client.call(1, args("(IIL)", vec![0u32.into(), 86u32.into(), 1u64.into()]));
    client.only();
    assert_eq!(tracing(), false.into());
}

/// Wall, user and system time; the latter two of the thread that the method ran on.
#[test]
fn statistics_tell_what_methods_cost() {
    let mut builder = ObjectBuilder::new();
    builder.method("work", "()", "v", |_| {
        let before = Usage::of_thread();
        loop {
            let Usage { user, system, .. } = Usage::of_thread().since(before);
            if user + system >= Duration::from_millis(30) {
                return Ok(Answer::void());
            }
        }
    });
    builder.method_later("elsewhere", "()", "v", |call| {
        std::thread::spawn(move || call.reply(Ok(Answer::void()))).join().unwrap();
    });
    let world = World::serving(&builder.build().unwrap());
    let client = world.client();
    client.call(81, args("(b)", vec![true.into()]));
    client.only();
    for action in [100, 101] {
        client.call(action, Bytes::new());
        world.run();
        client.only();
    }
    client.call(82, Bytes::new());
    let statistics = result(&client.only(), STATISTICS_TEXT);
    let sums = |entry: usize| -> Vec<f32> {
        let (_, times) = &statistics.entries().unwrap()[entry];
        let sum = |range: &Value| match range.members().unwrap()[2] {
            Value::Float(sum) => sum,
            ref other => panic!("{other:?}"),
        };
        times.members().unwrap()[1..].iter().map(sum).collect()
    };
    let [wall, user, system] = sums(0)[..] else { panic!("three times") };
    assert!(user + system > 0.029 && wall > 0.0, "{wall} {user} {system}");
    let [wall, user, system] = sums(1)[..] else { panic!("three times") };
    assert!(wall > 0.0 && user == 0.0 && system == 0.0, "{wall} {user} {system}");
}
