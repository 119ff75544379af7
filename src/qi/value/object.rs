//! `o`: references to objects, and what a connection remembers of their meta objects (qi-messaging.md 7).

use std::collections::HashMap;
use std::sync::Arc;

use crate::qi::meta::MetaObject;

/// The identity of an object across connections, if the connection carries it: 20 opaque bytes.
pub type Uid = [u8; 20];

/// In place of a cache id: this meta object is not to be remembered.
pub const UNCACHED: u32 = u32::MAX;

/// Meta objects that one side of a connection remembers, at most; a sender sends others each time.
const MAX_METAS: usize = 1024;
/// Bytes of encoded meta objects that a receiver remembers, at most.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A reference to an object. Service and object id name it on the connection it came through, and on no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it can do.
    pub meta: Arc<MetaObject>,
    /// The service it belongs to.
    pub service: u32,
    /// 0 for the null object.
    pub object: u32,
    /// Written as zeros if it is absent and the connection wants one.
    pub uid: Option<Uid>,
}

/// The meta objects that a peer has sent, by the ids it gave them. One for each connection with MetaObjectCache,
/// which must see all payloads in the order of arrival.
#[derive(Debug, Default)]
pub struct ReceivedMetas {
    metas: HashMap<u32, (Arc<MetaObject>, usize)>,
    bytes: usize,
}

impl ReceivedMetas {
    /// Remembers a meta object of `size` encoded bytes; an id that comes again gets the new one. False if that
    /// would be more than a peer may have us remember.
    pub fn insert(&mut self, id: u32, meta: Arc<MetaObject>, size: usize) -> bool {
        let freed = self.metas.get(&id).map(|(_, size)| *size);
        let bytes = self.bytes - freed.unwrap_or(0) + size;
        if bytes > MAX_BYTES || (freed.is_none() && self.metas.len() == MAX_METAS) {
            return false;
        }
        self.bytes = bytes;
        self.metas.insert(id, (meta, size));
        true
    }

    /// The meta object that the peer calls `id`.
    pub fn get(&self, id: u32) -> Option<Arc<MetaObject>> {
        self.metas.get(&id).map(|(meta, _)| meta.clone())
    }
}

/// The meta objects that the peer has got from us, one for each connection with MetaObjectCache. What was encoded
/// with it must be sent, all of it and in that order.
#[derive(Debug, Default)]
pub struct SentMetas(HashMap<Arc<MetaObject>, u32>);

impl SentMetas {
    /// The id under which the peer knows this meta object, or one equal to it.
    pub fn get(&self, meta: &MetaObject) -> Option<u32> {
        self.0.get(meta).copied()
    }

    /// Notes that the peer has it; the id is new: ids count from 1. `None` if it is enough.
    pub fn insert(&mut self, meta: Arc<MetaObject>) -> Option<u32> {
        let id = u32::try_from(self.0.len()).ok()? + 1;
        if self.0.len() == MAX_METAS {
            return None;
        }
        self.0.insert(meta, id);
        Some(id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether another `count` can be remembered.
    pub(super) fn has_room_for(&self, count: usize) -> bool {
        self.0.len() + count <= MAX_METAS
    }
}
