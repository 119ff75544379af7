//! The captured messages of qi-messaging.md 25: each is decoded to the value that was recorded with it, and that is
//! encoded to the same bytes again.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde_json::Value as Json;

use crate::qi::capability::{AuthState, Capabilities, CapabilityMap};
use crate::qi::message::{DEFAULT_PAYLOAD_LIMIT, Flags, HEADER_SIZE, Header, Message};
use crate::qi::meta::{self, MetaObject, ServiceInfo, ServiceInfoLayout};
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{Dynamic, Object, Reader, ReceivedMetas, SentMetas, Text, Value, Writer};

/// One line of the file.
pub struct Vector {
    pub json: Json,
    pub name: String,
    pub bytes: Bytes,
    pub signature: Signature,
    pub shared: Capabilities,
}

impl Vector {
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(HEADER_SIZE..)
    }
}

static ALL: LazyLock<Vec<Vector>> = LazyLock::new(|| {
    let lines = include_str!("../../../tests/data/qi-vectors.jsonl").lines();
    lines.map(|line| vector(serde_json::from_str(line).unwrap())).collect()
});

pub fn all() -> &'static [Vector] {
    &ALL
}

pub fn find(name: &str) -> &'static Vector {
    all().iter().find(|vector| vector.name == name).unwrap()
}

fn vector(json: Json) -> Vector {
    let caps = |name: &str| json["caps"][name].as_bool().unwrap();
    Vector {
        name: json["name"].as_str().unwrap().into(),
        bytes: unhex(json["hex"].as_str().unwrap()),
        signature: Signature::parse(json["signature"].as_str().unwrap()).unwrap(),
        shared: Capabilities {
            meta_object_cache: caps("MetaObjectCache"),
            object_ptr_uid: caps("ObjectPtrUID"),
            ..Capabilities::default()
        },
        json,
    }
}

fn unhex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The recorded form of a value: tuples and lists are arrays, maps are arrays of pairs, bytes are hexadecimal.
fn expected(signature: &Signature, json: &Json) -> Value {
    let each = |element: &Signature| json.as_array().unwrap().iter().map(|item| expected(element, item)).collect();
    match signature.kind() {
        Kind::Void => Value::Void,
        Kind::Bool => json.as_bool().unwrap().into(),
        Kind::Int8 => i8::try_from(json.as_i64().unwrap()).unwrap().into(),
        Kind::UInt8 => u8::try_from(json.as_i64().unwrap()).unwrap().into(),
        Kind::Int16 => i16::try_from(json.as_i64().unwrap()).unwrap().into(),
        Kind::UInt16 => u16::try_from(json.as_i64().unwrap()).unwrap().into(),
        Kind::Int32 => i32::try_from(json.as_i64().unwrap()).unwrap().into(),
        Kind::UInt32 => u32::try_from(json.as_i64().unwrap()).unwrap().into(),
        Kind::Int64 => json.as_i64().unwrap().into(),
        Kind::UInt64 => json.as_u64().unwrap().into(),
        Kind::Float => (json.as_f64().unwrap() as f32).into(),
        Kind::Double => json.as_f64().unwrap().into(),
        Kind::String => Text::from_bytes(text(json)).into(),
        Kind::Raw => text(json).into(),
        Kind::List(element) => Value::list(element.as_ref().clone(), each(element)),
        Kind::Map(entry) => {
            let entries = json["map"].as_array().unwrap().iter();
            let entries = entries.map(|pair| (expected(&entry.0, &pair[0]), expected(&entry.1, &pair[1])));
            Value::map(entry.0.clone(), entry.1.clone(), entries.collect())
        }
        Kind::Tuple(members) => {
            let values = json.as_array().unwrap();
            assert_eq!(values.len(), members.len());
            Value::structure(
                signature.clone(),
                members.iter().zip(values).map(|(of, json)| expected(of, json)).collect(),
            )
        }
        Kind::Optional(element) => {
            Value::optional(element.as_ref().clone(), (!json.is_null()).then(|| expected(element, json)))
        }
        Kind::Dynamic => {
            let signature = Signature::parse(json["sig"].as_str().unwrap()).unwrap();
            Value::Dynamic(Box::new(Dynamic::new(expected(&signature, &json["value"]))))
        }
        Kind::Object => Value::Object(Arc::new(object(&json["object"]))),
        other => panic!("{other:?} in the vectors"),
    }
}

fn text(json: &Json) -> Bytes {
    match json {
        Json::String(text) => Bytes::copy_from_slice(text.as_bytes()),
        other => unhex(other["hex"].as_str().unwrap()),
    }
}

fn object(json: &Json) -> Object {
    let number = |name: &str| u32::try_from(json[name].as_u64().unwrap()).unwrap();
    Object {
        meta: Arc::new(MetaObject::from_value(&expected(&meta::SIGNATURE, &json["meta"])).unwrap()),
        service: number("service"),
        object: number("object"),
        uid: json["uid"].as_str().map(|uid| unhex(uid)[..].try_into().unwrap()),
    }
}

/// What the connection remembered when the message was captured.
fn remembered(vector: &Vector) -> (ReceivedMetas, SentMetas) {
    let (mut received, mut sent) = (ReceivedMetas::default(), SentMetas::default());
    if vector.shared.meta_object_cache {
        let object = object(&vector.json["value"]["object"]);
        assert_eq!(vector.json["value"]["object"]["cache_id"], 1);
        assert!(received.insert(1, object.meta.clone(), 0));
        assert_eq!(sent.insert(object.meta), Some(1));
    }
    (received, sent)
}

fn read(vector: &Vector) -> Value {
    Reader::new(&vector.payload()).shared(vector.shared).read(&vector.signature).unwrap()
}

#[test]
fn all_vectors_are_read_and_written() {
    let vectors = all();
    assert_eq!(vectors.len(), 68);
    for vector in vectors {
        let name = &vector.name;
        let (mut received, mut sent) = remembered(vector);
        let (header, size) = Header::parse(&vector.bytes, DEFAULT_PAYLOAD_LIMIT).unwrap();
        let number = |name: &str| u32::try_from(vector.json[name].as_u64().unwrap()).unwrap();
        assert_eq!(format!("{:?}", header.ty), vector.json["type"].as_str().unwrap(), "{name}");
        assert_eq!((header.id, u32::from(header.flags.0)), (number("id"), number("flags")), "{name}");
        assert_eq!(
            (header.service, header.object, header.action),
            (number("service"), number("object"), number("action"))
        );
        let payload = vector.payload();
        assert_eq!(size as usize, payload.len());

        for eager in [false, true] {
            let reader = Reader::new(&payload).shared(vector.shared).metas(&mut received);
            let mut reader = if eager { reader.eager() } else { reader };
            let value = reader.read(&vector.signature).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(reader.rest().is_empty(), "{name}");
            assert_eq!(value, expected(&vector.signature, &vector.json["value"]), "{name}");
            let mut writer = Writer::new(vector.shared).metas(&mut sent);
            assert_eq!(writer.encode(&value, &vector.signature).unwrap(), payload, "{name}");
        }
        let value = expected(&vector.signature, &vector.json["value"]);
        let mut writer = Writer::new(vector.shared).metas(&mut sent);
        let payload = writer.encode(&value, &vector.signature).unwrap();
        assert_eq!(Message { header, payload: payload.clone() }.encode().unwrap(), vector.bytes, "{name}");

        let mut skipping = Reader::new(&payload).shared(vector.shared).metas(&mut received);
        skipping.skip(&vector.signature).unwrap();
        assert!(skipping.rest().is_empty(), "{name}");
    }
}

#[test]
fn payloads_cut_short_are_refused_at_every_length() {
    for vector in all() {
        let payload = vector.payload();
        for length in 0..payload.len() {
            let cut = payload.slice(..length);
            let (mut received, _) = remembered(vector);
            assert!(Reader::new(&cut).shared(vector.shared).metas(&mut received).read(&vector.signature).is_err());
            assert!(Reader::new(&cut).shared(vector.shared).metas(&mut received).skip(&vector.signature).is_err());
        }
    }
}

#[test]
fn captured_meta_objects_may_be_published() {
    for name in ["metaobject-reply-directory", "metaobject-reply-proof"] {
        let vector = find(name);
        let meta = MetaObject::decode(&vector.payload()).unwrap();
        assert_eq!(meta.validate(), Ok(()), "{name}");
        assert_eq!(meta.encode().unwrap(), vector.payload());
        assert_eq!(meta.methods_named("metaObject").next().unwrap().return_signature.0, meta::SIGNATURE_TEXT);
    }
}

#[test]
fn captured_authentication_means_what_it_says() {
    let call = CapabilityMap::from_value(&read(find("auth-call"))).unwrap().unwrap();
    assert_eq!(call.state(), None);
    assert_eq!(call.capabilities(), Capabilities { relative_endpoint_uri: true, ..Capabilities::OURS });
    let reply = find("auth-reply");
    let map = CapabilityMap::from_value(&read(reply)).unwrap().unwrap();
    assert_eq!(map.state(), Some(AuthState::Done));
    let ours = CapabilityMap::reply(&map.capabilities(), AuthState::Done);
    assert_eq!(Writer::default().encode(&ours.to_value(), &reply.signature).unwrap(), reply.payload());
}

#[test]
fn captured_services_are_records() {
    let vector = find("service-reply");
    let value = read(vector);
    let info = ServiceInfo::from_value(&value).unwrap();
    assert_eq!((&info.name, info.service_id, info.endpoints.len()), (&"Proof".into(), 2, 3));
    assert_eq!(info.object_uid.unwrap()[..4], [0x8b, 0xb1, 0x2f, 0xf0]);
    assert_eq!(ServiceInfoLayout::of(&vector.signature), Some(ServiceInfoLayout::Seven));
    assert_eq!(info.to_value(ServiceInfoLayout::Seven), value);
    let old = ServiceInfo::from_value(&info.to_value(ServiceInfoLayout::Six)).unwrap();
    assert_eq!(old, ServiceInfo { object_uid: None, ..info });
}

#[test]
fn the_constructors_make_what_was_captured() {
    let message = |name: &str| {
        let vector = find(name);
        let (header, _) = Header::parse(&vector.bytes, DEFAULT_PAYLOAD_LIMIT).unwrap();
        Message { header, payload: vector.payload() }
    };
    let cancel = message("cancel");
    let call = Message::call(76, 2, 1, 120, Bytes::new());
    assert_eq!(Message::cancel(77, &call.header), cancel);
    assert_eq!(cancel.canceled_id(), 76);
    assert_eq!(Message::canceled_to(&call.header), message("canceled"));
    let error = message("error-unknown-action");
    let call = Message::call(12, 2, 1, 4242, Bytes::new()).with_flags(Flags::RETURN_TYPE);
    assert_eq!(Message::error_to(&call.header, "No such method {2.1.4242, id:12}"), error);
    assert_eq!(error.error_text().unwrap(), "No such method {2.1.4242, id:12}");
    let capability = message("capability");
    assert_eq!(Message::capability(19, capability.payload.clone()), capability);
    let post = message("post-signal");
    assert_eq!(Message::post(63, 2, 1, 122, post.payload.clone()), post);
    let event = message("event-with-signature");
    assert_eq!(Message::event(5, 2, 1, 122, event.payload.clone()).with_flags(Flags::DYNAMIC_PAYLOAD), event);
}
