//! TLS 1.2 and 1.3 as a stream over a stream. libqi speaks 1.2 only (qi-messaging.md 1); whatever speaks over a [`Wire`]
//! can speak over a [`TlsStream`].

pub mod options;

#[cfg(feature = "tls")]
mod authorities;
#[cfg(feature = "tls")]
mod clients;
#[cfg(feature = "tls")]
mod distrust;
#[cfg(feature = "tls")]
mod identity;
#[cfg(feature = "tls")]
mod servers;
#[cfg(feature = "tls")]
mod settings;
#[cfg(feature = "tls")]
mod stream;
#[cfg(feature = "tls")]
pub mod transport;
#[cfg(feature = "tls")]
mod tunnel;

#[cfg(not(feature = "tls"))]
mod without;

#[cfg(all(test, feature = "tls"))]
pub mod tests;

#[cfg(feature = "tls")]
pub use identity::{TlsClient, TlsServer};
#[cfg(feature = "tls")]
pub use stream::TlsStream;
#[cfg(feature = "tls")]
pub use tunnel::Tunnel;
#[cfg(not(feature = "tls"))]
pub use without::{TlsClient, TlsServer, TlsStream};

/// Whether this library was built with TLS.
pub const IS_THERE: bool = cfg!(feature = "tls");

#[cfg(doc)]
use super::stream::Wire;
