//! Who we are and whom we trust.

use std::fmt::{self, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};
use x509_cert::der::Decode;

use crate::core::{Error, Result};

use super::authorities::{certificates, provider};
use super::servers::{credulous, knowing};

/// What a client believes of servers. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    /// Whom it expects, if not who is dialled.
    name: Option<ServerName<'static>>,
}

/// A server's certificate and key. Cheap to clone.
#[derive(Clone)]
pub struct TlsServer(Arc<ServerConfig>);

impl TlsClient {
    /// Believes every certificate, as libqi does: nobody can read along, but anybody can be at the other end.
    pub fn unverified() -> Result<TlsClient> {
        TlsClient::unverified_with(rustls::ALL_VERSIONS)
    }

    pub(super) fn unverified_with(versions: &[&'static SupportedProtocolVersion]) -> Result<TlsClient> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|_| Error::NOT_SUPPORTED)?
            .dangerous()
            .with_custom_certificate_verifier(credulous())
            .with_no_client_auth();
        Ok(TlsClient::new(config))
    }

    /// Believes the certificates that these authorities (PEM, any number) have signed, while they are valid, and these themselves,
    /// whoever has signed them, for the name or address that is dialled. So one that has signed itself is believed as what it is,
    /// for any name if it has none. `EINVAL` if there is none, or one is broken.
    pub fn verified(authorities: &[u8]) -> Result<TlsClient> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|_| Error::NOT_SUPPORTED)?
            .dangerous()
            .with_custom_certificate_verifier(knowing(certificates(authorities)?)?)
            .with_no_client_auth();
        Ok(TlsClient::new(config))
    }

    pub(super) fn new(config: ClientConfig) -> TlsClient {
        TlsClient { config: Arc::new(config), name: None }
    }

    /// Expects this name or address in certificates, whatever is dialled. `EINVAL` if it is neither.
    pub fn expecting(self, name: &str) -> Result<TlsClient> {
        Ok(TlsClient { name: Some(server_name(name)?), ..self })
    }

    /// For a host by name or address. `EINVAL` for what is neither.
    pub(super) fn connection(&self, host: &str) -> Result<rustls::Connection> {
        let name = self.name.clone().map_or_else(|| server_name(host), Ok)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(|_| Error::INVALID)?;
        Ok(connection.into())
    }
}

impl TlsServer {
    /// From a certificate chain, the server's own first, and its private key, both PEM. `EINVAL` if they are broken or do not
    /// belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<TlsServer> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Error::INVALID)?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|_| Error::NOT_SUPPORTED)?
            .with_no_client_auth()
            .with_single_cert(certificates(chain)?, key)
            .map_err(|_| Error::INVALID)?;
        Ok(TlsServer::new(config))
    }

    pub(super) fn new(config: ServerConfig) -> TlsServer {
        TlsServer(Arc::new(config))
    }

    pub(super) fn connection(&self) -> Result<rustls::Connection> {
        let connection = ServerConnection::new(Arc::clone(&self.0)).map_err(|_| Error::INVALID)?;
        Ok(connection.into())
    }
}

pub(super) fn server_name(text: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(text.to_owned()).map_err(|_| Error::INVALID)
}

/// Whom a certificate names, as RFC 4514 writes it. `None`: it names nobody, or cannot be read.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let mut subject = String::new();
    // (`to_string` panics for a value that cannot be written.)
    write!(subject, "{}", certificate.tbs_certificate.subject).ok()?;
    Some(subject).filter(|subject| !subject.is_empty())
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TlsClient")
    }
}

impl fmt::Debug for TlsServer {
    /// Says nothing of the key.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TlsServer")
    }
}
