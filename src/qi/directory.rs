//! The service directory as a machine: who has registered what, and what must be told (qi-messaging.md 11).
//!
//! ```text
//!   register ──▶ staged (the name is taken, nobody sees it) ──ready──▶ listed ──unregister, or its owner is gone──▶ gone
//!                     │  ▲─────────────────hide────────────────────────┘
//!                     └──unregister, or its owner is gone──▶ gone, and nobody hears of it
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::address::Endpoint;
use super::meta::ServiceInfo;
use super::share::is_fair;
use super::value::Text;

/// The directory's own id.
pub const DIRECTORY_ID: u32 = 1;
/// Services of one connection, at most.
const MAX_SERVICES: usize = 1024;
/// Bytes of text in one record, at most.
const MAX_RECORD: usize = 64 * 1024;
/// Bytes of all records: a list of all of them is to fit an answer, and nobody is to wait for it. Connections have shares of them
/// ([`share`](super::share)).
const MAX_RECORDS: usize = 8 * 1024 * 1024;
/// What a record counts beside its text, and each text.
const RECORD: usize = 512;
const TEXT: usize = 64;

/// Who has registered a service, and alone may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// This process: the service is here.
    Local,
    /// A connection, by its id.
    Connection(u64),
}

/// What subscribers must be told: `serviceAdded` or `serviceRemoved`, with id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A service came: its id and its name.
    Added(u32, Text),
    /// A service went: its id and its name.
    Removed(u32, Text),
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryError {
    /// Not registered, or not ready.
    NoName(Text),
    /// No service has this id.
    NoId(u32),
    /// Only the connection that has registered a service may change it.
    NotOwner(u32),
    /// Empty, or not UTF-8: others are to ask for it, and to show it.
    BadName,
    /// Another service has this name, ready or not.
    Taken(Text),
    /// libqi's clients refuse a whole list of services for one bad endpoint.
    BadEndpoint(Text),
    /// The record is too large, or its owner has as many services, or as large ones, as it may.
    TooMuch,
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DirectoryError::NoName(name) => write!(out, "Cannot find service '{name}' in index"),
            DirectoryError::NoId(id) => write!(out, "Can't find service #{id}"),
            DirectoryError::NotOwner(id) => write!(out, "Service #{id} was registered by another connection"),
            DirectoryError::BadName => out.write_str("A service needs a name, in UTF-8"),
            DirectoryError::Taken(name) => write!(out, "Service \"{name}\" is already registered"),
            DirectoryError::BadEndpoint(text) => write!(out, "\"{text}\" is not an endpoint"),
            DirectoryError::TooMuch => out.write_str("The directory has no room for this service"),
        }
    }
}

impl std::error::Error for DirectoryError {}

type Result<T> = std::result::Result<T, DirectoryError>;

#[derive(Clone, Debug)]
struct ServiceEntry {
    info: ServiceInfo,
    owner: Owner,
    ready: bool,
}

/// What somebody has registered, in sum.
#[derive(Clone, Copy, Debug, Default)]
struct OwnedServices {
    services: usize,
    bytes: usize,
}

/// The tables. The directory is its own first service, and nobody's to remove.
#[derive(Clone, Debug)]
pub struct Directory {
    services: BTreeMap<u32, ServiceEntry>,
    names: HashMap<Text, u32>,
    owners: HashMap<Owner, OwnedServices>,
    /// Of all owners.
    bytes: usize,
    next: u32,
}

impl Directory {
    /// `own` describes the directory itself; its id is [`DIRECTORY_ID`] whatever it says.
    pub fn new(own: ServiceInfo) -> Directory {
        let info = ServiceInfo { service_id: DIRECTORY_ID, ..own };
        let mut directory = Directory {
            services: BTreeMap::new(),
            names: HashMap::new(),
            owners: HashMap::new(),
            bytes: 0,
            next: DIRECTORY_ID + 1,
        };
        directory.insert(DIRECTORY_ID, ServiceEntry { info, owner: Owner::Local, ready: true });
        directory
    }

    /// Takes a name; gives the new service's id, which is never given again. Whatever id the record has is ignored. `room` says whether
    /// there is memory for the owner's records, of so many bytes in all.
    pub fn register(&mut self, owner: Owner, info: &ServiceInfo, room: impl FnOnce(usize) -> bool) -> Result<u32> {
        let info = checked(info)?;
        if self.names.contains_key(&info.name) {
            return Err(DirectoryError::Taken(info.name));
        }
        let next = self.next.checked_add(1).ok_or(DirectoryError::TooMuch)?;
        self.find_room(owner, 1, 0, size(&info), room)?;
        let id = std::mem::replace(&mut self.next, next);
        let info = ServiceInfo { service_id: id, ..info };
        self.insert(id, ServiceEntry { info, owner, ready: false });
        Ok(id)
    }

    /// The service can be called: from now on it is listed. Saying so twice changes nothing.
    pub fn ready(&mut self, owner: Owner, id: u32) -> Result<Option<Change>> {
        let entry = self.owned(owner, id)?;
        let is_new = !std::mem::replace(&mut entry.ready, true);
        Ok(is_new.then(|| Change::Added(id, entry.info.name.clone())))
    }

    /// The service cannot be called for now: it is as before it was ready.
    pub fn hide(&mut self, owner: Owner, id: u32) -> Result<Option<Change>> {
        let entry = self.owned(owner, id)?;
        let was_ready = std::mem::replace(&mut entry.ready, false);
        Ok(was_ready.then(|| Change::Removed(id, entry.info.name.clone())))
    }

    /// Removes a service.
    pub fn unregister(&mut self, owner: Owner, id: u32) -> Result<Option<Change>> {
        self.owned(owner, id)?;
        if id == DIRECTORY_ID {
            return Err(DirectoryError::NotOwner(id));
        }
        Ok(self.remove(id))
    }

    /// Replaces the record of a service, but not its name and id; and the endpoints of all services of the same session,
    /// as far as they belong to the same owner. `room` as for [`Directory::register`].
    pub fn update(&mut self, owner: Owner, info: &ServiceInfo, room: impl FnOnce(usize) -> bool) -> Result<()> {
        let info = checked(info)?;
        let id = info.service_id;
        let own = ServiceInfo { name: self.owned(owner, id)?.info.name.clone(), ..info.clone() };
        let same = |entry: &ServiceEntry| entry.owner == owner && entry.info.session_id == info.session_id;
        let updated = |(at, entry): (&u32, &ServiceEntry)| match *at == id {
            true => Some((*at, own.clone())),
            false => {
                same(entry).then(|| (*at, ServiceInfo { endpoints: info.endpoints.clone(), ..entry.info.clone() }))
            }
        };
        let updates: Vec<_> = self.services.iter().filter_map(updated).collect();
        let before = updates.iter().filter_map(|(at, _)| self.services.get(at)).map(|entry| size(&entry.info)).sum();
        self.find_room(owner, 0, before, updates.iter().map(|(_, info)| size(info)).sum(), room)?;
        for (at, info) in updates {
            if let Some(entry) = self.take(at) {
                self.insert(at, ServiceEntry { info, ..entry });
            }
        }
        Ok(())
    }

    /// The connection is gone, and all that it has registered.
    pub fn drop_connection(&mut self, connection: u64) -> Vec<Change> {
        let owner = Owner::Connection(connection);
        if !self.owners.contains_key(&owner) {
            return Vec::new();
        }
        let owned = |(id, entry): (&u32, &ServiceEntry)| (entry.owner == owner).then_some(*id);
        let ids: Vec<_> = self.services.iter().filter_map(owned).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// A service that is ready, and who has it.
    pub fn service(&self, name: &Text) -> Result<(&ServiceInfo, Owner)> {
        let found = self.names.get(name).and_then(|id| self.services.get(id)).filter(|entry| entry.ready);
        found.map(|entry| (&entry.info, entry.owner)).ok_or_else(|| DirectoryError::NoName(name.detached()))
    }

    /// All services that are ready, in the order of their ids.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceInfo, Owner)> {
        self.services.values().filter(|entry| entry.ready).map(|entry| (&entry.info, entry.owner))
    }

    fn owned(&mut self, owner: Owner, id: u32) -> Result<&mut ServiceEntry> {
        match self.services.get_mut(&id) {
            Some(entry) if entry.owner == owner => Ok(entry),
            Some(_) => Err(DirectoryError::NotOwner(id)),
            None => Err(DirectoryError::NoId(id)),
        }
    }

    fn remove(&mut self, id: u32) -> Option<Change> {
        let entry = self.take(id)?;
        entry.ready.then_some(Change::Removed(id, entry.info.name))
    }

    /// Bytes that somebody's records count.
    pub fn bytes_of(&self, owner: Owner) -> usize {
        self.owners.get(&owner).map_or(0, |registered| registered.bytes)
    }

    /// Whether somebody may have so many more services, and instead of records of `old` bytes some of `new`. What this process has
    /// registered needs nobody's leave.
    fn find_room(
        &self,
        owner: Owner,
        services: usize,
        old: usize,
        new: usize,
        room: impl FnOnce(usize) -> bool,
    ) -> Result<()> {
        let registered = self.owners.get(&owner).copied().unwrap_or_default();
        let bytes = (registered.bytes - old).saturating_add(new);
        let is_allowed = registered.services + services <= MAX_SERVICES
            && (owner == Owner::Local
                || is_fair(bytes, (self.bytes - old).saturating_add(new), MAX_RECORDS, MAX_RECORD))
            && room(bytes);
        if is_allowed { Ok(()) } else { Err(DirectoryError::TooMuch) }
    }

    fn insert(&mut self, id: u32, entry: ServiceEntry) {
        let bytes = size(&entry.info);
        let registered = self.owners.entry(entry.owner).or_default();
        registered.services += 1;
        registered.bytes += bytes;
        self.bytes += bytes;
        self.names.insert(entry.info.name.clone(), id);
        self.services.insert(id, entry);
    }

    fn take(&mut self, id: u32) -> Option<ServiceEntry> {
        let entry = self.services.remove(&id)?;
        let bytes = size(&entry.info);
        self.names.remove(&entry.info.name);
        self.bytes -= bytes;
        if let Some(registered) = self.owners.get_mut(&entry.owner) {
            registered.services -= 1;
            registered.bytes -= bytes;
            if registered.services == 0 {
                self.owners.remove(&entry.owner);
            }
        }
        Some(entry)
    }
}

fn texts(info: &ServiceInfo) -> impl Iterator<Item = &Text> {
    [&info.name, &info.machine_id, &info.session_id].into_iter().chain(&info.endpoints)
}

/// What a record counts.
fn size(info: &ServiceInfo) -> usize {
    RECORD + texts(info).map(|text| text.bytes().len() + TEXT).sum::<usize>()
}

/// A copy in memory of its own, if it may be listed.
fn checked(info: &ServiceInfo) -> Result<ServiceInfo> {
    if size(info) > MAX_RECORD {
        return Err(DirectoryError::TooMuch);
    }
    if info.name.as_str().is_none_or(str::is_empty) {
        return Err(DirectoryError::BadName);
    }
    let bad = |text: &&Text| text.as_str().is_none_or(|text| Endpoint::parse(text).is_err());
    if let Some(text) = info.endpoints.iter().find(bad) {
        return Err(DirectoryError::BadEndpoint(text.detached()));
    }
    Ok(ServiceInfo {
        name: info.name.detached(),
        machine_id: info.machine_id.detached(),
        session_id: info.session_id.detached(),
        endpoints: info.endpoints.iter().map(Text::detached).collect(),
        ..info.clone()
    })
}

#[cfg(test)]
#[path = "tests/directory.rs"]
mod tests;
