use super::*;
use crate::qi::tests::vectors;
use crate::qi::value::Value;

const INFO: &str = SERVICE_INFO_TEXT;

fn captured() -> MetaObject {
    MetaObject::decode(&vectors::find("metaobject-reply-directory").payload()).unwrap()
}

#[test]
fn the_constants_are_signatures() {
    for text in [SIGNATURE_TEXT, INFO, SERVICE_INFO_6_TEXT, STATISTICS_TEXT, TRACE_TEXT] {
        assert_eq!(Signature::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(SIGNATURE.to_string(), SIGNATURE_TEXT);
    assert_eq!(ServiceInfoLayout::Six.signature().to_string(), SERVICE_INFO_6_TEXT);
    assert_eq!(vectors::find("stats-reply").signature.to_string(), STATISTICS_TEXT);
}

#[test]
fn what_is_built_is_what_libqi_builds() {
    let argument = format!("({INFO})");
    let mut builder = Builder::new();
    builder.statistics();
    builder.method("service", "(s)", INFO);
    builder.method("services", "()", &format!("[{INFO}]"));
    builder.method("registerService", &argument, "I");
    builder.method("unregisterService", "(I)", "v");
    builder.method("serviceReady", "(I)", "v");
    builder.method("updateServiceInfo", &argument, "v");
    builder.signal("serviceAdded", "(Is)");
    assert_eq!(builder.signal("serviceRemoved", "(Is)"), 107);
    builder.method("machineId", "()", "s");
    builder.method("_socketOfService", "(I)", "o");
    let built = builder.build().unwrap();
    assert_eq!(built, captured());
    assert_eq!(built.encode().unwrap(), vectors::find("metaobject-reply-directory").payload());
}

#[test]
fn members_are_found_by_id_and_name() {
    let meta = captured();
    assert_eq!(meta.method(108).unwrap().full_name(), "machineId::()");
    assert_eq!(meta.methods_named("service").next().unwrap().uid, 100);
    assert_eq!(meta.signal_named("serviceAdded").unwrap().uid, 106);
    assert_eq!(meta.signal(107).unwrap().arguments_type(), Signature::parse("(Is)").map_err(|_| unreachable!()));
    assert!(meta.property(107).is_none() && meta.property_named("x").is_none() && meta.method(4).is_none());
    // The uid inside is what counts, as for libqi.
    let mut odd = meta;
    let method = odd.methods.remove(&108).unwrap();
    odd.methods.insert(500, method);
    assert_eq!(odd.method(108).unwrap().name, "machineId");
    assert!(odd.method(500).is_none());
}

#[test]
fn properties_bring_their_signals() {
    let mut builder = Builder::new();
    let id = builder.property("level", "i");
    let meta = builder.description("a thing").build().unwrap();
    assert_eq!(meta.property_named("level").unwrap().uid, id);
    assert_eq!(meta.signal(id).unwrap().signature.0, "(i)");
    assert_eq!(MetaObject::decode(&meta.encode().unwrap()).unwrap(), meta);
}

#[test]
fn bad_signatures_are_kept_until_they_are_used() {
    let mut meta = captured();
    for text in ["", "(i", "nonsense"] {
        meta.methods.get_mut(&108).unwrap().return_signature = Declared(text.into());
        meta.signals.get_mut(&106).unwrap().signature = Declared(text.into());
        let read = MetaObject::decode(&meta.encode().unwrap()).unwrap();
        assert_eq!(read, meta);
        let error = read.method(108).unwrap().return_type().unwrap_err().to_string();
        assert!(error.starts_with(&format!("method 108 \"machineId\": invalid signature \"{text}\"")), "{error}");
        assert!(read.signal(106).unwrap().arguments_type().unwrap_err().to_string().contains("signal 106"));
        assert!(read.method(100).unwrap().return_type().is_ok());
    }
}

/// What is wrong after one change to a sound meta object.
fn problem(change: impl Fn(&mut MetaObject)) -> Problem {
    let mut builder = Builder::new();
    builder.method("f", "(i)", "v");
    builder.method("f", "(s)", "v");
    builder.signal("s", "m");
    builder.property("p", "i");
    let mut meta = builder.build().unwrap();
    change(&mut meta);
    meta.validate().unwrap_err().problem
}

#[test]
fn only_sound_meta_objects_are_published() {
    let declared = |text: &str| Declared(text.into());
    let method =
        |meta: &mut MetaObject, text: &str| meta.methods.get_mut(&100).unwrap().parameters_signature = declared(text);
    let signal = |meta: &mut MetaObject, text: &str| meta.signals.get_mut(&102).unwrap().signature = declared(text);
    let property =
        |meta: &mut MetaObject, text: &str| meta.properties.get_mut(&103).unwrap().signature = declared(text);
    assert!(matches!(problem(|meta| method(meta, "(i")), Problem::Signature { .. }));
    assert!(matches!(problem(|meta| signal(meta, "")), Problem::Signature { .. }));
    assert!(matches!(problem(|meta| property(meta, "?")), Problem::Signature { .. }));
    assert!(matches!(problem(|meta| method(meta, "i")), Problem::NotArguments(_)));
    assert!(matches!(problem(|meta| signal(meta, "s")), Problem::NotArguments(_)), "as qiloop does");
    assert!(matches!(problem(|meta| method(meta, "([X])")), Problem::Unsendable(_)));
    assert_eq!(problem(|meta| method(meta, "(s)")), Problem::Overload);
    assert_eq!(problem(|meta| property(meta, "s")), Problem::NoSignal);
    assert_eq!(problem(|meta| drop(meta.signals.remove(&103))), Problem::NoSignal);
    assert_eq!(problem(|meta| meta.signals.get_mut(&103).unwrap().name = "q".into()), Problem::NoSignal);
    assert_eq!(problem(|meta| meta.methods.get_mut(&100).unwrap().uid = 7), Problem::Key(100));
    for name in ["", "a::b", "a\n"] {
        assert_eq!(problem(|meta| meta.methods.get_mut(&100).unwrap().name = name.into()), Problem::Name);
    }
    let move_to = |meta: &mut MetaObject, uid: u32| {
        let method = meta.methods.remove(&100).unwrap();
        meta.methods.insert(uid, MetaMethod { uid, ..method });
    };
    assert_eq!(problem(|meta| move_to(meta, 102)), Problem::Twice);
    assert_eq!(problem(|meta| move_to(meta, 103)), Problem::Twice);
    assert_eq!(problem(|meta| move_to(meta, 4)), Problem::Reserved);
    assert_eq!(problem(|meta| meta.methods.get_mut(&3).unwrap().name = "end".into()), Problem::Reserved);
    assert_eq!(
        problem(|meta| meta.methods.get_mut(&3).unwrap().parameters_signature = declared("(L)")),
        Problem::Reserved
    );
}

#[test]
fn service_records_are_read_in_both_layouts() {
    let of = |text: &str| ServiceInfoLayout::of(&Signature::parse(text).unwrap());
    assert_eq!(of(INFO), Some(ServiceInfoLayout::Seven));
    assert_eq!(of(&format!("({SERVICE_INFO_6_TEXT})")), Some(ServiceInfoLayout::Six));
    assert_eq!(of("(sIsI[s]s)"), Some(ServiceInfoLayout::Six), "names do not count");
    assert_eq!(of("(s)"), None);
    let info = ServiceInfo {
        name: "a".into(),
        object_uid: Some([7; 20]),
        endpoints: vec!["qi:a".into()],
        ..Default::default()
    };
    let value = info.to_value(ServiceInfoLayout::Seven);
    assert_eq!(ServiceInfo::from_value(&value.clone().into_dynamic()), Some(info));
    // A uid of any other length is none.
    let mut members = value.members().unwrap().to_vec();
    members[6] = "short".into();
    assert_eq!(ServiceInfo::from_value(&Value::tuple(members.clone())).unwrap().object_uid, None);
    members.push(Value::Void);
    assert_eq!(ServiceInfo::from_value(&Value::tuple(members)), None);
    assert_eq!(ServiceInfo::from_value(&Value::Void), None);
}
