//! A provider: services of our own on somebody else's bus (qi-messaging.md 11, 12, 23).
//!
//! ```text
//!   register ──▶ Registered(id) ── the directory is lost ──▶ Unregistered ── restored ──▶ Registered(another id)
//!                     └── unregister ──▶ gone ◀── unregister ──┘    ▲  └── refused: again later ─┐
//!                                                                   └────────────────────────────┘
//! ```
//!
//! Whoever talks with the directory has the turn (`Registered::turn`), so what is registered does not change in the meantime, and no id
//! of one connection gets among those of the next. The table's own lock is held for moments only, and objects are dropped
//! under neither.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::Error;
use crate::qi::calls::{CallError, Connection, Result};
use crate::qi::client::{ConnectionObserver, Link, Session, SessionOptions, TakingBack};
use crate::qi::endpoint::may_wait;
use crate::qi::machine::{machine_id, random_uuid};
use crate::qi::meta::ServiceInfo;
use crate::qi::server::{Object, Options, Presence, Server, ServerError, ServerStatistics};
use crate::reactor::deadline_in;
use crate::sys::sync::Mutex;

/// How long a provider that closes waits for the directory's answers, which all are asked for at once.
const GOODBYE: Duration = Duration::from_secs(1);

/// Registers services in a directory and serves them: to whoever dials, and on the directory's own connection, so that a
/// directory reaches them through any firewall. Dropped, it takes them back and closes its connections. All methods may be
/// called from any thread that may wait.
pub struct Provider {
    session: Session,
    registered: Arc<Registered>,
}

/// What the session's reconnector looks after.
struct Registered {
    server: Server,
    offers: Mutex<BTreeMap<String, Offer>>,
    /// Names that the directory may still have for services that are not ours any more, because it was silent for too long.
    leaving: Mutex<BTreeMap<String, TakingBack>>,
    turn: Mutex<()>,
    /// What it is to say that this machine is, whatever it would find out ([`Options::machine_id`]).
    told_machine: Option<String>,
    /// Which machine this is, for a directory on another one.
    machine: String,
    /// Random: whoever asks the directory is told it, and it names this provider among all of all machines.
    session_id: String,
}

/// A service of ours.
struct Offer {
    object: Object,
    /// What the directory has called it on this connection; `None`: it does not know it.
    id: Option<u32>,
}

impl Provider {
    /// Connects to the directory at `url` with a session of its own, and listens at `addresses` (as `tcp://127.0.0.1:0`). The
    /// endpoints that are published are those, for `0.0.0.0` and `[::]` each address that the machine has when a service is
    /// registered, and what [`Options::advertise`] adds. Without any, only the directory's own process reaches the services,
    /// on the connection that registers them ([`Server::reach`]). With [`SessionOptions::reconnect`] the
    /// services are registered again after a loss; what the directory refuses then is tried again until it is taken, or
    /// [unregistered](Provider::unregister).
    pub fn start(url: &str, addresses: &[&str], session: SessionOptions, options: Options) -> Result<Provider> {
        let reactor = session.reactor()?;
        let told_machine = options.machine_id.clone();
        let server = Server::provider(&reactor, addresses, options).map_err(CallError::from)?;
        let registered = Arc::new(Registered {
            server,
            offers: Mutex::default(),
            leaving: Mutex::default(),
            told_machine,
            turn: Mutex::default(),
            machine: session.machine_id.clone().unwrap_or_else(machine_id),
            session_id: random_uuid(),
        });
        let observer = Arc::clone(&registered) as Arc<dyn ConnectionObserver>;
        let session = Session::start(url, session, Some(observer))?;
        Ok(Provider { session, registered })
    }

    /// Registers an object as the service `name`; gives its id. Everybody may call it when this returns. Fails with
    /// [`CallError::Remote`] if the directory refuses, as it does while the name is taken, with [`CallError::Unreachable`] if it
    /// listens, but at no address that anybody can dial, or like a call. One that passes on what it is asked ([`Server::forward`]) is refused
    /// with [`CallError::Disconnected`] while that is lost; later it is taken back while it is lost, for good when it cannot come back.
    pub fn register(&self, name: &str, object: &Object) -> Result<u32> {
        may_wait()?;
        if !object.is_there() {
            return Err(Error::NOT_CONNECTED.into());
        }
        let (id, before) = {
            let _turn = self.registered.turn.lock();
            self.registered.register(&self.session.link()?, name, object)?
        };
        drop(before);
        self.offer_while_there(name, object);
        Ok(id)
    }

    fn offer_while_there(&self, name: &str, object: &Object) {
        let (registered, session) = (Arc::downgrade(&self.registered), self.session.downgrade());
        let name = name.to_owned();
        let look = move |object: &Object| match registered.upgrade().zip(session.upgrade()) {
            Some((registered, session)) => registered.look(&session, &name, object),
            None => false,
        };
        object.on_presence(look);
    }

    /// Takes a service back. [`CallError::NoService`] if it is none of ours; whatever else fails, it is ours no more: it is
    /// not served, nor registered again.
    pub fn unregister(&self, name: &str) -> Result<()> {
        may_wait()?;
        let (gone, outcome) = {
            let _turn = self.registered.turn.lock();
            self.registered.unregister(self.session.link(), name)
        };
        drop(gone);
        outcome
    }

    /// Takes the services back and closes all connections; waits for the code of methods, and at most a second for the directory.
    /// Closing twice is no error.
    pub fn close(&self) {
        // Without the turn: who has it may wait for a directory that does not answer, until the session is closed.
        let offers = std::mem::take(&mut *self.registered.offers.lock());
        if let Ok(directory) = self.session.directory() {
            let ids = offers.values().filter_map(|offer| offer.id);
            let asked: Vec<_> = ids.map(|id| directory.take_back(id)).collect();
            let deadline = deadline_in(Some(GOODBYE));
            // The names are free when this returns. If it fails, the end of the connection does the same.
            asked.iter().for_each(|asked| drop(directory.taken_back(asked, deadline)));
        }
        self.session.close();
        self.registered.server.close();
    }

    /// The session with the directory.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Counts of what it serves.
    pub fn statistics(&self) -> ServerStatistics {
        self.registered.server.statistics()
    }

    /// Threads that its objects work on now, busy or idle.
    pub fn workers(&self) -> usize {
        self.registered.server.workers()
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<String> {
        self.registered.server.addresses()
    }
}

impl From<ServerError> for CallError {
    fn from(error: ServerError) -> CallError {
        match error {
            ServerError::Listen(url, failure) => CallError::Listen { url, failure },
            ServerError::Refused(text) => CallError::Remote(text),
            ServerError::Lost => Error::NOT_CONNECTED.into(),
        }
    }
}

impl Registered {
    /// Registers and serves; gives what the name stood for before, which is to be dropped without the turn. For who has that.
    fn register(&self, link: &Link, name: &str, object: &Object) -> Result<(u32, Option<Offer>)> {
        let endpoints = self.server.endpoints();
        let addresses = self.server.addresses();
        if endpoints.is_empty() && !addresses.is_empty() {
            let endpoints = addresses.iter().map(|at| format!("{at} (this machine has no address)")).collect();
            return Err(CallError::Unreachable { name: name.into(), endpoints });
        }
        let info = ServiceInfo {
            name: name.into(),
            service_id: 0,
            machine_id: self.machine_for(link).into(),
            process_id: std::process::id(),
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            session_id: self.session_id.as_str().into(),
            object_uid: Some(object.uid()),
        };
        let deadline = link.directory.deadline();
        self.settle(link, name, deadline)?;
        let id = link.directory.try_register(&info, deadline).map_err(|(error, late)| {
            late.into_iter().for_each(|late| self.leave(name, late));
            error
        })?;
        // Before anybody can know of it.
        self.server.add_registered(id, object);
        if let Err(error) = link.directory.service_ready(id) {
            self.server.remove_registered(id);
            // Else the name would be taken, by us, for as long as the connection lasts.
            self.leave(name, link.directory.take_back(id));
            return Err(error);
        }
        let offer = Offer { object: object.clone(), id: Some(id) };
        let before = self.offers.lock().insert(name.to_owned(), offer);
        if let Some(id) = before.as_ref().and_then(|before| before.id) {
            // The directory has dropped it by itself.
            self.server.remove_registered(id);
        }
        Ok((id, before))
    }

    /// Which machine this is. On one machine with the directory, whoever asks that finds us there, by whatever rule it names machines. From
    /// another machine it would send its own clients to their own loopback.
    fn machine_for<'m>(&'m self, link: &'m Link) -> &'m str {
        match &self.told_machine {
            Some(machine) => machine,
            None if link.is_here() => &link.machine,
            None => &self.machine,
        }
    }

    fn unregister(&self, link: Result<Link>, name: &str) -> (Option<Offer>, Result<()>) {
        let Some(offer) = self.offers.lock().remove(name) else {
            return (None, Err(CallError::NoService { name: name.into(), text: "not registered here".into() }));
        };
        let outcome = match (link, offer.id) {
            (Err(error), _) => Err(error),
            (Ok(link), Some(id)) => {
                let asked = link.directory.take_back(id);
                link.directory.taken_back(&asked, link.directory.deadline()).unwrap_or_else(|| {
                    self.leave(name, asked);
                    Err(CallError::TimedOut)
                })
            }
            // It was refused after a reconnection.
            (Ok(_), None) => Ok(()),
        };
        if let Some(id) = offer.id {
            self.server.remove_registered(id);
        }
        (Some(offer), outcome)
    }

    /// Waits until the directory has forgotten what it is to forget of this name: it would refuse it as taken, by us.
    fn settle(&self, link: &Link, name: &str, deadline: Option<Instant>) -> Result<()> {
        let Some(asked) = self.leaving.lock().get(name).cloned() else { return Ok(()) };
        // Whatever it says: if it has the name still, it says so when it is asked for it.
        drop(link.directory.taken_back(&asked, deadline).ok_or(CallError::TimedOut)?);
        self.leaving.lock().remove(name);
        Ok(())
    }

    fn leave(&self, name: &str, asked: TakingBack) {
        let mut leaving = self.leaving.lock();
        leaving.retain(|_, asked| !asked.is_over());
        leaving.insert(name.to_owned(), asked);
    }

    /// Registers a service again, if it is ours and nobody has done so meanwhile.
    fn register_again(&self, link: &Link, name: &str) -> bool {
        let _turn = self.turn.lock();
        let object = self.offers.lock().get(name).filter(|offer| offer.is_due()).map(|offer| offer.object.clone());
        object.is_none_or(|object| self.register(link, name, &object).is_ok())
    }

    /// An object of a service that passes on what it is asked may have been lost, or be back. False: it is not offered by this name any more.
    fn look(&self, session: &Session, name: &str, object: &Object) -> bool {
        let is_ours = |offer: &&mut Offer| offer.object.is(object);
        match object.presence() {
            Presence::Gone => {
                let _turn = self.turn.lock();
                if self.offers.lock().get_mut(name).filter(is_ours).is_some() {
                    drop(self.unregister(session.link(), name));
                }
                return false;
            }
            Presence::Lost => {
                let _turn = self.turn.lock();
                let id = self.offers.lock().get_mut(name).filter(is_ours).and_then(|offer| offer.id.take());
                if let Some(id) = id {
                    self.server.remove_registered(id);
                    session.link().iter().for_each(|link| self.leave(name, link.directory.take_back(id)));
                }
            }
            Presence::There => {
                let again = session.link().is_ok_and(|link| self.register_again(&link, name));
                if !again {
                    session.look_again();
                }
            }
        }
        self.offers.lock().get_mut(name).filter(is_ours).is_some()
    }
}

impl Offer {
    /// It is to be registered, which it is not.
    fn is_due(&self) -> bool {
        self.id.is_none() && self.object.is_there()
    }
}

impl ConnectionObserver for Registered {
    /// Serves the connection, once, before anything is registered through it. The ids of the last one mean nothing on this one,
    /// and may be given to others.
    fn arrive(&self, connection: &Arc<Connection>) -> Result<()> {
        let _turn = self.turn.lock();
        self.leaving.lock().clear();
        let stale: Vec<_> = self.offers.lock().values_mut().filter_map(|offer| offer.id.take()).collect();
        stale.into_iter().for_each(|id| self.server.remove_registered(id));
        let served = self.server.serve(connection.endpoint(), connection.shared());
        served.map_err(|error| connection.gone(error))
    }

    /// What is refused does not hold up the others.
    fn restore(&self, link: &Link) -> bool {
        let offers = self.offers.lock();
        let names: Vec<_> = offers.iter().filter(|(_, offer)| offer.is_due()).map(|(name, _)| name.clone()).collect();
        drop(offers);
        names.iter().filter(|name| !self.register_again(link, name)).count() == 0
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Provider({:?})", self.session)
    }
}
