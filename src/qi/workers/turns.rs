//! What waits for something that all connections use, in turns of whose it is: the tasks of an object, the objects that are to be run. So one
//! with two thousand waiting does not keep another waiting for them.
//!
//! Each has the number of the **round** in which it is done: the one after the present one, or after that of its owner's last one; and one
//! later for each 64 KiB of it, so that a large one lets many small ones of others go first (self-clocked fair queueing). The queue is in the
//! order of the rounds, so in that of arrival for each owner.
//!
//! # Those who have gone
//!
//! What a connection leaves behind is handed over to one owner for all that have gone ([`GONE`]), which has a turn as others have. Else
//! who connects again and again would have a turn each time.
//!
//! # Newcomers
//!
//! What a connection brings first, before anything of it has been done, is in one **line** with the first things of all who are new: the
//! line has a turn as each of those has that are known. Else three hundred that come, ask for one thing each and go would have three hundred
//! turns between two of somebody who stays. What a newcomer brings next has turns of its own, behind the first. What those who
//! have gone leave begins behind the line as it is then.
//!
//! # Those who are held
//!
//! What an owner has waiting can be **held** ([`Turns::hold`]) while something of it is done elsewhere. It counts as before, and others go on. When it is let
//! go it is where it was: its rounds are old by then, so it comes before what others have brought since.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use crate::sys::places::SparePlaces;

/// Owns what connections have left behind that have ended. The server's own is owner 0, connections have other numbers.
pub const GONE: u64 = u64::MAX;

/// Bytes that are worth another turn.
const TURN: usize = 64 * 1024;

/// Whose something is. What the server has to do itself is not counted, and comes after what the connection has asked for that it is
/// about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Server { about: u64 },
    Connection { id: u64, bytes: usize, is_new: bool },
}

impl Origin {
    fn owner(self) -> u64 {
        match self {
            Origin::Server { about } => about,
            Origin::Connection { id, .. } => id,
        }
    }
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub tasks: usize,
    pub bytes: usize,
}

impl Load {
    /// With one more.
    pub fn with(self, bytes: usize) -> Load {
        Load { tasks: self.tasks + 1, bytes: self.bytes.saturating_add(bytes) }
    }

    fn without(self, bytes: usize) -> Load {
        Load { tasks: self.tasks - 1, bytes: self.bytes - bytes }
    }
}

/// What one owner has waiting.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    load: Load,
    /// The round of its last one.
    last: u64,
}

struct InTurn<T> {
    round: u64,
    origin: Origin,
    /// It is in the line of newcomers.
    in_line: bool,
    item: T,
}

/// Owners' numbers are ours, counted up: nobody chooses them, so they need no hash that withstands that.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// See the head of this file.
pub struct Turns<T> {
    /// In the order of their rounds.
    queue: VecDeque<InTurn<T>>,
    /// The present one.
    round: u64,
    whole: Load,
    /// How many are in the line of newcomers.
    line: u64,
    /// What is held, and of whom, in the order of its rounds.
    held: Vec<(u64, VecDeque<InTurn<T>>)>,
    /// Of those who have something waiting.
    shares: HashMap<u64, Share, BuildHasherDefault<NumberHasher>>,
}

impl<T> Default for Turns<T> {
    fn default() -> Turns<T> {
        Turns {
            queue: VecDeque::new(),
            round: 0,
            whole: Load::default(),
            line: 0,
            held: Vec::new(),
            shares: HashMap::default(),
        }
    }
}

impl<T> Turns<T> {
    pub fn push(&mut self, origin: Origin, item: T) {
        let now = self.round;
        let mut in_line = false;
        let round = match origin {
            Origin::Server { about } => self.shares.get(&about).map_or(now + 1, |share| share.last.max(now)),
            Origin::Connection { id, bytes, is_new } => {
                self.whole = self.whole.with(bytes);
                let share = self.shares.entry(id).or_default();
                let is_first = share.load.tasks == 0;
                in_line = is_new && is_first;
                let before_it = if in_line || (id == GONE && is_first) { now + self.line } else { now };
                self.line += u64::from(in_line);
                share.load = share.load.with(bytes);
                share.last = before_it.max(share.last) + 1 + (bytes / TURN) as u64;
                share.last
            }
        };
        let entry = InTurn { round, origin, in_line, item };
        match self.held.iter_mut().find(|(owner, _)| *owner == origin.owner()) {
            Some((_, held)) => insert(held, entry),
            None => insert(&mut self.queue, entry),
        }
    }

    /// It has the next turn.
    pub fn push_first(&mut self, origin: Origin, item: T) {
        self.came(origin);
        let round = self.queue.front().map_or(self.round, |next| next.round.min(self.round));
        self.queue.push_front(InTurn { round, origin, in_line: false, item });
    }

    /// Nothing of this owner's has a turn until it is let go.
    pub fn hold(&mut self, owner: u64) {
        if !self.is_held(owner) {
            let all = std::mem::take(&mut self.queue).into_iter();
            let (held, others) = all.partition(|entry| entry.origin.owner() == owner);
            self.queue = others;
            self.held.push((owner, held));
        }
    }

    pub fn is_held(&self, owner: u64) -> bool {
        self.held.iter().any(|(held, _)| *held == owner)
    }

    /// What is the owner's has turns again, and `first` before all that.
    pub fn let_go(&mut self, owner: u64, first: Option<(Origin, T)>) {
        let held = self.held.iter().position(|(held, _)| *held == owner).map(|at| self.held.swap_remove(at).1);
        let mut held = held.unwrap_or_default();
        if let Some((origin, item)) = first {
            self.came(origin);
            // It has waited while it was read, but not here: who has waited here comes before.
            let round = self.round + 1;
            held.push_front(InTurn { round, origin, in_line: false, item });
        }
        let mut held = held.into_iter().peekable();
        for other in std::mem::take(&mut self.queue) {
            while let Some(entry) = held.next_if(|entry| entry.round <= other.round) {
                self.queue.push_back(entry);
            }
            self.queue.push_back(other);
        }
        self.queue.extend(held);
    }

    /// It counts.
    fn came(&mut self, origin: Origin) {
        let Origin::Connection { id, bytes, .. } = origin else { return };
        self.whole = self.whole.with(bytes);
        let (now, share) = (self.round, self.shares.entry(id).or_default());
        share.load = share.load.with(bytes);
        share.last = share.last.max(now);
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<T> {
        let InTurn { round, origin, in_line, item } = self.queue.pop_front()?;
        // Not up to that of a large one: what others bring meanwhile comes before all large ones.
        self.round += u64::from(round > self.round);
        self.left(origin, in_line);
        self.queue.give_places_back();
        Some(item)
    }

    /// The next one, and whose it is.
    pub fn first(&self) -> Option<(u64, &T)> {
        self.queue.front().map(|first| (first.origin.owner(), &first.item))
    }

    /// All that is counted, held or not.
    pub fn whole(&self) -> Load {
        self.whole
    }

    /// What is counted of one owner's.
    pub fn load_of(&self, owner: u64) -> Load {
        self.shares.get(&owner).map(|share| share.load).unwrap_or_default()
    }

    /// All that wait, held or not.
    pub fn len(&self) -> usize {
        self.queue.len() + self.held.iter().map(|(_, held)| held.len()).sum::<usize>()
    }

    /// Nobody has a turn.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes out the first one that `is_it`.
    pub fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let queues = std::iter::once(&mut self.queue).chain(self.held.iter_mut().map(|(_, held)| held));
        let InTurn { origin, in_line, item, .. } = queues
            .filter_map(|queue| queue.iter().position(|entry| is_it(&entry.item)).and_then(|at| queue.remove(at)))
            .next()?;
        self.left(origin, in_line);
        Some(item)
    }

    /// Takes out all that are `wanted`, in their order.
    pub fn extract(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        self.extract_entries(|entry| wanted(&entry.item)).into_iter().map(|(_, item)| item).collect()
    }

    /// Takes out all that is somebody's, in its order.
    pub fn take_all_of(&mut self, owner: u64) -> Vec<(Origin, T)> {
        // Nearly always, when a connection ends.
        if !self.shares.contains_key(&owner) {
            return Vec::new();
        }
        self.extract_entries(|entry| entry.origin.owner() == owner)
    }

    /// All of them.
    pub fn take(&mut self) -> Vec<T> {
        let Turns { queue, held, .. } = std::mem::take(self);
        queue.into_iter().chain(held.into_iter().flat_map(|(_, held)| held)).map(|entry| entry.item).collect()
    }

    fn extract_entries(&mut self, wanted: impl Fn(&InTurn<T>) -> bool) -> Vec<(Origin, T)> {
        let mut taken = VecDeque::new();
        for queue in std::iter::once(&mut self.queue).chain(self.held.iter_mut().map(|(_, held)| held)) {
            let (mut some, kept) = std::mem::take(queue).into_iter().partition::<VecDeque<_>, _>(&wanted);
            *queue = kept;
            taken.append(&mut some);
        }
        taken.iter().for_each(|entry| self.left(entry.origin, entry.in_line));
        taken.into_iter().map(|entry| (entry.origin, entry.item)).collect()
    }

    fn left(&mut self, origin: Origin, in_line: bool) {
        self.line -= u64::from(in_line);
        let Origin::Connection { id, bytes, .. } = origin else { return };
        self.whole = self.whole.without(bytes);
        if let Some(share) = self.shares.get_mut(&id) {
            share.load = share.load.without(bytes);
            if share.load.tasks == 0 {
                self.shares.remove(&id);
                self.shares.give_places_back();
            }
        }
    }
}

fn insert<T>(queue: &mut VecDeque<InTurn<T>>, entry: InTurn<T>) {
    if queue.back().is_none_or(|last| last.round <= entry.round) {
        return queue.push_back(entry);
    }
    let at = queue.partition_point(|other| other.round <= entry.round);
    queue.insert(at, entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: u64) -> Origin {
        Origin::Connection { id, bytes: 0, is_new: false }
    }

    fn all(turns: &mut Turns<i32>) -> Vec<i32> {
        std::iter::from_fn(|| turns.pop()).collect()
    }

    #[test]
    fn owners_take_turns_and_each_keeps_its_order() {
        let mut turns = Turns::default();
        for item in 0..100 {
            turns.push(of(1), item);
        }
        turns.push(of(2), 1000);
        turns.push(of(2), 1001);
        turns.push(of(3), 2000);
        let items = all(&mut turns);
        assert_eq!(items[..6], [0, 1000, 2000, 1, 1001, 2]);
        assert!(items.iter().filter(|item| **item < 100).is_sorted() && items.len() == 103);
        // Who has waited for nothing owes nothing.
        for owner in [1, 2, 1] {
            turns.push(of(owner), owner as i32);
        }
        assert_eq!(all(&mut turns), [1, 2, 1]);
    }

    fn new(id: u64) -> Origin {
        Origin::Connection { id, bytes: 0, is_new: true }
    }

    /// As if there were no more than the one that asks, however many newcomers there are: one of them in turn with each of its own.
    #[test]
    fn newcomers_have_one_turn_together() {
        let mut turns = Turns::default();
        (100..400).for_each(|id| turns.push(new(id), id as i32));
        assert_eq!(turns.pop(), Some(100));
        for number in 0..10 {
            turns.push(of(1), number);
            turns.push(new(400 + number as u64), 400 + number);
            let next = [turns.pop(), turns.pop()];
            assert!(next.contains(&Some(number)) && next.contains(&Some(101 + number)), "{next:?}");
        }
        assert!(all(&mut turns).is_sorted(), "in the order of their coming");
        assert_eq!((turns.line, turns.shares.len()), (0, 0));
    }

    #[test]
    fn what_a_newcomer_brings_next_keeps_its_order_and_no_other_newcomer() {
        let mut turns = Turns::default();
        (0..50).for_each(|item| turns.push(new(1), item));
        turns.push(new(2), 100);
        turns.push(new(2), 101);
        let items = all(&mut turns);
        assert_eq!(items.iter().position(|item| *item == 100), Some(2), "behind one of the other's");
        assert!(items.iter().filter(|item| **item < 100).is_sorted());
        assert!(items.iter().filter(|item| **item >= 100).is_sorted());
    }

    /// Who comes and is gone before its turn leaves no gap: else such would put off other newcomers for ever.
    #[test]
    fn newcomers_that_go_again_hold_up_nobody() {
        let mut turns = Turns::default();
        for id in 10..1000 {
            turns.push(new(id), 0);
            assert_eq!(turns.take_all_of(id).len(), 1);
        }
        (0..100).for_each(|item| turns.push(of(1), item));
        turns.push(new(2), 1000);
        assert_eq!(all(&mut turns)[..2], [0, 1000]);
    }

    #[test]
    fn nothing_is_remembered_of_those_who_wait_for_nothing() {
        let mut turns = Turns::default();
        for owner in 0..10_000 {
            turns.push(of(owner), 0);
        }
        assert_eq!((turns.whole().tasks, turns.shares.len()), (10_000, 10_000));
        all(&mut turns);
        assert!(turns.is_empty() && turns.shares.is_empty() && turns.queue.capacity() <= 1024);
        assert_eq!((turns.whole(), turns.take()), (Load::default(), vec![]));
    }

    #[test]
    fn what_is_taken_out_counts_no_more() {
        let mut turns = Turns::default();
        turns.push(Origin::Connection { id: 1, bytes: 10, is_new: false }, 1);
        turns.push(Origin::Connection { id: 2, bytes: 20, is_new: false }, 2);
        turns.push(Origin::Server { about: 1 }, 3);
        turns.push(Origin::Connection { id: 1, bytes: 30, is_new: false }, 4);
        assert_eq!(turns.load_of(1), Load { tasks: 2, bytes: 40 });
        let taken = turns.take_all_of(1);
        let origins: Vec<_> = taken.iter().map(|(origin, item)| (origin.owner(), *item)).collect();
        assert_eq!(origins, [(1, 1), (1, 3), (1, 4)]);
        assert_eq!((turns.load_of(1), turns.whole()), (Load::default(), Load { tasks: 1, bytes: 20 }));
        assert_eq!(turns.take_all_of(1), []);
        assert_eq!(turns.extract(|item| *item == 2), [2]);
        assert!(turns.is_empty());
    }

    #[test]
    fn who_is_held_keeps_its_place_and_nobody_else() {
        let mut turns = Turns::default();
        for item in [10, 11, 12] {
            turns.push(Origin::Connection { id: 1, bytes: 5, is_new: false }, item);
        }
        (20..23).for_each(|item| turns.push(of(2), item));
        assert_eq!(turns.pop(), Some(10));
        turns.hold(1);
        turns.hold(1);
        turns.push(Origin::Connection { id: 1, bytes: 5, is_new: false }, 13);
        turns.push(Origin::Server { about: 1 }, 14);
        assert_eq!((turns.load_of(1), turns.len()), (Load { tasks: 3, bytes: 15 }, 7));
        assert_eq!([turns.pop(), turns.pop()], [Some(20), Some(21)]);
        turns.let_go(1, Some((Origin::Connection { id: 1, bytes: 7, is_new: false }, 10)));
        assert_eq!(turns.load_of(1), Load { tasks: 4, bytes: 22 });
        let items = all(&mut turns);
        assert_eq!(items.iter().copied().filter(|item| *item < 20).collect::<Vec<_>>(), [10, 11, 12, 13, 14]);
        assert_eq!(items[0], 10, "its turn had come: {items:?}");
        (30..32).for_each(|item| turns.push(of(3), item));
        turns.push_first(of(4), 40);
        assert_eq!(all(&mut turns), [40, 30, 31]);
        assert!(turns.shares.is_empty() && turns.whole() == Load::default());
    }

    #[test]
    fn what_is_held_can_be_taken_out() {
        let mut turns = Turns::default();
        (0..4).for_each(|item| turns.push(of(1), item));
        turns.push(of(2), 10);
        turns.hold(1);
        assert!(turns.is_held(1) && !turns.is_held(2));
        assert_eq!((turns.first().map(|(owner, _)| owner), turns.remove(|item| *item == 2)), (Some(2), Some(2)));
        assert_eq!(turns.extract(|item| *item == 0), [0]);
        assert_eq!(turns.pop(), Some(10));
        assert_eq!((turns.pop(), turns.len()), (None, 2));
        let taken = turns.take_all_of(1);
        assert_eq!(taken.iter().map(|(_, item)| *item).collect::<Vec<_>>(), [1, 3]);
        turns.push(of(1), 5);
        turns.let_go(1, None);
        assert_eq!((turns.pop(), turns.is_held(1)), (Some(5), false));
        turns.hold(1);
        turns.push(of(1), 6);
        assert_eq!(turns.take(), [6]);
        assert_eq!((turns.len(), turns.is_held(1)), (0, false));
    }

    #[test]
    fn numbers_that_follow_each_other_do_not_meet() {
        let hash = |number: u64| {
            let mut hasher = NumberHasher::default();
            hasher.write_u64(number);
            hasher.finish()
        };
        // What the table looks at: the lowest bits for the place, the highest seven for the tag.
        let places: std::collections::HashSet<_> =
            (0..1024).map(|number| (hash(number) & 1023, hash(number) >> 57)).collect();
        assert!(places.len() > 1000, "{}", places.len());
    }
}
