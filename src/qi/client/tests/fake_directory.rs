//! The directory's part of a server made of a plain socket.

use super::*;
use crate::qi::client::SessionOptions;
use crate::qi::meta::{ServiceInfo, ServiceInfoLayout};

/// A directory's meta object in this layout of records: 100 `service`, 101 `services`, 102 and 103 the signals, 104
/// `machineId`, 105 `registerService`, 106 `serviceReady`, 107 `unregisterService`.
pub fn directory_meta(layout: ServiceInfoLayout) -> MetaObject {
    let info = layout.signature().to_string();
    let mut builder = Builder::new();
    builder.method("service", "(s)", &info);
    builder.method("services", "()", &format!("[{info}]"));
    builder.signal("serviceAdded", "(Is)");
    builder.signal("serviceRemoved", "(Is)");
    builder.method("machineId", "()", "s");
    builder.method("registerService", &format!("({info})"), "I");
    builder.method("serviceReady", "(I)", "v");
    builder.method("unregisterService", "(I)", "v");
    builder.build().unwrap()
}

/// What a session asks at its beginning.
pub fn begin(peer: &mut Peer, layout: ServiceInfoLayout) {
    peer.welcome(Capabilities::OURS);
    peer.describe(&directory_meta(layout));
    for _ in 0..2 {
        let call = peer.expect(Type::Call, 0);
        peer.reply(&call, &Value::UInt64(1));
    }
    let call = peer.expect(Type::Call, 104);
    peer.reply(&call, &"machine".into());
}

/// The signal `serviceAdded`: the service of [`record`] has come.
pub fn tell_of_service(peer: &mut Peer) {
    let event = Value::tuple(vec![5u32.into(), "Old".into()]);
    peer.send(&Message::event(1, 1, 1, 102, encode(&event, &event.signature()).unwrap()));
}

pub fn session_options() -> SessionOptions {
    SessionOptions { call_timeout: Some(LIMIT), machine_id: Some("another".into()), ..SessionOptions::default() }
}

pub fn record(endpoints: &[String]) -> ServiceInfo {
    ServiceInfo {
        name: "Old".into(),
        service_id: 5,
        machine_id: "machine".into(),
        endpoints: endpoints.iter().map(|text| text.as_str().into()).collect(),
        ..ServiceInfo::default()
    }
}
