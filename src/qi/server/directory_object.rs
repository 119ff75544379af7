//! The directory as an object of the bus: service 1, object 1 (qi-messaging.md 11 and 12).

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use crate::qi::calls::CallError;
use crate::qi::directory::{Change, DIRECTORY_ID, Directory, DirectoryError, Owner};
use crate::qi::endpoint::budget::Charge;
use crate::qi::machine::random_uuid;
use crate::qi::meta::{ServiceInfo, ServiceInfoLayout};
use crate::qi::signature::Signature;
use crate::qi::value::{Text, Uid, Value};
use crate::sys::sync::Mutex;

use super::builder::ObjectBuilder;
use super::model::{Answer, Call, Object};

/// The directory's tables, and how it shows them.
pub(super) struct DirectoryService {
    /// Held while a change is made and told: subscribers hear of changes in the order in which they were made.
    tables: Mutex<Tables>,
    object: OnceLock<Object>,
    machine_id: Text,
    session_id: Text,
    layout: ServiceInfoLayout,
    /// Where clients can reach this process, beside the address by which the asking one has.
    endpoints: Mutex<Vec<Text>>,
}

struct Tables {
    directory: Directory,
    /// What connections pay for that they have registered, as long as they have anything registered.
    charges: HashMap<u64, Charge>,
}

impl Tables {
    fn of(directory: Directory) -> Mutex<Tables> {
        Mutex::new(Tables { directory, charges: HashMap::new() })
    }

    /// Makes a change of what the caller has registered, which may need memory, and has the caller pay for it.
    fn grow<T>(
        &mut self,
        call: &Call,
        change: impl FnOnce(&mut Directory, Owner, &mut dyn FnMut(usize) -> bool) -> Result<T, DirectoryError>,
    ) -> Result<T, DirectoryError> {
        let connection = call.caller.connection();
        let charge = self.charges.entry(connection).or_insert_with(|| call.caller.charge());
        let changed = change(&mut self.directory, Owner::Connection(connection), &mut |bytes| charge.grow_to(bytes));
        self.settle(connection);
        changed
    }

    /// What a connection has no more registered it does not pay for.
    fn settle(&mut self, connection: u64) {
        match self.directory.bytes_of(Owner::Connection(connection)) {
            0 => drop(self.charges.remove(&connection)),
            bytes => {
                if let Some(charge) = self.charges.get_mut(&connection) {
                    charge.shrink_to(bytes);
                }
            }
        }
    }
}

type DirectoryOutcome = Result<Answer, CallError>;

impl DirectoryService {
    /// The text is for people.
    pub fn new(machine_id: &str, layout: ServiceInfoLayout) -> Result<Arc<DirectoryService>, String> {
        let service = Arc::new(DirectoryService {
            tables: Tables::of(Directory::new(ServiceInfo::default())),
            object: OnceLock::new(),
            machine_id: machine_id.into(),
            session_id: random_uuid().into(),
            layout,
            endpoints: Mutex::default(),
        });
        let object = build(&service)?;
        let own = service.describe("ServiceDirectory", Some(object.uid()));
        service.tables.lock().directory = Directory::new(own);
        service.object.get_or_init(|| object);
        Ok(service)
    }

    /// Its object.
    pub fn object(&self) -> Option<&Object> {
        self.object.get()
    }

    /// An address by which clients may reach us.
    pub fn add_endpoint(&self, endpoint: &str) {
        self.endpoints.lock().push(endpoint.into());
    }

    /// Registers a service of this process, which nobody sees before [`DirectoryService::show`].
    pub fn add(&self, name: &str, uid: Uid) -> Result<u32, DirectoryError> {
        let info = self.describe(name, Some(uid));
        self.tables.lock().directory.register(Owner::Local, &info, |_| true)
    }

    /// Lists a service as long as it can be called, which `is_there` says: who asks last is right.
    pub fn show(&self, id: u32, is_there: impl FnOnce() -> bool) -> Result<(), DirectoryError> {
        self.change(|tables| match is_there() {
            true => tables.ready(Owner::Local, id),
            false => tables.hide(Owner::Local, id),
        })
    }

    /// Removes a service of this process.
    pub fn remove(&self, id: u32) -> Result<(), DirectoryError> {
        self.change(|tables| tables.unregister(Owner::Local, id))
    }

    /// A connection has ended.
    pub fn drop_connection(&self, connection: u64) {
        let mut tables = self.tables.lock();
        for change in tables.directory.drop_connection(connection) {
            self.tell(change);
        }
        tables.settle(connection);
    }

    /// Id of a service, and who has it.
    pub fn find(&self, name: &str) -> Result<(u32, Owner), DirectoryError> {
        let tables = self.tables.lock();
        tables.directory.service(&name.into()).map(|(info, owner)| (info.service_id, owner))
    }

    /// All services as a peer that has reached us by `local` is shown them.
    pub fn list(&self, local: Option<&str>) -> Vec<ServiceInfo> {
        let tables = self.tables.lock();
        tables.directory.services().map(|(info, owner)| self.shown(info, owner, local)).collect()
    }

    fn describe(&self, name: &str, object_uid: Option<Uid>) -> ServiceInfo {
        ServiceInfo {
            name: name.into(),
            service_id: 0,
            machine_id: self.machine_id.clone(),
            process_id: std::process::id(),
            endpoints: Vec::new(),
            session_id: self.session_id.clone(),
            object_uid,
        }
    }

    /// For services that are here, the first endpoint is the address by which the asking client has reached us, letter by
    /// letter: then libqi uses the connection it has.
    fn shown(&self, info: &ServiceInfo, owner: Owner, local: Option<&str>) -> ServiceInfo {
        let mut info = info.clone();
        if owner == Owner::Local {
            let mut endpoints: Vec<Text> = local.map(Text::from).into_iter().collect();
            for endpoint in self.endpoints.lock().iter() {
                if !endpoints.contains(endpoint) {
                    endpoints.push(endpoint.clone());
                }
            }
            info.endpoints = endpoints;
        }
        info
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Directory) -> Result<Option<Change>, DirectoryError>,
    ) -> Result<(), DirectoryError> {
        let mut tables = self.tables.lock();
        if let Some(change) = change(&mut tables.directory)? {
            self.tell(change);
        }
        Ok(())
    }

    fn tell(&self, change: Change) {
        let (signal, id, name) = match change {
            Change::Added(id, name) => ("serviceAdded", id, name),
            Change::Removed(id, name) => ("serviceRemoved", id, name),
        };
        if let Some(object) = self.object() {
            // The signals are there, and of this type.
            let _ = object.emit(signal, vec![id.into(), name.into()]);
        }
    }

    fn service(&self, call: &Call) -> DirectoryOutcome {
        let Some(Value::String(name)) = call.arguments.first() else { return Err("A name is needed".into()) };
        let tables = self.tables.lock();
        let (info, owner) = tables.directory.service(name).map_err(|error| error.to_string())?;
        Ok(self.shown(info, owner, call.caller.local().as_deref()).to_value(self.layout).into())
    }

    fn services(&self, call: &Call) -> DirectoryOutcome {
        let list = self.list(call.caller.local().as_deref());
        let items = list.iter().map(|info| info.to_value(self.layout)).collect();
        Ok(Value::list(self.layout.signature().clone(), items).into())
    }

    fn register(&self, call: &Call) -> DirectoryOutcome {
        let info = record(call)?;
        let id = self.tables.lock().grow(call, |directory, owner, room| directory.register(owner, &info, room));
        Ok(id.map_err(|error| error.to_string())?.into())
    }

    fn unregister(&self, call: &Call) -> DirectoryOutcome {
        let id = id(call)?;
        self.change(|tables| tables.unregister(owner(call), id)).map_err(|error| error.to_string())?;
        self.tables.lock().settle(call.caller.connection());
        Ok(Answer::void())
    }

    fn ready(&self, call: &Call) -> DirectoryOutcome {
        let id = id(call)?;
        self.change(|tables| tables.ready(owner(call), id)).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    }

    fn update(&self, call: &Call) -> DirectoryOutcome {
        let info = record(call)?;
        let updated = self.tables.lock().grow(call, |directory, owner, room| directory.update(owner, &info, room));
        updated.map_err(|error| error.to_string())?;
        Ok(Answer::void())
    }
}

fn owner(call: &Call) -> Owner {
    Owner::Connection(call.caller.connection())
}

fn id(call: &Call) -> Result<u32, CallError> {
    match call.arguments.first() {
        Some(Value::UInt32(id)) => Ok(*id),
        _ => Err("An id is needed".into()),
    }
}

fn record(call: &Call) -> Result<ServiceInfo, CallError> {
    call.arguments.first().and_then(ServiceInfo::from_value).ok_or_else(|| "A ServiceInfo is needed".into())
}

/// The object. Its methods hold the service weakly, since it holds them.
fn build(service: &Arc<DirectoryService>) -> Result<Object, String> {
    let info = service.layout.signature().to_string();
    let list = Signature::list(service.layout.signature().clone()).to_string();
    let record = format!("({info})");
    let mut object = ObjectBuilder::new();
    object.description("The service directory");
    type Code = fn(&DirectoryService, &Call) -> DirectoryOutcome;
    let methods: [(&str, &str, &str, Code); 6] = [
        ("service", "(s)", &info, DirectoryService::service),
        ("services", "()", &list, DirectoryService::services),
        ("registerService", &record, "I", DirectoryService::register),
        ("unregisterService", "(I)", "v", DirectoryService::unregister),
        ("serviceReady", "(I)", "v", DirectoryService::ready),
        ("updateServiceInfo", &record, "v", DirectoryService::update),
    ];
    let weak = |code: Code| {
        let service: Weak<DirectoryService> = Arc::downgrade(service);
        move |call: &Call| match service.upgrade() {
            Some(service) => code(&service, call),
            None => Err("The directory has ended".into()),
        }
    };
    for (name, parameters, result, code) in methods {
        object.method(name, parameters, result, weak(code));
    }
    object.signal("serviceAdded", "(Is)");
    object.signal("serviceRemoved", "(Is)");
    object.method("machineId", "()", "s", weak(|service, _| Ok(Answer::from(service.machine_id.clone()))));
    object.method("_socketOfService", "(I)", "o", |_| Err("Sockets stay in their process".into()));
    object.build()
}

/// The directory's service id.
pub(super) const SERVICE: u32 = DIRECTORY_ID;
