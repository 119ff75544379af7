//! `wss`: ws inside TLS. Options of level NN_WS and NN_TLS apply.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::Socket;

use crate::core::Result;
use crate::core::options::OptionValue;

use super::super::framing::Framing;
use super::super::resolve::{Families, Query};
use super::super::stream::{Listening, Stream};
use super::super::tls::TlsServer;
use super::super::tls::transport::{Secure, SecureClient, TIME};
use super::super::{Dialer, EndpointOptions, Listener, Setup, Transport, tcp};
use super::framing::WsFraming;
use super::stream::WsStream;
use super::{LEVEL, Ws, WsDialer, kind, wire};

const PORT: u16 = 443;

#[derive(Debug)]
pub struct Wss;

impl Transport for Wss {
    fn scheme(&self) -> &'static str {
        "wss"
    }

    fn level(&self) -> i32 {
        LEVEL
    }

    fn framing(&self) -> &'static dyn Framing {
        &WsFraming
    }

    fn greeting_time(&self) -> Duration {
        TIME
    }

    fn listen(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Listener>> {
        let server = Secure::server(&options.options)?;
        Ok(Box::new(WssListener {
            listening: tcp::listen(address, Families::of(options.ipv4only), &options.options)?,
            server,
        }))
    }

    fn dialer(&self, address: &[u8], options: &EndpointOptions) -> Result<Box<dyn Dialer>> {
        let dialer = WsDialer::parse(address, Families::of(options.ipv4only), PORT)?;
        let client = SecureClient::new(dialer.remote.host(), &options.options)?;
        Ok(Box::new(WssDialer { dialer, client }))
    }

    fn default_option(&self, option: i32) -> Result<OptionValue> {
        Ws.default_option(option)
    }

    fn check_option(&self, option: i32, value: &[u8]) -> Result<OptionValue> {
        Ws.check_option(option, value)
    }
}

#[derive(Debug)]
struct WssListener {
    listening: Listening,
    server: Secure<TlsServer>,
}

impl Listener for WssListener {
    fn socket(&self) -> &Listening {
        &self.listening
    }

    fn stream(&self, socket: Socket, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        let tunnel = self.server.tunnel(wire(socket, setup)?, setup)?;
        Ok(Arc::new(WsStream::new(Arc::new(tunnel), None, kind(setup), setup.limit.clone())))
    }
}

#[derive(Debug)]
struct WssDialer {
    dialer: WsDialer,
    client: SecureClient,
}

impl Dialer for WssDialer {
    fn query(&self) -> Option<Query> {
        self.dialer.query()
    }

    fn target(&self, resolved: Option<IpAddr>) -> Option<SocketAddr> {
        self.dialer.target(resolved)
    }

    fn dial(&self, resolved: Option<IpAddr>, setup: &Setup<'_>) -> io::Result<Arc<dyn Stream>> {
        let wire = wire(self.dialer.remote.connect(resolved, setup)?, setup)?;
        let tunnel = self.client.tunnel(wire, setup)?;
        Ok(self.dialer.over(Arc::new(tunnel), setup))
    }
}
