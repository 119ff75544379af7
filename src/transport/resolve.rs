//! Name resolution. The system's resolver blocks, so each query has a thread of its own, which tells the
//! source when it is done. Closing a socket does not wait for it: its answer then finds nobody.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use crate::core::{Error, Result};
use crate::sys::signals::spawn_without_signals;

use super::source::Source;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    /// NN_IPV4ONLY: no IPv6 address is acceptable. Otherwise one is preferred.
    pub ipv4only: bool,
}

/// Looks a name up in the background; the answer goes to [`Source::resolved`].
pub fn start(query: Query, source: Arc<dyn Source>, key: u64) -> Result<()> {
    spawn_without_signals("millrace-dns", move || source.resolved(key, lookup(&query)))?;
    Ok(())
}

/// The first acceptable address.
fn lookup(query: &Query) -> Result<IpAddr> {
    let found: Vec<IpAddr> = match (query.name.as_str(), 0).to_socket_addrs() {
        Ok(addresses) => addresses.map(|address| address.ip()).collect(),
        Err(_) => return Err(Error::HOST_UNREACHABLE),
    };
    let first_v4 = found.iter().find(|ip| ip.is_ipv4());
    let first_v6 = found.iter().find(|ip| ip.is_ipv6());
    let chosen = if query.ipv4only { first_v4 } else { first_v6.or(first_v4) };
    chosen.copied().ok_or(Error::HOST_UNREACHABLE)
}
