//! Which clients a server believes.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

use crate::core::{Error, Result};

use super::identity::{is_of_authority, provider, roots, signatures_of_chains};

/// Believes what these authorities have signed, and themselves. `must`: who shows no certificate is refused.
pub(super) fn believing(known: Vec<CertificateDer<'static>>, must: bool) -> Result<Arc<dyn ClientCertVerifier>> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&known)?), provider());
    let builder = if must { builder } else { builder.allow_unauthenticated() };
    Ok(Arc::new(KnownClients { chains: builder.build().map_err(|_| Error::INVALID)?, known }))
}

/// As `Knowing` is for servers: a client that shows the very certificate that is believed needs nobody to vouch for it, though it be an
/// authority's, as `openssl req -x509` makes them.
#[derive(Debug)]
struct KnownClients {
    chains: Arc<dyn ClientCertVerifier>,
    known: Vec<CertificateDer<'static>>,
}

impl ClientCertVerifier for KnownClients {
    fn offer_client_auth(&self) -> bool {
        self.chains.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chains.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        match self.chains.verify_client_cert(certificate, intermediates, now) {
            Err(why) if is_of_authority(&why) && self.known.contains(certificate) => {
                Ok(ClientCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    signatures_of_chains!();
}
