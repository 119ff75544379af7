//! TLS, for `tls+tcp://` and `wss://` endpoints.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::core::Result;
use crate::transport::tls::options;

use super::socket::Socket;

/// Whether a listener wants certificates of its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientAuth {
    /// It does not ask.
    None,
    /// It asks; one that is shown must be good.
    Optional,
    /// Who shows none is refused.
    Required,
}

/// What these methods set holds for endpoints and connections made from now on (docs/transports/tls.md). PEM is text as in `-----BEGIN`…; bad PEM
/// and a key that does not fit its certificate are `EINVAL`, here or when the endpoint is bound or connected.
impl Socket {
    /// Who this socket says it is: a chain of certificates, its own first, and their key. A listener needs both.
    pub fn set_tls_identity(&self, chain_pem: &str, key_pem: &str) -> Result<()> {
        self.set_tls(options::CERT, chain_pem.as_bytes())?;
        self.set_tls(options::KEY, key_pem.as_bytes())
    }

    /// As [`Socket::set_tls_identity`], from two files, which are read when an endpoint is bound or connected. `ENOENT`, `EACCES`.
    pub fn set_tls_identity_files(&self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<()> {
        self.set_tls(options::CERT_FILE, chain.as_ref().as_os_str().as_bytes())?;
        self.set_tls(options::KEY_FILE, key.as_ref().as_os_str().as_bytes())
    }

    /// As [`Socket::set_tls_authorities`], from a file.
    pub fn set_tls_authorities_file(&self, file: impl AsRef<Path>) -> Result<()> {
        self.set_tls(options::CA_FILE, file.as_ref().as_os_str().as_bytes())
    }

    /// Whom it believes: certificates of authorities, or of the peer itself. The system's authorities unless set.
    pub fn set_tls_authorities(&self, pem: &str) -> Result<()> {
        self.set_tls(options::CA, pem.as_bytes())
    }

    /// The name that the server's certificate must have. That of the address unless set.
    pub fn set_tls_server_name(&self, name: &str) -> Result<()> {
        self.set_tls(options::SERVER_NAME, name.as_bytes())
    }

    /// Whether listeners want certificates of their clients. [`ClientAuth::None`] unless set.
    pub fn set_tls_client_auth(&self, auth: ClientAuth) -> Result<()> {
        let auth = match auth {
            ClientAuth::None => options::AUTH_NONE,
            ClientAuth::Optional => options::AUTH_OPTIONAL,
            ClientAuth::Required => options::AUTH_REQUIRED,
        };
        self.set_tls(options::AUTH, &auth.to_ne_bytes())
    }

    /// Believes every server, whoever it is: for experiments alone. Whoever is between the two can read and change everything.
    pub fn set_tls_insecure_no_verification(&self, on: bool) -> Result<()> {
        self.set_tls(options::INSECURE, &i32::from(on).to_ne_bytes())
    }

    fn set_tls(&self, option: i32, value: &[u8]) -> Result<()> {
        self.set_option(options::LEVEL, option, value)
    }
}
