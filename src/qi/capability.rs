//! What two peers tell each other before anything else (qi-messaging.md 10).

use std::collections::BTreeMap;

use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{DecodeError, Text, Value};

/// The state of authentication that a Reply carries.
pub const STATE_KEY: &str = "__qi_auth_state";
/// Why authentication failed, for people.
pub const REASON_KEY: &str = "__qi_auth_err_reason";
/// Who wants in.
pub const USER_KEY: &str = "auth_user";
/// What proves it.
pub const TOKEN_KEY: &str = "auth_token";
/// A token that the server offers for the next time.
pub const NEW_TOKEN_KEY: &str = "auth_newToken";
/// What keys begin with that are meant for authenticators.
pub const AUTH_PREFIX: &str = "auth_";

/// The capabilities that libqi knows: of one side, or shared by both. Absent means off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// This side takes Calls, whichever side has dialled.
    pub client_server_socket: bool,
    /// Flagged Replies and Events are understood.
    pub message_flags: bool,
    /// Meta objects in object references are sent once.
    pub meta_object_cache: bool,
    /// Object references end in 20 bytes of identity.
    pub object_ptr_uid: bool,
    /// `qi:Name` endpoints are understood.
    pub relative_endpoint_uri: bool,
    /// Cancel and Canceled are understood.
    pub remote_cancelable_calls: bool,
}

impl Capabilities {
    /// What we announce: all but the cache, which libqi has switched off since v1.2, and relative endpoints.
    pub const OURS: Capabilities = Capabilities {
        client_server_socket: true,
        message_flags: true,
        meta_object_cache: false,
        object_ptr_uid: true,
        relative_endpoint_uri: false,
        remote_cancelable_calls: true,
    };

    /// Name on the wire and value, in the order in which libqi writes them.
    pub fn named(&self) -> [(&'static str, bool); 6] {
        [
            ("ClientServerSocket", self.client_server_socket),
            ("MessageFlags", self.message_flags),
            ("MetaObjectCache", self.meta_object_cache),
            ("ObjectPtrUID", self.object_ptr_uid),
            ("RelativeEndpointURI", self.relative_endpoint_uri),
            ("RemoteCancelableCalls", self.remote_cancelable_calls),
        ]
    }

    /// What both have.
    #[must_use]
    pub fn shared(self, other: Capabilities) -> Capabilities {
        Capabilities {
            client_server_socket: self.client_server_socket && other.client_server_socket,
            message_flags: self.message_flags && other.message_flags,
            meta_object_cache: self.meta_object_cache && other.meta_object_cache,
            object_ptr_uid: self.object_ptr_uid && other.object_ptr_uid,
            relative_endpoint_uri: self.relative_endpoint_uri && other.relative_endpoint_uri,
            remote_cancelable_calls: self.remote_cancelable_calls && other.remote_cancelable_calls,
        }
    }
}

/// How far authentication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthState {
    /// Never to be sent: who rejects sends an Error and closes.
    Error = 1,
    Continue = 2,
    Done = 3,
}

/// Keys of one peer that are remembered, at most; there are about ten.
const MAX_KEYS: usize = 256;

/// A `{sm}` as authenticate and Capability messages carry it, ascending like libqi's. The first value of a key wins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CapabilityMap(BTreeMap<Text, Value>);

impl CapabilityMap {
    /// The type on the wire.
    pub fn signature() -> Signature {
        Signature::map(Kind::String.into(), Kind::Dynamic.into())
    }

    /// What this side announces.
    pub fn announcing(capabilities: &Capabilities) -> CapabilityMap {
        let named = capabilities.named();
        CapabilityMap(named.into_iter().map(|(name, on)| (name.into(), Value::Bool(on))).collect())
    }

    /// A server's Reply: what it announces, and how far authentication is.
    pub fn reply(capabilities: &Capabilities, state: AuthState) -> CapabilityMap {
        let mut map = CapabilityMap::announcing(capabilities);
        map.set(STATE_KEY, Value::UInt32(state as u32));
        map
    }

    /// Reads a `{sm}`, taking off all dynamics around the values: those of Python come wrapped twice. `None` if
    /// the value is of another type. Fails if a value is too large to look into.
    pub fn from_value(value: &Value) -> Option<Result<CapabilityMap, DecodeError>> {
        let mut map = CapabilityMap::default();
        for (key, value) in value.entries()? {
            let (Value::String(key), Value::Dynamic(_)) = (key, value) else { return None };
            match value.clone().undynamic() {
                Ok(value) => map.add(key.clone(), value),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(map))
    }

    /// A value of [`signature`](CapabilityMap::signature).
    pub fn to_value(&self) -> Value {
        let entries = self.0.iter().map(|(key, value)| (key.clone().into(), value.clone().into_dynamic())).collect();
        Value::map(Kind::String.into(), Kind::Dynamic.into(), entries)
    }

    /// The value of a key, without dynamics around it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key.as_bytes())
    }

    /// All keys and values, ascending.
    pub fn entries(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.0.iter()
    }

    /// Sets a key of ours, in place of the value that it had.
    pub fn set(&mut self, key: &str, value: Value) {
        self.0.insert(key.into(), value);
    }

    /// Adds what a peer announces later, in a Capability message: what it has said before stays.
    pub fn merge(&mut self, later: CapabilityMap) {
        for (key, value) in later.0 {
            self.add(key, value);
        }
    }

    /// The capabilities announced. What is neither a bool nor an integer of 0 or 1 is off.
    pub fn capabilities(&self) -> Capabilities {
        let on = |name| match self.get(name) {
            Some(Value::Bool(on)) => *on,
            Some(value) => value.integer() == Some(1),
            None => false,
        };
        Capabilities {
            client_server_socket: on("ClientServerSocket"),
            message_flags: on("MessageFlags"),
            meta_object_cache: on("MetaObjectCache"),
            object_ptr_uid: on("ObjectPtrUID"),
            relative_endpoint_uri: on("RelativeEndpointURI"),
            remote_cancelable_calls: on("RemoteCancelableCalls"),
        }
    }

    /// The state in a server's Reply: an integer of any width. `None` if it is missing or out of range, on which a
    /// client hangs up.
    pub fn state(&self) -> Option<AuthState> {
        match self.get(STATE_KEY)?.integer()? {
            1 => Some(AuthState::Error),
            2 => Some(AuthState::Continue),
            3 => Some(AuthState::Done),
            _ => None,
        }
    }

    /// The user's name as bytes, if one was sent as a string or raw.
    pub fn user(&self) -> Option<&[u8]> {
        self.credential(USER_KEY)
    }

    /// The token as bytes, if one was sent as a string or raw.
    pub fn token(&self) -> Option<&[u8]> {
        self.credential(TOKEN_KEY)
    }

    fn credential(&self, key: &str) -> Option<&[u8]> {
        match self.get(key)? {
            Value::String(text) => Some(text.bytes()),
            Value::Raw(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn add(&mut self, key: Text, value: Value) {
        if self.0.len() < MAX_KEYS {
            self.0.entry(key).or_insert(value);
        }
    }
}

#[cfg(test)]
#[path = "tests/capability.rs"]
mod tests;
