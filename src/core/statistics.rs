//! Honest counters, one set per socket (nanomsg-api.md 4).

use crate::core::{Error, Result};

/// The counters of a socket since it was opened. Message and byte counters move in `SocketCore`; connection
/// counters where connections live.
#[derive(Debug, Default, Clone)]
pub struct Statistics {
    /// Connections that this side made, and whose peer greeted.
    pub established_connections: u64,
    /// Connections that bound endpoints accepted.
    pub accepted_connections: u64,
    /// Connections that this side ended: refused peers, endpoints shut down.
    pub dropped_connections: u64,
    /// Connections that the peer or the network ended.
    pub broken_connections: u64,
    /// Attempts to connect that failed.
    pub connect_errors: u64,
    /// Endpoints that could not be bound.
    pub bind_errors: u64,
    /// Connections that could not be accepted.
    pub accept_errors: u64,
    /// Peers that are there.
    pub current_connections: u64,
    /// Connections that are being made.
    pub inprogress_connections: u64,
    /// Endpoints whose last attempt failed.
    pub current_ep_errors: u64,
    /// Messages that `send` accepted.
    pub messages_sent: u64,
    /// Messages that `recv` gave.
    pub messages_received: u64,
    /// Their bytes, without headers.
    pub bytes_sent: u64,
    /// Their bytes, without headers.
    pub bytes_received: u64,
}

/// What one connection has carried so far: messages, and their bytes as the transport has them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Messages that were accepted for it.
    pub messages_sent: u64,
    /// Messages that were taken from it.
    pub messages_received: u64,
    /// Bytes that the kernel, or the peer's queue, has taken.
    pub bytes_sent: u64,
    /// Bytes read from the kernel, or taken from the queue.
    pub bytes_received: u64,
}

/// The number of the best send priority at which there is a peer, which is no counter.
pub const CURRENT_SND_PRIORITY: i32 = 401;

impl Statistics {
    /// The counter with nanomsg's number `stat`; `EINVAL` if there is none.
    pub fn get(&self, stat: i32) -> Result<u64> {
        Ok(match stat {
            101 => self.established_connections,
            102 => self.accepted_connections,
            103 => self.dropped_connections,
            104 => self.broken_connections,
            105 => self.connect_errors,
            106 => self.bind_errors,
            107 => self.accept_errors,
            201 => self.current_connections,
            202 => self.inprogress_connections,
            203 => self.current_ep_errors,
            301 => self.messages_sent,
            302 => self.messages_received,
            303 => self.bytes_sent,
            304 => self.bytes_received,
            _ => return Err(Error::INVALID),
        })
    }
}
