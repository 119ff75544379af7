use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::qi::capability::Capabilities;
use crate::qi::meta::{Builder, MetaObject};

fn of(text: &str) -> Signature {
    Signature::parse(text).unwrap()
}

fn meta(method: &str) -> Arc<MetaObject> {
    let mut builder = Builder::new();
    builder.method(method, "()", "v");
    Arc::new(builder.build().unwrap())
}

fn object(meta: &Arc<MetaObject>, id: u32) -> Value {
    Value::Object(Arc::new(Object { meta: meta.clone(), service: 2, object: id, uid: Some([9; 20]) }))
}

const CACHED: Capabilities = Capabilities {
    meta_object_cache: true,
    object_ptr_uid: true,
    message_flags: false,
    client_server_socket: false,
    relative_endpoint_uri: false,
    remote_cancelable_calls: false,
};

#[test]
fn only_what_is_of_the_type_is_written() {
    for (value, to) in [
        (Value::Int32(1), "l"),
        (Value::Int32(1), "m"),
        (Value::Int32(1), "+i"),
        (Value::list(of("i"), vec![1_i32.into(), "x".into()]), "[i]"),
        (Value::tuple(vec![1_i32.into()]), "(ii)"),
        (Value::tuple(vec![1_i32.into()]), "[i]"),
        ("x".into(), "r"),
        (Value::Void, "i"),
    ] {
        assert!(matches!(encode(&value, &of(to)), Err(EncodeError::Mismatch { .. })), "{value:?} as {to}");
    }
    assert_eq!(encode(&Value::Void, &of("X")), Err(EncodeError::Unknown));
    assert_eq!(encode(&Value::Void, &of("_")).unwrap(), b""[..]);
    let error = encode(&1_i32.into(), &of("(l)<P,x>")).unwrap_err();
    assert_eq!(error.to_string(), "a value of type i in place of (l)<P,x>");
}

#[test]
fn what_is_read_is_not_copied() {
    let bytes = encode(&Value::tuple(vec!["hello".into(), "world".into_bytes()]), &of("(sr)")).unwrap();
    let value = Reader::new(&bytes).read(&of("(sr)")).unwrap();
    let [Value::String(text), Value::Raw(raw)] = value.members().unwrap() else { panic!("{value:?}") };
    assert!(bytes.as_ptr_range().contains(&text.bytes().as_ptr()));
    assert!(bytes.as_ptr_range().contains(&raw.as_ptr()));
    assert!(!bytes.as_ptr_range().contains(&text.detached().bytes().as_ptr()));
    // A dynamic is not looked into before it must be, and goes on as the bytes it came in.
    let list = Value::list(of("s"), vec!["x".into()]);
    let bytes = encode(&list.clone().into_dynamic(), &of("m")).unwrap();
    let value = Reader::new(&bytes).read(&of("m")).unwrap();
    assert!(matches!(&value, Value::Dynamic(dynamic) if matches!(dynamic.content(), dynamic::Content::Encoded(_))));
    assert_eq!(value, list.clone().into_dynamic());
    assert_eq!(value.undynamic(), Ok(list));
}

/// So much is granted, and so much has been taken.
#[derive(Debug)]
struct Granted {
    limit: usize,
    taken: AtomicUsize,
}

impl Memory for Granted {
    fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| Some(taken + bytes).filter(|sum| *sum <= self.limit);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

#[test]
fn what_is_decoded_is_paid_for_once_or_refused() {
    let many = |items: i32| Value::list(of("m"), (0..items).map(|item| Value::from(item).into_dynamic()).collect());
    let bytes = encode(&many(10_000).into_dynamic(), &of("m")).unwrap();
    let granted = Arc::new(Granted { limit: 2 << 20, taken: AtomicUsize::new(0) });
    let memory: Arc<dyn Memory> = granted.clone();
    let Value::Dynamic(dynamic) = Reader::new(&bytes).on_account(&memory, 0).read(&of("m")).unwrap() else { panic!() };
    assert_eq!(granted.taken.load(Ordering::Relaxed), 0, "it is still bytes");
    assert_eq!(*dynamic.value().unwrap(), many(10_000));
    let taken = granted.taken.load(Ordering::Relaxed);
    let least = 10_000 * (size_of::<Value>() + size_of::<Dynamic>());
    assert!(taken > least && taken < 2 * least, "{taken} bytes");
    assert!(dynamic.clone().into_value().is_ok() && dynamic.value().is_ok());
    assert_eq!(granted.taken.load(Ordering::Relaxed), taken, "however often somebody looks");
    // What is read in its declared type is paid for at once.
    let bytes = encode(&many(30_000), &of("[m]")).unwrap();
    let refused = Reader::new(&bytes).on_account(&memory, 0).read(&of("[m]")).unwrap_err();
    assert_eq!(refused.reason, DecodeReason::NoRoom, "{refused}");
    assert!(Reader::new(&bytes).read(&of("[m]")).is_ok(), "without anybody who answers for it");
}

#[test]
fn dynamics_of_basic_types_are_small() {
    assert!(size_of::<Dynamic>() <= size_of::<Value>());
    for (text, value) in
        [("v", Value::Void), ("b", true.into()), ("C", 7_u8.into()), ("s", "x".into()), ("d", 0.5.into())]
    {
        let dynamic = Dynamic::new(value.clone());
        assert!(matches!(dynamic.content(), dynamic::Content::Basic(_)));
        assert_eq!((dynamic.signature().to_string().as_str(), dynamic.decoded_value()), (text, Some(&value)));
        let bytes = encode(&Value::Dynamic(Box::new(dynamic)), &of("m")).unwrap();
        assert_eq!(Reader::new(&bytes).read(&of("m")).unwrap().undynamic(), Ok(value));
    }
    // What the value does not show is kept.
    let bytes = encode(&Value::Void.into_dynamic(), &of("m")).unwrap();
    let bytes = Bytes::from([&bytes[..4], b"_"].concat());
    let Value::Dynamic(nothing) = Reader::new(&bytes).read(&of("m")).unwrap() else { panic!() };
    assert_eq!(nothing.signature().to_string(), "_");
}

trait IntoBytes {
    fn into_bytes(self) -> Value;
}

impl IntoBytes for &str {
    fn into_bytes(self) -> Value {
        Value::Raw(Bytes::copy_from_slice(self.as_bytes()))
    }
}

#[test]
fn objects_have_four_layouts() {
    let (meta, size) = (meta("f"), meta("f").encode().unwrap().len());
    for (cache, uid, expected) in
        [(false, false, size + 8), (false, true, size + 28), (true, false, size + 13), (true, true, size + 33)]
    {
        let shared = Capabilities { meta_object_cache: cache, object_ptr_uid: uid, ..Capabilities::default() };
        let (mut sent, mut received) = (SentMetas::default(), ReceivedMetas::default());
        let bytes = Writer::new(shared).metas(&mut sent).encode(&object(&meta, 3), &of("o")).unwrap();
        assert_eq!(bytes.len(), expected);
        let read = Reader::new(&bytes).shared(shared).metas(&mut received).read(&of("o")).unwrap();
        let Value::Object(read) = read else { panic!("{read:?}") };
        assert_eq!((read.service, read.object, read.uid), (2, 3, uid.then_some([9; 20])));
        assert_eq!(read.meta, meta);
        assert!(bytes.as_ptr_range().contains(&bytes.as_ptr()));
        let name = read.meta.methods_named("f").next().unwrap().name.bytes().as_ptr();
        assert!(!bytes.as_ptr_range().contains(&name), "what is kept long keeps no message");
    }
}

#[test]
fn equal_meta_objects_are_sent_once_and_not_after_an_error() {
    let (mut sent, mut received) = (SentMetas::default(), ReceivedMetas::default());
    let (first, again, other) = (meta("f"), meta("f"), meta("g"));
    let list = Value::list(of("o"), vec![object(&first, 3), object(&again, 4), object(&other, 5)]);
    let failing = Value::tuple(vec![list.clone(), 1_i32.into()]);
    assert!(Writer::new(CACHED).metas(&mut sent).encode(&failing, &of("([o]s)")).is_err());
    assert_eq!(sent.get(&first), None);

    let one = first.encode().unwrap().len();
    let bytes = Writer::new(CACHED).metas(&mut sent).encode(&list, &of("[o]")).unwrap();
    assert_eq!(bytes.len(), 4 + 3 * 33 + 2 * one);
    assert_eq!((sent.get(&again), sent.get(&other)), (Some(1), Some(2)));
    let shorter = Writer::new(CACHED).metas(&mut sent).encode(&list, &of("[o]")).unwrap();
    assert_eq!(shorter.len(), 4 + 3 * 33);
    for bytes in [bytes, shorter] {
        assert_eq!(Reader::new(&bytes).shared(CACHED).metas(&mut received).read(&of("[o]")).unwrap(), list);
    }
    assert_eq!(Writer::new(CACHED).encode(&list, &of("[o]")), Err(EncodeError::Cache));
}

#[test]
fn a_full_cache_sends_the_meta_object_each_time() {
    let mut sent = SentMetas::default();
    let metas: Vec<_> = (0..1025).map(|number| meta(&format!("f{number}"))).collect();
    let list = Value::list(of("o"), metas.iter().map(|meta| object(meta, 3)).collect());
    let mut received = ReceivedMetas::default();
    for _ in 0..2 {
        let bytes = Writer::new(CACHED).metas(&mut sent).encode(&list, &of("[o]")).unwrap();
        let read = Reader::new(&bytes).shared(CACHED).metas(&mut received).read(&of("[o]")).unwrap();
        assert_eq!(read, list);
        assert!(bytes[bytes.len() - 32..].starts_with(&UNCACHED.to_le_bytes()));
    }
}

#[test]
fn a_receiver_remembers_only_so_much() {
    let (mut received, meta) = (ReceivedMetas::default(), meta("f"));
    let mib = 1024 * 1024;
    for _ in 0..3 {
        assert!(received.insert(1, meta.clone(), 10 * mib), "in place of the one before");
    }
    assert!(!received.insert(2, meta.clone(), 7 * mib));
    assert!(received.insert(2, meta.clone(), 6 * mib));
    assert!(received.get(1).is_some() && received.get(3).is_none());
}

#[test]
fn objects_in_dynamics_go_from_one_connection_to_another() {
    let meta = meta("f");
    let value = Value::tuple(vec![
        object(&meta, 3).into_dynamic(),
        Value::list(of("m"), vec![object(&meta, 4).into_dynamic()]).into_dynamic(),
    ]);
    let (mut sent, mut received) = (SentMetas::default(), ReceivedMetas::default());
    let signature = value.signature();
    for _ in 0..2 {
        let bytes = Writer::new(CACHED).metas(&mut sent).encode(&value, &signature).unwrap();
        let read = Reader::new(&bytes).shared(CACHED).metas(&mut received).read(&signature).unwrap();
        assert_eq!(read, value);
        // To a peer without any capabilities.
        let on = encode(&read, &signature).unwrap();
        assert_eq!(Reader::new(&on).read(&signature).unwrap().members().unwrap().len(), 2);
    }
}

#[test]
fn many_objects_of_one_kind_share_their_meta_object() {
    let list = Value::list(of("o"), (0..100).map(|id| object(&meta("f"), id)).collect());
    let bytes = encode(&list, &of("[o]")).unwrap();
    let budget = Budget { memory: 60_000, ..Budget::default() };
    let read = Reader::new(&bytes).budget(budget).read(&of("[o]")).unwrap();
    let [Value::Object(first), .., Value::Object(last)] = read.items().unwrap() else { panic!("{read:?}") };
    assert!(Arc::ptr_eq(&first.meta, &last.meta));
}

#[test]
fn depth_is_not_length() {
    let many = || (0..1_000).map(|number: i32| Value::list(of("i"), vec![number.into()]).into_dynamic()).collect();
    let value = Value::list(of("m"), many());
    let bytes = encode(&value, &of("[m]")).unwrap();
    assert_eq!(Reader::new(&bytes).read(&of("[m]")).unwrap(), value);
    assert_eq!(Reader::new(&bytes).eager().read(&of("[m]")).unwrap(), value);
}

#[test]
fn values_tell_their_types() {
    for text in ["v", "[i]", "{s[m]}", "(ii)<Point,x,y>", "+i", "m"] {
        let zeros = Bytes::from_static(&[0; 64]);
        let value = Reader::new(&zeros).read(&of(text)).unwrap();
        assert_eq!(value.signature().to_string(), text);
    }
    assert_eq!(Value::from(7_u16).integer(), Some(7));
    assert_eq!(Value::from(true).integer(), None);
    assert_eq!(Value::from("x").as_str(), Some("x"));
    assert_eq!(Value::from(1_i32).into_dynamic().into_dynamic().undynamic(), Ok(1_i32.into()));
}
