//! Programs as one writes them: functions as methods, Rust types on both sides.

use std::collections::BTreeMap;
use std::sync::mpsc;

use crate::core::Error;
use crate::qi::bus::serve;
use crate::qi::calls::CallError;
use crate::qi::client::{Session, SessionOptions, SubscribeOptions, Watch};
use crate::qi::server::{Call, ObjectBuilder, Server};
use crate::qi::signature::Signature;
use crate::qi::typed::{Typed, value_to};
use crate::qi::value::Value;
use crate::qi_struct;

use super::{LIMIT, doubler};

qi_struct! {
    #[derive(Clone, Debug, PartialEq)]
    struct Point { x: i32, y: i32 }
}

fn started() -> (Server, Session) {
    let mut builder = ObjectBuilder::new();
    builder.signal("said", "(s)");
    builder.property("words", "i", 0);
    builder.function("add", |a: i32, b: i32| a + b);
    builder.function("nothing", || ());
    builder.function("parse", |text: String| text.parse::<i32>().map_err(|error| error.to_string()));
    builder.function("mirror", |points: Vec<Point>| {
        points.into_iter().map(|Point { x, y }| Point { x: y, y: x }).collect::<Vec<_>>()
    });
    builder.function("lengths", |words: Vec<String>| {
        words.into_iter().map(|word| (word.clone(), word.len() as u64)).collect::<BTreeMap<_, _>>()
    });
    builder.function("half", |number: Option<i32>| number.filter(|number| number % 2 == 0).map(|number| number / 2));
    builder.function("kind", |any: Value| any.signature().to_string());
    builder.function("doubler", doubler);
    builder.function("canceled", || Err::<(), _>(CallError::Canceled));
    builder.function_with("say", |call: &Call, text: String| {
        let object = call.object();
        let words = object.get("words").and_then(|words| words.integer()).unwrap_or_default() as i32;
        object.set("words", words + 1)?;
        object.fire("said", (text.as_str(),))?;
        Ok::<_, CallError>(call.caller.is_connected())
    });
    let server = serve("tcp://127.0.0.1:0").unwrap();
    server.add_service("Probe", &builder.build().unwrap()).unwrap();
    let session = Session::connect(&server.addresses()[0], SessionOptions::default()).unwrap();
    (server, session)
}

#[test]
fn functions_are_methods_of_the_types_that_they_have() {
    let (_server, session) = started();
    let probe = session.service("Probe").unwrap();
    let meta = probe.meta();
    for (method, result) in [
        ("add::(ii)", "i"),
        ("nothing::()", "v"),
        ("parse::(s)", "i"),
        ("mirror::([(ii)<Point,x,y>])", "[(ii)<Point,x,y>]"),
        ("lengths::([s])", "{sL}"),
        ("half::(+i)", "+i"),
        ("kind::(m)", "s"),
        ("doubler::()", "o"),
        ("say::(s)", "b"),
    ] {
        let found = meta.methods.values().find(|found| found.full_name() == method);
        assert_eq!(found.unwrap_or_else(|| panic!("no {method}")).return_signature.0, result);
    }
    assert_eq!(probe.invoke("add", (1, 2)), Ok(3));
    assert!(probe.invoke::<i32>("add", (1_u8, "x")).is_err());
    assert_eq!(probe.invoke("nothing", ()), Ok(()));
    assert_eq!(probe.invoke("parse", ("5",)), Ok(5));
    let error = probe.invoke::<i32>("parse", ("five",)).unwrap_err();
    assert_eq!(error, CallError::Remote("invalid digit found in string".into()));
    let points = |x, y| vec![Point { x, y }];
    assert_eq!(probe.invoke("mirror", (points(1, 2),)), Ok(points(2, 1)));
    let lengths: BTreeMap<String, i8> = probe.invoke("lengths", (vec!["a", "bcd"],)).unwrap();
    assert_eq!(lengths, BTreeMap::from([("a".to_owned(), 1), ("bcd".to_owned(), 3)]));
    assert_eq!((probe.invoke("half", (Some(4),)), probe.invoke("half", (5,))), (Ok(Some(2)), Ok(None::<i32>)));
    assert_eq!(probe.invoke("kind", (Value::from(points(1, 2)),)), Ok(Vec::<Point>::signature().to_string()));
    let there = probe.call("doubler", &[]).unwrap().proxy().unwrap();
    assert_eq!(there.invoke("double", (4,)), Ok(8));
    assert_eq!(probe.invoke::<()>("canceled", ()), Err(CallError::Canceled));
}

/// Events are tuples, also those of one value: a function of a plain number was accepted, and never called.
#[test]
fn who_listens_with_a_type_that_no_event_has_is_told() {
    let (_server, session) = started();
    let probe = session.service("Probe").unwrap();
    let refusal = |outcome: Result<Watch, CallError>| {
        let error = outcome.err().unwrap();
        assert_eq!(error.errno(), Error::INVALID);
        error.to_string()
    };
    let text = refusal(probe.on("words", |_: i32| ()));
    assert!(text.contains("words") && text.contains("failed to convert (i) to i"), "{text}");
    refusal(probe.on("said", |_: String| ()));
    refusal(probe.on("said", |_: Vec<u32>| ()));
    refusal(probe.on("said", |_: (f64,)| ()));
    refusal(probe.on("said", |_: (String, i32)| ()));
    let wanted = Signature::parse("(d)").ok();
    let options = SubscribeOptions { wanted, ..SubscribeOptions::default() };
    refusal(probe.watch("said", options.clone(), |_| ()));
    assert_eq!(probe.subscribe_with("said", options.clone()).err().map(|error| error.errno()), Some(Error::INVALID));
    assert!(probe.subscribe_with("words", options).is_ok());
    refusal(probe.on("said", |_: Vec<String>| ()));
    assert!(probe.on("words", |_: (i32,)| ()).is_ok() && probe.on("said", |_: Value| ()).is_ok());
    assert!(probe.on("said", |()| ()).is_ok(), "who wants to know no more than that");
}

#[test]
fn a_method_has_its_object_and_listeners_have_types() {
    let (_server, session) = started();
    let probe = session.service("Probe").unwrap();
    let (tell, told) = mpsc::channel();
    let _said = probe.on("said", move |(text,): (String,)| tell.send(text).unwrap()).unwrap();
    let words = probe.subscribe("words").unwrap();
    for (count, text) in [(1, "one"), (2, "two")] {
        assert_eq!(probe.invoke("say", (text,)), Ok(true));
        assert_eq!(told.recv_timeout(LIMIT).unwrap(), text);
        assert_eq!(words.next(Some(LIMIT)).unwrap().to(), Ok((count,)));
    }
    assert_eq!(probe.property_to("words"), Ok(2));
    assert_eq!(value_to::<i64>(probe.property("words").unwrap().value().clone()), Ok(2));
}
