//! Name resolution. The system's resolver blocks, so each query has a thread of its own, which tells the
//! source when it is done. Closing a socket does not wait for it: its answer then finds nobody.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use crate::core::{Error, Result};
use crate::sys::signals::spawn_without_signals;
use crate::sys::stack::with_enough;

use super::source::Source;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    pub families: Families,
}

/// Which addresses are acceptable. Where both are, those of IPv6 come first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Families {
    V4,
    V6,
    Both,
}

impl Families {
    /// As NN_IPV4ONLY has it.
    pub fn of(ipv4only: bool) -> Families {
        if ipv4only { Families::V4 } else { Families::Both }
    }

    pub fn admit(self, ip: IpAddr) -> bool {
        match self {
            Families::V4 => ip.is_ipv4(),
            Families::V6 => ip.is_ipv6(),
            Families::Both => true,
        }
    }
}

impl Query {
    /// The acceptable addresses, at least one, in the order in which they are to be tried. Blocks.
    pub fn answer(&self) -> Result<Vec<IpAddr>> {
        let mut addresses = look_up(&self.name)?;
        addresses.retain(|ip| self.families.admit(*ip));
        addresses.sort_by_key(IpAddr::is_ipv4);
        if addresses.is_empty() { Err(Error::HOST_UNREACHABLE) } else { Ok(addresses) }
    }
}

/// Has the system asked in the background; the answer goes to [`Source::resolved`].
pub fn start(
    ask: impl FnOnce() -> Result<Vec<IpAddr>> + Send + 'static,
    source: Arc<dyn Source>,
    key: u64,
) -> Result<()> {
    spawn_without_signals("millrace-dns", move || source.resolved(key, ask()))?;
    Ok(())
}

/// Asks the system, without repetitions in the answer. Blocks for as long as that takes.
pub fn look_up(host: &str) -> Result<Vec<IpAddr>> {
    let found = with_enough(|| (host, 0).to_socket_addrs()).map_err(|_| Error::HOST_UNREACHABLE)?;
    let mut addresses = Vec::new();
    for ip in found.map(|address| address.ip()) {
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    if addresses.is_empty() { Err(Error::HOST_UNREACHABLE) } else { Ok(addresses) }
}
