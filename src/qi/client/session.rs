//! A session: a directory, and the services it knows (qi-messaging.md 11, 12, 22, 23).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::qi::endpoint::{EndPoint, Pattern, Taken};
use crate::qi::machine::machine_ids;
use crate::qi::meta::ServiceInfo;
use crate::qi::signature::{Kind, Signature};
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

use super::connection::Connection;
use super::dial::DialOptions;
use super::directory::{DIRECTORY, DIRECTORY_NAME, Directory};
use super::error::{ClientError, Result};
use super::keeper;
use super::news::News;
use super::plan::{self, Book, Key};
use super::proxy::{Cell, Place, Proxy, main_object};
use super::registering::join_for_session;
use super::retry::{Backoff, Retry};
use super::shared::shared_reactor;
use super::waiting::deadline_in;

/// What a session is made with.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// For every connection: credentials, TLS, limits, and the time that the directory has (10 s).
    pub dial: DialOptions,
    /// Time limit of calls, and of subscribing, that have none of their own. `None` (the default): none.
    pub call_timeout: Option<Duration>,
    /// Time in which one of a service's endpoints must be reached and let us in; 3 s. They are tried at the same time, each
    /// a little later than the one before. One that answers but is of no use costs the time anew for the rest.
    pub endpoint_timeout: Duration,
    /// This machine's id, if it is not what [`SessionOptions::default`] would find out.
    pub machine_id: Option<String>,
    /// Connect again when connections are lost, as libqi does not. Off by default. What fails then is tried again, each thing after
    /// a time of its own; a subscription ends only if its signal does not come back.
    pub reconnect: Option<Backoff>,
    /// The reactor to live on. By default all sessions of a process share one.
    pub reactor: Option<Arc<Reactor>>,
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions {
            dial: DialOptions::default(),
            call_timeout: None,
            endpoint_timeout: Duration::from_secs(3),
            machine_id: None,
            reconnect: None,
            reactor: None,
        }
    }
}

impl SessionOptions {
    /// With this user and token, for servers that ask for them.
    #[must_use]
    pub fn credentials(mut self, user: &str, token: &str) -> SessionOptions {
        self.dial.credentials.user = Some(user.to_owned());
        self.dial.credentials.token = Some(token.to_owned());
        self
    }

    /// The one to live on.
    pub(super) fn reactor(&self) -> Result<Arc<Reactor>> {
        Ok(self.reactor.clone().map_or_else(shared_reactor, Ok)?)
    }
}

/// The directory while it is connected.
#[derive(Clone)]
pub(super) struct Link {
    pub connection: Arc<Connection>,
    pub directory: Directory,
    pub machine: String,
    /// The directory tells us of changes, so its answers may be remembered.
    pub watching: bool,
}

/// Who lives on the directory's connection, and moves to the next one with the session. Called on the thread that connects.
pub(super) trait Tenant: Send + Sync {
    /// A new connection, before anybody else can use it.
    fn arrive(&self, connection: &Arc<Connection>) -> Result<()>;

    /// Makes good on this connection what is lost; asked whenever there may be something. False: not all of it could be.
    fn restore(&self, link: &Link) -> bool;
}

#[derive(Default)]
struct State {
    link: Option<Link>,
    book: Book<Arc<Connection>>,
    services: HashMap<String, ServiceInfo>,
    cells: Vec<Weak<Cell>>,
    reconnections: u64,
    closed: bool,
}

/// What the handles of a session share.
pub(super) struct Core {
    pub reactor: Arc<Reactor>,
    pub options: SessionOptions,
    url: String,
    machines: Vec<String>,
    state: Mutex<State>,
    pub news: Arc<News>,
    pub tenant: Option<Arc<dyn Tenant>>,
    /// When to ask it again.
    pub tenancy: Mutex<Retry>,
}

/// A connection to a directory and to what it leads to. Clones are the same session; when the last is dropped, its
/// connections live as long as proxies hold them. All methods may be called from any thread; those that wait are
/// `EDEADLK` on a thread that reads a connection.
#[derive(Clone)]
pub struct Session(Arc<Core>);

impl Session {
    /// Connects to the directory at `url` (`tcp://host:port`; scheme and port may be missing: tcp, 9559) and authenticates. The
    /// errors tell what to do: see [`ClientError`].
    pub fn connect(url: &str, options: SessionOptions) -> Result<Session> {
        Session::start(url, options, None)
    }

    pub(super) fn start(url: &str, options: SessionOptions, tenant: Option<Arc<dyn Tenant>>) -> Result<Session> {
        let reactor = options.reactor()?;
        let machines = options.machine_id.clone().map_or_else(machine_ids, |id| vec![id]);
        let news = Arc::new(News::new(&reactor));
        let (state, tenancy, url) = (Mutex::default(), Mutex::default(), url.to_owned());
        let core = Arc::new(Core { reactor, options, url, machines, state, news, tenant, tenancy });
        core.open()?;
        if let Some(backoff) = core.options.reconnect {
            keeper::start(&core, backoff)?;
        }
        Ok(Session(core))
    }

    /// The directory. [`ClientError::Disconnected`] while it is lost.
    pub fn directory(&self) -> Result<Directory> {
        Ok(self.0.link()?.directory)
    }

    /// The directory's connection.
    pub fn connection(&self) -> Result<Arc<Connection>> {
        Ok(self.0.link()?.connection)
    }

    /// The id of the directory's machine; empty if it does not say.
    pub fn machine_id(&self) -> Result<String> {
        Ok(self.0.link()?.machine)
    }

    /// All services that are ready.
    pub fn services(&self) -> Result<Vec<ServiceInfo>> {
        self.0.link()?.directory.services()
    }

    /// A service by name. A connection that leads there is used again; else its endpoints are dialled, and the first that
    /// answers is used (section 12). Fails with [`ClientError::NoService`], [`ClientError::Unreachable`], or as connecting does.
    pub fn service(&self, name: &str) -> Result<Proxy> {
        self.0.service(name)
    }

    /// [`Session::service`], once it is ready; waits for that for at most `timeout` (`None`: for ever).
    pub fn wait_for_service(&self, name: &str, timeout: Option<Duration>) -> Result<Proxy> {
        let deadline = deadline_in(timeout);
        loop {
            let seen = self.0.news.count();
            match self.service(name) {
                Err(ClientError::NoService { .. }) => {}
                Err(error) if error.is_disconnection() && self.0.options.reconnect.is_some() && !self.0.is_closed() => {
                }
                outcome => return outcome,
            }
            self.0.news.wait(seen, deadline)?;
        }
    }

    /// The directory's connection is there.
    pub fn is_connected(&self) -> bool {
        self.0.link().is_ok()
    }

    /// How often the directory has been connected to again after a loss.
    pub fn reconnections(&self) -> u64 {
        self.0.state.lock().reconnections
    }

    pub(super) fn link(&self) -> Result<Link> {
        self.0.link()
    }

    /// Closes all connections. Calls under way fail, subscriptions end.
    pub fn close(&self) {
        self.0.close();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Session({})", self.0.url)
    }
}

impl Core {
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    pub fn link(&self) -> Result<Link> {
        let link = self.state.lock().link.clone();
        match link {
            Some(link) if link.connection.is_open() => Ok(link),
            Some(link) => Err(link.connection.gone(crate::core::Error::NOT_CONNECTED)),
            None => Err(crate::core::Error::NOT_CONNECTED.into()),
        }
    }

    /// Connects to the directory, for the first time or again.
    pub fn open(self: &Arc<Self>) -> Result<()> {
        let connection = Connection::open(&self.reactor, &self.url, &self.options.dial)?;
        if let Some(tenant) = &self.tenant {
            tenant.arrive(&connection)?;
        }
        let timeout = self.options.call_timeout.or(self.options.dial.timeout);
        let directory = Directory::new(&connection, timeout)?;
        let watching = self.watch(&connection, &directory, deadline_in(timeout));
        // A directory that does not say which machine it is on is no reason to fail.
        let machine = match directory.machine_id() {
            Err(error) if error.is_disconnection() => return Err(error),
            machine => machine.unwrap_or_default(),
        };
        self.file(&connection);
        let link = Link { connection: Arc::clone(&connection), directory, machine: machine.clone(), watching };
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            connection.close();
            return Err(crate::core::Error::NOT_CONNECTED.into());
        }
        let again = state.link.replace(link);
        state.reconnections += u64::from(again.is_some());
        state.services.clear();
        for address in [connection.endpoint().peer(), connection.url()] {
            state.book.add(Key::Address(machine.clone(), address.to_owned()), Arc::clone(&connection));
        }
        state.book.add(Key::Service(DIRECTORY_NAME.into()), connection);
        drop(state);
        if again.is_some() {
            self.begin_anew();
        }
        drop(again);
        self.news.tell();
        Ok(())
    }

    /// After a reconnection. The directory may be another one, which gives the ids of old to other services: all are looked for
    /// again, also where the way to them is not lost. What has failed before may succeed now.
    fn begin_anew(&self) {
        let connections = self.state.lock().book.all();
        connections.iter().for_each(|connection| connection.metas().lock().clear());
        for cell in self.cells() {
            cell.removed.store(true, Ordering::Release);
            cell.retry.lock().afresh();
        }
        self.tenancy.lock().afresh();
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
            let sink = move |_: &EndPoint, message: &crate::qi::message::Message| {
                let event = crate::qi::value::Reader::new(&message.payload).read(&arguments);
                if let (Some(core), Ok(event)) = (core.upgrade(), event)
                    && let Some([_, name]) = event.members()
                {
                    core.changed(name.as_str().unwrap_or_default(), removed);
                }
                Taken::Yes
            };
            let pattern = Pattern::events(DIRECTORY.0, DIRECTORY.1, signal.uid);
            let made = connection.endpoint().make_sink(pattern, Arc::new(sink), None);
            watching &= made.is_ok() && join_for_session(connection, DIRECTORY, signal.uid, deadline).is_ok();
        }
        watching
    }

    /// A service has come or gone.
    fn changed(&self, name: &str, removed: bool) {
        self.state.lock().services.remove(name);
        for cell in self.cells().into_iter().filter(|cell| cell.name == name) {
            cell.removed.fetch_or(removed, Ordering::AcqRel);
            cell.retry.lock().afresh();
        }
        if removed {
            // The name may be one that was not free for us.
            self.tenancy.lock().afresh();
        }
        self.news.tell();
    }

    /// The end of a connection is news.
    fn file(&self, connection: &Arc<Connection>) {
        let news = Arc::clone(&self.news);
        // If it has ended already, who uses it next will see.
        let _ = connection.endpoint().on_close(move |_| news.tell());
    }

    fn service(self: &Arc<Self>, name: &str) -> Result<Proxy> {
        if name == DIRECTORY_NAME {
            return Ok(self.link()?.directory.proxy().clone());
        }
        let is_it = |cell: &Arc<Cell>| cell.name == name && cell.is_current();
        if let Some(cell) = self.cells().into_iter().find(is_it) {
            return Ok(Proxy(cell));
        }
        let place = self.place(name)?;
        let keeper = self.options.reconnect.map(|_| Arc::clone(&self.news));
        let proxy = Proxy::at(place, name.to_owned(), self.options.call_timeout, keeper);
        let mut state = self.state.lock();
        state.cells.retain(|cell| cell.strong_count() > 0);
        state.cells.push(Arc::downgrade(&proxy.0));
        Ok(proxy)
    }

    /// Where a service is now. What is remembered may be out of date, so a failure is tried again with news.
    pub fn place(self: &Arc<Self>, name: &str) -> Result<Place> {
        let link = self.link()?;
        let remembered = self.state.lock().services.get(name).cloned();
        if let Some(info) = remembered {
            let place = self.reach(&link, &info);
            if place.is_ok() {
                return place;
            }
            self.state.lock().services.remove(name);
        }
        let info = link.directory.service(name)?;
        let place = self.reach(&link, &info)?;
        if link.watching {
            self.state.lock().services.insert(name.to_owned(), info);
        }
        Ok(place)
    }

    fn reach(self: &Arc<Self>, link: &Link, info: &ServiceInfo) -> Result<Place> {
        let connection = match self.known(info) {
            Some(connection) => connection,
            None => self.dial(link, info)?,
        };
        let timeout = self.options.call_timeout.or(self.options.dial.timeout);
        main_object(&connection, info.service_id, timeout)
    }

    /// A connection that leads to the service already.
    fn known(&self, info: &ServiceInfo) -> Option<Arc<Connection>> {
        let (found, gone) = {
            let mut state = self.state.lock();
            let gone = state.book.remove(|connection| !connection.is_open());
            (state.book.find(info), gone)
        };
        drop(gone);
        found
    }

    fn dial(self: &Arc<Self>, link: &Link, info: &ServiceInfo) -> Result<Arc<Connection>> {
        let name = info.name.lossy().into_owned();
        let mut ours = self.machines.clone();
        // Who is reached by loopback is here, whatever it calls this machine.
        if is_loopback(link.connection.endpoint().peer()) {
            ours.push(link.machine.clone());
        }
        let unreachable = |endpoints| ClientError::Unreachable { name: name.clone(), endpoints };
        let endpoints = plan::endpoints(info, &ours).map_err(unreachable)?;
        let mut options = self.options.dial.clone();
        options.timeout = Some(self.options.endpoint_timeout);
        match Connection::open_first(&self.reactor, &endpoints, &options) {
            Ok(connection) => self.note(info, connection),
            Err(mut errors) if errors.len() == 1 => Err(errors.remove(0)),
            Err(errors) => Err(unreachable(errors.iter().map(ClientError::to_string).collect())),
        }
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
            return Err(crate::core::Error::NOT_CONNECTED.into());
        }
        let machine = info.machine_id.lossy().into_owned();
        state.book.add(Key::Address(machine, connection.url().to_owned()), Arc::clone(&connection));
        state.book.add(Key::Service(info.name.lossy().into_owned()), Arc::clone(&connection));
        Ok(connection)
    }

    /// The proxies of services by name that somebody holds.
    pub fn cells(&self) -> Vec<Arc<Cell>> {
        self.state.lock().cells.iter().filter_map(Weak::upgrade).collect()
    }

    pub fn close(&self) {
        let connections: Vec<_> = {
            let mut state = self.state.lock();
            state.closed = true;
            state.services.clear();
            state.book.remove(|_| true)
        };
        connections.iter().for_each(|connection| connection.close());
        self.cells().iter().for_each(|cell| cell.close());
        self.news.tell();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // The keeper finds that it has nothing to keep.
        self.news.tell();
    }
}

fn is_loopback(url: &str) -> bool {
    let endpoint = crate::qi::address::Endpoint::parse(url);
    endpoint.is_ok_and(|endpoint| endpoint.reach() == crate::qi::address::Reach::Loopback)
}
