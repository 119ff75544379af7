//! The table of section 19. Where it leaves a question, the row says what the genuine library answered.

use bytes::Bytes;

use crate::qi::convert::{Why, convert, convert_sequences};
use crate::qi::signature::Signature;
use crate::qi::value::{Reader, Text, Value, encode};

fn of(text: &str) -> Signature {
    Signature::parse(text).unwrap()
}

fn list(element: &str, items: impl IntoIterator<Item = Value>) -> Value {
    Value::list(of(element), items.into_iter().collect())
}

fn map(key: &str, value: &str, entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::map(of(key), of(value), entries.into_iter().collect())
}

fn named(signature: &str, members: Vec<Value>) -> Value {
    Value::structure(of(signature), members)
}

fn dynamic(value: impl Into<Value>) -> Value {
    value.into().into_dynamic()
}

fn becomes(value: impl Into<Value>, to: &str, expected: impl Into<Value>) {
    let (value, expected) = (value.into(), expected.into());
    let converted = convert(value.clone(), &of(to)).unwrap_or_else(|error| panic!("{value:?} -> {to}: {error}"));
    assert_eq!(converted, expected, "{value:?} -> {to}");
    // What comes out is of the type: it can be written, and comes back.
    let bytes = encode(&converted, &of(to)).unwrap();
    assert_eq!(Reader::new(&bytes).read(&of(to)).unwrap(), converted);
    // The same from within a dynamic, and to one.
    assert_eq!(convert(value.clone().into_dynamic(), &of(to)), Ok(converted));
}

fn fails(value: impl Into<Value>, to: &str, why: Why) {
    let value = value.into();
    assert_eq!(convert(value.clone(), &of(to)).map_err(|error| error.why), Err(why.clone()), "{value:?} -> {to}");
    assert_eq!(convert(value.into_dynamic(), &of(to)).map_err(|error| error.why), Err(why));
}

#[test]
fn integers_must_fit() {
    becomes(200_i64, "C", 200_u8);
    becomes(-128_i32, "c", -128_i8);
    becomes(-1_i16, "l", -1_i64);
    becomes(u64::MAX, "L", u64::MAX);
    becomes(65_535_i64, "W", 65_535_u16);
    becomes(7_i64, "w", 7_i16);
    becomes(7_u8, "i", 7_i32);
    becomes(7_i8, "I", 7_u32);
    for (value, to) in [(256_i64, "C"), (-1, "C"), (128, "c"), (-1, "L"), (-1, "I"), (1 << 31, "i"), (1 << 15, "w")] {
        fails(value, to, Why::Range);
    }
    fails(u64::MAX, "l", Why::Range);
}

#[test]
fn only_0_and_1_are_bools() {
    becomes(0_i64, "b", false);
    becomes(1_u8, "b", true);
    becomes(true, "b", true);
    becomes(0.0, "b", false);
    becomes(1.0_f32, "b", true);
    fails(2_i64, "b", Why::Range);
    fails(-1_i64, "b", Why::Range);
    // The genuine library: 0.5, 1.5 and 2.0 fail.
    for number in [0.5, 1.5, 2.0, f64::NAN] {
        fails(number, "b", Why::Range);
    }
    becomes(true, "i", 1_i32);
    becomes(false, "L", 0_u64);
    becomes(true, "d", 1.0_f64);
}

#[test]
fn floats_are_cut_toward_zero_and_must_fit() {
    becomes(2.999, "i", 2_i32);
    becomes(-1.5, "i", -1_i32);
    becomes(-0.5, "i", 0_i32);
    becomes(-0.0, "C", 0_u8);
    becomes(2.9_f32, "C", 2_u8);
    becomes(-9_223_372_036_854_775_808.0, "l", i64::MIN);
    fails(-0.5, "C", Why::Range);
    fails(256.0, "C", Why::Range);
    fails(9_223_372_036_854_775_808.0, "l", Why::Range);
    // The genuine library makes 0 of NaN, by chance of the processor; here it is an error.
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, -1e30] {
        fails(number, "l", Why::Range);
        fails(number, "L", Why::Range);
    }
}

#[test]
fn everything_that_is_a_number_is_a_float() {
    becomes(1_i64, "d", 1.0_f64);
    becomes((1_i64 << 53) + 1, "d", 9_007_199_254_740_992.0_f64);
    becomes(0.1, "f", 0.1_f32);
    becomes(1e300, "f", f32::INFINITY);
    becomes(0.5_f32, "d", 0.5_f64);
    becomes(u64::MAX, "f", u64::MAX as f32);
}

#[test]
fn strings_are_raw_data_and_not_numbers() {
    becomes("é", "r", Bytes::from_static("é".as_bytes()));
    becomes("x", "s", "x");
    fails(Bytes::from_static(b"x"), "s", Why::Types);
    for to in ["i", "d", "b", "[s]", "o"] {
        fails("1", to, Why::Types);
    }
    fails(1_i32, "s", Why::Types);
    fails(1_i32, "r", Why::Types);
}

#[test]
fn lists_and_maps_go_element_by_element() {
    becomes(list("l", [1_i64.into(), 2_i64.into()]), "[C]", list("C", [1_u8.into(), 2_u8.into()]));
    becomes(list("m", [dynamic(1_i64), dynamic(2.5)]), "[i]", list("i", [1_i32.into(), 2_i32.into()]));
    becomes(list("i", []), "[s]", list("s", []));
    fails(list("l", [1_i64.into(), 300_i64.into()]), "[C]", Why::Range);
    becomes(map("m", "m", [(dynamic("a"), dynamic(1_i64))]), "{si}", map("s", "i", [("a".into(), 1_i32.into())]));
    fails(map("i", "i", [(1_i32.into(), 1_i32.into())]), "{si}", Why::Types);
    fails(list("i", []), "i", Why::Types);
    fails(map("s", "i", []), "[i]", Why::Types);
    // Varargs are a list, keyword arguments a map.
    becomes(list("i", [1_i32.into()]), "#l", list("l", [1_i64.into()]));
    becomes(map("s", "i", [("a".into(), 1_i32.into())]), "~l", map("s", "l", [("a".into(), 1_i64.into())]));
}

#[test]
fn lists_are_tuples_of_their_length_but_not_the_reverse() {
    let both = || Value::tuple(vec![1_i32.into(), "x".into()]);
    becomes(list("m", [dynamic(1_i64), dynamic("x")]), "(is)", both());
    becomes(list("m", []), "()", Value::tuple(vec![]));
    fails(list("m", [dynamic(1_i64)]), "(is)", Why::Length);
    fails(both(), "[m]", Why::Types);
}

#[test]
fn tuples_are_lists_where_who_writes_one_may_mean_the_other() {
    let tuple = |members: [Value; 2]| Value::tuple(members.into());
    let inner = || tuple([1_i64.into(), 2.5.into()]);
    let lists = || tuple([inner(), list("i", [3_i32.into()])]);
    let expected = list("[i]", [list("i", [1_i32.into(), 2_i32.into()]), list("i", [3_i32.into()])]);
    assert_eq!(convert_sequences(lists().into_dynamic(), &of("[[i]]")), Ok(expected));
    assert_eq!(convert_sequences(Value::tuple(vec![]), &of("[s]")), Ok(list("s", [])));
    let failed = convert_sequences(tuple([1_i64.into(), "x".into()]), &of("[i]")).map_err(|error| error.why);
    assert_eq!(failed, Err(Why::Types));
    assert_eq!(convert_sequences(inner(), &of("(il)")), Ok(tuple([1_i32.into(), 2_i64.into()])));
}

#[test]
fn lists_of_pairs_are_maps() {
    let expected = || map("s", "i", [("a".into(), 1_i32.into())]);
    becomes(list("(sl)", [Value::tuple(vec!["a".into(), 1_i64.into()])]), "{si}", expected());
    let pair = list("m", [dynamic("a"), dynamic(1_i64)]);
    becomes(list("[m]", [pair.clone()]), "{si}", expected());
    becomes(list("m", [dynamic(pair)]), "{si}", expected());
    becomes(list("m", []), "{si}", map("s", "i", []));
    fails(list("m", [dynamic(list("m", [dynamic("a")]))]), "{si}", Why::Length);
    fails(list("i", [1_i32.into()]), "{si}", Why::Types);
    // The genuine library: a tuple of pairs is none.
    fails(Value::tuple(vec![Value::tuple(vec!["a".into(), 1_i64.into()])]), "{si}", Why::Types);
}

const POINT: &str = "(ii)<Point,x,y>";

fn point() -> Value {
    named(POINT, vec![1_i32.into(), 2_i32.into()])
}

#[test]
fn maps_are_structs_with_all_fields() {
    becomes(map("s", "l", [("y".into(), 2_i64.into()), ("x".into(), 1_i64.into())]), POINT, point());
    becomes(map("m", "m", [(dynamic("y"), dynamic(2_i64)), (dynamic("x"), dynamic(1_i64))]), POINT, point());
    fails(map("s", "l", [("x".into(), 1_i64.into())]), POINT, Why::Names);
    fails(map("l", "l", [(1_i64.into(), 1_i64.into())]), POINT, Why::Types);
    // The genuine library: "convert from map to struct, can't convert to tuple".
    fails(map("s", "l", [("x".into(), 1_i64.into())]), "(i)", Why::Types);
}

#[test]
fn structs_are_maps_and_tuples_are_not() {
    becomes(point(), "{sl}", map("s", "l", [("x".into(), 1_i64.into()), ("y".into(), 2_i64.into())]));
    becomes(point(), "{mm}", map("m", "m", [(dynamic("x"), dynamic(1_i32)), (dynamic("y"), dynamic(2_i32))]));
    fails(Value::tuple(vec![1_i32.into()]), "{sl}", Why::Types);
    fails(point(), "{il}", Why::Types);
}

#[test]
fn tuples_go_by_position_or_by_names() {
    let plain = || Value::tuple(vec![1_i32.into(), 2_i32.into()]);
    becomes(plain(), "(ll)", Value::tuple(vec![1_i64.into(), 2_i64.into()]));
    becomes(plain(), POINT, point());
    becomes(point(), "(ii)", plain());
    becomes(point(), "(ii)<Other,x,y>", named("(ii)<Other,x,y>", vec![1_i32.into(), 2_i32.into()]));
    becomes(point(), "(ll)<Point,y,x>", named("(ll)<Point,y,x>", vec![2_i64.into(), 1_i64.into()]));
    fails(point(), "(ii)<Point,a,b>", Why::Names);
    fails(point(), "(ii)<Point,x,x>", Why::Names);
    fails(point(), "(iii)<Point,x,y,z>", Why::Names);
    fails(point(), "(i)<Point,x>", Why::Names);
    fails(plain(), "(iii)", Why::Length);
    fails(plain(), "(i)", Why::Length);
    fails(plain(), "i", Why::Types);
    assert_eq!(convert(plain(), &of(POINT)).unwrap().signature().struct_name(), Some("Point"));
}

#[test]
fn service_records_lose_and_gain_their_last_field() {
    let seven = "(sIsI[s]ss)<ServiceInfo,name,serviceId,machineId,processId,endpoints,sessionId,objectUid>";
    let six = "(sIsI[s]s)<ServiceInfo,name,serviceId,machineId,processId,endpoints,sessionId>";
    let six_members = || vec!["a".into(), 2_u32.into(), "m".into(), 3_u32.into(), list("s", []), "0".into()];
    let mut seven_members = six_members();
    seven_members.push(Value::String(Text::default()));
    becomes(named(six, six_members()), seven, named(seven, seven_members.clone()));
    becomes(named(seven, seven_members), six, named(six, six_members()));
}

#[test]
fn optionals_take_but_do_not_give() {
    let some = |of_what: &str, value: Value| Value::optional(of(of_what), Some(value));
    becomes(1_i64, "+i", some("i", 1_i32.into()));
    becomes(Value::Void, "+i", Value::optional(of("i"), None));
    becomes(some("l", 1_i64.into()), "+i", some("i", 1_i32.into()));
    becomes(Value::optional(of("l"), None), "+i", Value::optional(of("i"), None));
    becomes(1_i64, "+m", some("m", dynamic(1_i64)));
    fails(some("i", 1_i32.into()), "i", Why::Types);
    fails(Value::optional(of("s"), None), "+i", Why::Types);
    fails("x", "+i", Why::Types);
}

#[test]
fn dynamics_wrap_once_and_unwrap_all() {
    becomes(1_i64, "m", dynamic(1_i64));
    let twice = Value::Dynamic(Box::new(crate::qi::value::Dynamic::new(dynamic("x"))));
    assert_eq!(convert(twice.clone(), &of("s")), Ok("x".into()));
    becomes(list("i", [1_i32.into()]), "[m]", list("m", [dynamic(1_i32)]));
    // As it came off the wire: not decoded yet.
    let bytes = encode(&twice, &of("m")).unwrap();
    let read = Reader::new(&bytes).read(&of("m")).unwrap();
    assert_eq!(convert(read, &of("r")), Ok(Bytes::from_static(b"x").into()));
}

#[test]
fn nothing_becomes_only_nothing() {
    becomes(Value::Void, "v", Value::Void);
    becomes(Value::Void, "m", dynamic(Value::Void));
    for to in ["i", "s", "d", "b", "[i]", "{si}", "(i)", "r", "o", "X"] {
        fails(Value::Void, to, Why::Types);
    }
    becomes(1_i32, "v", Value::Void);
}

#[test]
fn values_too_deep_are_refused() {
    let mut value = Value::Void;
    for _ in 0..400 {
        value = Value::list(of("m"), vec![value.into_dynamic()]);
    }
    let mut to = of("m");
    for _ in 0..400 {
        to = Signature::list(to);
    }
    assert_eq!(convert(value, &to).unwrap_err().why, Why::TooDeep);
}
