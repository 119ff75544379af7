//! The directory over the bus (section 11): layouts, order of signals and replies, owners, addresses.

use std::sync::Arc;

use bytes::Bytes;

use crate::qi::endpoint::Budget;
use crate::qi::machine::{machine_id_in, random_uuid};
use crate::qi::message::{Flags, Message, Type};
use crate::qi::meta::{MetaObject, SERVICE_INFO_6_TEXT, SERVICE_INFO_TEXT, ServiceInfo, ServiceInfoLayout};
use crate::qi::server::directory_object::{DirectoryService, SERVICE as DIRECTORY};
use crate::qi::value::{Text, Value};

use super::harness::*;

struct Setting {
    world: World,
    directory: Arc<DirectoryService>,
}

fn setting(layout: ServiceInfoLayout) -> Setting {
    let world = World::new();
    let directory = DirectoryService::new("the-machine", layout).unwrap();
    directory.add_endpoint("tcp://192.168.1.1:9559");
    let object = directory.object().unwrap().clone();
    world.router.add_service(DIRECTORY, &object);
    let (told, runner) = (Arc::downgrade(&directory), Arc::downgrade(&world.router));
    world.router.on_end(move |connection| {
        let (directory, router) = (told.upgrade().unwrap(), runner.upgrade().unwrap());
        let object = directory.object().unwrap().clone();
        router.run_at_end(&object, move || directory.drop_connection(connection));
    });
    Setting { world, directory }
}

fn seven() -> Setting {
    setting(ServiceInfoLayout::Seven)
}

fn info(name: &str) -> ServiceInfo {
    ServiceInfo {
        name: name.into(),
        machine_id: "other".into(),
        endpoints: vec!["tcp://10.1.1.1:4000".into()],
        session_id: "s".into(),
        object_uid: Some([9; 20]),
        ..ServiceInfo::default()
    }
}

impl Setting {
    fn ask(&self, client: &Client, action: u32, payload: Bytes) -> Vec<Message> {
        client.call_at((DIRECTORY, 1, action), payload);
        self.world.run();
        client.take()
    }

    fn register(&self, client: &Client, name: &str) -> Message {
        let payload = args(&format!("({SERVICE_INFO_TEXT})"), vec![info(name).to_value(ServiceInfoLayout::Seven)]);
        self.ask(client, 102, payload).pop().unwrap()
    }

    fn with_id(&self, client: &Client, action: u32, id: u32) -> Vec<Message> {
        self.ask(client, action, args("(I)", vec![id.into()]))
    }

    fn service(&self, client: &Client, name: &str) -> Message {
        self.ask(client, 100, args("(s)", vec![name.into()])).pop().unwrap()
    }

    fn found(&self, client: &Client, name: &str) -> ServiceInfo {
        ServiceInfo::from_value(&result(&self.service(client, name), SERVICE_INFO_TEXT)).unwrap()
    }
}

fn watch(client: &Client) {
    for signal in [106u32, 107] {
        client.call_at((DIRECTORY, 1, 0), args("(IIL)", vec![1u32.into(), signal.into(), u64::from(signal).into()]));
        assert_eq!(client.only().payload.len(), 8);
    }
}

fn event(message: &Message) -> (u32, u32, String) {
    assert_eq!(message.header.ty, Type::Event);
    let tuple = crate::qi::value::Reader::new(&message.payload).read(&signature("(Is)")).unwrap();
    let [Value::UInt32(id), name] = tuple.members().unwrap() else { panic!("{tuple:?}") };
    (message.header.action, *id, name.as_str().unwrap().to_owned())
}

#[test]
fn the_members_have_their_agreed_ids() {
    let setting = seven();
    let client = setting.world.client();
    client.call_at((DIRECTORY, 1, 2), args("(I)", vec![0u32.into()]));
    let meta = MetaObject::decode(&client.only().payload).unwrap();
    let names = ["service", "services", "registerService", "unregisterService", "serviceReady", "updateServiceInfo"];
    for (id, name) in (100..).zip(names) {
        assert_eq!(meta.method(id).unwrap().name, name);
    }
    assert_eq!(meta.signal(106).unwrap().name, "serviceAdded");
    assert_eq!(meta.signal(107).unwrap().signature.0, "(Is)");
    assert_eq!(meta.method(108).unwrap().name, "machineId");
    assert_eq!(meta.method(109).unwrap().name, "_socketOfService");
    assert_eq!(meta.method(100).unwrap().return_signature.0, SERVICE_INFO_TEXT);
}

#[test]
fn signals_come_before_the_reply() {
    let setting = seven();
    let client = setting.world.client();
    watch(&client);
    assert_eq!(result(&setting.register(&client, "One"), "I"), 2u32.into());
    assert!(error(&setting.service(&client, "One")).contains("Cannot find service 'One' in index"));
    let sent = setting.with_id(&client, 104, 2);
    assert_eq!((sent.len(), event(&sent[0])), (2, (106, 2, "One".into())));
    assert_eq!(sent[1].header.ty, Type::Reply);
    let found = setting.found(&client, "One");
    assert_eq!(found, ServiceInfo { service_id: 2, ..info("One") }, "as it was registered");
    let sent = setting.with_id(&client, 103, 2);
    assert_eq!((sent.len(), event(&sent[0])), (2, (107, 2, "One".into())));
    assert_eq!(sent[1].header.ty, Type::Reply);
}

#[test]
fn the_connection_that_registered_owns_the_service() {
    let setting = seven();
    let (one, other) = (setting.world.client(), setting.world.client());
    setting.register(&one, "One");
    for action in [103, 104] {
        assert!(error(&setting.with_id(&other, action, 2)[0]).contains("another connection"));
    }
    setting.with_id(&one, 104, 2);
    assert!(error(&setting.register(&other, "One")).contains("already"));
    assert!(error(&setting.register(&other, "")).contains("name"));
    assert!(error(&setting.with_id(&other, 103, 1)[0]).contains("another connection"), "the directory itself");
    watch(&other);
    one.end();
    setting.world.run();
    assert_eq!(event(&other.only()), (107, 2, "One".into()));
    assert_eq!(result(&setting.register(&other, "One"), "I"), 3u32.into(), "a new id");
}

#[test]
fn a_registration_that_waits_when_its_connection_ends_does_not_stay() {
    let setting = seven();
    let (one, other) = (setting.world.client(), setting.world.client());
    watch(&other);
    let payload = args(&format!("({SERVICE_INFO_TEXT})"), vec![info("One").to_value(ServiceInfoLayout::Seven)]);
    // What is posted is done, and undone after that.
    one.message(Message::post(1, DIRECTORY, 1, 102, payload));
    one.message(Message::post(2, DIRECTORY, 1, 104, args("(I)", vec![2u32.into()])));
    one.end();
    setting.world.run();
    let events: Vec<_> = other.take().iter().map(event).collect();
    assert_eq!(events, [(106, 2, "One".into()), (107, 2, "One".into())]);
    assert_eq!(setting.directory.list(None).len(), 1);
}

#[test]
fn services_of_ours_have_the_address_that_the_client_used() {
    let setting = seven();
    let (one, two) = (setting.world.client(), setting.world.client());
    let id = setting.directory.add("Ours", [5; 20]).unwrap();
    assert_eq!(setting.service(&one, "Ours").header.ty, Type::Error);
    watch(&two);
    setting.directory.show(id, || true).unwrap();
    assert_eq!(event(&two.only()), (106, id, "Ours".into()));
    let shown = setting.found(&one, "Ours");
    assert_eq!(shown.endpoints, ["tcp://10.0.1.1:9559", "tcp://192.168.1.1:9559"].map(Text::from));
    assert_eq!((shown.machine_id, shown.object_uid), ("the-machine".into(), Some([5; 20])));
    assert_eq!(setting.found(&two, "Ours").endpoints[0], "tcp://10.0.1.2:9559");
    let own = setting.found(&one, "ServiceDirectory");
    assert_eq!((own.service_id, &own.endpoints[0]), (1, &"tcp://10.0.1.1:9559".into()));
    assert_eq!(result(&setting.ask(&one, 108, Bytes::new())[0], "s").as_str(), Some("the-machine"));
    let list = result(&setting.ask(&one, 101, Bytes::new())[0], &format!("[{SERVICE_INFO_TEXT}]"));
    let names: Vec<_> = list.items().unwrap().iter().map(|info| info.members().unwrap()[0].clone()).collect();
    assert_eq!(names, ["ServiceDirectory".into(), "Ours".into()]);
    assert_eq!(setting.with_id(&one, 109, 2)[0].header.ty, Type::Error);
    setting.directory.remove(id).unwrap();
    assert_eq!(event(&two.only()), (107, id, "Ours".into()));
    assert!(setting.directory.remove(1).is_err());
}

#[test]
fn six_fields_are_taken_as_a_dynamic() {
    let setting = seven();
    let client = setting.world.client();
    let six = Value::tuple(vec![info("Old").to_value(ServiceInfoLayout::Six)]);
    client.call_flags((DIRECTORY, 1, 102), dynamic(six), Flags::DYNAMIC_PAYLOAD);
    setting.world.run();
    assert_eq!(result(&client.only(), "I"), 2u32.into());
    let plain = args(&format!("({SERVICE_INFO_6_TEXT})"), vec![info("Older").to_value(ServiceInfoLayout::Six)]);
    assert!(error(&setting.ask(&client, 102, plain)[0]).contains("ISerialization"), "unflagged it is not");
    setting.with_id(&client, 104, 2);
    assert_eq!(setting.found(&client, "Old").object_uid, None);
}

#[test]
fn a_directory_may_be_of_the_old_kind() {
    let setting = setting(ServiceInfoLayout::Six);
    let client = setting.world.client();
    let six = args(&format!("({SERVICE_INFO_6_TEXT})"), vec![info("Old").to_value(ServiceInfoLayout::Six)]);
    assert_eq!(result(&setting.ask(&client, 102, six)[0], "I"), 2u32.into());
    setting.with_id(&client, 104, 2);
    let found = ServiceInfo::from_value(&result(&setting.service(&client, "Old"), SERVICE_INFO_6_TEXT)).unwrap();
    assert_eq!(found, ServiceInfo { service_id: 2, object_uid: None, ..info("Old") });
}

#[test]
fn an_update_by_the_owner() {
    let setting = seven();
    let (one, other) = (setting.world.client(), setting.world.client());
    setting.register(&one, "One");
    setting.with_id(&one, 104, 2);
    let moved = ServiceInfo { service_id: 2, endpoints: vec!["tcp://10.2.2.2:1".into()], ..info("One") };
    let payload = args(&format!("({SERVICE_INFO_TEXT})"), vec![moved.to_value(ServiceInfoLayout::Seven)]);
    assert_eq!(setting.ask(&other, 105, payload.clone())[0].header.ty, Type::Error);
    assert_eq!(setting.found(&other, "One").endpoints, info("One").endpoints);
    assert_eq!(setting.ask(&one, 105, payload)[0].header.ty, Type::Reply);
    assert_eq!(setting.found(&other, "One").endpoints, moved.endpoints);
}

#[test]
fn the_machine_has_one_id_and_a_file() {
    let dir = std::env::temp_dir().join(format!("millrace-machine-{}", random_uuid()));
    let made = machine_id_in(&dir);
    assert_eq!(made.len(), 36);
    assert_eq!(made.matches('-').count(), 4);
    assert_eq!(machine_id_in(&dir), made);
    let file = dir.join("qimessaging/machine_id");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), made);
    std::fs::write(&file, "somebody-elses\n").unwrap();
    assert_eq!(machine_id_in(&dir), "somebody-elses");
    assert_eq!(std::fs::read_dir(dir.join("qimessaging")).unwrap().count(), 1, "nothing is left beside it");
    std::fs::remove_dir_all(&dir).unwrap();
    let nowhere = std::path::Path::new("/proc/nowhere");
    assert_ne!(machine_id_in(nowhere), machine_id_in(nowhere), "an id all the same");
}

/// A record may have 64 KiB, and a connection a thousand of them.
#[test]
fn what_is_registered_counts_in_the_budget_until_it_is_gone() {
    let mut setting = seven();
    setting.world.budget = Budget::new(4 << 20);
    let (one, other) = (setting.world.client(), setting.world.client());
    let long = |number: usize| format!("{number} {}", "x".repeat(50_000));
    let fits = |number: &usize| setting.register(&one, &long(*number)).header.ty == Type::Reply;
    let registered = (0..100).take_while(fits).count();
    assert!((30..40).contains(&registered), "half of what is no reserve: {registered}");
    assert!(error(&setting.register(&one, &long(100))).contains("no room"));
    let full = setting.world.budget.used();
    assert!(full >= registered * 50_000, "{full} bytes for {registered}");
    assert_eq!(setting.register(&other, "Small").header.ty, Type::Reply);
    for id in 2..12 {
        setting.with_id(&one, 103, id);
    }
    let less = setting.world.budget.used();
    assert!(less <= full - 10 * 50_000 + 16 * 1024, "{less} of {full}");
    assert_eq!(setting.register(&one, &long(100)).header.ty, Type::Reply);
    one.end();
    setting.world.run();
    assert_eq!(setting.world.budget.used(), 0, "what the other has is too little to be counted");
}
