//! `tls+tcp`: SP as over tcp, inside TLS. How a tcp connection becomes a tunnel, `wss` shares.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::Socket;

use crate::core::Result;
use crate::core::options::OptionValue;

use super::super::framing::{Framing, SP_TCP};
use super::super::resolve::{Families, Query};
use super::super::stream::{Listening, Stream, Wire};
use super::super::tcp::{self, Remote};
use super::super::{Dialer, EndpointOptions, Listener, Setup, Transport, TransportOptions};
use super::options::LEVEL;
use super::settings;
use super::{TlsClient, TlsServer, TlsStream, Tunnel};

/// For a handshake and the greeting that follows it.
pub const TIME: Duration = Duration::from_millis(5000);

#[derive(Debug)]
pub struct TlsTcp;

impl Transport for TlsTcp {
    fn scheme(&self) -> &'static str {
        "tls+tcp"
    }

    fn level(&self) -> i32 {
        LEVEL
    }

    fn framing(&self) -> &'static dyn Framing {
        &SP_TCP
    }

    fn greeting_time(&self) -> Duration {
        TIME
    }

    fn listen(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Listener>> {
        let listening = tcp::listen(address, Families::of(options.ipv4only), &options.options)?;
        Ok(Box::new(TlsListener { listening, server: Secure::server(&options.options)? }))
    }

    fn dialer(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Dialer>> {
        let remote = Remote::parse(address, Families::of(options.ipv4only))?;
        Ok(Box::new(TlsDialer { client: SecureClient::new(remote.host(), &options.options)?, remote }))
    }

    fn default_option(&self, option: i32) -> Result<OptionValue> {
        settings::default_option(option)
    }

    fn check_option(&self, option: i32, value: &[u8]) -> Result<OptionValue> {
        settings::check_option(option, value)
    }

    fn kept_as(&self, option: i32) -> i32 {
        settings::kept_as(option)
    }

    fn is_readable(&self, option: i32) -> bool {
        settings::is_readable(option)
    }
}

#[derive(Debug)]
struct TlsListener {
    listening: Listening,
    server: Secure<TlsServer>,
}

impl Listener for TlsListener {
    fn socket(&self) -> &Listening {
        &self.listening
    }

    fn stream(&self, socket: Socket, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        Ok(Arc::new(self.server.tunnel(tcp::wire(socket, setup)?, setup)?))
    }
}

#[derive(Debug)]
struct TlsDialer {
    remote: Remote,
    client: SecureClient,
}

impl Dialer for TlsDialer {
    fn query(&self) -> Option<Query> {
        self.remote.query()
    }

    fn target(&self, resolved: Option<IpAddr>) -> Option<SocketAddr> {
        self.remote.target(resolved)
    }

    fn dial(&self, resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        let wire = tcp::wire(self.remote.connect(resolved, setup)?, setup)?;
        Ok(Arc::new(self.client.tunnel(wire, setup)?))
    }
}

/// A configuration that follows the options of its socket: connections made after a change have it. What does not fit together,
/// as a new certificate whose key is still to come, changes nothing.
#[derive(Debug)]
pub struct Secure<T>(Mutex<(u64, T)>);

impl<T: Clone> Secure<T> {
    fn new(first: T, options: &TransportOptions) -> Secure<T> {
        Secure(Mutex::new((options.revision(), first)))
    }

    fn current(&self, options: &TransportOptions, make: impl FnOnce(&TransportOptions) -> Result<T>) -> T {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != options.revision() {
            known.0 = options.revision();
            if let Ok(new) = make(options) {
                known.1 = new;
            }
        }
        known.1.clone()
    }
}

impl Secure<TlsServer> {
    pub fn server(options: &TransportOptions) -> Result<Secure<TlsServer>> {
        Ok(Secure::new(TlsServer::configured(options)?, options))
    }

    pub fn tunnel(&self, wire: Wire, setup: &Setup<'_>) -> io::Result<Tunnel> {
        let server = self.current(setup.options, TlsServer::configured);
        TlsStream::server(wire, &server).map(Tunnel::new).map_err(os_error)
    }
}

/// What a connecting endpoint believes, and of whom.
#[derive(Debug)]
pub struct SecureClient {
    secure: Secure<TlsClient>,
    host: String,
}

impl SecureClient {
    /// `EINVAL` if a certificate cannot be for this host.
    pub fn new(host: String, options: &TransportOptions) -> Result<SecureClient> {
        let client = TlsClient::configured(options)?;
        // Said now, and not at every attempt.
        client.connection(&host)?;
        Ok(SecureClient { secure: Secure::new(client, options), host })
    }

    pub fn tunnel(&self, wire: Wire, setup: &Setup<'_>) -> io::Result<Tunnel> {
        let client = self.secure.current(setup.options, TlsClient::configured);
        TlsStream::client(wire, &client, &self.host).map(Tunnel::new).map_err(os_error)
    }
}

fn os_error(error: crate::core::Error) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}
