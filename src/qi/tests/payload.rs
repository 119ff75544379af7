use super::*;
use crate::qi::message::{DEFAULT_PAYLOAD_LIMIT, Header};
use crate::qi::tests::vectors;

fn of(text: &str) -> Signature {
    Signature::parse(text).unwrap()
}

/// Payload and flags of a captured message.
fn captured(name: &str) -> (Bytes, Flags) {
    let vector = vectors::find(name);
    (vector.payload(), Header::parse(&vector.bytes, DEFAULT_PAYLOAD_LIMIT).unwrap().0.flags)
}

fn read(name: &str, parameters: &str) -> Result<Arguments> {
    let (payload, flags) = captured(name);
    read_arguments(&mut Reader::new(&payload), flags, &of(parameters))
}

fn tuple(members: impl IntoIterator<Item = Value>) -> Value {
    Value::tuple(members.into_iter().collect())
}

#[test]
fn captured_arguments_are_read_whatever_their_flags() {
    let arguments = read("add-call", "(ii)").unwrap();
    assert_eq!(arguments, Arguments { tuple: tuple([2.into(), 3.into()]), return_type: None });
    let arguments = read("call-return-type", "(ii)").unwrap();
    assert_eq!(arguments, Arguments { tuple: tuple([2.into(), 3.into()]), return_type: Some(of("d")) });
    let arguments = read("call-dynamic-payload", "(ss)").unwrap();
    assert_eq!(arguments.tuple, tuple(["1".into(), "2".into()]));
    assert!(matches!(read("call-dynamic-payload", "(ii)"), Err(PayloadError::Convert(_))), "strings are no numbers");
    let members = read("vargs-call", "m").unwrap().tuple.members().unwrap().to_vec();
    assert_eq!(members.last().unwrap().clone().undynamic(), Ok(2.5.into()));
    assert_eq!(read("event-with-signature", "(is)").unwrap().tuple, tuple([5.into(), "five".into()]));
}

#[test]
fn dynamic_arguments_may_be_of_other_types() {
    let two = || [2_i64.into(), 3_i64.into()];
    let list = Value::list(of("m"), two().map(Value::into_dynamic).to_vec());
    for arguments in [tuple(two()), list, tuple(two().map(Value::into_dynamic)), tuple(two()).into_dynamic()] {
        let payload = Writer::default().encode(&arguments.into_dynamic(), &of("m")).unwrap();
        let mut reader = Reader::new(&payload);
        let arguments = read_arguments(&mut reader, Flags::DYNAMIC_PAYLOAD, &of("(ii)")).unwrap();
        assert_eq!(arguments.tuple, tuple([2.into(), 3.into()]));
        let any = read_arguments(&mut Reader::new(&payload), Flags::NONE, &of("m")).unwrap();
        assert_eq!(convert(any.tuple, &of("(ii)")), Ok(tuple([2.into(), 3.into()])));
    }
}

#[test]
fn both_flags_at_once() {
    let mut payload = Writer::default().encode(&tuple([2.into(), 3.into()]).into_dynamic(), &of("m")).unwrap().to_vec();
    payload.extend(b"\x01\0\0\0d");
    let both = Flags::DYNAMIC_PAYLOAD | Flags::RETURN_TYPE;
    let arguments = read_arguments(&mut Reader::new(&payload.into()), both, &of("(ii)")).unwrap();
    assert_eq!(arguments, Arguments { tuple: tuple([2.into(), 3.into()]), return_type: Some(of("d")) });
}

#[test]
fn a_missing_or_bad_return_type_is_an_error() {
    for (tail, is_text) in [(&b""[..], false), (b"\0\0\0\0", true), (b"\x01\0\0\0?", true)] {
        let payload = Bytes::from([&[2, 0, 0, 0][..], tail].concat());
        let error = read_arguments(&mut Reader::new(&payload), Flags::RETURN_TYPE, &of("(i)")).unwrap_err();
        assert_eq!(matches!(error, PayloadError::ReturnType(_)), is_text, "{error}");
    }
}

#[test]
fn arguments_are_converted_here_or_else_there() {
    let mut writer = Writer::default();
    let sums = || vec![2_i64.into(), 3.5.into()];
    assert_eq!(write_arguments(&mut writer, sums(), &of("(ii)"), true).unwrap(), captured("add-call"));
    let strings = || vec!["1".into(), "2".into()];
    assert_eq!(write_arguments(&mut writer, strings(), &of("(ii)"), true).unwrap(), captured("call-dynamic-payload"));
    assert!(matches!(write_arguments(&mut writer, strings(), &of("(ii)"), false), Err(PayloadError::Convert(_))));
    let any = vec![1_i64, 2].into_iter().map(Value::from).collect();
    let (payload, flags) = write_arguments(&mut writer, any, &of("m"), false).unwrap();
    assert_eq!((flags, &payload[..8]), (Flags::NONE, &b"\x04\0\0\0(ll)"[..]));
}

#[test]
fn results_are_of_the_type_that_was_asked_for() {
    let mut writer = Writer::default();
    let (payload, flags) = write_result(&mut writer, 5.into(), &of("i"), Some(&of("d"))).unwrap();
    assert_eq!((payload.clone(), flags), captured("reply-return-type"));
    assert_eq!(read_result(&mut Reader::new(&payload), flags, &of("i")), Ok(5.0.into()));
    assert_eq!(write_result(&mut writer, 5_i64.into(), &of("i"), None).unwrap(), captured("add-reply"));
    let (payload, flags) = captured("add-reply");
    assert_eq!(read_result(&mut Reader::new(&payload), flags, &of("i")), Ok(5.into()));
    assert!(matches!(write_result(&mut writer, 5.into(), &of("i"), Some(&of("s"))), Err(PayloadError::Convert(_))));
}

#[test]
fn events_fall_back_to_what_was_declared() {
    let mut writer = Writer::default();
    let five = || tuple([5.into(), "five".into()]);
    assert_eq!(write_event(&mut writer, five(), &of("(is)"), None).unwrap(), captured("event"));
    let converted = write_event(&mut writer, five(), &of("(is)"), Some(&of("(ls)"))).unwrap();
    assert_eq!(converted, captured("event-with-signature"));
    assert_eq!(write_event(&mut writer, five(), &of("(is)"), Some(&of("(ss)"))).unwrap(), captured("event"));
}
