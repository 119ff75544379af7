//! Where the events of a subscription come from, and what they consist of (qi-messaging.md 15).

use std::sync::{Arc, Weak};

use crate::qi::actions::REGISTER_EVENT_WITH_SIGNATURE;
use crate::qi::calls::registrations::Key;
use crate::qi::calls::{CallError, Connection, Received, Result};
use crate::qi::convert::score;
use crate::qi::message::{Flags, Message};
use crate::qi::meta::MetaObject;
use crate::qi::payload::PayloadError;
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::{Reader, Value};

use super::place::Place;

/// What a conversion must be worth to be made here: below this the peer, which may know more of its types, is asked (15).
const OUR_CONVERSION: f64 = 0.2;

/// Where events come from, and what they consist of.
#[derive(Debug)]
pub(super) struct Origin {
    pub connection: Weak<Connection>,
    pub member: String,
    pub declared: Signature,
    wanted: Option<Signature>,
    pub key: Key,
}

impl Origin {
    /// Of a signal, or of the changes of a property, at this place.
    pub fn new(place: &Place, name: &str, wanted: Option<&Signature>) -> Result<Origin> {
        let (signal, declared) = signal(&place.meta, name)?;
        let asked = wanted.filter(|wanted| is_for_the_peer(place, &declared, wanted)).cloned();
        let key = Key { service: place.service, object: place.object, signal, wanted: asked };
        let (connection, member) = (Arc::downgrade(&place.connection), format!("event {name}"));
        Ok(Origin { connection, member, declared, wanted: wanted.cloned(), key })
    }

    /// Whether an event of the signal is meant for who listens like this.
    pub fn is_for_us(&self, connection: &Connection, message: &Message) -> bool {
        let converted = converted(message);
        let listened = |wanted| {
            let key = Key { wanted, ..self.key.clone() };
            connection.is_registered(&key)
        };
        match &self.key.wanted {
            Some(_) if self.key.wanted == converted => true,
            // The peer cannot convert it; but if others listen, too, it is theirs.
            Some(_) => !listened(None),
            // Somebody here has asked for that.
            None => converted.is_none_or(|wanted| !listened(Some(wanted))),
        }
    }

    /// The type that the message is read as.
    pub fn sent_as(&self, message: &Message) -> &Signature {
        self.key.wanted.as_ref().filter(|asked| converted(message).as_ref() == Some(*asked)).unwrap_or(&self.declared)
    }

    /// In the type that is wanted.
    pub fn finish(&self, arguments: Received) -> std::result::Result<Received, PayloadError> {
        match &self.wanted {
            Some(wanted) => arguments.converted(wanted).map_err(PayloadError::from),
            None => Ok(arguments),
        }
    }
}

/// The type of an event that the peer has converted.
fn converted(message: &Message) -> Option<Signature> {
    if !message.header.flags.contains(Flags::DYNAMIC_PAYLOAD) {
        return None;
    }
    let Ok(Value::String(text)) = Reader::new(&message.payload).read(&Kind::String.into()) else { return None };
    Signature::parse(&text).ok()
}

/// Id and argument type of a signal, or of the changes of a property.
fn signal(meta: &MetaObject, name: &str) -> Result<(u32, Signature)> {
    let (id, declared) = match (meta.signal_named(name), meta.property_named(name)) {
        (Some(signal), _) => (signal.uid, signal.arguments_type()?),
        // It should be listed as a signal as well; what it sends is known all the same.
        (None, Some(property)) => (property.uid, Signature::tuple([property.value_type()?])),
        (None, None) => return Err(CallError::NoMember { what: "signal or property", name: name.into() }),
    };
    // qiloop says `s` where it means `(s)`.
    let is_bare = !matches!(declared.kind(), Kind::Tuple(_) | Kind::Dynamic);
    Ok((id, if is_bare { Signature::tuple([declared]) } else { declared }))
}

/// The types are built differently, and the peer takes such wishes.
fn is_for_the_peer(place: &Place, declared: &Signature, wanted: &Signature) -> bool {
    place.connection.shared().message_flags
        && place.meta.method(REGISTER_EVENT_WITH_SIGNATURE).is_some()
        && score(declared, wanted) < OUR_CONVERSION
}
