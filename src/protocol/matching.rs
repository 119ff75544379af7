//! Subscriptions: a multiset of byte strings, and whether one of them starts a given body
//! (protocols.md 6).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use smallvec::SmallVec;

use crate::core::{Error, Result};

/// The topics of a SUB, found by a hash of their bytes.
///
/// A body is hashed byte by byte, once. Where it is as long as any topic, whoever has that hash is looked at. So it does not matter
/// how many topics there are, and little how many lengths they have.
#[derive(Debug, Default)]
pub struct Subscriptions {
    topics: HashMap<u64, SmallVec<[Topic; 1]>, BuildHasherDefault<AlreadyHashed>>,
    /// Lengths that topics have, the shortest first, and how many topics have each.
    lengths: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Topic {
    text: Box<[u8]>,
    /// So many times subscribed.
    count: usize,
}

impl Subscriptions {
    /// `ENOMEM` if there is no memory for the topic.
    pub fn subscribe(&mut self, topic: &[u8]) -> Result<()> {
        let hash = extended(EMPTY, topic);
        if let Some(known) = self.find(hash, topic) {
            known.count += 1;
            return Ok(());
        }
        let mut text = Vec::new();
        text.try_reserve_exact(topic.len()).map_err(|_| Error::NO_MEMORY)?;
        text.extend_from_slice(topic);
        self.topics.try_reserve(1).map_err(|_| Error::NO_MEMORY)?;
        self.lengths.try_reserve(1).map_err(|_| Error::NO_MEMORY)?;
        self.topics.entry(hash).or_default().push(Topic { text: text.into_boxed_slice(), count: 1 });
        match self.place(topic.len()) {
            Ok(at) => self.lengths[at].1 += 1,
            Err(at) => self.lengths.insert(at, (topic.len(), 1)),
        }
        Ok(())
    }

    /// Takes one subscription back. `EINVAL` if there is none.
    pub fn unsubscribe(&mut self, topic: &[u8]) -> Result<()> {
        let hash = extended(EMPTY, topic);
        let known = self.find(hash, topic).ok_or(Error::INVALID)?;
        known.count -= 1;
        if known.count == 0 {
            self.forget(hash, topic);
        }
        Ok(())
    }

    /// Is the empty topic among them, with which every body starts?
    pub fn match_all(&self) -> bool {
        self.lengths.first().is_some_and(|(length, _)| *length == 0)
    }

    /// Does the body start with a topic?
    #[inline]
    pub fn matches(&self, body: &[u8]) -> bool {
        let (mut hash, mut hashed) = (EMPTY, 0);
        for &(length, _) in &self.lengths {
            let Some(more) = body.get(hashed..length) else { return false };
            (hash, hashed) = (extended(hash, more), length);
            if let Some(same) = self.topics.get(&hash)
                && same.iter().any(|topic| *topic.text == body[..length])
            {
                return true;
            }
        }
        false
    }

    fn find(&mut self, hash: u64, topic: &[u8]) -> Option<&mut Topic> {
        self.topics.get_mut(&hash)?.iter_mut().find(|known| *known.text == *topic)
    }

    fn forget(&mut self, hash: u64, topic: &[u8]) {
        if let Some(same) = self.topics.get_mut(&hash) {
            same.retain(|known| *known.text != *topic);
            if same.is_empty() {
                self.topics.remove(&hash);
            }
        }
        if let Ok(at) = self.place(topic.len()) {
            self.lengths[at].1 -= 1;
            if self.lengths[at].1 == 0 {
                self.lengths.remove(at);
            }
        }
    }

    /// Where in `lengths` this one is, or belongs.
    fn place(&self, length: usize) -> std::result::Result<usize, usize> {
        self.lengths.binary_search_by_key(&length, |(length, _)| *length)
    }
}

/// FNV-1a, which can be gone on with: the hash of a longer prefix from that of a shorter one. Topics are the program's own; what peers send
/// is looked up and never kept, so nobody can fill a bucket from outside.
const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

fn extended(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        // The table goes by the bits at both ends of it, of which the last bytes have reached one.
        self.0 ^ self.0.rotate_left(32)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = extended(self.0, bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
