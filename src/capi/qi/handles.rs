use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::Error;
use crate::sys::fork::{self, HeldLock};
use crate::sys::places::SparePlaces;
use crate::sys::sync::{Mutex, MutexGuard};

use super::error::{Failure, Result, last};

/// What a handle stands for: its topmost byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Value = 1,
    Server,
    Builder,
    Object,
    Request,
    Session,
    Proxy,
    Subscription,
    Endpoint,
    Handler,
    Provider,
    Pending,
}

const NAMES: [(Kind, &str); 12] = [
    (Kind::Value, "value"),
    (Kind::Server, "server"),
    (Kind::Builder, "builder"),
    (Kind::Object, "object"),
    (Kind::Request, "request"),
    (Kind::Session, "session"),
    (Kind::Proxy, "proxy"),
    (Kind::Subscription, "subscription"),
    (Kind::Endpoint, "endpoint"),
    (Kind::Handler, "handler"),
    (Kind::Provider, "provider"),
    (Kind::Pending, "call under way"),
];

const KIND_SHIFT: u32 = 56;

/// Handles that are open, of all kinds.
static OPEN: AtomicU64 = AtomicU64::new(0);

impl Kind {
    fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).map_or("handle", |(_, name)| name)
    }
}

/// The handles of one kind. Numbers are never used again: 2^56 of them do not run out. A child that is forked while a thread of the
/// parent has the lock finds it free, and has no handles: behind those of the parent are locks that threads may have which do not exist there, and
/// connections that are the parent's.
#[derive(Debug)]
pub struct Handles<T: 'static> {
    kind: Kind,
    /// Never freed: there is one of each kind.
    table: &'static Mutex<HandleTable<T>>,
}

/// A lock that is held while the process forks.
trait Lock: Sync {
    fn hold(&'static self) -> Box<dyn HeldLock>;
}

impl<T: Send> Lock for Mutex<HandleTable<T>> {
    fn hold(&'static self) -> Box<dyn HeldLock> {
        Box::new(self.lock())
    }
}

impl<T> HeldLock for MutexGuard<'static, HandleTable<T>> {
    fn in_child(&mut self) {
        let inherited = std::mem::take(&mut self.entries);
        OPEN.fetch_sub(inherited.len() as u64, Ordering::Relaxed);
        self.of_parents.push(inherited);
        self.inherited = self.last;
    }
}

/// The list of tables is the child's, too.
impl HeldLock for MutexGuard<'static, Vec<&'static dyn Lock>> {
    fn in_child(&mut self) {}
}

/// Those of all tables.
static TABLES: LazyLock<Mutex<Vec<&'static dyn Lock>>> = LazyLock::new(Mutex::default);

fn hold_all() -> Vec<Box<dyn HeldLock>> {
    let tables = TABLES.lock();
    let locks: Vec<_> = tables.iter().map(|table| table.hold()).collect();
    std::iter::once(Box::new(tables) as Box<dyn HeldLock>).chain(locks).collect()
}

#[derive(Debug)]
struct HandleTable<T> {
    last: u64,
    /// The last one that was the parent's when this process was forked.
    inherited: u64,
    /// What the parent had, and its parents: kept in sight of leak checkers, never looked at, and never dropped.
    of_parents: Vec<HashMap<u64, T>>,
    entries: HashMap<u64, T>,
}

impl<T: Clone + Send> Handles<T> {
    pub fn new(kind: Kind) -> Handles<T> {
        let last = (kind as u64) << KIND_SHIFT;
        let table = HandleTable { last, inherited: 0, of_parents: Vec::new(), entries: HashMap::new() };
        let table: &'static Mutex<HandleTable<T>> = Box::leak(Box::new(Mutex::new(table)));
        TABLES.lock().push(table);
        fork::hold_across(hold_all);
        Handles { kind, table }
    }

    pub fn add(&self, content: T) -> u64 {
        let mut table = self.table.lock();
        table.last += 1;
        let handle = table.last;
        table.entries.insert(handle, content);
        OPEN.fetch_add(1, Ordering::Relaxed);
        handle
    }

    /// What the handle stands for; `EBADF`.
    pub fn get(&self, handle: u64) -> Result<T> {
        let found = self.table.lock().entries.get(&handle).cloned();
        found.ok_or_else(|| self.missing(handle))
    }

    /// Whether this is a handle.
    #[cfg(test)]
    pub fn has(&self, handle: u64) -> bool {
        self.table.lock().entries.contains_key(&handle)
    }

    /// Changes what the handle stands for; `EBADF`.
    pub fn change(&self, handle: u64, change: impl FnOnce(&mut T)) -> Result<()> {
        self.table.lock().entries.get_mut(&handle).map(change).ok_or_else(|| self.missing(handle))
    }

    /// What the handle stands for, and the handle is none from now on. What is returned is dropped under no lock.
    pub fn remove(&self, handle: u64) -> Result<T> {
        let found = {
            let mut table = self.table.lock();
            let found = table.entries.remove(&handle);
            table.entries.give_places_back();
            // Counted under the lock, as what is in the table is, whenever the process forks.
            OPEN.fetch_sub(u64::from(found.is_some()), Ordering::Relaxed);
            found
        };
        found.ok_or_else(|| self.missing(handle))
    }

    /// What came of waiting for what the handle stands for. If somebody has freed it meanwhile, that is why it failed.
    pub fn waited<R>(&self, handle: u64, outcome: Result<R>) -> Result<R> {
        outcome.or_else(|failure| self.get(handle).and(Err(failure)))
    }

    fn missing(&self, handle: u64) -> Failure {
        let wanted = self.kind.name();
        let kind = handle >> KIND_SHIFT;
        let text = match NAMES.iter().find(|(other, _)| *other as u64 == kind) {
            Some((other, _)) if *other == self.kind && handle <= self.table.lock().inherited => {
                format!("this {wanted} is the parent's: a forked child has none but its own")
            }
            Some((other, _)) if *other == self.kind => format!("this {wanted} has been freed, or never was"),
            Some((_, name)) => format!("a {name} where a {wanted} is wanted"),
            None if handle == 0 => nothing(wanted),
            None => format!("no handle where a {wanted} is wanted"),
        };
        Failure::new(Error::BAD_FD, text)
    }
}

/// 0 is what a call has returned whose failure nobody has looked at: its reason is said again, however many calls ago it was.
fn nothing(wanted: &str) -> String {
    let said = last();
    if said.starts_with("after \"") {
        return said;
    }
    let now = format!("0 where a {wanted} is wanted");
    if said.is_empty() { now } else { format!("after \"{said}\": {now}") }
}

/// How many handles of this header are open in the process, of all kinds: for tests, and to look for leaks. Never fails.
/// Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnqi_handles() -> u64 {
    OPEN.load(Ordering::Relaxed)
}
