//! What the handles of a session share: the directory's connection, those to services, and what is known of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::core::Error;
use crate::qi::address::{Endpoint, Reach, without_scope};
use crate::qi::calls::registering::join;
use crate::qi::calls::registrations::Key as Registration;
use crate::qi::calls::{CALL_TIMEOUT, CallError, Connection, Result};
use crate::qi::endpoint::{EndPoint, Pattern, Reason, Taken};
use crate::qi::machine::machine_ids;
use crate::qi::message::Message;
use crate::qi::meta::ServiceInfo;
use crate::qi::signature::{Kind, Signature};
use crate::qi::value::Reader;
use crate::reactor::deadline_in;
use crate::reactor::parker::Parker;
use crate::reactor::{Reactor, time_left};
use crate::sys::interface::all_addresses;
use crate::sys::memory::give_back_free_memory;
use crate::sys::sync::Mutex;

use super::changes::ChangeCounter;
use super::dial::DialOptions;
use super::directory::{DIRECTORY, DIRECTORY_NAME, Directory};
use super::endpoint_selection::{self, ConnectionKey, Connections, PlainText, Whereabouts};
use super::notices::{Notice, Notices};
use super::place::{Place, main_object};
use super::proxy::Proxy;
use super::retry::{Backoff, Retry};
use super::shared::shared_reactor;
use super::state::ProxyState;

/// What a session is made with.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// For every connection: credentials, TLS, limits, and the time that connecting has, to the directory or to a service (10 s).
    pub dial: DialOptions,
    /// Time limit of calls, and of subscribing, that have none of their own, also of objects that peers pass; 5 minutes. `None`: none. What the session asks its
    /// directory has the shorter of this and the time of [`DialOptions::timeout`], and so has reaching a service, over all of its endpoints:
    /// they are tried at the same time, each a little later than the one before.
    pub call_timeout: Option<Duration>,
    /// This machine's id, if it is not what [`SessionOptions::default`] would find out.
    pub machine_id: Option<String>,
    /// Connect again when connections are lost, as libqi does not. Off by default. What fails then is tried again, each thing after
    /// a time of its own; a subscription ends only if its signal does not come back.
    pub reconnect: Option<Backoff>,
    /// The reactor to live on. By default all sessions of a process share one.
    pub reactor: Option<Arc<Reactor>>,
}

/// A limit, or what is left until a deadline.
fn shorter(limit: Option<Duration>, deadline: Option<Instant>) -> Option<Duration> {
    limit.into_iter().chain(time_left(deadline)).min()
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions {
            dial: DialOptions::default(),
            call_timeout: Some(CALL_TIMEOUT),
            machine_id: None,
            reconnect: None,
            reactor: None,
        }
    }
}

impl SessionOptions {
    /// For what a session asks by itself.
    pub(super) fn directory_timeout(&self) -> Option<Duration> {
        self.call_timeout.into_iter().chain(self.dial.timeout).min()
    }

    /// With this user and token, for servers that ask for them.
    #[must_use]
    pub fn credentials(mut self, user: &str, token: &str) -> SessionOptions {
        self.dial.credentials.user = Some(user.to_owned());
        self.dial.credentials.token = Some(token.to_owned());
        self
    }

    /// The one to live on.
    pub(in crate::qi) fn reactor(&self) -> Result<Arc<Reactor>> {
        Ok(self.reactor.clone().map_or_else(shared_reactor, Ok)?)
    }
}

/// The directory while it is connected.
#[derive(Clone)]
pub(in crate::qi) struct Link {
    pub connection: Arc<Connection>,
    pub directory: Directory,
    pub machine: String,
    /// The directory tells us of changes, so its answers may be remembered.
    pub watching: bool,
}

impl Link {
    /// The directory is reached by an address of this machine.
    pub fn is_here(&self) -> bool {
        is_here(self.connection.endpoint().peer())
    }

    /// It is reached by a loopback address or a unix socket.
    fn is_near(&self) -> bool {
        Endpoint::parse(self.connection.endpoint().peer()).is_ok_and(|endpoint| endpoint.reach() == Reach::Loopback)
    }
}

/// Who lives on the directory's connection, and moves to the next one with the session. Called on the thread that connects.
pub(in crate::qi) trait ConnectionObserver: Send + Sync {
    /// A new connection, before anybody else can use it.
    fn arrive(&self, connection: &Arc<Connection>) -> Result<()>;

    /// Makes good on this connection what is lost; asked whenever there may be something. False: not all of it could be.
    fn restore(&self, link: &Link) -> bool;
}

/// Why a service cannot be had.
pub(super) struct Unreached {
    pub error: CallError,
    /// The id that the directory has said it has.
    pub listed: Option<u32>,
}

impl<E: Into<CallError>> From<E> for Unreached {
    fn from(error: E) -> Unreached {
        Unreached { error: error.into(), listed: None }
    }
}

pub(super) type Reached<T> = std::result::Result<T, Unreached>;

#[derive(Default)]
struct SessionState {
    link: Option<Link>,
    connections: Connections<Arc<Connection>>,
    services: HashMap<String, ServiceInfo>,
    /// How often services have come or gone, or the directory has. What was asked before is not remembered after.
    news: u64,
    proxies: Vec<Weak<ProxyState>>,
    reconnections: u64,
    /// Those who are in [`Core::dialling`].
    dialling: Vec<Arc<Parker>>,
    /// The connection whose directory is being asked what it is.
    opening: Option<Arc<Connection>>,
    closed: bool,
}

/// What the handles of a session share.
pub(super) struct Core {
    pub reactor: Arc<Reactor>,
    pub options: SessionOptions,
    pub url: String,
    machines: Vec<String>,
    state: Mutex<SessionState>,
    pub changes: Arc<ChangeCounter>,
    pub notices: Notices,
    pub observer: Option<Arc<dyn ConnectionObserver>>,
    /// When to ask it again.
    pub observer_retry: Mutex<Retry>,
}

impl Core {
    pub fn new(url: &str, options: SessionOptions, observer: Option<Arc<dyn ConnectionObserver>>) -> Result<Arc<Core>> {
        let reactor = options.reactor()?;
        let machines = options.machine_id.clone().map_or_else(machine_ids, |id| vec![id]);
        let changes = Arc::new(ChangeCounter::new(&reactor));
        let (state, observer_retry, url) = (Mutex::default(), Mutex::default(), url.to_owned());
        let notices = Notices::default();
        Ok(Arc::new(Core { reactor, options, url, machines, state, changes, notices, observer, observer_retry }))
    }

    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    pub fn link(&self) -> Result<Link> {
        let link = self.state.lock().link.clone();
        match link {
            Some(link) if link.connection.is_open() => Ok(link),
            Some(link) => Err(link.connection.gone(Error::NOT_CONNECTED)),
            None => Err(Error::NOT_CONNECTED.into()),
        }
    }

    /// Connects to the directory, for the first time or again.
    pub fn open(self: &Arc<Self>) -> Result<()> {
        let given_up = || self.is_closed();
        let connection =
            self.dialling(|| Connection::open_unless(&self.reactor, &self.url, &self.options.dial, &given_up))?;
        connection.set_call_timeout(self.options.call_timeout);
        {
            let mut state = self.state.lock();
            if state.closed {
                drop(state);
                connection.close();
                return Err(Error::NOT_CONNECTED.into());
            }
            state.opening = Some(Arc::clone(&connection));
        }
        let opened = self.enter(connection);
        self.state.lock().opening = None;
        opened
    }

    /// Asks the directory what it is, on a new connection, and lives there from then on.
    fn enter(self: &Arc<Self>, connection: Arc<Connection>) -> Result<()> {
        if let Some(observer) = &self.observer {
            observer.arrive(&connection)?;
        }
        let timeout = self.options.directory_timeout();
        let directory = Directory::new(&connection, timeout)?;
        let watching = self.watch(&connection, &directory, deadline_in(timeout));
        // A directory that does not say which machine it is on is no reason to fail.
        let machine = match directory.machine_id() {
            Err(error) if error.is_disconnection() => return Err(error),
            machine => machine.unwrap_or_default(),
        };
        self.file(&connection);
        let core = Arc::downgrade(self);
        let _ = connection.endpoint().on_close(move |why| {
            if let Some(core) = core.upgrade() {
                core.look(why);
            }
        });
        // That the last connection was lost is told before there is another.
        if self.state.lock().link.is_some() {
            self.look(&Reason::Closed);
        }
        let link = Link { connection: Arc::clone(&connection), directory, machine: machine.clone(), watching };
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            connection.close();
            return Err(Error::NOT_CONNECTED.into());
        }
        let again = state.link.replace(link);
        state.reconnections += u64::from(again.is_some());
        state.services.clear();
        state.news += 1;
        for address in [connection.endpoint().peer(), connection.url()] {
            state.connections.add(ConnectionKey::Address(machine.clone(), address.to_owned()), Arc::clone(&connection));
        }
        state.connections.add(ConnectionKey::Service(DIRECTORY_NAME.into()), connection);
        drop(state);
        if again.is_some() {
            self.begin_anew();
        }
        drop(again);
        self.look(&Reason::Closed);
        self.changes.tell();
        Ok(())
    }

    /// Tells if the directory has gone, or come back.
    fn look(&self, why: &Reason) {
        self.notices.look(|| self.link().is_ok(), why);
    }

    /// After a reconnection. The directory may be another one, which gives the ids of old to other services: all are looked for
    /// again, also where the way to them is not lost. What has failed before may succeed now.
    fn begin_anew(&self) {
        let connections = self.state.lock().connections.all();
        connections.iter().for_each(|connection| connection.metas().lock().clear());
        for proxy in self.proxies() {
            proxy.remove();
            proxy.retry.lock().afresh();
        }
        self.observer_retry.lock().afresh();
    }

    /// Has the directory tell what comes and goes. False: it does not.
    fn watch(self: &Arc<Self>, connection: &Arc<Connection>, directory: &Directory, deadline: Option<Instant>) -> bool {
        let meta = directory.proxy().meta();
        let mut watching = true;
        for name in ["serviceAdded", "serviceRemoved"] {
            let removed = name == "serviceRemoved";
            let Some(signal) = meta.signal_named(name) else { return false };
            let core = Arc::downgrade(self);
            let arguments = Signature::tuple([Kind::UInt32.into(), Kind::String.into()]);
            let sink = move |_: &EndPoint, message: &Message| {
                let event = Reader::new(&message.payload).read(&arguments);
                if let (Some(core), Ok(event)) = (core.upgrade(), event)
                    && let Some([id, name]) = event.members()
                {
                    let id = id.integer().and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
                    core.changed(id, name.as_str().unwrap_or_default(), removed);
                }
                Taken::Yes
            };
            let pattern = Pattern::events(DIRECTORY.0, DIRECTORY.1, signal.uid);
            let (service, object) = DIRECTORY;
            // For as long as the connection lasts.
            let registration = Registration { service, object, signal: signal.uid };
            let made = connection.endpoint().make_sink(pattern, Arc::new(sink), None);
            watching &= made.is_ok() && join(connection, &registration, deadline).is_ok();
        }
        watching
    }

    /// A service has come or gone.
    fn changed(&self, id: u32, name: &str, removed: bool) {
        {
            let mut state = self.state.lock();
            state.services.remove(name);
            state.news += 1;
        }
        for proxy in self.proxies().into_iter().filter(|proxy| proxy.name == name) {
            match removed {
                true => proxy.remove(),
                false => proxy.added(id),
            }
            proxy.retry.lock().afresh();
        }
        if removed {
            // The name may be one that was not free for us.
            self.observer_retry.lock().afresh();
        }
        let name = name.to_owned();
        self.notices.tell(&if removed {
            Notice::ServiceRemoved { id, name }
        } else {
            Notice::ServiceAdded { id, name }
        });
        self.changes.tell();
    }

    /// The end of a connection is a change.
    fn file(&self, connection: &Arc<Connection>) {
        let changes = Arc::clone(&self.changes);
        // If it has ended already, who uses it next will see.
        let _ = connection.endpoint().on_close(move |_| changes.tell());
    }

    /// With a deadline, which counts beside the limits that each step has.
    pub fn service(self: &Arc<Self>, name: &str, deadline: Option<Instant>) -> Reached<Proxy> {
        if name == DIRECTORY_NAME {
            return Ok(self.link()?.directory.proxy().clone());
        }
        let is_it = |proxy: &Arc<ProxyState>| proxy.name == name && proxy.is_current();
        if let Some(proxy) = self.proxies().into_iter().find(is_it) {
            return Ok(Proxy(proxy));
        }
        let place = self.place(name, deadline)?;
        let reconnector = self.options.reconnect.map(|_| Arc::clone(&self.changes));
        let proxy = Proxy::at(place, name.to_owned(), self.options.call_timeout, reconnector);
        let mut state = self.state.lock();
        state.proxies.retain(|proxy| proxy.strong_count() > 0);
        state.proxies.push(Arc::downgrade(&proxy.0));
        Ok(proxy)
    }

    /// Where a service is now. What is remembered may be out of date, so a failure is tried again when something has changed.
    pub fn place(self: &Arc<Self>, name: &str, deadline: Option<Instant>) -> Reached<Place> {
        let link = self.link()?;
        let (remembered, news) = {
            let state = self.state.lock();
            (state.services.get(name).cloned(), state.news)
        };
        if let Some(info) = remembered {
            if let Ok(place) = self.reach(&link, &info, deadline) {
                return Ok(place);
            }
            self.state.lock().services.remove(name);
        }
        let info = link.directory.service(name, shorter(self.options.directory_timeout(), deadline))?;
        let listed = Some(info.service_id);
        let place = self.reach(&link, &info, deadline).map_err(|error| Unreached { error, listed })?;
        let mut state = self.state.lock();
        if link.watching && state.news == news {
            state.services.insert(name.to_owned(), info);
        }
        drop(state);
        Ok(place)
    }

    fn reach(self: &Arc<Self>, link: &Link, info: &ServiceInfo, deadline: Option<Instant>) -> Result<Place> {
        let info = endpoint_selection::by_link(info, link.connection.endpoint().peer(), || self.ours(link));
        let connection = match self.known(&info) {
            Some(connection) => connection,
            None => self.dial(link, &info, deadline)?,
        };
        let service = (info.service_id, info.object_uid);
        main_object(&connection, service, shorter(self.options.directory_timeout(), deadline))
    }

    /// A connection that leads to the service already.
    fn known(&self, info: &ServiceInfo) -> Option<Arc<Connection>> {
        let (found, gone) = {
            let mut state = self.state.lock();
            let gone = state.connections.remove(|connection| !connection.is_open());
            (state.connections.find(info), gone)
        };
        drop(gone);
        found
    }

    /// What this machine is called.
    fn ours(&self, link: &Link) -> Vec<String> {
        let mut ours = self.machines.clone();
        // Who is reached by an address of ours is here, whatever it calls this machine.
        if link.is_here() {
            ours.push(link.machine.clone());
        }
        ours
    }

    fn dial(self: &Arc<Self>, link: &Link, info: &ServiceInfo, deadline: Option<Instant>) -> Result<Arc<Connection>> {
        let name = info.name.lossy().into_owned();
        let ours = self.ours(link);
        let unreachable = |endpoints| CallError::Unreachable { name: name.clone(), endpoints };
        let here = Whereabouts { ids: &ours, directory_is_near: link.is_near() };
        let endpoints = endpoint_selection::endpoints(info, here, self.plain_text(link)).map_err(unreachable)?;
        let mut options = self.options.dial.clone();
        options.timeout = shorter(self.options.directory_timeout(), deadline);
        let given_up = || self.is_closed();
        match self.dialling(|| Connection::open_first(&self.reactor, &endpoints, &options, &given_up)) {
            Err(_) if given_up() => Err(Error::NOT_CONNECTED.into()),
            Ok(connection) => {
                connection.set_call_timeout(self.options.call_timeout);
                self.note(info, connection)
            }
            Err(mut errors) if errors.len() == 1 => Err(errors.remove(0)),
            Err(errors) => Err(unreachable(errors.iter().map(CallError::to_string).collect())),
        }
    }

    fn plain_text(&self, link: &Link) -> PlainText {
        let DialOptions { config, credentials, .. } = &self.options.dial;
        let over_tls = link.connection.url().starts_with("tcps");
        let has_secrets = credentials.token.is_some() || credentials.authenticator.is_some();
        match (config.tls_client.is_some(), over_tls) {
            (true, _) => PlainText::Refused,
            (false, true) if has_secrets => PlainText::Refused,
            (false, true) => PlainText::Last,
            (false, false) => PlainText::Allowed,
        }
    }

    /// Dials; [`Core::close`] wakes it.
    fn dialling<T>(&self, dial: impl FnOnce() -> T) -> T {
        let me = Parker::mine();
        self.state.lock().dialling.push(Arc::clone(&me));
        let outcome = dial();
        let mut state = self.state.lock();
        if let Some(at) = state.dialling.iter().position(|other| Arc::ptr_eq(other, &me)) {
            state.dialling.swap_remove(at);
        }
        drop(state);
        outcome
    }

    /// A connection to a service has come about; if another thread was faster, that one's is used.
    fn note(&self, info: &ServiceInfo, connection: Arc<Connection>) -> Result<Arc<Connection>> {
        if let Some(earlier) = self.known(info) {
            connection.close();
            return Ok(earlier);
        }
        self.file(&connection);
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            connection.close();
            return Err(Error::NOT_CONNECTED.into());
        }
        let machine = info.machine_id.lossy().into_owned();
        state.connections.add(ConnectionKey::Address(machine, connection.url().to_owned()), Arc::clone(&connection));
        state.connections.add(ConnectionKey::Service(info.name.lossy().into_owned()), Arc::clone(&connection));
        Ok(connection)
    }

    /// The proxies of services by name that somebody holds.
    pub fn proxies(&self) -> Vec<Arc<ProxyState>> {
        self.state.lock().proxies.iter().filter_map(Weak::upgrade).collect()
    }

    /// How often the directory has been connected to again.
    pub fn reconnections(&self) -> u64 {
        self.state.lock().reconnections
    }

    pub fn close(&self) {
        let (connections, opening, dialling) = {
            let mut state = self.state.lock();
            state.closed = true;
            state.services.clear();
            (state.connections.remove(|_| true), state.opening.take(), std::mem::take(&mut state.dialling))
        };
        dialling.iter().for_each(|thread| self.reactor.notify(thread));
        // Before who is told of the loss can ask.
        self.proxies().iter().for_each(|proxy| proxy.give_up());
        connections.iter().chain(&opening).for_each(|connection| connection.close());
        self.proxies().iter().for_each(|proxy| proxy.close());
        self.changes.tell();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.options.dial.config.budget.was_high() {
            give_back_free_memory();
        }
    }
}

/// Whether this is an address of this machine.
fn is_here(url: &str) -> bool {
    let Ok(endpoint) = Endpoint::parse(url) else { return false };
    match (endpoint.reach(), endpoint) {
        (Reach::Loopback, _) => true,
        (Reach::Other, Endpoint::Host { host, .. }) => without_scope(&host).parse().is_ok_and(|host: IpAddr| {
            all_addresses().unwrap_or_default().iter().any(|own| own.ip().to_canonical() == host.to_canonical())
        }),
        _ => false,
    }
}
