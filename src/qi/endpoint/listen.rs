//! Accepting: a listener makes an end point of each connection and has it welcomed before its first byte is read.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};
use std::time::Instant;

use socket2::Socket;

use crate::qi::address::{AddressError, Endpoint, Scheme};
use crate::reactor::timers::TimerId;
use crate::reactor::{Reactor, Registration};
use crate::sys::Owned;
use crate::sys::interface::all_addresses;
use crate::sys::sync::Mutex;
use crate::transport::accepting::{self, accept_all};
use crate::transport::ipc::IPC;
use crate::transport::pipe::Ready;
use crate::transport::resolve::{Families, look_up};
use crate::transport::source::Source;
use crate::transport::stream::{Buffers, Listening, Stream, Wire};
use crate::transport::tcp::{Literal, listen_at};
use crate::transport::tls::{self, TlsServer, TlsStream};
use crate::transport::{EndpointOptions, Setup, SizeLimit, Transport, TransportOptions};

use super::budget::QUANTUM;
use super::config::{Config, configure};
use super::failure::{Failure, Reason};
use super::{EndPoint, reentrancy};

/// Called for each new connection on the thread that accepts, before its first byte is read: makes the handlers, keeps the
/// end point if it wants to, or closes it. It must not block.
pub type Welcome = dyn Fn(&Arc<EndPoint>) + Send + Sync;

/// Listens on one address until it is closed or dropped. The connections it made live on.
pub struct Listener {
    accepting: Arc<Accepting>,
}

struct Accepting {
    me: Weak<Accepting>,
    reactor: Arc<Reactor>,
    config: Arc<Config>,
    address: Endpoint,
    welcome: Box<Welcome>,
    state: Mutex<ListenerState>,
}

/// `None` in `door`: closed.
struct ListenerState {
    door: Option<Arc<Door>>,
    registration: Option<Registration>,
    pause: Option<TimerId>,
}

enum Door {
    Tcp(Listening, Option<TlsServer>),
    Unix(Box<dyn crate::transport::Listener>),
}

/// A new connection, who it is, and the address by which it has come.
struct AcceptedStream {
    stream: Arc<dyn Stream>,
    peer: String,
    local: Option<String>,
}

impl Door {
    fn fd(&self) -> RawFd {
        match self {
            Door::Tcp(listening, _) => listening.fd(),
            Door::Unix(listener) => listener.socket().fd(),
        }
    }

    /// The next connection; `WouldBlock` when there is none.
    fn accept(&self, config: &Config) -> io::Result<AcceptedStream> {
        match self {
            Door::Tcp(listening, tls) => {
                let (socket, from) = listening.accept()?;
                let scheme = if tls.is_some() { "tcps" } else { "tcp" };
                let url = |address| socket_address(address).map(|address| format!("{scheme}://{}", canonical(address)));
                let (peer, local) = (url(Ok(from)).unwrap_or_default(), url(socket.local_addr()));
                configure(&socket, config)?;
                let wire = Wire::new(socket, Buffers::default())?;
                match tls {
                    Some(tls) => {
                        let stream = TlsStream::server(wire, tls)
                            .map_err(|error| io::Error::from_raw_os_error(error.errno()))?;
                        Ok(AcceptedStream { stream: Arc::new(stream), peer, local })
                    }
                    None => Ok(AcceptedStream { stream: Arc::new(wire), peer, local }),
                }
            }
            Door::Unix(listener) => {
                let (options, limit) = (TransportOptions::default(), SizeLimit::default());
                let setup = Setup { buffers: Buffers::default(), options: &options, limit: &limit, keepalive: None };
                Ok(AcceptedStream {
                    stream: listener.stream(listener.socket().accept()?.0, &setup)?,
                    peer: "unix://".to_owned(),
                    local: None,
                })
            }
        }
    }
}

impl Listener {
    /// Listens at `tcp://host:port` (no port, or 0: any free one; a name is resolved here and now), `tcps://host:port` with a
    /// certificate, or `unix://path`.
    /// `welcome`: see [`Welcome`]. [`Config::accepting`] is meant for `config`.
    ///
    /// `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `EINVAL` and what else the kernel has to say.
    pub fn bind(
        reactor: &Arc<Reactor>,
        address: &str,
        config: Config,
        welcome: impl Fn(&Arc<EndPoint>) + Send + Sync + 'static,
    ) -> Result<Listener, Failure> {
        reentrancy::may_wait().map_err(Failure::System)?;
        let (door, address) = open(Endpoint::to_listen(address)?, &config)?;
        let fd = door.fd();
        let state = ListenerState { door: Some(Arc::new(door)), registration: None, pause: None };
        let accepting = Arc::new_cyclic(|me| Accepting {
            me: Weak::clone(me),
            reactor: Arc::clone(reactor),
            config: Arc::new(config),
            address,
            welcome: Box::new(welcome),
            state: Mutex::new(state),
        });
        // The lock keeps those who accept away until the registration is known.
        let mut state = accepting.state.lock();
        state.registration = Some(reactor.register(fd, Arc::clone(&accepting) as _, 0, false)?);
        drop(state);
        Ok(Listener { accepting })
    }

    /// Where it listens, with the port that the kernel chose.
    pub fn address(&self) -> String {
        self.accepting.address.to_string()
    }

    /// Where it can be dialled: its address, but for `0.0.0.0` and `[::]` one for each address that the machine has now.
    pub fn endpoints(&self) -> Vec<String> {
        // A system that does not tell them leaves none, which is what becomes known then.
        let own: Vec<_> = all_addresses().unwrap_or_default().iter().map(SocketAddr::ip).collect();
        self.accepting.address.to_be_dialled(&own).iter().map(Endpoint::to_string).collect()
    }

    /// Accepts no more. A unix socket's file is removed.
    pub fn close(&self) {
        let (door, registration, pause) = {
            let mut state = self.accepting.state.lock();
            (state.door.take(), state.registration.take(), state.pause.take())
        };
        if let Some(registration) = registration {
            self.accepting.reactor.deregister(registration);
        }
        if let Some(pause) = pause {
            self.accepting.reactor.disarm(pause);
        }
        // Closed only now that nobody watches it.
        drop(door);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Listener({})", self.accepting.address)
    }
}

fn open(address: Endpoint, config: &Config) -> Result<(Door, Endpoint), Failure> {
    match address {
        Endpoint::Host { scheme: Scheme::Tcps, .. } if !tls::IS_THERE => Err(AddressError::Scheme.into()),
        Endpoint::Host { scheme: Scheme::Tcps, .. } if config.tls_server.is_none() => {
            Err(Failure::Tls("a listener needs a certificate and its key".to_owned()))
        }
        Endpoint::Host { scheme: Scheme::Tcpsm, .. } | Endpoint::Relative(_) => Err(AddressError::Scheme.into()),
        Endpoint::Host { scheme, host, port } => {
            let socket = listen(&host, port)?;
            let port = socket_address(socket.local_addr()).map_or(port, |address| address.port());
            let identity = config.tls_server.clone().filter(|_| scheme == Scheme::Tcps);
            Ok((Door::Tcp(Listening(Owned::new(socket)?), identity), Endpoint::Host { scheme, host, port }))
        }
        Endpoint::Unix(path) => {
            let listener = IPC.listen(path.as_bytes(), &EndpointOptions::default()).map_err(Failure::Address)?;
            Ok((Door::Unix(listener), Endpoint::Unix(path)))
        }
    }
}

/// Listens on the first address of the host that can be listened on.
fn listen(host: &str, port: u16) -> Result<Socket, Failure> {
    if let Some(literal) = Literal::parse(host.as_bytes(), Families::Both) {
        return Ok(listen_at(literal.with_port(port))?);
    }
    let mut failure = Failure::NoSuchHost;
    for ip in look_up(host).map_err(|_| Failure::NoSuchHost)? {
        match listen_at(SocketAddr::new(ip, port)) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

/// A socket for both families tells of IPv4 addresses as mapped into IPv6; nobody has dialled that.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

fn socket_address(address: io::Result<socket2::SockAddr>) -> Option<SocketAddr> {
    address.ok()?.as_socket()
}

impl Source for Accepting {
    fn ready(&self, _key: u64, _ready: Ready) {
        self.accept_all();
    }

    /// A pause is over.
    fn expired(&self, _key: u64) {
        self.state.lock().pause = None;
        self.accept_all();
    }

    fn flush(&self, _key: u64) -> bool {
        false
    }
}

impl Accepting {
    fn accept_all(&self) {
        let _inside = reentrancy::enter_reading(std::ptr::from_ref(self).addr());
        let door = {
            let state = self.state.lock();
            match (&state.door, state.pause) {
                (Some(door), None) => Arc::clone(door),
                _ => return,
            }
        };
        match accept_all(|| door.accept(&self.config).map(|accepted| self.greet(accepted))) {
            accepting::Accepted::All => {}
            accepting::Accepted::Some => {
                if let Some(registration) = self.state.lock().registration {
                    // What is left is reported again. Only memory could fail here.
                    let _ = self.reactor.watch_writable(registration, false);
                }
            }
            accepting::Accepted::Failed(_) => self.pause(),
        }
    }

    fn greet(&self, AcceptedStream { stream, peer, local }: AcceptedStream) {
        if !self.config.budget.account().has_room(QUANTUM) {
            // There is no room for one more: it is closed.
            return;
        }
        let endpoint = EndPoint::new(&self.reactor, stream, Arc::clone(&self.config), peer);
        if let Some(local) = local {
            endpoint.local.get_or_init(|| local);
        }
        if reentrancy::contained(|| (self.welcome)(&endpoint)).is_none() {
            return endpoint.finish(Reason::Closed);
        }
        if let Err(error) = endpoint.start() {
            endpoint.finish(Reason::Failed(Failure::System(error)));
        }
    }

    fn pause(&self) {
        let mut state = self.state.lock();
        if let Some(me) = self.me.upgrade().filter(|_| state.door.is_some()) {
            state.pause = Some(self.reactor.arm(Instant::now() + accepting::PAUSE, me, 0));
        }
    }
}
