//! The server that programs hold: a directory, services of this process, and listeners for both.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::core::Error;
use crate::qi::calls::CallError;
use crate::qi::capability::Capabilities;
use crate::qi::directory::Owner;
use crate::qi::endpoint::{Config, EndPoint, Failure, Listener, may_wait};
use crate::qi::machine::machine_id;
use crate::qi::meta::{MetaObject, ServiceInfo, ServiceInfoLayout};
use crate::qi::value::{Object as Reference, Uid, Value};
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

use super::adapter::{peer_of, serve};
use super::auth::{Authenticator, Credentials, Verdict};
use super::directory_object::{DirectoryService, SERVICE};
use super::model::{Address, Object, Peer, Presence, Remote};
use super::router::{Role, Router};
use crate::qi::workers::run_queue::Threads;

/// Settings of a server. The defaults suit a directory on a trusted network.
#[derive(Clone)]
pub struct Options {
    /// Threads that objects work on at once, started when they are wanted. Default: one for each processor, at least 2. One that has been
    /// inside a method for 10 ms, because it waits or computes, does not count any more, nor one that has spent most of its time in shorter methods on
    /// waiting: while calls wait, others take its place.
    pub workers: usize,
    /// Threads in all, those inside long methods included; at least [`Options::workers`]. Default 256. Beyond [`Options::workers`] each connection
    /// may have as many inside methods as are left for the others, one by itself nearly half of them (15/32); its next call ends with an Error. When all
    /// threads are inside methods and none has come back for a second, calls that wait for a thread end with an Error, too.
    pub max_workers: usize,
    /// Who is let in; `None`, the default: everybody.
    pub authenticator: Option<Arc<Authenticator>>,
    /// Which machine this is. `None`, the default: as libqi's wheel has it, [`machine_id`].
    pub machine_id: Option<String>,
    /// What the directory lists of a service. The default, seven fields, is understood by libqi since v1.7.
    pub layout: ServiceInfoLayout,
    /// Addresses to be listed beside those that are listened on, as `tcp://robot.local:9559`.
    pub advertise: Vec<String>,
    /// Settings of the connections. Default: [`Config::accepting`], with 16 MiB that may wait to be sent.
    pub connection: Config,
    /// Bytes that may wait to be sent before events are dropped. Default 8 MiB.
    pub event_limit: u64,
    /// How long an answer waits for a caller that does not read before that gets an Error instead. Default 1 s.
    pub answer_wait: Duration,
}

impl Default for Options {
    fn default() -> Options {
        let mib = 1024 * 1024;
        Options {
            workers: std::thread::available_parallelism().map_or(2, usize::from).max(2),
            max_workers: 256,
            authenticator: None,
            machine_id: None,
            layout: ServiceInfoLayout::Seven,
            advertise: Vec::new(),
            connection: Config { send_limit: 16 * mib, ..Config::accepting() },
            event_limit: 8 * mib as u64,
            answer_wait: Duration::from_secs(1),
        }
    }
}

impl Options {
    /// With an authenticator.
    #[must_use]
    pub fn authenticator(mut self, ask: impl Fn(&Credentials<'_>) -> Verdict + Send + Sync + 'static) -> Options {
        self.authenticator = Some(Arc::new(ask));
        self
    }
}

/// Why a server could not be started, or do what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerError {
    /// An address cannot be listened on; which, and why.
    Listen(String, Failure),
    /// The text says what was refused.
    Refused(String),
    /// What the object passes on to ([`Server::forward`]) is not connected now, or never will be again.
    Lost,
}

impl fmt::Display for ServerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::Listen(address, failure) => write!(out, "{address}: {failure}"),
            ServerError::Refused(text) => out.write_str(text),
            ServerError::Lost => out.write_str("what the object passes on to is not connected"),
        }
    }
}

impl std::error::Error for ServerError {}

/// What a server has to do now, and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStatistics {
    /// Connections that are open.
    pub connections: usize,
    /// Calls that have no answer yet.
    pub pending_calls: usize,
    /// Registrations for signals and properties.
    pub subscriptions: usize,
    /// Objects that peers have been given and not released.
    pub exports: usize,
    /// Events that the open connections have lost because they do not read.
    pub events_dropped: u64,
    /// Bytes in use of what its connections may keep in memory ([`Budget`](crate::qi::endpoint::Budget)).
    pub memory: usize,
}

/// A directory with services in this process. Dropped, it closes everything.
pub struct Server {
    reactor: Arc<Reactor>,
    router: Arc<Router>,
    /// `None`: our services are registered in somebody else's.
    directory: Option<Arc<DirectoryService>>,
    listeners: Mutex<Vec<Listener>>,
    options: Options,
    /// Held from looking whether a connection is served until it is.
    serving: Mutex<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Server({:?})", self.addresses())
    }
}

impl Server {
    /// Starts a directory that listens at these addresses (`tcp://127.0.0.1:9559`; port 0: any free one), with
    /// this reactor.
    pub fn standalone(reactor: &Arc<Reactor>, urls: &[&str], options: Options) -> Result<Server, ServerError> {
        Server::start(reactor, urls, options, true)
    }

    /// Starts a server whose services are registered in somebody else's directory: see [`Server::add_registered`].
    pub fn provider(reactor: &Arc<Reactor>, urls: &[&str], options: Options) -> Result<Server, ServerError> {
        Server::start(reactor, urls, options, false)
    }

    fn start(reactor: &Arc<Reactor>, urls: &[&str], options: Options, is_bus: bool) -> Result<Server, ServerError> {
        let at_once = options.workers.max(1);
        let (workers, reader) = (Threads { at_once, limit: options.max_workers }, Some(Arc::clone(reactor)));
        let router = Router::new(workers, reader, options.answer_wait, options.authenticator.clone());
        let directory = if is_bus { Some(directory(&router, &options)?) } else { None };
        let listeners = Mutex::default();
        let server =
            Server { reactor: Arc::clone(reactor), router, directory, listeners, options, serving: Mutex::default() };
        for url in urls {
            server.listen(url)?;
        }
        Ok(server)
    }

    /// Listens at one more address; gives it with the port that the system chose.
    pub fn listen(&self, url: &str) -> Result<String, ServerError> {
        let failed = |failure| ServerError::Listen(url.to_owned(), failure);
        let router = Arc::clone(&self.router);
        let limit = self.options.event_limit;
        let welcome = move |endpoint: &Arc<EndPoint>| {
            // A connection that has ended already is none of ours.
            let _ = serve(&router, endpoint, Role::Accepted, limit);
        };
        // Workers without a job read, too.
        let config = Config { keeps_polling: false, ..self.options.connection.clone() };
        let listener = Listener::bind(&self.reactor, url, config, welcome).map_err(failed)?;
        let address = listener.address();
        for endpoint in listener.endpoints() {
            self.directory.iter().for_each(|directory| directory.add_endpoint(&endpoint));
        }
        self.listeners.lock().push(listener);
        Ok(address)
    }

    /// Serves the main objects on a connection that we have dialled and authenticated on; `shared` is what both sides have
    /// announced. `ENOTCONN`; `EINVAL` if it is served already, since every Call would have two answers; `ENOTSUP` if they have
    /// announced MetaObjectCache: what is remembered has one reader, and that is the client's.
    pub(crate) fn serve(&self, endpoint: &Arc<EndPoint>, shared: Capabilities) -> Result<(), Error> {
        let _turn = self.serving.lock();
        if peer_of(endpoint).is_some() { Err(Error::INVALID) } else { self.serve_anew(endpoint, shared) }
    }

    fn serve_anew(&self, endpoint: &Arc<EndPoint>, shared: Capabilities) -> Result<(), Error> {
        if shared.meta_object_cache {
            return Err(Error::NOT_SUPPORTED);
        }
        serve(&self.router, endpoint, Role::Dialled(shared), self.options.event_limit)
    }

    /// [`Server::serve`], unless the connection is served: by this server, or another of the process. For all threads that use
    /// the same server for this.
    pub(in crate::qi) fn serve_unless_served(
        &self,
        endpoint: &Arc<EndPoint>,
        shared: Capabilities,
    ) -> Result<(), Error> {
        let _turn = self.serving.lock();
        match peer_of(endpoint) {
            Some(_) => Ok(()),
            None => self.serve_anew(endpoint, shared),
        }
    }

    /// Hands an object to the peer of a connection that we have dialled, which is served from now on if it was not: gives the
    /// `o` to put into an argument for its service `service`. The peer keeps the object until it releases it. `ENOBUFS` if it
    /// has too many, `ENOTCONN`.
    pub fn pass(
        &self,
        endpoint: &Arc<EndPoint>,
        shared: Capabilities,
        service: u32,
        object: &Object,
    ) -> Result<Value, Error> {
        let peer = self.peer(endpoint, shared)?;
        let address = Address { service, object: peer.new_passed_id() };
        if !peer.export(address, object) {
            return Err(Error::NO_BUFFERS);
        }
        let meta = Arc::clone(object.meta());
        let reference = Reference { meta, service, object: address.object, uid: Some(object.uid()) };
        Ok(Value::Object(Arc::new(reference)))
    }

    /// The object at this address of the peer of a connection, which is served from now on if it was not. `keep` keeps it there.
    /// `ENOTCONN`; `ENOTSUP` as in [`Server::serve`].
    pub(in crate::qi) fn remote_at(
        &self,
        (endpoint, shared): (&Arc<EndPoint>, Capabilities),
        (service, object): (u32, u32),
        (meta, uid): (&Arc<MetaObject>, Option<Uid>),
        keep: Arc<dyn Any + Send + Sync>,
    ) -> Result<Remote, Error> {
        let peer = self.peer(endpoint, shared)?;
        Ok(Remote::at(&peer, Address { service, object }, meta, uid, Some(keep)))
    }

    /// The peer of a connection, which is served from now on if nobody in this process did: two who serve it would both answer.
    fn peer(&self, endpoint: &Arc<EndPoint>, shared: Capabilities) -> Result<Arc<Peer>, Error> {
        self.serve_unless_served(endpoint, shared)?;
        peer_of(endpoint).ok_or(Error::NOT_CONNECTED)
    }

    /// The addresses that are listened on.
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.lock().iter().map(Listener::address).collect()
    }

    /// What a directory should list of us: where we can be dialled now, each address of the machine for `0.0.0.0` and `[::]`,
    /// and what is advertised beside it.
    pub fn endpoints(&self) -> Vec<String> {
        let listeners = self.listeners.lock();
        listeners.iter().flat_map(Listener::endpoints).chain(self.options.advertise.iter().cloned()).collect()
    }

    /// Adds a service of this process to its directory; gives its id. Everybody may call it when this returns. One that passes on what it
    /// is asked ([`Server::forward`]) is refused while that is lost; later it is not listed while it is lost, and removed when it cannot come back.
    pub fn add_service(&self, name: &str, object: &Object) -> Result<u32, ServerError> {
        let refused = |error: crate::qi::directory::DirectoryError| ServerError::Refused(error.to_string());
        let directory = self.directory()?;
        let id = directory.add(name, object.uid()).map_err(refused)?;
        self.router.add_service(id, object);
        self.list_while_there(directory, id, object);
        directory.show(id, || object.is_there()).map_err(refused)?;
        if !object.is_there() {
            let _ = self.remove_service(id);
            return Err(ServerError::Lost);
        }
        Ok(id)
    }

    fn list_while_there(&self, directory: &Arc<DirectoryService>, id: u32, object: &Object) {
        let (directory, router) = (Arc::downgrade(directory), Arc::downgrade(&self.router));
        object.on_presence(move |object| {
            let Some((directory, router)) = directory.upgrade().zip(router.upgrade()) else { return false };
            if object.presence() == Presence::Gone {
                let _ = directory.remove(id);
                drop(router.remove_service(id));
                return false;
            }
            directory.show(id, || object.is_there()).is_ok()
        });
    }

    /// Removes a service of this process. Calls that wait in its mailbox are still made.
    pub fn remove_service(&self, id: u32) -> Result<(), ServerError> {
        self.directory()?.remove(id).map_err(|error| ServerError::Refused(error.to_string()))?;
        drop(self.router.remove_service(id));
        Ok(())
    }

    /// Serves an object under an id that another process's directory has given to it; it is listed nowhere here.
    pub fn add_registered(&self, id: u32, object: &Object) {
        self.router.add_service(id, object);
    }

    /// Serves it no more.
    pub fn remove_registered(&self, id: u32) {
        drop(self.router.remove_service(id));
    }

    /// All services that are ready, those of other processes too. The endpoints of ours are those listened on.
    pub fn services(&self) -> Vec<ServiceInfo> {
        self.directory.as_ref().map(|directory| directory.list(None)).unwrap_or_default()
    }

    /// A service that another process has registered, over the connection that registered it. Waits for its meta object for
    /// at most `timeout`; not on the thread that reads (`EDEADLK`). Fails with [`CallError::NoService`], with
    /// [`CallError::Unreachable`] if it is in this process or that side takes no calls, or like a call.
    pub fn reach(&self, name: &str, timeout: Duration) -> Result<Remote, CallError> {
        may_wait()?;
        let none = |text: String| CallError::NoService { name: name.to_owned(), text };
        let directory = self.directory().map_err(|error| none(error.to_string()))?;
        let (id, owner) = directory.find(name).map_err(|error| none(error.to_string()))?;
        let no_way = |why: &str| CallError::Unreachable { name: name.to_owned(), endpoints: vec![why.to_owned()] };
        let Owner::Connection(connection) = owner else { return Err(no_way("it is in this process")) };
        let peer = self.router.peer(connection).ok_or(Error::NOT_CONNECTED)?;
        if !peer.shared().client_server_socket {
            return Err(no_way("the connection that registered it takes no calls"));
        }
        Remote::fetch_main(&peer, id, timeout)
    }

    fn directory(&self) -> Result<&Arc<DirectoryService>, ServerError> {
        self.directory.as_ref().ok_or_else(|| ServerError::Refused("the directory is in another process".to_owned()))
    }

    /// Counts now.
    pub fn statistics(&self) -> ServerStatistics {
        let memory = self.options.connection.budget.used();
        let mut statistics = ServerStatistics { memory, ..ServerStatistics::default() };
        for peer in self.router.peers() {
            statistics.connections += 1;
            statistics.pending_calls += peer.pending_calls();
            statistics.subscriptions += peer.subscriptions();
            statistics.exports += peer.exports();
            statistics.events_dropped += peer.events_dropped.load(Ordering::Relaxed);
        }
        statistics
    }

    /// Threads that objects work on now, busy or idle.
    pub fn workers(&self) -> usize {
        self.router.threads()
    }

    /// Closes listeners and connections, and ends the workers when they are done with what they are at. Not on the I/O
    /// thread. Closing twice is no error.
    pub fn close(&self) {
        self.router.stop_accepting();
        self.listeners.lock().drain(..).for_each(|listener| listener.close());
        for peer in self.router.peers() {
            peer.connection.close();
        }
        self.router.stop();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// The directory of a bus of our own, as its first service.
pub(super) fn directory(router: &Arc<Router>, options: &Options) -> Result<Arc<DirectoryService>, ServerError> {
    let id = options.machine_id.clone().unwrap_or_else(machine_id);
    let directory = DirectoryService::new(&id, options.layout).map_err(ServerError::Refused)?;
    if let Some(object) = directory.object() {
        router.add_service(SERVICE, object);
    }
    options.advertise.iter().for_each(|endpoint| directory.add_endpoint(endpoint));
    // Behind what the connection has asked for before: else a late registration would stay for ever.
    let (told, runner) = (Arc::downgrade(&directory), Arc::downgrade(router));
    router.on_end(move |connection| {
        let Some((directory, router)) = told.upgrade().zip(runner.upgrade()) else { return };
        if let Some(object) = directory.object().cloned() {
            // Weakly: the task waits in the directory's own mailbox, for ever if the workers have ended.
            let directory = Arc::downgrade(&directory);
            router.run_at_end(&object, move || {
                if let Some(directory) = directory.upgrade() {
                    directory.drop_connection(connection);
                }
            });
        }
    });
    Ok(directory)
}
