//! Authorities, each for its time. To rustls a root is a name and a key, whatever its dates are; `openssl verify` looks at them.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, RootCertStore};
use x509_cert::der::Decode;

use crate::core::{Error, Result};

use super::distrust::Distrust;

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Those in a text (PEM). `EINVAL` if there is none, or one is broken.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(Error::INVALID)
}

/// The authorities that these certificates are, in this order. `EINVAL` if one cannot be one.
pub fn roots(known: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in known {
        roots.add(certificate.clone()).map_err(|_| Error::INVALID)?;
    }
    Ok(roots)
}

/// From when and until when a certificate is valid, in seconds since 1970. `None`: it cannot be read, though rustls can use it; then
/// nothing is held against it.
fn time_of(certificate: &CertificateDer<'_>) -> Option<(u64, u64)> {
    let validity = x509_cert::Certificate::from_der(certificate).ok()?.tbs_certificate.validity;
    Some((validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs()))
}

/// What makes a verifier `V` of authorities.
type Make<V> = fn(RootCertStore) -> Result<Arc<V>>;

/// Verifies chains: `V` is one of servers', or of clients'.
pub struct Authorities<V: ?Sized> {
    /// Of all of them, at any time.
    all: Arc<V>,
    roots: RootCertStore,
    times: Vec<Option<(u64, u64)>>,
    make: Make<V>,
}

impl<V: ?Sized> Authorities<V> {
    /// `EINVAL` if one cannot be one, or there is none.
    pub fn new(known: &[CertificateDer<'static>], make: Make<V>) -> Result<Authorities<V>> {
        let roots = roots(known)?;
        let times = known.iter().map(time_of).collect();
        Ok(Authorities { all: make(roots.clone())?, roots, times, make })
    }

    /// Looks at no authority's dates.
    pub fn at_any_time(&self) -> &V {
        &self.all
    }

    /// What `verify` says of a chain to those who are authorities now.
    pub fn verify<T>(
        &self,
        now: UnixTime,
        verify: impl Fn(&V) -> std::result::Result<T, rustls::Error>,
    ) -> std::result::Result<T, rustls::Error> {
        let verified = verify(&self.all).map_err(|why| match why {
            rustls::Error::InvalidCertificate(CertificateError::BadSignature) => Distrust::AnotherKey.into(),
            why => why,
        })?;
        let now = now.as_secs();
        let is_valid = |time: &Option<(u64, u64)>| time.is_none_or(|(from, until)| (from..=until).contains(&now));
        if self.times.iter().all(is_valid) {
            return Ok(verified);
        }
        let mut valid = RootCertStore::empty();
        valid.roots.extend(
            self.roots.roots.iter().zip(&self.times).filter(|(_, time)| is_valid(time)).map(|(root, _)| root.clone()),
        );
        // Without any root there is no verifier.
        let verified = (self.make)(valid).ok().and_then(|chains| verify(&chains).ok());
        verified.ok_or_else(|| Distrust::OutOfTime.into())
    }
}

impl<V: ?Sized> fmt::Debug for Authorities<V> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Authorities({})", self.times.len())
    }
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
            self.chains.at_any_time().verify_tls12_signature(message, certificate, signature)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
            self.chains.at_any_time().verify_tls13_signature(message, certificate, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.chains.at_any_time().supported_verify_schemes()
        }
    };
}
pub(super) use signatures_of_chains;
