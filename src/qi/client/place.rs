//! Where an object of a peer's is: its address on a connection, and what it can do.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::qi::actions::{MAIN_OBJECT, META_OBJECT, takes_turn};
use crate::qi::calls::requester::{Outcome, Target, Waiter};
use crate::qi::calls::waiting::Slot;
use crate::qi::calls::{CallError, Connection, RemoteObject, Result};
use crate::qi::message::Flags;
use crate::qi::meta::{MetaObject, SIGNATURE};
use crate::qi::signature::Signature;
use crate::qi::value::{Uid, Writer};
use crate::reactor::deadline_in;

use super::call::{Expected, PendingCall};

/// Meta objects that one connection remembers; when there are more, it begins anew.
const MAX_METAS: usize = 4096;

/// An object on a connection.
pub(in crate::qi) struct Place {
    pub connection: Arc<Connection>,
    pub service: u32,
    pub object: u32,
    pub meta: Arc<MetaObject>,
    /// The object's, if it is known.
    pub uid: Option<Uid>,
    /// What keeps the object there, if it was handed to us.
    pub held: Option<Arc<RemoteObject>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Place({}.{} of {})", self.service, self.object, self.connection.url())
    }
}

impl Place {
    pub fn target(&self, action: u32, result: Option<Signature>) -> Target {
        Target { service: self.service, object: self.object, action, result }
    }

    /// Makes a Call of the object, whose answer goes here.
    pub(super) fn begin(
        &self,
        (target, slot): (Target, Slot<Outcome>),
        expected: Expected,
        deadline: Option<Instant>,
        encode: impl FnOnce(&mut Writer<'_>) -> Result<(Bytes, Flags)>,
    ) -> Result<PendingCall> {
        let slot = Arc::new(slot);
        let call = self.connection.start(target, Waiter::Slot(Arc::clone(&slot)), deadline, encode)?;
        let turn = self.uid.filter(|_| takes_turn(call.action));
        Ok(PendingCall { connection: Arc::clone(&self.connection), call, slot, expected, deadline, turn })
    }
}

/// The meta object of an object of the peer's: the one the connection knows, or asked for now. A member that is nonsense
/// is complained of by who uses it.
pub(super) fn meta_object(
    connection: &Arc<Connection>,
    service: u32,
    object: u32,
    timeout: Option<Duration>,
) -> Result<Arc<MetaObject>> {
    let key = (service, object);
    if let Some(meta) = connection.metas().lock().get(&key) {
        return Ok(Arc::clone(meta));
    }
    let place =
        Place { connection: Arc::clone(connection), service, object, meta: Arc::default(), uid: None, held: None };
    let expected = Expected { member: "metaObject".into(), declared: SIGNATURE.clone(), wanted: None };
    let encode = |_: &mut Writer<'_>| Ok((Bytes::from_static(&[0; 4]), Flags::NONE));
    let target = place.target(META_OBJECT, Some(SIGNATURE.clone()));
    let received = place.begin((target, Slot::awaited()), expected, deadline_in(timeout), encode)?.wait()?;
    // A Reply with flags brings its own type along, which may be another.
    let Some(meta) = MetaObject::from_value(received.value()) else {
        return Err(CallError::Protocol(format!("a meta object of type {}", received.value().signature())));
    };
    let meta = Arc::new(meta);
    let mut metas = connection.metas().lock();
    if metas.len() >= MAX_METAS {
        *metas = HashMap::new();
    }
    metas.insert(key, Arc::clone(&meta));
    Ok(meta)
}

/// Where the main object of a service is on this connection.
pub(super) fn main_object(
    connection: &Arc<Connection>,
    (service, uid): (u32, Option<Uid>),
    timeout: Option<Duration>,
) -> Result<Place> {
    let meta = meta_object(connection, service, MAIN_OBJECT, timeout)?;
    Ok(Place { connection: Arc::clone(connection), service, object: MAIN_OBJECT, meta, uid, held: None })
}
