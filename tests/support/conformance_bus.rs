//! Rust's part in the conformance list for the object bus: what `bus.py` and `bus.js` are for other languages.

use std::time::Duration;

use nanomsg::qi::bus::serve;
use nanomsg::qi::client::{Session, SessionOptions};
use nanomsg::qi::json::{dynamic_from_json, to_json};
use nanomsg::qi::server::{Answer, Call, CallError, ObjectBuilder, Server};
use nanomsg::qi::value::Value;
use serde_json::Value as Json;

const PATIENCE: Duration = Duration::from_secs(60);

pub fn service() -> Server {
    let mut builder = ObjectBuilder::new();
    builder.signal("said", "(is)");
    builder.property("level", "i", 7);
    builder.function("add", |a: i32, b: i32| a.wrapping_add(b));
    builder.function("halves", |values: Vec<f64>| values.iter().map(|value| value / 2.0).collect::<Vec<f64>>());
    builder.method("echo", "(m)", "m", |call| Ok(Answer::from(call.arguments[0].clone())));
    builder.function_with("say", |call: &Call, number: i32, text: String| {
        call.object().fire("said", (number, text.as_str()))?;
        Ok::<_, CallError>(())
    });
    builder.function("fail", |text: String| Err::<(), _>(CallError::Remote(text)));
    let server = serve("tcp://127.0.0.1:0").expect("a directory");
    server.add_service("Proof", &builder.build().expect("an object")).expect("a service");
    server
}

fn values(list: &Json) -> Vec<Value> {
    let value = |item| dynamic_from_json(item).expect("a value").undynamic().expect("not in a dynamic");
    list.as_array().expect("a list").iter().map(value).collect()
}

fn json(value: &Value) -> Json {
    to_json(&value.clone().undynamic().expect("a value")).expect("JSON")
}

fn rows<'l>(bus: &'l Json, key: &str) -> &'l [Json] {
    bus[key].as_array().expect("a list")
}

/// Goes through the list at a service.
pub fn check(url: &str, bus: &Json) {
    let session = Session::connect(url, SessionOptions::default()).expect("a session");
    let proof = session.service("Proof").expect("the service");
    let call = |name: &str, arguments: &Json| proof.call(name, &values(arguments));
    for case in rows(bus, "calls") {
        let result = call(case["call"].as_str().expect("a name"), &case["with"]);
        assert_eq!(json(result.expect("a result").value()), case["gives"], "{case}");
    }
    for value in rows(bus, "echo") {
        let result = call("echo", &Json::Array(vec![value.clone()])).expect("a result");
        assert_eq!(json(result.value()), *value);
    }
    for case in rows(bus, "failures") {
        let failed = call(case["call"].as_str().expect("a name"), &case["with"]).expect_err("a failure");
        assert!(failed.to_string().contains(case["says"].as_str().expect("text")), "{case}: {failed}");
    }
    let said = proof.subscribe("said").expect("a subscription");
    for event in rows(bus, "events") {
        call("say", event).expect("said");
        assert_eq!(json(said.next(Some(PATIENCE)).expect("an event").arguments.value()), *event);
    }
    let level = |value: &Value| json(value).as_i64();
    let property = |key: &str| bus["property"][key].clone();
    assert_eq!(level(proof.property("level").expect("a value").value()), property("first").as_i64());
    let changes = proof.subscribe("level").expect("a subscription");
    for value in property("set").as_array().expect("a list") {
        proof.set_property("level", values(&Json::Array(vec![value.clone()])).remove(0)).expect("set");
        let change = changes.next(Some(PATIENCE)).expect("an event");
        assert_eq!(json(change.arguments.value()), Json::Array(vec![value.clone()]));
        assert_eq!(level(proof.property("level").expect("a value").value()), value.as_i64());
    }
}
