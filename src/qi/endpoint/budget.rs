//! What connections may keep in memory together: one number of bytes for all of a server, or of a client.
//!
//! Each connection, and each queue of a subscriber, has an **account**. It may have as much as is left free for the others
//! ([`share`](crate::qi::share)), and who has little gets some more, however many have much.
//!
//! Only whole [`QUANTUM`]s are counted, so small messages change nothing that connections share. What is less is always there, but for who has
//! been charged more than its share: else each quantum that was charged so would bring a whole one after it unasked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::qi::share::is_fair;
use crate::qi::value::Memory;
use crate::sys::sync::Mutex;

/// Bytes of a budget, unless somebody says otherwise.
const DEFAULT: usize = 256 * 1024 * 1024;

/// Less is not worth looking through the heap for.
const MUCH: usize = 16 * 1024 * 1024;

/// What an account has is counted in steps of so many bytes.
pub const QUANTUM: usize = 16 * 1024;

/// How many bytes may wait in memory, over all connections that are made with it (`Config::budget`): messages that have not wholly
/// arrived, calls that have no answer yet, events and results that nobody has taken, what is to be sent, objects that a peer was given and has not
/// released, what it has subscribed to, and services that it has registered with the directory; and 16 KiB for each connection.
/// Each connection, and each subscription, may have as much as is left free of fifteen sixteenths of it, so one by itself 15/32; the last sixteenth is
/// for who has less than a 1024th of it. Messages longer than its share are refused, as are those for which there is no room at the time: a
/// call ends with an Error, an event counts as dropped. What is decoded of a call's arguments counts until its answer. Clones are the same budget, so a server and a client can share one.
#[derive(Clone)]
pub struct Budget(Arc<SharedBudget>);

struct SharedBudget {
    limit: usize,
    used: AtomicUsize,
    /// The most that was in use since memory was given back to the system.
    peak: AtomicUsize,
    /// Memory was given back while other threads may still have been about to free theirs.
    is_ebbing: AtomicBool,
}

impl Budget {
    /// Of so many bytes.
    pub fn new(bytes: usize) -> Budget {
        let (used, peak, is_ebbing) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        Budget(Arc::new(SharedBudget { limit: bytes, used, peak, is_ebbing }))
    }

    /// All there is.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// What is in use now, in steps of 16 KiB.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Whether so much was in use that the system should have it, or the rest of it, back afterwards.
    pub fn was_high(&self) -> bool {
        self.peak_is_high() || self.0.is_ebbing.load(Ordering::Relaxed)
    }

    fn peak_is_high(&self) -> bool {
        self.0.peak.load(Ordering::Relaxed) >= MUCH
    }

    /// Whether much more was in use than is now. The allocator may keep that for what may come: it is to be told, by whoever gets true,
    /// once.
    pub fn has_ebbed(&self) -> bool {
        let (used, peak) = (self.used(), self.0.peak.load(Ordering::Relaxed));
        let ebbed = self.peak_is_high()
            && used <= peak / 4
            && self.0.peak.compare_exchange(peak, used, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if ebbed {
            self.0.is_ebbing.store(true, Ordering::Relaxed);
        }
        ebbed
    }

    /// [`Budget::has_ebbed`], or had while others may not have been through with freeing what they no longer counted: for who asks when all is quiet.
    pub fn has_ebbed_lately(&self) -> bool {
        self.has_ebbed() | self.0.is_ebbing.swap(false, Ordering::Relaxed)
    }

    /// An account that has nothing yet.
    pub fn account(&self) -> Arc<Account> {
        Arc::new(Account { budget: self.clone(), used: AtomicUsize::new(0), is_over: AtomicBool::new(false) })
    }
}

impl Default for Budget {
    /// 256 MiB.
    fn default() -> Budget {
        Budget::new(DEFAULT)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Budget({} of {})", self.used(), self.limit())
    }
}

/// The share of one connection or queue. What it still has is given back with it.
#[derive(Debug)]
pub struct Account {
    budget: Budget,
    used: AtomicUsize,
    /// It was charged more than its share, and has not been found to have that again.
    is_over: AtomicBool,
}

impl Account {
    /// What it is a share of.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Takes so many bytes; false: they are too many now, and nothing is taken.
    pub fn take(&self, bytes: usize) -> bool {
        let (before, _) = self.add(bytes);
        let taken = self.may_have(before, bytes, self.budget.used());
        if !taken {
            self.give(bytes);
        }
        taken
    }

    /// Would [`Account::take`] take them?
    pub fn has_room(&self, bytes: usize) -> bool {
        let before = self.used.load(Ordering::Relaxed);
        let more = whole(before.saturating_add(bytes)) - whole(before);
        self.may_have(before, bytes, self.budget.used().saturating_add(more))
    }

    /// Takes them whether there is room or not: for what is there already, or must be.
    pub fn charge(&self, bytes: usize) {
        let (before, counted) = self.add(bytes);
        if counted > 0 && !self.may_have(before, bytes, self.budget.used()) {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it may have so many beside those before, while all together have so many with them.
    fn may_have(&self, before: usize, bytes: usize, all: usize) -> bool {
        let own = whole(before.saturating_add(bytes));
        if own == whole(before) && !self.is_over.load(Ordering::Relaxed) {
            return true;
        }
        let is_fair = is_fair(own, all, self.budget.limit(), QUANTUM);
        if is_fair && self.is_over.load(Ordering::Relaxed) {
            self.is_over.store(false, Ordering::Relaxed);
        }
        is_fair
    }

    /// Gives back what was taken.
    pub fn give(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        let counted = whole(before) - whole(before.saturating_sub(bytes));
        if counted > 0 {
            self.budget.0.used.fetch_sub(counted, Ordering::Relaxed);
        }
    }

    /// What it had before, and what that has added to the budget.
    fn add(&self, bytes: usize) -> (usize, usize) {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let counted = whole(before.saturating_add(bytes)) - whole(before);
        if counted > 0 {
            let shared = &self.budget.0;
            let used = shared.used.fetch_add(counted, Ordering::Relaxed) + counted;
            shared.peak.fetch_max(used, Ordering::Relaxed);
        }
        (before, counted)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let left = *self.used.get_mut();
        self.give(left);
    }
}

fn whole(bytes: usize) -> usize {
    bytes / QUANTUM * QUANTUM
}

/// Bytes taken from an account, until it is dropped.
#[derive(Debug)]
pub struct Charge {
    account: Arc<Account>,
    bytes: usize,
}

impl Charge {
    /// Nothing yet.
    pub fn on(account: &Arc<Account>) -> Charge {
        Charge { account: Arc::clone(account), bytes: 0 }
    }

    /// As many in all, if it has less; false: they are too many now.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let taken = more == 0 || self.account.take(more);
        self.bytes += if taken { more } else { 0 };
        taken
    }

    /// As many in all, if it has more.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.account.give(less);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.account.give(self.bytes);
        }
    }
}

/// What one message takes, and what is decoded of it: paid together, until it is closed.
#[derive(Debug)]
pub struct Tab {
    payer: Mutex<Payer>,
    /// Somebody has looked into a large dynamic of it.
    looked_into: AtomicBool,
}

#[derive(Debug)]
enum Payer {
    Account(Charge),
    /// What is decoded is the program's, which has kept it.
    Program,
    /// Nobody wants more of it.
    Nobody,
}

impl Tab {
    /// With so many bytes; `None`: there is no room for them now.
    pub fn open(account: &Arc<Account>, bytes: usize) -> Option<Tab> {
        let mut charge = Charge::on(account);
        charge
            .grow_to(bytes)
            .then(|| Tab { payer: Mutex::new(Payer::Account(charge)), looked_into: AtomicBool::new(false) })
    }

    /// All of it is given back. What is decoded from now on is the program's, which has kept it.
    pub fn close(&self) {
        self.end(Payer::Program);
    }

    /// All of it is given back, and nothing more is decoded.
    pub fn refuse(&self) {
        self.end(Payer::Nobody);
    }

    fn end(&self, next: Payer) {
        let before = std::mem::replace(&mut *self.payer.lock(), next);
        drop(before);
    }

    /// Somebody has looked into a large dynamic of it.
    pub fn was_looked_into(&self) -> bool {
        self.looked_into.load(Ordering::Relaxed)
    }
}

impl Memory for Tab {
    fn take(&self, bytes: usize) -> bool {
        match &mut *self.payer.lock() {
            Payer::Account(charge) => charge.grow_to(charge.bytes.saturating_add(bytes)),
            Payer::Program => true,
            Payer::Nobody => false,
        }
    }

    fn looked_into(&self) {
        self.looked_into.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_may_have_what_is_left_free() {
        let budget = Budget::new(100 * QUANTUM);
        let accounts: Vec<_> = (0..5).map(|_| budget.account()).collect();
        let mut shares = Vec::new();
        for account in &accounts {
            let mut share = 0;
            while account.take(QUANTUM) {
                share += 1;
            }
            shares.push(share);
        }
        assert_eq!(shares, [46, 23, 12, 6, 3], "who comes first, and half of the rest");
        assert!(!accounts[4].has_room(QUANTUM) && !accounts[4].take(QUANTUM));
        assert!(accounts[4].take(QUANTUM - 1), "what is too little to be counted is always there");
        assert_eq!(budget.used(), 90 * QUANTUM);
        drop(accounts);
        assert_eq!(budget.used(), 0, "all of it is given back");
    }

    #[test]
    fn who_has_more_than_its_share_gets_no_rest_of_a_quantum() {
        let budget = Budget::new(6 * QUANTUM);
        let account = budget.account();
        assert!(account.take(2 * QUANTUM));
        account.charge(QUANTUM);
        assert!(!account.has_room(1) && !account.take(1), "it has been charged more than it may have");
        account.give(QUANTUM);
        assert!(account.has_room(1) && account.take(1));
    }

    #[test]
    fn after_a_flood_the_ebb_is_told_once() {
        let budget = Budget::new(100 * MUCH);
        let account = budget.account();
        account.charge(MUCH - QUANTUM);
        account.give(MUCH - QUANTUM);
        assert!(!budget.has_ebbed(), "that was not much");
        account.charge(4 * MUCH);
        assert!(!budget.has_ebbed(), "it is in use");
        account.give(3 * MUCH);
        assert!(budget.has_ebbed() && !budget.has_ebbed());
        drop(account);
        assert!(budget.has_ebbed(), "the rest");
        assert!(!budget.has_ebbed());
        assert!(budget.was_high() && budget.has_ebbed_lately(), "once more when it is quiet");
        assert!(!budget.was_high() && !budget.has_ebbed_lately());
    }

    #[test]
    fn what_is_charged_ends_with_it() {
        let budget = Budget::new(6 * QUANTUM);
        let account = budget.account();
        let mut charge = Charge::on(&account);
        assert!(charge.grow_to(2 * QUANTUM) && charge.grow_to(QUANTUM), "it has that much");
        assert!(!charge.grow_to(3 * QUANTUM), "more than the others would have");
        assert_eq!(budget.used(), 2 * QUANTUM);
        drop(charge);
        assert_eq!(budget.used(), 0);
        account.charge(9 * QUANTUM);
        assert!(!account.has_room(QUANTUM), "it has more than there is");
        account.give(9 * QUANTUM);
        assert!(account.has_room(QUANTUM));
    }
}
