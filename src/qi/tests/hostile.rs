//! The rows of qi-messaging.md 20 that a codec answers for.

use bytes::{BufMut, Bytes, BytesMut};

use crate::qi::capability::Capabilities;
use crate::qi::message::{Header, HeaderError, Type, UNAUTHENTICATED_PAYLOAD_LIMIT};
use crate::qi::signature::Signature;
use crate::qi::value::{Budget, DecodeReason, EncodeError, Reader, ReceivedMetas, Value, encode};

/// Reading and skipping one payload; both must come to the same end, unless only reading needs memory.
fn refused(bytes: &[u8], signature: &str) -> DecodeReason {
    let (bytes, signature) = (Bytes::copy_from_slice(bytes), Signature::parse(signature).unwrap());
    let reason = Reader::new(&bytes).read(&signature).unwrap_err().reason;
    assert_eq!(Reader::new(&bytes).skip(&signature).unwrap_err().reason, reason);
    assert_eq!(Reader::new(&bytes).eager().read(&signature).unwrap_err().reason, reason);
    reason
}

fn u32s(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[test]
fn headers_with_bad_magic_or_size_are_refused() {
    let mut header = Header::new(Type::Call, 2, 0, 0, 8).encode(UNAUTHENTICATED_PAYLOAD_LIMIT + 1);
    let too_large = HeaderError::TooLarge { size: 65_537, limit: 65_536 };
    assert_eq!(Header::parse(&header, UNAUTHENTICATED_PAYLOAD_LIMIT), Err(too_large));
    header[0] = 0;
    assert!(matches!(Header::parse(&header, u32::MAX), Err(HeaderError::Magic(_))));
}

#[test]
fn unknown_type_bytes_are_no_error() {
    let mut header = Header::new(Type::Call, 2, 0, 0, 8).encode(0);
    header[14] = 200;
    assert_eq!(Header::parse(&header, 0).unwrap().0.ty, Type::Unknown(200));
}

#[test]
fn payloads_too_short_end_in_an_error() {
    assert_eq!(refused(&[1, 2, 3], "i"), DecodeReason::End);
    assert_eq!(refused(&[1, 0, 0, 0, 2], "(ii)"), DecodeReason::End);
    assert_eq!(refused(&u32s(&[u32::MAX]), "s"), DecodeReason::End);
    assert_eq!(refused(&u32s(&[5, 1]), "r"), DecodeReason::End);
    assert_eq!(refused(&[1], "+i"), DecodeReason::End);
}

#[test]
fn trailing_bytes_are_left_alone() {
    let bytes = Bytes::from_static(&[7, 0, 0, 0, 9, 9]);
    let mut reader = Reader::new(&bytes);
    assert_eq!(reader.read(&Signature::parse("i").unwrap()), Ok(Value::Int32(7)));
    assert_eq!(reader.rest(), [9, 9][..]);
}

#[test]
fn counts_beyond_the_payload_fail_before_anything_is_allocated() {
    for signature in ["[i]", "[s]", "[m]", "[(Lv)]", "{si}", "#C", "~v", "[[v]]", "[o]"] {
        assert_eq!(refused(&u32s(&[u32::MAX, 0]), signature), DecodeReason::Count(u32::MAX), "{signature}");
    }
    // 4 + 4 bytes are there, a pair takes 5.
    assert_eq!(refused(&u32s(&[2, 0, 0]), "{sb}"), DecodeReason::Count(2));
}

#[test]
fn elements_of_no_size_are_capped_in_sum() {
    for signature in ["[v]", "[()]", "[(v(v)_)]", "{vv}", "[_]"] {
        assert_eq!(refused(&u32s(&[65_537]), signature), DecodeReason::TooManyEmptyElements, "{signature}");
    }
    let bytes = Bytes::from(u32s(&[65_536]));
    let list = Reader::new(&bytes).read(&Signature::parse("[v]").unwrap()).unwrap();
    assert_eq!(list.items().unwrap().len(), 65_536);
    assert_eq!(refused(&u32s(&[2, 65_000, 537]), "[[v]]"), DecodeReason::TooManyEmptyElements);
    // The message of 30 bytes that costs libqi 20 s.
    let mut dynamic = BytesMut::from(&b"\x03\0\0\0[v]"[..]);
    dynamic.put_u32_le(3_000_000);
    assert_eq!(refused(&dynamic, "m"), DecodeReason::TooManyEmptyElements);
}

fn nested_dynamics(count: usize) -> Vec<u8> {
    let mut bytes = b"\x01\0\0\0m".repeat(count);
    bytes.extend(b"\x01\0\0\0v");
    bytes
}

#[test]
fn nesting_is_limited() {
    let deep = "[".repeat(20_000);
    assert!(Signature::parse(&deep).is_err());
    let mut bytes = u32s(&[20_000]);
    bytes.extend(deep.as_bytes());
    assert!(matches!(refused(&bytes, "m"), DecodeReason::Signature(_)));

    assert_eq!(refused(&nested_dynamics(64), "m"), DecodeReason::TooDeep);
    assert_eq!(refused(&nested_dynamics(20_000), "m"), DecodeReason::TooDeep);
    let bytes = Bytes::from(nested_dynamics(63));
    let value = Reader::new(&bytes).read(&Signature::parse("m").unwrap()).unwrap();
    assert_eq!(value.undynamic(), Ok(Value::Void));

    // Deep signatures in deep dynamics: their sum counts as well.
    let signature = format!("{}m{}", "(".repeat(64), ")".repeat(64));
    let one = [&u32s(&[signature.len() as u32])[..], signature.as_bytes()].concat();
    assert_eq!(refused(&[one.repeat(4), b"\x01\0\0\0v".to_vec()].concat(), "m"), DecodeReason::TooDeep);
    let mut value = Value::Void;
    for _ in 0..65 {
        value = Value::list(Signature::parse("m").unwrap(), vec![value.into_dynamic()]);
    }
    assert_eq!(encode(&value, &value.signature()), Err(EncodeError::TooDeep));
}

#[test]
fn bad_bools_are_refused() {
    assert_eq!(refused(&[2], "b"), DecodeReason::NotBool(2));
    assert_eq!(refused(&[255, 1], "+b"), DecodeReason::NotBool(255));
    assert_eq!(refused(&[&u32s(&[2])[..], &[1, 7]].concat(), "[b]"), DecodeReason::NotBool(7));
}

#[test]
fn bad_utf8_passes_through() {
    let bytes = Bytes::from_static(b"\x02\0\0\0\xff\xfe");
    let signature = Signature::parse("s").unwrap();
    let value = Reader::new(&bytes).read(&signature).unwrap();
    assert_eq!(value.as_str(), None);
    assert_eq!(encode(&value, &signature).unwrap(), bytes);
}

#[test]
fn bad_dynamics_are_refused() {
    assert!(matches!(refused(b"\x01\0\0\0?", "m"), DecodeReason::Signature(_)));
    assert!(matches!(refused(b"\x02\0\0\0ii\0\0\0\0\0\0\0\0", "m"), DecodeReason::Signature(_)));
    assert_eq!(refused(b"\x01\0\0\0X", "m"), DecodeReason::Unknown);
    // An empty signature is libqi's invalid value: nothing.
    let bytes = Bytes::from_static(&[0; 4]);
    let value = Reader::new(&bytes).read(&Signature::parse("m").unwrap()).unwrap();
    assert_eq!(value, Value::Void.into_dynamic());
    assert_eq!(encode(&value, &value.signature()).unwrap(), b"\x01\0\0\0v"[..]);
}

#[test]
fn memory_is_limited() {
    let small = Budget { memory: 100_000, ..Budget::default() };
    let fails = |bytes: Vec<u8>, signature: &str| {
        let bytes = Bytes::from(bytes);
        let error = Reader::new(&bytes).budget(small).eager().read(&Signature::parse(signature).unwrap()).unwrap_err();
        assert_eq!(error.reason, DecodeReason::TooLarge, "{signature}");
    };
    fails([u32s(&[20_000]), vec![0; 20_000]].concat(), "[C]");
    fails([u32s(&[5_000]), vec![0; 10_000]].concat(), "{CC}");
    fails([u32s(&[5_000]), vec![0; 5_000]].concat(), "[+i]");
    fails([u32s(&[3_000]), vec![0; 12_000]].concat(), "[m]");
    // The tree of a signature is larger than its text.
    let text = format!("({})", "i".repeat(60_000));
    let text = [&u32s(&[text.len() as u32])[..], text.as_bytes(), &[0; 240_000]].concat();
    fails(text, "m");
    // What is not built costs nothing: skipping, and strings.
    let raw = Bytes::from([u32s(&[1_000_000]), vec![0; 1_000_000]].concat());
    assert!(Reader::new(&raw).budget(small).read(&Signature::parse("r").unwrap()).is_ok());
    assert!(Reader::new(&raw).budget(small).skip(&Signature::parse("[C]").unwrap()).is_ok());
    let passing = [u32s(&[1_000]), b"\x04\0\0\0(ii)12345678".repeat(1_000)].concat();
    assert!(Reader::new(&passing.into()).budget(small).skip(&Signature::parse("[m]").unwrap()).is_ok());
    let few = Budget { elements: 10, ..Budget::default() };
    let error = Reader::new(&raw).budget(few).read(&Signature::parse("[C]").unwrap()).unwrap_err();
    assert_eq!(error.reason, DecodeReason::TooManyElements);
}

#[test]
fn work_is_limited() {
    // 60 001 members for each byte, of which only the last has any.
    let tuple = format!("[({}b)]", "v".repeat(60_000));
    let bytes = [u32s(&[1_000_000]), vec![0; 1_000_000]].concat();
    assert!(matches!(
        Reader::new(&bytes.clone().into()).skip(&Signature::parse(&tuple).unwrap()).unwrap_err().reason,
        DecodeReason::TooManyElements
    ));
    let dynamic = [&u32s(&[tuple.len() as u32])[..], tuple.as_bytes(), &bytes].concat();
    assert_eq!(
        Reader::new(&dynamic.into()).skip(&Signature::parse("m").unwrap()).unwrap_err().reason,
        DecodeReason::TooManyElements
    );
    // Plain data is no work, however much it is.
    let many = Bytes::from([u32s(&[20_000_000]), vec![0; 20_000_000]].concat());
    assert!(Reader::new(&many).skip(&Signature::parse("[C]").unwrap()).is_ok());
}

#[test]
fn objects_refer_only_to_what_was_sent() {
    let shared = Capabilities { meta_object_cache: true, ..Capabilities::default() };
    let object = Signature::parse("o").unwrap();
    let known = Bytes::from([&[0][..], &u32s(&[9, 2, 4])].concat());
    let mut metas = ReceivedMetas::default();
    let error = Reader::new(&known).shared(shared).metas(&mut metas).read(&object).unwrap_err();
    assert_eq!(error.reason, DecodeReason::UnknownMeta(9));
    assert_eq!(Reader::new(&known).shared(shared).read(&object).unwrap_err().reason, DecodeReason::Cache);

    // A meta object without any members is 16 bytes of nothing.
    let sent = |id: u32| Bytes::from([&[1][..], &[0; 16], &u32s(&[id, 2, 4])].concat());
    for id in 1..=1024 {
        assert!(Reader::new(&sent(id)).shared(shared).metas(&mut metas).read(&object).is_ok());
    }
    assert!(Reader::new(&sent(1)).shared(shared).metas(&mut metas).read(&object).is_ok(), "again");
    let error = Reader::new(&sent(1025)).shared(shared).metas(&mut metas).read(&object).unwrap_err();
    assert_eq!(error.reason, DecodeReason::Cache);
    assert!(Reader::new(&sent(u32::MAX)).shared(shared).metas(&mut metas).read(&object).is_ok(), "not remembered");
}
