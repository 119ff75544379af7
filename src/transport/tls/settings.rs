//! A certificate, its key and whom to trust, as socket options (level NN_TLS) have them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, ParsedCertificate};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::core::options::{OptionValue, int};
use crate::core::{Error, Result};
use crate::transport::{TransportOptions, files};

use super::authorities::{certificates, provider, roots};
use super::identity::{TlsClient, TlsServer, server_name};
use super::options::{
    AUTH, AUTH_NONE, AUTH_OPTIONAL, AUTH_REQUIRED, CA, CA_FILE, CERT, CERT_FILE, INSECURE, KEY, KEY_FILE, LEVEL,
    MIN_VERSION, SERVER_NAME,
};
use super::{clients, servers};

const VERSION_12: i32 = 12;
const VERSION_13: i32 = 13;

/// What a file is read for, it is the same as if its bytes were given.
pub fn kept_as(option: i32) -> i32 {
    match option {
        CERT_FILE => CERT,
        KEY_FILE => KEY,
        CA_FILE => CA,
        option => option,
    }
}

pub fn default_option(option: i32) -> Result<OptionValue> {
    Ok(match option {
        CERT | CA | SERVER_NAME => OptionValue::Text(Vec::new()),
        AUTH => OptionValue::Int(AUTH_NONE),
        MIN_VERSION => OptionValue::Int(VERSION_12),
        INSECURE => OptionValue::Int(0),
        _ => return Err(Error::NO_PROTO_OPT),
    })
}

/// Nobody reads the key back; and of a file what is kept is its content.
pub fn is_readable(option: i32) -> bool {
    !matches!(option, KEY | KEY_FILE | CERT_FILE | CA_FILE)
}

pub fn check_option(option: i32, value: &[u8]) -> Result<OptionValue> {
    match option {
        CERT | CA => pem(option, without_end(value).to_vec()),
        KEY => pem(option, without_end(value).to_vec()),
        CERT_FILE | KEY_FILE | CA_FILE => pem(kept_as(option), files::read(Path::new(path(value)?))?),
        SERVER_NAME => {
            let name = without_end(value);
            let text = std::str::from_utf8(name).map_err(|_| Error::INVALID)?;
            if !text.is_empty() {
                server_name(text)?;
            }
            Ok(OptionValue::Text(name.to_vec()))
        }
        AUTH => among(value, &[AUTH_NONE, AUTH_OPTIONAL, AUTH_REQUIRED]),
        MIN_VERSION => among(value, &[VERSION_12, VERSION_13]),
        INSECURE => among(value, &[0, 1]),
        _ => Err(Error::NO_PROTO_OPT),
    }
}

fn among(value: &[u8], allowed: &[i32]) -> Result<OptionValue> {
    let value = int(value)?;
    if allowed.contains(&value) { Ok(OptionValue::Int(value)) } else { Err(Error::INVALID) }
}

fn path(value: &[u8]) -> Result<&std::ffi::OsStr> {
    match without_end(value) {
        b"" => Err(Error::INVALID),
        path if path.contains(&0) => Err(Error::INVALID),
        path => Ok(std::ffi::OsStr::from_bytes(path)),
    }
}

/// C's strings may come with their zero.
fn without_end(value: &[u8]) -> &[u8] {
    value.strip_suffix(b"\0").unwrap_or(value)
}

/// Nothing is not PEM either: who gives an empty file for his authorities does not want to believe those of the system. What it
/// wraps is looked at now too: an endpoint that is there already would pass over what cannot be used.
fn pem(option: i32, bytes: Vec<u8>) -> Result<OptionValue> {
    match option {
        KEY => {
            let key = private_key(&bytes)?;
            provider().key_provider.load_private_key(key).map_err(|_| Error::INVALID)?;
        }
        CA => drop(roots(&certificates(&bytes)?)?),
        _ => {
            for certificate in &certificates(&bytes)? {
                ParsedCertificate::try_from(certificate).map_err(|_| Error::INVALID)?;
            }
        }
    }
    Ok(OptionValue::Text(bytes))
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| Error::INVALID)
}

/// A chain and its key.
type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl TlsServer {
    /// As the options say. `EINVAL`: there is no certificate or no key, they do not belong together, or clients are to be
    /// asked for certificates and no authority is given.
    pub fn configured(options: &TransportOptions) -> Result<TlsServer> {
        let (chain, key) = own(options)?.ok_or(Error::INVALID)?;
        let auth = options.int(LEVEL, AUTH);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions(options))
            .map_err(|_| Error::NOT_SUPPORTED)?
            .with_client_cert_verifier(believed_clients(options, auth)?)
            .with_single_cert(chain, key)
            .map_err(|_| Error::INVALID)?;
        if auth != AUTH_NONE {
            // A session that is resumed is not verified again: who was withdrawn meanwhile would stay welcome.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(TlsServer::new(config))
    }
}

impl TlsClient {
    /// As the options say; believes the system's authorities if none are given. `EINVAL`: a certificate without its key, or the
    /// reverse; or the system has no authorities.
    pub fn configured(options: &TransportOptions) -> Result<TlsClient> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions(options))
            .map_err(|_| Error::NOT_SUPPORTED)?
            .dangerous();
        let verifier = match (options.int(LEVEL, INSECURE), given(options, CA)) {
            (1, _) => servers::credulous(),
            (_, Some(authorities)) => servers::knowing(certificates(&authorities)?)?,
            (_, None) => servers::signed_by(&of_the_system()?)?,
        };
        let builder = builder.with_custom_certificate_verifier(verifier);
        let config = match own(options)? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|_| Error::INVALID)?,
            None => builder.with_no_client_auth(),
        };
        let client = TlsClient::new(config);
        match given(options, SERVER_NAME) {
            Some(name) => client.expecting(&String::from_utf8_lossy(&name)),
            None => Ok(client),
        }
    }
}

fn given(options: &TransportOptions, option: i32) -> Option<Vec<u8>> {
    options.text(LEVEL, option).filter(|text| !text.is_empty())
}

fn own(options: &TransportOptions) -> Result<Option<Own>> {
    match (given(options, CERT), given(options, KEY)) {
        (None, None) => Ok(None),
        (Some(chain), Some(key)) => Ok(Some((certificates(&chain)?, private_key(&key)?))),
        _ => Err(Error::INVALID),
    }
}

static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

fn versions(options: &TransportOptions) -> &'static [&'static SupportedProtocolVersion] {
    match options.int(LEVEL, MIN_VERSION) {
        VERSION_13 => &NEWEST,
        _ => &BOTH,
    }
}

fn believed_clients(options: &TransportOptions, auth: i32) -> Result<Arc<dyn ClientCertVerifier>> {
    if auth == AUTH_NONE {
        return Ok(Arc::new(NoClientAuth));
    }
    let known = certificates(&given(options, CA).ok_or(Error::INVALID)?)?;
    clients::believing(known, auth == AUTH_REQUIRED)
}

/// What cannot be read of them is left out, as other programs do.
fn of_the_system() -> Result<Vec<CertificateDer<'static>>> {
    let mut all = rustls_native_certs::load_native_certs().certs;
    all.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    if all.is_empty() { Err(Error::INVALID) } else { Ok(all) }
}
