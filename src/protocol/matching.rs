//! Subscriptions: a multiset of byte strings, and whether one of them starts a given body
//! (protocols.md 6).

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};

use crate::core::{Error, Result};

/// The topics of a SUB in lexical order, with the number of times each was subscribed.
///
/// An ordered map answers prefix questions like a trie, in one or two look-ups even for 10,000 topics, and
/// has no nodes to split, merge or recurse into.
#[derive(Debug, Default)]
pub struct Subscriptions {
    topics: BTreeMap<Box<[u8]>, usize>,
}

impl Subscriptions {
    /// `ENOMEM` if there is no memory for the topic.
    pub fn subscribe(&mut self, topic: &[u8]) -> Result<()> {
        if let Some(count) = self.topics.get_mut(topic) {
            *count += 1;
            return Ok(());
        }
        let mut own = Vec::new();
        own.try_reserve_exact(topic.len()).map_err(|_| Error::NO_MEMORY)?;
        own.extend_from_slice(topic);
        self.topics.insert(own.into_boxed_slice(), 1);
        Ok(())
    }

    /// Takes one subscription back. `EINVAL` if there is none.
    pub fn unsubscribe(&mut self, topic: &[u8]) -> Result<()> {
        let count = self.topics.get_mut(topic).ok_or(Error::INVALID)?;
        *count -= 1;
        if *count == 0 {
            self.topics.remove(topic);
        }
        Ok(())
    }

    /// Does the body start with a topic?
    pub fn matches(&self, body: &[u8]) -> bool {
        let mut prefix = body;
        // A topic that starts `prefix` is not greater than it. So look at the greatest one that is not
        // greater: it either starts `prefix`, or parts from it after `common` bytes at a lesser byte. A longer
        // match would lie between the two, where there is nothing, so what is left to find starts
        // `prefix[..common]`.
        while let Some((topic, _)) = self.topics.range::<[u8], _>((Unbounded, Included(prefix))).next_back() {
            let common = topic.iter().zip(prefix).take_while(|(a, b)| a == b).count();
            if common == topic.len() {
                return true;
            }
            prefix = &prefix[..common];
        }
        false
    }
}
