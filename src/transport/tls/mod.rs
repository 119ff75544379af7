//! TLS 1.2 and 1.3 as a stream over a stream. libqi speaks 1.2 only (qi-messaging.md 1); whatever speaks over a [`Wire`]
//! can speak over a [`TlsStream`].

mod identity;
pub mod settings;
mod stream;
pub mod transport;
mod tunnel;

#[cfg(test)]
pub mod tests;

pub use identity::{TlsClient, TlsServer};
pub use stream::TlsStream;
pub use tunnel::Tunnel;

#[cfg(doc)]
use super::stream::Wire;
