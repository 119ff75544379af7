//! The service directory as a machine: who has registered what, and what must be told (qi-messaging.md 11).
//!
//! ```text
//!   register ──▶ staged (the name is taken, nobody sees it) ──ready──▶ listed ──unregister, or its owner is gone──▶ gone
//!                     └──unregister, or its owner is gone──▶ gone, and nobody hears of it
//! ```

use std::collections::BTreeMap;
use std::fmt;

use super::address::Endpoint;
use super::meta::ServiceInfo;
use super::value::Text;

/// The directory's own id.
pub const DIRECTORY_ID: u32 = 1;
/// Services of one connection, at most.
const MAX_SERVICES: usize = 1024;
/// Bytes of text in one record, at most.
const MAX_RECORD: usize = 64 * 1024;

/// Who has registered a service, and alone may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The record is too large, or its owner has too many services.
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

/// The tables. The directory is its own first service, and nobody's to remove.
#[derive(Clone, Debug)]
pub struct Directory {
    services: BTreeMap<u32, ServiceEntry>,
    next: u32,
}

impl Directory {
    /// `own` describes the directory itself; its id is [`DIRECTORY_ID`] whatever it says.
    pub fn new(own: ServiceInfo) -> Directory {
        let info = ServiceInfo { service_id: DIRECTORY_ID, ..own };
        let entry = ServiceEntry { info, owner: Owner::Local, ready: true };
        Directory { services: BTreeMap::from([(DIRECTORY_ID, entry)]), next: DIRECTORY_ID + 1 }
    }

    /// Takes a name; gives the new service's id, which is never given again. Whatever id the record has is ignored.
    pub fn register(&mut self, owner: Owner, info: &ServiceInfo) -> Result<u32> {
        let info = checked(info)?;
        if self.services.values().any(|entry| entry.info.name == info.name) {
            return Err(DirectoryError::Taken(info.name));
        }
        let owned = self.services.values().filter(|entry| entry.owner == owner).count();
        let id = self.next;
        self.next = id.checked_add(1).filter(|_| owned < MAX_SERVICES).ok_or(DirectoryError::TooMuch)?;
        let info = ServiceInfo { service_id: id, ..info };
        self.services.insert(id, ServiceEntry { info, owner, ready: false });
        Ok(id)
    }

    /// The service can be called: from now on it is listed. Saying so twice changes nothing.
    pub fn ready(&mut self, owner: Owner, id: u32) -> Result<Option<Change>> {
        let entry = self.owned(owner, id)?;
        let is_new = !std::mem::replace(&mut entry.ready, true);
        Ok(is_new.then(|| Change::Added(id, entry.info.name.clone())))
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
    /// as far as they belong to the same owner.
    pub fn update(&mut self, owner: Owner, info: &ServiceInfo) -> Result<()> {
        let info = checked(info)?;
        let entry = self.owned(owner, info.service_id)?;
        entry.info = ServiceInfo { name: entry.info.name.clone(), ..info.clone() };
        let same = |entry: &&mut ServiceEntry| entry.owner == owner && entry.info.session_id == info.session_id;
        for entry in self.services.values_mut().filter(same) {
            entry.info.endpoints.clone_from(&info.endpoints);
        }
        Ok(())
    }

    /// The connection is gone, and all that it has registered.
    pub fn drop_connection(&mut self, connection: u64) -> Vec<Change> {
        let owned = |(id, entry): (&u32, &ServiceEntry)| (entry.owner == Owner::Connection(connection)).then_some(*id);
        let ids: Vec<_> = self.services.iter().filter_map(owned).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// A service that is ready, and who has it.
    pub fn service(&self, name: &Text) -> Result<(&ServiceInfo, Owner)> {
        let found = self.services.values().find(|entry| entry.ready && entry.info.name == *name);
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
        let entry = self.services.remove(&id)?;
        entry.ready.then_some(Change::Removed(id, entry.info.name))
    }
}

/// A copy in memory of its own, if it may be listed.
fn checked(info: &ServiceInfo) -> Result<ServiceInfo> {
    let texts = [&info.name, &info.machine_id, &info.session_id];
    let size: usize = texts.into_iter().chain(&info.endpoints).map(|text| text.bytes().len() + 8).sum();
    if size > MAX_RECORD {
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
