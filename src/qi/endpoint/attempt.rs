//! One way to a peer, tried without waiting: looking up its name, connecting, the TLS handshake.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::{Error, Result as CoreResult};
use crate::qi::address::{AddressError, Endpoint, Scheme};
use crate::reactor::parker::Parker;
use crate::reactor::{Reactor, Registration};
use crate::sys::sync::Mutex;
use crate::transport::ipc::IPC;
use crate::transport::pipe::Ready;
use crate::transport::resolve::{self, Families, look_up};
use crate::transport::source::Source;
use crate::transport::stream::{Buffers, Stream, Wire, begin_connect};
use crate::transport::tcp::{Literal, outgoing};
use crate::transport::tls::{self, TlsClient, TlsStream};
use crate::transport::{EndpointOptions, Setup, SizeLimit, Transport, TransportOptions};

use super::config::{Config, configure};
use super::failure::Failure;

/// Where an attempt goes.
pub enum Way {
    /// A host whose addresses are not known yet.
    Name(Host),
    Address(SocketAddr, Host),
    /// A path in the file system.
    Unix(String),
}

/// As the endpoint says it.
#[derive(Clone)]
pub struct Host {
    name: String,
    port: u16,
    secure: bool,
}

impl Way {
    /// The first way to an endpoint.
    pub fn to(endpoint: &Endpoint, config: &Config) -> Result<Way, Failure> {
        match endpoint.clone() {
            Endpoint::Unix(path) => Ok(Way::Unix(path)),
            Endpoint::Host { port: 0, .. } => Err(AddressError::NoPort.into()),
            Endpoint::Relative(_) | Endpoint::Host { scheme: Scheme::Tcpsm, .. } => Err(AddressError::Scheme.into()),
            Endpoint::Host { scheme: Scheme::Tcp, .. } if config.tls_client.is_some() => Err(Failure::Plain),
            Endpoint::Host { scheme: Scheme::Tcps, .. } if !tls::IS_THERE => Err(AddressError::Scheme.into()),
            Endpoint::Host { scheme, host: name, port } => {
                let literal = Literal::parse(name.as_bytes(), Families::Both);
                let host = Host { name, port, secure: scheme == Scheme::Tcps };
                Ok(match literal {
                    Some(literal) => Way::Address(literal.with_port(port), host),
                    None => Way::Name(host),
                })
            }
        }
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Failure {
        Failure::Address(if error == AddressError::Scheme { Error::PROTO_NO_SUPPORT } else { Error::INVALID })
    }
}

/// What came of it so far.
pub enum Progress {
    Pending,
    /// A name: these are its addresses.
    Ways(Vec<Way>),
    /// The stream is ready for data; the text is whom it leads to.
    Connected(Arc<dyn Stream>, String),
    Failed(Failure),
}

/// Who is told that there is something to look at.
struct AttemptBell {
    reactor: Arc<Reactor>,
    caller: Arc<Parker>,
    rung: AtomicBool,
    /// What the resolver has said.
    answer: Mutex<Option<CoreResult<Vec<IpAddr>>>>,
}

impl AttemptBell {
    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.reactor.notify(&self.caller);
    }
}

impl Source for AttemptBell {
    fn ready(&self, _key: u64, ready: Ready) {
        if ready.writable || ready.closed || ready.readable {
            self.ring();
        }
    }

    fn expired(&self, _key: u64) {}

    fn flush(&self, _key: u64) -> bool {
        false
    }

    fn resolved(&self, _key: u64, outcome: CoreResult<Vec<IpAddr>>) {
        *self.answer.lock() = Some(outcome);
        self.ring();
    }
}

enum AttemptState {
    LookingUp(Host),
    Connecting { stream: Arc<dyn Stream>, registration: Registration, connected: bool, peer: String },
}

/// An attempt under way. Dropped, it is given up: what was opened is closed.
pub struct Attempt {
    state: AttemptState,
    bell: Arc<AttemptBell>,
}

impl Attempt {
    /// Begins; `caller` is notified when there is something to look at.
    pub fn begin(reactor: &Arc<Reactor>, caller: &Arc<Parker>, way: Way, config: &Config) -> Result<Attempt, Failure> {
        let bell = Arc::new(AttemptBell {
            reactor: Arc::clone(reactor),
            caller: Arc::clone(caller),
            rung: AtomicBool::new(false),
            answer: Mutex::default(),
        });
        let (stream, peer) = match way {
            Way::Name(host) => {
                // It cannot be interrupted: when nobody waits for it any more it is left to itself.
                let name = host.name.clone();
                resolve::start(move || look_up(&name), Arc::clone(&bell) as _, 0).map_err(Failure::System)?;
                return Ok(Attempt { state: AttemptState::LookingUp(host), bell });
            }
            Way::Unix(path) => (dial_unix(&path)?, format!("unix://{path}")),
            Way::Address(address, host) => {
                let scheme = if host.secure { Scheme::Tcps } else { Scheme::Tcp };
                (dial_tcp(address, &host, config)?, format!("{}://{address}", scheme.name()))
            }
        };
        let registration = reactor.register(stream.fd(), Arc::clone(&bell) as _, 0, true)?;
        Ok(Attempt { state: AttemptState::Connecting { stream, registration, connected: false, peer }, bell })
    }

    /// Looks how far it is.
    pub fn look(&mut self) -> Progress {
        if !self.bell.rung.swap(false, Ordering::AcqRel) {
            return Progress::Pending;
        }
        match &mut self.state {
            AttemptState::LookingUp(host) => match self.bell.answer.lock().take() {
                None => Progress::Pending,
                Some(Err(_)) => Progress::Failed(Failure::NoSuchHost),
                Some(Ok(addresses)) => {
                    let way = |ip| Way::Address(SocketAddr::new(ip, host.port), host.clone());
                    Progress::Ways(addresses.into_iter().map(way).collect())
                }
            },
            AttemptState::Connecting { stream, connected, peer, .. } => {
                let step = if *connected { Ok(()) } else { stream.connected() };
                match step.and_then(|()| stream.prepare()) {
                    Ok(()) => Progress::Connected(Arc::clone(stream), peer.clone()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        *connected = true;
                        Progress::Pending
                    }
                    Err(error) => Progress::Failed(error.into()),
                }
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let AttemptState::Connecting { registration, .. } = &self.state {
            self.bell.reactor.deregister(*registration);
        }
    }
}

fn dial_unix(path: &str) -> Result<Arc<dyn Stream>, Failure> {
    let dialer = IPC.dialer(path.as_bytes(), &EndpointOptions::default()).map_err(Failure::Address)?;
    let setup = Setup {
        buffers: Buffers::default(),
        options: &TransportOptions::default(),
        limit: &SizeLimit::default(),
        keepalive: None,
    };
    Ok(dialer.dial(None, &setup)?)
}

fn dial_tcp(address: SocketAddr, host: &Host, config: &Config) -> Result<Arc<dyn Stream>, Failure> {
    let identity = if host.secure { Some(believed(config)?) } else { None };
    let socket = outgoing(address)?;
    configure(&socket, config)?;
    begin_connect(socket.connect(&address.into()))?;
    let wire = Wire::new(socket, Buffers::default())?;
    Ok(match identity {
        Some(identity) => Arc::new(TlsStream::client(wire, &identity, &host.name).map_err(Failure::Address)?),
        None => Arc::new(wire),
    })
}

fn believed(config: &Config) -> Result<TlsClient, Failure> {
    config.tls_client.clone().map_or_else(|| TlsClient::unverified().map_err(Failure::System), Ok)
}
