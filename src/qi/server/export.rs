//! Objects of ours that a value takes along to a peer: each gets an id on that connection, and is kept for the peer until
//! it releases it (qi-messaging.md 13).

use std::collections::HashMap;
use std::sync::Arc;

use crate::qi::value::{Object as Reference, Uid, Value};

use super::model::{Address, Answer, Object, Peer};

/// The ids that a peer has been promised. Dropped without [`keep`](Granted::keep), they are taken back: the message was
/// not sent.
#[derive(Debug)]
pub(super) struct Granted<'p> {
    peer: &'p Arc<Peer>,
    addresses: Vec<Address>,
}

impl Granted<'_> {
    pub fn keep(mut self) {
        self.addresses.clear();
    }
}

impl Drop for Granted<'_> {
    fn drop(&mut self) {
        for address in &self.addresses {
            self.peer.release(*address);
        }
    }
}

/// A value whose references name addresses on one connection.
#[derive(Debug)]
pub(super) struct Exported<'p> {
    value: Value,
    granted: Granted<'p>,
}

impl<'p> Exported<'p> {
    /// `service` is that of the message: the objects live under its id. The text is for the caller.
    pub fn new(peer: &'p Arc<Peer>, service: u32, answer: Answer) -> Result<Exported<'p>, String> {
        if answer.objects.is_empty() {
            // Not copied: it may be large.
            return Ok(Exported { value: answer.value, granted: Granted { peer, addresses: Vec::new() } });
        }
        let ids = answer.objects.iter().map(|_| peer.new_object_id()).collect::<Vec<_>>();
        Exported::with_ids(peer, service, &answer, &ids)
    }

    /// With ids chosen before, one for each object.
    pub fn with_ids(peer: &'p Arc<Peer>, service: u32, answer: &Answer, ids: &[u32]) -> Result<Exported<'p>, String> {
        let mut granted = Granted { peer, addresses: Vec::new() };
        for (object, id) in answer.objects.iter().zip(ids) {
            let address = Address { service, object: *id };
            if !peer.export(address, object) {
                return Err("too many objects on this connection, or no memory for more of them".to_owned());
            }
            granted.addresses.push(address);
        }
        let value = refer(answer, service, ids);
        Ok(Exported { value, granted })
    }

    pub fn into_parts(self) -> (Value, Granted<'p>) {
        (self.value, self.granted)
    }
}

/// The answer's value with these addresses in place of its own objects.
pub(super) fn refer(answer: &Answer, service: u32, ids: &[u32]) -> Value {
    let value = answer.value.clone();
    if answer.objects.is_empty() {
        return value;
    }
    let addresses: HashMap<Uid, u32> = answer.objects.iter().map(Object::uid).zip(ids.iter().copied()).collect();
    value.map_objects(&mut |reference| match reference.uid.and_then(|uid| addresses.get(&uid)) {
        Some(&object) => Arc::new(Reference { service, object, ..(*reference).clone() }),
        None => reference,
    })
}
