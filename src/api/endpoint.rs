//! What a socket is bound and connected to.

use crate::core::Result;

use super::socket::Socket;

/// An address that a socket is bound or connected to. It is a number: dropping it changes nothing; [`Socket::shutdown`] ends it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint(i32);

impl Endpoint {
    /// The number that `nn_bind` or `nn_connect` would have returned; events name endpoints by it.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl Socket {
    /// Listens at an address: `tcp://127.0.0.1:5555`, `tcp://*:0`, `ipc:///tmp/feed`, `ws://*:8080`, `inproc://name`; a socket may have
    /// many. `EINVAL` for an address that makes no sense, `EPROTONOSUPPORT` for an unknown transport, `EADDRINUSE`, `EADDRNOTAVAIL`,
    /// `ENODEV`, `EACCES`, `EMFILE` (nanomsg-api.md 2.3).
    pub fn bind(&self, address: &str) -> Result<Endpoint> {
        self.engine()?.bind(address.as_bytes()).map(Endpoint)
    }

    /// Connects to an address, and again whenever the connection is lost. Does not wait for the peer, which may come later: see
    /// [`Socket::wait_peers`]. Errors as for [`Socket::bind`], but for what only shows when it connects.
    pub fn connect(&self, address: &str) -> Result<Endpoint> {
        self.engine()?.connect(address.as_bytes()).map(Endpoint)
    }

    /// Ends an endpoint and its connections; what was accepted for sending is still handed over. `EINVAL` if this socket has none
    /// such (nanomsg-api.md 2.4).
    pub fn shutdown(&self, endpoint: Endpoint) -> Result<()> {
        self.engine()?.shutdown(endpoint.0)
    }

    /// The address of an endpoint as it was given, but with the port that the system chose for port 0. `EINVAL` if there is no such
    /// endpoint.
    ///
    /// ```
    /// use nanomsg::{Protocol, Socket};
    ///
    /// let socket = Socket::new(Protocol::Rep)?;
    /// let endpoint = socket.bind("tcp://127.0.0.1:0")?;
    /// assert!(!socket.address(endpoint)?.ends_with(":0"));
    /// # Ok::<(), nanomsg::Error>(())
    /// ```
    pub fn address(&self, endpoint: Endpoint) -> Result<String> {
        let address = self.engine()?.endpoint_address(endpoint.0)?;
        Ok(String::from_utf8_lossy(&address).into_owned())
    }
}
