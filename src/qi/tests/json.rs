use proptest::prelude::*;

use crate::qi::tests::vectors;
use crate::qi::value::{Reader, encode};

use super::*;

fn signature(text: &str) -> Signature {
    Signature::parse(text).unwrap()
}

fn same(value: Value, json: Json) {
    assert_eq!(to_json(&value).unwrap(), json);
    let json = serde_json::from_str(&json.to_string()).unwrap();
    let again = from_json(&json, &value.signature()).unwrap();
    assert_eq!(again, value, "{json}");
}

#[test]
fn values_and_their_json() {
    same(Value::Void, json!(null));
    same(true.into(), json!(true));
    same(i64::MIN.into(), json!(-9_223_372_036_854_775_808_i64));
    same(u64::MAX.into(), json!(18_446_744_073_709_551_615_u64));
    same(((1_i64 << 53) + 1).into(), json!(9_007_199_254_740_993_i64));
    same(0.1_f64.into(), json!(0.1));
    same(0.1_f32.into(), json!(0.1));
    same(f64::from_bits(0x004d_0000_0100_0090).into(), json!(f64::from_bits(0x004d_0000_0100_0090)));
    same(f64::INFINITY.into(), json!({ "$float": "Infinity" }));
    same(f32::NEG_INFINITY.into(), json!({ "$float": "-Infinity" }));
    same("é\0".into(), json!("é\0"));
    same(Text::from_bytes(Bytes::from_static(b"\xff\xfe")).into(), json!({ "$string": "//4=" }));
    same(Bytes::from_static(b"\0\x01\xff").into(), json!({ "$raw": "AAH/" }));
    same(Value::tuple(vec![1_i32.into(), "x".into()]), json!([1, "x"]));
    same(Value::structure(signature("(ii)<Point,x,y>"), vec![1_i32.into(), 2_i32.into()]), json!({ "x": 1, "y": 2 }));
    same(Value::structure(signature("(ii)<P,$x,y>"), vec![1_i32.into(), 2_i32.into()]), json!([1, 2]));
    same(Value::structure(signature("(ii)<P,x,x>"), vec![1_i32.into(), 2_i32.into()]), json!([1, 2]));
    let map = |key: &str, entries| Value::map(signature(key), signature("i"), entries);
    same(map("s", vec![("a".into(), 1_i32.into())]), json!({ "a": 1 }));
    same(map("s", vec![]), json!({}));
    same(map("s", vec![("$raw".into(), 1_i32.into())]), json!({ "$map": [["$raw", 1]] }));
    same(map("i", vec![(7_i32.into(), 1_i32.into())]), json!({ "$map": [[7, 1]] }));
    let twice = vec![("a".into(), 1_i32.into()), ("a".into(), 2_i32.into())];
    same(map("s", twice), json!({ "$map": [["a", 1], ["a", 2]] }));
    assert!(to_json(&f64::NAN.into()).is_ok_and(|json| json == json!({ "$float": "NaN" })));
    assert!(from_json(&json!({ "$float": "NaN" }), &signature("f")).is_ok_and(|nan| nan != nan));
}

#[test]
fn optionals_keep_their_depth() {
    let optional = |of: &str, value| Value::optional(signature(of), value);
    same(optional("i", None), json!(null));
    same(optional("i", Some(3_i32.into())), json!(3));
    same(optional("m", Some(Value::Void.into_dynamic())), json!({ "$some": null }));
    same(optional("+i", Some(optional("i", None))), json!({ "$some": null }));
    same(optional("+i", None), json!(null));
    let deep = optional("++i", Some(optional("+i", Some(optional("i", None)))));
    same(deep, json!({ "$some": { "$some": null } }));
}

#[test]
fn without_a_signature_types_are_those_of_python() {
    let json = json!([null, true, 1, 18_446_744_073_709_551_615_u64, 1.5, "s", [], { "k": { "$raw": "" } }]);
    let value = dynamic_from_json(&json).unwrap().undynamic().unwrap();
    let types = |values: &[Value]| {
        let types = values.iter().map(|value| match value {
            Value::Dynamic(dynamic) => dynamic.signature().to_string(),
            _ => "?".into(),
        });
        types.collect::<Vec<_>>()
    };
    assert_eq!(types(value.items().unwrap()), ["v", "b", "l", "L", "d", "s", "[m]", "{mm}"]);
    assert_eq!(to_json(&value).unwrap(), json);
    let typed = dynamic_from_json(&json!({ "$type": "(iC)", "$value": [1, 2] })).unwrap();
    assert_eq!(typed, Value::tuple(vec![1_i32.into(), 2_u8.into()]).into_dynamic());
}

#[test]
fn what_cannot_be_says_why() {
    let fails = |json: Json, of: &str| from_json(&json, &signature(of)).unwrap_err();
    assert!(matches!(fails(json!(300), "C"), JsonError::Convert(_)));
    assert!(matches!(fails(json!("1"), "i"), JsonError::Convert(_)));
    assert!(matches!(fails(json!([1]), "(ii)"), JsonError::Convert(_)));
    assert!(matches!(fails(json!({ "x": 1 }), "(ii)<P,x,y>"), JsonError::Convert(_)));
    assert_eq!(fails(json!({ "$raw": "?" }), "r"), JsonError::Base64);
    assert_eq!(fails(json!({ "$nonsense": 1 }), "m"), JsonError::Form("$nonsense".into()));
    assert_eq!(fails(json!({ "$raw": "", "other": 1 }), "m"), JsonError::Form("$raw".into()));
    assert!(matches!(fails(json!({ "$type": "?", "$value": 1 }), "m"), JsonError::Signature(_)));
    let mut deep = json!(1);
    for _ in 0..300 {
        deep = json!([deep]);
    }
    assert_eq!(fails(deep, "m"), JsonError::TooDeep);
}

#[test]
fn what_a_person_has_written_is_neither_cut_off_nor_infinite() {
    for (json, ty, ok) in [
        (json!(2.5), "i", false),
        (json!(2.0), "i", true),
        (json!([[1, 2.5]]), "[(ii)]", false),
        (json!({ "$type": "i", "$value": 2.5 }), "m", false),
        (json!(1e300), "f", false),
        (json!(1e300), "d", true),
        (json!({ "$float": "Infinity" }), "f", true),
    ] {
        assert_eq!(from_json(&json, &signature(ty)).is_ok(), ok, "{json} {ty}");
    }
    let error = from_json(&json!([1, 2.5]), &signature("(ii)")).unwrap_err();
    assert_eq!(error.to_string(), "failed to convert d to i: the number has a fraction");
}

#[test]
fn captured_values_go_through_json() {
    for vector in vectors::all() {
        let text = vector.signature.to_string();
        if text.contains('o') && vector.name.starts_with("object") {
            continue;
        }
        let value = Reader::new(&vector.payload()).read(&vector.signature).unwrap();
        let json = to_json(&value).unwrap().to_string();
        let again = from_json(&serde_json::from_str(&json).unwrap(), &vector.signature).unwrap();
        // Types within dynamics that Python has not become others.
        if !json.contains("$type")
            && ![
                "auth-reply",
                "property-call",
                "property-reply",
                "setProperty-call",
                "event-with-signature",
                "echo-tuple-call",
                "vargs-call",
                "call-dynamic-payload",
                "event-any",
            ]
            .contains(&vector.name.as_str())
        {
            assert_eq!(encode(&again, &vector.signature).unwrap(), vector.payload(), "{}", vector.name);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_of_plain_types_go_through_json(
        bytes in prop::collection::vec(prop_oneof![3 => Just(0_u8), 1 => Just(1), 1 => any::<u8>()], 0..80),
        of in "[bcLdsr+\\[\\](){}]{1,9}",
    ) {
        let Ok(of) = Signature::parse(&of) else { return Ok(()) };
        let bytes = Bytes::from(bytes);
        let Ok(value) = Reader::new(&bytes).read(&of) else { return Ok(()) };
        let json = to_json(&value).unwrap().to_string();
        let again = from_json(&serde_json::from_str(&json).unwrap(), &of);
        prop_assert!(again.is_ok(), "{} {}", of, json);
        prop_assert_eq!(to_json(&again.unwrap()).unwrap().to_string(), json);
    }
}

#[test]
fn floats_of_32_bits_are_as_short_as_they_are_and_come_back() {
    for number in [0.1f32, -1.0 / 3.0, 1e-45, f32::MAX, f32::MIN_POSITIVE, 16_777_216.0, 5e-5] {
        let json = to_json(&Value::Float(number)).unwrap();
        assert!(json.to_string().len() <= format!("{number:e}").len().max(number.to_string().len()) + 2, "{json}");
        assert_eq!(from_json(&json, &Kind::Float.into()), Ok(Value::Float(number)), "{json}");
    }
    assert_eq!(to_json(&Value::Float(0.1)).unwrap().to_string(), "0.1");
}
