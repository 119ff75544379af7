//! A provider: services of our own on somebody else's bus (qi-messaging.md 11, 12, 23).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::qi::meta::ServiceInfo;
use crate::qi::server::{Object, Options, Server, ServerError};
use crate::sys::sync::Mutex;

use super::error::{ClientError, Result};
use super::session::{Session, SessionOptions};

/// Registers services in a directory and serves them: to whoever dials, and on the directory's own connection, so that a
/// directory reaches them through any firewall. Dropped, it takes them back and closes its connections. All methods may be
/// called from any thread that may wait.
pub struct Provider(Arc<Inner>);

struct Inner {
    session: Session,
    server: Server,
    services: Mutex<BTreeMap<String, (u32, Object)>>,
    id: String,
    /// The reconnection after which everything was registered again.
    restored: Mutex<u64>,
}

impl Provider {
    /// Connects to the directory at `url` with a session of its own, and listens at `addresses` (as `tcp://127.0.0.1:0`). The
    /// endpoints that are published are those, and what [`Options::advertise`] adds. With
    /// [`SessionOptions::reconnect`] the services are registered again after a loss.
    pub fn start(url: &str, addresses: &[&str], session: SessionOptions, options: Options) -> Result<Provider> {
        let session = Session::connect(url, session)?;
        let server = Server::provider(session.connection()?.reactor(), addresses, options).map_err(listening)?;
        let id = format!("millrace-{}-{:p}", std::process::id(), &*session.connection()?);
        let inner = Arc::new(Inner { session, server, services: Mutex::default(), id, restored: Mutex::new(0) });
        inner.serve_directory()?;
        let weak = Arc::downgrade(&inner);
        inner.session.on_restored(move || weak.upgrade().is_none_or(|inner| inner.restore()));
        Ok(Provider(inner))
    }

    /// Registers an object as the service `name`; gives its id. Everybody may call it when this returns.
    pub fn register(&self, name: &str, object: &Object) -> Result<u32> {
        let id = self.0.register(name, object)?;
        self.0.services.lock().insert(name.to_owned(), (id, object.clone()));
        Ok(id)
    }

    /// Takes a service back. [`ClientError::NoService`] if it is none of ours.
    pub fn unregister(&self, name: &str) -> Result<()> {
        let service = self.0.services.lock().remove(name);
        let Some((id, _)) = service else {
            return Err(ClientError::NoService { name: name.into(), text: "not registered here".into() });
        };
        let outcome = self.0.session.directory()?.unregister_service(id);
        self.0.server.remove_registered(id);
        outcome
    }

    /// Takes the services back and closes all connections; waits for the code of methods. Closing twice is no error.
    pub fn close(&self) {
        self.0.close();
    }

    /// The session with the directory.
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<String> {
        self.0.server.addresses()
    }
}

fn listening(error: ServerError) -> ClientError {
    match error {
        ServerError::Listen(url, failure) => ClientError::Connect { url, failure },
        ServerError::Refused(text) => ClientError::Remote(text),
    }
}

impl Inner {
    /// Calls may come on the connection to the directory as well.
    fn serve_directory(&self) -> Result<()> {
        let connection = self.session.connection()?;
        let served = self.server.serve(connection.endpoint(), connection.shared());
        served.map_err(|error| connection.gone(error))
    }

    fn register(&self, name: &str, object: &Object) -> Result<u32> {
        let info = ServiceInfo {
            name: name.into(),
            service_id: 0,
            // Whoever asks the same directory finds us on the same machine as that.
            machine_id: self.session.machine_id()?.into(),
            process_id: std::process::id(),
            endpoints: self.server.published().into_iter().map(Into::into).collect(),
            session_id: self.id.clone().into(),
            object_uid: Some(object.uid()),
        };
        let directory = self.session.directory()?;
        let id = directory.register_service(&info)?;
        // Before anybody can know of it.
        self.server.add_registered(id, object);
        if let Err(error) = directory.service_ready(id) {
            self.server.remove_registered(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Once for each reconnection; the keeper asks more often.
    fn restore(&self) -> bool {
        let now = self.session.reconnections();
        let mut restored = self.restored.lock();
        if *restored == now {
            return true;
        }
        let whole = self.register_all().is_ok();
        if whole {
            *restored = now;
        }
        whole
    }

    /// New connection, new ids.
    fn register_all(&self) -> Result<()> {
        self.serve_directory()?;
        let services: Vec<_> = self.services.lock().iter().map(|(name, service)| (name.clone(), service.clone())).collect();
        for (name, (before, object)) in services {
            self.server.remove_registered(before);
            let id = self.register(&name, &object)?;
            if let Some(service) = self.services.lock().get_mut(&name) {
                service.0 = id;
            }
        }
        Ok(())
    }
}

impl Inner {
    fn close(&self) {
        let services = std::mem::take(&mut *self.services.lock());
        if let Ok(directory) = self.session.directory() {
            for (id, _) in services.values() {
                // If it fails, the end of the connection does the same.
                let _ = directory.unregister_service(*id);
            }
        }
        self.session.close();
        self.server.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Provider({:?})", self.0.session)
    }
}
