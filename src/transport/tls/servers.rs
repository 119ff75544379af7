//! Which servers a client believes.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::core::{Error, Result};

use super::authorities::{Authorities, provider, signatures_of_chains};
use super::distrust::is_about_who_signed;

/// Believes everything.
pub fn credulous() -> Arc<dyn ServerCertVerifier> {
    Arc::new(Credulous(provider().signature_verification_algorithms.supported_schemes()))
}

/// Believes what these have signed, and themselves.
pub fn knowing(known: Vec<CertificateDer<'static>>) -> Result<Arc<dyn ServerCertVerifier>> {
    Ok(Arc::new(KnownServers { chains: Authorities::new(&known, make)?, known }))
}

/// Believes what these have signed.
pub fn signed_by(authorities: &[CertificateDer<'static>]) -> Result<Arc<dyn ServerCertVerifier>> {
    Ok(Arc::new(KnownServers { chains: Authorities::new(authorities, make)?, known: Vec::new() }))
}

fn make(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().map_err(|_| Error::INVALID)
}

/// Believes what an authority has signed, and the certificates that it was given themselves.
#[derive(Debug)]
struct KnownServers {
    chains: Authorities<WebPkiServerVerifier>,
    known: Vec<CertificateDer<'static>>,
}

impl KnownServers {
    /// A server that shows the very certificate that is believed needs nobody to vouch for it, whoever has signed it. It is looked at
    /// as the end of a chain, since its own time counts; that of an authority (`openssl req -x509` makes no others) is refused there
    /// as what is no server's, but only when its time is right. What has no names cannot be for another one.
    fn as_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        as_end_of_chain: std::result::Result<ServerCertVerified, rustls::Error>,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let for_name = match as_end_of_chain {
            Err(why) if is_about_who_signed(&why) => {
                ParsedCertificate::try_from(certificate).and_then(|parsed| verify_server_name(&parsed, name))
            }
            other => other.map(drop),
        };
        match for_name {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
                if presented.is_empty() => {}
            other => other?,
        }
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for KnownServers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if self.known.contains(certificate) {
            let alone = self.chains.at_any_time().verify_server_cert(certificate, &[], name, ocsp, now);
            return self.as_itself(certificate, name, alone);
        }
        self.chains.verify(now, |chains| chains.verify_server_cert(certificate, intermediates, name, ocsp, now))
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
