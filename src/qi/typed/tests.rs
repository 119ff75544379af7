//! Every type both ways, and on the wire.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::qi::value::{Reader, encode};
use crate::qi_struct;

/// Through a value, through its bytes, and through a dynamic.
fn same<T: FromValue + IntoValue + Clone + Debug + PartialEq>(signature: &str, value: T)
where
    Value: From<T>,
{
    assert_eq!(T::signature().to_string(), signature);
    assert_eq!(Value::from(value.clone()).undynamic().unwrap(), value.clone().into_value().undynamic().unwrap());
    let bytes = encode(&value.clone().into_value(), &T::signature()).unwrap();
    let read = Reader::new(&bytes).read(&T::signature()).unwrap();
    assert_eq!(T::from_value(read), Some(value.clone()));
    assert_eq!(value_to(value.clone().into_value().into_dynamic()), Ok(value));
}

qi_struct! {
    /// With a field whose name is a word of the language.
    #[derive(Clone, Debug, PartialEq)]
    struct Shape {
        r#type: String,
        corners: Vec<Point>,
        middle: Option<Point>,
    }
}

qi_struct! {
    #[derive(Clone, Debug, PartialEq)]
    struct Point { x: i32, y: i32 }
}

#[test]
fn types_of_rust_are_types_of_the_bus() {
    same("v", ());
    same("b", true);
    same("r", Bytes::from_static(b"\0\xff"));
    same("m", Value::from(5));
    same("[s]", vec!["a".to_owned(), String::new()]);
    same("[[C]]", vec![vec![1_u8, 2], vec![]]);
    same("+d", Some(1.5));
    same("+d", None::<f64>);
    same("{si}", BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
    same("{L[f]}", HashMap::from([(u64::MAX, vec![0.1_f32])]));
    same("(iwcl)", (1_i32, 2_i16, 3_i8, 4_i64));
    same("(s)", ("alone".to_owned(),));
    let point = |x| Point { x, y: -x };
    let shape = Shape { r#type: "triangle".into(), corners: vec![point(1), point(2)], middle: Some(point(3)) };
    same("(s[(ii)<Point,x,y>]+(ii)<Point,x,y>)<Shape,type,corners,middle>", shape);
    assert_eq!(Value::from(&b"raw"[..]), Value::Raw(Bytes::from_static(b"raw")));
    assert_eq!(("a", 1).into_values(), vec![Value::from("a"), 1.into()]);
}

/// As Python sends it: by position, by name, in dynamics.
#[test]
fn structs_are_made_of_what_peers_send() {
    let point = Point { x: 1, y: 2 };
    let by_position = Value::tuple(vec![1_i64.into(), 2_u8.into()]);
    let by_name = Value::from(BTreeMap::from([("y", Value::from(2)), ("x", Value::from(1))]));
    for value in [by_position.clone(), by_name, by_position.into_dynamic()] {
        assert_eq!(value_to::<Point>(value), Ok(point.clone()));
    }
    for wrong in [Value::tuple(vec![1.into()]), "text".into(), Value::from(BTreeMap::from([("x", 1)]))] {
        assert!(value_to::<Point>(wrong.clone()).is_err(), "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_in_them(text in ".*", numbers in prop::collection::vec(any::<(i64, Option<u16>)>(), 0..9)) {
        same("(s[(l+W)])", (text, numbers));
    }
}
