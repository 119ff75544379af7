//! Connecting: resolve on a thread of its own, then one address after another, within one deadline.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, TcpKeepalive};

use crate::core::{Error, Result as CoreResult};
use crate::reactor::parker::Parker;
use crate::reactor::{Manner, Reactor, Waited};
use crate::sys::signals::spawn_without_signals;
use crate::sys::sync::Mutex;
use crate::transport::ipc::Ipc;
use crate::transport::pipe::Ready;
use crate::transport::source::Source;
use crate::transport::stream::{Buffers, Stream, Wire, begin_connect, open};
use crate::transport::tcp::Literal;
use crate::transport::tls::{TlsClient, TlsStream};
use crate::transport::{Setup, SizeLimit, Transport, TransportOptions};

use super::address::Address;
use super::config::Config;
use super::failure::Failure;
use super::{EndPoint, STREAM, guard};


type Outcome<T> = Result<T, Failure>;

impl EndPoint {
    /// Connects to `address` (`tcp://host:port`, `tcps://host:port`, `unix://path`), within `timeout` (`None`: as long as the kernel tries). A
    /// name is resolved off the I/O thread, and its addresses are tried one after another, each with its share of the time;
    /// the failure is that of the last.
    /// `welcome` makes handlers before the first byte is read; what it sends is written first.
    ///
    /// Blocks, so it is `EDEADLK` on the reading thread. [`Failure`] tells what went wrong; `EINTR` when a signal handler ran.
    pub fn connect(
        reactor: &Arc<Reactor>,
        address: &str,
        config: Config,
        timeout: Option<Duration>,
        welcome: impl FnOnce(&Arc<EndPoint>),
    ) -> Outcome<Arc<EndPoint>> {
        guard::may_wait().map_err(Failure::System)?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (stream, peer) = match Address::parse(address)? {
            Address::Unix(path) => (dial_unix(reactor, &path, deadline)?, address.to_owned()),
            Address::Tcp { port: 0, .. } => return Err(Failure::Address(Error::INVALID)),
            Address::Tcp { host, port, tls } => dial_tcp(reactor, &host, port, tls, &config, deadline)?,
        };
        let has_unread = stream.has_unread();
        let endpoint = EndPoint::new(reactor, stream, config, peer);
        welcome(&endpoint);
        match endpoint.start() {
            Ok(()) => {
                // A handshake may have taken in more than its own bytes, and nothing will report those.
                if has_unread {
                    endpoint.ready(STREAM, Ready { readable: true, ..Ready::default() });
                }
                Ok(endpoint)
            }
            Err(error) => {
                endpoint.finish(super::Reason::Failed(Failure::System(error)));
                Err(Failure::System(error))
            }
        }
    }
}

fn dial_unix(reactor: &Arc<Reactor>, path: &str, deadline: Option<Instant>) -> Outcome<Arc<dyn Stream>> {
    let dialer = Ipc.dialer(path.as_bytes(), true).map_err(Failure::Address)?;
    let setup = Setup { buffers: Buffers::default(), options: &TransportOptions::default(), limit: &SizeLimit::default() };
    let stream = dialer.dial(None, &setup)?;
    establish(reactor, &stream, deadline)?;
    Ok(stream)
}

fn dial_tcp(
    reactor: &Arc<Reactor>,
    host: &str,
    port: u16,
    tls: bool,
    config: &Config,
    deadline: Option<Instant>,
) -> Outcome<(Arc<dyn Stream>, String)> {
    let tls = if tls { Some(believed(config)?) } else { None };
    let scheme = if tls.is_some() { "tcps" } else { "tcp" };
    let addresses = resolve(reactor, host, port, deadline)?;
    let mut failure = Failure::NoSuchHost;
    for (at, address) in addresses.iter().enumerate() {
        let wrap = |wire| match &tls {
            Some(tls) => Ok(Arc::new(TlsStream::client(wire, tls, host).map_err(Failure::Address)?) as Arc<dyn Stream>),
            None => Ok(Arc::new(wire) as Arc<dyn Stream>),
        };
        match dial_one(reactor, *address, config, share(deadline, addresses.len() - at), wrap) {
            Ok(stream) => return Ok((stream, format!("{scheme}://{address}"))),
            Err(error @ Failure::System(Error::INTERRUPTED)) => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn dial_one(
    reactor: &Arc<Reactor>,
    address: SocketAddr,
    config: &Config,
    deadline: Option<Instant>,
    wrap: impl Fn(Wire) -> Outcome<Arc<dyn Stream>>,
) -> Outcome<Arc<dyn Stream>> {
    let socket = open(Domain::for_address(address))?;
    configure(&socket, config)?;
    begin_connect(socket.connect(&address.into()))?;
    let stream = wrap(Wire::new(socket, Buffers::default())?)?;
    establish(reactor, &stream, deadline)?;
    Ok(stream)
}

fn believed(config: &Config) -> Outcome<TlsClient> {
    match &config.tls_client {
        Some(tls) => Ok(tls.clone()),
        None => TlsClient::unverified().map_err(Failure::System),
    }
}

/// TCP_NODELAY, keepalive and TCP_USER_TIMEOUT, as libqi sets them (qi-messaging.md 1).
pub fn configure(socket: &socket2::Socket, config: &Config) -> std::io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let time = config.ping_timeout;
    if !time.is_zero() {
        let keepalive = TcpKeepalive::new().with_time(time).with_interval(Duration::from_secs(3)).with_retries(10);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_user_timeout(Some(time))?;
    }
    Ok(())
}

/// The first of `count` equal parts of the time that is left.
fn share(deadline: Option<Instant>, count: usize) -> Option<Instant> {
    let now = Instant::now();
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    deadline.map(|at| now + at.saturating_duration_since(now) / count)
}

/// What the thread that waits is told.
struct Attempt {
    reactor: Arc<Reactor>,
    caller: Arc<Parker>,
    news: AtomicBool,
}

impl Source for Attempt {
    fn ready(&self, _key: u64, ready: Ready) {
        if ready.writable || ready.closed || ready.readable {
            self.news.store(true, Ordering::Release);
            self.reactor.notify(&self.caller);
        }
    }

    fn expired(&self, _key: u64) {}

    fn flush(&self, _key: u64) -> bool {
        false
    }
}

/// Waits until a stream that is connecting is connected and ready for data.
fn establish(reactor: &Arc<Reactor>, stream: &Arc<dyn Stream>, deadline: Option<Instant>) -> Outcome<()> {
    let caller = Parker::mine();
    let attempt = Arc::new(Attempt { reactor: Arc::clone(reactor), caller, news: AtomicBool::new(false) });
    let registration = reactor.register(stream.fd(), Arc::clone(&attempt) as _, 0, true)?;
    let mut connected = false;
    let outcome = loop {
        if attempt.news.swap(false, Ordering::AcqRel) {
            let step = if connected { Ok(()) } else { stream.connected() };
            match step.and_then(|()| stream.prepare()) {
                Ok(()) => break Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => connected = true,
                Err(error) => break Err(error.into()),
            }
        }
        match reactor.wait(&attempt.caller, deadline, Manner::POLLING) {
            Waited::Noticed => {}
            Waited::TimedOut => break Err(Failure::TimedOut),
            Waited::Interrupted => break Err(Failure::System(Error::INTERRUPTED)),
        }
    };
    reactor.deregister(stream.fd(), registration);
    outcome
}

/// The addresses of a host: one for a literal, else what the system's resolver says, without repetitions.
fn resolve(reactor: &Arc<Reactor>, host: &str, port: u16, deadline: Option<Instant>) -> Outcome<Vec<SocketAddr>> {
    if let Some(literal) = Literal::parse(host.as_bytes(), false) {
        return Ok(vec![literal.with_port(port)]);
    }
    let found: Arc<Mutex<Option<CoreResult<Vec<IpAddr>>>>> = Arc::default();
    let caller = Parker::mine();
    let (their_found, their_caller, their_reactor) = (Arc::clone(&found), Arc::clone(&caller), Arc::clone(reactor));
    let host = host.to_owned();
    // The resolver cannot be interrupted; when the time is over its thread is left to itself.
    spawn_without_signals("millrace-dns", move || {
        let addresses = look_up(&host);
        *their_found.lock() = Some(addresses);
        their_reactor.notify(&their_caller);
    })?;
    loop {
        let outcome = found.lock().take();
        match outcome {
            Some(Ok(addresses)) => return Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()),
            Some(Err(_)) => return Err(Failure::NoSuchHost),
            None => {}
        }
        match reactor.wait(&caller, deadline, Manner::POLLING) {
            Waited::Noticed => {}
            Waited::TimedOut => return Err(Failure::TimedOut),
            Waited::Interrupted => return Err(Failure::System(Error::INTERRUPTED)),
        }
    }
}

/// Asks the system. Blocks for as long as that takes.
pub fn look_up(host: &str) -> CoreResult<Vec<IpAddr>> {
    let found = (host, 0).to_socket_addrs().map_err(|_| Error::HOST_UNREACHABLE)?;
    let mut addresses = Vec::new();
    for ip in found.map(|address| address.ip()) {
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    if addresses.is_empty() { Err(Error::HOST_UNREACHABLE) } else { Ok(addresses) }
}
