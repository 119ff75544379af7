//! A library that was built without TLS: there are no identities, so nothing can be dialled or accepted with one, and who asks for one
//! is told that TLS is not supported.

use crate::core::{Error, Result};
use crate::transport::stream::Wire;

/// What a client would believe of servers. There is none.
#[derive(Clone, Copy, Debug)]
pub enum TlsClient {}

/// A server's certificate and key. There is none.
#[derive(Clone, Copy, Debug)]
pub enum TlsServer {}

/// The stream that it would be.
#[derive(Debug)]
pub struct TlsStream;

impl TlsClient {
    /// `ENOTSUP`.
    pub fn unverified() -> Result<TlsClient> {
        Err(Error::NOT_SUPPORTED)
    }

    /// `ENOTSUP`.
    pub fn verified(_authorities: &[u8]) -> Result<TlsClient> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Of what there is not.
    pub fn expecting(self, _name: &str) -> Result<TlsClient> {
        match self {}
    }
}

impl TlsServer {
    /// `ENOTSUP`.
    pub fn from_pem(_chain: &[u8], _key: &[u8]) -> Result<TlsServer> {
        Err(Error::NOT_SUPPORTED)
    }
}

impl TlsStream {
    /// With what there is not.
    pub fn client(_wire: Wire, identity: &TlsClient, _host: &str) -> Result<Wire> {
        match *identity {}
    }

    /// With what there is not.
    pub fn server(_wire: Wire, identity: &TlsServer) -> Result<Wire> {
        match *identity {}
    }
}
