//! Who we are and whom we trust.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme, SupportedProtocolVersion,
};

use crate::core::{Error, Result};

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
        let provider = provider();
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|_| Error::NOT_SUPPORTED)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous(schemes)))
            .with_no_client_auth();
        Ok(TlsClient { config: Arc::new(config), name: None })
    }

    /// Believes the certificates that these authorities (PEM, any number) have signed, for the name or address that is
    /// dialled. `EINVAL` if there is none, or one is broken.
    pub fn verified(authorities: &[u8]) -> Result<TlsClient> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authorities)? {
            roots.add(certificate).map_err(|_| Error::INVALID)?;
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|_| Error::NOT_SUPPORTED)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsClient { config: Arc::new(config), name: None })
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
        Ok(TlsServer(Arc::new(config)))
    }

    pub(super) fn connection(&self) -> Result<rustls::Connection> {
        let connection = ServerConnection::new(Arc::clone(&self.0)).map_err(|_| Error::INVALID)?;
        Ok(connection.into())
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(text.to_owned()).map_err(|_| Error::INVALID)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(Error::INVALID)
}

/// Believes everything.
#[derive(Debug)]
struct Credulous(Vec<SignatureScheme>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
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
