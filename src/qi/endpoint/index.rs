//! Finding the handlers that may want a message, without looking at the others.

use std::collections::HashMap;
use std::hash::Hash;

use smallvec::SmallVec;

use crate::qi::message::Header;

use super::filter::{Filter, Pattern};

/// Handler ids; few per key.
pub type Ids = SmallVec<[u64; 4]>;

/// Every handler is in exactly one of these, by the most telling key its filter names.
#[derive(Default, Debug)]
pub struct Index {
    /// Answers to calls.
    by_id: HashMap<u32, Ids>,
    /// Subscriptions.
    by_action: HashMap<(u32, u32, u32), Ids>,
    /// Objects on this side.
    by_object: HashMap<(u32, u32), Ids>,
    /// Patterns that name less, and callbacks: looked at for every message.
    rest: Ids,
}

enum IndexKey {
    Id(u32),
    Action((u32, u32, u32)),
    Object((u32, u32)),
    Rest,
}

fn key(filter: &Filter) -> Option<IndexKey> {
    match filter {
        Filter::Nothing => None,
        Filter::Callback(_) => Some(IndexKey::Rest),
        Filter::Pattern(Pattern { id: Some(id), .. }) => Some(IndexKey::Id(*id)),
        Filter::Pattern(pattern) => Some(match (pattern.service, pattern.object, pattern.action) {
            (Some(service), Some(object), Some(action)) => IndexKey::Action((service, object, action)),
            (Some(service), Some(object), None) => IndexKey::Object((service, object)),
            _ => IndexKey::Rest,
        }),
    }
}

impl Index {
    pub fn insert(&mut self, filter: &Filter, id: u64) {
        match key(filter) {
            Some(IndexKey::Id(key)) => self.by_id.entry(key).or_default().push(id),
            Some(IndexKey::Action(key)) => self.by_action.entry(key).or_default().push(id),
            Some(IndexKey::Object(key)) => self.by_object.entry(key).or_default().push(id),
            Some(IndexKey::Rest) => self.rest.push(id),
            None => {}
        }
    }

    pub fn remove(&mut self, filter: &Filter, id: u64) {
        match key(filter) {
            Some(IndexKey::Id(key)) => take_out(&mut self.by_id, key, id),
            Some(IndexKey::Action(key)) => take_out(&mut self.by_action, key, id),
            Some(IndexKey::Object(key)) => take_out(&mut self.by_object, key, id),
            Some(IndexKey::Rest) => self.rest.retain(|other| *other != id),
            None => {}
        }
    }

    /// Those that may want it, in the order of their creation. Their patterns must still be compared.
    pub fn candidates(&self, header: &Header) -> Ids {
        let address = (header.service, header.object);
        let found = [
            self.by_id.get(&header.id),
            self.by_action.get(&(address.0, address.1, header.action)),
            self.by_object.get(&address),
        ];
        let mut ids: Ids = found.into_iter().flatten().flatten().copied().collect();
        ids.extend_from_slice(&self.rest);
        // Ids grow, so their order is that of creation.
        ids.sort_unstable();
        ids
    }
}

fn take_out<K: Eq + Hash>(map: &mut HashMap<K, Ids>, key: K, id: u64) {
    if let Some(ids) = map.get_mut(&key) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            map.remove(&key);
        }
    }
}
