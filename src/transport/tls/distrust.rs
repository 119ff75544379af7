//! Why a peer is not believed, where rustls has no word for it, and in words for people.

use std::fmt;
use std::sync::Arc;

use rustls::{CertificateError, OtherError};

/// What is wrong with the chain that leads to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Somebody is believed who has the name of who has signed it, and another key.
    AnotherKey,
    /// Whoever has signed it is believed, but not at this time.
    OutOfTime,
}

impl fmt::Display for Distrust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Distrust::AnotherKey => {
                "the peer's certificate was signed with another key than that of the certificate of this name that is believed here: \
                 if the peer has been given a new certificate, this side needs the new one, too, or that of the new authority"
            }
            Distrust::OutOfTime => {
                "the authority that has signed the peer's certificate has expired, or is not valid yet: it must be replaced on both sides"
            }
        })
    }
}

impl std::error::Error for Distrust {}

impl From<Distrust> for rustls::Error {
    fn from(distrust: Distrust) -> rustls::Error {
        CertificateError::Other(OtherError(Arc::new(distrust))).into()
    }
}

fn other<T: std::error::Error + 'static>(error: &rustls::Error) -> Option<&T> {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))) = error else { return None };
    other.downcast_ref()
}

/// The certificate is an authority's, where one of a peer is wanted.
fn is_of_authority(error: &rustls::Error) -> bool {
    matches!(other(error), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Nothing is wrong with the certificate itself, for all that was looked at until then: its time was.
pub fn is_about_who_signed(error: &rustls::Error) -> bool {
    use CertificateError::{BadSignature, UnknownIssuer};
    matches!(error, rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature)) || is_of_authority(error)
}

/// What is wrong with the peer's certificate, for people.
pub fn explained(error: &rustls::Error) -> String {
    if let Some(distrust) = other::<Distrust>(error) {
        return distrust.to_string();
    }
    let why = match error {
        _ if is_of_authority(error) => {
            "nobody who is believed has signed the peer's certificate, which is an authority's own and none of those that are \
             believed: if the peer has been given a new one, this side needs the new one, too"
        }
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => "nobody who is believed has signed the peer's certificate",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the peer's certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the peer's certificate is not valid yet: perhaps the clock here is wrong"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the peer's certificate is for another name or address"
            }
            CertificateError::BadSignature => "the peer does not have the key of the certificate that it shows",
            _ => return error.to_string(),
        },
        _ => return error.to_string(),
    };
    format!("{why} ({error})")
}
