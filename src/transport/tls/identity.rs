//! Who we are and whom we trust.

use std::fmt::{self, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, SupportedProtocolVersion,
};
use x509_cert::der::Decode;

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
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|_| Error::NOT_SUPPORTED)?
            .dangerous()
            .with_custom_certificate_verifier(TlsClient::credulous())
            .with_no_client_auth();
        Ok(TlsClient::new(config))
    }

    /// Believes the certificates that these authorities (PEM, any number) have signed, and these themselves, for the name or
    /// address that is dialled: so one that has signed itself is believed as what it is, for any name if it has none.
    /// `EINVAL` if there is none, or one is broken.
    pub fn verified(authorities: &[u8]) -> Result<TlsClient> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|_| Error::NOT_SUPPORTED)?
            .dangerous()
            .with_custom_certificate_verifier(TlsClient::knowing(certificates(authorities)?)?)
            .with_no_client_auth();
        Ok(TlsClient::new(config))
    }

    pub(super) fn new(config: ClientConfig) -> TlsClient {
        TlsClient { config: Arc::new(config), name: None }
    }

    /// Believes everything.
    pub(super) fn credulous() -> Arc<dyn ServerCertVerifier> {
        Arc::new(Credulous(provider().signature_verification_algorithms.supported_schemes()))
    }

    /// Believes what these authorities have signed, and themselves.
    pub(super) fn knowing(known: Vec<CertificateDer<'static>>) -> Result<Arc<dyn ServerCertVerifier>> {
        Ok(Arc::new(Knowing { chains: TlsClient::chains(roots(&known)?)?, known }))
    }

    /// Believes what these authorities have signed.
    pub(super) fn chains(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>> {
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        chains.build().map_err(|_| Error::INVALID)
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

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(Error::INVALID)
}

/// The authorities that these certificates are. `EINVAL` if one cannot be one.
pub(super) fn roots(known: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in known {
        roots.add(certificate.clone()).map_err(|_| Error::INVALID)?;
    }
    Ok(roots)
}

/// Whom a certificate names, as RFC 4514 writes it. `None`: it names nobody, or cannot be read.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let mut subject = String::new();
    // (`to_string` panics for a value that cannot be written.)
    write!(subject, "{}", certificate.tbs_certificate.subject).ok()?;
    Some(subject).filter(|subject| !subject.is_empty())
}

/// What is left of a verifier that only looks at certificates: signatures are the business of its `chains`.
macro_rules! signatures_of_chains {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
            self.chains.verify_tls12_signature(message, certificate, signature)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
            self.chains.verify_tls13_signature(message, certificate, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.chains.supported_verify_schemes()
        }
    };
}
pub(super) use signatures_of_chains;

/// Believes what an authority has signed, and the certificates that it was given themselves.
#[derive(Debug)]
struct Knowing {
    chains: Arc<WebPkiServerVerifier>,
    known: Vec<CertificateDer<'static>>,
}

impl Knowing {
    /// A server that shows the very certificate that is believed needs nobody to vouch for it. `why` is what it failed with as the
    /// end of a chain. That of an authority (`openssl req -x509` makes no others) is refused there as what is no server's, but only
    /// when its time is right; and what has no names cannot be for another one.
    fn as_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        why: rustls::Error,
    ) -> std::result::Result<(), rustls::Error> {
        let for_name = match self.known.contains(certificate) && is_of_authority(&why) {
            true => ParsedCertificate::try_from(certificate).and_then(|parsed| verify_server_name(&parsed, name)),
            false => Err(why),
        };
        match for_name {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
                if presented.is_empty() && self.known.contains(certificate) =>
            {
                Ok(())
            }
            other => other,
        }
    }
}

/// The certificate is an authority's, where one of a server is wanted.
pub(super) fn is_of_authority(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for Knowing {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let as_end_of_chain = self.chains.verify_server_cert(certificate, intermediates, name, ocsp, now);
        as_end_of_chain.or_else(|why| self.as_itself(certificate, name, why).map(|()| ServerCertVerified::assertion()))
    }

    signatures_of_chains!();
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
