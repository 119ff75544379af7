//! Where the events of a subscription come from, and what they consist of (qi-messaging.md 15).

use std::sync::{Arc, Weak};

use crate::qi::calls::registrations::Key;
use crate::qi::calls::{CallError, Connection, Received, Result};
use crate::qi::convert::{ConvertError, Why, may_become};
use crate::qi::meta::MetaObject;
use crate::qi::payload::PayloadError;
use crate::qi::signature::{Kind, Signature};

use super::place::Place;

/// Where events come from, and what they consist of.
#[derive(Debug)]
pub(super) struct Origin {
    pub connection: Weak<Connection>,
    pub member: String,
    pub declared: Signature,
    /// They are converted here. The peer could be asked to, but what it cannot it sends as it is, and nothing tells that copy from
    /// those for who listens to the same signal without this wish.
    wanted: Option<Signature>,
    pub key: Key,
}

impl Origin {
    /// Of a signal, or of the changes of a property, at this place.
    pub fn new(place: &Place, name: &str, wanted: Option<&Signature>) -> Result<Origin> {
        let (signal, declared) = signal(&place.meta, name)?;
        wanted.map_or(Ok(()), |wanted| is_possible(name, &declared, wanted))?;
        let key = Key { service: place.service, object: place.object, signal };
        let (connection, member) = (Arc::downgrade(&place.connection), what(name));
        Ok(Origin { connection, member, declared, wanted: wanted.cloned(), key })
    }

    /// In the type that is wanted.
    pub fn finish(&self, arguments: Received) -> std::result::Result<Received, PayloadError> {
        match &self.wanted {
            Some(wanted) => arguments.converted(wanted).map_err(PayloadError::from),
            None => Ok(arguments),
        }
    }
}

/// Fails if no event of this signal or property can be had in this type.
pub(super) fn check_wanted(meta: &MetaObject, name: &str, wanted: &Signature) -> Result<()> {
    is_possible(name, &signal(meta, name)?.1, wanted)
}

fn is_possible(name: &str, declared: &Signature, wanted: &Signature) -> Result<()> {
    if may_become(declared, wanted) {
        return Ok(());
    }
    let error = ConvertError { from: declared.clone(), to: wanted.clone(), why: Why::Types };
    Err(CallError::Payload { member: what(name), error: Box::new(error.into()) })
}

fn what(name: &str) -> String {
    format!("event {name}")
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
