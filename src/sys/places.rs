//! Queues and tables keep the places of all they ever held. Those of very many that are gone are given back, by one rule.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// Places for so many are not worth giving back.
const MANY: usize = 1024;

/// What has places for more than it holds.
pub trait SparePlaces {
    /// For how many, and how many there are.
    fn places(&self) -> (usize, usize);

    fn shrink(&mut self, places: usize);

    /// To be called when something has been taken out. Half of the places go when three quarters are empty: so each is moved as seldom as when the
    /// container grew, and what comes next has room.
    fn give_places_back(&mut self) {
        let (places, taken) = self.places();
        if places > MANY && taken < places / 4 {
            self.shrink(places / 2);
        }
    }
}

impl<T> SparePlaces for VecDeque<T> {
    fn places(&self) -> (usize, usize) {
        (self.capacity(), self.len())
    }

    fn shrink(&mut self, places: usize) {
        self.shrink_to(places);
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> SparePlaces for HashMap<K, V, S> {
    fn places(&self) -> (usize, usize) {
        (self.capacity(), self.len())
    }

    fn shrink(&mut self, places: usize) {
        self.shrink_to(places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_as_what_was_in_them() {
        let mut queue: VecDeque<_> = (0..100_000).collect();
        let mut table: HashMap<_, _> = (0..100_000).map(|number| (number, ())).collect();
        let mut moved = 0;
        while let Some(number) = queue.pop_front() {
            table.remove(&number);
            let before = queue.capacity();
            queue.give_places_back();
            table.give_places_back();
            moved += usize::from(queue.capacity() != before) * queue.len();
            let most = |places: usize| places <= MANY || places <= 8 * (queue.len() + 1);
            assert!(most(queue.capacity()) && most(table.capacity()), "{} of {number}", queue.capacity());
        }
        assert!(moved < 100_000, "{moved}");
    }
}
