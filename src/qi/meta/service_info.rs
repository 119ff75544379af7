//! `ServiceInfo`: what the directory knows of a service (qi-messaging.md 11).

use std::sync::LazyLock;

use bytes::Bytes;

use crate::qi::signature::Signature;
use crate::qi::value::{Text, Uid, Value};

use super::constant;

/// The layout since libqi v1.7.0.
pub const SERVICE_INFO_TEXT: &str =
    "(sIsI[s]ss)<ServiceInfo,name,serviceId,machineId,processId,endpoints,sessionId,objectUid>";
/// The layout before, of all NAOqi 2.x.
pub const SERVICE_INFO_6_TEXT: &str = "(sIsI[s]s)<ServiceInfo,name,serviceId,machineId,processId,endpoints,sessionId>";

static SEVEN: LazyLock<Signature> = LazyLock::new(|| constant(SERVICE_INFO_TEXT));
static SIX: LazyLock<Signature> = LazyLock::new(|| constant(SERVICE_INFO_6_TEXT));

/// Which of the two. A client takes the one that the directory's meta object declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceInfoLayout {
    /// Without the object's uid.
    Six,
    /// Seven members.
    Seven,
}

impl ServiceInfoLayout {
    /// The layout that a directory declares, in `service`'s result or inside of `registerService`'s parameters.
    /// `None` if it is neither.
    pub fn of(signature: &Signature) -> Option<ServiceInfoLayout> {
        let layouts = [ServiceInfoLayout::Seven, ServiceInfoLayout::Six];
        let one_of = |signature: &Signature| layouts.into_iter().find(|layout| layout.signature() == signature);
        match signature.members() {
            [only] => one_of(only),
            _ => one_of(signature),
        }
    }

    /// The annotated signature.
    pub fn signature(self) -> &'static Signature {
        match self {
            ServiceInfoLayout::Six => &SIX,
            ServiceInfoLayout::Seven => &SEVEN,
        }
    }
}

/// A service as the directory lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceInfo {
    /// Its name in the directory.
    pub name: Text,
    /// 0 in the argument of `registerService`.
    pub service_id: u32,
    /// The machine it runs on, as its process tells it.
    pub machine_id: Text,
    /// The process it runs in.
    pub process_id: u32,
    /// Texts of URLs, as they came; see [`Endpoint`](crate::qi::address::Endpoint).
    pub endpoints: Vec<Text>,
    /// The session that registered it.
    pub session_id: Text,
    /// Identity of the main object. Anything but 20 bytes is read as none.
    pub object_uid: Option<Uid>,
}

impl ServiceInfo {
    /// The record in a value of either layout; dynamics around it are taken off. `None` for other values.
    pub fn from_value(value: &Value) -> Option<ServiceInfo> {
        if let Value::Dynamic(_) = value {
            return ServiceInfo::from_value(&value.clone().undynamic().ok()?);
        }
        let members = value.members()?;
        let [
            Value::String(name),
            Value::UInt32(service_id),
            Value::String(machine_id),
            Value::UInt32(process_id),
            endpoints,
            Value::String(session_id),
            uid @ ..,
        ] = members
        else {
            return None;
        };
        let object_uid = match uid {
            [] => None,
            [Value::String(uid)] => uid.bytes()[..].try_into().ok(),
            _ => return None,
        };
        let endpoint = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        };
        Some(ServiceInfo {
            name: name.clone(),
            service_id: *service_id,
            machine_id: machine_id.clone(),
            process_id: *process_id,
            endpoints: endpoints.items()?.iter().map(endpoint).collect::<Option<_>>()?,
            session_id: session_id.clone(),
            object_uid,
        })
    }

    /// A value of this layout.
    pub fn to_value(&self, layout: ServiceInfoLayout) -> Value {
        let endpoints = self.endpoints.iter().map(|endpoint| endpoint.clone().into()).collect();
        let mut members = vec![
            self.name.clone().into(),
            self.service_id.into(),
            self.machine_id.clone().into(),
            self.process_id.into(),
            Value::list(crate::qi::signature::Kind::String.into(), endpoints),
            self.session_id.clone().into(),
        ];
        if layout == ServiceInfoLayout::Seven {
            let uid = self.object_uid.map(|uid| Bytes::copy_from_slice(&uid));
            members.push(Text::from_bytes(uid.unwrap_or_default()).into());
        }
        Value::structure(layout.signature().clone(), members)
    }
}
