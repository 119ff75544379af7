//! Who is at the other end of a connection.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::Arc;

use rustix::net::sockopt::socket_peercred;

use crate::core::peer::{Peer, Process};
use crate::core::{Error, PipeId, Result};
use crate::sys::descriptor::borrow;
use crate::transport::system;

use super::pipes::{Entry, Pipe, PipeTable};

/// A number is below 2^53, which is what JavaScript and many readers of JSON take without rounding: generations have 30 bits, so 23 are
/// left for the place in the table. Eight million connections of one socket would take some gigabytes.
const SLOTS: u64 = 1 << 23;

fn number(id: PipeId, generation: u32) -> u64 {
    u64::from(generation) * SLOTS + u64::from(id.0) % SLOTS
}

impl PipeTable {
    /// The attached pipe with this [number](Entry::number). `EHOSTUNREACH`: there is none, or it is no more.
    pub fn attached(&mut self, number: u64) -> Result<PipeId> {
        let (id, generation) = (PipeId((number % SLOTS) as u32), (number / SLOTS) as u32);
        let entry = self.find(id, generation).filter(|entry| entry.lifecycle.is_attached());
        entry.map(|_| id).ok_or(Error::HOST_UNREACHABLE)
    }
}

impl Entry {
    /// Tells a connection from all others of its socket for a long time.
    pub fn number(&self, id: PipeId) -> u64 {
        number(id, self.generation)
    }

    /// The other end, as it was when this was first asked: of a connection that is over the system knows none.
    pub fn peer(&mut self, id: PipeId) -> Arc<Peer> {
        if let Some(peer) = &self.peer {
            return Arc::clone(peer);
        }
        let (fd, remote) = (self.fd(), self.remote());
        let peer = Arc::new(Peer {
            pipe: self.number(id),
            address: fd.map(|fd| address_of(fd, remote)).unwrap_or_default(),
            process: fd.filter(|_| remote.is_none()).and_then(process_of),
            subject: self.subject(),
        });
        self.peer = Some(Arc::clone(&peer));
        peer
    }

    /// Certificates are shown after the system has connected.
    pub fn greeted(&mut self) {
        if let Some(known) = self.peer.take() {
            self.peer = Some(Arc::new(Peer { subject: self.subject(), ..(*known).clone() }));
        }
    }

    /// The address of the other end, if it was accepted from or connected to one.
    pub fn remote(&self) -> Option<SocketAddr> {
        match &self.pipe {
            Pipe::Stream { remote, .. } => *remote,
            Pipe::Inproc(_) => None,
        }
    }

    fn subject(&self) -> Option<String> {
        match &self.pipe {
            Pipe::Stream { pipe, .. } => pipe.stream().subject(),
            Pipe::Inproc(_) => None,
        }
    }
}

/// The other end of a connection in words: an IP address and port, or the process at the other end of a unix socket. `remote`: the
/// address that is known of it, which the system tells no more of a connection that was reset.
pub fn address_of(fd: RawFd, remote: Option<SocketAddr>) -> String {
    if let Some(address) = system::peer(fd).or(remote) {
        return named(address);
    }
    process_of(fd).map_or_else(String::new, |Process { pid, uid, gid }| format!("pid {pid}, uid {uid}, gid {gid}"))
}

/// As it is written. Who comes by IPv4 to a listener of both families has an address of IPv4.
fn named(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()).to_string(),
        // With its scope.
        IpAddr::V6(_) => address.to_string(),
    }
}

/// The process at the other end of a unix socket.
fn process_of(fd: RawFd) -> Option<Process> {
    if system::peer(fd).is_some() {
        return None;
    }
    let who = socket_peercred(borrow(fd)).ok()?;
    Some(Process { pid: who.pid.as_raw_nonzero().get(), uid: who.uid.as_raw(), gid: who.gid.as_raw() })
}

#[cfg(test)]
mod tests {
    use crate::facade::key::GENERATIONS;

    use super::*;

    #[test]
    fn numbers_survive_a_double() {
        let largest = number(PipeId(SLOTS as u32 - 1), GENERATIONS - 1);
        assert!(largest < 1 << 53 && largest as f64 as u64 == largest);
        assert_ne!(number(PipeId(1), 0), number(PipeId(0), 1));
    }

    #[test]
    fn an_address_is_written_as_what_it_is() {
        for (address, text) in [
            ("[::ffff:127.0.0.1]:5", "127.0.0.1:5"),
            ("127.0.0.1:5", "127.0.0.1:5"),
            ("[::1]:5", "[::1]:5"),
            ("[fe80::1%3]:5", "[fe80::1%3]:5"),
        ] {
            assert_eq!(named(address.parse().unwrap()), text);
        }
    }
}
