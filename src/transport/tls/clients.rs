//! Which clients a server believes.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};

use crate::core::{Error, Result};

use super::authorities::{Authorities, provider, signatures_of_chains};
use super::distrust::is_about_who_signed;

/// Believes what these authorities have signed, and themselves. `must`: who shows no certificate is refused.
pub(super) fn believing(known: Vec<CertificateDer<'static>>, must: bool) -> Result<Arc<dyn ClientCertVerifier>> {
    Ok(Arc::new(KnownClients { chains: Authorities::new(&known, make)?, known, must }))
}

fn make(roots: RootCertStore) -> Result<Arc<dyn ClientCertVerifier>> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().map_err(|_| Error::INVALID)
}

/// As `KnownServers` is: a client that shows the very certificate that is believed needs nobody to vouch for it, though it be an
/// authority's, as `openssl req -x509` makes them.
#[derive(Debug)]
struct KnownClients {
    chains: Authorities<dyn ClientCertVerifier>,
    known: Vec<CertificateDer<'static>>,
    must: bool,
}

impl ClientCertVerifier for KnownClients {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.must
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.at_any_time().root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        if self.known.contains(certificate) {
            return match self.chains.at_any_time().verify_client_cert(certificate, &[], now) {
                Err(why) if is_about_who_signed(&why) => Ok(ClientCertVerified::assertion()),
                outcome => outcome,
            };
        }
        self.chains.verify(now, |chains| chains.verify_client_cert(certificate, intermediates, now))
    }

    signatures_of_chains!();
}
