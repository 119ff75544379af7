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

    /// The values in the order of [`named`](Capabilities::named).
    fn of(values: [bool; 6]) -> Capabilities {
        let [
            client_server_socket,
            message_flags,
            meta_object_cache,
            object_ptr_uid,
            relative_endpoint_uri,
            remote_cancelable_calls,
        ] = values;
        Capabilities {
            client_server_socket,
            message_flags,
            meta_object_cache,
            object_ptr_uid,
            relative_endpoint_uri,
            remote_cancelable_calls,
        }
    }

    /// Asks for each by its name on the wire.
    fn each(is_on: impl Fn(&str) -> bool) -> Capabilities {
        Capabilities::of(Capabilities::default().named().map(|(name, _)| is_on(name)))
    }

    /// Makes one of two.
    fn zip(self, other: Capabilities, join: impl Fn(bool, bool) -> bool) -> Capabilities {
        let (one, other) = (self.named(), other.named());
        Capabilities::of(std::array::from_fn(|at| join(one[at].1, other[at].1)))
    }

    /// As bits, the first that is [`named`](Capabilities::named) being the lowest.
    pub fn bits(self) -> u8 {
        self.named().iter().rev().fold(0, |bits, (_, on)| bits << 1 | u8::from(*on))
    }

    /// The other way round.
    pub fn from_bits(bits: u8) -> Capabilities {
        Capabilities::of(std::array::from_fn(|at| bits >> at & 1 == 1))
    }

    /// What both have.
    #[must_use]
    pub fn shared(self, other: Capabilities) -> Capabilities {
        self.zip(other, |one, other| one && other)
    }
}

/// What a peer has announced so far, in one message or several: the first value of a name wins. Nothing else of the
/// messages is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    named: Capabilities,
    on: Capabilities,
}

impl Announced {
    /// Adds what a later message of the peer announces.
    pub fn add(&mut self, later: Announced) {
        let new = later.on.zip(self.named, |on, named| on && !named);
        self.on = self.on.zip(new, |old, new| old || new);
        self.named = self.named.zip(later.named, |old, new| old || new);
    }

    /// What both sides can do.
    pub fn capabilities(self) -> Capabilities {
        self.on
    }
}

/// How far authentication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthState {
    /// Never to be sent: who rejects sends an Error and closes.
    Error = 1,
    /// More rounds are to come.
    Continue = 2,
    /// The peer is believed.
    Done = 3,
}

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
                Ok(value) => drop(map.0.entry(key.clone()).or_insert(value)),
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

    /// The capabilities in it. What is neither a bool nor an integer of 0 or 1 is off.
    pub fn announced(&self) -> Announced {
        let on = Capabilities::each(|name| match self.get(name) {
            Some(Value::Bool(on)) => *on,
            Some(value) => value.integer() == Some(1),
            None => false,
        });
        Announced { named: Capabilities::each(|name| self.get(name).is_some()), on }
    }

    /// Those that are on.
    pub fn capabilities(&self) -> Capabilities {
        self.announced().on
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
}

#[cfg(test)]
#[path = "tests/capability.rs"]
mod tests;
